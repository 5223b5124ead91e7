//! The end of a deployment.

use super::Controller;
use crate::machines::assembly::Assembly;
use crate::machines::assembly::fence::Fence;
use crate::machines::document::Document;
use crate::machines::phase::Phase;
use crate::vocabulary::{AssemblyId, Effect, RecordState, SECOND, Time};

/// How long the end of a deployment waits for the event log to take the last events. Microseconds.
const LAST_EVENTS_US: u64 = 10 * SECOND;

/// Nothing is known to run there.
fn runs_nothing(assembly: &Assembly) -> bool {
    let history = assembly.history();
    let mut resources = history.resources();
    resources.all(|(resource, _)| !history.may_run(resource))
}

impl Controller {
    /// Ends a deployment when there is nothing left to do for it, and the log has its events.
    pub(super) fn finish_unload(&mut self, now: Time) {
        let loaded = self.store.loaded();
        let Some(stop_services) = loaded.and_then(|loaded| loaded.unload) else {
            return;
        };
        if self.phase == Phase::Serving {
            if stop_services && !self.is_at_rest() {
                return;
            }
            self.execution.stop();
            self.deciding.stop();
            // Whose services are left is let go of in the end: until then they can still be
            // stopped, if somebody says so.
            if stop_services {
                self.let_go(false);
            }
            self.phase.end(now.boottime_us + LAST_EVENTS_US);
        }
        let Phase::Ending { until_us } = self.phase else {
            return;
        };
        if self.store.outbox().len() == 0 || until_us <= now.boottime_us {
            self.let_go(!stop_services);
            self.store.end();
            self.document = Document::None;
            self.phase.finish(!stop_services);
            self.effects.push(Effect::Unloaded);
        }
    }

    /// Nothing is left to do, or what is left can only wait for an assembly that cannot be made
    /// safe without help.
    fn is_at_rest(&self) -> bool {
        // Whoever waits for a person since nothing else is known is waited for: else nobody would
        // know any more that services may run there.
        let doubtful = |assembly: &AssemblyId| self.needs_a_person(assembly).is_some();
        let waits = |assembly: &AssemblyId| {
            self.assemblies.get(assembly).is_some_and(|own| {
                let is_stuck = own.fence().is_some_and(Fence::stuck);
                // Whom no device lets in has started nothing in this boot.
                let is_out = own.unfencing().failures().0 > 0 && runs_nothing(own);
                (is_stuck || is_out) && !doubtful(assembly)
            })
        };
        let mut runs = self.execution.runs().peekable();
        let stuck = runs.peek().is_some() && runs.all(|(_, run)| waits(&run.assembly));
        // What is started by hand would run on without anybody who knows of it.
        let mut others = self
            .assemblies
            .iter()
            .filter(|(name, own)| !own.is_safe() && !waits(name));
        let by_hand = others.any(|(_, own)| {
            let mut records = own.history().records();
            records.any(|it| it.is_debug() && it.state == RecordState::Pending)
        });
        self.everything_known() && !by_hand && (self.idle() || stuck)
    }

    /// Lets go of all guests.
    fn let_go(&mut self, keep_services: bool) {
        for (name, assembly) in &self.assemblies {
            if assembly.contact().is_up() {
                self.effects.push(Effect::Release {
                    assembly: name.clone(),
                    keep_services,
                });
            }
            self.effects.push(Effect::Disconnect {
                assembly: name.clone(),
            });
        }
        self.assemblies.clear();
        self.dampening.clear();
    }
}
