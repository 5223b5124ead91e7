//! What a process leaves for the next one and for DPEs, under `/run`, which a boot empties.
//!
//! | file | |
//! | --- | --- |
//! | `lock` | held by the process that works here |
//! | `session` | the newest session |
//! | `permit` | until when DPEs may send |
//! | `grant/N` | the right to run N, which its DPE reads; removed before that is stopped |
//! | `unit/N` | the same, until nothing of the unit runs any more |

use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use cpe_permit::{PermitFile, grant_in, grant_of, grant_text, permit_in};
use ownership::{DeploymentId, Grant, Kept, Permit, Session};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::keys::is_name;
use crate::values::{SessionText, json, read};

/// The folder, in the hands of one process.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    permit: PermitFile,
    _lock: File,
}

impl Folder {
    /// Opens it, or makes it.
    ///
    /// # Errors
    /// [`Error::Held`] while another process has it.
    pub fn open(path: &Path) -> Result<Folder> {
        for folder in [path, &path.join("grant"), &path.join("unit")] {
            let made = fs::create_dir_all(folder);
            // DPEs run as another user, and read there.
            let readable = || fs::set_permissions(folder, Permissions::from_mode(0o755));
            made.and_then(|()| readable())
                .map_err(|error| Error::file(folder, &error))?;
        }
        let lock = path.join("lock");
        let file = File::create(&lock).map_err(|error| Error::file(&lock, &error))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|error| not_locked(&lock, error))?;
        Ok(Folder {
            permit: PermitFile::open(&permit_in(path)).map_err(|error| Error::told(&error))?,
            path: path.to_owned(),
            _lock: file,
        })
    }

    /// Where DPEs find the permit.
    pub fn permit_path(&self) -> PathBuf {
        permit_in(&self.path)
    }

    /// Where the DPE of a deployment finds its grant.
    pub fn grant_path(&self, deployment: &DeploymentId) -> PathBuf {
        grant_in(&self.path, deployment.as_str())
    }

    fn unit_path(&self, deployment: &DeploymentId) -> PathBuf {
        self.path.join("unit").join(deployment.as_str())
    }

    /// What an earlier process has left: the session, and units that it had begun.
    pub(crate) fn kept(&self) -> Result<Kept> {
        let path = self.path.join("session");
        let session: Option<SessionText> = content(&path)?;
        let mut units = Vec::new();
        let folder = self.path.join("unit");
        let all = fs::read_dir(&folder).map_err(|error| Error::file(&folder, &error))?;
        for entry in all {
            let entry = entry.map_err(|error| Error::file(&folder, &error))?;
            let name = entry.file_name();
            // What is written half has another name.
            let Some(name) = name.to_str().filter(|name| is_name(name)) else {
                continue;
            };
            if let Some(grant) = read_grant(&entry.path())? {
                units.push((DeploymentId::new(name), grant));
            }
        }
        let session = session.map(Session::from);
        Ok(Kept { session, units })
    }

    pub(crate) fn keep(&self, session: Session) -> Result<()> {
        let text = json(&SessionText::from(session));
        self.write(&self.path.join("session"), &text)
    }

    pub(crate) fn publish(&self, permit: Permit) -> Result<()> {
        let written = self.permit.write(permit);
        written.map_err(|error| Error::told(&error))
    }

    /// Before the unit is started.
    pub(crate) fn grant(&self, deployment: &DeploymentId, grant: Grant) -> Result<()> {
        let text = grant_text(grant);
        self.write(&self.unit_path(deployment), &text)?;
        self.write(&self.grant_path(deployment), &text)
    }

    /// Before the unit is stopped: it does not start again.
    pub(crate) fn revoke(&self, deployment: &DeploymentId) -> Result<()> {
        remove(&self.grant_path(deployment))
    }

    /// Whether its DPE may be started again.
    pub(crate) fn is_granted(&self, deployment: &DeploymentId) -> Result<bool> {
        Ok(read_grant(&self.grant_path(deployment))?.is_some())
    }

    /// When nothing of the unit runs any more that had the grant of this revision.
    pub(crate) fn forget(&self, deployment: &DeploymentId, revision: u64) -> Result<()> {
        let unit = self.unit_path(deployment);
        if read_grant(&unit)?.is_some_and(|grant| grant.revision != revision) {
            return Ok(());
        }
        self.revoke(deployment)?;
        remove(&unit)
    }

    /// Replaces a file as a whole. Nothing has to survive a power cut.
    fn write(&self, path: &Path, text: &str) -> Result<()> {
        let new = self.path.join(".new");
        let written = fs::write(&new, text);
        // Grants are no secrets, and DPEs run as another user.
        let readable = || fs::set_permissions(&new, Permissions::from_mode(0o644));
        written
            .and_then(|()| readable())
            .map_err(|error| Error::file(&new, &error))?;
        fs::rename(&new, path).map_err(|error| Error::file(path, &error))
    }
}

/// Why a lock is not this process'. Only one of the reasons is another process.
fn not_locked(lock: &Path, error: Errno) -> Error {
    match error {
        Errno::WOULDBLOCK => Error::Held(lock.display().to_string()),
        error => Error::file(lock, &format_args!("it cannot be locked: {error}")),
    }
}

fn read_grant(path: &Path) -> Result<Option<Grant>> {
    grant_of(path).map_err(|error| Error::told(&error))
}

fn content<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => {
            let text = read(&bytes).map_err(|error| Error::file(path, &error));
            text.map(Some)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file(path, &error)),
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file(path, &error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_process_leaves_the_next_one_finds() {
        let temporary = tempfile::tempdir().expect("a folder");
        let path = temporary.path().join("cluster");
        let (a, b) = (DeploymentId::new("a"), DeploymentId::new("b"));
        let session = Session { boot: 1, number: 2 };
        let grant = Grant {
            session,
            incarnation: 1,
            revision: 7,
        };
        let folder = Folder::open(&path).expect("a folder");
        assert!(matches!(Folder::open(&path), Err(Error::Held(_))));
        folder.keep(session).expect("kept");
        folder.grant(&a, grant).expect("granted");
        folder.grant(&b, grant).expect("granted");
        let path_of_b = folder.grant_path(&b);
        assert_eq!(grant_of(&path_of_b).expect("read"), Some(grant));
        // b is being stopped: its unit may still run.
        folder.revoke(&b).expect("revoked");
        assert_eq!(grant_of(&path_of_b).expect("read"), None);
        drop(folder);
        let folder = Folder::open(&path).expect("the next process");
        let mut kept = folder.kept().expect("kept");
        kept.units
            .sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        assert_eq!(kept.session, Some(session));
        assert_eq!(kept.units, [(a.clone(), grant), (b.clone(), grant)]);
        folder.forget(&a, 6).expect("of an earlier unit");
        assert_eq!(folder.kept().expect("kept").units.len(), 2);
        folder.forget(&a, 7).expect("forgotten");
        folder.forget(&a, 7).expect("twice");
        assert_eq!(folder.kept().expect("kept").units, [(b, grant)]);
    }

    #[test]
    fn only_a_lock_that_is_held_is_said_to_be() {
        let lock = Path::new("/run/lock");
        let held = not_locked(lock, Errno::WOULDBLOCK).to_string();
        let text = "another process holds /run/lock: one host has one part in a cluster";
        assert_eq!(held, text);
        let none = not_locked(lock, Errno::NOLCK).to_string();
        assert!(
            none.starts_with("/run/lock: it cannot be locked: "),
            "{none}"
        );
    }

    #[test]
    fn a_broken_file_is_said() {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(temporary.path()).expect("a folder");
        fs::write(temporary.path().join("session"), "{").expect("written");
        let error = folder.kept().expect_err("broken").to_string();
        assert!(error.contains("/session: EOF"), "{error}");
    }
}
