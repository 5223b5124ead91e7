//! What a resource agent says about itself: OCF metadata, read leniently, since agents in the field
//! write it by hand, and within bounds, since it comes from a guest.
//!
//! Source: OCF Resource Agent API 1.1, and what the agents of the packages `resource-agents` and
//! `pacemaker` write.

use cpe_status::{AgentAction, AgentParameter, ResourceAgent};

use crate::tree::{Element, parse};

/// The longest metadata, in bytes: thirty times the longest of the usual agents.
pub const MAX_METADATA: usize = 512 * 1024;
/// The most parameters that are kept, and the most actions.
const MAX_LISTED: usize = 1_000;
/// The longest text in one line, in characters.
const MAX_SHORT: usize = 200;
/// The longest text, in characters.
const MAX_LONG: usize = 16_000;
/// The longest name of a parameter, action or type.
const MAX_NAME: usize = 128;

/// Reads an agent's metadata.
///
/// # Errors
/// Why it is none, for people.
pub fn read(text: &str) -> Result<ResourceAgent, String> {
    if text.len() > MAX_METADATA {
        return Err(format!("it is longer than {MAX_METADATA} bytes"));
    }
    let text = without_doctype(text.trim_ascii())?;
    let root = parse(&text).map_err(|fault| {
        let line = 1 + text.as_bytes()[..fault.offset.min(text.len())]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        format!("line {line}: {}", fault.message)
    })?;
    if root.name != "resource-agent" {
        return Err(format!(
            "its root element is <{}>, not <resource-agent>",
            short(root.name)
        ));
    }
    Ok(agent(&root))
}

/// The agent without what only a list of agents does not need.
pub fn in_brief(mut agent: ResourceAgent) -> ResourceAgent {
    agent.long.clear();
    for parameter in &mut agent.parameters {
        parameter.long.clear();
        parameter.short.clear();
    }
    agent
}

/// The metadata of nearly every agent names a DTD, which is not read.
fn without_doctype(text: &str) -> Result<String, String> {
    const OPENING: &str = "<!DOCTYPE";
    let Some(at) = text.find(OPENING) else {
        return Ok(text.to_owned());
    };
    let rest = &text[at + OPENING.len()..];
    let end = rest.find(['>', '[']);
    match end {
        Some(end) if rest.as_bytes()[end] == b'>' => {
            // As many lines as before, for messages.
            let lines = rest[..end].matches('\n').count();
            let (before, after) = (&text[..at], &rest[end + 1..]);
            Ok(format!("{before}{}{after}", "\n".repeat(lines)))
        }
        _ => Err("it has a document type with declarations in it".to_owned()),
    }
}

fn agent(root: &Element<'_>) -> ResourceAgent {
    let own = root.value("version").unwrap_or_default();
    let list = |outer: &'static str, inner: &'static str| {
        children(root, outer)
            .flat_map(move |section| children(section, inner))
            .take(MAX_LISTED)
    };
    let (short, long) = descriptions(root);
    ResourceAgent {
        version: name(own),
        deprecated: is_deprecated(root, &short, &long),
        short,
        long,
        parameters: list("parameters", "parameter")
            .filter_map(parameter)
            .collect(),
        actions: list("actions", "action").filter_map(action).collect(),
    }
}

fn parameter(element: &Element<'_>) -> Option<AgentParameter> {
    let own = name(element.value("name")?);
    let (short, long) = descriptions(element);
    let content = children(element, "content").next();
    let of_content = |attribute: &str| content.and_then(|content| content.value(attribute));
    let replaced_with = children(element, "deprecated")
        .flat_map(|deprecated| children(deprecated, "replaced-with"))
        .filter_map(|other| other.value("name"))
        .map(name);
    let options = content.into_iter().flat_map(|it| children(it, "option"));
    let options = options.filter_map(|option| option.value("value"));
    Some(AgentParameter {
        required: is_set(element, "required"),
        // OCF 1.1 has groups of parameters instead.
        unique: is_set(element, "unique") || element.has("unique-group"),
        reloadable: is_set(element, "reloadable"),
        // No standard has it.
        private: is_set(element, "private"),
        deprecated: is_deprecated(element, &short, &long),
        replaced_with: replaced_with.take(MAX_LISTED).collect(),
        kind: name(of_content("type").unwrap_or("string")),
        default: of_content("default").map(|text| bounded(text.trim(), MAX_LONG)),
        options: options.take(MAX_LISTED).map(name).collect(),
        short,
        long,
        name: own,
    })
}

fn action(element: &Element<'_>) -> Option<AgentAction> {
    let text = |attribute: &str| name(element.value(attribute).unwrap_or_default());
    Some(AgentAction {
        name: name(element.value("name")?),
        timeout: text("timeout"),
        interval: text("interval"),
        role: text("role"),
        depth: text("depth"),
        // Of fence agents. Earlier ones said `required` for `automatic`.
        automatic: is_set(element, "automatic") || is_set(element, "required"),
        on_target: is_set(element, "on_target"),
    })
}

/// Short and long, in English where there are several languages.
fn descriptions(element: &Element<'_>) -> (String, String) {
    let of = |name: &'static str| {
        let all = || children(element, name);
        let english =
            |it: &&Element<'_>| it.value("lang").is_none_or(|lang| lang.starts_with("en"));
        let chosen = all().find(english).or_else(|| all().next());
        let text = chosen.and_then(|it| it.text.as_ref());
        text.map(|text| text.value.trim()).unwrap_or_default()
    };
    let long = bounded(of("longdesc"), MAX_LONG);
    (short(of("shortdesc")), long)
}

/// OCF 1.1 has an element for it. Agents before say so in words: in the line about them, or at the
/// beginning of the text.
fn is_deprecated(element: &Element<'_>, short: &str, long: &str) -> bool {
    let says = |text: &str| {
        let mut words = text.split(|c: char| !c.is_alphabetic());
        words.any(|word| {
            word.eq_ignore_ascii_case("deprecated") || word.eq_ignore_ascii_case("obsolete")
        })
    };
    let begins = |word: &str| {
        long.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    is_set(element, "deprecated")
        || children(element, "deprecated").next().is_some()
        || says(short)
        || begins("deprecated")
        || begins("obsolete")
}

fn is_set(element: &Element<'_>, attribute: &str) -> bool {
    matches!(element.value(attribute), Some("1" | "true" | "yes"))
}

fn children<'e, 'a>(
    element: &'e Element<'a>,
    name: &'static str,
) -> impl Iterator<Item = &'e Element<'a>> {
    let all = element.children.iter();
    all.filter(move |child| child.name == name)
}

/// A text in one line.
fn short(text: &str) -> String {
    let words: Vec<&str> = text.split_ascii_whitespace().take(MAX_SHORT).collect();
    bounded(&words.join(" "), MAX_SHORT)
}

fn name(text: &str) -> String {
    bounded(text.trim(), MAX_NAME)
}

/// The beginning, without what could drive a terminal.
fn bounded(text: &str, most: usize) -> String {
    let shown = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let mut characters = text.chars().filter(shown);
    let mut kept: String = characters.by_ref().take(most).collect();
    if characters.next().is_some() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_an_agent_says_about_itself() {
        let agent = read(
            r#"
            <?xml version="1.0"?>
            <!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
            <resource-agent name="db" version="1.2">
              <version>1.1</version>
              <longdesc lang="de">Eine Datenbank.</longdesc>
              <longdesc lang="en">A &lt;database&gt;
                with two lines.</longdesc>
              <shortdesc lang="en">Manages
                a database</shortdesc>
              <parameters>
                <parameter name="port" unique="1" required="1" reloadable="1">
                  <longdesc lang="en">Where it listens.</longdesc>
                  <content type="integer" default="5432"/>
                </parameter>
                <parameter name="unit">
                  <content type="select" default="M"><option value="K"/><option value="M"/></content>
                </parameter>
                <parameter name="old">
                  <deprecated><replaced-with name="port"/><desc>Old.</desc></deprecated>
                  <content/>
                </parameter>
                <parameter name="user"><shortdesc lang="en">User (DEPRECATED)</shortdesc></parameter>
                <parameter name="ignore"><shortdesc>Suppress deprecation warnings</shortdesc></parameter>
                <parameter/>
              </parameters>
              <actions>
                <action name="start" timeout="60s"/>
                <action name="monitor" timeout="30" interval="10" depth="0" role="Promoted"/>
              </actions>
            </resource-agent>"#,
        )
        .unwrap();
        assert_eq!((agent.version.as_str(), agent.deprecated), ("1.2", false));
        assert_eq!(agent.short, "Manages a database");
        assert!(agent.long.starts_with("A <database>\n"), "{}", agent.long);
        let [port, unit, old, user, ignore] = &agent.parameters[..] else {
            panic!("{:?}", agent.parameters);
        };
        assert!(port.required && port.unique && port.reloadable && !port.deprecated);
        assert_eq!(
            (port.kind.as_str(), port.default.as_deref()),
            ("integer", Some("5432"))
        );
        assert_eq!(unit.options, ["K", "M"]);
        assert!(old.deprecated && old.kind == "string" && old.replaced_with == ["port"]);
        assert!(user.deprecated && !ignore.deprecated);
        let names: Vec<&str> = agent.actions.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["start", "monitor"]);
        assert_eq!(agent.actions[1].role, "Promoted");
    }

    #[test]
    fn it_says_why_a_text_is_not_metadata() {
        let refused = |text: &str| read(text).unwrap_err();
        assert_eq!(
            refused("<a/>"),
            "its root element is <a>, not <resource-agent>"
        );
        let cut = refused("<resource-agent>\n<parameters>");
        assert!(cut.starts_with("line 2: "), "{cut}");
        let entity = "<!DOCTYPE resource-agent [<!ENTITY a \"aaaaaaaa\">]><resource-agent/>";
        assert!(refused(entity).contains("document type"));
        assert!(refused("<!DOCTYPE").contains("document type"));
        assert!(refused(&" ".repeat(MAX_METADATA + 1)).contains("longer"));
        assert!(!refused(&"<resource-agent>".repeat(10_000)).is_empty());
        assert!(!refused("usage: db {start|stop}").is_empty());
        assert!(!refused("").is_empty());
    }

    #[test]
    fn it_keeps_a_bounded_part_of_what_a_guest_sends() {
        let long = "x".repeat(100_000);
        let many = "<parameter name='p'/>".repeat(2 * MAX_LISTED);
        let agent = read(&format!(
            "<resource-agent version='{long}'><longdesc>{long}</longdesc><shortdesc>{long}</shortdesc>\
             <parameters>{many}</parameters></resource-agent>"
        ))
        .unwrap();
        assert_eq!(agent.parameters.len(), MAX_LISTED);
        assert_eq!(agent.version.chars().count(), MAX_NAME + 1);
        assert_eq!(agent.short.chars().count(), MAX_SHORT + 1);
        assert_eq!(agent.long.chars().count(), MAX_LONG + 1);
    }
}
