//! Lists of what is revoked: those of other CAs, which stand beside the own one while hosts and
//! guests go from one CA to the next.

use std::collections::BTreeMap;

use x509_parser::pem::Pem;

use crate::error::{Error, Result};

const BEGIN: &str = "-----BEGIN X509 CRL-----";
const END: &str = "-----END X509 CRL-----";

/// The lists of some texts, as one text: of the CA of that certificate the first one, which is its
/// own to say; of each other CA the newest. Anything else is dropped: it makes a file unreadable.
///
/// # Errors
/// If the certificate cannot be read.
pub(crate) fn merged(certificate: &str, texts: &[&str]) -> Result<String> {
    let subject = subject(certificate)?;
    let mut chosen: BTreeMap<Vec<u8>, List<'_>> = BTreeMap::new();
    let all = texts.iter().flat_map(|text| sections(text));
    for (issuer, list) in all.filter_map(List::read) {
        let known = chosen.get(&issuer);
        if known.is_none_or(|known| issuer != subject && known.number < list.number) {
            chosen.insert(issuer, list);
        }
    }
    let own = chosen.remove(&subject);
    let lists = own.iter().chain(chosen.values());
    Ok(lists.map(|list| format!("{}\n", list.text)).collect())
}

/// A list as it stands in a text.
struct List<'t> {
    text: &'t str,
    /// Its number, and when it was made, seconds of Unix: a newer one has a higher one.
    number: (Vec<u8>, i64),
}

impl<'t> List<'t> {
    /// With the name of the CA that has signed it, as it is encoded.
    fn read(text: &'t str) -> Option<(Vec<u8>, List<'t>)> {
        let pem = Pem::iter_from_buffer(text.as_bytes()).next()?.ok()?;
        let (_, list) = x509_parser::parse_x509_crl(&pem.contents).ok()?;
        let number = list.crl_number().map(|number| {
            let bytes = number.to_bytes_be();
            // Those of one length compare as numbers: RFC 5280 has 20 bytes at most.
            [vec![0; 20_usize.saturating_sub(bytes.len())], bytes].concat()
        });
        let made_s = list.last_update().timestamp();
        let number = (number.unwrap_or_default(), made_s);
        Some((list.issuer().as_raw().to_owned(), List { text, number }))
    }
}

/// The lists of a text, as they stand there.
fn sections(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let begin = rest.find(BEGIN)?;
        let end = begin + rest[begin..].find(END)? + END.len();
        let section = &rest[begin..end];
        rest = &rest[end..];
        Some(section)
    })
}

/// The name of the CA that a certificate is of: the first one of the text.
fn subject(certificate: &str) -> Result<Vec<u8>> {
    let unreadable = || Error::Invalid("the CA's certificate cannot be read".to_owned());
    let pem = Pem::iter_from_buffer(certificate.as_bytes()).next();
    let pem = pem.and_then(|pem| pem.ok()).ok_or_else(unreadable)?;
    let parsed = x509_parser::parse_x509_certificate(&pem.contents);
    let (_, certificate) = parsed.map_err(|_| unreadable())?;
    Ok(certificate.subject().as_raw().to_owned())
}
