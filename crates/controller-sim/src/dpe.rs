//! What the daemon `dpe` does around a controller: inputs in, effects out, timers, deaths at any
//! effect.

use controller::{Durable, Effect, Input, Refusal, Request, ServiceOrder};
use sim_kit::{MS, SECOND};

use crate::mutants::Subject;
use crate::queue::SimEvent;
use crate::shell::{Shell, brief};
use crate::world::World;

/// Something is wanted of a service, and not that this ends.
fn wants_something(request: &Request) -> bool {
    let Request::Service { order, .. } = request else {
        return false;
    };
    !matches!(
        order,
        ServiceOrder::Clear { .. } | ServiceOrder::Enable | ServiceOrder::Manage
    )
}

impl World {
    pub(crate) fn start_dpe(&mut self) {
        if self.shell.controller.is_some() || self.shell.unloaded {
            return;
        }

        self.shell.start += 1;
        let start = self.shell.start;
        self.say(|| format!("DPE starts ({start})"));
        let now = self.time();
        let subject = |shell: &Shell, mutant| {
            let durable = Durable::from_rows(shell.table.iter());
            let durable = durable.expect("the table holds what was written");
            let durable = durable.compared_with(&shell.newest_save);
            Subject::new(durable, now, mutant)
        };
        let controller = subject(&self.shell, self.options.mutant);
        if self.options.shadow {
            self.shell.shadow = Some(subject(&self.shell, self.options.mutant));
        }
        self.shell.controller = Some(controller);
        if let Some(zone) = self.scenario.clocks.host_zone() {
            self.input(Input::HostTimeZone(Some(zone)));
        }
        self.after(SECOND, SimEvent::RetryEvents(start));
        if self.shell.recreate.is_some() {
            // Who wants the end of the deployment says so until it has come.
            let stop_services = false;
            self.after(SECOND, SimEvent::Request(Request::Unload { stop_services }));
        }
        self.pump();
    }

    /// The process dies: what is not in the table is gone.
    pub(crate) fn kill_dpe(&mut self, back_after_us: u64) {
        if self.shell.controller.take().is_none() {
            return;
        }
        self.say(|| "DPE dies".into());
        self.orphans_end();
        self.shell.shadow = None;
        self.shell.shadow_effects.clear();
        self.shell.inbox.clear();
        self.shell.unsaved.clear();
        self.shell.held.clear();
        self.shell.seen_epochs.clear();
        self.shell.wants.clear();
        self.shell.streams.clear();
        self.shell.unacknowledged.clear();
        self.shell.planned_tick_us = None;
        self.shell.dies_after = None;
        self.shell.stopped_until_us = 0;
        self.dpe_goes_on();
        for stream in self.streams.values_mut().filter(|stream| stream.open) {
            stream.open = false;
            // Its last words are in the sockets already.
            stream.drains = true;
        }
        self.after(back_after_us, SimEvent::StartDpe);
    }

    /// The process is stopped for that time, or longer if it is already.
    pub(crate) fn stop_dpe(&mut self, for_us: u64) {
        let until_us = self.now_us + for_us;
        self.shell.stopped_until_us = self.shell.stopped_until_us.max(until_us);
        self.at(until_us, SimEvent::DpeGoesOn);
    }

    /// The process does not run, and does not know.
    pub(crate) fn is_stopped(&self) -> bool {
        self.now_us < self.shell.stopped_until_us
    }

    /// What waited comes up, in its order.
    pub(crate) fn dpe_goes_on(&mut self) {
        if !self.is_stopped() {
            for happening in std::mem::take(&mut self.shell.waiting) {
                self.dispatch(happening);
            }
        }
    }

    pub(crate) fn input(&mut self, input: Input) {
        if self.shell.controller.is_some() {
            self.shell.inbox.push_back(input);
            self.pump();
        }
    }

    pub(crate) fn request(&mut self, request: Request) {
        if self.shell.controller.is_none() {
            self.after(SECOND, SimEvent::Request(request));
            return;
        }
        // A stopped one takes it when it goes on, in its turn.
        if self.is_stopped() {
            self.shell.waiting.push_back(SimEvent::Request(request));
            return;
        }
        let disturbs = matches!(
            request,
            Request::Standby { on: true, .. }
                | Request::StandbyOfAll { on: true }
                | Request::Maintenance { on: true, .. }
        ) || wants_something(&request);
        // What people wanted while the DPE was dead, they do not want any more.
        if disturbs && self.peaceful {
            return;
        }
        // Nobody ends a deployment that is to be there, or is there again.
        let ends = self.scenario.ending.is_some() || self.shell.recreate.is_some();
        if matches!(request, Request::Unload { .. }) && !ends && self.checker.state_lost {
            return;
        }
        // Nobody sends a document to a deployment that they have ended.
        let ended = |controller: &Subject| controller.document().is_none();
        if matches!(request, Request::Load { .. })
            && self.scenario.ending.is_some()
            && self.shell.controller.as_ref().is_some_and(ended)
        {
            return;
        }
        let is_load = matches!(request, Request::Load { .. });
        if is_load && self.checker.state_lost && self.shell.controller.as_ref().is_some_and(ended) {
            self.end_strangers();
        }
        // A document that had to wait may have been changed meanwhile.
        let request = if matches!(request, Request::Load { .. }) {
            self.load_request()
        } else {
            request
        };
        self.input(Input::Request(request));
    }

    /// Does effects and takes inputs in until there are none.
    pub(crate) fn pump(&mut self) {
        loop {
            let now = self.time();
            let Some(controller) = &mut self.shell.controller else {
                return;
            };
            if let Some(effect) = controller.poll_effect() {
                self.shell.wanted_under = controller.generation();
                if self.options.digest {
                    self.digest.effect(&effect, controller, now);
                }
                self.compare(&effect);
                if let Some(left) = &mut self.shell.dies_after {
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        let back = self.random.between(100 * MS, 6 * SECOND);
                        self.kill_dpe(back);
                        return;
                    }
                }
                if let Effect::Execute {
                    assembly,
                    operation,
                } = &effect
                {
                    self.check_orders(assembly, operation);
                }
                if let Some(effect) = self.pass_disk(effect) {
                    self.carry_out(effect);
                }
            } else if let Some(input) = self.shell.inbox.pop_front() {
                self.hand_in(input);
            } else {
                break;
            }
        }
        self.plan_tick();
    }

    /// Gives an input to the controller, and to its shadow.
    fn hand_in(&mut self, input: Input) {
        let now = self.time();
        if self.options.trace
            && !matches!(input, Input::Heartbeat { .. } | Input::EventRecorded { .. })
        {
            let text = brief(&format!("{input:?}"));
            self.say(|| format!("  in  {text}"));
        }
        let Some(controller) = &mut self.shell.controller else {
            return;
        };
        let request = match &input {
            Input::Request(request) => Some(request.clone()),
            _ => None,
        };
        let is_debug = matches!(input, Input::Debug { .. });
        let copy = self.shell.shadow.is_some().then(|| input.clone());
        let outcome = controller.handle(now, input);
        if self.options.digest {
            let deadline = controller.deadline().unwrap_or_default();
            self.digest.line(&format!("deadline {deadline}"));
        }
        let ends_it = matches!(
            &request,
            Some(
                Request::Maintenance { on: false, .. }
                    | Request::Load { .. }
                    | Request::Unload {
                        stop_services: true
                    }
            )
        );
        if ends_it {
            self.checker.hands_off.clear();
        }
        match &outcome {
            Err(refusal) if is_debug => {
                self.say(|| format!("  refused: {refusal}"));
                self.shell.refused = Some(refusal.clone());
            }
            Err(refusal) => {
                self.shell.refused = Some(refusal.clone());
                self.note_refusal(request.as_ref(), refusal);
                self.ask_again(request.as_ref());
            }
            Ok(()) => {
                if let Some(Request::Load { document, .. }) = &request {
                    self.shell.loaded_before = true;
                    self.shell.left = false;
                    self.shell.owners = self.scenario.owners().collect();
                    self.checker.values_go_with(document);
                }
            }
        }
        if let (Some(shadow), Some(input)) = (&mut self.shell.shadow, copy) {
            let heard = matches!(input, Input::Heartbeat { .. });
            let other = shadow.handle(now, input);
            // The controller looks at nothing else after most heartbeats. A look finds nothing.
            if heard {
                let _ = shadow.handle(now, Input::Tick);
            }
            if other != outcome {
                self.checker
                    .violations
                    .push(format!("{}: a replay answers otherwise", self.now_us));
            }
        }
    }

    /// A DPE without a document knows no assembly: who wants something of one tries again.
    fn ask_again(&mut self, request: Option<&Request>) {
        let waits = |controller: &Subject| controller.document().is_none();
        let in_vain = self.shell.controller.as_ref().is_some_and(waits);
        if let Some(
            request @ (Request::Standby { on: false, .. }
            | Request::StandbyOfAll { on: false }
            | Request::Maintenance { on: false, .. }),
        ) = request
            && in_vain
            && self.scenario.ending.is_none()
        {
            self.after(3 * SECOND, SimEvent::Request(request.clone()));
        }
    }

    /// A request was refused: some may be.
    fn note_refusal(&mut self, request: Option<&Request>, refusal: &Refusal) {
        let refusal = refusal.to_string();
        self.digest.line(&refusal);
        let expected = matches!(
            request,
            Some(
                Request::Standby { .. }
                    | Request::Maintenance { .. }
                    | Request::ConfirmFenced { .. }
                    | Request::Fence { .. }
                    | Request::Cleanup { .. }
                    | Request::CleanupOperation { .. }
                    | Request::Refresh { .. }
                    | Request::StandbyOfAll { .. }
                    | Request::Ticket { .. }
                    | Request::Put { .. }
                    | Request::Service { .. }
            )
        ) || self.scenario.ending.is_some()
            || self.shell.recreate.is_some();
        self.say(|| format!("  refused: {refusal}"));
        // Too late: they were left, and who wanted to stop them knows.
        if matches!(request, Some(Request::Unload { .. })) && self.scenario.ending.is_some() {
            self.scenario.ending = Some(false);
        }
        if !expected {
            let request = brief(&format!("{request:?}"));
            self.checker
                .violations
                .push(format!("{}: refused: {refusal}: {request}", self.now_us));
        }
    }

    fn compare(&mut self, effect: &Effect) {
        let Some(shadow) = &mut self.shell.shadow else {
            return;
        };
        let other = shadow.poll_effect();
        if other.as_ref() != Some(effect) {
            self.checker.violations.push(format!(
                "{}: a replay gives {other:?} instead of {effect:?}",
                self.now_us
            ));
            self.shell.shadow = None;
        }
    }

    fn plan_tick(&mut self) {
        let Some(deadline) = self.shell.controller.as_ref().and_then(Subject::deadline) else {
            return;
        };
        let at_us = World::virtual_us(deadline).max(self.now_us);
        // As a shell's timer: armed again only if the deadline is earlier, or when it has gone off.
        if self
            .shell
            .planned_tick_us
            .is_none_or(|planned| at_us < planned)
        {
            self.shell.planned_tick_us = Some(at_us);
            let start = self.shell.start;
            self.at(at_us, SimEvent::Tick(start, at_us));
        }
    }

    pub(crate) fn tick(&mut self, start: u64, at_us: u64) {
        if self.shell.start != start || self.shell.planned_tick_us != Some(at_us) {
            return;
        }
        self.shell.planned_tick_us = None;
        let due = self.shell.controller.as_ref().and_then(Subject::deadline);
        if due.is_some_and(|deadline| World::virtual_us(deadline) <= self.now_us) {
            self.shell.ticks += 1;
            self.input(Input::Tick);
        } else {
            self.plan_tick();
        }
    }
}
