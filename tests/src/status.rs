//! The output of `cpectl --json`. Absent fields are empty, so that a test can wait for them.

use serde_json::Value;

/// One deployment's status.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status(pub Value);

impl Status {
    /// From JSON text; anything else is an empty status.
    pub fn parse(text: &str) -> Status {
        Status(serde_json::from_str(text).unwrap_or_default())
    }

    /// The deployment's state: `active`, `degraded`, …; empty when unknown.
    pub fn state(&self) -> &str {
        self.0["state"].as_str().unwrap_or("")
    }

    fn named<'a>(&'a self, list: &str, name: &str) -> Option<&'a Value> {
        self.0[list]
            .as_array()?
            .iter()
            .find(|item| item["name"] == name)
    }

    /// Where a service runs now.
    pub fn assembly_of(&self, service: &str) -> Option<String> {
        let service = self.named("services", service)?;
        let running = matches!(
            service["state"].as_str(),
            Some("started" | "running" | "promoted" | "unpromoted")
        );
        service["assembly"]
            .as_str()
            .filter(|name| running && !name.is_empty())
            .map(str::to_owned)
    }

    /// The state of an assembly: `online`, `lost`, ….
    pub fn assembly_state(&self, name: &str) -> String {
        self.named("assemblies", name)
            .and_then(|item| item["state"].as_str())
            .unwrap_or("")
            .to_owned()
    }

    /// The names of all services.
    pub fn services(&self) -> Vec<String> {
        let services = self.0["services"].as_array().cloned().unwrap_or_default();
        services
            .iter()
            .filter_map(|item| item["name"].as_str().map(str::to_owned))
            .collect()
    }

    /// Every service runs, and no transition is under way.
    pub fn is_settled(&self) -> bool {
        self.all_running() && self.0["transition"]["state"] != "running"
    }

    /// Every service runs somewhere and the deployment is active.
    pub fn all_running(&self) -> bool {
        let services = self.services();
        self.state() == "active"
            && !services.is_empty()
            && services.iter().all(|name| self.assembly_of(name).is_some())
    }
}

/// One event of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event(pub Value);

impl Event {
    /// From `cpectl events --json`: an array, or one JSON object a line.
    pub fn parse_all(text: &str) -> Vec<Event> {
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Array(items)) => items.into_iter().map(Event).collect(),
            _ => text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .map(Event)
                .collect(),
        }
    }

    /// A field, wherever the form (plain or CloudEvents) keeps it; empty when absent.
    pub fn field(&self, name: &str) -> String {
        let value = if self.0[name].is_null() {
            &self.0["data"][name]
        } else {
            &self.0[name]
        };
        value.as_str().map_or_else(
            || {
                if value.is_null() {
                    String::new()
                } else {
                    value.to_string()
                }
            },
            str::to_owned,
        )
    }

    /// `assembly.lost`, `service.moved`, ….
    pub fn kind(&self) -> String {
        self.field("kind")
    }
}
