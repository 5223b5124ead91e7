//! Commands about the hosts that share deployments, and about their store.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};

use crate::times;

#[derive(Debug, Args)]
pub(crate) struct Host {
    #[command(subcommand)]
    pub command: HostCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HostCommand {
    /// Lists the hosts: whether they are there, what they have, and what they take
    List,
    /// Shows a host, the deployments that it owns, and where each would go if it were drained
    Show {
        /// The host [default: the one that answers]
        #[arg(value_name = "HOST", value_hint = ValueHint::Hostname)]
        name: Option<String>,
    },
    /// Has a host take no deployments and hand over those that it has
    ///
    /// Shows first what moves where. A DPE is away for a moment while its deployment is handed
    /// over; services run on. What no other host can take stays where it is.
    Drain(Drain),
    /// Ends drain: the host takes deployments again
    Activate {
        /// The host
        #[arg(value_name = "HOST", value_hint = ValueHint::Hostname)]
        name: String,
    },
    /// Has the host that owns a deployment hand it over to another one
    Move {
        /// The deployment
        name: String,
        /// The host that gets it
        #[arg(value_name = "HOST", value_hint = ValueHint::Hostname)]
        host: String,
    },
    /// Forgets a host that is gone and has no deployments
    ///
    /// It is refused (exit status 5) while the host is alive or has deployments. If its cpe is
    /// started again, it joins as a new host.
    Remove {
        /// The host
        #[arg(value_name = "HOST", value_hint = ValueHint::Hostname)]
        name: String,
    },
    /// Says that a host that is gone is lost, so that others take its deployments
    ///
    /// Needed only after very many hosts were gone at once: more likely something else is wrong
    /// then, so nothing is taken from them before a person has looked. What such a host did before
    /// ends by itself before another host acts.
    ConfirmLost {
        /// The host
        #[arg(value_name = "HOST", value_hint = ValueHint::Hostname)]
        name: String,
        /// Does it without asking; needed where nobody can be asked
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Drain {
    /// The host
    #[arg(value_name = "HOST", value_hint = ValueHint::Hostname)]
    pub name: String,
    /// Shows what would move where, and does nothing
    #[arg(long, conflicts_with = "wait")]
    pub dry_run: bool,
    /// Waits until it has none any more
    #[arg(long)]
    pub wait: bool,
    /// Longest wait (such as 90s, 5m, 1h30m)
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = times::duration)]
    pub timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Store {
    #[command(subcommand)]
    pub command: StoreCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Shows which store it is, whether it answers, and how much room it has; of etcd also each
    /// member
    Status,
    /// Writes a copy of the database to a new file, readable only for you, while cpe runs
    ///
    /// It has the deployments, the generations of their documents and the event log as they are at
    /// one moment. To restore it: stop cpe, put the copy in the place of /var/lib/cpe/cpe.db, whose
    /// owner it needs, without cpe.db-wal and cpe.db-shm, and start cpe.
    Backup {
        /// The new file; never over one that exists
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
}
