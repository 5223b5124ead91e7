//! Where the store is, and what one shows it.

use std::time::Duration;

use etcd_client::{Certificate, ConnectOptions, Identity, TlsOptions};

use crate::error::{Error, Result};

/// After this a call is not answered any more, and another member is asked.
pub const CALL: Duration = Duration::from_millis(300);

/// How long connecting to a member may take, over several calls.
const CONNECT: Duration = Duration::from_secs(2);

/// A connection that says nothing for so long is asked whether it lives,
const PING: Duration = Duration::from_secs(1);

/// and ends if it does not say so within this: a frozen member's watches are noticed by it.
const PONG: Duration = Duration::from_millis(500);

/// Members of one cluster: etcd advises against more than seven.
const MOST_ENDPOINTS: usize = 9;

/// What a client is given.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Members, as `https://ADDRESS:PORT`.
    pub endpoints: Vec<String>,
    /// What members are trusted, and who this is.
    pub tls: Tls,
    /// After this a call is not answered any more: [`CALL`].
    pub call: Duration,
}

/// Files of a client, as PEM. Debug does not show them.
#[derive(Clone)]
pub struct Tls {
    /// The authority that has signed the members' certificates.
    pub authority: String,
    /// The client's certificate. Its common name is its user in etcd.
    pub certificate: String,
    /// The certificate's private key.
    pub key: String,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Settings {
    /// Says what is wrong with it.
    pub(crate) fn check(&self) -> Result<()> {
        if self.endpoints.is_empty() || self.endpoints.len() > MOST_ENDPOINTS {
            let found = self.endpoints.len();
            return Err(Error::Invalid(format!(
                "the store needs 1 to {MOST_ENDPOINTS} endpoints, there are {found}"
            )));
        }
        for endpoint in &self.endpoints {
            let rest = endpoint.strip_prefix("https://").unwrap_or_default();
            let has_port = rest
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
            if !has_port {
                return Err(Error::Invalid(format!(
                    "“{endpoint}” is no endpoint of the store: write https://ADDRESS:PORT"
                )));
            }
        }
        let twice = |at: usize| self.endpoints[..at].contains(&self.endpoints[at]);
        if let Some(at) = (1..self.endpoints.len()).find(|at| twice(*at)) {
            let endpoint = &self.endpoints[at];
            return Err(Error::Invalid(format!(
                "the endpoint {endpoint} is there twice"
            )));
        }
        if self.call.is_zero() {
            return Err(Error::Invalid("a call needs time".to_owned()));
        }
        Ok(())
    }

    /// The same, in the library's words.
    pub(crate) fn options(&self) -> ConnectOptions {
        let tls = TlsOptions::new()
            .ca_certificate(Certificate::from_pem(&self.tls.authority))
            .identity(Identity::from_pem(&self.tls.certificate, &self.tls.key));
        ConnectOptions::new()
            .with_tls(tls)
            .with_connect_timeout(CONNECT)
            .with_keep_alive(PING, PONG)
            // Only while something is open: a member calls more of them too many.
            .with_keep_alive_while_idle(false)
            // Else a watch at a member without a quorum stays open, and says nothing.
            .with_require_leader(true)
    }
}
