//! Another certificate in the place of the own one.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use super::files::Files;
use super::{CA, Credentials, IDENTITY, REVOKED, Side, Trust, verify};
use crate::{Error, Result};

/// Longest certificate with its key that is taken, in bytes.
const MAX_IDENTITY: usize = 64 << 10;

impl Credentials {
    /// Puts a certificate and its key, as PEM, in the place of the own one; it is on the disk when
    /// this returns, and in force some seconds later.
    ///
    /// # Errors
    /// [`Error::NotReady`] if there is none yet, [`Error::InvalidArgument`] for one that names
    /// somebody else, is not of its key, or would not be accepted by those who believe the same
    /// CAs; [`Error::Failed`] if it cannot be written.
    pub async fn replace(self: &Arc<Self>, identity: String) -> Result<()> {
        let own = self.name().await?;
        let this = Arc::clone(self);
        let replacing = tokio::task::spawn_blocking(move || {
            let mut files = Files::read(&this.folder).map_err(Error::Failed)?;
            if identity.len() > MAX_IDENTITY {
                let reason = format!("a certificate has at most {MAX_IDENTITY} bytes");
                return Err(Error::TooLarge(reason));
            }
            files.identify(&identity).map_err(Error::InvalidArgument)?;
            let trust = Trust::of(files, &this.side).map_err(Error::InvalidArgument)?;
            if trust.own != own {
                let reason = format!("it is the certificate of {}; this is {own}", trust.own);
                return Err(Error::InvalidArgument(reason));
            }
            this.prove(&identity).map_err(Error::InvalidArgument)?;
            let path = this.folder.join(IDENTITY);
            put(&path, identity.as_bytes(), |_| Ok(()))
                .map_err(|error| Error::Failed(format!("cannot write {}: {error}", path.display())))
        });
        let replaced = replacing.await;
        replaced.map_err(|error| Error::Failed(error.to_string()))?
    }

    /// That an agent's certificate is accepted by those who believe what this one does.
    fn prove(&self, identity: &str) -> std::result::Result<(), String> {
        let text = |name: &str| std::fs::read_to_string(self.folder.join(name));
        let ca = text(CA).map_err(|error| error.to_string())?;
        match self.side {
            Side::Agent => {
                let revoked = match text(REVOKED) {
                    Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
                    read => read.map_err(|error| error.to_string())?,
                };
                verify::prove(&ca, identity, &revoked)
            }
            Side::Dpe { .. } => Err("the certificate of a DPE is not replaced so".to_owned()),
        }
    }
}

/// Puts a file into place, synced: there as a whole or not at all, and readable for its owner only
/// until `share` gives it other rights.
///
/// # Errors
/// Those of the file system. The file is there as it was then, unless its folder could not be
/// synced at last: then it may be the new one.
pub fn put(
    path: &Path,
    bytes: &[u8],
    share: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let staging = path.with_file_name(name);
    let place = || {
        // One that was left by whoever was killed may have other rights.
        match std::fs::remove_file(&staging) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&staging)?;
        file.write_all(bytes)?;
        share(&file)?;
        file.sync_all()?;
        std::fs::rename(&staging, path)?;
        match path.parent() {
            // One that is named without a folder is in this one.
            Some(folder) if folder == Path::new("") => File::open(".")?.sync_all(),
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    place().inspect_err(|_| {
        let _ = std::fs::remove_file(&staging);
    })
}
