//! Why services are where they are, and what is not as it should be: the policy engine's own
//! reasons for what it decides about the state as it is now.
//!
//! It takes the decision again, with a journal, about the present input; so the answer is about
//! this moment, and costs the controller only a copy of its input.

use controller::{Controller, Time};
use cpe_bus::{Error, Result};
use cpe_status::{AssemblyState, ReferenceStatus};
use policy_engine::explain::{self, Detail, Question, Terms};
use policy_engine::{Cib, RunOptions};

use crate::clock;

/// What is asked.
#[derive(Debug, Default)]
pub(crate) struct Inquiry {
    /// The service; none: the assembly, or the whole.
    pub(crate) service: Option<String>,
    /// The assembly.
    pub(crate) assembly: Option<String>,
    /// Also the parts of all scores, in the text.
    pub(crate) scores: bool,
    /// Who asks may not see what values attributes and references have.
    pub(crate) hides_values: bool,
}

/// The answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// For people.
    pub(crate) text: String,
    /// For programs: a JSON array.
    pub(crate) json: String,
}

/// What the policy engine would be asked now.
#[derive(Debug)]
pub(crate) struct Basis {
    cib: String,
    now: Time,
    references: Vec<ReferenceStatus>,
    /// Assemblies that their devices have not let in yet, with what they wait for.
    not_let_in: Vec<(String, String)>,
    terms: Terms,
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
            references: status.references,
            not_let_in: controller.not_let_in(now),
            terms: controller.terms(),
        })
    }

    /// The values beyond the document that parameters of the services follow that are asked about:
    /// the policy engine sees what they are, and not where they come from.
    fn followed(&self, inquiry: &Inquiry) -> String {
        let asked = inquiry.service.as_deref();
        let own = self.references.iter();
        let own = own.filter(|own| asked.is_none_or(|asked| asked == own.service));
        own.map(|own| {
            let (service, parameter, name) = (&own.service, &own.parameter, &own.name);
            let assembly = &own.assembly;
            match &own.value {
                Some(_) if inquiry.hides_values => format!(
                    "{service}: parameter {parameter} follows {name} of {assembly}, from the {}\n",
                    own.from
                ),
                Some(value) => format!(
                    "{service}: parameter {parameter} is {value}: {name} of {assembly}, from the {}\n",
                    own.from
                ),
                None => format!(
                    "{service} is not started, and left alone where it runs: its parameter {parameter} follows {name} of {assembly}, which is not known yet\n"
                ),
            }
        })
        .collect()
    }

    /// What the policy engine does not see of assemblies that are to be let in: how far that is,
    /// and how it failed.
    fn unfencing(&self, inquiry: &Inquiry) -> String {
        let asked = inquiry.assembly.as_deref();
        let own = self.not_let_in.iter();
        let own = own.filter(|(name, _)| asked.is_none_or(|asked| asked == name));
        own.map(|(name, text)| {
            let deployment = self.terms.deployment.as_deref().unwrap_or_default();
            format!(
                "{name} {text}. What requires unfencing is not started there before; how it goes on: cpectl fencing {deployment}\n"
            )
        })
        .collect()
    }

    /// Answers why. Takes as long as a decision.
    ///
    /// # Errors
    /// [`Error::NotFound`], listing what exists.
    pub(crate) fn explain(&self, inquiry: &Inquiry) -> Result<Answer> {
        let cib =
            Cib::parse_accepted(&self.cib).map_err(|error| Error::Failed(error.to_string()))?;
        let options = RunOptions {
            explain: true,
            zone: cib.zone(clock::zone).map_err(Error::Failed)?,
            ..RunOptions::default()
        };
        let schedule = policy_engine::schedule(&cib, self.now.wall_s(), options);
        let question = Question {
            resource: inquiry.service.as_deref(),
            node: inquiry.assembly.as_deref(),
        };
        let terms = Terms {
            hides_values: inquiry.hides_values,
            ..self.terms.clone()
        };
        let told = explain::answer(&schedule, question, &terms).map_err(|error| {
            let text = error.to_string();
            match error {
                explain::Error::Unknown { .. } => Error::NotFound(text),
                explain::Error::NoJournal => Error::Failed(text),
            }
        })?;
        let detail = match inquiry.scores {
            true => Detail::Scores,
            false => Detail::Reasons,
        };
        Ok(Answer {
            text: explain::to_text(&told, detail)
                + &self.followed(inquiry)
                + &self.unfencing(inquiry),
            json: explain::to_json(&told),
        })
    }
}
