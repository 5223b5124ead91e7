//! The program `cpe-fence`: serves the connection that systemd has put on its standard input. See
//! the library.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use cpe_fence::{Callers, Confinement, Settings, User};

/// Runs one fence agent for a DPE. Started by systemd for each connection to
/// /run/cpe/fence/NAME/sock, as cpe-fence@….service, with the connection as its standard input.
#[derive(Debug, Parser)]
#[command(name = "cpe-fence", version, args_conflicts_with_subcommands = true)]
struct Options {
    /// As whom agents run [default: as this process]
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// HOME of agents: known hosts and settings for all deployments; a folder DIRECTORY/NAME is
    /// that of deployment NAME alone. Agents read it
    #[arg(long, value_name = "DIRECTORY", default_value = "/var/lib/cpe-fence")]
    home: PathBuf,
    /// A folder in which agents may write; may be given several times
    #[arg(long, value_name = "DIRECTORY", default_values = ["/tmp", "/var/tmp"])]
    scratch: Vec<PathBuf>,
    /// Where the files are that documents name as /etc/cpe/secrets/…
    #[arg(long, value_name = "DIRECTORY", default_value = "/etc/cpe/secrets")]
    secrets: PathBuf,
    /// Where copies of such files are put for agents that take a path; in memory, and seen by this
    /// unit only
    #[arg(long, value_name = "DIRECTORY", default_value = "/run/cpe-fence")]
    copies: PathBuf,
    /// A folder of fence agents; may be given several times
    #[arg(long, value_name = "DIRECTORY", default_values = ["/usr/sbin", "/usr/bin", "/usr/local/sbin"])]
    agents: Vec<PathBuf>,
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
    cpe_daemon::start_log();
    let outcome = run(options);
    if let Err(error) = &outcome {
        // With the journal as the log, what main returns is not seen there with its fields.
        tracing::error!("{error:#}");
    }
    outcome
}

fn run(options: Options) -> anyhow::Result<()> {
    let stream = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let settings = Settings {
        callers: Callers::Units,
        agents: options.agents,
        secrets: options.secrets,
        copies: options.copies,
        home: options.home,
        scratch: options.scratch,
        user: options.user.as_deref().map(user).transpose()?,
        confinement: Confinement::own(),
    };
    cpe_fence::serve(&UnixStream::from(stream), &settings)
}

fn user(name: &str) -> anyhow::Result<User> {
    let found = nix::unistd::User::from_name(name)?;
    let found = found.with_context(|| format!("there is no user {name} on this host"))?;
    Ok(User {
        uid: found.uid.as_raw(),
        gid: found.gid.as_raw(),
    })
}
