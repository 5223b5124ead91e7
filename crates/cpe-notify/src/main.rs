//! `cpe-notify`: delivers the events of the Cloud Policy Engine to webhooks and alert agents.

mod manual;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use cpe_bus::BusSelection;
use cpe_notify::config::{Config, FOLDER, Places};
use cpe_notify::deliver::program;
use cpe_notify::serve::{self, Settings};

/// Threads for what blocks: the database, names of hosts, users and groups.
const BLOCKING_THREADS: usize = 8;

/// Delivers the events of the Cloud Policy Engine to others: to webhooks, and to alert agents as
/// Pacemaker runs them.
///
/// Each file NAME.toml of the folder of sinks is a sink: cpe-sinks(5) describes them. Each event is
/// delivered at least once and in order, and always with the same id. What cannot be delivered is a
/// dead letter: `cpectl sinks` shows how all of it stands, SIGHUP has the files read again.
#[derive(Debug, Parser)]
#[command(name = "cpe-notify", version, args_conflicts_with_subcommands = true)]
struct Options {
    /// Bus of cpe: system, user, or a D-Bus address
    #[arg(long, value_name = "BUS", default_value = "system")]
    bus: BusSelection,
    /// Folder of the sinks' files
    #[arg(long, value_name = "DIRECTORY", default_value = FOLDER)]
    sinks: PathBuf,
    /// Directory of the database [default: $STATE_DIRECTORY, else /var/lib/cpe-notify]
    #[arg(long, value_name = "DIRECTORY")]
    state_dir: Option<PathBuf>,
    /// Group whose members may ask how it stands, test sinks and have dead letters delivered
    /// again, as root may
    #[arg(long, value_name = "GROUP", default_value = "cpe")]
    group: String,
    /// Checks the sinks' files, says what is wrong with them, and ends
    #[arg(long)]
    check_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes the man pages of section 8 to a directory
    #[command(hide = true)]
    Man { directory: PathBuf },
    /// Writes the man page cpe-sinks(5) to a directory
    #[command(hide = true)]
    ManSinks { directory: PathBuf },
    /// Becomes a program in a control group
    #[command(hide = true, name = program::ENTER)]
    Enter {
        group: PathBuf,
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match &options.command {
        Some(Command::Man { directory }) => {
            cpe_daemon::man_page(Options::command(), "8", "", directory)
        }
        Some(Command::ManSinks { directory }) => manual::sinks(directory),
        Some(Command::Enter { group, command }) => program::enter(group, command),
        None if options.check_config => return check(&options.sinks),
        None => daemon(options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cpe-notify: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says of each file what is wrong with it.
fn check(folder: &Path) -> ExitCode {
    let config = Config::load(&Places::of(folder));
    for refused in &config.refused {
        eprintln!("cpe-notify: {refused}");
    }
    for sink in &config.sinks {
        println!(
            "{}: {} {}",
            sink.name,
            sink.target.word(),
            sink.target.label()
        );
    }
    match config.refused.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn daemon(options: Options) -> anyhow::Result<()> {
    cpe_daemon::start_log();
    cpe_daemon::abort_on_panic();
    let state = options
        .state_dir
        .or_else(|| std::env::var_os("STATE_DIRECTORY").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("/var/lib/cpe-notify"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .context("cannot start the event loop")?;
    let settings = Settings {
        bus: options.bus,
        sinks: options.sinks,
        state,
        group: options.group,
    };
    let outcome = runtime.block_on(serve::run(settings));
    // A name of a host that is still being looked up is not waited for.
    runtime.shutdown_background();
    if let Err(error) = &outcome {
        tracing::error!("{error:#}");
    }
    outcome
}
