//! Fetching status: of a deployment when an event says that something is another way there, of all
//! now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cpe_bus::{DeploymentEntry, Event, Result};
use cpe_status::DeploymentStatus;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::tally::Moment;
use super::{Mirror, Seen, State};
use crate::bus::Link;

/// A deployment is not asked more often.
const AT_MOST_EVERY: Duration = Duration::from_millis(500);
/// All are asked at least so often.
const ALL_EVERY: Duration = Duration::from_secs(60);
/// So many are asked at once: cpe takes 8 calls of one caller at a time, and the follower and
/// requests make some too.
const AT_ONCE: usize = 4;
/// Pause before a deployment whose status could not be had is asked again.
const LATER: Duration = Duration::from_secs(5);
/// Pause before a cpe that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// A status that is not there by then is fetched later.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be fetched.
#[derive(Debug, Default)]
pub(super) struct Wanted(Mutex<ToDo>);

#[derive(Debug, Default)]
struct ToDo {
    /// Which deployments there are.
    list: bool,
    names: BTreeSet<String>,
}

impl Wanted {
    fn lock(&self) -> MutexGuard<'_, ToDo> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn want(&self, name: &str) {
        self.lock().names.insert(name.to_owned());
    }

    fn want_list(&self) {
        self.lock().list = true;
    }
}

impl Mirror {
    /// Has all deployments looked at again.
    pub(super) fn look_at_all(&self) {
        let names: Vec<String> = self.read().deployments.keys().cloned().collect();
        self.wanted.lock().names.extend(names);
        self.wanted.want_list();
        self.changed.notify_one();
    }

    /// Has looked at what an event is about.
    pub(super) fn note(&self, event: &Event) {
        if event.deployment.is_empty() {
            return;
        }
        self.wanted.want(&event.deployment);
        if event.kind.starts_with("deployment.") {
            self.wanted.want_list();
        }
        self.changed.notify_one();
    }

    /// Takes in which deployments there are, as of that moment.
    fn listed(&self, asked: Moment, entries: Vec<DeploymentEntry>) {
        let mut state = self.write();
        state.answered = Some(Instant::now());
        state.is_filled = true;
        let mut known = std::mem::take(&mut state.deployments);
        for entry in entries {
            let before = known.remove(&entry.name);
            // Another deployment may have that name now.
            let before = before.filter(|it| it.entry.uuid == entry.uuid);
            if before.is_none() {
                self.wanted.want(&entry.name);
            }
            let (status, fetched) = before.map_or((None, None), |it| (it.status, it.fetched));
            let seen = Seen {
                entry,
                status,
                fetched,
            };
            state.deployments.insert(seen.entry.name.clone(), seen);
        }
        let State {
            tally, deployments, ..
        } = &mut *state;
        tally.retain(asked, |name| deployments.contains_key(name));
    }

    fn fetched(&self, asked: &Asked, status: DeploymentStatus) {
        let mut state = self.write();
        let now = Instant::now();
        state.answered = Some(now);
        let seen = state.deployments.get_mut(&asked.name);
        if let Some(seen) = seen.filter(|seen| seen.entry.uuid == asked.uuid) {
            seen.entry.state = status.state;
            seen.entry.generation = status.generation.max(seen.entry.generation);
            seen.status = Some(Arc::new(status));
            seen.fetched = Some(now);
        }
    }
}

/// Which deployment is asked.
struct Asked {
    name: String,
    /// A name may be used again meanwhile.
    uuid: String,
}

/// What the task is doing.
#[derive(Default)]
struct Work {
    asked: BTreeMap<String, Instant>,
    under_way: BTreeSet<String>,
    /// Those that could not be had, with when they are tried again.
    later: BTreeMap<String, Instant>,
    tasks: JoinSet<(Asked, Result<DeploymentStatus>)>,
}

/// Fetches for as long as the process lives.
pub(super) async fn run(mirror: Arc<Mirror>) {
    let mut work = Work::default();
    let mut all = tokio::time::interval(ALL_EVERY);
    loop {
        let due = match mirror.link() {
            Some(link) => match list(&mirror, &link).await {
                true => work.begin(&mirror, &link),
                false => Some(Instant::now() + AGAIN),
            },
            None => None,
        };
        let due = due.unwrap_or_else(|| Instant::now() + ALL_EVERY);
        tokio::select! {
            _ = mirror.changed.notified() => {}
            _ = tokio::time::sleep_until(due) => {}
            _ = all.tick() => mirror.look_at_all(),
            Some(done) = work.tasks.join_next() => if let Ok((asked, answer)) = done {
                work.under_way.remove(&asked.name);
                match answer {
                    Ok(status) => mirror.fetched(&asked, status),
                    Err(error) => {
                        tracing::debug!("no status of {}: {}", asked.name, error.message());
                        // Else a later event, or the next look at all, has it tried again.
                        if error.is_temporary() {
                            work.later.insert(asked.name, Instant::now() + LATER);
                        }
                    }
                }
            },
        }
    }
}

/// Asks which deployments there are, if that is wanted; `false`: there was no answer.
async fn list(mirror: &Mirror, link: &Link) -> bool {
    if !std::mem::take(&mut mirror.wanted.lock().list) {
        return true;
    }
    let asked = mirror.read().tally.moment();
    match timeout(PATIENCE, link.list()).await {
        Ok(Ok(entries)) => mirror.listed(asked, entries),
        _ => {
            tracing::debug!("cpe does not say which deployments there are");
            mirror.wanted.want_list();
            return false;
        }
    }
    true
}

impl Work {
    /// Begins what may begin now; when the next may.
    fn begin(&mut self, mirror: &Mirror, link: &Link) -> Option<Instant> {
        let now = Instant::now();
        self.later.retain(|name, due| {
            if *due <= now {
                mirror.wanted.want(name);
            }
            *due > now
        });
        let names: Vec<String> = mirror.wanted.lock().names.iter().cloned().collect();
        let uuid = |name: &str| {
            let state = mirror.read();
            state.deployments.get(name).map(|it| it.entry.uuid.clone())
        };
        self.asked.retain(|_, asked| now - *asked < ALL_EVERY);
        let mut next = self.later.values().min().copied();
        for name in names {
            let due = self.asked.get(&name).map(|asked| *asked + AT_MOST_EVERY);
            match due.filter(|due| *due > now) {
                Some(due) => next = Some(next.map_or(due, |next: Instant| next.min(due))),
                // Its end has this loop turn again.
                None if self.under_way.contains(&name) || self.under_way.len() >= AT_ONCE => {}
                None => {
                    mirror.wanted.lock().names.remove(&name);
                    if let Some(uuid) = uuid(&name) {
                        self.fetch(Asked { name, uuid }, link.clone(), now);
                    }
                }
            }
        }
        next
    }

    fn fetch(&mut self, asked: Asked, link: Link, now: Instant) {
        self.later.remove(&asked.name);
        self.asked.insert(asked.name.clone(), now);
        self.under_way.insert(asked.name.clone());
        self.tasks.spawn(async move {
            let answer = timeout(PATIENCE, link.status(&asked.name)).await;
            let late = || cpe_bus::Error::NotReady("no answer in time".to_owned());
            (asked, answer.unwrap_or_else(|_| Err(late())))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_used_again_has_nothing_of_the_former_deployment() {
        let mirror = Mirror::default();
        let list = |uuid: &str| {
            let entry = DeploymentEntry {
                name: "shop".to_owned(),
                uuid: uuid.to_owned(),
                ..DeploymentEntry::default()
            };
            let now = mirror.read().tally.moment();
            mirror.listed(now, vec![entry]);
        };
        let answer = |uuid: &str| {
            let asked = Asked {
                name: "shop".to_owned(),
                uuid: uuid.to_owned(),
            };
            mirror.fetched(&asked, DeploymentStatus::default());
        };
        let has_status = || mirror.deployment("shop").unwrap().status.is_some();
        list("one");
        answer("one");
        list("one");
        assert!(has_status());
        mirror.wanted.lock().names.clear();
        list("two");
        assert!(!has_status());
        assert!(mirror.wanted.lock().names.contains("shop"));
        answer("one");
        assert!(!has_status(), "it is of the former one");
        answer("two");
        assert!(has_status());
    }
}
