//! Small deployment documents for tests. Services are real processes: `sleep`s under
//! `ocf:heartbeat:anything`; each has a unique duration, by which tests find it.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Builds a document with short heartbeat intervals, so that tests are quick.
#[derive(Debug, Clone)]
pub struct Document {
    name: String,
    timing: String,
    fencing: String,
    assemblies: Vec<String>,
    /// Of those that are not reached at the socket file that they share with their host.
    addresses: BTreeMap<String, String>,
    services: Vec<String>,
    constraints: String,
}

impl Document {
    /// A deployment over some guests of the lab.
    pub fn new(name: &str, assemblies: &[&str]) -> Document {
        Document {
            name: name.to_owned(),
            timing: r#"heartbeat_interval="500ms" heartbeat_timeout="2s" lease="3s""#.to_owned(),
            fencing: r#"<fencing mode="lease"/>"#.to_owned(),
            assemblies: assemblies.iter().map(|&name| name.to_owned()).collect(),
            addresses: BTreeMap::new(),
            services: Vec::new(),
            constraints: String::new(),
        }
    }

    /// The attributes of `<deployable>` that have to do with time; empty: the format's defaults.
    pub fn timing(mut self, attributes: &str) -> Document {
        self.timing = attributes.to_owned();
        self
    }

    /// How every assembly is fenced; `{assembly}` in it is the assembly's name.
    pub fn fencing(mut self, element: &str) -> Document {
        self.fencing = element.to_owned();
        self
    }

    /// Where an assembly's agent is reached.
    pub fn address(mut self, assembly: &str, address: &str) -> Document {
        self.addresses
            .insert(assembly.to_owned(), address.to_owned());
        self
    }

    /// A service that is `sleep SECONDS`, in the assembly that the policy chooses.
    pub fn sleeper(self, name: &str, seconds: u32) -> Document {
        let options =
            format!(r#"<parameter name="cmdline_options"><value>{seconds}</value></parameter>"#);
        let binary = r#"<parameter name="binfile"><value>/usr/bin/sleep</value></parameter>"#;
        let pidfile =
            format!(r#"<parameter name="pidfile"><value>/run/{name}.pid</value></parameter>"#);
        self.service(&format!(
            r#"<service name="{name}" class="ocf" provider="heartbeat" type="anything" monitor_interval="1s">
      <parameters>{binary}{options}{pidfile}</parameters></service>"#
        ))
    }

    /// Any service element.
    pub fn service(mut self, element: &str) -> Document {
        self.services.push(element.to_owned());
        self
    }

    /// An element of `<constraints>`.
    pub fn constraint(mut self, element: &str) -> Document {
        self.constraints.push_str(element);
        self
    }

    /// The document's text.
    pub fn xml(&self) -> String {
        let mut text = format!(
            "<deployable name=\"{}\" uuid=\"6f6d7f6a-54a6-4c4b-9d70-0a4f0c3c6a11\" {}>\n  <assemblies>\n",
            self.name, self.timing
        );
        for assembly in &self.assemblies {
            let fencing = self.fencing.replace("{assembly}", assembly);
            let shared = format!("unix:/run/cpe/guests/{assembly}/agent.sock");
            let address = self.addresses.get(assembly).unwrap_or(&shared);
            let _ = writeln!(
                text,
                r#"    <assembly name="{assembly}" address="{address}">{fencing}</assembly>"#
            );
        }
        let _ = write!(
            text,
            "  </assemblies>\n  <services>\n    {}\n  </services>\n",
            self.services.join("\n    ")
        );
        if !self.constraints.is_empty() {
            let _ = writeln!(text, "  <constraints>{}</constraints>", self.constraints);
        }
        text.push_str("</deployable>");
        text
    }
}
