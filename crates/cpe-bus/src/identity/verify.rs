//! TLS 1.3 with a certificate on both sides, and what is said of one that is refused.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, ServerName, UnixTime,
};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, ConfigBuilder, ConfigSide,
    DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore, ServerConfig,
    SignatureScheme, WantsVerifier, WantsVersions,
};

use super::files::Files;
use super::{Ends, Name};

/// A certificate that names somebody else.
#[derive(Debug)]
struct WrongName(String);

impl fmt::Display for WrongName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongName {}

/// Whether a certificate names whom it must.
fn names(certificate: &CertificateDer<'_>, wanted: &Name) -> Result<(), Error> {
    let text = match Name::of(certificate) {
        Ok(found) if found == *wanted => return Ok(()),
        Ok(found) => format!("the certificate is that of {found}; {wanted} is expected"),
        Err(reason) => reason,
    };
    let other = OtherError(Arc::new(WrongName(text)));
    Err(CertificateError::Other(other).into())
}

/// Checks agents' certificates, by all that rustls checks and by the name that was asked for.
#[derive(Debug)]
pub(super) struct Agents(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Agents {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let wanted = Name::of_server(server_name)
            .ok_or_else(|| Error::General("this is no agent's name".to_owned()))?;
        let checked =
            self.0
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match &checked {
            // The chain is good. The URI says more than the names of the DNS.
            Ok(_)
            | Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => names(end_entity, &wanted).and(checked),
            Err(_) => checked,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Checks DPEs' certificates: an agent obeys that of its own deployment.
#[derive(Debug)]
pub(super) struct Dpes {
    inner: Arc<dyn ClientCertVerifier>,
    wanted: Name,
}

impl ClientCertVerifier for Dpes {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Strangers are not told whom it believes.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .inner
            .verify_client_cert(end_entity, intermediates, now)?;
        // Nothing that a stranger has written is looked at before.
        names(end_entity, &self.wanted)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Checks the certificate of a running connection again.
pub(super) enum Reverify {
    Agents(Arc<Agents>),
    Dpes(Arc<Dpes>),
}

/// What becomes of a running connection.
pub(super) enum Verdict {
    Good,
    /// It ends.
    Refused(String),
    /// It stays: what is wrong may be the files'.
    Unknown(String),
}

impl Reverify {
    /// By what is known now, for a certificate that was accepted then.
    pub(super) fn check(&self, chain: &[CertificateDer<'_>], then: UnixTime) -> Verdict {
        let Some((first, rest)) = chain.split_first() else {
            return Verdict::Refused("its peer has shown no certificate".to_owned());
        };
        let checked = match self {
            Reverify::Dpes(dpes) => dpes.verify_client_cert(first, rest, then).map(drop),
            Reverify::Agents(agents) => {
                let name = Name::of(first).ok().and_then(|name| name.dns());
                let name = name.and_then(|dns| ServerName::try_from(dns).ok());
                match name {
                    Some(name) => agents
                        .verify_server_cert(first, rest, &name, &[], then)
                        .map(drop),
                    None => Err(CertificateError::BadEncoding.into()),
                }
            }
        };
        match checked {
            Ok(()) => Verdict::Good,
            Err(error) => {
                let reason = explain(&error).unwrap_or_else(|| error.to_string());
                match error {
                    Error::InvalidCertificate(
                        CertificateError::Revoked
                        | CertificateError::UnknownIssuer
                        | CertificateError::BadSignature
                        | CertificateError::Other(_),
                    ) => Verdict::Refused(reason),
                    _ => Verdict::Unknown(reason),
                }
            }
        }
    }
}

/// The configuration of a side, of files that are whole.
///
/// # Errors
/// A text for people.
pub(super) fn configure(own: &Name, files: Files) -> Result<(Ends, Reverify), String> {
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    for ca in files.cas {
        let added = roots.add(ca);
        added.map_err(|error| format!("a CA's certificate cannot be used: {error}"))?;
    }
    let roots = Arc::new(roots);
    let identity = files.identity.display().to_string();
    // The error of a key's library says nothing of the key.
    let unusable = |error: Error| format!("{identity} cannot be used: {error}");
    let revoked = files.revoked;
    match own {
        Name::Agent { deployment, .. } => {
            let inner = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
                .with_crls(revoked)
                .only_check_end_entity_revocation()
                .build()
                .map_err(|error| format!("whom to believe cannot be used: {error}"))?;
            let wanted = Name::dpe(deployment);
            let dpes = Arc::new(Dpes { inner, wanted });
            let mut config = tls13(ServerConfig::builder_with_provider(provider))?
                .with_client_cert_verifier(Arc::clone(&dpes) as Arc<dyn ClientCertVerifier>)
                .with_single_cert(files.chain, files.key)
                .map_err(unusable)?;
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            Ok((Ends::Agent(Arc::new(config)), Reverify::Dpes(dpes)))
        }
        Name::Dpe { .. } => {
            let inner = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
                .with_crls(revoked)
                .only_check_end_entity_revocation()
                .build()
                .map_err(|error| format!("whom to believe cannot be used: {error}"))?;
            let agents = Arc::new(Agents(inner));
            let mut config =
                tls13(ClientConfig::builder_with_provider(provider))?
                    .dangerous()
                    .with_custom_certificate_verifier(
                        Arc::clone(&agents) as Arc<dyn ServerCertVerifier>
                    )
                    .with_client_auth_cert(files.chain, files.key)
                    .map_err(unusable)?;
            config.resumption = Resumption::disabled();
            Ok((Ends::Dpe(Arc::new(config)), Reverify::Agents(agents)))
        }
    }
}

fn tls13<S: ConfigSide>(
    builder: ConfigBuilder<S, WantsVersions>,
) -> Result<ConfigBuilder<S, WantsVerifier>, String> {
    builder
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| format!("TLS 1.3 cannot be used: {error}"))
}

/// Why an identity is refused, by this side or by the other; `None` if it is about something else.
pub(crate) fn explain(error: &Error) -> Option<String> {
    match error {
        Error::InvalidCertificate(reason) => Some(match reason {
            CertificateError::Revoked => "its certificate is revoked".to_owned(),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet: is a clock wrong?".to_owned()
            }
            // A CA of the same name may be believed.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "its certificate is of a CA that is not believed".to_owned()
            }
            CertificateError::UnknownRevocationStatus => {
                "no list of revoked certificates of its CA is at hand".to_owned()
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                "its certificate is for another purpose".to_owned()
            }
            CertificateError::Other(OtherError(reason)) => reason.to_string(),
            other => format!("its certificate is refused: {other}"),
        }),
        Error::NoCertificatesPresented => Some("it shows no certificate".to_owned()),
        Error::AlertReceived(alert) => refusal(*alert).map(str::to_owned),
        _ => None,
    }
}

/// What the other side says against our certificate.
fn refusal(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::CertificateRevoked => "it says that our certificate is revoked",
        AlertDescription::CertificateExpired => "it says that our certificate has expired",
        AlertDescription::UnknownCA => "it does not believe the CA of our certificate",
        AlertDescription::UnsupportedCertificate => {
            "it says that our certificate is for another purpose"
        }
        AlertDescription::CertificateRequired => "it asks for a certificate",
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied => "it refuses our certificate; its log says why",
        _ => return None,
    })
}

/// Whether an agent's certificate is accepted now by those who believe a CA and have its list. All
/// of them are PEM.
///
/// # Errors
/// A text for people that says why not.
pub fn prove(ca: &str, identity: &str, revoked: &str) -> Result<(), String> {
    let read = |what: &str| format!("{what} is not PEM");
    let mut roots = RootCertStore::empty();
    for ca in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        let ca = ca.map_err(|_| read("the CA's certificate"))?;
        roots.add(ca).map_err(|error| error.to_string())?;
    }
    let lists = CertificateRevocationListDer::pem_slice_iter(revoked.as_bytes());
    let lists: Result<Vec<_>, _> = lists.collect();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .with_crls(lists.map_err(|_| read("the list"))?)
        .only_check_end_entity_revocation()
        .build()
        .map_err(|error| error.to_string())?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(identity.as_bytes()).collect();
    let chain = chain.map_err(|_| read("the certificate"))?;
    match Reverify::Agents(Arc::new(Agents(inner))).check(&chain, UnixTime::now()) {
        Verdict::Good => Ok(()),
        Verdict::Refused(reason) | Verdict::Unknown(reason) => Err(reason),
    }
}
