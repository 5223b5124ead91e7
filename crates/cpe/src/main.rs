//! `cpe`, the Cloud Policy Engine's daemon on a host.
//!
//! It takes deployment documents over D-Bus, keeps them and the event log, and sees to it that each
//! deployment's DPE runs as `dpe@NAME.service` with the current document. It decides nothing about
//! services: that is the DPEs' work, and they go on with it while this daemon is away.
//!
//! ```text
//! bus/ (Manager, Events, Deployment) ─▶ documents, authorisation ─▶ store ─▶ registry ─▶ supervisor ─▶ systemd, DPE
//!                                                                   events ─▶ journal, signal
//! ```

mod authorisation;
mod backoff;
mod bus;
mod clock;
mod config;
mod core;
mod documents;
mod dpe;
mod events;
mod plan;
mod reconciliation;
mod registry;
mod session;
mod store;
mod supervisor;
mod sync;
mod systemd;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use cpe_bus::BusSelection;
use cpe_daemon::{State, Watchdog, notify};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::core::Core;
use crate::session::Session;

/// The Cloud Policy Engine's daemon: keeps deployments and their event log, runs their DPEs.
#[derive(Debug, Parser)]
#[command(name = "cpe", version, args_conflicts_with_subcommands = true)]
struct Options {
    /// Bus to serve on: system, user, or a D-Bus address. DPEs are started on the systemd that
    /// answers there [default: system]
    #[arg(long, value_name = "BUS")]
    bus: Option<BusSelection>,
    /// Directory of the database [default: $STATE_DIRECTORY, else /var/lib/cpe]
    #[arg(long, value_name = "DIRECTORY")]
    state_dir: Option<PathBuf>,
    /// Configuration file [default: /etc/cpe/cpe.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Checks the configuration, and ends
    #[arg(long)]
    check_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes the man page to a directory
    #[command(hide = true)]
    Man { directory: PathBuf },
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(Command::Man { directory }) = &options.command {
        return cpe_daemon::man_page(Options::command(), "8", "", directory);
    }
    let config = Config::load(options.config.as_deref())?;
    if options.check_config {
        return Ok(());
    }
    cpe_daemon::start_log();
    cpe_daemon::abort_on_panic();
    let outcome = start(options, config);
    if let Err(error) = &outcome {
        // With the journal as the log, what main returns is not seen there with its fields.
        tracing::error!("{error:#}");
    }
    outcome
}

fn start(options: Options, config: Config) -> anyhow::Result<()> {
    let bus = match (options.bus, &config.bus) {
        (Some(bus), _) => bus,
        (None, Some(bus)) => bus
            .parse()
            .map_err(|error: cpe_bus::Error| anyhow::anyhow!("bus: {}", error.message()))?,
        (None, None) => BusSelection::System,
    };
    let directory = options
        .state_dir
        .or_else(|| config.state_directory.clone())
        .or_else(|| std::env::var_os("STATE_DIRECTORY").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("/var/lib/cpe"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .thread_keep_alive(Duration::from_secs(5))
        .build()
        .context("cannot start the event loop")?;
    runtime.block_on(async {
        let core = Arc::new(Core::open(config, bus, &directory)?);
        run(core).await
    })
}

/// Serves until a signal asks it to end, on one connection after another.
async fn run(core: Arc<Core>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(Watchdog::run());
    tokio::spawn(retention(Arc::clone(&core)));
    let served = tokio::select! {
        result = serve(&core) => result,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    notify(&[State::Stopping]);
    if served.is_ok() {
        tracing::info!("ending; the DPEs go on with their work");
    }
    served
}

async fn serve(core: &Arc<Core>) -> anyhow::Result<()> {
    const SHORTEST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);
    let mut pause = SHORTEST;
    let mut served = false;
    loop {
        match Session::open(Arc::clone(core)).await {
            Ok(session) => {
                tracing::info!(
                    "serving on the {} bus with {} deployments",
                    core.bus,
                    core.registry.all().len()
                );
                notify(&[State::Ready, State::Status("serving")]);
                (served, pause) = (true, SHORTEST);
                session.closed().await;
                tracing::warn!(
                    "the connection to the {} bus is lost; connecting again",
                    core.bus
                );
                notify(&[State::Status("connecting to the bus again")]);
                session.close().await;
            }
            // At the start, a wrong address or a missing policy file is for a person to see at
            // once.
            Err(error) if !served => return Err(error),
            Err(error) => tracing::warn!("{error:#}; tried again in {} ms", pause.as_millis()),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Drops old events now and then.
async fn retention(core: Arc<Core>) {
    const PERIOD: Duration = Duration::from_secs(3600);
    loop {
        let (keep_for, keep_count) = (core.config.events.keep_for, core.config.events.keep_count);
        match core
            .store
            .run(move |store| store.prune_events(keep_for, keep_count))
            .await
        {
            // There may be more than are dropped at once.
            Ok(dropped) if dropped > 0 => {
                tracing::debug!("{dropped} old events dropped");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Ok(_) => tokio::time::sleep(PERIOD).await,
            Err(error) => {
                tracing::error!("old events cannot be dropped: {error}");
                tokio::time::sleep(PERIOD).await;
            }
        }
    }
}
