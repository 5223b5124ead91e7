//! An authority, members' certificates, and those of users.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use time::{Duration, OffsetDateTime};

/// Signs everything in a lab.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: String,
}

/// A certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// What others see.
    pub certificate: String,
    /// What nobody else has.
    pub key: String,
}

impl Authority {
    pub(crate) fn new() -> Result<Authority> {
        let mut params = params("etcd-lab");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        Ok(Authority {
            issuer,
            certificate,
        })
    }

    /// For members: they are servers, and clients of each other. Without a common name, which would
    /// be a user.
    pub(crate) fn member(&self, address: IpAddr) -> Result<Identity> {
        let mut params = params("");
        // A member calls another one from the first address of the loopback network.
        let addresses = [address, IpAddr::V4(Ipv4Addr::LOCALHOST)];
        params.subject_alt_names = addresses.map(SanType::IpAddress).into();
        self.sign(params)
    }

    /// For a user of that name.
    pub(crate) fn user(&self, name: &str) -> Result<Identity> {
        self.sign(params(name))
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Identity> {
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        let key = KeyPair::generate()?;
        Ok(Identity {
            certificate: params.signed_by(&key, &self.issuer)?.pem(),
            key: key.serialize_pem(),
        })
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if !name.is_empty() {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    let now = OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now - Duration::days(1), now + Duration::days(1));
    params
}
