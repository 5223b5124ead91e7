//! The TLS socket's certificates, read again when their files change.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow, bail};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::files::Stamp;
use crate::settings;

/// What a TLS connection is made with.
#[derive(Debug)]
pub struct Tls {
    settings: settings::Tls,
    read: Mutex<(Vec<Stamp>, Arc<ServerConfig>)>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// If one cannot be read, or does not have what it should.
    pub fn load(settings: &settings::Tls) -> anyhow::Result<Tls> {
        // Before they are read: a change meanwhile has them read again.
        let stamps = stamps(settings);
        let read = Mutex::new((stamps, Arc::new(read(settings)?)));
        Ok(Tls {
            settings: settings.clone(),
            read,
        })
    }

    /// For the next connection. Files that cannot be read leave it as it was.
    pub fn config(&self) -> Arc<ServerConfig> {
        let now = stamps(&self.settings);
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != now {
            match read(&self.settings) {
                Ok(config) => {
                    tracing::info!("certificates were read again");
                    known.1 = Arc::new(config);
                }
                Err(error) => tracing::error!("certificates stay as they were: {error:#}"),
            }
            known.0 = now;
        }
        Arc::clone(&known.1)
    }
}

fn stamps(settings: &settings::Tls) -> Vec<Stamp> {
    let own = [Some(&settings.certificate), Some(&settings.key)];
    let of_callers = [settings.client_ca.as_ref(), settings.client_crl.as_ref()];
    let files = own.into_iter().chain(of_callers).flatten();
    files.map(|path| Stamp::of(path)).collect()
}

fn read(settings: &settings::Tls) -> anyhow::Result<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(&settings.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&settings.key)
        .map_err(|error| anyhow!("{}: {error}", settings.key.display()))?;
    let verifier = verifier(settings, &provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .with_context(|| {
            format!(
                "{} and {} do not belong together",
                settings.certificate.display(),
                settings.key.display()
            )
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Each connection shows its certificate again: a session that is resumed would keep what has
    // expired or was revoked since.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// A caller may have no certificate: a token says then who it is.
fn verifier(
    settings: &settings::Tls,
    provider: &Arc<CryptoProvider>,
) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let Some(ca) = &settings.client_ca else {
        return Ok(Arc::new(NoClientAuth));
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        let added = roots.add(certificate);
        added.with_context(|| format!("{} has no CA", ca.display()))?;
    }
    let mut builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .allow_unauthenticated();
    if let Some(crl) = &settings.client_crl {
        let lists = CertificateRevocationListDer::pem_file_iter(crl)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| anyhow!("{}: {error}", crl.display()))?;
        if lists.is_empty() {
            bail!("{} has no revocation list", crl.display());
        }
        builder = builder.with_crls(lists).only_check_end_entity_revocation();
    }
    Ok(builder.build()?)
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| anyhow!("{}: {error}", path.display()))?;
    if read.is_empty() {
        bail!("{} has no certificate", path.display());
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn settings(at: &Path) -> settings::Tls {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        std::fs::write(at.join("certificate.pem"), &pem).unwrap();
        std::fs::write(at.join("key.pem"), key.serialize_pem()).unwrap();
        std::fs::write(at.join("crl.pem"), "no list\n").unwrap();
        settings::Tls {
            certificate: at.join("certificate.pem"),
            key: at.join("key.pem"),
            client_ca: Some(at.join("certificate.pem")),
            client_crl: None,
        }
    }

    #[test]
    fn no_connection_is_taken_up_again() {
        let at = tempfile::tempdir().unwrap();
        let config = read(&settings(at.path())).unwrap();
        assert!(!config.session_storage.can_cache());
        assert_eq!(config.send_tls13_tickets, 0);
        assert!(!config.ticketer.enabled());
    }

    #[test]
    fn a_file_without_a_revocation_list_is_refused() {
        let at = tempfile::tempdir().unwrap();
        let mut settings = settings(at.path());
        settings.client_crl = Some(at.path().join("crl.pem"));
        let error = read(&settings).unwrap_err().to_string();
        assert!(error.ends_with("crl.pem has no revocation list"), "{error}");
    }
}
