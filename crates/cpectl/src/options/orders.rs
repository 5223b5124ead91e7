//! What is ordered of single services, beside the document.

use std::time::Duration;

use clap::Args;

use crate::times;

/// A service of a deployment.
#[derive(Debug, Args)]
pub(crate) struct Of {
    /// The deployment
    pub name: String,
    /// The service, or a group, clone or bundle
    pub service: String,
}

/// How an order is given.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// Shows what would be done, and does nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Does it although it would not hold, or would take other services down
    #[arg(long)]
    pub force: bool,
    /// Waits until nothing is being decided or done any more, and of what is moved or restarted
    /// until it runs
    #[arg(long)]
    pub wait: bool,
    /// Longest wait (such as 90s, 5m, 1h30m)
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = times::duration)]
    pub timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Move {
    #[command(flatten)]
    pub of: Of,
    /// Where to; without one, anywhere but where it runs
    pub assembly: Option<String>,
    /// Only its promoted instance
    #[arg(long)]
    pub promoted: bool,
    /// Keeps it there for a time (such as 30m, 2h) [default: until it is there and would stay by
    /// itself]
    #[arg(long = "for", value_name = "TIME", value_parser = times::duration)]
    pub lasts: Option<Duration>,
    /// Keeps it there until cpectl clear
    #[arg(long, conflicts_with = "lasts")]
    pub until_cleared: bool,
    #[command(flatten)]
    pub how: How,
}

#[derive(Debug, Args)]
pub(crate) struct Ban {
    #[command(flatten)]
    pub of: Of,
    /// Where it is not to run
    pub assembly: String,
    /// It may run there, but not be promoted
    #[arg(long)]
    pub promoted: bool,
    /// Ends by itself after a time (such as 30m, 2h)
    #[arg(long = "for", value_name = "TIME", value_parser = times::duration)]
    pub lasts: Option<Duration>,
    /// Lasts until cpectl clear (if nothing else is said)
    #[arg(long, conflicts_with = "lasts")]
    pub until_cleared: bool,
    #[command(flatten)]
    pub how: How,
}

#[derive(Debug, Args)]
pub(crate) struct Clear {
    #[command(flatten)]
    pub of: Of,
    /// Only its moves to this assembly, and bans from it
    pub assembly: Option<String>,
    #[command(flatten)]
    pub how: How,
}

#[derive(Debug, Args)]
pub(crate) struct Plain {
    #[command(flatten)]
    pub of: Of,
    #[command(flatten)]
    pub how: How,
}
