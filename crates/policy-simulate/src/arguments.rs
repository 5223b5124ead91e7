//! The command line (scheduler-spec/06 §E).

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use cpe_bus::BusSelection;
use policy_engine::simulation::Injections;

/// Name of the program.
pub(crate) const NAME: &str = "policy-simulate";

/// Show how the cluster would respond to its present state, or to events.
///
/// The options are those of crm_simulate; so are the texts, the exit statuses (0 success, 1 invalid
/// transition, 64 wrong usage, 65 unreadable input, 74 a file cannot be written, 78 unusable
/// configuration; with --live: 4 not allowed, 102 no daemon answers, 105 no such deployment, 109
/// several deployments and none named) and the files. Without any of -R -S -s -U -D -G -X -F only
/// the current state is shown.
#[derive(Parser, Debug)]
#[command(name = NAME, version, disable_version_flag = true, max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true, args_override_self = true)]
#[command(after_help = OPERATIONS)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub operations: Operations,
    #[command(flatten)]
    pub events: Events,
    #[command(flatten)]
    pub artifacts: Artifacts,
    #[command(flatten)]
    pub output: Output,

    /// Schedule all XML files of a directory and print how long each takes
    #[arg(short = 'P', long, value_name = "DIR", help_heading = "Operations")]
    pub profile: Option<PathBuf>,
    /// With --profile: repeat each file N times
    #[arg(
        short = 'N',
        long,
        value_name = "N",
        default_value_t = 1,
        help_heading = "Operations"
    )]
    pub repeat: u32,
    /// Print the version
    #[arg(short = '$', long, action = ArgAction::Version)]
    pub version: Option<bool>,
}

const OPERATIONS: &str = "\
OPSPEC is RESOURCE_TASK_INTERVAL@NODE=RC, with the interval in milliseconds and the exit code of the resource agent, such as
db_monitor_10000@node1=7. An example: db's monitor finds it stopped, and the stop during recovery fails:
  policy-simulate -x cib.xml -S -i db_monitor_10000@node1=7 -F db_stop_0@node1=1 -O after.xml
What the cluster does about the failed stop:
  policy-simulate -x after.xml -S

Exit status: 0 done, 1 the decision cannot be carried out to its end, 4 permission denied, 64 wrong usage, 65 the input cannot be
read, 74 the output cannot be written, 78 the configuration cannot be used, 102 no daemon answers, 105 there is no such deployment,
109 several deployments run and none was named";

/// What is explained.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// Id of a resource: a primitive or instance, or a group, clone or bundle with all its parts;
    /// or the name of a node; without either, what is not as it should be in the whole cluster
    pub resource: Option<String>,
    /// Only for this node
    #[arg(value_name = "NODE", conflicts_with = "of_node")]
    pub node: Option<String>,
    /// The node: why it is fenced, why its shutdown hangs, why it is not used; with a resource, why
    /// that is there or not
    #[arg(long = "node", value_name = "NODE")]
    pub of_node: Option<String>,
    /// Also the parts of all scores
    #[arg(long)]
    pub scores: bool,
    /// JSON for programs: the same with codes, which docs/explanations.md lists
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub events: Events,
}

/// Commands beside the simulation.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Say why a resource is where it is, why not elsewhere, and what is done about it; the same of
    /// nodes, and of the whole
    Explain(Box<Explain>),
    /// Print shell completions
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page
    Manual,
}

/// Where the CIB comes from.
#[derive(Args, Debug)]
#[command(next_help_heading = "Data source")]
pub(crate) struct Source {
    /// Use the CIB that the running DPE of DEPLOYMENT would schedule now; without a name, that of
    /// the only deployment
    #[arg(long, value_name = "DEPLOYMENT", num_args = 0..=1, conflicts_with_all = ["xml_file", "xml_pipe"])]
    pub live: Option<Option<String>>,
    // Without a value, as in crm_simulate, so that other options can follow: -LS.
    /// Like --live, for the only deployment
    #[arg(short = 'L', long, conflicts_with_all = ["xml_file", "xml_pipe", "live"])]
    pub live_check: bool,
    /// With --live: bus of the daemon (system, user, or a D-Bus address)
    #[arg(long, value_name = "BUS", default_value = "system", env = "CPE_BUS")]
    pub bus: BusSelection,
    /// Read the CIB from FILE (.bz2 is decompressed, - is standard input, which is the default)
    #[arg(short = 'x', long, value_name = "FILE")]
    pub xml_file: Option<PathBuf>,
    /// Read the CIB from standard input
    #[arg(short = 'p', long)]
    pub xml_pipe: bool,
}

/// Which steps of the simulation are done and shown.
#[derive(Args, Debug)]
#[command(next_help_heading = "Operations")]
pub(crate) struct Operations {
    /// Schedule, and show what the cluster will do
    #[arg(short = 'R', long)]
    pub run: bool,
    /// Like --run, then execute it virtually and show the state after it
    #[arg(short = 'S', long)]
    pub simulate: bool,
    /// Like --simulate, then write the resulting CIB back to the input file
    #[arg(short = 'X', long)]
    pub in_place: bool,
    /// Show node attributes
    #[arg(short = 'A', long)]
    pub show_attrs: bool,
    /// Show fail counts and failed operations
    #[arg(short = 'c', long)]
    pub show_failcounts: bool,
    /// Show assignment scores
    #[arg(short = 's', long)]
    pub show_scores: bool,
    /// Show utilization
    #[arg(short = 'U', long)]
    pub show_utilization: bool,
    /// Show pending operations (they are always shown)
    #[arg(short = 'j', long, hide = true)]
    pub pending: bool,
}

/// Events that are written into the CIB first.
#[derive(Args, Debug)]
#[command(next_help_heading = "Synthetic cluster events")]
pub(crate) struct Events {
    /// Bring a node online
    #[arg(short = 'u', long, value_name = "NODE")]
    pub node_up: Vec<String>,
    /// Take a node offline
    #[arg(short = 'd', long, value_name = "NODE")]
    pub node_down: Vec<String>,
    /// Make a node fail
    #[arg(short = 'f', long, value_name = "NODE")]
    pub node_fail: Vec<String>,
    /// Put a node in standby
    #[arg(long, value_name = "NODE")]
    pub node_standby: Vec<String>,
    /// Take a node out of standby
    #[arg(long, value_name = "NODE")]
    pub node_unstandby: Vec<String>,
    /// Record a result of an operation
    #[arg(short = 'i', long, value_name = "OPSPEC")]
    pub op_inject: Vec<String>,
    /// Make an operation fail if the simulation executes it
    #[arg(short = 'F', long, value_name = "OPSPEC")]
    pub op_fail: Vec<String>,
    /// Use this time instead of the current one (ISO 8601)
    #[arg(short = 't', long, value_name = "DATETIME")]
    pub set_datetime: Option<String>,
    /// Whether the cluster has quorum (1 or true)
    #[arg(short = 'q', long, value_name = "QUORUM")]
    pub quorum: Option<String>,
    /// Whether the cluster has a watchdog (1 or true)
    #[arg(short = 'w', long, value_name = "DEVICE")]
    pub watchdog: Option<String>,
    /// Grant a ticket
    #[arg(short = 'g', long, value_name = "TICKET")]
    pub ticket_grant: Vec<String>,
    /// Revoke a ticket
    #[arg(short = 'r', long, value_name = "TICKET")]
    pub ticket_revoke: Vec<String>,
    /// Make a ticket standby
    #[arg(short = 'b', long, value_name = "TICKET")]
    pub ticket_standby: Vec<String>,
    /// Activate a ticket
    #[arg(short = 'e', long, value_name = "TICKET")]
    pub ticket_activate: Vec<String>,
}

/// Which files are written.
#[derive(Args, Debug)]
#[command(next_help_heading = "Artifacts")]
pub(crate) struct Artifacts {
    /// Save the input, with the events in it
    #[arg(short = 'I', long, value_name = "FILE")]
    pub save_input: Option<PathBuf>,
    /// Save the resulting CIB
    #[arg(short = 'O', long, value_name = "FILE")]
    pub save_output: Option<PathBuf>,
    /// Save the transition graph (XML)
    #[arg(short = 'G', long, value_name = "FILE")]
    pub save_graph: Option<PathBuf>,
    /// Save the transition graph (dot)
    #[arg(short = 'D', long, value_name = "FILE")]
    pub save_dotfile: Option<PathBuf>,
    /// Save the transition graph as a picture (SVG; needs graphviz)
    #[arg(long, value_name = "FILE")]
    pub save_svg: Option<PathBuf>,
    /// Also draw actions that are not needed
    #[arg(short = 'a', long)]
    pub all_actions: bool,
}

/// How results are printed.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    /// Print only what is essential
    #[arg(short = 'Q', long)]
    pub quiet: bool,
    /// Print errors about configuration and state to standard error; twice: their reasons too
    #[arg(short = 'V', long, action = ArgAction::Count)]
    pub verbose: u8,
    /// Format of the output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub output_as: Format,
    /// Write the output to FILE (- is standard output)
    #[arg(long, value_name = "FILE")]
    pub output_to: Option<PathBuf>,
    /// Accepted for compatibility
    #[arg(long, hide = true)]
    pub text_fancy: bool,
}

/// An output format.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Xml,
    None,
}

impl Arguments {
    /// Whether the graph is executed virtually.
    pub(crate) fn simulates(&self) -> bool {
        let operations = &self.operations;
        operations.simulate || operations.in_place || !self.events.op_fail.is_empty()
    }

    /// Whether the scheduler runs at all.
    pub(crate) fn schedules(&self) -> bool {
        let (operations, artifacts) = (&self.operations, &self.artifacts);
        self.simulates()
            || operations.run
            || operations.show_scores
            || operations.show_utilization
            || artifacts.save_graph.is_some()
            || artifacts.save_dotfile.is_some()
            || artifacts.save_svg.is_some()
    }
}

impl Source {
    /// The deployment whose DPE is asked; `Some(None)`: the only one.
    pub(crate) fn deployment(&self) -> Option<Option<&str>> {
        match &self.live {
            Some(name) => Some(name.as_deref()),
            None => self.live_check.then_some(None),
        }
    }

    /// The file, unless the CIB comes from elsewhere.
    pub(crate) fn file(&self) -> Option<&Path> {
        let file = self.xml_file.as_deref();
        file.filter(|_| !self.xml_pipe)
    }
}

impl Events {
    /// The events that are written into the CIB.
    pub(crate) fn injections(&self) -> Injections {
        Injections {
            quorum: self.quorum.clone(),
            watchdog: self.watchdog.clone(),
            nodes_up: self.node_up.clone(),
            nodes_down: self.node_down.clone(),
            nodes_failed: self.node_fail.clone(),
            nodes_standby: self.node_standby.clone(),
            nodes_unstandby: self.node_unstandby.clone(),
            tickets_granted: self.ticket_grant.clone(),
            tickets_revoked: self.ticket_revoke.clone(),
            tickets_standby: self.ticket_standby.clone(),
            tickets_activated: self.ticket_activate.clone(),
            operations: self.op_inject.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn short_options_can_be_bundled_and_the_last_may_have_a_value() {
        let arguments = Arguments::parse_from([NAME, "-x", "a.xml", "-sSQ", "-Sd", "n1"]);
        assert!(arguments.operations.show_scores && arguments.simulates());
        assert!(arguments.output.quiet);
        assert_eq!(arguments.events.node_down, ["n1"]);
    }

    #[test]
    fn live_takes_a_deployment_and_its_short_form_leaves_room_for_other_options() {
        let deployment = |words: &[&str]| {
            let words = std::iter::once(&NAME).chain(words).copied();
            let arguments = Arguments::try_parse_from(words).expect("a valid command line");
            let deployment = arguments.source.deployment();
            (
                deployment.map(|name| name.map(str::to_owned)),
                arguments.simulates(),
            )
        };
        assert_eq!(deployment(&["-S"]), (None, true));
        assert_eq!(deployment(&["-LS"]), (Some(None), true));
        assert_eq!(deployment(&["-SL"]), (Some(None), true));
        assert_eq!(deployment(&["--live-check", "-S"]), (Some(None), true));
        assert_eq!(deployment(&["--live", "-S"]), (Some(None), true));
        assert_eq!(
            deployment(&["-S", "--live", "shop"]),
            (Some(Some("shop".into())), true)
        );
        assert_eq!(
            deployment(&["--live=shop"]),
            (Some(Some("shop".into())), false)
        );
        assert!(Arguments::try_parse_from([NAME, "-L", "-x", "a.xml"]).is_err());
    }
}
