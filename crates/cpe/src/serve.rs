//! Puts the parts together: on one connection to the bus after another, for as long as the process
//! lives.
//!
//! When the bus restarts, all that was built on the connection (objects, signal subscriptions,
//! supervisors) is dropped, and built again on the next one. So there is one way to come up, after
//! a start of the daemon as after a restart of the bus, and it always begins by looking at how
//! things are.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use cpe_bus::names::CPE_NAME;
use cpe_daemon::{Pauses, State, Watchdog, notify};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use zbus::fdo::{RequestNameFlags, RequestNameReply};

use crate::bus;
use crate::cluster;
use crate::core::Core;
use crate::host::Host;
use crate::systemd::Systemd;
use crate::{endings, mirror, reconciliation, reload, signals, sockets, supervisor};

/// Pauses between attempts to connect to the bus again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Time between two looks for events that are older than is kept.
const RETENTION_PERIOD: Duration = Duration::from_secs(3600);
/// Pause after a number of old events was dropped: there may be more.
const RETENTION_PAUSE: Duration = Duration::from_secs(1);

/// Serves until a signal asks it to end.
pub(crate) async fn run(core: Arc<Core>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(Watchdog::run());
    tokio::spawn(retention(Arc::clone(&core)));
    tokio::spawn(reload::run(Arc::clone(&core)));
    tokio::spawn(mirror::run(Arc::clone(&core)));
    let (systemd, current) = watch::channel(None);
    let served = tokio::select! {
        result = serve(&core, &systemd) => result,
        Err(ended) = cluster::run(&core, current) => Err(ended),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        kept_aside = core.store.lost() => {
            core.report(&kept_aside);
            Err(anyhow!("the database is corrupt; starting again with an empty one"))
        }
    };
    notify(&[State::Stopping]);
    if served.is_ok() {
        tracing::info!("ending; the DPEs go on with their work");
    }
    served
}

/// Serves on one connection after another.
async fn serve(
    core: &Arc<Core>,
    systemd: &watch::Sender<Option<Arc<Systemd>>>,
) -> anyhow::Result<()> {
    let mut pauses = Pauses::between(SHORTEST_PAUSE, LONGEST_PAUSE);
    let mut served = false;
    loop {
        match open(core).await {
            Ok(host) => {
                tracing::info!(
                    "serving on the {} bus with {} deployments",
                    core.bus,
                    core.registry.all().len()
                );
                notify(&[State::Ready, State::Status("serving")]);
                served = true;
                systemd.send_replace(Some(Arc::clone(&host.systemd)));
                host.closed().await;
                systemd.send_replace(None);
                tracing::warn!(
                    "the connection to the {} bus is lost; connecting again",
                    core.bus
                );
                notify(&[State::Status("connecting to the bus again")]);
                host.close().await;
                pauses.reset();
            }
            // At the start, a wrong address or a missing policy file is for a person to see at
            // once.
            Err(error) if !served => return Err(error),
            Err(error) => tracing::warn!("{error:#}; retrying"),
        }
        tokio::time::sleep(pauses.next_pause()).await;
    }
}

/// Connects, and starts everything on the connection.
async fn open(core: &Arc<Core>) -> anyhow::Result<Arc<Host>> {
    let host = Host::connect(Arc::clone(core)).await?;
    if let Err(error) = start(&host).await {
        host.close().await;
        return Err(error);
    }
    Ok(host)
}

async fn start(host: &Arc<Host>) -> anyhow::Result<()> {
    signals::listen(host)
        .await
        .context("cannot listen to the bus")?;
    if let Err(error) = host.systemd.subscribe().await {
        tracing::warn!(
            "systemd does not answer on the {} bus yet ({error}); DPEs are started when it does",
            host.core.bus
        );
    }
    let left = bus::orders_left(host).await?;
    let objects = bus::publish(host, &left).await?;
    // Last, when every call can be answered.
    take_name(host).await?;
    bus::follow(host, objects);
    bus::carry_on(host, left);
    host.spawn(supervisor::supervise_all(Arc::clone(host)));
    host.spawn(reconciliation::run(Arc::clone(host)));
    host.spawn(endings::run(Arc::clone(host)));
    host.spawn(sockets::keep(Arc::clone(host)));
    Ok(())
}

async fn take_name(host: &Host) -> anyhow::Result<()> {
    let bus = &host.core.bus;
    let flags = RequestNameFlags::DO_NOT_QUEUE;
    let reply = host
        .connection
        .request_name_with_flags(CPE_NAME, flags)
        .await;
    match reply {
        Ok(RequestNameReply::PrimaryOwner | RequestNameReply::AlreadyOwner) => Ok(()),
        Ok(_) | Err(zbus::Error::NameTaken) => {
            bail!("another cpe owns {CPE_NAME} on the {bus} bus; stop it first")
        }
        Err(error) => Err(error).with_context(|| {
            format!(
                "the {bus} bus does not let this user own {CPE_NAME}; \
                 is org.cloudpolicy.conf installed?"
            )
        }),
    }
}

/// Drops old events now and then.
async fn retention(core: Arc<Core>) {
    loop {
        let (keep_for, keep_count) = (core.config.events.keep_for, core.config.events.keep_count);
        let dropped = core.store.prune(keep_for, keep_count).await;
        let pause = match dropped {
            Ok(0) => RETENTION_PERIOD,
            Ok(dropped) => {
                tracing::debug!("{dropped} old events dropped");
                RETENTION_PAUSE
            }
            Err(error) => {
                tracing::error!("old events cannot be dropped: {error}");
                RETENTION_PERIOD
            }
        };
        tokio::time::sleep(pause).await;
    }
}
