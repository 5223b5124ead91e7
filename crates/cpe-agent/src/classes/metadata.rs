//! An agent's own description of its parameters and actions, as OCF 1.1 metadata. Init scripts and
//! units have none; theirs is made from what they say about themselves.

use std::collections::BTreeSet;
use std::time::Duration;

use cpe_bus::{Error, Operation, ResourceClass, Result};
use tokio::sync::oneshot;

use super::{Classes, lsb};
use crate::process::{self, End, Finished, Program};

/// How long an agent may take to describe itself.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Longest metadata, in bytes.
const MAX_METADATA: usize = 1024 * 1024;

impl Classes {
    /// The metadata of an agent, XML.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the agent does not exist, [`Error::Failed`] if it gives no metadata.
    pub async fn metadata(&self, class: &str, provider: &str, agent: &str) -> Result<String> {
        // The same checks as for an operation: these become parts of a path.
        let operation = Operation {
            id: "metadata".into(),
            resource: agent.to_owned(),
            class: class.to_owned(),
            provider: provider.to_owned(),
            agent: agent.to_owned(),
            action: "meta-data".into(),
            ..Operation::default()
        };
        let operation = Operation::from_fields(&operation.to_fields())?;
        match class.parse::<ResourceClass>()? {
            ResourceClass::Ocf => self.ocf_metadata(&operation).await,
            ResourceClass::Lsb => self.lsb_metadata(agent),
            ResourceClass::Systemd => self.unit_metadata(agent).await,
            ResourceClass::Service => match self.unit_metadata(agent).await {
                Err(_) if lsb::script(self, agent).is_some() => self.lsb_metadata(agent),
                other => other,
            },
        }
    }

    async fn ocf_metadata(&self, operation: &Operation) -> Result<String> {
        let mark = uuid::Uuid::new_v4().to_string();
        let mut program = self.ocf_program(operation, mark, TIMEOUT);
        (program.keep, program.most) = (MAX_METADATA + 1, Some(MAX_METADATA));
        if operation.provider.is_empty() || !program.path.is_file() {
            return Err(Error::NotFound(format!(
                "resource agent {} is not installed: there is no {}",
                operation.specification(),
                program.path.display()
            )));
        }
        let path = program.path.display().to_string();
        let failed = |what: String| Error::Failed(format!("{path} gives no metadata: {what}"));
        // To its end also if nobody waits for it any more: it must not go on for ever.
        let finished = tokio::spawn(run_and_clear_up(program)).await;
        let finished = finished
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(error.to_string()))?;
        let flooded = finished.end == End::Flooded || finished.stdout.len() > MAX_METADATA;
        match finished.end {
            _ if flooded => Err(failed(format!("it wrote more than {MAX_METADATA} bytes"))),
            End::Exited(0) if finished.stdout.trim_start().starts_with('<') => Ok(finished.stdout),
            End::Exited(0) => Err(failed("what it wrote is not XML".into())),
            End::Exited(code) => Err(failed(format!(
                "it exited with code {code}: {}",
                finished.stderr.trim_end()
            ))),
            End::Signalled(signal) => Err(failed(format!("it died of signal {signal}"))),
            End::TimedOut | End::Cancelled | End::Flooded => {
                Err(failed(format!("it took more than {} s", TIMEOUT.as_secs())))
            }
        }
    }

    fn lsb_metadata(&self, name: &str) -> Result<String> {
        let path = lsb::script(self, name).ok_or_else(|| {
            Error::NotFound(format!(
                "there is no init script {}",
                self.init_scripts.join(name).display()
            ))
        })?;
        let text = std::fs::read(&path)
            .map_err(|error| Error::Failed(format!("cannot read {}: {error}", path.display())))?;
        let text = String::from_utf8_lossy(&text[..text.len().min(64 * 1024)]).into_owned();
        let header = |key: &str| {
            text.lines()
                .filter_map(|line| line.strip_prefix('#'))
                .find_map(|line| {
                    line.trim()
                        .strip_prefix(key)
                        .map(|value| value.trim().to_owned())
                })
                .unwrap_or_default()
        };
        let actions = [
            "start",
            "stop",
            "status",
            "restart",
            "force-reload",
            "monitor",
        ];
        Ok(describe(
            name,
            &header("Description:"),
            &header("Short-Description:"),
            &actions,
        ))
    }

    async fn unit_metadata(&self, name: &str) -> Result<String> {
        match self.systemd.description(name).await {
            Ok(Some(description)) => Ok(describe(
                name,
                &description,
                &description,
                &["start", "stop", "status", "restart", "reload", "monitor"],
            )),
            Ok(None) => Err(Error::NotFound(format!(
                "there is no systemd unit {}",
                super::systemd::unit_name(name)
            ))),
            Err(error) => Err(Error::Failed(error.to_string())),
        }
    }
}

/// Runs a program and kills what it leaves behind: nothing that only describes itself starts
/// anything.
async fn run_and_clear_up(program: Program) -> std::io::Result<Finished> {
    let (_sender, mut cancel) = oneshot::channel();
    let finished = process::run(&program, &mut cancel).await;
    let marks = BTreeSet::from([program.mark]);
    // Reads of every process: beside the engine.
    let killed = tokio::task::spawn_blocking(move || {
        process::kill_left_over(&marks, process::own_session());
    });
    let _ = killed.await;
    finished
}

fn describe(name: &str, long: &str, short: &str, actions: &[&str]) -> String {
    let (name, long, short) = (escape(name), escape(long), escape(short));
    let actions: String = actions
        .iter()
        .map(|action| match *action {
            "monitor" | "status" => {
                format!("    <action name=\"{action}\" timeout=\"20s\" interval=\"15s\"/>\n")
            }
            action => format!("    <action name=\"{action}\" timeout=\"100s\"/>\n"),
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <resource-agent name=\"{name}\" version=\"1.0\">\n  \
           <version>1.1</version>\n  \
           <longdesc lang=\"en\">{long}</longdesc>\n  \
           <shortdesc lang=\"en\">{short}</shortdesc>\n  \
           <parameters/>\n  \
           <actions>\n{actions}    <action name=\"meta-data\" timeout=\"5s\"/>\n  </actions>\n\
         </resource-agent>\n"
    )
}

/// Text as XML character data; control characters, which XML cannot hold, are left out.
fn escape(text: &str) -> String {
    let allowed = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let text: String = text.chars().filter(allowed).collect();
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_escapes_what_a_script_says_about_itself() {
        let xml = describe("a", "R&D <daemon>\u{7}", "\"x\"", &["monitor"]);
        assert!(xml.contains("R&amp;D &lt;daemon&gt;</longdesc>"), "{xml}");
        assert!(xml.contains("&quot;x&quot;"));
        assert!(xml.contains("<action name=\"monitor\" timeout=\"20s\" interval=\"15s\"/>"));
    }
}
