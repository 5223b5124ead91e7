//! Which guest this is, over its reboots.
//!
//! A DPE knows a guest by this id and takes an address only as a way to it: another id at the same
//! address is another guest, and its boot says nothing about the first one. It comes from the first
//! of these that there is:
//!
//! 1. `/etc/machine-id`, which systemd keeps.
//! 2. A random id in a folder that outlives reboots, made by the first agent that needs it.
//! 3. The boot id, where nothing can be kept. Then each boot is a guest of its own to the DPE,
//!    which fences the former one before its services run elsewhere. An id under /run would do
//!    worse: it would look kept, and be another one after the next boot.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cpe_daemon::Pauses;

/// An id that may not be known yet: it lies on a disk, which may hang.
#[derive(Debug, Clone, Default)]
pub struct MachineId(Arc<OnceLock<String>>);

impl MachineId {
    /// Finds it out, in a thread of its own. See [`machine_id`].
    pub fn find_out(system: PathBuf, kept_in: PathBuf, boot_id: String) -> MachineId {
        let id = MachineId::default();
        let found = id.clone();
        let find = move || {
            let _ = found.0.set(machine_id(&system, &kept_in, &boot_id));
        };
        if let Err(error) = std::thread::Builder::new().spawn(find) {
            tracing::error!(%error, "who this guest is cannot be found out; no DPE can be obeyed");
        }
        id
    }

    /// Waits until it is known. A guest that does not know who it is must not answer.
    pub async fn known(&self) {
        let mut pauses = Pauses::between(Duration::from_millis(5), Duration::from_secs(1));
        while self.get().is_none() {
            tokio::time::sleep(pauses.next_pause()).await;
        }
    }

    /// The id, once it is known.
    pub fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

impl From<&str> for MachineId {
    fn from(id: &str) -> MachineId {
        let known = MachineId::default();
        let _ = known.0.set(id.to_owned());
        known
    }
}

/// Name of the file with the id that the agent has made.
const KEPT: &str = "machine-id";

/// The id of this guest. See the module's documentation.
pub fn machine_id(system: &Path, kept_in: &Path, boot_id: &str) -> String {
    if let Some(id) = read(system) {
        return id;
    }
    match keep_one(kept_in) {
        Ok(id) => id,
        Err(error) => {
            tracing::warn!(
                %error,
                "this guest has no {} and keeps none in {}; it is another guest after each boot",
                system.display(),
                kept_in.display()
            );
            format!("boot-{boot_id}")
        }
    }
}

/// The id in a file, if it is one. At the first boot of an image, systemd writes `uninitialized`.
fn read(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let id = text.trim();
    let is_id = id.len() == 32
        && id.bytes().all(|byte| byte.is_ascii_hexdigit())
        && id.bytes().any(|byte| byte != b'0');
    is_id.then(|| id.to_ascii_lowercase())
}

/// The id that an earlier agent has made, or a new one that is on disk.
fn keep_one(folder: &Path) -> std::io::Result<String> {
    let file = folder.join(KEPT);
    if let Some(id) = read(&file) {
        return Ok(id);
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)?;
    let id = uuid::Uuid::new_v4().simple().to_string();
    let staging = folder.join(format!("{KEPT}~"));
    let mut written = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o644)
        .open(&staging)?;
    written.write_all(format!("{id}\n").as_bytes())?;
    written.sync_all()?;
    fs::rename(&staging, &file)?;
    fs::File::open(folder)?.sync_all()?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn it_is_that_of_the_system() {
        let folder = tempfile::tempdir().unwrap();
        let system = folder.path().join("etc");
        fs::write(&system, format!("{ID}\n")).unwrap();
        assert_eq!(machine_id(&system, folder.path(), "b"), ID);
        assert!(!folder.path().join(KEPT).exists());
    }

    #[test]
    fn it_is_made_once_where_the_system_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let system = folder.path().join("etc");
        for content in ["", "uninitialized\n", &"0".repeat(32)] {
            fs::write(&system, content).unwrap();
            let id = machine_id(&system, &folder.path().join("var"), "b");
            assert_eq!(id.len(), 32, "{content:?}");
            assert_eq!(machine_id(&system, &folder.path().join("var"), "c"), id);
        }
    }

    #[test]
    fn it_lasts_for_one_boot_where_nothing_can_be_kept() {
        let nowhere = Path::new("/dev/null/nowhere");
        assert_eq!(machine_id(nowhere, nowhere, "b1"), "boot-b1");
    }
}
