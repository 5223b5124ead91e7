//! The command line's grammar. Its texts are also the man pages.

mod check;
mod debug;
mod examples;
mod history;
mod hosts;
mod orders;
mod owner;
mod report;
mod sinks;
mod token;
mod top;
mod transitions;
mod upkeep;
mod wait;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use cpe_bus::{BusSelection, PeerAddress, ResourceClass};

pub(crate) use self::check::Check;
pub(crate) use self::debug::{Debug, What, Where};
pub(crate) use self::examples::command;
pub(crate) use self::history::{Change, Diff, Edit, History, Rollback};
pub(crate) use self::hosts::{Drain, Host, HostCommand, Store, StoreCommand};
pub(crate) use self::orders::{Ban, Clear, How, Move, Of, Plain};
pub(crate) use self::owner::Chown;
pub(crate) use self::report::Report;
pub(crate) use self::sinks::{Sinks, SinksCommand};
pub(crate) use self::token::{Token, TokenCommand};
pub(crate) use self::top::Top;
pub(crate) use self::transitions::{Input, Transitions};
pub(crate) use self::upkeep::{
    Cleanup, Gently, Maintenance, Planned, Refresh, Standby, Switch, Unstandby,
};
pub(crate) use self::wait::{Condition, Role, Wait};
use crate::failure::EXIT_STATUSES;
use crate::times::{self, Since};

/// Deploys documents, and shows and administers what runs.
#[derive(Debug, Parser)]
#[command(name = "cpectl", version, after_help = EXIT_STATUSES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Options {
    /// Bus of the daemon: system, user, or a D-Bus address
    #[arg(
        long,
        global = true,
        value_name = "BUS",
        default_value = "system",
        env = "CPE_BUS"
    )]
    pub bus: BusSelection,
    /// Prints JSON for programs instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colours; auto: on a terminal, unless NO_COLOR or CLICOLOR=0 is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: When,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Deploys a document: creates its deployment, or changes it if it exists
    Deploy(Deploy),
    /// Shows what deploying a document would do, without doing it
    Plan(File),
    /// Checks a document; needs no daemon
    Validate(Validate),
    /// Makes a deployment document of a cluster's CIB; needs no daemon
    ///
    /// The nodes become assemblies, the configuration stays as it is, and comments that begin with
    /// "Decide" say where a person has to: addresses, fencing, secrets. What is wrong with the
    /// document is printed on standard error. If it has errors, it is written all the same, and the
    /// exit status is 3.
    Import(Import),
    /// Shows what runs where, what failed, and what is being done about it
    Status(Status),
    /// Shows live, on a terminal, what runs where and what happens
    ///
    /// Events are followed, and the age of what is shown is said: without an answer of cpe it is
    /// NOT LIVE, and comes back by itself. Key ? lists the keys. Nothing is changed without --act.
    /// Elsewhere than on a terminal it is cpectl status.
    Top(Top),
    /// Says why a service is where it is, why not elsewhere, and what is done about it; the same of
    /// assemblies, and of the whole deployment
    Explain(Explain),
    /// Says whether every service would run if assemblies were lost, and what would make it so
    ///
    /// Each loss is simulated from the present state to its end, with the assemblies made safe.
    /// Nothing is changed. What is proposed was simulated too. Exit status 9: a loss would leave
    /// services down.
    Check(Check),
    /// Lists the resource agents that a deployment's guests have
    Agents(Agents),
    /// Shows what a resource agent says about itself in a deployment's guests: its parameters, its
    /// actions
    Describe(Describe),
    /// Lists the deployments of this host
    List,
    /// Prints the document of a deployment
    Show(Show),
    /// Lists the generations of a deployment's document: who stored which, when, and what changed
    ///
    /// As many are kept as limits.generations and limits.generations_size in cpe.toml say.
    History(History),
    /// Shows what differs between two generations of a deployment's document
    ///
    /// Compares what they mean: comments, white space and order do not count, unless --text is
    /// given. The exit status is as that of diff: 0 if nothing differs, 1 if something does, 2 or
    /// more if they could not be compared.
    Diff(Diff),
    /// Deploys an older generation of a deployment's document again, as a new generation
    ///
    /// Shows what will be done, and asks. If somebody else changes the deployment meanwhile, that
    /// is a conflict, and nothing is changed.
    Rollback(Rollback),
    /// Changes the document of a deployment in an editor
    ///
    /// The editor is $VISUAL, else $EDITOR, else the system's. What is saved is checked; if it has
    /// errors, the editor is opened again with these at the top. Then the plan is shown, and asked
    /// whether to store it. If somebody else changes the deployment meanwhile, that is a conflict,
    /// nothing is changed, and the text is kept in a file.
    Edit(Edit),
    /// Waits until a deployment is as it should be
    ///
    /// The document that is stored when the wait begins, or a later one, has to be in force. Exit
    /// status 8: not within --timeout.
    Wait(Wait),
    /// Gives a deployment to another owner
    ///
    /// Its owner may change it, and the members of its group may give orders, where there is an
    /// /etc/cpe/access.toml. For administrators.
    Chown(Chown),
    /// Prints the event log, and follows it
    Events(Events),
    /// Moves the services of an assembly elsewhere and keeps it free of them
    ///
    /// With --all no service runs any more when it is done, or with --off, all may run again: one
    /// request, done for all assemblies of the document or for none.
    Standby(Standby),
    /// Ends standby: the assembly may run services again
    Unstandby(Unstandby),
    /// Stops managing services, whatever happens to them, until it is switched off again
    ///
    /// Shows what will be done first. If a service would stay down, since nothing is started in
    /// maintenance, or if at its end one could run nowhere, nothing is done (exit status 5) unless
    /// --force is given. Where nobody can say yet what would follow, it is done all the same.
    Maintenance(Maintenance),
    /// Forgets failures, so that services may run again where they failed
    ///
    /// Shows what will be done first. If a service could run nowhere then, nothing is done (exit
    /// status 5) unless --force is given. What failed last is looked at again. With --operation
    /// only the failures of one operation are forgotten, at each of its intervals unless --interval
    /// names one.
    Cleanup(Cleanup),
    /// Moves a service to another assembly, and leaves nothing behind
    ///
    /// Shows what will be done first. The move ends by itself when the service is there and would
    /// stay. If it would go back, nothing is done (exit status 5): --for keeps it there for a time.
    Move(Move),
    /// Keeps a service off an assembly, until that is cleared or a time is over
    ///
    /// Shows what will be done first. If something could run nowhere then, nothing is done (exit
    /// status 5) unless --force is given.
    Ban(Ban),
    /// Ends moves, bans and a restart of a service
    Clear(Clear),
    /// Stops a service and keeps it stopped, whatever the document says, until it is enabled
    ///
    /// If other services would stop too, nothing is done (exit status 5) unless --force is given.
    Disable(Plain),
    /// Ends disable: the service runs as the document says
    Enable(Plain),
    /// Leaves a service alone, whatever happens to it, until it is managed again
    Unmanage(Plain),
    /// Ends unmanage
    Manage(Plain),
    /// Stops a service and starts it again, with all that depends on it, in order
    ///
    /// The deployment finishes it also if its DPE dies in between.
    Restart(Plain),
    /// Has a service's resource agent do something once in an assembly, and shows all that it said
    ///
    /// The agent is run as the engine itself would run it: with the same parameters, environment
    /// and timeout. What it does counts nowhere. monitor changes nothing, and is possible whenever
    /// the assembly is online. start and stop are for what is left alone (cpectl unmanage): else
    /// nothing is run (exit status 5), and there is no --force. start is for what is known to run
    /// nowhere else, too. Afterwards the engine looks again, and what it believes then is shown.
    Debug(Debug),
    /// Forgets failures and looks at everything again: what runs, what failed, and what is known
    /// not to run
    ///
    /// Shows what will be done first, as cleanup does. Nothing is started or stopped before each
    /// place has answered, so what is well is left as it is. What is under way ends first. What
    /// cannot be looked at now is as it was known.
    Refresh(Refresh),
    /// Confirms that a lost assembly is powered off, so that its services may start elsewhere
    ///
    /// Power it off first: if it still runs, its services may run twice.
    ConfirmFenced(ConfirmFenced),
    /// Switches the power of an assembly: restarts it through its fencing, or switches it off or on
    ///
    /// Its services run elsewhere when it is safe, also if it is online now. Assemblies without a
    /// device that switches power (fencing mode lease, manager; devices that only cut off) can be
    /// restarted only.
    Fence(Fence),
    /// Shows what was done to make assemblies safe and to let them in, and what a person can do
    Fencing {
        /// The deployment
        name: String,
    },
    /// Confirms that a host is down, with all assemblies whose documents say host="HOST"
    ///
    /// Make sure that it is off first: if guests still run there, their services may run twice.
    HostFailed(HostFailed),
    /// Lists the hosts that share deployments, empties them, and takes them out
    ///
    /// On a host that shares no deployments it shows this one host.
    Host(Host),
    /// Shows how the store of deployments and events is, and makes a copy of it
    Store(Store),
    /// Lists, grants and revokes tickets: what needs one runs only at the site that holds it
    Ticket(Ticket),
    /// Lists, sets and deletes attributes of assemblies and options of a deployment
    ///
    /// Those of the document are changed there: cpectl show, cpectl deploy. What is set here is
    /// stronger until it is deleted.
    Attribute(Attribute),
    /// Lists the last transitions: when, what they were asked for, how they ended, and which of
    /// their inputs are kept
    ///
    /// Their count begins again at each start of the DPE.
    Transitions(Transitions),
    /// Prints the policy engine's input (CIB XML), the present one or one that is kept, for
    /// policy-simulate
    Input(Input),
    /// Puts all that tells what is wrong with a deployment into one archive, for whoever is to help
    ///
    /// Status, explanations, documents, events, inputs of the policy engine, the journal of cpe and
    /// of the DPE, versions, a list of certificates. It says what is in it, what was masked, and
    /// what could not be had. The file is readable only for you.
    Report(Report),
    /// Shows how the delivery of events to webhooks and alert agents stands, and what did not
    /// arrive
    ///
    /// cpe-notify(8) delivers; cpe-sinks(5) says how a sink is described.
    Sinks(Sinks),
    /// Ends a deployment: stops its services in order and deletes its document
    Destroy(Destroy),
    /// Issues, renews, revokes and lists the certificates of guests on networks and of their DPEs;
    /// needs no daemon
    ///
    /// Whoever has a certificate of an assembly is believed to be its agent, and whoever has one of
    /// a DPE is obeyed as root in the guests of its deployment. The files are root's.
    Pki(Pki),
    /// Makes, lists and revokes tokens with which programs call cpe-gateway; needs no daemon
    Token(Token),
    /// Prepares guests; needs no daemon
    Guest(Guest),
    /// Prints completions for a shell
    Completions { shell: clap_complete::Shell },
    /// Writes the man pages to a directory
    #[command(hide = true)]
    Man { directory: PathBuf },
}

impl Command {
    /// It may have no end but that nobody reads any more what it says.
    pub(crate) fn is_endless(&self) -> bool {
        match self {
            Command::Events(_) => true,
            Command::Status(arguments) => arguments.watch,
            _ => false,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct File {
    /// The deployment document; - reads standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Deployment documents; - reads standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Warnings are errors too
    #[arg(long)]
    pub strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The CIB, as `cibadmin --query` prints it, or its configuration alone; - reads standard input
    #[arg(value_name = "CIB.xml")]
    pub cib: PathBuf,
    /// What the deployment is called [default: as the cluster's option cluster-name says, else
    /// imported]
    #[arg(long, value_parser = name)]
    pub name: Option<String>,
    /// Where the document is written, readable only for you; never over a file that exists
    /// [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// A name that a deployment may have.
fn name(text: &str) -> Result<String, String> {
    deployment::check_name(text).map(|()| text.to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    /// The deployment document; - reads standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Waits until the deployment is active at this generation, and shows what happens
    #[arg(long)]
    pub wait: bool,
    /// Longest wait (such as 90s, 5m, 1h30m)
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = times::duration)]
    pub timeout: Duration,
    /// Changes the deployment only if it is at this generation
    #[arg(long, value_name = "GENERATION")]
    pub expect: Option<u64>,
    /// Also if the loss of one assembly would leave services out, and this host refuses that
    ///
    /// Whether it would is looked at before, for some seconds at most, and said. It is refused
    /// (exit status 5) only with admission.room = "refuse" in cpe.toml.
    #[arg(long)]
    pub force: bool,
}

/// For how many days certificates are issued unless something else is said.
pub(crate) const DEFAULT_DAYS: u32 = 90;

#[derive(Debug, Args)]
pub(crate) struct Pki {
    #[command(flatten)]
    pub places: Places,
    #[command(subcommand)]
    pub command: PkiCommand,
}

/// Where certificates are kept on this host.
#[derive(Debug, Args)]
pub(crate) struct Places {
    /// Where the certificate authority is kept, for root only
    #[arg(
        long,
        global = true,
        value_name = "DIRECTORY",
        default_value = "/var/lib/cpe-pki",
        env = "CPE_PKI_DIRECTORY"
    )]
    pub directory: PathBuf,
    /// Where the DPEs of this host find their certificates, each in a directory of its name
    #[arg(
        long,
        global = true,
        value_name = "DIRECTORY",
        default_value = "/etc/cpe/dpe"
    )]
    pub dpe_directory: PathBuf,
    /// The group that may read the keys there
    #[arg(long, global = true, value_name = "GROUP", default_value = "dpe")]
    pub dpe_group: String,
}

#[derive(Debug, Args)]
pub(crate) struct Guest {
    #[command(subcommand)]
    pub command: GuestCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GuestCommand {
    /// Writes all that a guest needs to come online by itself: settings, a new certificate, and the
    /// agent if --agent is given
    Bundle(Bundle),
}

#[derive(Debug, Args)]
pub(crate) struct Bundle {
    /// The deployment
    #[arg(value_parser = name)]
    pub name: String,
    /// The assembly
    #[arg(value_parser = name)]
    pub assembly: String,
    /// cloud-init: user-data; tar: to be unpacked at the guest's root
    #[arg(long, value_enum, default_value = "cloud-init")]
    pub format: Format,
    /// The new file, readable only for you
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// The agent's program, with the units of this host beside it, or a package (.deb); without it
    /// the guest has the agent already
    #[arg(long, value_name = "FILE")]
    pub agent: Option<PathBuf>,
    /// Where the units are that go with the program
    #[arg(
        long,
        value_name = "DIRECTORY",
        default_value = "/usr/lib/systemd/system"
    )]
    pub units: PathBuf,
    /// Where the agent listens, as CPE_AGENT_LISTEN says it
    #[arg(long, value_name = "ADDRESSES", default_value = "tcp:0.0.0.0", value_parser = listening)]
    pub listen: String,
    /// For how many days the certificate is valid
    #[arg(long, value_name = "DAYS", default_value_t = DEFAULT_DAYS)]
    pub days: u32,
    #[command(flatten)]
    pub pki: Places,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    CloudInit,
    Tar,
}

/// Addresses between commas at which an agent can listen.
fn listening(text: &str) -> Result<String, String> {
    for address in text.split(',') {
        PeerAddress::listening(address).map_err(|error| error.to_string())?;
    }
    Ok(text.to_owned())
}

#[derive(Debug, Subcommand)]
pub(crate) enum PkiCommand {
    /// Makes the certificate authority of this host, or takes an existing one
    Init {
        /// The certificate of an existing CA, PEM; it may issue certificates and lists of revoked
        /// ones
        #[arg(long, value_name = "FILE", requires = "key")]
        ca: Option<PathBuf>,
        /// Its private key, PEM (PKCS #8)
        #[arg(long, value_name = "FILE", requires = "ca")]
        key: Option<PathBuf>,
    },
    /// Issues a certificate, with a new key: for an assembly's agent, or for the DPE
    ///
    /// The DPE's is put where the DPE finds it. With the first certificate of an assembly, the DPE
    /// gets one too. An agent's is put into the directory that --output names, for /etc/cpe/agent
    /// of the guest.
    Issue(Issue),
    /// Issues another certificate for the same name, and puts it into the same place
    ///
    /// No daemon has to be restarted, and no connection ends. The former one stays valid until its
    /// end, unless --revoke is given.
    Renew(Renew),
    /// Renews all certificates of which two thirds of the time are over: those of DPEs in their
    /// places, those of agents in their guests
    ///
    /// The timer cpe-pki-renew.timer does this once a day. What cannot be renewed, because its
    /// guest is away, is named, and does not keep the others from it.
    RenewDue,
    /// Revokes certificates: the DPEs of this host end the connections of those that show one
    Revoke(Revoke),
    /// Lists what was issued, and what became of it
    List {
        /// Only of this deployment
        #[arg(value_parser = name)]
        name: Option<String>,
    },
    /// Writes what guests need to check others: ca.pem and revoked.pem; neither is secret
    Export {
        /// Into this directory
        #[arg(long, short, value_name = "DIRECTORY")]
        output: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Issue {
    /// The deployment
    #[arg(value_parser = name)]
    pub name: String,
    /// The assembly; without one, the DPE of the deployment is meant
    #[arg(value_parser = name)]
    pub assembly: Option<String>,
    /// For how many days
    #[arg(long, value_name = "DAYS", default_value_t = DEFAULT_DAYS)]
    pub days: u32,
    /// The directory that gets identity.pem (certificate and key), ca.pem and revoked.pem
    #[arg(long, short, value_name = "DIRECTORY")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Renew {
    #[command(flatten)]
    pub issue: Issue,
    /// In the running guest of the assembly: its agent makes the key, which never leaves the guest
    #[arg(long, requires = "assembly", conflicts_with = "output")]
    pub online: bool,
    /// Revokes the former ones
    #[arg(long)]
    pub revoke: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The deployment
    #[arg(value_parser = name)]
    pub name: String,
    /// The assembly; without one, the DPE of the deployment is meant
    #[arg(value_parser = name)]
    pub assembly: Option<String>,
    /// Only the one with this serial number, not all
    #[arg(long, value_name = "NUMBER")]
    pub serial: Option<String>,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Status {
    /// The deployment; all of them if none is given
    pub name: Option<String>,
    /// One line for each instance of a service, instead of a tree of groups, clones and bundles
    #[arg(long)]
    pub flat: bool,
    /// Shows it again whenever something happens, until Ctrl-C
    #[arg(long, short, conflicts_with = "check")]
    pub watch: bool,
    /// Shows also the last operations, of all services or of SERVICE (a group or a clone: of all in
    /// it): when, exit code and its meaning, how long each took and waited, how often it failed
    #[arg(
        long,
        value_name = "SERVICE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        requires = "name",
        conflicts_with = "check"
    )]
    pub operations: Option<String>,
    /// Says only whether all is well: exit status 0 if it is, else 9
    ///
    /// All is well if the deployment is active and not in maintenance, every assembly is online or
    /// in standby, every service runs as it should, and no failure counts. What is not is named.
    #[arg(long)]
    pub check: bool,
    /// Longest wait for an answer to --check (such as 5s) [default: 90s]; then exit status 8
    #[arg(long, value_name = "TIME", requires = "check", value_parser = times::duration)]
    pub timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Agents {
    /// The deployment [default: the only one of this host]
    pub name: Option<String>,
    /// Only agents of this class [default: ocf and lsb]
    #[arg(long, value_parser = class())]
    pub class: Option<ResourceClass>,
}

/// Reads the name of a class of resource agents.
fn class() -> impl TypedValueParser<Value = ResourceClass> {
    let names = PossibleValuesParser::new(ResourceClass::ALL.map(ResourceClass::as_str));
    names.try_map(|name| name.parse::<ResourceClass>())
}

#[derive(Debug, Args)]
pub(crate) struct Describe {
    /// The resource agent, such as ocf:heartbeat:pgsql
    pub agent: String,
    /// The deployment whose guests are asked [default: the only one of this host]
    #[arg(long, short, value_name = "NAME")]
    pub deployment: Option<String>,
    /// Only the guest of this assembly
    #[arg(long, value_name = "NAME")]
    pub assembly: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The deployment
    pub name: String,
    /// A service, an instance of one (such as web:0), or a group with all its services; without
    /// one, what is not as it should be in the whole deployment
    pub service: Option<String>,
    /// Only why it is, or is not, in this assembly
    #[arg(value_name = "ASSEMBLY", conflicts_with = "of_assembly")]
    pub assembly: Option<String>,
    /// The assembly: why it is fenced, why its shutdown hangs, why it is not used; with a service,
    /// why that is there or not
    #[arg(long = "assembly", value_name = "ASSEMBLY")]
    pub of_assembly: Option<String>,
    /// Also the parts of all scores
    #[arg(long)]
    pub scores: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The deployment
    pub name: String,
    /// An older generation of its document
    #[arg(
        long,
        value_name = "GENERATION",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub generation: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The deployment
    pub name: String,
    /// The assembly
    pub assembly: String,
}

#[derive(Debug, Args)]
pub(crate) struct ConfirmFenced {
    #[command(flatten)]
    pub target: Target,
    /// Which loss of the assembly it was powered off for: detail attempt of its events, or `cpectl
    /// fencing`. Without it you are shown the present one and asked; needed where nobody can be
    /// asked, so that a late confirmation cannot vouch for a later loss
    #[arg(long, value_name = "ID")]
    pub attempt: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Fence {
    #[command(flatten)]
    pub target: Target,
    /// Switches it off; it stays off
    #[arg(long, conflicts_with_all = ["on", "reboot"])]
    pub off: bool,
    /// Switches it on: an assembly that is safe
    #[arg(long, conflicts_with = "reboot")]
    pub on: bool,
    /// Switches it off, and on again; the default
    #[arg(long)]
    pub reboot: bool,
}

#[derive(Debug, Args)]
pub(crate) struct HostFailed {
    /// The host, as documents name it
    pub host: String,
    /// How long to go on while assemblies on it still count as online, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub wait: u64,
    /// When it failed, 90s or 1h30m ago, or a date and time: what was heard later is not confirmed,
    /// so that a report that comes late cannot vouch for a later loss
    #[arg(long, value_name = "WHEN", value_parser = times::moment)]
    pub failed_at: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Ticket {
    /// The deployment
    pub name: String,
    #[command(subcommand)]
    pub command: TicketCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TicketCommand {
    /// Lists the tickets, what needs them, and what becomes of that without them
    List,
    /// Grants a ticket to this site: what needs it runs here
    ///
    /// No other site may hold it: nobody here can know. Revoke it there first, and see that nothing
    /// that needs it runs there any more.
    Grant {
        /// The ticket
        ticket: String,
        /// It is certain that no other site holds it
        #[arg(long, short)]
        force: bool,
    },
    /// Takes a ticket from this site: what needs it is stopped, demoted, left as it is, or fenced,
    /// as the loss-policy says
    Revoke {
        /// The ticket
        ticket: String,
    },
    /// Stops what needs a ticket, in order, without giving the ticket up
    Standby {
        /// The ticket
        ticket: String,
    },
    /// Ends standby: what needs the ticket runs, if it is granted
    Activate {
        /// The ticket
        ticket: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Attribute {
    /// The deployment
    pub name: String,
    #[command(subcommand)]
    pub command: AttributeCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AttributeCommand {
    /// Lists what was set, by whom it is kept: for an assembly, until the next boot of its guest,
    /// or for the deployment
    List {
        /// Only those of this assembly
        #[arg(long, short, visible_short_alias = 'N')]
        assembly: Option<String>,
    },
    /// Prints the value of one
    Get {
        /// The attribute, or the option
        attribute: String,
        #[command(flatten)]
        whose: Whose,
    },
    /// Sets one
    Set {
        /// The attribute, or the option
        attribute: String,
        /// Its value
        #[arg(allow_hyphen_values = true)]
        value: String,
        #[command(flatten)]
        whose: Whose,
    },
    /// Deletes one; that of the document is in force again, if it has one
    Delete {
        /// The attribute, or the option
        attribute: String,
        #[command(flatten)]
        whose: Whose,
    },
}

/// Whose an attribute is.
#[derive(Debug, Args)]
pub(crate) struct Whose {
    /// Of this assembly
    #[arg(
        long,
        short,
        visible_short_alias = 'N',
        required_unless_present = "option"
    )]
    pub assembly: Option<String>,
    /// Of the deployment: an option that resource agents share. Those that decide something belong
    /// to the document
    #[arg(long, conflicts_with_all = ["assembly", "transient", "permanent"])]
    pub option: bool,
    /// Until the next boot of the assembly's guest, which keeps it
    #[arg(long, conflicts_with = "permanent")]
    pub transient: bool,
    /// Over all boots (if nothing else is said)
    #[arg(long)]
    pub permanent: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Destroy {
    /// The deployment
    pub name: String,
    /// Leaves its services running, unmanaged
    #[arg(long)]
    pub keep_services: bool,
    /// Refuses unless it is at this generation
    #[arg(long, value_name = "GENERATION", value_parser = clap::value_parser!(u64).range(1..))]
    pub expect: Option<u64>,
    /// Waits until it is gone, and shows what happens
    #[arg(long)]
    pub wait: bool,
    /// Longest wait (such as 90s, 5m, 1h30m)
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = times::duration)]
    pub timeout: Duration,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Events {
    /// Prints new events as they are recorded, without a gap, also when the daemon restarts
    #[arg(long, short)]
    pub follow: bool,
    /// Only events after a cursor (the number that begins each line), of the last 90s or 1h30m, or
    /// from a date and time on (local, or with a zone, such as 2026-01-31T12:30:00Z)
    #[arg(long, value_name = "WHEN", value_parser = times::since)]
    pub since: Option<Since>,
    /// Only the last N events (and, with --follow, those to come)
    #[arg(long, short = 'n', value_name = "N")]
    pub last: Option<usize>,
    /// Only events of this deployment
    #[arg(long, short, value_name = "NAME")]
    pub deployment: Option<String>,
    /// Only events of this assembly
    #[arg(long, value_name = "NAME")]
    pub assembly: Option<String>,
    /// Only events of this service
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Only events whose kind matches a pattern, such as service.* or *.failed
    #[arg(long, short, value_name = "PATTERN")]
    pub kind: Option<String>,
    /// One CloudEvents 1.0 JSON object a line
    #[arg(long)]
    pub cloudevents: bool,
}
