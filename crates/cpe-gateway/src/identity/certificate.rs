//! Whom a caller's certificate names.

use jiff::Timestamp;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};

/// Longest name in bytes: it goes into events.
const LONGEST: usize = 200;

/// When the caller's certificate ends; beside [`super::Peer`] among a request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateEnd(pub Timestamp);

impl CertificateEnd {
    /// Of a certificate.
    pub fn of(certificate: &[u8]) -> Option<CertificateEnd> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let end = certificate.validity().not_after.timestamp();
        Timestamp::from_second(end).ok().map(CertificateEnd)
    }
}

/// Its URI, else its subject. `None` if it has several URIs, or no name that is short and clear
/// enough.
pub fn name_of(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok()?;
    let names = names.iter().flat_map(|names| &names.value.general_names);
    let uris: Vec<&str> = names
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect();
    let name = match uris[..] {
        [] => subject(certificate.subject())?,
        [uri] => uri.to_owned(),
        // Which of them is meant nobody knows.
        _ => return None,
    };
    let is_plain = name.chars().all(|c| !c.is_control());
    (!name.is_empty() && name.len() <= LONGEST && is_plain).then_some(name)
}

/// As text, if it is that of no other subject: none of its values looks like several, or cannot be
/// written.
fn subject(name: &X509Name<'_>) -> Option<String> {
    let is_clear = name.iter_attributes().all(|attribute| {
        let value = attribute.as_str();
        value.is_ok_and(|value| !value.contains([',', '+', '=', '<', '>', '"', '\\', ';', '#']))
    });
    is_clear.then(|| name.to_string())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn made(uris: &[&str], subject: &str) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, subject);
        for uri in uris {
            let uri = SanType::URI((*uri).try_into().unwrap());
            params.subject_alt_names.push(uri);
        }
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn its_only_uri_counts_before_its_subject() {
        let uri = made(&["urn:ops:alice"], "bob");
        assert_eq!(name_of(&uri).as_deref(), Some("urn:ops:alice"));
        assert!(CertificateEnd::of(&uri).unwrap().0 > Timestamp::now());
        let subject = name_of(&made(&[], "bob")).unwrap();
        assert!(subject.contains("bob"), "{subject}");
        assert_eq!(name_of(&made(&["urn:a", "urn:b"], "bob")), None);
        assert_eq!(name_of(&made(&[], &"x".repeat(300))), None);
        for subject in ["bob, O=ops", "bob + OU=ops", "a=b", "\\2c", "\"bob\""] {
            assert_eq!(name_of(&made(&[], subject)), None, "{subject}");
        }
        assert_eq!(name_of(b"no certificate"), None);
    }
}
