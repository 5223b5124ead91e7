//! What has been run before services in this boot, so that it is run once: again only after a boot,
//! or with other parameters, or when it is another program.
//!
//! That is on disk before the start begins. An agent that is killed while the program runs has not
//! noted it: the program is run again with the next start. So it must do no harm to run it twice.
//! What was run before is forgotten before another program begins: one that fails leaves the guest
//! half configured, for the former one too.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cpe_bus::{Configure, Operation, OperationStatus, records::rc};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::classes::{Classes, DEFAULT_TIMEOUT, OperationOutcome};
use crate::store::{CONFIGURED, SCRIPT, StateFolder, write_json};

/// Services that are known at most. Beyond that the others are run again, which does no harm.
const MAX_KNOWN: usize = 4096;
/// What a resource agent knows its timeout by.
const META_TIMEOUT: &str = "CRM_meta_timeout";

/// What has been run, by resource: a digest of the program and the service's parameters.
#[derive(Debug)]
pub struct Configured {
    folder: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    run: BTreeMap<String, String>,
    /// How often all was forgotten.
    owner: u64,
}

impl Configured {
    /// As an earlier process of this boot has left it; what it was about to run is deleted.
    pub fn new(store: &StateFolder, known: BTreeMap<String, String>) -> Configured {
        store.delete_scripts();
        Configured {
            folder: store.folder().to_owned(),
            known: Mutex::new(Known {
                run: known,
                owner: 0,
            }),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries an operation out, after what is to be run before it.
    pub async fn run(
        &self,
        classes: &Classes,
        mut operation: Operation,
        mark: String,
        mut cancel: oneshot::Receiver<()>,
    ) -> OperationOutcome {
        let Some(configure) = operation.configure.take() else {
            return classes.run(&operation, mark, cancel).await;
        };
        let digest = configure.digest(&operation.parameters);
        let Some(owner) = self.begin(&operation.resource, &digest) else {
            return classes.run(&operation, mark, cancel).await;
        };
        let timeout = match operation.timeout_ms {
            0 => DEFAULT_TIMEOUT,
            ms => Duration::from_millis(u64::from(ms)),
        };
        let began = Instant::now();
        let what = (&operation, &configure);
        let ran = self.configure(classes, what, &mark, timeout, &mut cancel);
        if let Err(outcome) = ran.await {
            return outcome;
        }
        self.note(&operation.resource, digest, owner);
        shorten(&mut operation, timeout.saturating_sub(began.elapsed()));
        classes.run(&operation, mark, cancel).await
    }

    async fn configure(
        &self,
        classes: &Classes,
        (operation, configure): (&Operation, &Configure),
        mark: &str,
        timeout: Duration,
        cancel: &mut oneshot::Receiver<()>,
    ) -> Result<(), OperationOutcome> {
        tracing::info!(
            cpe_service = operation.resource,
            "runs the configure executable {} before {}",
            configure.name(),
            operation.label()
        );
        let script = Script::of(configure, self.folder.join(format!("{SCRIPT}{mark}")));
        let script = script.map_err(|error| {
            let reason = format!("configure executable of the document: {error}");
            OperationOutcome::failed(OperationStatus::Error, rc::GENERIC, reason)
        })?;
        let what = (operation, configure);
        let ran = classes.configure(what, &script.0, mark.to_owned(), timeout, cancel);
        ran.await
    }

    /// Whether it is to be run, and for whom. What was run before is forgotten then.
    fn begin(&self, resource: &str, digest: &str) -> Option<u64> {
        let mut known = self.known();
        if known.run.get(resource).is_some_and(|run| run == digest) {
            return None;
        }
        if known.run.remove(resource).is_some() {
            self.write(&known.run);
        }
        Some(known.owner)
    }

    /// A program has ended well. The guest may belong to another deployment by now.
    fn note(&self, resource: &str, digest: String, owner: u64) {
        let mut known = self.known();
        if known.owner != owner {
            return;
        }
        if known.run.len() >= MAX_KNOWN {
            known.run.clear();
        }
        known.run.insert(resource.to_owned(), digest);
        self.write(&known.run);
    }

    /// Without the file all is run again, which does no harm; with an old one it is not.
    fn write(&self, run: &BTreeMap<String, String>) {
        let Err(error) = write_json(&self.folder, CONFIGURED, run) else {
            return;
        };
        tracing::warn!(
            "what was run before services cannot be noted; an agent that comes after this one runs it again: {error:#}"
        );
        match fs::remove_file(self.folder.join(CONFIGURED)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::error!(%error, "what was run before services cannot be forgotten");
            }
            _ => {}
        }
    }

    /// This guest belongs to another assembly or deployment now, or to none.
    pub fn forget(&self) {
        let mut known = self.known();
        known.owner += 1;
        if !known.run.is_empty() {
            known.run.clear();
            self.write(&known.run);
        }
    }
}

/// What is left of the time of an operation.
fn shorten(operation: &mut Operation, left: Duration) {
    let left_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1);
    operation.timeout_ms = left_ms;
    if let Some(told) = operation.meta.get_mut(META_TIMEOUT) {
        *told = left_ms.to_string();
    }
}

/// A file with content, for root alone. It is deleted when this is dropped.
struct Script(PathBuf);

impl Script {
    /// Written for content; nothing is for a program of the guest.
    fn of(configure: &Configure, path: PathBuf) -> std::io::Result<Script> {
        if let Configure::Content { text, .. } = configure {
            write_script(&path, text).inspect_err(|_| drop(fs::remove_file(&path)))?;
        }
        Ok(Script(path))
    }
}

fn write_script(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o700)
        .open(path)?;
    file.write_all(text.as_bytes())
}

impl Drop for Script {
    fn drop(&mut self) {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, file = %self.0.display(), "a script cannot be deleted");
            }
            _ => {}
        }
    }
}
