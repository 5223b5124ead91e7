//! Decisions of the policy engine that are not carried out.
//!
//! [`lint`](policy_engine::lint()) checks each decision when it is made, on the policy engine's
//! thread. What it finds unsafe is a defect of the policy engine. Nothing of such a decision is
//! done: what runs goes on, the state of the deployment says what is wrong, and the policy engine
//! is asked again when the world has changed.
//!
//! Actions that wait for each other in a circle are safe, because none of them is ever begun. A
//! live migration behind a clone that restarts can bring that about, so the policy engine is asked
//! again without live migrations. If the circle remains, it is in the configuration; everything
//! else is carried out.

use policy_engine::lint::Finding;

use super::Controller;
use crate::vocabulary::{Effect, EventDraft, EventKind, InputName, Outcome, Time};

/// Findings that a text names.
const NAMED: usize = 3;

impl Controller {
    /// Whether a decision is refused. If it is, an event says so, and its input is kept.
    pub(super) fn refuses(
        &mut self,
        now: Time,
        asked_for: &str,
        cib: &str,
        outcome: &Outcome,
    ) -> bool {
        if self.is_unsafe(now, cib, outcome) {
            return true;
        }
        if outcome.findings.is_empty() || self.deciding.is_deadlocked() {
            return false;
        }
        let text = sentence(&outcome.findings.iter().collect::<Vec<_>>());
        let state = "asked again without live migrations";
        self.report_refusal(now, state, &text, cib, Some(outcome));
        self.deciding.set_deadlocked(true);
        self.deciding.world_changed(asked_for);
        true
    }

    /// Whether nothing of a decision may be done. If so, that is told.
    pub(super) fn is_unsafe(&mut self, now: Time, cib: &str, outcome: &Outcome) -> bool {
        let wrong = |finding: &&Finding| finding.is_unsafe();
        let unsafe_ones: Vec<&Finding> = outcome.findings.iter().filter(wrong).collect();
        if unsafe_ones.is_empty() {
            return false;
        }
        let text = sentence(&unsafe_ones);
        // The same again is not news.
        if self.deciding.fail(text.clone()) {
            self.report_refusal(now, "refused", &text, cib, Some(outcome));
        }
        true
    }

    /// The policy engine gave no answer: a defect ended it, or it cannot read its input. As with a
    /// refused decision, an event says so, and the input is kept.
    pub(super) fn decision_failed(&mut self, now: Time, cib: &str, error: String) {
        let text = format!("the policy engine could not decide: {error}");
        if self.deciding.fail(text.clone()) {
            self.report_refusal(now, "failed", &text, cib, None);
        }
    }

    fn report_refusal(
        &mut self,
        now: Time,
        state: &'static str,
        text: &str,
        cib: &str,
        outcome: Option<&Outcome>,
    ) {
        let slot = self.deciding.refused_slot();
        self.effects.push(Effect::KeepInput {
            name: InputName::Refused(slot),
            cib: cib.to_owned(),
            graph: outcome.map_or_else(String::new, |outcome| outcome.graph_text.clone()),
        });
        let input = format!("refused-input-{slot:02}.xml");
        let event = EventDraft::new(EventKind::DecisionRefused)
            .state(state)
            .reason(text)
            .detail(
                "findings",
                outcome.map_or(0, |outcome| outcome.findings.len()),
            )
            .detail("input", input);
        self.tell(now, event);
    }
}

fn sentence(findings: &[&Finding]) -> String {
    let named = findings.iter().take(NAMED).map(ToString::to_string);
    let mut text = format!(
        "the policy engine's decision is refused: {}",
        named.collect::<Vec<_>>().join("; ")
    );
    if findings.len() > NAMED {
        text.push_str(&format!("; and {} more", findings.len() - NAMED));
    }
    text
}
