//! Which resource agents this guest has.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cpe_bus::records::agent::MAX_LISTED_AGENTS;
use cpe_bus::{Error, ResourceClass, Result};

use super::Classes;

/// How long looking may take: a folder may be on a disk that hangs.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Files that are looked at: a folder may be full of others.
const MAX_FILES: usize = 50_000;
/// Longest name of an agent, as in an operation.
const MAX_NAME: usize = 255;

/// Agents, in order, and how many more there are.
pub type Listed = (Vec<String>, u32);

impl Classes {
    /// The agents of a class (empty: of `ocf` and `lsb`) by name, as `ocf:heartbeat:pgsql`, and how
    /// many more there are.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if there is no such class, [`Error::Failed`] if it takes too
    /// long, [`Error::Busy`] while an earlier look does.
    pub async fn agents(&self, class: &str) -> Result<Listed> {
        let look = async {
            match class {
                "" => self.installed(true, true).await,
                class => match class.parse::<ResourceClass>()? {
                    ResourceClass::Ocf => self.installed(true, false).await,
                    ResourceClass::Lsb => self.installed(false, true).await,
                    ResourceClass::Systemd => self.units("systemd").await,
                    // Whatever the first of both knows is run by it.
                    ResourceClass::Service => {
                        let (mut agents, more) = self.units("service").await?;
                        let (scripts, left_out) = self.installed(false, true).await?;
                        let scripts = scripts.iter().filter_map(|it| it.strip_prefix("lsb:"));
                        agents.extend(scripts.map(|name| format!("service:{name}")));
                        let agents: BTreeSet<String> = agents.into_iter().collect();
                        let (agents, cut) = bounded(agents);
                        Ok((agents, more + left_out + cut))
                    }
                },
            }
        };
        let late = |_| {
            Err(Error::Failed(format!(
                "looking for agents took more than {} s",
                TIMEOUT.as_secs()
            )))
        };
        tokio::time::timeout(TIMEOUT, look)
            .await
            .unwrap_or_else(late)
    }

    /// Looks into the folders, on another thread: the engine must not wait for a disk. One at a
    /// time, also where one never ends.
    async fn installed(&self, ocf: bool, lsb: bool) -> Result<Listed> {
        let Ok(turn) = Arc::clone(&self.looking).try_acquire_owned() else {
            let text = "this guest is looking for its agents already: try again";
            return Err(Error::Busy(text.to_owned()));
        };
        let providers = ocf.then(|| self.resource_agents.join("resource.d"));
        let scripts = lsb.then(|| self.init_scripts.clone());
        let look = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            look(providers.as_deref(), scripts.as_deref())
        });
        let found = look.await;
        found.map_err(|error| Error::Failed(error.to_string()))
    }

    async fn units(&self, class: &str) -> Result<Listed> {
        let units = self.systemd.services().await;
        let units = units.map_err(|error| Error::Failed(error.to_string()))?;
        let valid = units.into_iter().filter(|name| is_valid(name));
        Ok(bounded(
            valid.map(|name| format!("{class}:{name}")).collect(),
        ))
    }
}

fn look(providers: Option<&Path>, scripts: Option<&Path>) -> Listed {
    let (mut found, mut left) = (BTreeSet::new(), MAX_FILES);
    for (provider, folder) in entries(providers, &mut left) {
        for (name, path) in entries(Some(&folder), &mut left) {
            if is_program(&path) {
                found.insert(format!("ocf:{provider}:{name}"));
            }
        }
    }
    for (name, path) in entries(scripts, &mut left) {
        if is_program(&path) {
            found.insert(format!("lsb:{name}"));
        }
    }
    bounded(found)
}

/// What is in a folder, by names that an agent may have. `left` is how many may still be looked at.
fn entries(folder: Option<&Path>, left: &mut usize) -> Vec<(String, PathBuf)> {
    let Some(folder) = folder else {
        return Vec::new();
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            if error.kind() != std::io::ErrorKind::NotFound {
                let folder = folder.display();
                tracing::warn!(%folder, %error, "a folder of resource agents cannot be read");
            }
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for entry in entries.flatten().take(*left) {
        *left -= 1;
        if let Some(name) = entry.file_name().to_str().filter(|name| is_valid(name)) {
            found.push((name.to_owned(), entry.path()));
        }
    }
    found
}

fn is_valid(name: &str) -> bool {
    name.len() <= MAX_NAME && !name.starts_with('.') && !name.chars().any(char::is_control)
}

/// A file, or a link to one, that can be run.
fn is_program(path: &Path) -> bool {
    let metadata = std::fs::metadata(path);
    metadata.is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

fn bounded(found: BTreeSet<String>) -> Listed {
    let more = found.len().saturating_sub(MAX_LISTED_AGENTS);
    let listed = found.into_iter().take(MAX_LISTED_AGENTS);
    (listed.collect(), u32::try_from(more).unwrap_or(u32::MAX))
}
