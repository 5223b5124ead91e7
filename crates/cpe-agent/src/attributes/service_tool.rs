//! `crm_resource`, as far as resource agents call it: where a service runs, and keeping it off an
//! assembly.

use clap::Parser;
use cpe_bus::records::question::{Place, Question, What};

use super::exit_code::{DATA_ERROR, USAGE};
use super::tools::{Format, Refusal, Task};
use super::{AttributeRequest, Want};

/// Ask where a service runs, or keep it off an assembly
///
/// Of the tool of this name only what resource agents call. What it asks is answered by the DPE of
/// the deployment. A ban lasts until it is cleared here, or the service is cleaned up on the host
/// (cpectl cleanup).
#[derive(Debug, Parser)]
#[command(name = "crm_resource", version, disable_version_flag = true)]
pub(super) struct CrmResource {
    /// The service
    #[arg(short, long, value_name = "SERVICE")]
    resource: Option<String>,

    /// Print the assemblies in which it runs
    #[arg(short = 'W', long, group = "command")]
    locate: bool,

    /// It must not run in this guest's assembly any more
    #[arg(short = 'B', long, group = "command")]
    ban: bool,

    /// End such bans of this guest's assembly, of the service or of all
    #[arg(short = 'U', long, group = "command")]
    clear: bool,

    /// Parameters belong to the deployment document
    #[arg(short, long, value_name = "NAME", group = "command", hide = true)]
    get_parameter: Option<String>,

    /// Parameters belong to the deployment document
    #[arg(short = 'p', long, value_name = "NAME", group = "command", hide = true)]
    set_parameter: Option<String>,

    /// Parameters belong to the deployment document
    #[arg(short, long, value_name = "NAME", group = "command", hide = true)]
    delete_parameter: Option<String>,

    /// Of a parameter
    #[arg(
        short = 'v',
        long,
        value_name = "VALUE",
        allow_hyphen_values = true,
        hide = true
    )]
    parameter_value: Option<String>,

    /// Of a parameter: a meta attribute is meant
    #[arg(short, long, hide = true)]
    meta: bool,

    /// Of a parameter: a utilization attribute is meant
    #[arg(short = 'z', long, hide = true)]
    utilization: bool,

    /// The assembly of --ban and --clear: no other than this guest's
    #[arg(
        short = 'N',
        long,
        alias = "host",
        short_alias = 'H',
        value_name = "NODE"
    )]
    node: Option<String>,

    /// Of --ban: it may run there, but not be promoted
    #[arg(long, alias = "master")]
    promoted: bool,

    /// Bans do not end by themselves here
    #[arg(short = 'u', long, value_name = "TIME", hide = true)]
    lifetime: Option<String>,

    /// Print names alone
    #[arg(short = 'Q', long)]
    quiet: bool,

    /// Nothing has to be forced
    #[arg(short, long, hide = true)]
    force: bool,

    /// More to read: there is none
    #[arg(short = 'V', long, action = clap::ArgAction::Count, hide = true)]
    verbose: u8,
}

impl CrmResource {
    /// What it asks for.
    pub(super) fn task(self) -> Result<Task, Refusal> {
        let parameter = self
            .get_parameter
            .or(self.set_parameter)
            .or(self.delete_parameter);
        if let Some(name) = parameter {
            // Agents that keep their utilization up to date say nothing about an answer that says
            // "not connected".
            return Err(Refusal(
                DATA_ERROR,
                format!(
                    "`{name}` belongs to the deployment document, to which this tool is not connected: change it there"
                ),
            ));
        }
        if let Some(time) = self.lifetime {
            return Err(Refusal(
                DATA_ERROR,
                format!(
                    "a ban for {time} is not known here: without --lifetime it lasts until it is cleared"
                ),
            ));
        }
        let nameless = || {
            Refusal(
                USAGE,
                "which service? Name it with --resource=SERVICE".to_owned(),
            )
        };
        let what = match (self.locate, self.ban, self.clear) {
            (true, ..) => What::Locate,
            (_, true, _) => What::Ban,
            (_, _, true) => What::Clear,
            _ => {
                return Err(Refusal(
                    USAGE,
                    "only --locate, --ban and --clear are known here".to_owned(),
                ));
            }
        };
        let name = match (self.resource, what) {
            (Some(name), _) => name,
            (None, What::Clear) => String::new(),
            (None, _) => return Err(nameless()),
        };
        let format = match (what, self.quiet) {
            (What::Locate, true) => Format::Nodes,
            (What::Locate, false) => Format::Locations,
            _ => Format::Nothing,
        };
        let question = Question {
            name,
            node: self.node.unwrap_or_default(),
            promoted: self.promoted,
            ..Question::new(what, Place::Deployment)
        };
        Ok(Task {
            request: AttributeRequest {
                node: None,
                want: Want::Ask(question),
            },
            format,
            default: None,
        })
    }
}
