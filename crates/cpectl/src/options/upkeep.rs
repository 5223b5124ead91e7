//! What operators order beyond switches.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::times;

#[derive(Debug, Args)]
pub(crate) struct Cleanup {
    /// The deployment
    pub name: String,
    /// One service; all of them if none is given
    pub service: Option<String>,
    /// Only its failures on this assembly
    #[arg(long)]
    pub assembly: Option<String>,
    /// Only its failures of this operation, such as monitor or start; all others stay
    #[arg(long, value_name = "OPERATION", requires = "service")]
    pub operation: Option<String>,
    /// Only those of the operation with this interval, such as 10s; 0 for what is done once
    #[arg(long, value_name = "TIME", requires = "operation", value_parser = times::duration)]
    pub interval: Option<Duration>,
    #[command(flatten)]
    pub how: Gently,
}

#[derive(Debug, Args)]
pub(crate) struct Refresh {
    /// The deployment
    pub name: String,
    /// One service, or a group, clone or bundle with all its services; everything if none is given
    pub service: Option<String>,
    /// Only on this assembly
    #[arg(long)]
    pub assembly: Option<String>,
    #[command(flatten)]
    pub how: Gently,
}

#[derive(Debug, Args)]
pub(crate) struct Maintenance {
    /// The deployment
    pub name: String,
    /// Switches it on or off
    #[arg(value_enum)]
    pub switch: Switch,
    /// One assembly; the whole deployment if none is given
    pub assembly: Option<String>,
    #[command(flatten)]
    pub how: Gently,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

/// How upkeep is done that is not asked about.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Gently {
    /// Shows what would be done, and does nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Does it although services would run nowhere then, or stay down
    ///
    /// Without it that is refused (exit status 5).
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Standby {
    /// The deployment
    pub name: String,
    /// The assembly
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub assembly: Option<String>,
    /// All assemblies at once: shows what that does, and asks
    #[arg(long)]
    pub all: bool,
    /// Ends standby, as unstandby does
    #[arg(long)]
    pub off: bool,
    /// Also if what runs there has no other place
    ///
    /// Without it such standby of one assembly is refused (exit status 5). It is not asked for with
    /// --all, after which nothing runs anyway. With it standby is also done where nobody can say
    /// what would follow.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub planned: Planned,
}

#[derive(Debug, Args)]
pub(crate) struct Unstandby {
    /// The deployment
    pub name: String,
    /// The assembly
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub assembly: Option<String>,
    /// All assemblies at once: shows what that does, and asks
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub planned: Planned,
}

impl From<Unstandby> for Standby {
    fn from(arguments: Unstandby) -> Standby {
        Standby {
            name: arguments.name,
            assembly: arguments.assembly,
            all: arguments.all,
            off: true,
            force: false,
            planned: arguments.planned,
        }
    }
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Planned {
    /// Does not ask; one assembly is never asked about
    #[arg(long, short)]
    pub yes: bool,
    /// Only shows what would be done
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
}
