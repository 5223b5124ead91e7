//! Streams between the DPE and the agents: made, used, ended.

use controller::{Asker, AssemblyId, Effect, Input, Reply, Why};
use sim_kit::{MS, SECOND};

use crate::network::{HelloCall, Stream, ToAgent, ToDpe};
use crate::queue::SimEvent;
use crate::world::World;

impl World {
    pub(crate) fn attempt(&mut self, start: u64, assembly: AssemblyId) {
        let busy = self.shell.streams.contains_key(&assembly);
        let Some(connect) = self
            .shell
            .wants
            .get(&assembly)
            .filter(|_| self.shell.start == start && !busy)
            .cloned()
        else {
            return;
        };
        let address = connect.address.as_deref();
        let guest = address.and_then(|address| self.wiring.guest_at(address));
        let Some(guest) = guest.filter(|guest| self.is_reachable(*guest)) else {
            let delay = self.random.between(200 * MS, 900 * MS);
            self.after(delay, SimEvent::Attempt(start, assembly));
            return;
        };
        // Above what this guest has seen: a DPE whose state was lost may be below it.
        let seen = self.shell.seen_epochs.get(&assembly).copied();
        let epoch = connect.epoch.max(seen.map_or(0, |seen| seen + 1));
        self.tokens += 1;
        let (id, number) = (self.tokens, connect.number);
        let stream = Stream {
            assembly: assembly.clone(),
            number,
            epoch,
            guest,
            start,
            open: true,
            drains: false,
            welcomed: false,
            leaving: false,
            last_to_agent_us: self.now_us,
            last_to_dpe_us: self.now_us,
        };
        self.streams.insert(id, stream);
        let hello = ToAgent::Hello(HelloCall {
            epoch,
            assembly: assembly.in_document().into(),
            heartbeat_us: u64::from(connect.heartbeat_interval_ms) * MS,
            lease_us: u64::from(connect.lease_ms) * MS,
            grace_us: u64::from(connect.grace_ms) * MS,
        });
        self.shell.streams.insert(assembly, id);
        self.post_to_agent(id, hello);
        self.after(3 * SECOND, SimEvent::HelloOverdue(id));
    }

    /// A new stream to a guest can be made.
    fn is_reachable(&self, guest: usize) -> bool {
        let link = &self.links[guest];
        self.guests[guest].up
            && self.guests[guest].agent.alive
            && link.cut_until_us <= self.now_us
            && link.stalled_until_us <= self.now_us
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

    /// A message over a link that lets nothing through now.
    pub(crate) fn is_held_back(&self, event: &SimEvent) -> bool {
        let SimEvent::ToDpe(id, _) = event else {
            return false;
        };
        let stream = self.streams.get(id);
        stream.is_some_and(|own| self.links[own.guest].stalled_until_us > self.now_us)
    }

    /// The DPE's side of a stream is over; it tries again.
    pub(crate) fn stream_ended(&mut self, id: u64) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.open) else {
            return;
        };
        stream.open = false;
        let (assembly, start, welcomed) = (stream.assembly.clone(), stream.start, stream.welcomed);
        if self.shell.start != start || self.shell.streams.get(&assembly) != Some(&id) {
            return;
        }
        self.shell.streams.remove(&assembly);
        self.forget_orders(&assembly);
        let delay = self.random.between(50 * MS, 500 * MS);
        self.after(delay, SimEvent::Attempt(start, assembly.clone()));
        if welcomed {
            self.input(Input::AgentDisconnected {
                assembly,
                reason: "the simulated stream ended".into(),
            });
        }
    }

    pub(crate) fn drop_stream(&mut self, assembly: &AssemblyId) {
        if let Some(id) = self.shell.streams.remove(assembly)
            && let Some(stream) = self.streams.get_mut(&id)
        {
            stream.open = false;
            stream.drains = true;
        }
    }

    pub(crate) fn send(&mut self, assembly: &AssemblyId, message: impl FnOnce(u64) -> ToAgent) {
        let Some(id) = self.shell.streams.get(assembly).copied() else {
            return;
        };
        if let Some(stream) = self.streams.get(&id) {
            self.post_to_agent(id, message(stream.epoch));
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
        self.at(at_us, SimEvent::ToAgent(id, message));
    }

    pub(crate) fn post_to_dpe(&mut self, id: u64, message: ToDpe) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.open) else {
            return;
        };
        let delay = self.random.between(50, 5_000)
            + self.random.between(0, self.links[stream.guest].slow_us);
        let at_us = (self.now_us + delay).max(stream.last_to_dpe_us + 1);
        stream.last_to_dpe_us = at_us;
        self.at(at_us, SimEvent::ToDpe(id, message));
    }

    /// The DPE sees the end of a stream after everything that came over it.
    pub(crate) fn close_after_last_word(&mut self, id: u64) {
        if let Some(stream) = self.streams.get(&id) {
            let at_us = stream.last_to_dpe_us.max(self.now_us) + 1;
            self.at(at_us, SimEvent::Closed(id));
        }
    }

    /// The agent does not serve this DPE, or not now.
    fn turned_away(&mut self, id: u64, stream: Stream, message: ToDpe) {
        match message {
            // What becomes of it is known when the agent has left, or is lost.
            ToDpe::ExecuteBusy if stream.leaving => return,
            ToDpe::Occupied => {
                let occupant = self.guests[stream.guest].occupant();
                self.input(Input::AgentOccupied {
                    assembly: stream.assembly,
                    number: stream.number,
                    occupant,
                });
            }
            ToDpe::Stale(seen) => {
                self.shell.seen_epochs.insert(stream.assembly, seen);
            }
            _ => {}
        }
        self.stream_ended(id);
    }

    fn heard_leaving(&mut self, id: u64, assembly: AssemblyId, boot_id: String) -> Input {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.leaving = true;
        }
        Input::AgentLeaving {
            assembly,
            boot_id,
            reason: "shutdown".into(),
        }
    }

    /// A guest has answered Hello. An answer over an earlier stream may be another guest's than the
    /// one that the controller means. Returns the end of a fencing that waited for the disk.
    fn heard_hello(&mut self, id: u64, leaving: bool) -> Option<Input> {
        let stream = self.streams.get_mut(&id)?;
        (stream.welcomed, stream.leaving) = (true, leaving);
        let (assembly, number, guest) = (stream.assembly.clone(), stream.number, stream.guest);
        let controller = self.shell.controller.as_ref();
        let wanted = controller.and_then(|controller| controller.wanted(&assembly));
        if wanted.is_none_or(|connect| connect.number != number) {
            return None;
        }
        self.wiring.heard_as(&assembly, guest);
        self.guests[guest].unheard = false;
        self.checker.left.remove(&assembly);
        self.withdraw_fencing(&assembly)
    }

    pub(crate) fn arrive_at_dpe(&mut self, id: u64, message: ToDpe) {
        let Some(stream) = self.streams.get(&id).filter(|stream| stream.open).cloned() else {
            return;
        };
        let stalled_until_us = self.links[stream.guest].stalled_until_us;
        if stalled_until_us > self.now_us {
            self.put_off(stalled_until_us, SimEvent::ToDpe(id, message));
            return;
        }
        let (assembly, number) = (stream.assembly.clone(), stream.number);
        if self.shell.start != stream.start || self.shell.streams.get(&assembly) != Some(&id) {
            return;
        }
        let mut withdrawn = None;
        let input = match message {
            ToDpe::Welcome(hello, history, attributes) => {
                withdrawn = self.heard_hello(id, hello.leaving);
                Input::AgentConnected {
                    assembly,
                    number,
                    hello,
                    history,
                    attributes,
                }
            }
            ToDpe::Occupied | ToDpe::Stale(_) | ToDpe::Busy | ToDpe::ExecuteBusy => {
                self.turned_away(id, stream, message);
                return;
            }
            ToDpe::Leaving(boot_id) => self.heard_leaving(id, assembly, boot_id),
            ToDpe::Left(boot_id) => Input::AgentLeft { assembly, boot_id },
            ToDpe::Completed(record) => Input::OperationCompleted { assembly, record },
            ToDpe::Attributes(attributes) => Input::AttributesChanged {
                assembly,
                attributes,
            },
            ToDpe::Facts(facts) => Input::FactsChanged { assembly, facts },
            ToDpe::Asked(number, question) => {
                let asker = Asker { assembly, number };
                if self.now_us < self.shell.disk_full_until_us {
                    let reply = Reply::Refused {
                        why: Why::NotNow,
                        text: "the state cannot be saved".into(),
                    };
                    self.tell_agent(Effect::Answer { asker, reply });
                    return;
                }
                Input::Asked { asker, question }
            }
            ToDpe::Relayed(asker, reply) => Input::Relayed { asker, reply },
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
        for input in std::iter::once(input).chain(withdrawn) {
            self.input(input);
        }
    }
}
