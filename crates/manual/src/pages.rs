//! Which man pages there are, and what each is made of.

use anyhow::Context;

use crate::sections::{body, section};
use crate::{roff, routes, settings};

const OPERATIONS: &str = include_str!("../../../docs/operations.md");
const REFERENCE: &str = include_str!("../../../docs/reference.md");
const DOCUMENT: &str = include_str!("../../../docs/deployment-document.md");
const GATEWAY: &str = include_str!("../../../docs/gateway.md");
const CONTRACT: &str = include_str!("../../../docs/openapi.json");
const CPE_TOML: &str = include_str!("../../../systemd/etc/cpe/cpe.toml");
const GATEWAY_TOML: &str = include_str!("../../../systemd/etc/cpe/gateway.toml");
const ACCESS_TOML: &str = include_str!("../../../examples/access.toml");

/// A man page.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its name.
    pub name: &'static str,
    /// Its section.
    pub section: u8,
    /// What it is about, in a line.
    pub about: &'static str,
    /// The file that it describes.
    pub file: &'static str,
    /// The text, in Markdown.
    pub text: String,
    /// Other pages.
    pub see: &'static str,
}

impl Page {
    /// Where it is below a folder of man pages.
    pub fn path(&self) -> String {
        format!("man{0}/{1}.{0}", self.section, self.name)
    }

    /// The page as `man` reads it.
    pub fn roff(&self) -> String {
        roff::page(self)
    }
}

/// All of them.
///
/// # Errors
/// If a page below `docs/` does not have a part any more that a man page is made of.
pub fn all() -> anyhow::Result<Vec<Page>> {
    let mut pages = files()?;
    pages.extend(words()?);
    Ok(pages)
}

/// Section 5: files.
fn files() -> anyhow::Result<Vec<Page>> {
    let access = section(OPERATIONS, "Who may do what")?;
    Ok(vec![
        Page {
            name: "cpe.toml",
            section: 5,
            about: "settings of the daemon of the Cloud Policy Engine",
            file: "/etc/cpe/cpe.toml",
            text: settings::markdown(CPE_TOML),
            see: "cpe(8), cpe-access(5)",
        },
        Page {
            name: "cpe-gateway.toml",
            section: 5,
            about: "settings of the gateway of the Cloud Policy Engine",
            file: "/etc/cpe/gateway.toml",
            text: settings::markdown(GATEWAY_TOML),
            see: "cpe-gateway(8), cpe-rest(7), cpe-access(5)",
        },
        Page {
            name: "cpe-access",
            section: 5,
            about: "who may do what with the Cloud Policy Engine",
            file: "/etc/cpe/access.toml",
            text: format!("## Description\n\n{access}\n## Example\n\n```toml\n{ACCESS_TOML}```\n"),
            see: "cpe(8), cpe.toml(5), cpe-gateway(8), cpectl(1)",
        },
        Page {
            name: "cpe-deployment",
            section: 5,
            about: "documents of deployments of the Cloud Policy Engine",
            file: "FILE.xml",
            text: body(DOCUMENT),
            see: "cpectl(1), cpectl-validate(1), cpectl-deploy(1), policy-simulate(1), cpe-states(7)",
        },
    ])
}

/// Section 7: words.
fn words() -> anyhow::Result<Vec<Page>> {
    let (events, log) = (
        section(REFERENCE, "Events")?,
        section(OPERATIONS, "The event log")?,
    );
    let errors = section(REFERENCE, "Errors")?;
    let messages = section(REFERENCE, "Messages of the journal")?;
    let (_, problems) = errors
        .split_once("### Of the gateway\n")
        .context("no page has a heading `### Of the gateway` any more")?;
    let problems = problems.split("### ").next().unwrap_or(problems);
    let routes = routes::markdown(CONTRACT)?;
    Ok(vec![
        Page {
            name: "cpe-events",
            section: 7,
            about: "events of the Cloud Policy Engine",
            file: "",
            text: format!("## Description\n\n{log}\n## Kinds\n\n{events}"),
            see: "cpectl-events(1), cpe-sinks(5), cpe-states(7), cpe-errors(7), journalctl(1)",
        },
        Page {
            name: "cpe-states",
            section: 7,
            about: "states of deployments, assemblies and services of the Cloud Policy Engine",
            file: "",
            text: format!("## Description\n\n{}", section(REFERENCE, "States")?),
            see: "cpectl-status(1), cpectl-explain(1), cpe-events(7), cpe-errors(7)",
        },
        Page {
            name: "cpe-errors",
            section: 7,
            about: "errors and messages of the Cloud Policy Engine",
            file: "",
            text: format!("## Errors\n\n{errors}\n## Messages of the journal\n\n{messages}"),
            see: "cpectl(1), cpe-events(7), cpe-states(7), cpe-rest(7), journalctl(1)",
        },
        Page {
            name: "cpe-rest",
            section: 7,
            about: "REST of the Cloud Policy Engine",
            file: "",
            text: format!(
                "{}\n## Routes\n\n{routes}\n## Problems\n\n{problems}",
                body(GATEWAY)
            ),
            see: "cpe-gateway(8), cpe-gateway.toml(5), cpe-access(5), cpe-events(7), curl(1)",
        },
    ])
}
