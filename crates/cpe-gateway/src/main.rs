//! The program `cpe-gateway`: puts the parts together. See the library's documentation.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{CommandFactory, Parser, Subcommand};
use cpe_bus::BusSelection;
use cpe_daemon::{State, Watchdog, notify};
use cpe_gateway::sockets::Sockets;
use cpe_gateway::tls::Tls;
use cpe_gateway::{App, Settings, page, rest, serve};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Threads for what blocks: comparing documents, looking up users.
const BLOCKING_THREADS: usize = 4;

/// REST for the Cloud Policy Engine. It accepts on sockets that systemd hands over, and changes
/// nothing that cpe does not let the caller change
#[derive(Debug, Parser)]
#[command(name = "cpe-gateway", version, args_conflicts_with_subcommands = true)]
struct Options {
    /// Settings [default: /etc/cpe/gateway.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Bus on which cpe is: system, user, or a D-Bus address [default: system]
    #[arg(long, value_name = "BUS")]
    bus: Option<BusSelection>,
    /// Also accepts HTTP on this Unix socket
    #[arg(long, value_name = "PATH")]
    http: Option<PathBuf>,
    /// Also accepts HTTPS on this address
    #[arg(long, value_name = "ADDRESS:PORT")]
    https: Option<SocketAddr>,
    /// Checks the settings, and ends
    #[arg(long)]
    check_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints the contract, OpenAPI 3.1
    Openapi,
    /// Writes the man page to a directory
    #[command(hide = true)]
    Man { directory: PathBuf },
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    match &options.command {
        Some(Command::Man { directory }) => {
            return cpe_daemon::man_page(Options::command(), "8", "", directory);
        }
        Some(Command::Openapi) => {
            use std::io::Write;
            return Ok(writeln!(std::io::stdout(), "{}", rest::contract())?);
        }
        None => {}
    }
    let settings = Settings::load(options.config.as_deref())?;
    if options.check_config {
        return Ok(());
    }
    cpe_daemon::start_log();
    let outcome = start(&options, settings);
    if let Err(error) = &outcome {
        // With the journal as the log, what main returns is not seen there with its fields.
        tracing::error!("{error:#}");
    }
    outcome
}

fn start(options: &Options, settings: Settings) -> anyhow::Result<()> {
    let bus = match &options.bus {
        Some(bus) => bus.clone(),
        None => settings
            .bus
            .parse()
            .map_err(|error: cpe_bus::Error| anyhow::anyhow!("bus: {}", error.message()))?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .context("cannot start the event loop")?;
    runtime.block_on(run(options, settings, bus))
}

async fn run(options: &Options, settings: Settings, bus: BusSelection) -> anyhow::Result<()> {
    let mut sockets = Sockets::handed_over()?;
    sockets.open(options.http.as_deref(), options.https).await?;
    if sockets.is_empty() {
        bail!("there is nothing to accept on: start cpe-gateway.socket, or say --http or --https");
    }
    let tls = match sockets.https.is_empty() {
        true => None,
        false => {
            let tls = Tls::load(&settings.tls);
            let tls = tls.context("the TLS socket is on, and its certificate cannot be used")?;
            Some(Arc::new(tls))
        }
    };
    let limits = settings.limits.clone();
    let app = App::start(settings, bus);
    let (end, is_ending) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        notify(&[State::Stopping]);
        end.send_replace(true);
    });
    tokio::spawn(Watchdog::run());
    notify(&[State::Ready, State::Status("serving")]);
    tracing::info!(
        "serving on {} Unix and {} TLS sockets",
        sockets.http.len(),
        sockets.https.len()
    );
    let router = page::router(Arc::clone(&app), rest::router(app));
    serve::serve(router, sockets, tls, &limits, is_ending).await;
    Ok(())
}
