//! Puts the parts together. Sinks work for as long as the process lives; the connection to the bus
//! is made again whenever it is lost, and meanwhile what is under way goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use cpe_bus::names::NOTIFY_NAME;
use cpe_bus::{BusSelection, Event};
use cpe_daemon::{Pauses, State, Watchdog, notify};
use futures_util::StreamExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use zbus::Connection;
use zbus::fdo::{RequestNameFlags, RequestNameReply};

use crate::bus;
use crate::config::Places;
use crate::deliver::Confinement;
use crate::event_log::{self, BusLog};
use crate::sinks::Sinks;
use crate::store::{Handle, Store};

/// Pauses between attempts to connect to the bus again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Longest wait for a reply of the bus or of `cpe`.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);
/// Time between two looks for dead letters that are older than they are kept.
const RETENTION_PERIOD: Duration = Duration::from_secs(3600);

/// How the daemon is to be run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bus of `cpe`.
    pub bus: BusSelection,
    /// Where the sinks' files are.
    pub sinks: PathBuf,
    /// Where the database is.
    pub state: PathBuf,
    /// Members may ask and test, besides root.
    pub group: String,
}

type BusSinks = Sinks<BusLog>;

/// Delivers until a signal asks it to end.
///
/// # Errors
/// If the database or the bus cannot be had at the start.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let asked = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    run_until(settings, asked).await
}

/// Delivers until `stop` is there. Then no sink delivers any more, and the name on the bus is free:
/// a successor may be started at once, also in this process.
///
/// # Errors
/// If the database or the bus cannot be had at the start.
pub async fn run_until(settings: Settings, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let mut reload = signal(SignalKind::hangup())?;
    let store = Handle::new(Store::open(&settings.state)?);
    let (connected, connection) = watch::channel(None);
    let log = BusLog::new(connection);
    let confinement = Confinement::own();
    if confinement == Confinement::ProcessGroup {
        tracing::info!(
            "programs are kept together by their process groups: this is not cpe-notify.service"
        );
    }
    let places = Places::of(&settings.sinks);
    let sinks = Arc::new(Sinks::new(places, confinement, log.clone(), store.clone()));
    let mut beside = JoinSet::new();
    beside.spawn(Watchdog::run());
    beside.spawn(retention(store));
    let worked = async {
        let served = serve(&settings, &sinks, &log, &connected);
        tokio::pin!(served, stop);
        let mut is_loaded = false;
        loop {
            // With the sinks' files read once the bus is there: systemd is told how many there are.
            tokio::select! {
                result = &mut served => return result,
                () = &mut stop => return Ok(()),
                _ = reload.recv() => load(&sinks, "read again"),
                // At the first connection.
                () = first(&connected), if !is_loaded => {
                    is_loaded = true;
                    load(&sinks, "read");
                    notify(&[State::Ready]);
                }
            }
        }
    };
    let worked = worked.await;
    notify(&[State::Stopping]);
    if worked.is_ok() {
        tracing::info!("ending; what has not arrived yet is delivered after the next start");
    }
    sinks.end().await;
    beside.shutdown().await;
    let connection = connected.send_replace(None);
    if let Some(connection) = connection {
        let _ = connection.release_name(NOTIFY_NAME).await;
        let _ = connection.close().await;
    }
    worked
}

async fn first(connected: &watch::Sender<Option<Connection>>) {
    let mut seen = connected.subscribe();
    let _ = seen.wait_for(Option::is_some).await;
}

fn load(sinks: &BusSinks, how: &str) {
    let (working, refused) = sinks.load();
    let status = match refused {
        0 => format!("{working} sinks"),
        refused => format!("{working} sinks; {refused} files refused: `cpectl sinks` says why"),
    };
    tracing::info!("sinks {how}: {status}");
    notify(&[State::Status(&status)]);
}

/// Serves on one connection after another.
async fn serve(
    settings: &Settings,
    sinks: &Arc<BusSinks>,
    log: &BusLog,
    connected: &watch::Sender<Option<Connection>>,
) -> anyhow::Result<()> {
    let mut pauses = Pauses::between(SHORTEST_PAUSE, LONGEST_PAUSE);
    let mut served = false;
    loop {
        match open(settings, sinks).await {
            Ok(connection) => {
                pauses.reset();
                served = true;
                connected.send_replace(Some(connection.clone()));
                log.recorded(0);
                tokio::select! {
                    () = connection.closed() => {}
                    () = follow(&connection, log) => {}
                }
                connected.send_replace(None);
                tracing::warn!(
                    "the connection to the {} bus is lost; connecting again",
                    settings.bus
                );
                let _ = connection.close().await;
            }
            // At the start, a wrong address or a missing policy is for a person to see at once.
            Err(error) if !served => return Err(error),
            Err(error) => tracing::warn!("{error:#}; retrying"),
        }
        tokio::time::sleep(pauses.next_pause()).await;
    }
}

async fn open(settings: &Settings, sinks: &Arc<BusSinks>) -> anyhow::Result<Connection> {
    let builder = settings.bus.builder().method_timeout(REPLY_TIMEOUT);
    let connection = builder.build().await.with_context(|| {
        let bus = &settings.bus;
        format!("cannot connect to the {bus} bus; is it running, and may this user use it?")
    })?;
    bus::publish(&connection, sinks, &settings.group)
        .await
        .context("cannot serve on the bus")?;
    // Last, when every call can be answered.
    take_name(&connection, &settings.bus).await?;
    Ok(connection)
}

async fn take_name(connection: &Connection, bus: &BusSelection) -> anyhow::Result<()> {
    let flags = RequestNameFlags::DO_NOT_QUEUE;
    match connection.request_name_with_flags(NOTIFY_NAME, flags).await {
        Ok(RequestNameReply::PrimaryOwner | RequestNameReply::AlreadyOwner) => Ok(()),
        Ok(_) | Err(zbus::Error::NameTaken) => {
            bail!("another cpe-notify owns {NOTIFY_NAME} on the {bus} bus; stop it first")
        }
        Err(error) => Err(error).with_context(|| {
            format!(
                "the {bus} bus does not let this user own {NOTIFY_NAME}; is org.cloudpolicy.Notify1.conf installed?"
            )
        }),
    }
}

/// Wakes the sinks when an event is recorded. What is missed here is found by looking.
async fn follow(connection: &Connection, log: &BusLog) {
    let mut pauses = Pauses::between(SHORTEST_PAUSE, LONGEST_PAUSE);
    loop {
        let followed = async {
            let proxy = event_log::proxy(connection).await?;
            let mut events = proxy.receive_recorded().await?;
            log.recorded(0);
            while let Some(signal) = events.next().await {
                let event = signal.args().map(|args| Event::from_fields(args.event()));
                let cursor = event.map_or(0, |event| event.map_or(0, |event| event.cursor));
                log.recorded(cursor);
            }
            cpe_bus::Result::Ok(())
        };
        if let Err(error) = followed.await {
            tracing::warn!(
                "events cannot be followed: {}; trying again",
                error.message()
            );
        }
        tokio::time::sleep(pauses.next_pause()).await;
    }
}

/// Forgets old dead letters now and then.
async fn retention(store: Handle) {
    loop {
        match store.run(|store| store.forget_old()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!("{count} dead letters of more than 30 days are forgotten"),
            Err(error) => tracing::error!("old dead letters cannot be forgotten: {error}"),
        }
        tokio::time::sleep(RETENTION_PERIOD).await;
    }
}
