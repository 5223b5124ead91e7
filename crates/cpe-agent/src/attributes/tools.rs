//! The tools that resource agents call: Pacemaker's names, options, output and exit codes, as far
//! as agents need them.
//!
//! | tool | what agents use it for |
//! | --- | --- |
//! | `crm_attribute` | promotion scores (`-p`), attributes of a boot and of an assembly, options |
//! | `crm_master` | promotion scores, its older name |
//! | `attrd_updater` | attributes whose changes are dampened (`-d`) |
//! | `crm_node` | the names of the assemblies (`-n`, `-l`, `-p`) |
//! | `crm_resource` | where a service runs (`-W`), and keeping it off an assembly (`-B`) |
//! | `crm_mon` | which assemblies are online, where an instance is promoted (`-1 -X`, as XML) |
//!
//! What only the document can say is refused, and the message says so. (Formats and codes as the
//! manual pages of Pacemaker 2.1 have them, and as its tools give them.)

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, FromArgMatches, Parser};
use cpe_bus::records::question::{Place, Question, Value, What};
use cpe_terminal::{escape_line, escape_text};

use super::exit_code::{DATA_ERROR, DISCONNECTED, NO_SUCH, USAGE};
use super::service_tool::CrmResource;
use super::status_tool::{CrmMon, overview};
use super::{
    Answer, AttributeRequest, Change, DEFAULT_STATE_DIR, STATE_DIR_VARIABLE, Want, socket,
};

/// One of the tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// `crm_attribute`.
    CrmAttribute,
    /// `crm_master`.
    CrmMaster,
    /// `attrd_updater`.
    AttrdUpdater,
    /// `crm_node`.
    CrmNode,
    /// `crm_resource`.
    CrmResource,
    /// `crm_mon`.
    CrmMon,
}

/// Read and set node attributes, and options of the deployment
///
/// With it, resource agents tell the scheduler how well their instance is suited for promotion, and
/// what else it should know about this guest; and they share with each other what they have to.
/// What lasts until a guest is rebooted (-l reboot) is kept by its cpe-agent, all else by the DPE.
#[derive(Debug, Parser)]
#[command(name = "crm_attribute", version, disable_version_flag = true)]
struct CrmAttribute {
    /// The attribute; without it, a query gives all
    #[arg(
        short,
        long,
        alias = "attr-name",
        value_name = "NAME",
        conflicts_with = "promotion"
    )]
    name: Option<String>,

    /// The promotion score of a service; without RESOURCE, of the service that this is called for
    /// (OCF_RESOURCE_INSTANCE)
    #[arg(short, long, value_name = "RESOURCE", num_args = 0..=1, default_missing_value = "")]
    promotion: Option<String>,

    #[command(flatten)]
    common: Common,
}

/// Read and set the promotion score of a service in this guest: crm_attribute --promotion
#[derive(Debug, Parser)]
#[command(name = "crm_master", version, disable_version_flag = true)]
struct CrmMaster {
    #[command(flatten)]
    common: Common,
}

/// What these two have in common.
#[derive(Debug, Args)]
struct Common {
    /// Give it this value
    #[arg(short = 'v', long, alias = "attr-value", value_name = "VALUE", allow_hyphen_values = true, conflicts_with_all = ["delete", "query"])]
    update: Option<String>,

    /// Delete it
    #[arg(short = 'D', long, alias = "delete-attr", conflicts_with = "query")]
    delete: bool,

    /// Print its value (what is done if nothing else is asked for)
    #[arg(short = 'G', long, alias = "get-value")]
    query: bool,

    /// Of a query, print the value alone
    #[arg(short, long, short_alias = 'Q')]
    quiet: bool,

    /// What a query prints where there is no value
    #[arg(short, long, value_name = "VALUE", allow_hyphen_values = true)]
    default: Option<String>,

    /// How long the value of a node attribute lasts: until the next `reboot`, or `forever`
    #[arg(short, long, value_name = "LIFETIME")]
    lifetime: Option<String>,

    /// Whose attribute: an assembly, by its name; this guest also by that of its host, if no
    /// assembly has that name. Without --lifetime, one that lasts forever
    #[arg(
        short = 'N',
        long,
        alias = "uname",
        short_alias = 'U',
        value_name = "NODE"
    )]
    node: Option<String>,

    /// `status` is the same as --lifetime=reboot, `nodes` as --lifetime=forever; `crm_config`, an
    /// option of the deployment, which is meant where neither a lifetime nor a node is given
    #[arg(short = 't', long = "type", value_name = "SECTION")]
    section: Option<String>,

    /// Not kept here: there is one set of attributes
    #[arg(short, long, value_name = "NAME", hide = true)]
    set_name: Option<String>,

    /// Utilization belongs to the deployment document
    #[arg(short = 'z', long, hide = true)]
    utilization: bool,

    /// More to read: there is none
    #[arg(short = 'V', long, action = clap::ArgAction::Count, hide = true)]
    verbose: u8,
}

/// Read and set node attributes, and how long their changes are held back
///
/// A change of an attribute with dampening waits that long for further changes, of other guests
/// too, before the scheduler gets it: where all guests lose their gateway at about the same time,
/// nothing should move.
#[derive(Debug, Parser)]
#[command(name = "attrd_updater", version, disable_version_flag = true)]
struct AttrdUpdater {
    /// The attribute
    #[arg(short, long, value_name = "NAME")]
    name: String,

    /// Give it this value
    #[arg(
        short = 'U',
        long,
        short_alias = 'v',
        value_name = "VALUE",
        allow_hyphen_values = true
    )]
    update: Option<String>,

    /// Give it this value and the dampening of --delay
    #[arg(
        short = 'B',
        long,
        value_name = "VALUE",
        allow_hyphen_values = true,
        requires = "delay"
    )]
    update_both: Option<String>,

    /// Give it the dampening of --delay
    #[arg(short = 'Y', long, requires = "delay")]
    update_delay: bool,

    /// Print its value
    #[arg(short = 'Q', long)]
    query: bool,

    /// Delete it
    #[arg(short = 'D', long)]
    delete: bool,

    /// How long changes wait for further ones: 5, 5s, 500ms, 1min. Of an attribute that exists, -B
    /// and -Y change it
    #[arg(short, long, value_name = "TIME", value_parser = milliseconds)]
    delay: Option<u32>,

    /// Whose attribute: an assembly, by its name; this guest also by that of its host, if no
    /// assembly has that name
    #[arg(short = 'N', long, value_name = "NODE")]
    node: Option<String>,

    /// Print the values of all assemblies
    #[arg(short = 'A', long)]
    all: bool,

    /// If it is new, keep it in this guest: the scheduler does not get it
    #[arg(short, long)]
    private: bool,

    /// Ignored: all values last until the guest is rebooted
    #[arg(short, long, value_name = "LIFETIME", hide = true)]
    lifetime: Option<String>,

    /// Not kept here: there is one set of attributes
    #[arg(short, long, short_alias = 'S', value_name = "SET", hide = true)]
    set: Option<String>,

    /// Print less: there is nothing to leave out
    #[arg(short, long, hide = true)]
    quiet: bool,

    /// More to read: there is none
    #[arg(short = 'V', long, action = clap::ArgAction::Count, hide = true)]
    verbose: u8,
}

/// Print the names of assemblies
#[derive(Debug, Parser)]
#[command(name = "crm_node", version, disable_version_flag = true)]
#[group(required = true, multiple = true)]
struct CrmNode {
    /// Print the name of this guest's assembly
    #[arg(short, long)]
    name: bool,

    /// Print the number of this guest's assembly, which is made of its name
    #[arg(short = 'i', long)]
    cluster_id: bool,

    /// Print number, name and state of all assemblies
    #[arg(short, long)]
    list: bool,

    /// Print the names of the assemblies that are online
    #[arg(short, long)]
    partition: bool,

    /// Print 1: one DPE decides
    #[arg(short, long)]
    quorum: bool,
}

/// What a command line asks for, and how the answer is printed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub request: AttributeRequest,
    pub format: Format,
    pub default: Option<String>,
}

/// How values are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// `scope=SECTION  name=N value=V`
    Scope(&'static str),
    /// `V`
    Bare,
    /// `name="N" host="H" value="V"`
    Host,
    /// The assembly's name.
    Name,
    /// The assembly's number.
    Number,
    /// `NUMBER NODE STATE`
    List,
    /// The nodes that are online, in one line.
    Partition,
    /// `1`
    Quorum,
    /// `resource R is running on: NODE ROLE`
    Locations,
    /// `NODE`
    Nodes,
    /// Everything, as XML with this root.
    Overview(&'static str),
    /// Nothing is.
    Nothing,
}

/// Why there is nothing to do: what to print and with which code to end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub u8, pub String);

impl Tool {
    /// All of them.
    pub const ALL: [Tool; 6] = [
        Tool::CrmAttribute,
        Tool::CrmMaster,
        Tool::AttrdUpdater,
        Tool::CrmNode,
        Tool::CrmResource,
        Tool::CrmMon,
    ];

    /// The name by which it is called.
    pub fn name(self) -> &'static str {
        match self {
            Tool::CrmAttribute => "crm_attribute",
            Tool::CrmMaster => "crm_master",
            Tool::AttrdUpdater => "attrd_updater",
            Tool::CrmNode => "crm_node",
            Tool::CrmResource => "crm_resource",
            Tool::CrmMon => "crm_mon",
        }
    }

    /// The tool that this program was called as.
    pub fn called(program: Option<OsString>) -> Option<Tool> {
        let program = program?;
        let name = Path::new(&program).file_name()?;
        Tool::ALL.into_iter().find(|tool| name == tool.name())
    }

    /// Does what the command line says; gives the exit code.
    pub fn run(self, arguments: impl IntoIterator<Item = OsString>) -> u8 {
        let instance = std::env::var("OCF_RESOURCE_INSTANCE").ok();
        let task = match self.parse(arguments, instance.as_deref()) {
            Ok(Ok(task)) => task,
            Ok(Err(Refusal(code, message))) => return self.fail(code, &message),
            Err(error) => {
                if error.use_stderr() {
                    let _ = write!(std::io::stderr(), "{}", complaint(&error));
                    return USAGE;
                }
                let _ = error.print();
                return 0;
            }
        };
        let state_dir = std::env::var_os(STATE_DIR_VARIABLE)
            .map_or_else(|| PathBuf::from(DEFAULT_STATE_DIR), PathBuf::from);
        match socket::ask(&state_dir, &task.request) {
            Ok(Answer::Done) => 0,
            Ok(Answer::Refused { code, message }) => self.fail(code, &message),
            Ok(Answer::Values { assembly, values }) => {
                let row = |(name, value)| Value {
                    node: assembly.clone(),
                    name,
                    value,
                };
                let rows = values.into_iter().map(row).collect();
                self.print(&task, &task.lines(&assembly, rows))
            }
            Ok(Answer::Rows(rows)) => self.print(&task, &task.lines("", rows)),
            Err(error) => self.fail(DISCONNECTED, &format!("{error:#}")),
        }
    }

    fn print(self, task: &Task, lines: &[String]) -> u8 {
        // A reader that has gone needs no answer.
        for line in lines {
            let _ = writeln!(std::io::stdout(), "{line}");
        }
        if !lines.is_empty() {
            return 0;
        }
        match &task.request.want {
            Want::Query { name: Some(name) } => {
                self.fail(NO_SUCH, &format!("node attribute {name} has no value here"))
            }
            Want::Name => self.fail(NO_SUCH, "this guest belongs to no deployment yet"),
            Want::Ask(Question {
                what: What::Get,
                name,
                ..
            }) if !name.is_empty() => self.fail(NO_SUCH, &format!("{name} has no value")),
            Want::Ask(Question {
                what: What::Locate,
                name,
                ..
            }) if task.format == Format::Locations => {
                let name = escape_line(name);
                let _ = writeln!(std::io::stderr(), "resource {name} is NOT running");
                0
            }
            _ => 0,
        }
    }

    fn fail(self, code: u8, message: &str) -> u8 {
        let message = escape_line(message);
        let _ = writeln!(std::io::stderr(), "{}: {message}", self.name());
        code
    }

    /// Reads a command line. `instance`: the service that it is called for.
    fn parse(
        self,
        arguments: impl IntoIterator<Item = OsString>,
        instance: Option<&str>,
    ) -> clap::error::Result<Result<Task, Refusal>> {
        let matches = |command: clap::Command| {
            command
                .bin_name(self.name())
                .try_get_matches_from(arguments)
        };
        Ok(match self {
            Tool::CrmAttribute => {
                let parsed = CrmAttribute::from_arg_matches(&matches(CrmAttribute::command())?)?;
                match parsed.promotion {
                    Some(resource) => parsed.common.promotion(&resource, instance),
                    None => parsed.common.attribute(parsed.name),
                }
            }
            Tool::CrmMaster => CrmMaster::from_arg_matches(&matches(CrmMaster::command())?)?
                .common
                .promotion("", instance),
            Tool::AttrdUpdater => {
                Ok(AttrdUpdater::from_arg_matches(&matches(AttrdUpdater::command())?)?.task())
            }
            Tool::CrmNode => Ok(CrmNode::from_arg_matches(&matches(CrmNode::command())?)?.task()),
            Tool::CrmResource => {
                CrmResource::from_arg_matches(&matches(CrmResource::command())?)?.task()
            }
            Tool::CrmMon => CrmMon::from_arg_matches(&matches(CrmMon::command())?)?.task(),
        })
    }
}

impl Common {
    fn promotion(mut self, resource: &str, instance: Option<&str>) -> Result<Task, Refusal> {
        self.lifetime.get_or_insert_with(|| "reboot".into());
        let resource = Some(resource)
            .filter(|name| !name.is_empty())
            .or(instance.filter(|name| !name.is_empty()));
        match resource {
            Some(resource) => self.attribute(Some(format!("master-{resource}"))),
            None => Err(Refusal(
                USAGE,
                "whose promotion score? Call it from a resource agent, or name the service with --promotion=SERVICE".into(),
            )),
        }
    }

    /// Whose the attribute is, and how its section is called: by the rules that Pacemaker has.
    fn place(&self) -> Result<(Place, &'static str), Refusal> {
        let (boot, forever) = ((Place::Boot, "status"), (Place::Assembly, "nodes"));
        match (self.lifetime.as_deref(), self.section.as_deref()) {
            (Some("reboot"), None | Some("status" | "nodes")) | (None, Some("status")) => Ok(boot),
            (Some("forever"), None | Some("nodes")) | (None, Some("nodes")) => Ok(forever),
            (Some("reboot" | "forever") | None, Some("crm_config")) => {
                Ok((Place::Deployment, "crm_config"))
            }
            (None, None) if self.node.is_some() => Ok(forever),
            (None, None) => Ok((Place::Deployment, "crm_config")),
            (Some("reboot" | "forever") | None, Some(section)) => Err(Refusal(
                DATA_ERROR,
                format!("section `{section}` belongs to the deployment document: change it there"),
            )),
            (Some(other), _) => Err(Refusal(
                USAGE,
                format!("--lifetime must be reboot or forever; found `{other}`"),
            )),
        }
    }

    fn attribute(self, name: Option<String>) -> Result<Task, Refusal> {
        if self.utilization {
            return Err(Refusal(
                DATA_ERROR,
                "utilization belongs to the deployment document: write it as <capacity> of the assembly".to_owned(),
            ));
        }
        let (place, section) = self.place()?;
        let nameless = || {
            Refusal(
                USAGE,
                "which attribute? Name it with --name=NAME".to_owned(),
            )
        };
        let changes = self.update.is_some() || self.delete;
        let name = match name {
            None if changes => return Err(nameless()),
            name => name,
        };
        let (node, want) = match place {
            Place::Boot => (
                self.node,
                match (self.update, name) {
                    (Some(value), Some(name)) => Want::Change(Change::update(name, value)),
                    (None, Some(name)) if self.delete => Want::Change(Change::Delete { name }),
                    (_, name) => Want::Query { name },
                },
            ),
            _ => {
                let what = match (&self.update, self.delete) {
                    (Some(_), _) => What::Set,
                    (None, true) => What::Delete,
                    (None, false) => What::Get,
                };
                let question = Question {
                    node: self
                        .node
                        .filter(|_| place == Place::Assembly)
                        .unwrap_or_default(),
                    name: name.unwrap_or_default(),
                    value: self.update.unwrap_or_default(),
                    ..Question::new(what, place)
                };
                (None, Want::Ask(question))
            }
        };
        Ok(Task {
            request: AttributeRequest { node, want },
            format: if self.quiet {
                Format::Bare
            } else {
                Format::Scope(section)
            },
            default: self.default,
        })
    }
}

impl CrmNode {
    fn task(self) -> Task {
        let nodes = || Want::Ask(Question::new(What::Nodes, Place::Deployment));
        // Of several the one that says least, as agents expect of `-l -p`.
        let (want, format) = match () {
            () if self.partition => (nodes(), Format::Partition),
            () if self.list => (nodes(), Format::List),
            () if self.quorum => (Want::Name, Format::Quorum),
            () if self.cluster_id => (Want::Name, Format::Number),
            () => (Want::Name, Format::Name),
        };
        Task {
            request: AttributeRequest { node: None, want },
            format,
            default: None,
        }
    }
}

/// The number of an assembly, for agents that make keys of it: the same in all guests and at all
/// times, whatever other assemblies there are. FNV-1a of its name, in 31 bits, and not 0.
pub(super) fn number(assembly: &str) -> u32 {
    let hash = assembly.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    (hash & 0x7fff_ffff).max(1)
}

impl AttrdUpdater {
    fn task(self) -> Task {
        let redampen = self.update_both.is_some() || self.update_delay;
        let value = self.update_both.or(self.update);
        let want = if self.delete {
            Want::Change(Change::Delete { name: self.name })
        } else if value.is_some() || redampen {
            Want::Change(Change::Update {
                name: self.name,
                value,
                dampening_ms: self.delay,
                redampen,
                private: self.private,
            })
        } else if self.all {
            let question = Question {
                name: self.name,
                ..Question::new(What::Get, Place::EveryBoot)
            };
            Want::Ask(question)
        } else {
            Want::Query {
                name: Some(self.name),
            }
        };
        Task {
            request: AttributeRequest {
                node: self.node,
                want,
            },
            format: Format::Host,
            default: None,
        }
    }
}

impl Task {
    /// What is printed of an answer. `assembly`: this guest's, where it was asked for.
    fn lines(&self, assembly: &str, mut rows: Vec<Value>) -> Vec<String> {
        let wanted = match &self.request.want {
            Want::Query { name } => name.clone(),
            Want::Ask(question) if question.what == What::Get => Some(question.name.clone()),
            _ => None,
        };
        let wanted = wanted.filter(|name| !name.is_empty());
        if let (Some(name), Some(default), true) = (wanted, &self.default, rows.is_empty()) {
            rows.push(Value {
                node: assembly.to_owned(),
                name,
                value: default.clone(),
            });
        }
        let own = || (!assembly.is_empty()).then_some(assembly).into_iter();
        let line = |row: &Value| {
            let Value { node, name, value } = row;
            match self.format {
                Format::Scope(section) => format!("scope={section}  name={name} value={value}"),
                Format::Host => format!("name=\"{name}\" host=\"{node}\" value=\"{value}\""),
                Format::List => format!("{} {node} {value}", number(node)),
                Format::Locations if value.is_empty() => {
                    format!("resource {name} is running on: {node}")
                }
                Format::Locations => format!("resource {name} is running on: {node} {value}"),
                Format::Nodes => node.clone(),
                _ => value.clone(),
            }
        };
        match self.format {
            Format::Name => own().map(str::to_owned).collect(),
            Format::Number => own().map(|name| number(name).to_string()).collect(),
            Format::Quorum => own().map(|_| "1".to_owned()).collect(),
            Format::Partition => {
                let online = rows.iter().filter(|row| row.value == "member");
                vec![online.map(|row| format!("{} ", row.node)).collect()]
            }
            Format::Nothing => Vec::new(),
            Format::Overview(root) => overview(root, &rows),
            _ => rows.iter().map(line).collect(),
        }
    }
}

/// What is wrong with a command line, for people: it quotes what was given.
fn complaint(error: &clap::Error) -> String {
    escape_text(&error.render().to_string()).into_owned()
}

/// `5`, `5s`, `500ms`, `1min`: a time in Pacemaker's form; without a unit, seconds.
fn milliseconds(text: &str) -> Result<u32, String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "ms" | "msec" => 1,
        "" | "s" | "sec" => 1000,
        "m" | "min" => 60_000,
        "h" | "hr" => 3_600_000,
        _ => 0,
    };
    let number: Option<u32> = number.parse().ok();
    number
        .filter(|_| factor > 0)
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| {
            format!("a time must be a number with ms, s, min or h, as 5s; found `{text}`")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> clap::error::Result<Result<Task, Refusal>> {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let tool = Tool::called(arguments.first().cloned()).expect("a tool");
        tool.parse(arguments, Some("db"))
    }

    fn request(line: &str) -> AttributeRequest {
        parse(line).unwrap().unwrap().request
    }

    fn update(name: &str, value: &str) -> Want {
        Want::Change(Change::update(name, value))
    }

    #[test]
    fn it_reads_the_command_lines_of_real_resource_agents() {
        let delete = |name: &str| Want::Change(Change::Delete { name: name.into() });
        let query = |name: &str| Want::Query {
            name: Some(name.into()),
        };
        for (line, want) in [
            (
                "/run/bin/crm_attribute --promotion -v 10",
                update("master-db", "10"),
            ),
            (
                "crm_attribute -p -v -INFINITY",
                update("master-db", "-INFINITY"),
            ),
            ("crm_attribute -p -D", delete("master-db")),
            (
                "crm_attribute --promotion=cache -v 3",
                update("master-cache", "3"),
            ),
            ("crm_master -l reboot -v -5", update("master-db", "-5")),
            (
                "crm_master -Q -l reboot -v 1000",
                update("master-db", "1000"),
            ),
            (
                "crm_master -v INFINITY -l reboot",
                update("master-db", "INFINITY"),
            ),
            ("crm_master -l reboot -D", delete("master-db")),
            ("crm_master -l reboot -G --quiet", query("master-db")),
            ("crm_attribute -l reboot --name lag -q", query("lag")),
            (
                "crm_attribute -n runs_ers_X -v 0 -l reboot",
                update("runs_ers_X", "0"),
            ),
            (
                "crm_attribute --lifetime=reboot --name=x --delete",
                delete("x"),
            ),
            ("crm_attribute -l reboot", Want::Query { name: None }),
            (
                "attrd_updater -n #health-cpu -U red",
                update("#health-cpu", "red"),
            ),
            (
                "attrd_updater -S status -n machines -v 3",
                update("machines", "3"),
            ),
            ("attrd_updater -D -S state -n machines", delete("machines")),
            ("attrd_updater -D -n pingd -d 5s", delete("pingd")),
            ("attrd_updater -n x -Q", query("x")),
            ("crm_node -n", Want::Name),
        ] {
            assert_eq!(request(line).want, want, "{line}");
        }
        let galera = request("crm_attribute -N web1 -l reboot --name last-committed -v 7");
        assert_eq!(galera.node.as_deref(), Some("web1"));
        let ping = request("attrd_updater -n pingd -B 1000 -d 5s -VV");
        assert_eq!(
            ping.want,
            Want::Change(Change::Update {
                name: "pingd".into(),
                value: Some("1000".into()),
                dampening_ms: Some(5000),
                redampen: true,
                private: false,
            })
        );
    }

    /// A question in a line: what, where, node, name and value.
    fn question(line: &str) -> String {
        let request = request(line);
        let Want::Ask(asked) = request.want else {
            panic!("{line}: {request:?}");
        };
        let (what, place) = (asked.what.word(), asked.place.word());
        let promoted = if asked.promoted { " promoted" } else { "" };
        let Question {
            node, name, value, ..
        } = asked;
        format!("{what} {place} {node}/{name}/{value}{promoted}")
    }

    #[test]
    fn it_asks_the_dpe_for_what_is_not_this_guests() {
        for (line, expected) in [
            ("crm_attribute -l forever -n x -v 1", "set assembly /x/1"),
            (
                "crm_attribute -N web1 -n x -v LATEST",
                "set assembly web1/x/LATEST",
            ),
            (
                "crm_attribute --node web2 -l forever --name port --query -q",
                "get assembly web2/port/",
            ),
            (
                "crm_attribute -t nodes -N web1 -n x -D",
                "delete assembly web1/x/",
            ),
            ("crm_attribute -l forever", "get assembly //"),
            (
                "crm_attribute --type crm_config --name db_REPL_INFO -s mysql_replication -v a|b",
                "set deployment /db_REPL_INFO/a|b",
            ),
            (
                "crm_attribute -n site-mode -G -q",
                "get deployment /site-mode/",
            ),
            ("attrd_updater -A -n pingd -Q", "get every-boot /pingd/"),
            ("crm_node -l", "nodes deployment //"),
            ("crm_node -l -p", "nodes deployment //"),
            ("crm_resource -W -r db", "locate deployment /db/"),
            ("crm_resource --locate -r db -Q", "locate deployment /db/"),
            (
                "crm_resource -B -r db -N web1 -Q",
                "ban deployment web1/db/",
            ),
            (
                "crm_resource --ban -r db --master",
                "ban deployment /db/ promoted",
            ),
            ("crm_resource -U -r db", "clear deployment /db/"),
            ("crm_mon -1 --output-as=xml", "overview deployment //"),
            ("crm_mon -1X", "overview deployment //"),
            ("crm_mon -1 --as-xml", "overview deployment //"),
        ] {
            assert_eq!(question(line), expected, "{line}");
        }
    }

    #[test]
    fn it_says_what_only_the_document_can() {
        for line in [
            "crm_attribute -t rsc_defaults -n x -v 1",
            "crm_attribute -t nodes -N web1 -z -n cpu -v 4",
            "crm_resource -Q -r vm -z -g cpu",
            "crm_resource -r db -p port -v 1",
            "crm_resource -r db -d port",
        ] {
            let Refusal(code, message) = parse(line).unwrap().unwrap_err();
            assert_eq!(code, DATA_ERROR, "{line}");
            assert!(message.contains("deployment document"), "{line}: {message}");
        }
        let Refusal(_, quiet) = parse("crm_resource -Q -r vm -z -g cpu")
            .unwrap()
            .unwrap_err();
        assert!(quiet.contains("not connected"), "{quiet}");
    }

    #[test]
    fn a_command_line_that_makes_no_sense_drives_no_terminal() {
        let line = "crm_attribute -l reboot -n x -v 1 --\u{1b}]0;owned\u{7}\u{202e}";
        let told = complaint(&parse(line).unwrap_err());
        // clap itself leaves sequences of a terminal out
        assert!(told.contains(r"\u{202e}"), "{told:?}");
        assert!(!told.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{told:?}");
        assert!(told.lines().count() > 1, "{told:?}");
    }

    #[test]
    fn it_refuses_command_lines_that_make_no_sense() {
        for line in [
            "crm_attribute -l sometimes -n x -v 1",
            "crm_attribute -l reboot -v 1",
            "crm_attribute -l forever -v 1",
            "crm_resource -W",
            "crm_resource -r db",
            "crm_mon -1",
        ] {
            assert_eq!(parse(line).unwrap().unwrap_err().0, USAGE, "{line}");
        }
        for line in [
            "crm_attribute -l reboot -n x -v 1 -D",
            "crm_attribute --nonsense",
            "attrd_updater -U 1",
            "attrd_updater -n x -B 1",
            "attrd_updater -n x -U 1 -d soon",
            "crm_node",
            "crm_resource -B -U -r db",
            "crm_mon --daemonize",
        ] {
            assert!(parse(line).unwrap_err().use_stderr(), "{line}");
        }
        let crm_master = Tool::CrmMaster.parse(["crm_master".into(), "-D".into()], None);
        assert_eq!(crm_master.unwrap().unwrap_err().0, USAGE);
        for tool in [
            CrmAttribute::command(),
            CrmMaster::command(),
            AttrdUpdater::command(),
            CrmNode::command(),
            CrmResource::command(),
            CrmMon::command(),
        ] {
            tool.debug_assert();
        }
    }

    #[test]
    fn it_prints_values_as_the_tools_of_pacemaker_do() {
        let row = |node: &str, name: &str, value: &str| Value {
            node: node.into(),
            name: name.into(),
            value: value.into(),
        };
        let values = || vec![row("web1", "pingd", "1000")];
        for (line, expected) in [
            (
                "crm_attribute -l reboot -n pingd -G",
                "scope=status  name=pingd value=1000",
            ),
            ("crm_attribute -l reboot -n pingd -G -q", "1000"),
            (
                "attrd_updater -n pingd -Q",
                "name=\"pingd\" host=\"web1\" value=\"1000\"",
            ),
            ("crm_node -n", "web1"),
        ] {
            let task = parse(line).unwrap().unwrap();
            assert_eq!(task.lines("web1", values()), [expected], "{line}");
        }
        for (line, rows, expected) in [
            (
                "crm_attribute -l forever -n port -G",
                vec![row("web2", "port", "17")],
                "scope=nodes  name=port value=17",
            ),
            (
                "crm_attribute -n site -G",
                vec![row("", "site", "a")],
                "scope=crm_config  name=site value=a",
            ),
            (
                "crm_resource -W -r db",
                vec![row("web1", "db", ""), row("web2", "db", "Promoted")],
                "resource db is running on: web1|resource db is running on: web2 Promoted",
            ),
            (
                "crm_resource -W -Q -r db",
                vec![row("web1", "db", "")],
                "web1",
            ),
            (
                "crm_node -p",
                vec![row("web1", "", "member"), row("web2", "", "lost")],
                "web1 ",
            ),
            ("crm_attribute -l reboot -n lag -G -q -d -1", vec![], "-1"),
            ("crm_attribute -n site -G -q -d none", vec![], "none"),
            ("crm_attribute -l reboot -n lag -G", vec![], ""),
        ] {
            let task = parse(line).unwrap().unwrap();
            assert_eq!(task.lines("", rows).join("|"), expected, "{line}");
        }
        let task = parse("crm_node -i").unwrap().unwrap();
        let [own] = &task.lines("web1", vec![])[..] else {
            panic!("one number");
        };
        let task = parse("crm_node -l").unwrap().unwrap();
        let all = task.lines("", vec![row("web1", "", "member"), row("web2", "", "lost")]);
        assert_eq!(all[0], format!("{own} web1 member"));
        assert_ne!(number("web1"), number("web2"));
    }
}
