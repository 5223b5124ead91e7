//! What outlives the agent's process, but not the guest's boot: who it obeys, its lease, and its
//! operation history.
//!
//! A folder of small JSON files, each replaced atomically (written beside, then renamed), so that a
//! process killed at any instruction leaves either the old or the new version. The folder lies on a
//! tmpfs under /run; where it does not, the boot id written with it tells a new boot from a
//! restart, and everything of another boot is dropped.
//!
//! | file | holds |
//! | --- | --- |
//! | `identity.json` | boot id, deployment, assembly, epoch, settings, next call id |
//! | `lease.json` | the lease; apart from the rest because it changes with every heartbeat |
//! | `operation-N.json` | the record with call id N |
//! | `attributes.json` | node attributes that resource agents have set |
//! | `lock` | held by the running agent |

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use cpe_bus::OperationRecord;
use rustix::fs::{FlockOperation, flock};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::attributes::set::GuestAttributes;
use crate::lease::Lease;

/// Where node attributes are kept.
const ATTRIBUTES: &str = "attributes.json";

/// Call ids are reserved in blocks of this size, so that not every operation writes
/// `identity.json`.
const CALL_ID_BLOCK: u32 = 64;

/// Who this agent obeys, and under which settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The boot that all this belongs to.
    pub boot_id: String,
    /// Random id of this folder's life; marks the processes of operations.
    pub instance: String,
    /// The deployment; empty while no DPE has said Hello or after Release.
    pub deployment: String,
    /// The assembly that this guest is, as the DPE says.
    pub assembly: String,
    /// The highest epoch seen.
    pub epoch: u64,
    /// Time between heartbeats.
    pub heartbeat_interval_ms: u32,
    /// How long all services together may take to stop after the lease has ended, before the guest
    /// is rebooted.
    pub stop_timeout_ms: u32,
    /// The session of the agent process that wrote this, and so of the operations that it ran.
    #[serde(default)]
    pub session: Option<i32>,
    /// Every call id below this may have been used.
    pub next_call_id: u32,
}

/// What a start of the agent finds.
#[derive(Debug)]
pub struct Found {
    /// Who it obeyed.
    pub identity: Identity,
    /// Its lease.
    pub lease: Lease,
    /// The history by call id.
    pub records: BTreeMap<u32, OperationRecord>,
    /// The guest's node attributes.
    pub attributes: GuestAttributes,
    /// Files that could not be read and were put aside. If there are any, what is known is not
    /// complete.
    pub damaged: Vec<PathBuf>,
}

/// The state folder.
#[derive(Debug)]
pub struct StateFolder {
    folder: PathBuf,
    lock: File,
}

impl Drop for StateFolder {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that has not yet called exec holds the same lock.
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

impl StateFolder {
    /// Opens the folder and reads what an earlier process of the same boot has left.
    ///
    /// # Errors
    /// If the folder cannot be made or read, or another agent uses it.
    pub fn open(folder: &Path, boot_id: &str) -> anyhow::Result<(StateFolder, Found)> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(folder)
            .with_context(|| format!("cannot create the state folder {}", folder.display()))?;
        let lock_path = folder.join("lock");
        let lock = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .with_context(|| format!("cannot write in the state folder {}", folder.display()))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).with_context(|| {
            format!(
                "{} is in use: another cpe-agent runs with this state folder",
                lock_path.display()
            )
        })?;
        let store = StateFolder {
            folder: folder.to_owned(),
            lock,
        };
        let found = store.read(boot_id)?;
        Ok((store, found))
    }

    fn read(&self, boot_id: &str) -> anyhow::Result<Found> {
        let mut damaged = Vec::new();
        let mut identity: Identity = self
            .read_file("identity.json", &mut damaged)?
            .unwrap_or_default();
        let same_boot = identity.boot_id == boot_id;
        let mut records = BTreeMap::new();
        let mut lease = Lease::default();
        let names: Vec<String> = fs::read_dir(&self.folder)
            .with_context(|| format!("cannot read the state folder {}", self.folder.display()))?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        for name in names {
            let is_record = name.starts_with("operation-") && name.ends_with(".json");
            if name.ends_with("~") || (is_record && !same_boot && damaged.is_empty()) {
                let _ = fs::remove_file(self.folder.join(&name));
            } else if is_record
                && let Some(record) = self.read_file::<OperationRecord>(&name, &mut damaged)?
            {
                records.insert(record.call_id, record);
            }
        }
        if same_boot || !damaged.is_empty() {
            lease = self
                .read_file("lease.json", &mut damaged)?
                .unwrap_or_default();
        }
        if !same_boot {
            if damaged.is_empty() {
                identity = Identity::default();
            }
            identity.boot_id = boot_id.to_owned();
        }
        if identity.instance.is_empty() {
            identity.instance = uuid::Uuid::new_v4().simple().to_string();
        }
        let highest = records.keys().next_back().copied().unwrap_or(0);
        identity.next_call_id = identity.next_call_id.max(highest.saturating_add(1)).max(1);
        // The session stays that of the process that began what is left.
        self.write_identity(&identity)?;
        if !same_boot {
            self.write_lease(&lease)?;
            self.remove_file(ATTRIBUTES)?;
        }
        // Damaged ones are lost, which endangers nothing: resource agents set them again.
        let attributes = self.read_file(ATTRIBUTES, &mut Vec::new())?;
        Ok(Found {
            identity,
            lease,
            records,
            attributes: attributes.unwrap_or_default(),
            damaged,
        })
    }

    /// Reads a file. An unreadable one is renamed to `damaged-…` and listed in `damaged`.
    fn read_file<T: DeserializeOwned>(
        &self,
        name: &str,
        damaged: &mut Vec<PathBuf>,
    ) -> anyhow::Result<Option<T>> {
        let path = self.folder.join(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                let aside = self.folder.join(format!("damaged-{name}"));
                tracing::error!(file = %path.display(), %error, kept = %aside.display(), "state file is damaged");
                fs::rename(&path, &aside)
                    .with_context(|| format!("cannot put {} aside", path.display()))?;
                damaged.push(aside);
                Ok(None)
            }
        }
    }

    fn write_file<T: Serialize>(&self, name: &str, value: &T) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        let staging = self.folder.join(format!("{name}~"));
        let write = || -> anyhow::Result<()> {
            let mut file = fs::OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(&staging)?;
            file.write_all(&serde_json::to_vec(value)?)?;
            fs::rename(&staging, &path)?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes who the agent obeys.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_identity(&self, identity: &Identity) -> anyhow::Result<()> {
        self.write_file("identity.json", identity)
    }

    /// Writes the lease.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_lease(&self, lease: &Lease) -> anyhow::Result<()> {
        self.write_file("lease.json", lease)
    }

    /// Writes the guest's node attributes.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_attributes(&self, attributes: &GuestAttributes) -> anyhow::Result<()> {
        self.write_file(ATTRIBUTES, attributes)
    }

    /// Writes a record under its call id.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_record(&self, record: &OperationRecord) -> anyhow::Result<()> {
        self.write_file(&format!("operation-{}.json", record.call_id), record)
    }

    /// Deletes the record of a call id, if there is one.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove_record(&self, call_id: u32) -> anyhow::Result<()> {
        self.remove_file(&format!("operation-{call_id}.json"))
    }

    fn remove_file(&self, name: &str) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot delete {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Takes the next call id; reserves a block of ids on disk when the last block is used up.
    ///
    /// # Errors
    /// Those of the file system, and when all ids are used up.
    pub fn take_call_id(&self, next: &mut u32, identity: &mut Identity) -> anyhow::Result<u32> {
        let call_id = *next;
        ensure!(
            call_id < u32::MAX - CALL_ID_BLOCK,
            "all call ids are used up: reboot the guest"
        );
        if call_id >= identity.next_call_id {
            identity.next_call_id = call_id + CALL_ID_BLOCK;
            self.write_identity(identity)?;
        }
        *next = call_id + 1;
        Ok(call_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(call_id: u32) -> OperationRecord {
        OperationRecord {
            call_id,
            ..OperationRecord::default()
        }
    }

    #[test]
    fn it_finds_everything_again_in_the_same_boot_and_nothing_in_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let (store, found) = StateFolder::open(dir.path(), "boot-1").unwrap();
        let mut identity = found.identity;
        identity.epoch = 7;
        store.write_identity(&identity).unwrap();
        store.write_lease(&Lease::starting(5, 6)).unwrap();
        store.write_record(&record(3)).unwrap();
        store.write_record(&record(4)).unwrap();
        store.remove_record(4).unwrap();
        drop(store);

        let (store, found) = StateFolder::open(dir.path(), "boot-1").unwrap();
        assert_eq!(found.identity.epoch, 7);
        assert_eq!(found.lease, Lease::starting(5, 6));
        assert_eq!(found.records.keys().copied().collect::<Vec<_>>(), [3]);
        assert!(found.identity.next_call_id >= 4);
        drop(store);

        let (_store, found) = StateFolder::open(dir.path(), "boot-2").unwrap();
        assert_eq!(found.identity.epoch, 0);
        assert_eq!(found.lease, Lease::default());
        assert!(found.records.is_empty());
    }

    #[test]
    fn it_never_gives_a_call_id_twice_over_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let mut highest = 0;
        for _ in 0..3 {
            let (store, found) = StateFolder::open(dir.path(), "boot").unwrap();
            let mut identity = found.identity;
            let mut next = identity.next_call_id;
            for _ in 0..100 {
                let id = store.take_call_id(&mut next, &mut identity).unwrap();
                assert!(id > highest);
                highest = id;
            }
        }
    }

    #[test]
    fn it_refuses_a_folder_that_another_agent_uses() {
        let dir = tempfile::tempdir().unwrap();
        let _first = StateFolder::open(dir.path(), "boot").unwrap();
        let error = StateFolder::open(dir.path(), "boot")
            .unwrap_err()
            .to_string();
        assert!(error.contains("another cpe-agent"), "{error}");
    }

    #[test]
    fn it_puts_a_damaged_file_aside_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        drop(StateFolder::open(dir.path(), "boot").unwrap());
        std::fs::write(dir.path().join("lease.json"), "{").unwrap();
        let (_store, found) = StateFolder::open(dir.path(), "boot").unwrap();
        assert_eq!(found.damaged, [dir.path().join("damaged-lease.json")]);
        assert_eq!(
            std::fs::read(dir.path().join("damaged-lease.json")).unwrap(),
            b"{"
        );
    }
}
