//! Whom a certificate names.

use std::fmt;
use std::str::FromStr;

use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;

use crate::fields::bounded;
use crate::names::check_deployment_name;

/// What is shown of a URI that means nothing, in bytes.
const MAX_SHOWN: usize = 200;
/// What the URIs begin with; a certificate has exactly one that does.
const SCHEME: &str = "cpe:";

/// An agent, or a DPE.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// `cpe:agent:DEPLOYMENT/ASSEMBLY`
    Agent {
        /// Its deployment.
        deployment: String,
        /// Its assembly, as the document names it.
        assembly: String,
    },
    /// `cpe:dpe:DEPLOYMENT`
    Dpe {
        /// Its deployment.
        deployment: String,
    },
}

impl Name {
    /// That of an assembly's agent.
    pub fn agent(deployment: &str, assembly: &str) -> Name {
        Name::Agent {
            deployment: deployment.to_owned(),
            assembly: assembly.to_owned(),
        }
    }

    /// That of a deployment's DPE.
    pub fn dpe(deployment: &str) -> Name {
        Name::Dpe {
            deployment: deployment.to_owned(),
        }
    }

    /// The URI in its certificate.
    pub fn uri(&self) -> String {
        match self {
            Name::Agent {
                deployment,
                assembly,
            } => format!("cpe:agent:{deployment}/{assembly}"),
            Name::Dpe { deployment } => format!("cpe:dpe:{deployment}"),
        }
    }

    /// An agent's name of the DNS, by which TLS asks for it. It is in no DNS.
    pub fn dns(&self) -> Option<String> {
        match self {
            Name::Agent {
                deployment,
                assembly,
            } => Some(format!("{assembly}.{deployment}.cpe.internal")),
            Name::Dpe { .. } => None,
        }
    }

    /// Whose certificate that is.
    ///
    /// # Errors
    /// A text for people, if it names nobody, more than one, or in another way than those of this
    /// system.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Result<Name, String> {
        let read = EndEntityCert::try_from(certificate)
            .map_err(|error| format!("a certificate cannot be read: {error}"))?;
        let mut ours = read.valid_uri_names().filter(|uri| uri.starts_with(SCHEME));
        match (ours.next(), ours.next()) {
            (Some(uri), None) => uri.parse(),
            (None, _) => Err(format!(
                "the certificate names no agent and no DPE: it has no URI that begins with {SCHEME}"
            )),
            (Some(_), Some(_)) => Err(format!(
                "the certificate has more than one URI that begins with {SCHEME}"
            )),
        }
    }

    /// Whose chain of certificates that is.
    ///
    /// # Errors
    /// As of [`Name::of`].
    pub(crate) fn of_chain(chain: &[CertificateDer<'_>]) -> Result<Name, String> {
        match chain.first() {
            Some(certificate) => Name::of(certificate),
            None => Err("there is no certificate".to_owned()),
        }
    }

    /// Whom TLS was asked for by that name.
    pub(crate) fn of_server(name: &ServerName<'_>) -> Option<Name> {
        let ServerName::DnsName(dns) = name else {
            return None;
        };
        let mut labels = dns.as_ref().strip_suffix(".cpe.internal")?.split('.');
        match (labels.next(), labels.next(), labels.next()) {
            (Some(assembly), Some(deployment), None) => Some(Name::agent(deployment, assembly)),
            _ => None,
        }
    }
}

impl FromStr for Name {
    type Err = String;

    /// Reads a URI.
    fn from_str(uri: &str) -> Result<Name, String> {
        let strange = || {
            let uri = bounded(uri, MAX_SHOWN);
            format!("`{}` names no agent and no DPE", uri.escape_debug())
        };
        let is_name = |name: &str| check_deployment_name(name).is_ok();
        let rest = uri.strip_prefix(SCHEME).ok_or_else(strange)?;
        match rest.split_once(':') {
            Some(("dpe", deployment)) if is_name(deployment) => Ok(Name::dpe(deployment)),
            Some(("agent", both)) => match both.split_once('/') {
                Some((deployment, assembly)) if is_name(deployment) && is_name(assembly) => {
                    Ok(Name::agent(deployment, assembly))
                }
                _ => Err(strange()),
            },
            _ => Err(strange()),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Agent {
                deployment,
                assembly,
            } => write!(f, "assembly {assembly} of {deployment}"),
            Name::Dpe { deployment } => write!(f, "the DPE of {deployment}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_one_agent_or_one_dpe() {
        for uri in ["cpe:agent:shop/web1", "cpe:dpe:shop"] {
            assert_eq!(uri.parse::<Name>().unwrap().uri(), uri);
        }
        for bad in [
            "cpe:agent:shop",
            "cpe:agent:shop/",
            "cpe:agent:shop/web1/x",
            "cpe:agent:/web1",
            "cpe:dpe:",
            "cpe:dpe:Shop",
            "cpe:dpe:shop/web1",
            "cpe:other:shop",
            "https://shop",
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn tls_asks_for_an_agent_by_a_name_of_the_dns() {
        let name = Name::agent("shop", "web1");
        let dns = name.dns().unwrap();
        assert_eq!(dns, "web1.shop.cpe.internal");
        let asked = ServerName::try_from(dns).unwrap();
        assert_eq!(Name::of_server(&asked), Some(name));
        for other in ["web1.shop.example", "a.b.c.cpe.internal", "cpe.internal"] {
            let asked = ServerName::try_from(other).unwrap();
            assert_eq!(Name::of_server(&asked), None, "{other}");
        }
    }
}
