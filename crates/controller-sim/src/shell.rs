//! A simulated shell: what the daemon `dpe` does around a controller, with a table that survives,
//! streams that do not, and deaths at any effect.

use std::collections::{BTreeMap, VecDeque};

use controller::{
    AssemblyId, Connect, Durable, Effect, EngineInput, Event, Input, InputName, Request,
};

use crate::mutants::Subject;
use crate::network::{Stream, ToAgent, ToDpe};
use crate::world::{Happening, MS, SECOND, World};

/// The DPE's process, and what is left of it on disk.
#[derive(Default)]
pub(crate) struct Shell {
    /// Counts starts.
    pub start: u64,
    pub controller: Option<Subject>,
    /// Is given the same inputs at the same times, and must want the same.
    shadow: Option<Subject>,
    /// Effects that the shadow gave and that were not compared yet.
    shadow_effects: VecDeque<Effect>,
    /// On disk.
    pub table: BTreeMap<String, String>,
    inbox: VecDeque<Input>,
    busy_until_us: u64,
    pub slow_disk_until_us: u64,
    /// Effects until the process dies.
    pub dies_after: Option<u64>,
    /// The process is stopped until then, µs.
    pub stopped_until_us: u64,
    /// What waits in its sockets and timers meanwhile, oldest first.
    pub waiting: VecDeque<Happening>,
    wants: BTreeMap<AssemblyId, Connect>,
    streams: BTreeMap<AssemblyId, u64>,
    unacknowledged: Vec<Event>,
    planned_tick_us: Option<u64>,
    pub ticks: u64,
    pub transitions: u64,
    pub unloaded: bool,
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
            Subject::new(durable, now, mutant)
        };
        let controller = subject(&self.shell, self.options.mutant);
        if self.options.shadow {
            self.shell.shadow = Some(subject(&self.shell, self.options.mutant));
        }
        self.shell.controller = Some(controller);
        self.after(SECOND, Happening::RetryEvents(start));
        self.pump();
    }

    /// The process dies: what is not in the table is gone.
    pub(crate) fn kill_dpe(&mut self, back_after_us: u64) {
        if self.shell.controller.take().is_none() {
            return;
        }
        self.say(|| "DPE dies".into());
        self.shell.shadow = None;
        self.shell.shadow_effects.clear();
        self.shell.inbox.clear();
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
        self.after(back_after_us, Happening::StartDpe);
    }

    /// The process is stopped for so long, or longer if it is already.
    pub(crate) fn stop_dpe(&mut self, for_us: u64) {
        let until_us = self.now_us + for_us;
        self.shell.stopped_until_us = self.shell.stopped_until_us.max(until_us);
        self.at(until_us, Happening::DpeGoesOn);
    }

    /// What waited comes up, in its order.
    pub(crate) fn dpe_goes_on(&mut self) {
        if self.now_us >= self.shell.stopped_until_us {
            for happening in std::mem::take(&mut self.shell.waiting) {
                self.happen(happening);
            }
        }
    }

    pub(crate) fn input(&mut self, input: Input) {
        if self.shell.controller.is_some() {
            self.shell.inbox.push_back(input);
            self.pump();
        }
    }

    pub(crate) fn wish(&mut self, request: Request) {
        if self.shell.controller.is_none() {
            self.after(SECOND, Happening::Wish(request));
            return;
        }
        let disturbs = matches!(
            request,
            Request::Standby { on: true, .. } | Request::Maintenance { on: true, .. }
        );
        // What people wanted while the DPE was dead, they do not want any more.
        if disturbs && self.peaceful {
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
            if self.shell.busy_until_us > self.now_us {
                self.at(self.shell.busy_until_us, Happening::Pump);
                return;
            }
            let now = self.time();
            let Some(controller) = &mut self.shell.controller else {
                return;
            };
            if let Some(effect) = controller.poll_effect() {
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
                self.carry_out(effect);
            } else if let Some(input) = self.shell.inbox.pop_front() {
                if self.options.trace
                    && !matches!(input, Input::Heartbeat { .. } | Input::EventRecorded { .. })
                {
                    let text = brief(&format!("{input:?}"));
                    self.say(|| format!("  in  {text}"));
                }
                let Some(controller) = &mut self.shell.controller else {
                    return;
                };
                let outcome = controller.handle(now, input.clone());
                if self.options.digest {
                    let deadline = controller.deadline().unwrap_or_default();
                    self.digest.line(&format!("deadline {deadline}"));
                }
                if let Err(refusal) = &outcome {
                    let refusal = refusal.to_string();
                    self.digest.line(&refusal);
                    let expected = matches!(
                        input,
                        Input::Request(
                            Request::Standby { .. }
                                | Request::Maintenance { .. }
                                | Request::ConfirmFenced { .. }
                                | Request::Cleanup { .. }
                        )
                    ) || self.scenario.ending.is_some();
                    self.say(|| format!("  refused: {refusal}"));
                    if !expected {
                        let input = brief(&format!("{input:?}"));
                        self.watch
                            .violations
                            .push(format!("{}: refused: {refusal}: {input}", self.now_us));
                    }
                }
                if let Some(shadow) = &mut self.shell.shadow {
                    let other = shadow.handle(now, input);
                    if other != outcome {
                        self.watch
                            .violations
                            .push(format!("{}: a replay answers otherwise", self.now_us));
                    }
                }
            } else {
                break;
            }
        }
        self.plan_tick();
    }

    fn compare(&mut self, effect: &Effect) {
        let Some(shadow) = &mut self.shell.shadow else {
            return;
        };
        let other = shadow.poll_effect();
        if other.as_ref() != Some(effect) {
            self.watch.violations.push(format!(
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
        // As a shell's timer: armed anew only if the deadline is earlier, or when it has gone off.
        if self
            .shell
            .planned_tick_us
            .is_none_or(|planned| at_us < planned)
        {
            self.shell.planned_tick_us = Some(at_us);
            let start = self.shell.start;
            self.at(at_us, Happening::Tick(start, at_us));
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

    fn carry_out(&mut self, effect: Effect) {
        if self.options.trace
            && !matches!(
                effect,
                Effect::Renew { .. } | Effect::Persist(_) | Effect::KeepInput { .. }
            )
        {
            let text = brief(&format!("{effect:?}"));
            self.say(|| format!("  out {text}"));
        }
        match effect {
            Effect::Persist(changes) => {
                for change in changes {
                    self.watch.persisted(&change);
                    match change.value {
                        Some(value) => self.shell.table.insert(change.key, value),
                        None => self.shell.table.remove(&change.key),
                    };
                }
                if self.shell.slow_disk_until_us > self.now_us {
                    self.shell.busy_until_us = self.now_us + self.random.between(MS, 300 * MS);
                }
            }
            Effect::Connect(connect) => {
                let guest = self.guest(connect.assembly.as_str());
                self.drop_stream(&connect.assembly.clone());
                self.shell.wants.insert(connect.assembly.clone(), connect);
                let start = self.shell.start;
                self.after(MS, Happening::Attempt(start, guest));
            }
            Effect::Disconnect { assembly } => {
                self.shell.wants.remove(&assembly);
                self.drop_stream(&assembly);
            }
            Effect::Renew { assembly, stamp_us } => {
                self.send(&assembly, |epoch| ToAgent::Renew { epoch, stamp_us })
            }
            Effect::Execute {
                assembly,
                operation,
            } => {
                self.check_execute(&assembly, &operation);
                self.send(&assembly, |epoch| ToAgent::Execute { epoch, operation });
            }
            Effect::Cancel {
                assembly,
                resource,
                action,
                interval_ms,
            } => {
                self.send(&assembly, |epoch| ToAgent::Cancel {
                    epoch,
                    resource,
                    action,
                    interval_ms,
                });
            }
            Effect::Forget { assembly, resource } => {
                self.send(&assembly, |epoch| ToAgent::Forget { epoch, resource })
            }
            Effect::Release {
                assembly,
                keep_services,
            } => {
                self.send(&assembly, |epoch| ToAgent::Release {
                    epoch,
                    keep: keep_services,
                });
            }
            Effect::Fence(request) => {
                self.device_asked(&request.assembly, request.attempt);
            }
            Effect::Event(event) => {
                self.watch.emitted(&event);
                self.note_given_up(&event);
                self.note_refused(&event);
                self.shell.unacknowledged.push(event.clone());
                self.bring(event);
            }
            Effect::Decide(question) => {
                // Mostly as long as a small deployment takes it, sometimes as long as a large one
                // on a busy host.
                let longest = if self.random.percent(5) {
                    4 * SECOND
                } else {
                    20 * MS
                };
                let delay = self.random.between(MS, longest);
                self.after(delay, Happening::Decided(self.shell.start, question));
            }
            Effect::KeepInput { name, .. } => match name {
                InputName::Transition(number) => {
                    self.shell.transitions += 1;
                    self.say(|| format!("  transition {number}"));
                }
                InputName::Refused(_) => self.say(|| "  a decision is refused".to_owned()),
            },
            Effect::StatusChanged { .. } => {}
            Effect::Unloaded => self.note_end(),
            Effect::Superseded { .. } => {
                self.watch.violations.push(format!(
                    "{}: superseded, but there is only one DPE",
                    self.now_us
                ));
            }
        }
    }

    fn device_asked(&mut self, assembly: &AssemblyId, attempt: u64) {
        let guest = self.guest(assembly.as_str());
        let bad = self.devices_bad_until_us > self.now_us;
        let delay = self.random.between(200 * MS, 4 * SECOND);
        let start = self.shell.start;
        let acts = !(bad && self.random.percent(50));
        let answers = !(bad && self.random.percent(30));
        if acts {
            self.after(delay, Happening::DeviceActs(guest));
        }
        if answers {
            let result = if acts {
                Ok(())
            } else {
                Err("the simulated device does not work".to_owned())
            };
            self.after(
                delay + 50 * MS,
                Happening::DeviceAnswers(start, assembly.clone(), attempt, result),
            );
        }
    }

    pub(crate) fn policy_engine_answers(&mut self, start: u64, question: EngineInput) {
        if self.shell.start == start {
            let answer = if self.nonsense {
                question.answer_changed(|graph| {
                    for synapse in &mut graph.synapses {
                        synapse.inputs.clear();
                    }
                })
            } else {
                question.answer()
            };
            self.input(Input::Decided(Box::new(answer)));
        }
    }

    pub(crate) fn device_answers(
        &mut self,
        start: u64,
        assembly: AssemblyId,
        attempt: u64,
        result: Result<(), String>,
    ) {
        if self.shell.start == start {
            self.input(Input::FencingResult {
                assembly,
                attempt,
                result,
            });
        }
    }

    // --- streams ---

    pub(crate) fn attempt(&mut self, start: u64, guest: usize) {
        let name = self.guests[guest].name.clone();
        let busy = self.shell.streams.contains_key(&name);
        let Some(connect) = self
            .shell
            .wants
            .get(&name)
            .filter(|_| self.shell.start == start && !busy)
            .cloned()
        else {
            return;
        };
        let link = &self.links[guest];
        let reachable = self.guests[guest].up
            && self.guests[guest].agent.alive
            && link.cut_until_us <= self.now_us
            && link.stalled_until_us <= self.now_us;
        if !reachable {
            let delay = self.random.between(200 * MS, 900 * MS);
            self.after(delay, Happening::Attempt(start, guest));
            return;
        }
        self.tokens += 1;
        let id = self.tokens;
        let stream = Stream {
            guest,
            start,
            open: true,
            drains: false,
            welcomed: false,
            last_to_agent_us: self.now_us,
            last_to_dpe_us: self.now_us,
        };
        self.streams.insert(id, stream);
        self.shell.streams.insert(name.clone(), id);
        let hello = ToAgent::Hello {
            epoch: connect.epoch,
            heartbeat_us: u64::from(connect.heartbeat_interval_ms) * MS,
            lease_us: u64::from(connect.lease_ms) * MS,
            stop_timeout_us: u64::from(connect.stop_timeout_ms) * MS,
        };
        self.post_to_agent(id, hello);
        self.after(3 * SECOND, Happening::HelloOverdue(id));
    }

    pub(crate) fn hello_overdue(&mut self, id: u64) {
        if self
            .streams
            .get(&id)
            .is_some_and(|stream| stream.open && !stream.welcomed)
        {
            self.stream_ended(id);
        }
    }

    /// The DPE's side of a stream is over; it tries again.
    pub(crate) fn stream_ended(&mut self, id: u64) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.open) else {
            return;
        };
        stream.open = false;
        let (guest, start, welcomed) = (stream.guest, stream.start, stream.welcomed);
        let name = self.guests[guest].name.clone();
        if self.shell.start != start || self.shell.streams.get(&name) != Some(&id) {
            return;
        }
        self.shell.streams.remove(&name);
        let delay = self.random.between(50 * MS, 500 * MS);
        self.after(delay, Happening::Attempt(start, guest));
        if welcomed {
            self.input(Input::AgentDisconnected {
                assembly: name,
                reason: "the simulated stream ended".into(),
            });
        }
    }

    fn drop_stream(&mut self, assembly: &AssemblyId) {
        if let Some(id) = self.shell.streams.remove(assembly)
            && let Some(stream) = self.streams.get_mut(&id)
        {
            stream.open = false;
            stream.drains = true;
        }
    }

    fn send(&mut self, assembly: &AssemblyId, message: impl FnOnce(u64) -> ToAgent) {
        let epoch = self.shell.wants.get(assembly).map(|connect| connect.epoch);
        if let (Some(epoch), Some(id)) = (epoch, self.shell.streams.get(assembly).copied()) {
            self.post_to_agent(id, message(epoch));
        }
    }

    fn post_to_agent(&mut self, id: u64, message: ToAgent) {
        let Some(stream) = self.streams.get(&id).filter(|stream| stream.open).cloned() else {
            return;
        };
        let delay = self.random.between(50, 5_000)
            + self.random.between(0, self.links[stream.guest].slow_us);
        let at_us = (self.now_us + delay).max(stream.last_to_agent_us + 1);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.last_to_agent_us = at_us;
        }
        self.at(at_us, Happening::ToAgent(id, message));
    }

    pub(crate) fn post_to_dpe(&mut self, id: u64, message: ToDpe) {
        let Some(stream) = self.streams.get(&id).filter(|stream| stream.open).cloned() else {
            return;
        };
        let delay = self.random.between(50, 5_000)
            + self.random.between(0, self.links[stream.guest].slow_us);
        let at_us = (self.now_us + delay).max(stream.last_to_dpe_us + 1);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.last_to_dpe_us = at_us;
        }
        self.at(at_us, Happening::ToDpe(id, message));
    }

    pub(crate) fn arrive_at_dpe(&mut self, id: u64, message: ToDpe) {
        let Some(stream) = self.streams.get(&id).filter(|stream| stream.open).cloned() else {
            return;
        };
        if self.links[stream.guest].stalled_until_us > self.now_us {
            self.at(
                self.links[stream.guest].stalled_until_us,
                Happening::ToDpe(id, message),
            );
            return;
        }
        let assembly = self.guests[stream.guest].name.clone();
        if self.shell.start != stream.start || self.shell.streams.get(&assembly) != Some(&id) {
            return;
        }
        let input = match message {
            ToDpe::Welcome(hello, history, attributes) => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.welcomed = true;
                }
                Input::AgentConnected {
                    assembly,
                    hello,
                    history,
                    attributes,
                }
            }
            ToDpe::Refused { stale: true } => Input::StaleEpoch { assembly },
            ToDpe::Refused { stale: false } => {
                self.stream_ended(id);
                return;
            }
            ToDpe::Completed(record) => Input::OperationCompleted { assembly, record },
            ToDpe::Attributes(attributes) => Input::AttributesChanged {
                assembly,
                attributes,
            },
            ToDpe::Heartbeat(stamp_us) => Input::Heartbeat { assembly, stamp_us },
            ToDpe::ExecuteRefused(id, reason) => Input::ExecuteRefused {
                assembly,
                id,
                reason,
            },
            ToDpe::Cancelled(resource, action, interval_ms) => Input::Cancelled {
                assembly,
                resource,
                action,
                interval_ms,
            },
        };
        self.input(input);
    }

    // --- the event log ---

    fn bring(&mut self, event: Event) {
        let delay = self.random.between(100, 20 * MS);
        let start = self.shell.start;
        self.after(delay, Happening::Record(start, Box::new(event)));
    }

    pub(crate) fn record(&mut self, start: u64, event: Event) {
        if self.log_away_until_us > self.now_us {
            return;
        }
        let id = event.id.clone();
        if self.log.insert(id.clone(), event).is_none() {
            self.log_order.push(id.clone());
        }
        // Some acknowledgements are lost.
        if !self.random.percent(3) {
            self.after(MS, Happening::Recorded(start, id));
        }
    }

    pub(crate) fn recorded(&mut self, start: u64, id: String) {
        if self.shell.start == start && self.shell.controller.is_some() {
            self.shell.unacknowledged.retain(|event| event.id != id);
            self.input(Input::EventRecorded { id });
        }
    }

    pub(crate) fn retry_events(&mut self, start: u64) {
        if self.shell.start != start || self.shell.controller.is_none() {
            return;
        }
        for event in self.shell.unacknowledged.clone() {
            self.bring(event);
        }
        self.after(2 * SECOND, Happening::RetryEvents(start));
    }
}

/// The beginning of a text.
fn brief(text: &str) -> String {
    text.chars().take(200).collect()
}
