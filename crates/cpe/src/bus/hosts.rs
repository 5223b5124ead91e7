//! `org.cloudpolicy.Cpe1.Hosts`: hosts that share deployments, what administrators do with them,
//! and the store. `membership` knows and does it; here it is put in words.

use std::fs::File;
use std::sync::Arc;

use cluster_keys::is_name;
use cpe_bus::json;
use cpe_bus::names::check_deployment_name;
use cpe_bus::{Error, Result};
use cpe_status::{HostDetails, HostList, HostStatus, OwnedDeployment};
use membership::Handle;
use ownership::{DeploymentId, HostId, HostState, HostView, Order as Wanted, Outcome, Overview};
use zbus::OwnedFd;
use zbus::message::Header;

use super::link::Permit;
use super::{About, Link, not_found, stored};
use crate::audit::{self, Order};
use crate::cluster;
use crate::host::Host;
use crate::rights::Interface;

pub(super) struct HostsObject {
    link: Link,
}

impl HostsObject {
    pub(super) fn new(host: &Arc<Host>) -> HostsObject {
        HostsObject {
            link: Link::new(host, Interface::Hosts),
        }
    }

    /// Has the hosts do what an administrator wants of one of them, and the event log tell of it.
    async fn order(
        &self,
        header: &Header<'_>,
        name: &str,
        (action, to_order): (&'static str, fn(HostId) -> Wanted),
    ) -> Result<()> {
        let permit = self.link.permit(header, About::All).await?;
        let Permit { host, caller, .. } = &permit;
        let outcome = async { ordered(handle(host)?, name, to_order).await };
        let outcome = outcome.await;
        let order = Order {
            action,
            more: &[("host", name)],
            ..Order::default()
        };
        audit::record(host, caller, order, &outcome).await;
        outcome
    }
}

#[zbus::interface(name = "org.cloudpolicy.Cpe1.Hosts", introspection_docs = false)]
impl HostsObject {
    #[zbus(out_args("hosts_json"))]
    async fn list(&self, #[zbus(header)] header: Header<'_>) -> Result<String> {
        let permit = self.link.permit(&header, About::Any).await?;
        let host = &permit.host;
        if !host.core.config.shares_deployments() {
            let list = HostList {
                hosts: vec![alone(host)],
                complete: true,
                ..HostList::default()
            };
            return json::to_json(&list);
        }
        json::to_json(&listed(handle(host)?).await?)
    }

    #[zbus(out_args("host_json"))]
    async fn get(&self, host: String, #[zbus(header)] header: Header<'_>) -> Result<String> {
        let permit = self.link.permit(&header, About::Any).await?;
        let name = host;
        let host = &permit.host;
        if !host.core.config.shares_deployments() {
            let own = alone(host);
            if own.name != name {
                return Err(Error::NotFound(format!(
                    "there is no host `{name}`: this one is `{}`, and shares deployments with no other",
                    own.name
                )));
            }
            let all = host.core.registry.all().into_iter();
            let seen = all.filter(|deployment| permit.sees(&deployment.name));
            let owned = seen.map(|deployment| OwnedDeployment {
                name: deployment.name.clone(),
                since: deployment.row().created,
                next: String::new(),
            });
            let owned = owned.collect();
            return json::to_json(&HostDetails { host: own, owned });
        }
        let seen = overview(handle(host)?).await?;
        let details = details(&seen, &host_id(&name)?, |name| permit.sees(name))?;
        json::to_json(&details)
    }

    async fn drain(&self, host: String, #[zbus(header)] header: Header<'_>) -> Result<()> {
        let what = ("host-drain", Wanted::Drain as fn(HostId) -> Wanted);
        self.order(&header, &host, what).await
    }

    async fn activate(&self, host: String, #[zbus(header)] header: Header<'_>) -> Result<()> {
        let what = ("host-activate", Wanted::Activate as fn(HostId) -> Wanted);
        self.order(&header, &host, what).await
    }

    async fn remove(&self, host: String, #[zbus(header)] header: Header<'_>) -> Result<()> {
        let what = ("host-remove", Wanted::Remove as fn(HostId) -> Wanted);
        self.order(&header, &host, what).await
    }

    async fn confirm_lost(&self, host: String, #[zbus(header)] header: Header<'_>) -> Result<()> {
        let what = (
            "host-confirm-lost",
            Wanted::ConfirmLost as fn(HostId) -> Wanted,
        );
        self.order(&header, &host, what).await
    }

    #[zbus(name = "Move")]
    async fn move_to(
        &self,
        deployment: String,
        host: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        check_deployment_name(&deployment)?;
        let about = About::Deployment(&deployment);
        let permit = self.link.permit(&header, about).await?;
        let Permit {
            host: own, caller, ..
        } = &permit;
        let outcome = async { moved(handle(own)?, &deployment, &host).await };
        let outcome = outcome.await;
        let order = Order {
            action: "host-move",
            deployment: &deployment,
            more: &[("host", &host)],
            ..Order::default()
        };
        audit::record(own, caller, order, &outcome).await;
        outcome
    }

    #[zbus(out_args("store_json"))]
    async fn get_store(&self, #[zbus(header)] header: Header<'_>) -> Result<String> {
        let host = self.link.permit(&header, About::All).await?.host;
        json::to_json(&stored(host.core.store.status()).await?)
    }

    #[zbus(out_args("bytes"))]
    async fn back_up_store(
        &self,
        file: OwnedFd,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u64> {
        let permit = self.link.permit(&header, About::All).await?;
        let Permit { host, caller, .. } = &permit;
        let outcome = async {
            let file = empty_file(file)?;
            stored(host.core.store.back_up(file)).await
        };
        let outcome = outcome.await;
        let order = Order {
            action: "store-backup",
            ..Order::default()
        };
        audit::record(host, caller, order, &outcome).await;
        outcome
    }
}

/// A regular file without content: the daemon waits for no reader of a pipe, and writes over
/// nothing.
fn empty_file(file: OwnedFd) -> Result<File> {
    let file = File::from(std::os::fd::OwnedFd::from(file));
    let found = file.metadata().ok();
    match found.is_some_and(|it| it.is_file() && it.len() == 0) {
        true => Ok(file),
        false => Err(Error::InvalidArgument(
            "expected a new, empty file that is open for writing".into(),
        )),
    }
}

/// Which host owns a deployment, and since when (µs since 1970), where hosts share deployments.
pub(super) async fn owner(host: &Host, deployment: &str) -> Option<(String, Option<u64>)> {
    let handle = host.core.cluster.get()?;
    let owner = handle.owner(DeploymentId::new(deployment)).await??;
    let since = owner.since_us.map(|at_us| wall(owner.now_us, at_us));
    Some((owner.host.to_string(), since))
}

/// This host's part among the others.
fn handle(host: &Host) -> Result<&Handle> {
    if !host.core.config.shares_deployments() {
        return Err(Error::Failed(
            "this host shares deployments with no other (there is no [cluster] in its cpe.toml), so there is nothing to do: nothing was changed"
                .into(),
        ));
    }
    let joining = || Error::NotReady("this host is joining the others; try again".into());
    host.core.cluster.get().ok_or_else(joining)
}

async fn overview(handle: &Handle) -> Result<Overview> {
    let ended = || Error::NotReady("this host leaves the others and joins again; try again".into());
    handle.overview().await.ok_or_else(ended)
}

fn host_id(name: &str) -> Result<HostId> {
    match is_name(name) {
        true => Ok(HostId::new(name)),
        false => Err(Error::InvalidArgument(
            "expected the name of a host, as `cpectl host list` shows it: letters, digits, -, _ and .".into(),
        )),
    }
}

/// The one host that there is.
fn alone(host: &Host) -> HostStatus {
    let name = rustix::system::uname();
    HostStatus {
        name: name.nodename().to_string_lossy().into_owned(),
        version: cluster::VERSION,
        state: "active".to_owned(),
        alive: true,
        capacity: u32::try_from(host.core.config.limits.deployments).unwrap_or(u32::MAX),
        deployments: host.core.registry.all().len() as u64,
        answers: true,
        ..HostStatus::default()
    }
}

/// A time of CLOCK_BOOTTIME as microseconds since 1970, as far as the clock was not set since.
fn wall(now_us: u64, at_us: u64) -> u64 {
    cpe_daemon::now().saturating_sub(now_us.saturating_sub(at_us))
}

/// All hosts, as this one knows them.
async fn listed(handle: &Handle) -> Result<HostList> {
    let seen = overview(handle).await?;
    let trouble = handle.status().trouble.map(|trouble| trouble.text);
    Ok(HostList {
        hosts: seen.hosts.iter().map(|it| status(&seen, it)).collect(),
        shares: true,
        complete: seen.is_complete,
        guard_holds: seen.guard_holds,
        too_old: seen.too_old,
        unowned: seen.unowned.len() as u64,
        trouble: trouble.filter(|_| !seen.may_act).unwrap_or_default(),
    })
}

/// Has what is wanted of a host done, which may be another one.
async fn ordered(handle: &Handle, name: &str, to_order: fn(HostId) -> Wanted) -> Result<()> {
    let id = host_id(name)?;
    match handle.order(to_order(id.clone())).await {
        Some(Outcome::Done) => Ok(()),
        outcome => Err(why(&overview(handle).await?, &id, outcome)),
    }
}

fn status(seen: &Overview, it: &HostView) -> HostStatus {
    let record = it.record.as_deref();
    let state = match record.map(|record| record.state) {
        Some(HostState::Active) => "active",
        Some(HostState::Draining) => "draining",
        None => "removed",
    };
    let lost = record.is_some_and(|record| record.confirmed_lost == Some(record.session));
    HostStatus {
        name: it.host.to_string(),
        address: record.map_or_else(String::new, |record| record.address.clone()),
        version: record.map_or(0, |record| record.version),
        state: state.to_owned(),
        alive: it.is_alive,
        since: it.since_us.map_or(0, |at_us| wall(seen.now_us, at_us)),
        waited_for: it.is_waited_for,
        lost: lost && !it.is_alive,
        capacity: record.map_or(0, |record| record.capacity),
        deployments: it.owned.len() as u64,
        labels: record.map_or_else(Vec::new, |it| it.labels.iter().cloned().collect()),
        answers: it.host == seen.me,
    }
}

fn details(seen: &Overview, id: &HostId, sees: impl Fn(&str) -> bool) -> Result<HostDetails> {
    let found = seen.host(id).ok_or_else(|| no_host(seen, id))?;
    // One for each that it owns, in the same order.
    let all = seen.drained(id).into_iter().zip(&found.owned);
    let seen_ones = all.filter(|((name, _), _)| sees(name.as_str()));
    let owned = seen_ones.map(|((name, next), it)| OwnedDeployment {
        since: it.since_us.map_or(0, |at_us| wall(seen.now_us, at_us)),
        name: name.to_string(),
        next: next.map_or_else(String::new, |next| next.to_string()),
    });
    let mut owned: Vec<OwnedDeployment> = owned.collect();
    owned.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(HostDetails {
        host: status(seen, found),
        owned,
    })
}

fn no_host(seen: &Overview, id: &HostId) -> Error {
    if !seen.is_complete {
        return Error::NotReady("this host does not know the others yet; try again".into());
    }
    let names: Vec<&str> = seen.hosts.iter().map(|it| it.host.as_str()).collect();
    Error::NotFound(format!(
        "there is no host `{id}`; there are: {}",
        names.join(" ")
    ))
}

/// Why something is not done with a host.
fn why(seen: &Overview, id: &HostId, outcome: Option<Outcome>) -> Error {
    match outcome {
        Some(Outcome::Missing) => no_host(seen, id),
        Some(Outcome::Alive) => Error::Refused(format!(
            "host `{id}` is alive, so nothing was changed: it can be emptied (cpectl host drain {id}); it counts as gone a few seconds after its cpe has ended"
        )),
        Some(Outcome::Owns) => {
            let owned = seen.host(id).map_or(0, |it| it.owned.len());
            Error::Refused(format!(
                "host `{id}` has deployments still ({owned}), so it was not removed: other hosts take them if they have room \
                 (cpectl host show {id} says where each would go), and, after a loss of very many hosts, when it is confirmed (cpectl host confirm-lost {id})"
            ))
        }
        _ => unknown(),
    }
}

fn unknown() -> Error {
    Error::OutcomeUnknown(
        "the store that hosts share does not answer: it may have been done, or be done later. `cpectl host list` shows it".into(),
    )
}

/// Has this host hand over a deployment.
async fn moved(handle: &Handle, deployment: &str, to: &str) -> Result<()> {
    let (name, to) = (DeploymentId::new(deployment), host_id(to)?);
    let outcome = handle.order(Wanted::Move(name.clone(), to.clone())).await;
    if outcome == Some(Outcome::Done) {
        return Ok(());
    }
    Err(not_moved(&overview(handle).await?, &name, &to, outcome))
}

/// Why a deployment is not handed over.
fn not_moved(seen: &Overview, name: &DeploymentId, to: &HostId, outcome: Option<Outcome>) -> Error {
    let owner = seen.owner(name);
    match (outcome, owner) {
        (Some(Outcome::Missing), _) => not_found(name.as_str()),
        (Some(Outcome::NotHere), Some((owner, _))) if owner.host != seen.me => {
            let owner = &owner.host;
            Error::Refused(format!(
                "host `{owner}` owns `{name}`, and only it can hand it over: say it there (cpectl host move {name} {to}). Nothing was changed"
            ))
        }
        (Some(Outcome::NotHere), _) => Error::NotReady(format!(
            "`{name}` is being started or handed over; try again"
        )),
        (Some(Outcome::Unsuitable), _) => unsuitable(seen, name, to),
        _ => unknown(),
    }
}

/// Why a host cannot take a deployment.
fn unsuitable(seen: &Overview, name: &DeploymentId, to: &HostId) -> Error {
    let Some(found) = seen.host(to) else {
        return no_host(seen, to);
    };
    let needs = seen.owner(name).and_then(|(_, it)| it.record.as_deref());
    let record = found.record.as_deref();
    let reason = match record {
        _ if !found.is_alive => "it is gone".to_owned(),
        None => "it was taken out".to_owned(),
        Some(record) if record.state == HostState::Draining => "it drains".to_owned(),
        Some(record) if found.owned.len() as u64 >= u64::from(record.capacity) => {
            format!("it has room for {}, and has as many", record.capacity)
        }
        Some(record) => match needs.map(|it| &it.needs) {
            Some(needs) if needs.version > record.version => format!(
                "its programs are too old: they have version {}, and it takes {}",
                record.version, needs.version
            ),
            Some(needs) => {
                let missing = needs.labels.difference(&record.labels);
                let missing: Vec<&str> = missing.map(String::as_str).collect();
                match missing.is_empty() {
                    true => "it could not a moment ago; try again".to_owned(),
                    false => format!("it does not have the labels {}", missing.join(", ")),
                }
            }
            None => "it could not a moment ago; try again".to_owned(),
        },
    };
    Error::Refused(format!(
        "host `{to}` cannot take `{name}`: {reason}. Nothing was changed"
    ))
}

#[cfg(test)]
mod tests;
