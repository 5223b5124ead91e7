//! Commands about a deployment's history: its documents by generation.

use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use crate::times;

#[derive(Debug, Args)]
pub(crate) struct History {
    /// The deployment
    pub name: String,
    /// Only the last N generations
    #[arg(long, short = 'n', value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub last: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The deployment
    pub name: String,
    /// From this generation [default: the one before the current one]
    #[arg(value_name = "A", value_parser = generation())]
    pub from: Option<u64>,
    /// To this generation [default: the current one]
    #[arg(value_name = "B", value_parser = generation())]
    pub to: Option<u64>,
    /// Compares the texts line by line, instead of what they mean
    #[arg(long)]
    pub text: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The deployment
    pub name: String,
    /// The generation whose document is to be in force again
    #[arg(value_parser = generation())]
    pub generation: u64,
    /// Shows what would be done, and does nothing
    #[arg(long, conflicts_with_all = ["yes", "wait"])]
    pub dry_run: bool,
    #[command(flatten)]
    pub change: Change,
}

#[derive(Debug, Args)]
pub(crate) struct Edit {
    /// The deployment
    pub name: String,
    #[command(flatten)]
    pub change: Change,
}

/// How a change is made that is planned first.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Does it without asking; needed where nobody can be asked
    #[arg(long, short)]
    pub yes: bool,
    /// Also if the loss of one assembly would leave services out, and this host refuses that
    #[arg(long)]
    pub force: bool,
    /// Waits until the deployment is active at the new generation, and shows what happens
    #[arg(long)]
    pub wait: bool,
    /// Longest wait (such as 90s, 5m, 1h30m)
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = times::duration)]
    pub timeout: Duration,
}

/// Reads the number of a generation.
fn generation() -> RangedU64ValueParser<u64> {
    RangedU64ValueParser::new().range(1..)
}
