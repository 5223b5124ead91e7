//! Controllers that make a deliberate mistake, for the proof that the checkers find it.
//!
//! The controller has no switch for mistakes: no build of it can make one of these. A mutant is the
//! controller itself, with something changed in what passes between it and its shell. Some are of
//! the model of the agent.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Deref;

use controller::{
    AssemblyId, Connect, Controller, Durable, Effect, Event, EventKind, Input, Operation, Record,
    Refusal, Request, ServiceOrder, Task, TicketOrder, Time,
};
use sim_kit::MS;

/// Meta attribute: by how many milliseconds an operation begins later.
const META_START_DELAY: &str = "CRM_meta_start_delay";

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Takes an assembly under lease as safe at once.
    SkipLeaseWait,
    /// Takes an assembly as safe when its lease ends: without margins for drift, for the time that
    /// stops take, and for a reboot.
    NoMargins,
    /// Does not save events.
    ForgetEvents,
    /// Begins work before facts are saved.
    PersistLast,
    /// Begins every action of a graph at once.
    IgnoreOrder,
    /// Exceeds the document's limit of migrations.
    IgnoreLimits,
    /// Leaves services running when a deployment ends that should be stopped.
    LeaveServices,
    /// Has agents forget what is cleaned up, whatever still runs.
    ForgetFailed,
    /// Takes a guest that says that it leaves as one that has left.
    LeavingIsLeft,
    /// Says that a ticket is revoked, and keeps it.
    KeepTicket,
    /// Does not save what tools and administrators set.
    ForgetValues,
    /// Has operations begin at once that have a start delay.
    IgnoreDelays,
    /// Agents say "not installed" of a service that may be running.
    BelieveAbsent,
    /// Takes stops that are under way for done when it decides beside them.
    ForgetUnderWay,
    /// Has services started without what is to be run before.
    SkipConfigure,
    /// Says that a service is disabled, saves it, and forgets it.
    ForgetOrders,
    /// Takes a guest for let in that no device was asked to let in.
    BelieveUnfencing,
    /// Does not wait until devices have ended that let a guest in, before it is cut off.
    HastyCut,
    /// Takes what a device says of any attempt for the present one.
    BelieveAnyAttempt,
    /// Agents take for stopped what they cannot stop, since its program is away.
    AbsentIsStopped,
    /// Agents refuse renewals, and stop nothing, while they cannot write anything.
    FullRefuses,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 21] = [
        Mutant::SkipLeaseWait,
        Mutant::NoMargins,
        Mutant::ForgetEvents,
        Mutant::PersistLast,
        Mutant::IgnoreOrder,
        Mutant::IgnoreLimits,
        Mutant::LeaveServices,
        Mutant::ForgetFailed,
        Mutant::LeavingIsLeft,
        Mutant::KeepTicket,
        Mutant::ForgetValues,
        Mutant::IgnoreDelays,
        Mutant::BelieveAbsent,
        Mutant::ForgetUnderWay,
        Mutant::SkipConfigure,
        Mutant::ForgetOrders,
        Mutant::BelieveUnfencing,
        Mutant::HastyCut,
        Mutant::BelieveAnyAttempt,
        Mutant::AbsentIsStopped,
        Mutant::FullRefuses,
    ];

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Mutant::SkipLeaseWait => "skip-lease-wait",
            Mutant::NoMargins => "no-margins",
            Mutant::ForgetEvents => "forget-events",
            Mutant::PersistLast => "persist-last",
            Mutant::IgnoreOrder => "ignore-order",
            Mutant::IgnoreLimits => "ignore-limits",
            Mutant::LeaveServices => "leave-services",
            Mutant::ForgetFailed => "forget-failed",
            Mutant::LeavingIsLeft => "leaving-is-left",
            Mutant::KeepTicket => "keep-ticket",
            Mutant::ForgetValues => "forget-values",
            Mutant::IgnoreDelays => "ignore-delays",
            Mutant::BelieveAbsent => "believe-absent",
            Mutant::ForgetUnderWay => "forget-under-way",
            Mutant::SkipConfigure => "skip-configure",
            Mutant::ForgetOrders => "forget-orders",
            Mutant::BelieveUnfencing => "believe-unfencing",
            Mutant::HastyCut => "hasty-cut",
            Mutant::BelieveAnyAttempt => "believe-any-attempt",
            Mutant::AbsentIsStopped => "absent-is-stopped",
            Mutant::FullRefuses => "full-refuses",
        }
    }
}

/// A controller under test: sound, or a mutant.
#[derive(Debug)]
pub(crate) struct Subject {
    controller: Controller,
    mutant: Option<Mutant>,
    effects: VecDeque<Effect>,
    /// How each assembly's agent was last to be connected.
    connects: BTreeMap<AssemblyId, Connect>,
    /// Boot time until which each agent holds a lease at least, µs.
    lease_ends_us: BTreeMap<AssemblyId, u64>,
    /// Boot time at which an assembly that is being fenced is taken as safe, µs.
    hasty_us: BTreeMap<AssemblyId, u64>,
    /// Stops under way, by their ids.
    stops: BTreeMap<String, (AssemblyId, Operation)>,
    /// The newest attempt to make each assembly safe.
    attempts: BTreeMap<AssemblyId, u64>,
    /// The highest number that an agent has told.
    last_call: u32,
}

impl Deref for Subject {
    type Target = Controller;

    fn deref(&self) -> &Controller {
        &self.controller
    }
}

impl Subject {
    /// A controller of deployment `sim`.
    pub(crate) fn new(durable: Durable, now: Time, mutant: Option<Mutant>) -> Subject {
        let mut subject = Subject {
            controller: Controller::new("sim", durable, now),
            mutant,
            effects: VecDeque::new(),
            connects: BTreeMap::new(),
            lease_ends_us: BTreeMap::new(),
            hasty_us: BTreeMap::new(),
            stops: BTreeMap::new(),
            attempts: BTreeMap::new(),
            last_call: 0,
        };
        subject.collect(now);
        subject
    }

    /// See [`Controller::poll_effect`].
    pub(crate) fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// See [`Controller::deadline`].
    pub(crate) fn deadline(&self) -> Option<u64> {
        let hasty_us = self.hasty_us.values().copied();
        hasty_us.chain(self.controller.deadline()).min()
    }

    /// See [`Controller::handle`].
    pub(crate) fn handle(&mut self, now: Time, mut input: Input) -> Result<(), Refusal> {
        let cleaned_up = match &input {
            Input::Request(Request::Cleanup { .. }) if self.makes(Mutant::ForgetFailed) => {
                self.failures(now)
            }
            _ => Vec::new(),
        };
        self.spoil(&mut input);
        if let Input::AgentConnected { assembly, .. } = &input {
            self.note_lease(now, &assembly.clone());
        }
        self.note_result(&input);
        if matches!(input, Input::Decided(_)) && self.makes(Mutant::ForgetUnderWay) {
            self.end_stops(now);
        }
        let disabled = match &input {
            Input::Request(Request::Service {
                service,
                order: ServiceOrder::Disable,
            }) if self.makes(Mutant::ForgetOrders) => Some(service.clone()),
            _ => None,
        };
        let outcome = self.controller.handle(now, input);
        self.collect(now);
        if let Some(service) = disabled {
            let order = ServiceOrder::Enable;
            let enabled = Input::Request(Request::Service { service, order });
            let _ = self.controller.handle(now, enabled);
            self.collect(now);
        }
        for (assembly, resource) in cleaned_up {
            self.forget(now, assembly, resource);
        }
        let due = |(_, at_us): &(&AssemblyId, &u64)| **at_us <= now.boottime_us;
        let due: Vec<AssemblyId> = self
            .hasty_us
            .iter()
            .filter(due)
            .map(|(name, _)| name.clone())
            .collect();
        for assembly in due {
            self.take_as_safe(now, assembly);
        }
        outcome
    }

    fn makes(&self, mistake: Mutant) -> bool {
        self.mutant == Some(mistake)
    }

    /// Changes what the controller is given.
    fn spoil(&self, input: &mut Input) {
        match input {
            Input::Decided(decision) if self.makes(Mutant::IgnoreOrder) => {
                decision.change_graph(|graph| {
                    for synapse in &mut graph.synapses {
                        synapse.inputs.clear();
                    }
                });
            }
            Input::Request(Request::Load { document, .. }) if self.makes(Mutant::IgnoreLimits) => {
                let end = "</crm_config>";
                if let (Some(from), Some(to)) = (document.find("<crm_config>"), document.find(end))
                {
                    document.replace_range(from..to + end.len(), "");
                }
            }
            Input::AgentLeaving {
                assembly, boot_id, ..
            } if self.makes(Mutant::LeavingIsLeft) => {
                *input = Input::AgentLeft {
                    assembly: assembly.clone(),
                    boot_id: boot_id.clone(),
                };
            }
            Input::FencingResult {
                assembly, attempt, ..
            } if self.makes(Mutant::BelieveAnyAttempt) => {
                *attempt = self.attempts.get(assembly).copied().unwrap_or(*attempt);
            }
            Input::Request(Request::Ticket { order, .. })
                if self.makes(Mutant::KeepTicket) && *order == TicketOrder::Revoke =>
            {
                *order = TicketOrder::Grant;
            }
            _ => {}
        }
    }

    /// Takes the effects of one input out of the controller, and changes them.
    fn collect(&mut self, now: Time) {
        let mut effects: Vec<Effect> =
            std::iter::from_fn(|| self.controller.poll_effect()).collect();
        for effect in &mut effects {
            match effect {
                Effect::Persist(changes) if self.makes(Mutant::ForgetEvents) => {
                    changes.retain(|change| {
                        !change.key.starts_with("event/") || change.value.is_none()
                    });
                }
                Effect::Persist(changes) if self.makes(Mutant::ForgetValues) => {
                    changes.retain(|change| {
                        !change.key.starts_with("attribute/") && !change.key.starts_with("option/")
                    });
                }
                Effect::Persist(changes) if self.makes(Mutant::ForgetOrders) => {
                    changes.retain(|change| {
                        !change.key.starts_with("overlay/") || change.value.is_some()
                    });
                }
                Effect::Execute { operation, .. } if self.makes(Mutant::IgnoreDelays) => {
                    operation.meta.remove(META_START_DELAY);
                }
                Effect::Execute { operation, .. } if self.makes(Mutant::SkipConfigure) => {
                    operation.configure = None;
                }
                Effect::Release { keep_services, .. } if self.makes(Mutant::LeaveServices) => {
                    *keep_services = true;
                }
                Effect::Connect(connect) => {
                    self.connects
                        .insert(connect.assembly.clone(), connect.clone());
                }
                Effect::Renew { assembly, .. } => self.note_lease(now, assembly),
                Effect::Fence(request) => {
                    self.attempts
                        .insert(request.assembly.clone(), request.attempt);
                }
                Effect::Execute {
                    assembly,
                    operation,
                } if operation.action == Task::Stop => {
                    let stop = (assembly.clone(), (**operation).clone());
                    self.stops.insert(operation.id.clone(), stop);
                }
                _ => {}
            }
        }
        let told = self.unasked(&mut effects);
        if self.makes(Mutant::PersistLast) {
            effects.sort_by_key(|effect| matches!(effect, Effect::Persist(_)));
        }
        let events: Vec<Event> = effects.iter().filter_map(event).cloned().collect();
        self.effects.extend(effects);
        for event in events {
            self.hurry(now, event);
        }
        for input in told {
            let _ = self.controller.handle(now, input);
            self.collect(now);
        }
    }

    /// Takes out what is to let guests in, or to end that, and gives what is said about it.
    fn unasked(&self, effects: &mut Vec<Effect>) -> Vec<Input> {
        let mut told = Vec::new();
        effects.retain(|effect| {
            let (assembly, attempt, result) = match effect {
                Effect::Unfence(request) if self.makes(Mutant::BelieveUnfencing) => {
                    (&request.assembly, request.attempt, Ok(()))
                }
                Effect::EndUnfencing { assembly, attempt } if self.makes(Mutant::HastyCut) => {
                    (assembly, *attempt, Err("it is taken for ended".to_owned()))
                }
                _ => return true,
            };
            told.push(Input::UnfencingResult {
                assembly: assembly.clone(),
                attempt,
                result,
            });
            false
        });
        told
    }

    /// An operation has ended.
    fn note_result(&mut self, input: &Input) {
        if let Input::OperationCompleted { record, .. } = input {
            self.last_call = self.last_call.max(record.call_id);
            self.stops.remove(&record.operation.id);
        }
    }

    /// Takes all stops under way for done.
    fn end_stops(&mut self, now: Time) {
        for (assembly, operation) in std::mem::take(&mut self.stops).into_values() {
            self.last_call += 1;
            let record = Record {
                operation,
                call_id: self.last_call,
                ..Record::default()
            };
            let completed = Input::OperationCompleted {
                assembly,
                record: Box::new(record),
            };
            let _ = self.controller.handle(now, completed);
            self.collect(now);
        }
    }

    /// An agent has a lease that lasts at least from now on.
    fn note_lease(&mut self, now: Time, assembly: &AssemblyId) {
        let lease_ms = self
            .connects
            .get(assembly)
            .map_or(0, |connect| connect.lease_ms);
        let ends_us = now.boottime_us + u64::from(lease_ms) * MS;
        self.lease_ends_us.insert(assembly.clone(), ends_us);
    }

    /// Has an assembly that is fenced by its lease taken as safe too early.
    fn hurry(&mut self, now: Time, event: Event) {
        let leased = event
            .details
            .get("mode")
            .is_some_and(|mode| mode == "lease");
        let Some(assembly) = event.assembly else {
            return;
        };
        match event.kind {
            EventKind::AssemblyFencingRequested if leased && self.makes(Mutant::SkipLeaseWait) => {
                self.take_as_safe(now, assembly);
            }
            EventKind::AssemblyFencingRequested if leased && self.makes(Mutant::NoMargins) => {
                let at_us = self.lease_ends_us.get(&assembly).copied();
                self.hasty_us
                    .insert(assembly, at_us.unwrap_or(now.boottime_us));
            }
            EventKind::AssemblyOnline
            | EventKind::AssemblyRecovered
            | EventKind::AssemblyLeft
            | EventKind::AssemblyFencingSucceeded => {
                self.hasty_us.remove(&assembly);
            }
            _ => {}
        }
    }

    fn take_as_safe(&mut self, now: Time, assembly: AssemblyId) {
        self.hasty_us.remove(&assembly);
        let reason = String::new();
        let attempt = self.controller.status(now).assemblies.into_iter();
        let attempt = attempt
            .filter(|status| status.name == assembly.as_str())
            .map(|status| status.fencing_attempt)
            .next();
        let (gone, confirmed) = (assembly.clone(), assembly);
        for input in [
            Input::AgentDisconnected {
                assembly: gone,
                reason,
            },
            Input::Request(Request::ConfirmFenced {
                assembly: confirmed,
                attempt: attempt.unwrap_or_default(),
            }),
        ] {
            // It may have been made safe meanwhile.
            let _ = self.controller.handle(now, input);
        }
        self.collect(now);
    }

    /// Assemblies and resources there whose failures count.
    fn failures(&self, now: Time) -> Vec<(AssemblyId, String)> {
        let failures = self.controller.status(now).failures.into_iter();
        failures
            .map(|failure| (failure.assembly.into(), failure.service))
            .collect()
    }

    /// Has an agent forget a resource, and tell again what it knows.
    fn forget(&mut self, now: Time, assembly: AssemblyId, resource: String) {
        let (gone, reason) = (assembly.clone(), String::new());
        let disconnected = Input::AgentDisconnected {
            assembly: gone,
            reason,
        };
        let _ = self.controller.handle(now, disconnected);
        self.collect(now);
        let connect = self.connects.get(&assembly).cloned();
        self.effects
            .push_back(Effect::Forget { assembly, resource });
        self.effects.extend(connect.map(Effect::Connect));
    }
}

fn event(effect: &Effect) -> Option<&Event> {
    match effect {
        Effect::Event(event) => Some(event),
        _ => None,
    }
}
