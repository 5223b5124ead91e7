//! Why a service would not run after a loss, in the words of an explanation.

use cpe_status::{RoomLoss, RoomOutcome, limits};
use policy_engine::Schedule;
use policy_engine::explain::{self, Explanation, Question, Statement, Value};

use super::RoomInput;
use super::world;
use crate::vocabulary::ServiceId;

/// Services of one loss that are explained: a loss of half of a large deployment has hundreds with
/// the same reason.
const MOST_EXPLAINED: usize = 32;
/// Bytes of one reason.
const LONGEST_REASON: usize = 1024;

impl RoomInput {
    /// Adds reasons to what a loss takes down. `schedule`: what is decided after it, with reasons.
    pub(super) fn explain(&self, schedule: &Schedule, told: &mut RoomLoss) {
        let worst = |own: &&mut cpe_status::RoomService| !own.outcome.is_bearable();
        let services = told.services.iter_mut().filter(worst);
        for own in services.take(MOST_EXPLAINED) {
            let service = ServiceId::from(own.service.as_str());
            let idle = own.outcome != RoomOutcome::NotPromoted;
            let answer = self.explanation(schedule, &service, idle);
            let reason = answer.map(|answer| reason_of(&answer)).unwrap_or_default();
            own.reason = limits::bounded(&reason, LONGEST_REASON);
        }
    }

    /// What is said of an instance of a service that does not run, or of one that does.
    fn explanation(
        &self,
        schedule: &Schedule,
        service: &ServiceId,
        idle: bool,
    ) -> Option<Explanation> {
        let mut own = world::leaves(schedule)
            .filter(|(_, own)| ServiceId::of_resource(&own.config_id) == *service);
        let (_, instance) = own.find(|(_, own)| own.active_on.is_empty() == idle)?;
        let question = Question {
            resource: Some(&instance.id),
            node: None,
        };
        let answers = explain::answer(schedule, question, &self.terms);
        answers.ok()?.into_iter().next()
    }

    /// Constraints that are named where it is said why services do not run.
    pub(super) fn constraints(&self, schedule: &Schedule, services: &[ServiceId]) -> Vec<String> {
        let mut found = Vec::new();
        for service in services.iter().take(MOST_EXPLAINED) {
            let Some(answer) = self.explanation(schedule, service, true) else {
                continue;
            };
            let nodes = answer.nodes.iter().map(|line| &line.reason);
            let own = answer.reason.iter().chain(&answer.remarks).chain(nodes);
            own.for_each(|statement| collect(statement, &mut found));
        }
        found
    }
}

/// The one reason; if there is none, what it waits for; else what is said first.
fn reason_of(answer: &Explanation) -> String {
    if let Some(reason) = &answer.reason {
        return reason.text.clone();
    }
    let waits = answer.steps.iter().flat_map(|step| &step.waits).next();
    let other = waits.or_else(|| answer.remarks.first());
    other.unwrap_or(&answer.outcome).text.clone()
}

/// The constraints that a statement names, each once.
fn collect(statement: &Statement, found: &mut Vec<String>) {
    for (_, value) in &statement.parameters {
        match value {
            Value::Constraint(id) if !found.contains(id) => found.push(id.clone()),
            Value::Because(inner) => collect(inner, found),
            Value::All(inner) => inner.iter().for_each(|inner| collect(inner, found)),
            _ => {}
        }
    }
}
