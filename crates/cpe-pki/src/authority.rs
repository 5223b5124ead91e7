//! The authority: its key, what it issues, what it revokes.

use std::fs::File;
use std::path::{Path, PathBuf};

use cpe_bus::identity::{CA, IDENTITY, Name, REVOKED};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams,
    CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, PublicKeyData, RevokedCertParams, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use crate::disk::{self, Readers};
use crate::error::{Error, Result};
use crate::index::{Entry, Index, LONGEST_DAYS, State, now_s};
use crate::lists::merged;

/// Certificates are valid from that long ago on: clocks of guests may be behind.
const BEHIND: Duration = Duration::hours(1);

/// Longest request that is read, in bytes: it takes some hundred.
const MAX_REQUEST: usize = 16 << 10;

const KEY: &str = "ca.key";
const INDEX: &str = "index.json";

/// A host's certificate authority, which nobody else works with meanwhile.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    index: Index,
    _lock: File,
}

impl std::fmt::Debug for Authority {
    /// Without its key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({})", self.folder.display())
    }
}

/// Where what was issued goes.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// The folder that gets the three files.
    pub folder: PathBuf,
    /// The group that may read the key beside its owner; `None`: nobody may.
    pub group: Option<u32>,
}

/// A certificate and its key. Debug shows neither.
pub struct Issued {
    /// As it stands in the index.
    pub entry: Entry,
    identity: String,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issued({:?})", self.entry)
    }
}

impl Issued {
    /// The certificate and its private key, as PEM: a secret.
    pub fn identity(&self) -> &str {
        &self.identity
    }
}

fn wrong(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Invalid(format!("{what}: {error}"))
}

impl Authority {
    /// Makes an authority with a key of its own.
    ///
    /// # Errors
    /// [`Error::Exists`] if there is one in the folder.
    pub fn init(folder: &Path, host: &str) -> Result<Authority> {
        let failed = |error: rcgen::Error| wrong("a CA cannot be made", &error);
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(random_serial());
        params.distinguished_name = rcgen::DistinguishedName::new();
        // Never the name of one that was here before.
        let mark = hexadecimal(&random_serial().to_bytes()[8..12]);
        let host: String = host.chars().take(30).collect();
        let common = format!("Cloud Policy Engine {host} {mark}");
        params.distinguished_name.push(DnType::CommonName, common);
        let now = OffsetDateTime::now_utc();
        params.not_before = now - BEHIND;
        params.not_after = now + Duration::days(LONGEST_DAYS.into());
        let certificate = params.self_signed(&key).map_err(failed)?;
        Authority::adopt(folder, &certificate.pem(), &key.serialize_pem())
    }

    /// Takes an existing CA: its certificate and its private key (PKCS #8), as PEM.
    ///
    /// # Errors
    /// [`Error::Exists`] if there is one in the folder, [`Error::Invalid`] if it cannot issue what
    /// is needed.
    pub fn adopt(folder: &Path, certificate: &str, key: &str) -> Result<Authority> {
        let issuer = issuer(certificate, key)?;
        disk::private_folder(folder)?;
        let lock = disk::lock(folder)?;
        if disk::read(&folder.join(INDEX))?.is_some() {
            let folder = folder.display();
            return Err(Error::Exists(format!(
                "there is a certificate authority in {folder} already"
            )));
        }
        let mut own = Authority {
            folder: folder.to_owned(),
            issuer,
            certificate: certificate.to_owned(),
            index: Index::default(),
            _lock: lock,
        };
        own.prove()?;
        disk::write(&folder.join(KEY), key.as_bytes(), Readers::None)?;
        disk::write(&folder.join(CA), certificate.as_bytes(), Readers::All)?;
        own.publish()?;
        Ok(own)
    }

    /// Opens the authority of a folder, and finishes what an earlier command has begun.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
    pub fn open(folder: &Path) -> Result<Authority> {
        let missing = || {
            let folder = folder.display();
            Error::NotFound(format!(
                "there is no certificate authority in {folder}: make one with `cpectl pki init`"
            ))
        };
        if !folder.try_exists().unwrap_or(true) {
            return Err(missing());
        }
        let lock = disk::lock(folder)?;
        let index = disk::read(&folder.join(INDEX))?.ok_or_else(missing)?;
        let index: Index = serde_json::from_str(&index)
            .map_err(|error| wrong(&folder.join(INDEX).display().to_string(), &error))?;
        let certificate = disk::read(&folder.join(CA))?.ok_or_else(missing)?;
        let key = disk::read(&folder.join(KEY))?.ok_or_else(missing)?;
        let mut own = Authority {
            folder: folder.to_owned(),
            issuer: issuer(&certificate, &key)?,
            certificate,
            index,
            _lock: lock,
        };
        if own.index.published != own.index.list {
            own.publish()?;
        }
        Ok(own)
    }

    /// All that was issued and is not forgotten, oldest first.
    pub fn list(&self) -> &[Entry] {
        &self.index.certificates
    }

    /// Whether somebody has a certificate that is valid.
    pub fn has_valid(&self, name: &Name) -> bool {
        let (now_s, uri) = (now_s(), name.uri());
        let mut all = self.index.certificates.iter();
        all.any(|it| it.name == uri && it.state(now_s) == State::Valid)
    }

    /// The CA's certificate, as PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The list of what is revoked, as PEM; beside it those of other CAs that an administrator has
    /// put there.
    ///
    /// # Errors
    /// If its file cannot be read.
    pub fn revoked(&self) -> Result<String> {
        let path = self.folder.join(REVOKED);
        disk::read(&path)?.ok_or_else(|| Error::File(format!("{} is missing", path.display())))
    }

    /// Issues a certificate for so many days, with a new key.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a time that is too long, [`Error::File`] if it cannot be noted.
    pub fn issue(&mut self, name: &Name, days: u32) -> Result<Issued> {
        check_days(days)?;
        let (identity, entry) = self.sign(name, days)?;
        self.note(&entry)?;
        Ok(Issued { entry, identity })
    }

    /// Issues a certificate for so many days to whoever has made a key and a request (PKCS #10,
    /// PEM) for that name; returns it, as PEM, and how it stands in the index: as one that was not
    /// delivered yet, see [`Authority::note_delivery`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for a request that is none, or is for another name, and those of
    /// [`Authority::issue`].
    pub fn answer(&mut self, name: &Name, days: u32, request: &str) -> Result<(String, Entry)> {
        check_days(days)?;
        if request.len() > MAX_REQUEST {
            let reason = format!("a request has at most {MAX_REQUEST} bytes");
            return Err(Error::Invalid(reason));
        }
        // That it is signed with its own key is checked there.
        let read = CertificateSigningRequestParams::from_pem(request)
            .map_err(|error| wrong("this is no request for a certificate", &error))?;
        let asked = read
            .params
            .subject_alt_names
            .iter()
            .any(|asked| matches!(asked, SanType::URI(uri) if uri.as_str() == name.uri()));
        if !asked {
            let reason = format!("this request is not for a certificate of {name}");
            return Err(Error::Invalid(reason));
        }
        let (certificate, mut entry) = self.certify(name, days, &read.public_key)?;
        entry.undelivered = true;
        self.note(&entry)?;
        Ok((certificate, entry))
    }

    /// Notes whether a certificate has come to whom it names. One that has not is no reason to
    /// leave the one before it unrenewed.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be noted.
    pub fn note_delivery(&mut self, serial: &str, is_delivered: bool) -> Result<()> {
        let all = &mut self.index.certificates;
        if let Some(entry) = all.iter_mut().find(|entry| entry.serial == serial) {
            entry.undelivered = !is_delivered;
        }
        self.save()
    }

    fn note(&mut self, entry: &Entry) -> Result<()> {
        self.index.forget(now_s());
        self.index.certificates.push(entry.clone());
        self.save()
    }

    /// A certificate and its new key.
    fn sign(&self, name: &Name, days: u32) -> Result<(String, Entry)> {
        let failed = |error: rcgen::Error| wrong(&format!("no certificate for {name}"), &error);
        let key = KeyPair::generate().map_err(failed)?;
        let (certificate, entry) = self.certify(name, days, &key)?;
        // What leads from it to a root, if the CA is below another one, is the CA's own file.
        Ok((format!("{certificate}{}", key.serialize_pem()), entry))
    }

    /// A certificate for a key. Nothing of it is what its owner has asked for but the key.
    fn certify(&self, name: &Name, days: u32, key: &impl PublicKeyData) -> Result<(String, Entry)> {
        let failed = |error: rcgen::Error| wrong(&format!("no certificate for {name}"), &error);
        let mut params = CertificateParams::default();
        let text = |text: String| text.try_into().map_err(failed);
        let mut names = vec![SanType::URI(text(name.uri())?)];
        if let Some(dns) = name.dns() {
            names.push(SanType::DnsName(text(dns)?));
        }
        params.subject_alt_names = names;
        let (purpose, common) = match name {
            Name::Agent { .. } => (ExtendedKeyUsagePurpose::ServerAuth, "cpe-agent"),
            Name::Dpe { .. } => (ExtendedKeyUsagePurpose::ClientAuth, "dpe"),
        };
        params.extended_key_usages = vec![purpose];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common);
        let serial = random_serial();
        params.serial_number = Some(serial.clone());
        let now = OffsetDateTime::now_utc();
        params.not_before = now - BEHIND;
        params.not_after = now + Duration::days(days.into());
        let entry = Entry {
            serial: hexadecimal(&serial.to_bytes()),
            name: name.uri(),
            not_before_s: params.not_before.unix_timestamp(),
            not_after_s: params.not_after.unix_timestamp(),
            revoked_s: None,
            undelivered: false,
        };
        let certificate = params.signed_by(key, &self.issuer).map_err(failed)?;
        Ok((certificate.pem(), entry))
    }

    /// Revokes all valid certificates of a name, or the one with that serial number; returns how
    /// many. It is published to every DPE of this host before this returns.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
    pub fn revoke(&mut self, name: &Name, serial: Option<&str>) -> Result<usize> {
        self.revoke_where(name, |entry| serial.is_none_or(|it| it == entry.serial))
    }

    /// Revokes all valid certificates of a name but that one.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be noted or published.
    pub fn revoke_others(&mut self, name: &Name, kept: &Entry) -> Result<usize> {
        match self.revoke_where(name, |entry| entry.serial != kept.serial) {
            Err(Error::NotFound(_)) => Ok(0),
            other => other,
        }
    }

    fn revoke_where(&mut self, name: &Name, which: impl Fn(&Entry) -> bool) -> Result<usize> {
        let (now_s, uri) = (now_s(), name.uri());
        let mut count = 0;
        for entry in &mut self.index.certificates {
            let meant = entry.name == uri && which(entry);
            if meant && entry.state(now_s) == State::Valid {
                entry.revoked_s = Some(now_s);
                count += 1;
            }
        }
        if count == 0 {
            return Err(Error::NotFound(format!(
                "there is no such valid certificate of {name}"
            )));
        }
        self.publish()?;
        Ok(count)
    }

    /// Gives a recipient its certificate, and what it needs to check others'.
    ///
    /// # Errors
    /// [`Error::File`] that names the file.
    pub fn hand_over(&self, issued: &Issued, to: &Recipient) -> Result<()> {
        match to.group {
            None => disk::private_folder(&to.folder)?,
            Some(group) => disk::groups_folder(&to.folder, group)?,
        }
        let readers = to.group.map_or(Readers::None, Readers::Group);
        let path = |name: &str| to.folder.join(name);
        disk::write(&path(CA), self.certificate.as_bytes(), Readers::All)?;
        self.put_lists(&to.folder, None)?;
        // Last: where it is, the others are.
        disk::write(&path(IDENTITY), issued.identity.as_bytes(), readers)
    }

    /// Writes what everybody may know into a folder: the CA's certificate, and the list.
    ///
    /// # Errors
    /// [`Error::File`] that names the file.
    pub fn export(&self, folder: &Path) -> Result<()> {
        let path = |name: &str| folder.join(name);
        disk::folder(folder)?;
        disk::write(&path(CA), self.certificate.as_bytes(), Readers::All)?;
        self.put_lists(folder, None)
    }

    /// Puts lists into a folder: that one, or else the one that was published last, and those of
    /// other CAs that are there or here.
    fn put_lists(&self, folder: &Path, new: Option<&str>) -> Result<()> {
        let path = folder.join(REVOKED);
        let there = disk::read(&path)?.unwrap_or_default();
        let here = disk::read(&self.folder.join(REVOKED))?.unwrap_or_default();
        let texts = [new.unwrap_or_default(), &here, &there];
        let text = merged(&self.certificate, &texts)?;
        disk::write(&path, text.as_bytes(), Readers::All)
    }

    /// Remembers a folder of this host that gets every new list.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be noted.
    pub fn remember(&mut self, folder: &Path) -> Result<()> {
        let folder = folder.display().to_string();
        if self.index.folders.contains(&folder) {
            return Ok(());
        }
        self.index.folders.push(folder);
        self.save()
    }

    /// Makes a new list, and gives it to every folder that is remembered, beside those of other
    /// CAs. What is revoked is in the index first: a command that is killed can be finished.
    fn publish(&mut self) -> Result<()> {
        self.index.list += 1;
        self.save()?;
        let list = self.make_list()?;
        self.put_lists(&self.folder, Some(&list))?;
        for folder in self.index.folders.clone() {
            let folder = Path::new(&folder);
            // That of a deployment that is gone.
            if folder.is_dir() {
                self.put_lists(folder, Some(&list))?;
            }
        }
        self.index.published = self.index.list;
        self.save()
    }

    fn make_list(&self) -> Result<String> {
        let failed = |error: rcgen::Error| wrong("the list of what is revoked", &error);
        let now = OffsetDateTime::now_utc();
        let moment = |at_s| OffsetDateTime::from_unix_timestamp(at_s).unwrap_or(now);
        let revoked = self.index.listed(now.unix_timestamp());
        let revoked = revoked.map(|(entry, revoked_s)| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&bytes(&entry.serial)),
            revocation_time: moment(revoked_s),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: now - BEHIND,
            // A list that is not renewed is better than none, and nobody here looks at it.
            next_update: now + Duration::days(LONGEST_DAYS.into()),
            crl_number: SerialNumber::from(self.index.list),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).map_err(failed)?;
        list.pem().map_err(failed)
    }

    fn save(&self) -> Result<()> {
        let path = self.folder.join(INDEX);
        let text = serde_json::to_vec_pretty(&self.index)
            .map_err(|error| wrong(&path.display().to_string(), &error))?;
        disk::write(&path, &text, Readers::None)
    }

    /// That what it issues and revokes is what others accept: its key is that of its certificate,
    /// which may issue certificates and lists.
    fn prove(&mut self) -> Result<()> {
        let name = Name::agent("proof", "proof");
        let (identity, mut entry) = self.sign(&name, 1)?;
        let before = self.make_list()?;
        cpe_bus::identity::prove(&self.certificate, &identity, &before)
            .map_err(|reason| wrong("this CA cannot be used", &reason))?;
        entry.revoked_s = Some(now_s());
        self.index.certificates.push(entry);
        let after = self.make_list()?;
        self.index.certificates.clear();
        match cpe_bus::identity::prove(&self.certificate, &identity, &after) {
            Err(_) => Ok(()),
            Ok(()) => Err(Error::Invalid(
                "this CA cannot be used: what it revokes is accepted".to_owned(),
            )),
        }
    }
}

fn check_days(days: u32) -> Result<()> {
    if (1..=LONGEST_DAYS).contains(&days) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "a certificate is valid for 1 to {LONGEST_DAYS} days"
    )))
}

fn issuer(certificate: &str, key: &str) -> Result<Issuer<'static, KeyPair>> {
    // What the library says of a key could quote it.
    let key = KeyPair::from_pem(key)
        .map_err(|_| Error::Invalid("the CA's key is no private key of PKCS #8, as PEM".into()))?;
    Issuer::from_ca_cert_pem(certificate, key)
        .map_err(|error| wrong("the CA's certificate", &error))
}

/// 126 random bits: positive, and never too short.
fn random_serial() -> SerialNumber {
    let mut bytes = *uuid::Uuid::new_v4().as_bytes();
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    SerialNumber::from_slice(&bytes)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Of hexadecimal digits; those that are none count as zeros.
fn bytes(text: &str) -> Vec<u8> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16).unwrap_or(0) as u8;
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| pair.iter().fold(0, |byte, it| byte << 4 | digit(it)))
        .collect()
}
