//! What outlives the agent's process, but not the guest's boot: who it obeys, its lease, and its
//! operation history.
//!
//! A folder of small JSON files, each replaced atomically (written beside, then renamed), so that a
//! process killed at any instruction leaves either the old or the new version. The folder lies on a
//! tmpfs under /run; where it does not, the boot id written with it tells a new boot from a
//! restart, and everything of another boot is dropped.
//!
//! The lease, and who the agent obeys, are different: their files have their full size from the
//! start and are overwritten in place, so that a full /run keeps neither the lease from being
//! renewed nor a DPE that was restarted from being obeyed. They are smaller than a page, which the
//! kernel copies as one. A power cut may tear one of them where the folder lies on a disk: either
//! says of which boot it is.
//!
//! Nothing that is wrong with the folder ends the agent, which may have a lease to enforce: what
//! cannot be read is said, and what cannot be written is tried again with the next write.
//!
//! | file | holds |
//! | --- | --- |
//! | `identity.json` | boot id, deployment, assembly, epoch, settings, next call id |
//! | `lease.json` | the lease; apart from the rest because it changes with every heartbeat |
//! | `operation-N.json` | the record with call id N |
//! | `left.json` | services that may be running though no record names them |
//! | `configured.json` | what was run before services |
//! | `configure-…` | a script that is being run before a service |
//! | `attributes.json` | node attributes that resource agents have set |
//! | `watchdog` | the path of the watchdog device that is armed |
//! | `lock` | held by the running agent |
//!
//! Beside the folder lies a file with its name and `.services`: the id of the boot in which there
//! may be services. A folder that is gone in the middle of a boot is not one that was never there.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cpe_bus::OperationRecord;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::activity::LeftServices;
use crate::attributes::set::GuestAttributes;
use crate::lease::Lease;

/// Where services are kept that no record names.
const LEFT: &str = "left.json";
/// What the name of the file beside the folder ends in.
const SERVICES: &str = "services";
/// Where node attributes are kept.
const ATTRIBUTES: &str = "attributes.json";

/// Where it is kept what was run before services.
pub const CONFIGURED: &str = "configured.json";
/// What the name of a script begins with that is run before a service.
pub const SCRIPT: &str = "configure-";

/// How long a lock is waited for: a killed agent's child that has not yet called exec holds it.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
/// How often it is tried.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Call ids are reserved in blocks of this size, so that not every operation writes
/// `identity.json`.
const CALL_ID_BLOCK: u32 = 64;

/// Where it is kept who the agent obeys.
pub const IDENTITY: &str = "identity.json";
/// Where the lease is kept.
pub const LEASE: &str = "lease.json";
/// Which watchdog device is armed, if one is; written by [`crate::device`].
pub const WATCHDOG: &str = "watchdog";
/// Size of that file, bytes: more than a lease ever takes, less than a page.
const LEASE_SIZE: usize = 512;
/// Size of the file that says who the agent obeys, bytes: the same of that, unless a DPE has very
/// long names.
const IDENTITY_SIZE: usize = 2048;
/// What unreadable files are renamed to begins so.
const DAMAGED: &str = "damaged-";

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
    /// The process of the DPE whose Hello is in force, and the number of that.
    #[serde(default)]
    pub hello: (u64, u64),
    /// Time between heartbeats.
    pub heartbeat_interval_ms: u32,
    /// How long all services together may take to stop in order where nothing is lost.
    pub stop_timeout_ms: u32,
    /// The session of the agent process that wrote this, and so of the operations that it ran.
    #[serde(default)]
    pub session: Option<i32>,
    /// Every call id below this may have been used.
    pub next_call_id: u32,
}

/// The lease as it is written.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLease {
    /// The boot that it belongs to; empty if that is not known, as of former versions.
    #[serde(default)]
    pub boot_id: String,
    /// The lease.
    #[serde(flatten)]
    pub lease: Lease,
}

impl KeptLease {
    /// Whether it is known to be of another boot than this one.
    pub fn is_of_another(&self, boot_id: &str) -> bool {
        !boot_id.is_empty() && !self.boot_id.is_empty() && self.boot_id != boot_id
    }
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
    /// Services that may be running though no record names them.
    pub left: LeftServices,
    /// The guest's node attributes.
    pub attributes: GuestAttributes,
    /// What was run before services in this boot, by resource.
    pub configured: BTreeMap<String, String>,
    /// Files that could not be read. They were put aside where that was possible.
    pub damaged: Vec<PathBuf>,
    /// Whether all records could be read, now and by the agents of this boot before. If not, there
    /// may be services that nobody knows of.
    pub complete: bool,
}

impl Found {
    /// Whether a lease may be in force that could not be read, or was for nobody knows whom.
    pub fn lease_is_lost(&self) -> bool {
        let is_record = |name: &str| name.contains("operation-") || name.ends_with(LEFT);
        let name = |path: &PathBuf| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        };
        let mut names = self.damaged.iter().map(name);
        names.any(|name| name.is_none_or(|name| !is_record(&name)))
    }
}

/// The state folder.
#[derive(Debug)]
pub struct StateFolder {
    folder: PathBuf,
    /// This boot; empty if it is not known.
    boot_id: String,
    /// Unset while the folder cannot be written: tried again with each write.
    lock: OnceLock<File>,
}

impl Drop for StateFolder {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that has not yet called exec holds the same lock.
        if let Some(lock) = self.lock.get() {
            let _ = lock.unlock();
        }
    }
}

impl StateFolder {
    /// Opens the folder and reads what an earlier process of the same boot has left. An empty boot
    /// id is one that is not known; everything found is then taken for this boot's.
    ///
    /// # Errors
    /// If another agent uses it. Nothing else: see the module's documentation.
    pub fn open(folder: &Path, boot_id: &str) -> anyhow::Result<(StateFolder, Found)> {
        let store = StateFolder {
            folder: folder.to_owned(),
            boot_id: boot_id.to_owned(),
            lock: OnceLock::new(),
        };
        if let Err(error) = store.prepare(LOCK_TIMEOUT) {
            if store.is_in_use() {
                return Err(error);
            }
            tracing::error!("nothing can be recorded, so no DPE can be obeyed: {error:#}");
        }
        let found = store.read(boot_id);
        Ok((store, found))
    }

    /// Makes the folder and takes its lock, if that has not been done; waits so long for the lock.
    fn prepare(&self, patience: Duration) -> anyhow::Result<()> {
        if self.lock.get().is_some() {
            return Ok(());
        }
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&self.folder)
            .with_context(|| format!("cannot create the state folder {}", self.folder.display()))?;
        let lock = self.open_lock().with_context(|| {
            format!("cannot write in the state folder {}", self.folder.display())
        })?;
        let begun = Instant::now();
        while let Err(error) = lock.try_lock() {
            let is_held = matches!(error, TryLockError::WouldBlock);
            if !is_held || begun.elapsed() >= patience {
                return Err(not_locked(&self.folder.join("lock"), error));
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        let _ = self.lock.set(lock);
        Ok(())
    }

    fn open_lock(&self) -> std::io::Result<File> {
        fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.folder.join("lock"))
    }

    /// Whether another process holds the lock.
    fn is_in_use(&self) -> bool {
        self.open_lock()
            .is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Names of the files in the folder; `None` if it is there and cannot be read.
    fn names(&self) -> Option<Vec<String>> {
        match fs::read_dir(&self.folder) {
            Ok(entries) => Some(
                entries
                    .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                    .collect(),
            ),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(Vec::new()),
            Err(error) => {
                tracing::error!(%error, folder = %self.folder.display(), "the state folder cannot be read");
                None
            }
        }
    }

    fn read(&self, boot_id: &str) -> Found {
        let mut damaged = Vec::new();
        let was_here = fs::metadata(self.folder.join(IDENTITY)).is_ok_and(|file| file.len() > 0);
        let mut identity: Identity = self.read_file(IDENTITY, &mut damaged).unwrap_or_default();
        let other_boot = match damaged.is_empty() {
            true => !boot_id.is_empty() && identity.boot_id != boot_id,
            false => self.has_lease_of_another(boot_id),
        };
        if other_boot {
            damaged.clear();
            identity = Identity::default();
            self.drop_all();
        }
        if !boot_id.is_empty() {
            boot_id.clone_into(&mut identity.boot_id);
        }
        let names = self.names();
        let mut records = BTreeMap::new();
        let mut complete = names.is_some();
        for name in names.iter().flatten() {
            if name.starts_with("operation-") && name.ends_with(".json") {
                match self.read_file::<OperationRecord>(name, &mut damaged) {
                    Some(record) => drop(records.insert(record.call_id, record)),
                    None => complete = false,
                }
            }
            complete &= !name.starts_with("damaged-operation-");
        }
        let known = damaged.len();
        let left = self.read_file(LEFT, &mut damaged).unwrap_or_default();
        complete &= damaged.len() == known
            && !names
                .iter()
                .flatten()
                .any(|name| name.starts_with(DAMAGED) && name.ends_with(LEFT));
        if !was_here && damaged.is_empty() && self.has_services_of(boot_id) {
            self.note_loss();
            damaged.push(self.folder.clone());
            complete = false;
        }
        let kept: Option<KeptLease> = self.read_file(LEASE, &mut damaged);
        let lease = kept.unwrap_or_default().lease;
        if identity.instance.is_empty() {
            identity.instance = uuid::Uuid::new_v4().simple().to_string();
        }
        let highest = records.keys().next_back().copied().unwrap_or(0);
        identity.next_call_id = identity.next_call_id.max(highest.saturating_add(1)).max(1);
        // The session stays that of the process that began what is left. The lease is written for
        // its room.
        let written = self
            .write_identity(&identity)
            .and_then(|()| self.write_lease(&lease));
        if let Err(error) = written {
            tracing::error!("the state cannot be written: {error:#}");
        }
        // A damaged one is lost, which endangers nothing: resource agents set them again.
        let attributes = self.read_file(ATTRIBUTES, &mut Vec::new());
        // Of a damaged one everything is run again.
        let configured = self.read_file(CONFIGURED, &mut Vec::new());
        Found {
            identity,
            lease,
            records,
            left,
            attributes: attributes.unwrap_or_default(),
            configured: configured.unwrap_or_default(),
            damaged,
            complete,
        }
    }

    /// Whether the lease is known to be of another boot. Then all of the folder is: who takes it
    /// over in a boot deletes the lease before anything is written.
    fn has_lease_of_another(&self, boot_id: &str) -> bool {
        let bytes = fs::read(self.folder.join(LEASE)).unwrap_or_default();
        let kept = serde_json::from_slice::<KeptLease>(&bytes);
        kept.is_ok_and(|kept| kept.is_of_another(boot_id))
    }

    /// The state is gone in the middle of a boot: says so, and has the next process know it too.
    fn note_loss(&self) {
        tracing::error!(
            folder = %self.folder.display(),
            "the state of this agent is gone, and there may be services that nobody knows of"
        );
        let mark = self.folder.join(format!("{DAMAGED}operation-unknown"));
        if let Err(error) = fs::write(mark, "") {
            tracing::error!(%error, "that cannot be kept for the next agent");
        }
    }

    /// Deletes what an earlier boot has left.
    fn drop_all(&self) {
        for name in self.names().into_iter().flatten() {
            let is_state = [
                "operation-",
                DAMAGED,
                LEASE,
                LEFT,
                ATTRIBUTES,
                WATCHDOG,
                CONFIGURED,
                SCRIPT,
            ]
            .iter()
            .any(|start| name.starts_with(start));
            if (is_state || name.ends_with('~'))
                && let Err(error) = self.remove_file(&name)
            {
                tracing::error!("what an earlier boot has left stays: {error:#}");
            }
        }
    }

    /// Reads a file; `None` if there is none. An unreadable one is renamed to `damaged-…`, where
    /// that is possible, and listed in `damaged`.
    fn read_file<T: DeserializeOwned>(&self, name: &str, damaged: &mut Vec<PathBuf>) -> Option<T> {
        let path = self.folder.join(name);
        let read = match fs::read(&path) {
            // Made when there was no room to write: no DPE was obeyed then.
            Ok(bytes) if bytes.is_empty() && [LEASE, IDENTITY].contains(&name) => return None,
            Ok(bytes) => serde_json::from_slice(&bytes).context("it is damaged"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => Err(error).context("it cannot be read"),
        };
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                let aside = self.folder.join(format!("{DAMAGED}{name}"));
                let kept = fs::rename(&path, &aside).map_or(path, |()| aside);
                tracing::error!(kept = %kept.display(), "a file of the agent's state is of no use: {error:#}");
                damaged.push(kept);
                None
            }
        }
    }

    fn write_file<T: Serialize>(&self, name: &str, value: &T) -> anyhow::Result<()> {
        self.prepare(Duration::ZERO)?;
        write_json(&self.folder, name, value)
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Deletes what an earlier process was running before services.
    pub fn delete_scripts(&self) {
        for name in self.names().into_iter().flatten() {
            if name.starts_with(SCRIPT)
                && let Err(error) = self.remove_file(&name)
            {
                tracing::warn!("a script of an earlier process stays: {error:#}");
            }
        }
    }

    /// Writes who the agent obeys.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_identity(&self, identity: &Identity) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec(identity)?;
        let there = fs::metadata(self.folder.join(IDENTITY));
        let is_long = there.is_ok_and(|file| file.len() > IDENTITY_SIZE as u64);
        if is_long || bytes.len() >= IDENTITY_SIZE {
            return self.write_file(IDENTITY, identity);
        }
        self.overwrite(IDENTITY, bytes, IDENTITY_SIZE)
    }

    /// Writes the lease.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_lease(&self, lease: &Lease) -> anyhow::Result<()> {
        let kept = KeptLease {
            boot_id: self.boot_id.clone(),
            lease: *lease,
        };
        self.overwrite(LEASE, serde_json::to_vec(&kept)?, LEASE_SIZE)
    }

    /// Overwrites a file of that size in place.
    fn overwrite(&self, name: &str, mut bytes: Vec<u8>, size: usize) -> anyhow::Result<()> {
        self.prepare(Duration::ZERO)?;
        let path = self.folder.join(name);
        bytes.resize(size - 1, b' ');
        bytes.push(b'\n');
        let write = || -> anyhow::Result<()> {
            let file = fs::OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .open(&path)?;
            file.write_all_at(&bytes, 0)?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", path.display()))
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

    /// Writes the services that no record names.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_left(&self, left: &LeftServices) -> anyhow::Result<()> {
        if left.is_empty() {
            return self.remove_file(LEFT);
        }
        self.write_file(LEFT, left)
    }

    /// The file beside the folder.
    fn services_file(&self) -> PathBuf {
        let mut name = self.folder.clone().into_os_string();
        name.push(format!(".{SERVICES}"));
        name.into()
    }

    /// Whether there may be services in this boot; if it is not known, in any.
    fn has_services_of(&self, boot_id: &str) -> bool {
        let noted = fs::read_to_string(self.services_file());
        noted.is_ok_and(|noted| boot_id.is_empty() || noted == boot_id)
    }

    /// Notes outside the folder whether there may be services in this boot.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn note_services(&self, boot_id: Option<&str>) -> anyhow::Result<()> {
        let path = self.services_file();
        let written = match boot_id {
            Some(boot_id) => fs::write(&path, boot_id),
            None => match fs::remove_file(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                other => other,
            },
        };
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    /// Deletes what stands for unknown services: they were given up.
    pub fn forget_damaged(&self) {
        for name in self.names().into_iter().flatten() {
            if name.starts_with(DAMAGED)
                && let Err(error) = self.remove_file(&name)
            {
                tracing::warn!("a damaged file stays: {error:#}");
            }
        }
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
            let reserved = std::mem::replace(&mut identity.next_call_id, call_id + CALL_ID_BLOCK);
            if let Err(error) = self.write_identity(identity) {
                identity.next_call_id = reserved;
                return Err(error);
            }
        }
        *next = call_id + 1;
        Ok(call_id)
    }
}

/// Replaces a file of a state folder, for root alone.
///
/// # Errors
/// Those of the file system.
pub fn write_json<T: Serialize>(folder: &Path, name: &str, value: &T) -> anyhow::Result<()> {
    let path = folder.join(name);
    let staging = folder.join(format!("{name}~"));
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

/// Why a lock was not had. Another agent is only one of the reasons.
fn not_locked(lock: &Path, error: TryLockError) -> anyhow::Error {
    let lock = lock.display();
    let text = match &error {
        TryLockError::WouldBlock => {
            format!("{lock} is in use: another cpe-agent runs with this state folder")
        }
        TryLockError::Error(_) => format!("{lock} cannot be locked"),
    };
    anyhow::Error::from(std::io::Error::from(error)).context(text)
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
    fn who_is_obeyed_can_be_written_where_no_file_can_be_made() {
        let dir = tempfile::tempdir().unwrap();
        let (store, found) = StateFolder::open(dir.path(), "boot").unwrap();
        fs::create_dir(dir.path().join("identity.json~")).unwrap();
        let identity = Identity {
            epoch: 7,
            ..found.identity
        };
        store.write_identity(&identity).unwrap();
        drop(store);
        fs::remove_dir(dir.path().join("identity.json~")).unwrap();
        for long in ["name".repeat(1000), "name".to_owned()] {
            let (store, found) = StateFolder::open(dir.path(), "boot").unwrap();
            assert!(found.damaged.is_empty() && found.identity.epoch == 7);
            let identity = Identity {
                deployment: long.clone(),
                ..found.identity
            };
            store.write_identity(&identity).unwrap();
            drop(store);
            let (_, found) = StateFolder::open(dir.path(), "boot").unwrap();
            assert_eq!(found.identity.deployment, long);
        }
    }

    #[test]
    fn a_file_that_was_made_without_room_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = StateFolder::open(dir.path(), "boot").unwrap();
        store.note_services(Some("boot")).unwrap();
        drop(store);
        for name in [IDENTITY, LEASE] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let (_, found) = StateFolder::open(dir.path(), "boot").unwrap();
        assert!(!found.complete, "the state was lost before");
        let _ = fs::remove_file(format!("{}.{SERVICES}", dir.path().display()));
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
    fn what_a_power_cut_has_torn_is_of_the_boot_that_the_lease_is_of() {
        for (boot, kept) in [("boot-1", true), ("boot-2", false), ("", true)] {
            let dir = tempfile::tempdir().unwrap();
            let (store, _) = StateFolder::open(dir.path(), "boot-1").unwrap();
            store.write_lease(&Lease::starting(5, 6)).unwrap();
            store.write_record(&record(3)).unwrap();
            drop(store);
            fs::write(dir.path().join(IDENTITY), r#"{"boot_id":"bo"#).unwrap();
            let (_store, found) = StateFolder::open(dir.path(), boot).unwrap();
            assert_eq!(found.records.contains_key(&3), kept, "{boot}");
            assert_eq!(found.lease == Lease::starting(5, 6), kept, "{boot}");
            assert_eq!(found.lease_is_lost(), kept, "{boot}");
            let aside = dir.path().join("damaged-identity.json");
            assert_eq!(aside.exists(), kept, "{boot}");
        }
    }

    #[test]
    fn the_lease_of_a_former_version_counts_whatever_else_is_torn() {
        let dir = tempfile::tempdir().unwrap();
        drop(StateFolder::open(dir.path(), "boot").unwrap());
        let lease = Lease::starting(5, 6);
        let former = serde_json::to_vec(&lease).unwrap();
        fs::write(dir.path().join(LEASE), former).unwrap();
        fs::write(dir.path().join(IDENTITY), "{").unwrap();
        let (_store, found) = StateFolder::open(dir.path(), "boot").unwrap();
        assert_eq!(found.lease, lease);
        // And a former version reads that of this one.
        let bytes = fs::read(dir.path().join(LEASE)).unwrap();
        assert_eq!(serde_json::from_slice::<Lease>(&bytes).unwrap(), lease);
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
    fn only_a_lock_that_is_held_is_somebody_elses() {
        let path = Path::new("/run/x/lock");
        let held = not_locked(path, TryLockError::WouldBlock).to_string();
        assert!(held.contains("another cpe-agent"), "{held}");
        let error = std::io::Error::other("no locks available");
        let failed = format!("{:#}", not_locked(path, TryLockError::Error(error)));
        assert_eq!(failed, "/run/x/lock cannot be locked: no locks available");
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
    fn it_waits_for_a_child_of_a_killed_agent_to_let_the_lock_go() {
        let dir = tempfile::tempdir().unwrap();
        drop(StateFolder::open(dir.path(), "boot").unwrap());
        let held = std::fs::File::open(dir.path().join("lock")).unwrap();
        held.lock().unwrap();
        let child = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            drop(held);
        });
        StateFolder::open(dir.path(), "boot").unwrap();
        child.join().unwrap();
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
