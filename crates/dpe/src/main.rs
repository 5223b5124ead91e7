//! The program `dpe`: reads its command line and runs the library. See there.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{CommandFactory, Parser, Subcommand};
use cpe_bus::BusSelection;
use cpe_bus::names::check_deployment_name;
use dpe::{NO_RIGHT, NoRight};

/// The daemon of one deployment: keeps its services running where the policy says. Started by cpe
/// as dpe@NAME.service.
#[derive(Debug, Parser)]
#[command(
    name = "dpe",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Options {
    /// Name of the deployment
    #[arg(required = true)]
    name: Option<String>,
    /// Bus to serve on: system, user, or a D-Bus address
    #[arg(long, value_name = "BUS", default_value_t)]
    bus: BusSelection,
    /// Directory of the saved state [default: $STATE_DIRECTORY, else /var/lib/dpe/NAME]
    #[arg(long, value_name = "DIRECTORY")]
    state_dir: Option<PathBuf>,
    /// How many inputs of the policy engine (CIB and graph) are kept under DIRECTORY/inputs; 0
    /// keeps only those of refused decisions
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    keep_inputs: u64,
    /// Directory of this DPE's certificate, for guests on networks; read when a document names one
    /// [default: $CONFIGURATION_DIRECTORY, else /etc/cpe/dpe/NAME]
    #[arg(long, value_name = "DIRECTORY")]
    certificates: Option<PathBuf>,
    /// Where fence agents are run [default: /run/cpe/fence/NAME/sock; on the bus of a user the
    /// same below $XDG_RUNTIME_DIR]
    #[arg(long, value_name = "PATH")]
    fence_socket: Option<PathBuf>,
    /// This host shares deployments with others: the directory in which cpe writes this DPE's grant
    /// and the host's permit. Without a grant there this ends with status 75. While the permit is
    /// over or missing it says no Hello, renews no lease, changes no guest and asks no fencing
    /// device
    #[arg(long, value_name = "DIRECTORY", env = "CPE_CLUSTER")]
    cluster: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes the man page to a directory
    #[command(hide = true)]
    Man { directory: PathBuf },
}

fn main() -> anyhow::Result<ExitCode> {
    match run(Options::parse()) {
        // It is in the log.
        Err(error) if error.is::<NoRight>() => Ok(ExitCode::from(NO_RIGHT)),
        ended => ended.map(|()| ExitCode::SUCCESS),
    }
}

fn run(options: Options) -> anyhow::Result<()> {
    if let Some(Command::Man { directory }) = &options.command {
        return cpe_daemon::man_page(Options::command(), "8", MAN_SECTIONS, directory);
    }
    let name = options.name.unwrap_or_default();
    if let Err(error) = check_deployment_name(&name) {
        bail!(error.message());
    }
    let directory = options
        .state_dir
        .or_else(|| std::env::var_os("STATE_DIRECTORY").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("/var/lib/dpe").join(&name));
    let certificates = options
        .certificates
        .or_else(|| std::env::var_os("CONFIGURATION_DIRECTORY").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("/etc/cpe/dpe").join(&name));
    let runtime_directory = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from);
    let fence_socket = options.fence_socket.unwrap_or_else(|| {
        let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|_| options.bus == BusSelection::User);
        let run = own.map_or_else(|| "/run".into(), PathBuf::from);
        run.join("cpe/fence").join(&name).join("sock")
    });
    cpe_daemon::start_log();
    cpe_daemon::abort_on_panic();
    // Before there are threads.
    dpe::keep_signals_in();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // one each for decisions, for explanations and plans, for the saved state, for kept inputs,
        // for what agents say of themselves, for certificates, and for keys of ssh
        .max_blocking_threads(7)
        .thread_keep_alive(Duration::from_secs(1))
        .build()
        .context("cannot start the event loop")?;
    let outcome = runtime.block_on(async {
        dpe::run(
            &name,
            options.bus,
            &directory,
            runtime_directory.as_deref(),
            options.keep_inputs,
            (&certificates, &fence_socket),
            options.cluster.as_deref(),
        )
        .await
    });
    // A decision that is still being made is not waited for.
    runtime.shutdown_background();
    if let Err(error) = &outcome {
        // With the journal as the log, what main returns is not seen there with its fields.
        tracing::error!(cpe_deployment = name, "{error:#}");
    }
    outcome
}

/// What the command line does not say, for the man page.
const MAN_SECTIONS: &str = r".SH ENVIRONMENT
.TP
.B CPE_LOG
What is logged: a level, or TARGET=LEVEL,\&..., such as dpe=debug,zbus=warn.
.TP
.B OTEL_EXPORTER_OTLP_ENDPOINT
Where spans of transitions and their actions are sent (OTLP over HTTP), as http://localhost:4318. Only a dpe that is built
with them (feature otlp) sends any; another one says so. OpenTelemetry\(aqs other variables count, too.
";
