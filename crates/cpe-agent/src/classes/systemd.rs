//! Class `systemd`: units of the guest's own service manager, over D-Bus.
//!
//! A start or stop is a job; its result comes as signal JobRemoved, which systemd sends only to
//! connections that have called Subscribe. The outcome is then read from the unit itself: a job
//! that is `done` is not yet a service that runs.
//!
//! Nor is a unit that is `inactive` or `failed` a service that is down: with `KillMode=process` or
//! `SendSIGKILL=no` its processes may run on. It is down when its control group is empty.

use std::time::{Duration, Instant};

use cpe_bus::proxies::systemd::JobRemovedArgs;
use cpe_bus::proxies::{SystemdManagerProxy, SystemdServiceProxy, SystemdUnitProxy};
use cpe_bus::records::{MAX_REASON, rc};
use cpe_bus::{BusSelection, Operation, OperationStatus};
use cpe_daemon::Pauses;
use futures_util::StreamExt;
use tokio::sync::{Mutex, oneshot};
use zbus::proxy::CacheProperties;
use zbus::{Connection, OwnedObjectPath};

use super::OperationOutcome;

/// Shortest time between two looks at a unit that changes.
const SHORTEST_LOOK: Duration = Duration::from_millis(20);
/// Longest time between two looks: how late a unit's change is noticed at most.
const LONGEST_LOOK: Duration = Duration::from_secs(1);
/// How long what is left of a unit that was stopped may take to end.
const LEFT_BEHIND: Duration = Duration::from_secs(2);
/// How many processes that are left are named.
const NAMED: usize = 3;

/// The guest's service manager.
#[derive(Debug)]
pub struct Systemd {
    bus: BusSelection,
    connection: Mutex<Option<Connection>>,
}

/// A unit's states that matter here.
#[derive(Debug)]
struct UnitState {
    load: String,
    active: String,
    result: String,
}

/// `nginx` → `nginx.service`; names that have a unit type stay.
pub fn unit_name(name: &str) -> String {
    const TYPES: [&str; 11] = [
        ".service",
        ".socket",
        ".device",
        ".mount",
        ".automount",
        ".swap",
        ".target",
        ".path",
        ".timer",
        ".slice",
        ".scope",
    ];
    if TYPES.iter().any(|suffix| name.ends_with(suffix)) {
        name.to_owned()
    } else {
        format!("{name}.service")
    }
}

impl Systemd {
    pub(super) fn new(bus: BusSelection) -> Self {
        Systemd {
            bus,
            connection: Mutex::new(None),
        }
    }

    /// The manager, on a connection that has subscribed to its signals; the connection is kept
    /// while it lives.
    async fn manager(&self) -> zbus::Result<SystemdManagerProxy<'static>> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = kept.as_ref().filter(|connection| !connection.is_closed()) {
            return SystemdManagerProxy::new(connection).await;
        }
        let connection = self.bus.builder().build().await?;
        let manager = SystemdManagerProxy::new(&connection).await?;
        manager.subscribe().await?;
        *kept = Some(connection);
        Ok(manager)
    }

    /// True if there is a unit of that name: its file, or what runs although its file is gone.
    pub async fn has_unit(&self, name: &str) -> zbus::Result<bool> {
        let manager = self.manager().await?;
        let unit = unit(&manager, &unit_name(name)).await?;
        if unit.load_state().await? != "not-found" {
            return Ok(true);
        }
        let active = unit.active_state().await?;
        let is_up = matches!(
            active.as_str(),
            "active" | "activating" | "deactivating" | "reloading" | "refreshing"
        );
        Ok(is_up || left_behind(&manager, &unit_name(name)).await?.is_some())
    }

    /// The unit's description; `None` if the unit does not exist.
    pub async fn description(&self, name: &str) -> zbus::Result<Option<String>> {
        let manager = self.manager().await?;
        let unit = unit(&manager, &unit_name(name)).await?;
        if unit.load_state().await? == "not-found" {
            return Ok(None);
        }
        Ok(Some(unit.description().await?))
    }

    /// The services that there are files of, without `.service`; not those that need an instance's
    /// name.
    pub(super) async fn services(&self) -> zbus::Result<Vec<String>> {
        let manager = self.manager().await?;
        let files = manager.list_unit_files_by_patterns(&[], &["*.service"]);
        let names = files.await?.into_iter().filter_map(|(path, _)| {
            let (_, file) = path.rsplit_once('/')?;
            let name = file.strip_suffix(".service")?;
            (!name.ends_with('@')).then(|| name.to_owned())
        });
        Ok(names.collect())
    }

    pub(super) async fn run(
        &self,
        operation: &Operation,
        timeout: Duration,
        cancel: &mut oneshot::Receiver<()>,
    ) -> OperationOutcome {
        let name = unit_name(&operation.agent);
        let mut job = None;
        let action = async {
            let manager = self.manager().await?;
            match operation.action.as_str() {
                "monitor" | "status" => monitor(&manager, &name).await,
                "start" | "restart" | "stop" | "reload" => {
                    run_job(&manager, &name, &operation.action, &mut job).await
                }
                _ => Ok(OperationOutcome::not_supported(operation)),
            }
        };
        let interrupted = tokio::select! {
            outcome = action => return outcome.unwrap_or_else(|error: zbus::Error| {
                let reason = format!("systemd cannot be asked to {} {name}: {error}", operation.action);
                OperationOutcome::failed(OperationStatus::Error, rc::GENERIC, reason)
            }),
            () = tokio::time::sleep(timeout) => OperationOutcome::timed_out(timeout),
            Ok(()) = cancel => OperationOutcome::cancelled(),
        };
        if let Some(job) = job {
            self.cancel_job(&job).await;
        }
        interrupted
    }

    /// Takes a job out of systemd's queue, so that it cannot take effect after its operation has
    /// ended.
    async fn cancel_job(&self, job: &OwnedObjectPath) {
        let cancel = async {
            let manager = self.manager().await?;
            let destination = Some("org.freedesktop.systemd1");
            let interface = Some("org.freedesktop.systemd1.Job");
            manager
                .inner()
                .connection()
                .call_method(destination, job, interface, "Cancel", &())
                .await?;
            zbus::Result::Ok(())
        };
        // The job may be gone already.
        let _ = tokio::time::timeout(Duration::from_secs(1), cancel).await;
    }
}

async fn unit(
    manager: &SystemdManagerProxy<'static>,
    name: &str,
) -> zbus::Result<SystemdUnitProxy<'static>> {
    let path = manager.load_unit(name).await?;
    SystemdUnitProxy::builder(manager.inner().connection())
        .path(path)
        .cache_properties(CacheProperties::No)
        .build()
        .await
}

async fn state(manager: &SystemdManagerProxy<'static>, name: &str) -> zbus::Result<UnitState> {
    let unit = unit(manager, name).await?;
    // Only services have a result.
    let service = SystemdServiceProxy::builder(manager.inner().connection())
        .path(unit.inner().path().to_owned())
        .cache_properties(CacheProperties::No)
        .build()
        .await?;
    Ok(UnitState {
        load: unit.load_state().await?,
        active: unit.active_state().await?,
        result: service.result().await.unwrap_or_default(),
    })
}

/// Waits until a unit is neither coming up nor going down, and gives its state.
async fn settled(manager: &SystemdManagerProxy<'static>, name: &str) -> zbus::Result<UnitState> {
    // The state is polled: without a cache, change signals in between could be missed.
    let mut pauses = Pauses::between(SHORTEST_LOOK, LONGEST_LOOK);
    loop {
        let state = state(manager, name).await?;
        match state.active.as_str() {
            "activating" | "deactivating" => {}
            _ => return Ok(state),
        }
        tokio::time::sleep(pauses.next_pause()).await;
    }
}

/// What runs in a unit's control group, in words; `None` if nothing does.
async fn left_behind(
    manager: &SystemdManagerProxy<'static>,
    name: &str,
) -> zbus::Result<Option<String>> {
    let asked: zbus::Result<Vec<(String, u32, String)>> =
        manager.inner().call("GetUnitProcesses", &(name,)).await;
    let processes = match asked {
        Ok(processes) => processes,
        // systemd forgets no unit that has processes. Before version 231 it does not tell.
        Err(zbus::Error::MethodError(error, ..))
            if matches!(
                error.as_str(),
                "org.freedesktop.systemd1.NoSuchUnit" | "org.freedesktop.DBus.Error.UnknownMethod"
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let named = processes.iter().take(NAMED);
    let named: Vec<String> = named
        .map(|(_, pid, command)| format!("{pid} ({})", program(command)))
        .collect();
    let count = processes.len();
    let text = format!("processes of it are left ({count}): {}", named.join(", "));
    Ok((count > 0).then(|| cpe_bus::fields::bounded(&text, MAX_REASON / 2)))
}

/// The program of a command line. Its arguments may hold a password, and all may read the reason.
fn program(command: &str) -> &str {
    let path = command.split_whitespace().next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

/// The same after a stop: what is about to end is waited for.
async fn left_after_stop(
    manager: &SystemdManagerProxy<'static>,
    name: &str,
) -> zbus::Result<Option<String>> {
    let begin = Instant::now();
    let mut pauses = Pauses::between(SHORTEST_LOOK, LONGEST_LOOK);
    loop {
        let left = left_behind(manager, name).await?;
        if left.is_none() || begin.elapsed() >= LEFT_BEHIND {
            return Ok(left);
        }
        tokio::time::sleep(pauses.next_pause()).await;
    }
}

/// A unit that is not active, and of which something runs.
fn not_down(name: &str, state: &UnitState, left: &str) -> OperationOutcome {
    OperationOutcome {
        exit_reason: format!(
            "unit {name} is {}, and {left}; see KillMode= and SendSIGKILL= in systemd.kill(5)",
            state.active
        ),
        ..OperationOutcome::done(rc::GENERIC)
    }
}

async fn monitor(
    manager: &SystemdManagerProxy<'static>,
    name: &str,
) -> zbus::Result<OperationOutcome> {
    let state = settled(manager, name).await?;
    let is_up = matches!(state.active.as_str(), "active" | "reloading" | "refreshing");
    if !is_up && let Some(left) = left_behind(manager, name).await? {
        return Ok(not_down(name, &state, &left));
    }
    Ok(match (state.load.as_str(), state.active.as_str()) {
        (_, "active" | "reloading" | "refreshing") => OperationOutcome::done(rc::OK),
        ("not-found", _) => {
            OperationOutcome::not_installed(format!("there is no systemd unit {name}"))
        }
        (_, "failed") => OperationOutcome {
            exit_reason: format!("unit {name} has failed: {}", state.result),
            ..OperationOutcome::done(rc::NOT_RUNNING)
        },
        _ => OperationOutcome::done(rc::NOT_RUNNING),
    })
}

/// While the guest is shut down, a unit that is ordered to end after this agent has a job that
/// waits for the agent's end. Asked for without its dependencies, the stop does not wait for that:
/// the two are one job then.
async fn how_to_stop(manager: &SystemdManagerProxy<'static>) -> &'static str {
    let state: zbus::Result<String> = manager.inner().get_property("SystemState").await;
    match state.as_deref() {
        Ok("stopping") => "ignore-dependencies",
        _ => "replace",
    }
}

/// There is no such unit, at least none that runs.
async fn without_file(
    manager: &SystemdManagerProxy<'static>,
    name: &str,
    action: &str,
    state: &UnitState,
) -> zbus::Result<OperationOutcome> {
    if action != "stop" {
        let reason = format!("there is no systemd unit {name}");
        return Ok(OperationOutcome::not_installed(reason));
    }
    let left = left_after_stop(manager, name).await?;
    Ok(left.map_or_else(
        || OperationOutcome::done(rc::OK),
        |left| not_down(name, state, &left),
    ))
}

async fn run_job(
    manager: &SystemdManagerProxy<'static>,
    name: &str,
    action: &str,
    job: &mut Option<OwnedObjectPath>,
) -> zbus::Result<OperationOutcome> {
    let before = state(manager, name).await?;
    if before.load == "not-found"
        && !matches!(
            before.active.as_str(),
            "active" | "activating" | "deactivating"
        )
    {
        return without_file(manager, name, action, &before).await;
    }
    // Listening begins before the job exists, so that its end cannot be missed.
    let mut removed = manager.receive_job_removed().await?;
    let path = match action {
        "start" => manager.start_unit(name, "replace").await?,
        "stop" => manager.stop_unit(name, how_to_stop(manager).await).await?,
        "restart" => manager.restart_unit(name, "replace").await?,
        _ => manager.reload_unit(name, "replace").await?,
    };
    *job = Some(path.clone());
    let result = loop {
        let Some(signal) = removed.next().await else {
            return Err(zbus::Error::Failure(
                "the connection to systemd was lost while its job ran".into(),
            ));
        };
        let arguments: JobRemovedArgs<'_> = signal.args()?;
        if *arguments.job() == path {
            break arguments.result().to_string();
        }
    };
    *job = None;
    // A stream that nobody reads fills up, and then holds up every answer on this connection.
    drop(removed);
    let after = settled(manager, name).await?;
    if action == "stop"
        && matches!(after.active.as_str(), "inactive" | "failed")
        && let Some(left) = left_after_stop(manager, name).await?
    {
        return Ok(not_down(name, &after, &left));
    }
    let runs = matches!(after.active.as_str(), "active" | "reloading" | "refreshing");
    let as_wanted = match action {
        // A oneshot unit that does not remain is inactive after it has done its work.
        "start" | "restart" => {
            runs || (result == "done" && after.active == "inactive" && after.result == "success")
        }
        "stop" => matches!(after.active.as_str(), "inactive" | "failed"),
        _ => result == "done",
    };
    if as_wanted {
        return Ok(OperationOutcome::done(rc::OK));
    }
    let reason = format!(
        "job {action} of {name} ended as `{result}`; the unit is {} ({})",
        after.active, after.result
    );
    Ok(OperationOutcome {
        exit_reason: reason,
        ..OperationOutcome::done(rc::GENERIC)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_of_a_command_line_its_program_alone() {
        assert_eq!(program("/usr/sbin/mysqld --password=s3cret"), "mysqld");
        assert_eq!(program("postgres: writer"), "postgres:");
        assert_eq!(program("[kworker]"), "[kworker]");
        assert_eq!(program(""), "");
    }

    #[test]
    fn it_adds_the_type_to_a_units_name_unless_it_has_one() {
        assert_eq!(unit_name("nginx"), "nginx.service");
        assert_eq!(unit_name("srv-data.mount"), "srv-data.mount");
        assert_eq!(unit_name("php8.2-fpm"), "php8.2-fpm.service");
    }
}
