//! The files of an identity. Nothing that is in a private key ever becomes part of a text.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
};

/// The own certificate and its key.
pub const IDENTITY: &str = "identity.pem";
/// The CAs that are believed.
pub const CA: &str = "ca.pem";
/// Their lists of revoked certificates.
pub const REVOKED: &str = "revoked.pem";

/// Longest file of certificates, in bytes: some hundred of them.
const MAX_CERTIFICATES: u64 = 256 << 10;
/// Longest list of revoked certificates, in bytes: some hundred thousand of them.
const MAX_REVOKED: u64 = 8 << 20;
/// CAs that may be believed.
const MAX_CAS: usize = 64;

/// What tells one state of the files from another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp([Option<[i64; 6]>; 3]);

impl Stamp {
    pub(super) fn of(folder: &Path) -> Stamp {
        Stamp([IDENTITY, CA, REVOKED].map(|name| {
            let found = std::fs::metadata(folder.join(name)).ok()?;
            let (inode, size) = (found.ino().cast_signed(), found.size().cast_signed());
            Some([
                inode,
                size,
                found.mtime(),
                found.mtime_nsec(),
                found.ctime(),
                found.ctime_nsec(),
            ])
        }))
    }
}

/// What is in the files.
pub(super) struct Files {
    /// Where the own certificate is.
    pub(super) identity: PathBuf,
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) cas: Vec<CertificateDer<'static>>,
    pub(super) revoked: Vec<CertificateRevocationListDer<'static>>,
}

impl Files {
    /// Reads them.
    ///
    /// # Errors
    /// A text that names the file and what is wrong with it.
    pub(super) fn read(folder: &Path) -> Result<Files, String> {
        let identity = folder.join(IDENTITY);
        check_mode(&identity)?;
        let bytes = read(&identity, MAX_CERTIFICATES)?
            .ok_or_else(|| format!("there is no certificate: {} is missing", identity.display()))?;
        let (chain, key) = own(&identity, &bytes)?;
        let path = folder.join(CA);
        let bytes = read(&path, MAX_CERTIFICATES)?
            .ok_or_else(|| format!("no CA is believed: {} is missing", path.display()))?;
        let cas: Vec<_> = all(&path, &bytes)?;
        if cas.is_empty() || cas.len() > MAX_CAS {
            let (path, found) = (path.display(), cas.len());
            return Err(format!(
                "{path} has {found} certificates; from 1 to {MAX_CAS} are expected"
            ));
        }
        let path = folder.join(REVOKED);
        let revoked = match read(&path, MAX_REVOKED)? {
            None => Vec::new(),
            Some(bytes) => match all(&path, &bytes)? {
                none if none.is_empty() => {
                    let path = path.display();
                    return Err(format!("{path} has no list of revoked certificates"));
                }
                lists => lists,
            },
        };
        Ok(Files {
            identity,
            chain,
            key,
            cas,
            revoked,
        })
    }
}

impl Files {
    /// Takes another certificate and its key, PEM, in place of those in the file.
    ///
    /// # Errors
    /// A text that says what is wrong with it.
    pub(super) fn identify(&mut self, identity: &str) -> Result<(), String> {
        (self.chain, self.key) = own(&self.identity, identity.as_bytes())?;
        Ok(())
    }
}

/// The own certificate, what leads from it to the CA, and its key.
type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn own(path: &Path, bytes: &[u8]) -> Result<Own, String> {
    let key = PrivateKeyDer::from_pem_slice(bytes)
        // What it says could quote the file.
        .map_err(|_| format!("{} has no private key", path.display()))?;
    Ok((all(path, bytes)?, key))
}

/// A key that everybody can read is not one's own any more.
fn check_mode(identity: &Path) -> Result<(), String> {
    match std::fs::metadata(identity) {
        Ok(found) if found.mode() & 0o007 != 0 => Err(format!(
            "{} has a private key and is open to everybody: take that right away (chmod o=), and have another certificate issued if somebody may have read it",
            identity.display()
        )),
        // What else is wrong with it is said when it is read.
        _ => Ok(()),
    }
}

/// All sections of a kind.
fn all<T: PemObject>(path: &Path, bytes: &[u8]) -> Result<Vec<T>, String> {
    let read: Result<Vec<T>, _> = T::pem_slice_iter(bytes).collect();
    read.map_err(|_| format!("{} is not PEM", path.display()))
}

/// The whole file, if there is one.
fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    let mut bytes = Vec::new();
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > most {
        let path = path.display();
        return Err(format!("{path} is longer than {most} bytes"));
    }
    Ok(Some(bytes))
}
