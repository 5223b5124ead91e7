//! From a decision to operations in guests: carries the policy engine's graph out.

use super::Controller;
use crate::machines::assembly::{Assembly, Life};
use crate::machines::execution::{End, Finished};
use crate::machines::run::{Run, Work};
use crate::machines::transition::Transition;
use crate::vocabulary::{AssemblyId, Effect, EventDraft, EventKind, Time, pending};

impl Controller {
    /// No assembly is unknown: each is online, lost or safe.
    pub fn everything_known(&self) -> bool {
        self.assemblies
            .values()
            .all(|assembly| !matches!(assembly.life(), Life::Unknown { .. }))
    }

    /// Goes on as far as possible now: carries out what was decided, and asks what is next.
    pub(crate) fn advance(&mut self, now: Time) {
        if !self.document.is_in_force() {
            return;
        }
        if !self.execution.is_idle() {
            if self.execution.only_fences() && self.has_looked() {
                self.world_changed("what runs was looked at");
            }
            self.stop_awaiting_what_waits(now);
            self.carry_out(now);
            if !self.execution.is_over() {
                self.ask_beside_work(now);
                return;
            }
            self.finish_transition(now);
        }
        self.ask(now);
    }

    /// The world has changed while agents wait with operations for their start delays, which may be
    /// long. What is decided now need not wait for that: an agent knows that nothing of it was
    /// done, and takes it back when it is asked for something else. If it is asked for the same, it
    /// begins when it would have. Migrations are awaited: both their ends must know.
    fn stop_awaiting_what_waits(&mut self, now: Time) {
        let transition = self.execution.transition();
        if transition.is_none_or(|transition| transition.aborted().is_none()) {
            return;
        }
        let waiting = |run: &Run| run.has_not_begun(now.boottime_us) && !run.migrates();
        for index in self.execution.synapses(waiting) {
            self.stop_awaiting(index);
        }
    }

    /// What an aborted transition still has to do in an assembly that is lost, safe or another
    /// guest by now is not done any more: a notification there would be awaited for ever, and
    /// nothing decided meanwhile.
    fn give_up_unreachable(&mut self) {
        let transition = self.execution.transition();
        let Some(transition) = transition.filter(|transition| transition.aborted().is_some())
        else {
            return;
        };
        let is_gone = |index: &usize| {
            let place = transition.place(*index);
            let name = place.map(|place| &transition.places()[place]);
            name.is_some_and(|name| !self.assemblies.get(name).is_some_and(Assembly::usable))
        };
        let gone: Vec<usize> = transition.ready().into_iter().filter(is_gone).collect();
        for index in gone {
            self.execution.end(index, false);
        }
    }

    /// Begins what may begin.
    fn carry_out(&mut self, now: Time) {
        loop {
            self.give_up_unreachable();
            let transition = self.execution.transition();
            let ready = transition.map_or_else(Vec::new, Transition::ready);
            let (mut begun, mut room) = (false, self.rooms());
            for index in ready {
                // What was just begun may have changed the world.
                let transition = self.execution.transition();
                if !transition.is_some_and(|transition| transition.is_ready(index)) {
                    continue;
                }
                // Thousands may be ready: what cannot be sent is not looked at.
                let place = transition.and_then(|transition| transition.place(index));
                if place.is_some_and(|place| !room[place]) {
                    continue;
                }
                let under_way = self.execution.runs().count();
                begun |= self.initiate(now, index);
                if self.execution.runs().count() != under_way {
                    room = self.rooms();
                }
            }
            if !begun {
                return;
            }
        }
    }

    /// Which of the transition's places take an operation now.
    fn rooms(&self) -> Vec<bool> {
        let transition = self.execution.transition();
        let places = transition.into_iter().flat_map(Transition::places);
        places.map(|place| self.can_send(place)).collect()
    }

    /// An operation may be sent to that assembly now.
    pub(crate) fn can_send(&self, node: &AssemblyId) -> bool {
        self.assemblies.get(node).is_some_and(Assembly::reachable) && self.execution.has_room(node)
    }

    /// Has an agent do its work.
    pub(crate) fn send(&mut self, assembly: &AssemblyId, work: &Work) {
        match work {
            // This host does it: see `devices.rs`.
            Work::Operation(operation) if operation.is_of_device() => {}
            Work::Operation(operation) => {
                if let Some(own) = self.assemblies.get_mut(assembly) {
                    own.history_mut().sent(pending(operation));
                }
                self.note_arrival(assembly, operation);
                self.effects.push(Effect::Execute {
                    assembly: assembly.clone(),
                    operation: operation.clone(),
                });
            }
            Work::Cancel {
                resource,
                action,
                interval_ms,
            } => self.effects.push(Effect::Cancel {
                assembly: assembly.clone(),
                resource: resource.clone(),
                action: action.clone(),
                interval_ms: *interval_ms,
            }),
            Work::Fence | Work::Unfence(_) => {}
        }
    }

    /// Has an agent forget a resource, and forgets it here.
    pub(crate) fn forget_resource(&mut self, assembly: &AssemblyId, resource: &str) {
        self.forget_failure(assembly, resource);
        if let Some(own) = self.assemblies.get_mut(assembly) {
            own.history_mut().forget(resource);
            if own.contact().is_up() {
                self.effects.push(Effect::Forget {
                    assembly: assembly.clone(),
                    resource: resource.to_owned(),
                });
            }
        }
    }

    /// Ends an action: what was sent for it is no longer pending.
    pub(crate) fn end(&mut self, index: usize, succeeded: bool) {
        let Some(run) = self.execution.end(index, succeeded) else {
            return;
        };
        self.deciding.work_changed();
        if let Some(operation) = run.operation()
            && let Some(assembly) = self.assemblies.get_mut(&run.assembly)
        {
            assembly.history_mut().settled(&operation.resource);
        }
    }

    /// Ends all fencing actions for an assembly. `true`: there were some.
    pub(crate) fn fencing_ended(&mut self, name: &AssemblyId, succeeded: bool) -> bool {
        let fences = |run: &Run| run.assembly == *name && run.is_fence();
        let done = self.execution.synapses(fences);
        for index in &done {
            self.end(*index, succeeded);
        }
        !done.is_empty()
    }

    /// Whatever was under way in an assembly will have no result.
    pub(crate) fn actions_lost(&mut self, name: &AssemblyId, reason: &str) {
        let work = |run: &Run| run.assembly == *name && !run.is_fence();
        let lost = self.execution.synapses(work);
        for index in &lost {
            // What was sent may have been begun: that stays noted in the history of the lost
            // assembly.
            self.execution.end(*index, false);
        }
        if !lost.is_empty() {
            self.world_changed(&format!("operations under way were lost: {reason}"));
        }
    }

    fn finish_transition(&mut self, now: Time) {
        let Some(finished) = self.execution.finish(now.wall_us) else {
            return;
        };
        let counts = finished.counts;
        if counts.actions > 0 {
            self.tell(now, how_it_ended(&finished));
        }
        match finished.end {
            End::Aborted(_) => {}
            End::Completed => self.deciding.set_deadlocked(false),
            // Not even without live migrations. The policy engine may want a monitor after a start
            // that cannot be: nothing was begun, and it would decide the same again.
            End::Stuck if self.deciding.is_deadlocked() && !finished.worked => {
                self.deciding.set_deadlocked(false);
            }
            End::Stuck => {
                self.deciding.set_deadlocked(counts.failed == 0);
                self.deciding
                    .world_changed("the last transition could not be finished");
            }
        }
        if self.deciding.is_settled() && self.is_looking() {
            self.deciding.world_changed("what runs was looked at");
        }
        if self.deciding.is_settled() && self.looks_wait() {
            self.deciding.world_changed("failures were cleaned up");
        }
        if self.deciding.is_settled() {
            self.deciding.came_to_rest();
            self.settle_services(now);
        }
    }
}

pub(super) fn how_it_ended(finished: &Finished) -> EventDraft {
    let event = match &finished.end {
        End::Completed => {
            EventDraft::new(EventKind::TransitionCompleted).reason("everything is done")
        }
        End::Aborted(reason) => EventDraft::new(EventKind::TransitionAborted).reason(reason),
        End::Stuck => EventDraft::new(EventKind::TransitionAborted).reason("it cannot be finished"),
    };
    let counts = finished.counts;
    event
        .detail("transition", finished.number)
        .detail("actions", counts.actions)
        .detail("done", counts.done)
        .detail("failed", counts.failed)
        .detail("skipped", counts.skipped)
}
