//! The tools that resource agents call: Pacemaker's names, options, output and exit codes, as far
//! as they make sense in one guest.
//!
//! | tool | what agents use it for |
//! | --- | --- |
//! | `crm_attribute` | promotion scores (`-p`) and other attributes of this boot (`-l reboot`) |
//! | `crm_master` | promotion scores, its older name |
//! | `attrd_updater` | attributes whose changes are dampened (`-d`) |
//! | `crm_node` | the name of the assembly (`-n`) |
//!
//! What belongs to the whole deployment or outlives the boot is refused, and the message says where
//! it belongs: in the document. (Formats and codes as the manual pages of Pacemaker 2.1 have
//! them, and as its tools give them.)

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, FromArgMatches, Parser};

use super::exit_code::{DATA_ERROR, DISCONNECTED, NO_SUCH, USAGE};
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
}

/// Read and set node attributes of this guest
///
/// With it, resource agents tell the scheduler how well their instance is suited for promotion, and
/// what else it should know about this guest. The deployment's cpe-agent keeps the values until the
/// guest is rebooted.
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

    /// How long the value lasts: `reboot`. What is to last forever belongs in the deployment
    /// document
    #[arg(short, long, value_name = "LIFETIME")]
    lifetime: Option<String>,

    /// This guest, by the name of its assembly or host; other guests cannot be asked from here
    #[arg(
        short = 'N',
        long,
        alias = "uname",
        short_alias = 'U',
        value_name = "NODE"
    )]
    node: Option<String>,

    /// `status` is the same as --lifetime=reboot; nothing else is kept in guests
    #[arg(short = 't', long = "type", value_name = "SECTION")]
    section: Option<String>,

    /// Not kept here: there is one set of attributes
    #[arg(short, long, value_name = "NAME", hide = true)]
    set_name: Option<String>,

    /// More to read: there is none
    #[arg(short = 'V', long, action = clap::ArgAction::Count, hide = true)]
    verbose: u8,
}

/// Read and set node attributes of this guest, and how long their changes are held back
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

    /// This guest, by the name of its assembly or host; other guests cannot be asked from here
    #[arg(short = 'N', long, value_name = "NODE")]
    node: Option<String>,

    /// Values of all guests: here this guest's
    #[arg(short = 'A', long, hide = true)]
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

/// Print the name of this guest's assembly
#[derive(Debug, Parser)]
#[command(name = "crm_node", version, disable_version_flag = true)]
struct CrmNode {
    /// Print the name (the only thing that this tool can do in a guest)
    #[arg(short, long, required = true)]
    name: bool,
}

/// What a command line asks for, and how the answer is printed.
#[derive(Debug, PartialEq, Eq)]
struct Task {
    request: AttributeRequest,
    format: Format,
    default: Option<String>,
}

/// How values are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// `scope=status  name=N value=V`
    Scope,
    /// `V`
    Bare,
    /// `name="N" host="H" value="V"`
    Host,
    /// The assembly's name.
    Name,
}

/// Why there is nothing to do: what to print and with which code to end.
#[derive(Debug, PartialEq, Eq)]
struct Refusal(u8, String);

impl Tool {
    /// All of them.
    pub const ALL: [Tool; 4] = [
        Tool::CrmAttribute,
        Tool::CrmMaster,
        Tool::AttrdUpdater,
        Tool::CrmNode,
    ];

    /// The name by which it is called.
    pub fn name(self) -> &'static str {
        match self {
            Tool::CrmAttribute => "crm_attribute",
            Tool::CrmMaster => "crm_master",
            Tool::AttrdUpdater => "attrd_updater",
            Tool::CrmNode => "crm_node",
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
                let _ = error.print();
                return if error.use_stderr() { USAGE } else { 0 };
            }
        };
        let state_dir = std::env::var_os(STATE_DIR_VARIABLE)
            .map_or_else(|| PathBuf::from(DEFAULT_STATE_DIR), PathBuf::from);
        match socket::ask(&state_dir, &task.request) {
            Ok(Answer::Done) => 0,
            Ok(Answer::Refused { code, message }) => self.fail(code, &message),
            Ok(Answer::Values { assembly, values }) => {
                let lines = task.lines(&assembly, values);
                // A reader that has gone needs no answer.
                for line in &lines {
                    let _ = writeln!(std::io::stdout(), "{line}");
                }
                match (&task.request.want, lines.is_empty()) {
                    (Want::Query { name: Some(name) }, true) => {
                        self.fail(NO_SUCH, &format!("node attribute {name} has no value here"))
                    }
                    (Want::Name, true) => {
                        self.fail(NO_SUCH, "this guest belongs to no deployment yet")
                    }
                    _ => 0,
                }
            }
            Err(error) => self.fail(DISCONNECTED, &format!("{error:#}")),
        }
    }

    fn fail(self, code: u8, message: &str) -> u8 {
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
            Tool::CrmNode => {
                matches(CrmNode::command())?;
                let request = AttributeRequest {
                    node: None,
                    want: Want::Name,
                };
                Ok(Task {
                    request,
                    format: Format::Name,
                    default: None,
                })
            }
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

    fn attribute(self, name: Option<String>) -> Result<Task, Refusal> {
        let document = |what: &str| {
            Err(Refusal(
                DATA_ERROR,
                format!(
                    "{what} are not kept in guests: write them into the deployment document. For what lasts until this guest is \
                     rebooted, say --lifetime=reboot"
                ),
            ))
        };
        match (self.lifetime.as_deref(), self.section.as_deref()) {
            (Some("reboot"), None | Some("status")) | (None, Some("status")) => {}
            (Some("forever"), _) | (None, Some("nodes")) => {
                return document("permanent node attributes");
            }
            (None, None) if self.node.is_some() => return document("permanent node attributes"),
            (None, _) => return document("options of the deployment"),
            (Some("reboot"), Some(_)) => {
                return document("options of the deployment");
            }
            (Some(other), _) => {
                return Err(Refusal(
                    USAGE,
                    format!("--lifetime must be reboot or forever; found `{other}`"),
                ));
            }
        }
        let nameless = || {
            Refusal(
                USAGE,
                "which attribute? Name it with --name=NAME".to_owned(),
            )
        };
        let want = match self.update {
            Some(value) => Want::Change(Change::update(name.ok_or_else(nameless)?, value)),
            None if self.delete => Want::Change(Change::Delete {
                name: name.ok_or_else(nameless)?,
            }),
            None => Want::Query { name },
        };
        Ok(Task {
            request: AttributeRequest {
                node: self.node,
                want,
            },
            format: if self.quiet {
                Format::Bare
            } else {
                Format::Scope
            },
            default: self.default,
        })
    }
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
    /// What is printed of an answer.
    fn lines(
        &self,
        assembly: &str,
        mut values: std::collections::BTreeMap<String, String>,
    ) -> Vec<String> {
        if let (Want::Query { name: Some(name) }, Some(default)) =
            (&self.request.want, &self.default)
        {
            values
                .entry(name.clone())
                .or_insert_with(|| default.clone());
        }
        let line = |(name, value): (&String, &String)| match self.format {
            Format::Scope => format!("scope=status  name={name} value={value}"),
            Format::Bare | Format::Name => value.clone(),
            Format::Host => format!("name=\"{name}\" host=\"{assembly}\" value=\"{value}\""),
        };
        match self.format {
            Format::Name => (!assembly.is_empty())
                .then(|| assembly.to_owned())
                .into_iter()
                .collect(),
            _ => values.iter().map(line).collect(),
        }
    }
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

    #[test]
    fn it_says_where_what_is_not_kept_in_guests_belongs() {
        for line in [
            "crm_attribute -l forever -n x -v 1",
            "crm_attribute -N web1 -n x -v 1",
            "crm_attribute -n stonith-enabled -v false",
            "crm_attribute --type crm_config --name db_REPL_INFO -s mysql_replication -q",
            "crm_attribute -t nodes -n x -G",
            "crm_master -l forever -v 1",
        ] {
            let Refusal(code, message) = parse(line).unwrap().unwrap_err();
            assert_eq!(code, DATA_ERROR, "{line}");
            assert!(message.contains("deployment document"), "{line}: {message}");
        }
    }

    #[test]
    fn it_refuses_command_lines_that_make_no_sense() {
        for line in [
            "crm_attribute -l sometimes -n x -v 1",
            "crm_attribute -l reboot -v 1",
        ] {
            assert_eq!(parse(line).unwrap().unwrap_err().0, USAGE, "{line}");
        }
        for line in [
            "crm_attribute -l reboot -n x -v 1 -D",
            "crm_attribute --nonsense",
            "attrd_updater -U 1",
            "attrd_updater -n x -B 1",
            "attrd_updater -n x -U 1 -d soon",
            "crm_node -l",
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
        ] {
            tool.debug_assert();
        }
    }

    #[test]
    fn it_prints_values_as_the_tools_of_pacemaker_do() {
        let values = || [("pingd".to_owned(), "1000".to_owned())].into();
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
        let task = parse("crm_attribute -l reboot -n lag -G -q -d -1")
            .unwrap()
            .unwrap();
        assert_eq!(task.lines("web1", [].into()), ["-1"]);
        let task = parse("crm_attribute -l reboot -n lag -G").unwrap().unwrap();
        assert!(task.lines("web1", [].into()).is_empty());
    }
}
