//! HTTP for the exporter, on the thread that sends: it may wait there, within limits.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::losses::Losses;
use super::of_exporter;

/// How long a request may take, unless the environment says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What a collector may answer, in bytes: it says whether it has taken everything.
const MOST_ANSWERED: u64 = 64 * 1024;

/// Sends requests.
#[derive(Debug)]
pub(super) struct Client {
    agent: ureq::Agent,
    losses: Arc<Losses>,
}

impl Client {
    /// One that goes by the environment, and notes what is wrong with the way.
    ///
    /// # Errors
    /// If the file of certificates that it names is of no use.
    pub(super) fn new(losses: Arc<Losses>) -> anyhow::Result<Client> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(roots()?)
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(timeout()))
            .user_agent(concat!("cpe-dpe/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build();
        Ok(Client {
            agent: agent.new_agent(),
            losses,
        })
    }
}

fn timeout() -> Duration {
    let set = of_exporter("TIMEOUT").and_then(|text| text.parse().ok());
    set.map_or(TIMEOUT, Duration::from_millis)
}

/// Whom a collector's certificate has to be of: who is named, else whom this host believes.
fn roots() -> anyhow::Result<RootCerts> {
    let found = match &of_exporter("CERTIFICATE") {
        Some(path) => certificates_in(path).with_context(|| format!("certificates of {path}"))?,
        // Without any, only plain HTTP works, and each attempt at anything else says why.
        None => rustls_native_certs::load_native_certs().certs,
    };
    let found = found.into_iter();
    Ok(found
        .map(|own| Certificate::from_der(&own).to_owned())
        .into())
}

fn certificates_in(path: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let text = std::fs::read(path)?;
    let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() {
        bail!("there are none; expected PEM");
    }
    Ok(found)
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = request.map(|body| body.to_vec());
        let answer = self.agent.run(request);
        let answer = answer.inspect_err(|error| self.losses.blame(error.to_string()))?;
        let (head, mut body) = answer.into_parts();
        let body = body.with_config().limit(MOST_ANSWERED).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}
