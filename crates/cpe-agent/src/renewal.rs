//! Another certificate for this guest, whose key never leaves it: it is made here, its request is
//! signed elsewhere, and what comes back counts only if it names this guest and is of that key.

use std::sync::{Arc, Mutex, PoisonError};

use cpe_bus::peer::Credentials;
use cpe_bus::{Error, Result};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

/// What one connection has asked for. The key is forgotten with the connection.
pub(crate) struct Renewal {
    credentials: Arc<Credentials>,
    requested: Mutex<Option<KeyPair>>,
}

impl Renewal {
    pub(crate) fn new(credentials: Arc<Credentials>) -> Renewal {
        Renewal {
            credentials,
            requested: Mutex::new(None),
        }
    }

    /// A request (PKCS #10, PEM) for another certificate of the same name, with a new key.
    ///
    /// # Errors
    /// [`Error::NotReady`] if this guest has no certificate.
    pub(crate) async fn request(&self) -> Result<String> {
        let name = self.credentials.name().await?;
        let failed = |error: rcgen::Error| Error::Failed(format!("no request: {error}"));
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        let uri = name.uri().try_into().map_err(failed)?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "cpe-agent");
        let request = params.serialize_request(&key).map_err(failed)?;
        let request = request.pem().map_err(failed)?;
        *self.pending() = Some(key);
        tracing::info!("another certificate of {name} is asked for");
        Ok(request)
    }

    /// Takes the certificate for the last request; it is on the disk when this returns.
    ///
    /// # Errors
    /// [`Error::NotReady`] if none was asked for on this connection, and those of
    /// [`Credentials::replace`].
    pub(crate) async fn take(&self, certificate: &str) -> Result<()> {
        let key = self.pending().take().ok_or_else(|| {
            Error::NotReady("no certificate was asked for on this connection".to_owned())
        })?;
        let identity = format!("{}\n{}", certificate.trim_end(), key.serialize_pem());
        self.credentials.replace(identity).await
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, Option<KeyPair>> {
        self.requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
