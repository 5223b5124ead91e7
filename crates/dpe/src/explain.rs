//! Why services are where they are: the policy engine's own notes on what it decides about the
//! state as it is now.
//!
//! It takes the decision again, with a journal, about the present input; so the answer is about
//! this moment, and costs the controller only a copy of its input.

use controller::{Controller, Time};
use cpe_bus::{Error, Result};
use cpe_status::AssemblyState;
use policy_engine::explain::{self, Terms};
use policy_engine::output::items;
use policy_engine::{Cib, RunOptions};

/// What users call the policy engine's things.
const TERMS: Terms = Terms {
    node: "assembly",
    nodes: "assemblies",
    resource: "service",
    resources: "services",
    cluster: "deployment",
};

/// What the policy engine would be asked now.
#[derive(Debug)]
pub(crate) struct Basis {
    cib: String,
    now: Time,
}

impl Basis {
    /// A copy of what the controller knows.
    ///
    /// # Errors
    /// [`Error::NotReady`] if nothing is loaded, or nothing is decided because there are assemblies
    /// of which nothing is known.
    pub(crate) fn of(controller: &Controller, now: Time) -> Result<Basis> {
        if controller.document().is_none() {
            return Err(Error::NotReady(
                "no document is loaded: load one first".into(),
            ));
        }
        let status = controller.status(now);
        let unknown: Vec<&str> = status
            .assemblies
            .iter()
            .filter(|assembly| assembly.state == AssemblyState::Unknown)
            .map(|assembly| assembly.name.as_str())
            .collect();
        if !unknown.is_empty() {
            return Err(Error::NotReady(format!(
                "nothing is decided yet, because nothing is known about {}: try again in a few seconds",
                unknown.join(", ")
            )));
        }
        Ok(Basis {
            cib: controller.input(now),
            now,
        })
    }

    /// Explains a service on all assemblies, or on one. Takes as long as a decision.
    ///
    /// # Errors
    /// [`Error::NotFound`], listing what exists.
    pub(crate) fn explain(&self, service: &str, assembly: Option<&str>) -> Result<String> {
        let cib =
            Cib::parse_accepted(&self.cib).map_err(|error| Error::Failed(error.to_string()))?;
        let options = RunOptions {
            explain: true,
            ..RunOptions::default()
        };
        let schedule = policy_engine::schedule(&cib, self.now.wall_s(), options);
        let explanation =
            explain::resource(&schedule, service, assembly, &TERMS).map_err(|error| {
                let text = error.to_string();
                match error {
                    explain::Error::Unknown { .. } => Error::NotFound(text),
                    explain::Error::NoJournal => Error::Failed(text),
                }
            })?;
        let mut text = String::new();
        items::write(&explanation, 0, &mut text);
        Ok(text)
    }
}
