//! What a DPE shows to ssh servers and whom it believes there: its keys, and the hosts' that it
//! knows.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::Login;
use crate::{Error, Result};

/// Beside the certificates.
pub(super) const FOLDER: &str = "ssh";
const KNOWN_HOSTS: &str = "known_hosts";
/// What names of private keys begin with.
const KEY: &str = "id_";
/// Keys that are shown: a server takes six attempts of somebody unless it is told otherwise.
const MAX_KEYS: usize = 5;
/// Files of the folder that are looked at.
const MAX_FILES: usize = 64;
/// How long a disk is waited for.
const READ_TIMEOUT: Duration = Duration::from_secs(1);
/// Who looks at a folder, one at a time: a disk that hangs takes one thread, however many guests
/// are to be reached.
static READING: Semaphore = Semaphore::const_new(1);

/// The files, which are there. What is in them is only ssh's to read.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) folder: PathBuf,
    pub(super) known_hosts: PathBuf,
    /// In the order of their names.
    pub(super) keys: Vec<PathBuf>,
}

impl Files {
    /// Finds them.
    ///
    /// # Errors
    /// [`Error::IdentityRefused`] that says what is missing, and the command that mends it.
    pub(super) async fn read(folder: PathBuf, login: &Login<'_>) -> Result<Files> {
        let asked = folder.clone();
        let finding = async {
            let turn = READING.acquire().await;
            let find = move || {
                let _turn = turn;
                let files = Files::find(asked)?;
                let known = is_there(&files.known_hosts);
                Ok((files, known))
            };
            tokio::task::spawn_blocking(find).await
        };
        let (files, known) = match tokio::time::timeout(READ_TIMEOUT, finding).await {
            Ok(Ok(found)) => found.map_err(|reason: String| cannot_show(&reason))?,
            Ok(Err(_)) | Err(_) => {
                let folder = folder.display();
                return Err(Error::NotReady(format!("{folder} cannot be read in time")));
            }
        };
        match known {
            Ok(true) => {}
            Ok(false) => {
                return Err(Error::IdentityRefused(format!(
                    "the ssh server of {} is not known: {}",
                    login.address,
                    files.how_to_know(login)
                )));
            }
            // One that cannot be read is for ssh one that has nothing in it.
            Err(error) => {
                let known = files.known_hosts.display();
                return Err(Error::IdentityRefused(format!(
                    "cannot read {known}: {error}; `chmod 0644 {known}`"
                )));
            }
        }
        Ok(files)
    }

    /// Its keys, of which there must be one.
    fn find(folder: PathBuf) -> std::result::Result<Files, String> {
        let place = folder.display();
        let make = format!(
            "make one, `ssh-keygen -t ed25519 -N '' -f {place}/id_ed25519`, let the DPE read it, `chown root:dpe {place}/id_ed25519; chmod 0640 {place}/id_ed25519`, and put {place}/id_ed25519.pub into the guest's authorized_keys"
        );
        let entries = std::fs::read_dir(&folder)
            .map_err(|error| format!("there is no key in {place} ({error}): {make}"))?;
        let mut keys: Vec<PathBuf> = entries
            .take(MAX_FILES)
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| is_key(path))
            .collect();
        keys.sort();
        keys.truncate(MAX_KEYS);
        if keys.is_empty() {
            return Err(format!("there is no key in {place}: {make}"));
        }
        for key in &keys {
            check_key(key)?;
        }
        Ok(Files {
            known_hosts: folder.join(KNOWN_HOSTS),
            keys,
            folder,
        })
    }

    /// How a guest's host key becomes known.
    pub(super) fn how_to_know(&self, login: &Login<'_>) -> String {
        format!(
            "`ssh-keyscan -t ed25519 -p {} {} >> {}`, and compare what `ssh-keygen -lf {}` says with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` in the guest",
            login.port,
            login.host,
            self.known_hosts.display(),
            self.known_hosts.display()
        )
    }

    /// How one that has changed is forgotten.
    pub(super) fn how_to_forget(&self, login: &Login<'_>) -> String {
        format!(
            "if the guest has new host keys, `ssh-keygen -R '{}' -f {}`, then {}",
            login.known_as(),
            self.known_hosts.display(),
            self.how_to_know(login)
        )
    }
}

/// Whether there is a file that can be read.
fn is_there(path: &Path) -> std::io::Result<bool> {
    match std::fs::File::open(path) {
        Ok(file) => Ok(file.metadata()?.is_file()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn cannot_show(reason: &str) -> Error {
    Error::IdentityRefused(format!("this DPE cannot show who it is: {reason}"))
}

fn is_key(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    name.starts_with(KEY) && !name.contains('.') && path.is_file()
}

/// A key that everybody can read is not one's own any more; one that cannot be read is passed over
/// by ssh without a word.
fn check_key(key: &Path) -> std::result::Result<(), String> {
    let place = key.display();
    let found = std::fs::metadata(key).map_err(|error| format!("cannot read {place}: {error}"))?;
    if found.mode() & 0o007 != 0 {
        return Err(format!(
            "{place} is open to everybody: take that right away (chmod o=), and make another key if somebody may have read it"
        ));
    }
    std::fs::File::open(key).map(drop).map_err(|error| {
        format!("cannot read {place}: {error}; `chown root:dpe {place}; chmod 0640 {place}`")
    })
}

/// A path as the value of an option: blanks and quotes do not end it, and nothing is expanded.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", plain.replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn write(path: &Path, mode: u32) {
        std::fs::write(path, "x").unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    #[tokio::test]
    async fn it_says_how_what_is_missing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let address = "ssh:cpe@192.0.2.11:2222".parse().unwrap();
        let login = Login::of(&address).unwrap();
        let place = folder.path().join(FOLDER);
        let read = async || Files::read(place.clone(), &login).await;
        let refused = async |word: &str| match read().await {
            Err(Error::IdentityRefused(text)) => assert!(text.contains(word), "{word}: {text}"),
            other => panic!("{other:?}"),
        };
        refused("ssh-keygen -t ed25519").await;
        std::fs::create_dir(&place).unwrap();
        write(&place.join("id_ed25519.pub"), 0o644);
        refused("ssh-keygen -t ed25519").await;
        write(&place.join("id_ed25519"), 0o644);
        refused("open to everybody").await;
        write(&place.join("id_ed25519"), 0o640);
        refused("ssh-keyscan -t ed25519 -p 2222 192.0.2.11").await;
        write(&place.join("known_hosts"), 0o644);
        let files = read().await.unwrap();
        assert_eq!(files.keys, [place.join("id_ed25519")]);
        let forget = files.how_to_forget(&login);
        assert!(forget.contains("-R '[192.0.2.11]:2222'"), "{forget}");
    }

    #[test]
    fn a_path_is_one_value() {
        let path = Path::new("/a b/\"%h\"");
        assert_eq!(quoted(path), "\"/a b/\\\"%%h\\\"\"");
    }
}
