//! `crm_mon`, as far as resource agents call it: the state of the deployment as XML, of which they
//! read whether an assembly is online and whether an instance is promoted somewhere.

use std::collections::BTreeMap;

use clap::{Parser, ValueEnum};
use cpe_bus::records::question::{Place, Question, Value, What};

use super::exit_code::USAGE;
use super::tools::{Format, Refusal, Task, number};
use super::{AttributeRequest, Want};

/// Print the state of the deployment for resource agents, as XML
///
/// Of the tool of this name only what resource agents call: one look, as XML. What it prints comes
/// from the DPE of the deployment: the assemblies, and the services in those that are heard. People
/// use `cpectl status` on the host.
#[derive(Debug, Parser)]
#[command(name = "crm_mon", version, disable_version_flag = true)]
pub(super) struct CrmMon {
    /// Print it once: nothing else is known here
    #[arg(short = '1', long)]
    one_shot: bool,

    /// The form of what is printed
    #[arg(long, value_name = "FORMAT", conflicts_with = "as_xml")]
    output_as: Option<Form>,

    /// The form of versions of Pacemaker before 2.1: other root, same content
    #[arg(short = 'X', long)]
    as_xml: bool,

    /// More to read: there is none
    #[arg(short = 'V', long, action = clap::ArgAction::Count, hide = true)]
    verbose: u8,
}

/// The forms that are known.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    Xml,
}

impl CrmMon {
    /// What it asks for.
    pub(super) fn task(self) -> Result<Task, Refusal> {
        let format = match (self.output_as, self.as_xml) {
            (Some(Form::Xml), _) => Format::Overview("pacemaker-result"),
            (None, true) => Format::Overview("crm_mon"),
            (None, false) => {
                return Err(Refusal(
                    USAGE,
                    "only --output-as=xml and --as-xml are known here; people use `cpectl status` on the host".to_owned(),
                ));
            }
        };
        let question = Question::new(What::Overview, Place::Deployment);
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

/// The lines of an overview. `root`: the root element.
pub(super) fn overview(root: &str, rows: &[Value]) -> Vec<String> {
    let (nodes, services): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.name.is_empty());
    let mut running: BTreeMap<&str, u32> = BTreeMap::new();
    for service in services.iter().filter(|service| is_active(service)) {
        *running.entry(service.node.as_str()).or_default() += 1;
    }
    let mut lines = vec![format!("<{root}>"), "  <nodes>".to_owned()];
    for node in nodes {
        let running = running.get(node.node.as_str()).copied().unwrap_or(0);
        lines.push(format!("    {}", node_element(node, running)));
    }
    lines.extend(["  </nodes>".to_owned(), "  <resources>".to_owned()]);
    for service in services {
        lines.extend(service_elements(service).map(|line| format!("    {line}")));
    }
    lines.extend(["  </resources>".to_owned(), format!("</{root}>")]);
    lines
}

/// An assembly. Its value is its state, in the words of the DPE's status.
fn node_element(node: &Value, running: u32) -> String {
    let state = node.value.as_str();
    let online = matches!(state, "online" | "standby" | "maintenance" | "leaving");
    format!(
        r#"<node name="{name}" id="{id}" online="{online}" standby="{standby}" standby_onfail="false" maintenance="{maintenance}" pending="{pending}" unclean="{unclean}" shutdown="{shutdown}" expected_up="{online}" is_dc="false" resources_running="{running}" type="member"/>"#,
        name = escaped(&node.node),
        id = number(&node.node),
        standby = state == "standby",
        maintenance = state == "maintenance",
        pending = state == "unknown",
        unclean = matches!(state, "lost" | "fencing"),
        shutdown = state == "leaving",
    )
}

/// A service in an assembly. Its value is its role, its state and its agent.
fn service_elements(service: &Value) -> impl Iterator<Item = String> {
    let mut words = service.value.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (role, state, agent) = (word(), word(), word());
    let active = is_active(service);
    let node = escaped(&service.node);
    // Agents match these with regular expressions: the order of the attributes counts.
    let open = format!(
        r#"<resource id="{name}" resource_agent="{agent}" role="{role}" active="{active}" orphaned="false" blocked="false" managed="{managed}" failed="{failed}" failure_ignored="false" nodes_running_on="{count}">"#,
        name = escaped(&service.name),
        agent = escaped(agent),
        role = escaped(role),
        managed = state != "unmanaged",
        failed = state == "failed",
        count = u8::from(active),
    );
    let place = active.then(|| {
        format!(
            r#"  <node name="{node}" id="{}" cached="true"/>"#,
            number(&service.node)
        )
    });
    [Some(open), place, Some("</resource>".to_owned())]
        .into_iter()
        .flatten()
}

fn is_active(service: &Value) -> bool {
    !service.node.is_empty()
}

/// For an attribute; without what a shell's `printf` would take for its own.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '%' => escaped.push_str("&#37;"),
            '\\' => escaped.push_str("&#92;"),
            other if other.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(node: &str, name: &str, value: &str) -> Value {
        Value {
            node: node.into(),
            name: name.into(),
            value: value.into(),
        }
    }

    #[test]
    fn it_prints_what_agents_look_for() {
        let rows = [
            row("db1", "", "online"),
            row("db2", "", "fencing"),
            row("db3", "", "unknown"),
            row("db1", "db", "Promoted promoted ocf:heartbeat:pgsql"),
            row("db3", "db", "Unpromoted failed ocf:heartbeat:pgsql"),
            row("", "ip", "Stopped stopped ocf:heartbeat:IPaddr2"),
        ];
        let text = overview("pacemaker-result", &rows).join("\n");
        // What pgsql, redis and galera give to grep.
        for part in [
            r#"<node name="db1" id="#,
            r#"" online="true" standby="false" "#,
            r#"<resource id="db" resource_agent="ocf:heartbeat:pgsql" role="Promoted" active="true" orphaned="false" blocked="false" managed="true" failed="false" "#,
            r#"role="Unpromoted" active="true" orphaned="false" blocked="false" managed="true" failed="true" "#,
            r#"<resource id="ip" resource_agent="ocf:heartbeat:IPaddr2" role="Stopped" active="false" "#,
            r#"resources_running="1" type="member"/>"#,
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let of = |node: &str| text.lines().find(|line| line.contains(node)).unwrap_or("");
        assert!(of("db2").contains(r#"online="false""#) && of("db2").contains(r#"unclean="true""#));
        assert!(of("db3").contains(r#"pending="true" unclean="false""#));
        assert!(text.starts_with("<pacemaker-result>") && text.ends_with("</pacemaker-result>"));
    }

    #[test]
    fn what_it_prints_cannot_be_taken_for_something_else() {
        assert_eq!(escaped("a\"%s\\n<\n"), "a&quot;&#37;s&#92;n&lt; ");
    }
}
