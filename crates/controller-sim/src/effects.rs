//! How effects are carried out.

use std::collections::BTreeMap;

use controller::{
    AssemblyId, Change, Connect, Decision, Effect, EngineInput, FenceDevice, FenceRequest, Input,
    InputName, SAVES, Task,
};
use sim_kit::{MS, SECOND};

use crate::network::ToAgent;
use crate::queue::SimEvent;
use crate::shell::brief;
use crate::world::World;
use crate::zones;

impl World {
    pub(crate) fn carry_out(&mut self, effect: Effect) {
        self.trace_effect(&effect);
        self.note_order(&effect);
        match effect {
            Effect::Persist(changes) => self.persist(changes),
            Effect::Connect(connect) => {
                self.wiring.mention(&connect.assembly);
                self.connect(connect);
            }
            Effect::Disconnect { assembly } => {
                self.shell.wants.remove(&assembly);
                self.drop_stream(&assembly);
            }
            Effect::Renew { .. }
            | Effect::Execute { .. }
            | Effect::Cancel { .. }
            | Effect::Forget { .. }
            | Effect::Restart { .. }
            | Effect::Answer { .. }
            | Effect::Relay { .. }
            | Effect::Release { .. } => self.tell_agent(effect),
            Effect::Fence(request) => match request.device.clone() {
                FenceDevice::Level(devices) => self.level_asked(&request, &devices),
                _ => self.device_asked(request),
            },
            Effect::Unfence(request) => self.unfencing_asked(request),
            Effect::EndUnfencing { attempt, .. } => self.unfencing_is_ended(attempt),
            // Guests of this world come back by themselves.
            Effect::PowerOn(_) => {}
            Effect::CheckDevice(check) => self.device_checked(*check),
            Effect::Event(event) => {
                if let Some(assembly) = &event.assembly {
                    self.wiring.mention(assembly);
                }
                self.checker.emitted(&event);
                self.note_given_up(&event);
                self.note_left(&event);
                self.note_refused(&event);
                self.note_taken_over(&event);
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
                let delay = match self.decisions_take_us {
                    0 => self.random.between(MS, longest),
                    given => given,
                };
                self.after(delay, SimEvent::Decided(self.shell.start, question));
            }
            Effect::KeepInput { name, cib, .. } => match name {
                InputName::Transition(number) => self.transition_begins(number, cib),
                InputName::Refused(_) => self.say(|| "  a decision is refused".to_owned()),
            },
            // As if that took for ever: it decides nothing. Tests of the controller answer it.
            Effect::CheckRoom(_) => self.shell.rooms += 1,
            Effect::StatusChanged { .. } => {}
            Effect::Unloaded => self.note_end(),
        }
    }

    fn trace_effect(&mut self, effect: &Effect) {
        let dull = matches!(
            effect,
            Effect::Renew { .. } | Effect::Persist(_) | Effect::KeepInput { .. }
        );
        if self.options.trace && !dull {
            let text = brief(&format!("{effect:?}"));
            self.say(|| format!("  out {text}"));
        }
    }

    /// A guest or a device may be to do something.
    fn note_order(&mut self, effect: &Effect) {
        let does = matches!(
            effect,
            Effect::Execute { .. }
                | Effect::Cancel { .. }
                | Effect::Forget { .. }
                | Effect::Restart { .. }
                | Effect::Fence(_)
                | Effect::Unfence(_)
        );
        if does {
            self.shell.in_vain = (0, 0);
        }
    }

    fn transition_begins(&mut self, number: u64, cib: String) {
        self.shell.transitions += 1;
        self.check_that_it_does_something();
        if self.options.trace {
            let name = format!("start-{}-transition-{number}", self.shell.start);
            self.inputs.push((name, cib.clone()));
        }
        self.decided_on = cib;
        self.decided_primitives.clear();
        self.say(|| format!("  transition {number}"));
    }

    /// Sends what an agent is to do.
    pub(crate) fn tell_agent(&mut self, effect: Effect) {
        match effect {
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
            Effect::Restart { assembly, .. } => {
                self.send(&assembly, |epoch| ToAgent::Restart { epoch })
            }
            Effect::Answer { asker, reply } => {
                let number = asker.number;
                self.send(&asker.assembly, |epoch| ToAgent::Answer {
                    epoch,
                    number,
                    reply,
                });
            }
            Effect::Relay {
                assembly,
                asker,
                question,
            } => {
                let question = *question;
                self.send(&assembly, |epoch| ToAgent::Ask {
                    epoch,
                    asker,
                    question,
                });
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
            _ => {}
        }
    }

    /// Changes are written on the way; an effect waits until all changes before it are. The renewal
    /// of a lease and what is shown to people never wait.
    pub(crate) fn pass_disk(&mut self, effect: Effect) -> Option<Effect> {
        let full = self.now_us < self.shell.disk_full_until_us;
        match effect {
            Effect::Persist(changes) => {
                let free = self.now_us >= self.shell.slow_disk_until_us && !full;
                if free && self.shell.unsaved.is_empty() {
                    return Some(Effect::Persist(changes));
                }
                if self.shell.unsaved.is_empty() {
                    let delay = self.random.between(MS, 300 * MS);
                    self.after(delay, SimEvent::Saved(self.shell.start));
                }
                self.shell.unsaved.extend(changes);
                None
            }
            Effect::Renew { .. }
            | Effect::StatusChanged { .. }
            | Effect::KeepInput { .. }
            | Effect::CheckDevice(_) => Some(effect),
            Effect::EndUnfencing { attempt, .. } if self.withdraw_unfencing(attempt) => None,
            Effect::EndUnfencing { .. } => Some(effect),
            effect if self.shell.unsaved.is_empty() => Some(effect),
            Effect::Connect(connect) if full && self.may_connect(&connect) => {
                self.forget_orders(&connect.assembly);
                self.forget_connects(&connect);
                Some(Effect::Connect(connect))
            }
            effect => {
                let under = self.shell.wanted_under;
                self.shell.held.push_back((under, effect));
                None
            }
        }
    }

    /// The disk has taken what was to be written, or is still full.
    pub(crate) fn saved(&mut self, start: u64) {
        if self.shell.start != start || self.shell.controller.is_none() {
            return;
        }
        if self.now_us < self.shell.disk_full_until_us {
            let delay = self.random.between(100 * MS, 2 * SECOND);
            self.after(delay, SimEvent::Saved(start));
            self.release_connects();
            return;
        }
        let changes = std::mem::take(&mut self.shell.unsaved);
        self.persist(changes);
        for (under, effect) in std::mem::take(&mut self.shell.held) {
            self.shell.wanted_under = under;
            self.carry_out(effect);
            // It may have been the last one of this DPE.
            if self.shell.start != start || self.shell.controller.is_none() {
                return;
            }
        }
        self.pump();
    }

    /// An operation waits for the disk.
    pub fn is_held(&self, resource: &str, action: &Task) -> bool {
        self.shell.held.iter().any(|(_, effect)| match effect {
            Effect::Execute { operation, .. } => {
                operation.resource == resource && operation.action == *action
            }
            _ => false,
        })
    }

    /// What waits to be done by an assembly's agent is dropped: its stream ended or began, and the
    /// controller decides again from what the agent reports.
    pub(crate) fn forget_orders(&mut self, assembly: &AssemblyId) {
        self.shell.held.retain(|(_, effect)| match effect {
            Effect::Execute { assembly: of, .. }
            | Effect::Cancel { assembly: of, .. }
            | Effect::Forget { assembly: of, .. }
            | Effect::Relay { assembly: of, .. }
            | Effect::Restart { assembly: of, .. } => of != assembly,
            Effect::Answer { asker, .. } => asker.assembly != *assembly,
            _ => true,
        });
    }

    /// A fencing that waits is taken back when the agent is there again.
    pub(crate) fn withdraw_fencing(&mut self, assembly: &AssemblyId) -> Option<Input> {
        let is_it = |(_, effect): &(u64, Effect)| matches!(effect, Effect::Fence(request) if request.assembly == *assembly);
        let at = self.shell.held.iter().position(is_it)?;
        let Some((_, Effect::Fence(request))) = self.shell.held.remove(at) else {
            return None;
        };
        Some(Input::FencingResult {
            assembly: request.assembly,
            attempt: request.attempt,
            result: Err("its agent was there again before its device was asked".into()),
        })
    }

    /// The disk is full: what waits to be connected to need not wait any longer.
    fn release_connects(&mut self) {
        let held = self.shell.held.iter();
        let connects = held.filter_map(|(under, effect)| match effect {
            Effect::Connect(connect) if self.may_connect(connect) => Some((*under, connect)),
            _ => None,
        });
        let last: BTreeMap<AssemblyId, (u64, Connect)> = connects
            .map(|(under, connect)| (connect.assembly.clone(), (under, connect.clone())))
            .collect();
        let wanted_under = self.shell.wanted_under;
        for (under, connect) in last.into_values() {
            self.forget_orders(&connect.assembly);
            self.forget_connects(&connect);
            self.shell.wanted_under = under;
            self.carry_out(Effect::Connect(connect));
        }
        self.shell.wanted_under = wanted_under;
    }

    /// Drops an order to connect to an agent, and earlier ones.
    fn forget_connects(&mut self, last: &Connect) {
        self.shell.held.retain(|(_, effect)| {
            !matches!(effect, Effect::Connect(old)
                if old.assembly == last.assembly && old.number <= last.number)
        });
    }

    /// An agent may be connected to though nothing is saved: it is not to be left first, and not
    /// told a longer lease than before, or none.
    fn may_connect(&self, connect: &Connect) -> bool {
        let told = self.shell.wants.get(&connect.assembly);
        let longer = told.is_some_and(|told| {
            let later = connect.lease_ms == 0 || connect.lease_ms > told.lease_ms;
            (told.lease_ms > 0 && later) || connect.grace_ms > told.grace_ms
        });
        !longer && !self.is_being_left(&connect.assembly)
    }

    /// An assembly is about to be released or disconnected.
    fn is_being_left(&self, assembly: &AssemblyId) -> bool {
        self.shell.held.iter().any(|(_, effect)| match effect {
            Effect::Release { assembly: of, .. } | Effect::Disconnect { assembly: of } => {
                of == assembly
            }
            _ => false,
        })
    }

    fn persist(&mut self, changes: Vec<Change>) {
        for change in changes {
            self.checker.persisted(&change);
            self.check_kept(&change);
            if let (SAVES, Some(number)) = (change.key.as_str(), &change.value) {
                self.shell.newest_save.clone_from(number);
            }
            match change.value {
                Some(value) => self.shell.table.insert(change.key, value),
                None => self.shell.table.remove(&change.key),
            };
        }
        self.checker.all_persisted();
    }

    fn connect(&mut self, connect: Connect) {
        let assembly = connect.assembly.clone();
        self.drop_stream(&assembly);
        self.shell.wants.insert(assembly.clone(), connect);
        let start = self.shell.start;
        self.after(MS, SimEvent::Attempt(start, assembly));
    }

    fn device_asked(&mut self, request: FenceRequest) {
        let guest = self.wiring.switched_by(&request.device);
        if let Some(guest) = guest.filter(|_| self.devices_lie()) {
            return self.device_lies(guest, request.assembly, request.attempt);
        }
        let FenceRequest {
            assembly, attempt, ..
        } = request;
        let bad = self.devices_bad_until_us > self.now_us;
        let delay = self.switching_takes();
        let start = self.shell.start;
        // A unit that is not active and never was is not a success.
        let acts = guest.is_some() && !(bad && self.random.percent(50));
        let answers = !(bad && self.random.percent(30));
        if let Some(guest) = guest.filter(|_| acts) {
            self.check_cut(guest, delay);
            self.after(delay, SimEvent::DeviceActs(guest));
        }
        if answers {
            let result = if acts {
                Ok(())
            } else {
                Err("the simulated device does not work".to_owned())
            };
            self.after(
                delay + 50 * MS,
                SimEvent::DeviceAnswers(start, assembly, attempt, result),
            );
        }
    }

    /// How long a device takes to switch a guest off, µs.
    pub(crate) fn switching_takes(&mut self) -> u64 {
        match self.switching_takes_us {
            0 => self.random.between(200 * MS, 4 * SECOND),
            given => given,
        }
    }

    pub(crate) fn policy_engine_answers(&mut self, start: u64, question: EngineInput) {
        if self.shell.start == start {
            // Where the controller is compared with another, the engine answers all that it is
            // asked. A controller that took this for an answer would say that the engine failed.
            let controller = self.shell.controller.as_ref();
            let used = controller.is_some_and(|controller| controller.awaits(&question));
            let answer = if !used && self.shell.shadow.is_none() {
                Decision::failed(question, "nobody waits for this answer".into())
            } else if self.nonsense {
                question.answer_changed(zones::find, |graph| {
                    for synapse in &mut graph.synapses {
                        synapse.inputs.clear();
                    }
                })
            } else {
                question.answer_in(zones::find)
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
            if result.is_err() {
                self.level_failed();
            }
            self.input(Input::FencingResult {
                assembly,
                attempt,
                result,
            });
        }
    }
}
