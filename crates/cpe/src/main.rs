//! `cpe`, the Cloud Policy Engine's daemon on a host.
//!
//! It takes deployment documents over D-Bus, keeps them and the event log, and sees to it that each
//! deployment's DPE runs as `dpe@NAME.service` with the current document. It decides nothing about
//! services: that is the DPEs' work, and they go on with it while this daemon is away.
//!
//! ```text
//! serve          puts the parts together, on one connection to the bus after another
//! bus/           Manager, Events, Deployment: the objects, which watch what lies below
//! supervisor/    one per deployment that runs here ─▶ systemd, dpe; beside it signals, endings,
//!                reconciliation, conflicts, plan, audit; mirror, of what other hosts change
//! cluster/       this host among hosts that share deployments ─▶ membership, systemd
//! host, core     what everybody works with
//! registry       what is wanted and seen of each deployment
//! ```
//!
//! Each line uses only those below it; `tests/layers.rs` has the whole order.

mod access;
mod admission;
mod audit;
mod authorisation;
mod backoff;
mod bus;
mod cluster;
mod config;
mod conflicts;
mod core;
mod documents;
mod dpe;
mod endings;
mod facts;
mod host;
mod mirror;
mod places;
mod plan;
mod readers;
mod reconciliation;
mod refusals;
mod registry;
mod reload;
mod rights;
mod rooms;
mod serve;
mod signals;
mod sockets;
mod stores;
mod supervisor;
mod sync;
mod systemd;
mod turns;
mod visitors;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use cpe_bus::BusSelection;

use crate::config::Config;
use crate::core::Core;

/// Threads for what blocks, each with a queue of its own: writing and reading the store, reading a
/// document, and looking up users and groups, which may take long (two).
const BLOCKING_THREADS: usize = 5;

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
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(Duration::from_secs(5))
        .build()
        .context("cannot start the event loop")?;
    runtime.block_on(async {
        let core = Arc::new(Core::open(config, bus, &directory).await?);
        serve::run(core).await
    })
}
