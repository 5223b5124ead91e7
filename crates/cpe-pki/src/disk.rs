//! Files that are there as a whole or not at all, and never readable for others in between.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use cpe_bus::identity::put;

use crate::error::{Error, Result};

/// Longest file that is read, in bytes: an index of some ten thousand certificates.
const MAX_FILE: u64 = 16 << 20;

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
    let path = path.display();
    match error.kind() {
        ErrorKind::PermissionDenied => Error::Denied(format!(
            "cannot {what} {path}: permission denied; the host's certificates are root's"
        )),
        _ => Error::File(format!("cannot {what} {path}: {error}")),
    }
}

/// Makes a folder that only its owner may enter, if there is none.
pub(crate) fn private_folder(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| failed("create", path, &error))
}

/// Makes a folder, if there is none.
pub(crate) fn folder(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(|error| failed("create", path, &error))
}

/// Makes a folder that its owner may write and a group may enter.
pub(crate) fn groups_folder(path: &Path, group: u32) -> Result<()> {
    folder(path)?;
    let entered = || {
        let folder = File::open(path)?;
        fchown(&folder, None, Some(group))?;
        folder.set_permissions(std::fs::Permissions::from_mode(0o750))
    };
    entered().map_err(|error| failed("open", path, &error))
}

/// Who may read a file beside its owner.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Readers {
    /// Nobody.
    None,
    /// The members of this group.
    Group(u32),
    /// Everybody.
    All,
}

/// Puts a file into place, synced.
pub(crate) fn write(path: &Path, bytes: &[u8], readers: Readers) -> Result<()> {
    let share = |file: &File| {
        let mode = match readers {
            Readers::None => 0o600,
            Readers::Group(group) => {
                fchown(file, None, Some(group))?;
                0o640
            }
            Readers::All => 0o644,
        };
        file.set_permissions(std::fs::Permissions::from_mode(mode))
    };
    put(path, bytes, share).map_err(|error| failed("write", path, &error))
}

/// A whole file, if there is one.
pub(crate) fn read(path: &Path) -> Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path, &error)),
    };
    let mut text = String::new();
    let read = file.take(MAX_FILE + 1).read_to_string(&mut text);
    read.map_err(|error| failed("read", path, &error))?;
    if text.len() as u64 > MAX_FILE {
        let path = path.display();
        return Err(Error::File(format!(
            "{path} is longer than {MAX_FILE} bytes"
        )));
    }
    Ok(Some(text))
}

/// Waits until no other command works in a folder, and keeps others out while the file is open.
pub(crate) fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let open = || {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
        std::io::Result::Ok(file)
    };
    open().map_err(|error| failed("lock", &path, &error))
}
