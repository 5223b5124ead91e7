//! What simulated agents do when a message or a timer comes.

use controller::{AssemblyId, Operation, Record, RecordState, STATUS_CANCELLED, STATUS_DONE, Task};
use sim_kit::{MS, SECOND};

use crate::guest::{Busy, Lease, Leaving, interrupted, key, told};
use crate::mutants::Mutant;
use crate::network::{HelloCall, ToAgent, ToDpe};
use crate::queue::{SimEvent, Timer};
use crate::world::World;

/// The service manager kills an agent that hangs for so long, µs.
const WATCHDOG_US: u64 = 4 * SECOND;
/// A reset ends everything within, µs.
const RESET_US: u64 = 1_500 * MS;
/// The guard waits for the agent this long after the deadline of a lease, µs.
const GUARD_US: u64 = 400 * MS;

impl World {
    pub(crate) fn timer_after(&mut self, guest: usize, delay_us: u64, timer: Timer) {
        let life = self.guests[guest].life;
        self.after(delay_us, SimEvent::Timer(guest, life, timer));
    }

    /// A guest that is paused, or whose agent hangs, does it later.
    fn deferred(&mut self, guest: usize, event: impl FnOnce() -> SimEvent) -> bool {
        let own = &mut self.guests[guest];
        let asleep = own.paused.is_some() || (own.up && own.agent.alive && own.agent.hung);
        if asleep {
            own.deferred.push(event());
        }
        asleep
    }

    pub(crate) fn arrive_at_agent(&mut self, stream: u64, message: ToAgent) {
        let Some(known) = self.streams.get(&stream) else {
            return;
        };
        let guest = known.guest;
        if !known.open && !known.drains {
            return;
        }
        let stalled_until_us = self.links[guest].stalled_until_us;
        if stalled_until_us > self.now_us {
            self.put_off(stalled_until_us, SimEvent::ToAgent(stream, message));
            return;
        }
        if self.deferred(guest, || SimEvent::ToAgent(stream, message.clone()))
            || !self.guests[guest].awake()
        {
            return;
        }
        // What was sent in an earlier life of the guest or the agent was lost with its socket.
        let hello = matches!(message, ToAgent::Hello(_));
        if hello || self.guests[guest].agent.connection == Some(stream) {
            self.obey(guest, stream, message);
            self.watch_leaving(guest);
        }
    }

    /// An agent gets a message of the DPE that it obeys, or a Hello.
    fn obey(&mut self, guest: usize, stream: u64, message: ToAgent) {
        let current = |epoch: u64, world: &World| epoch >= world.guests[guest].agent.epoch;
        match message {
            ToAgent::Hello(call) => self.hello(guest, stream, &call),
            ToAgent::Renew { epoch, stamp_us } => self.renew(guest, epoch, stamp_us),
            ToAgent::Execute { epoch, operation } if current(epoch, self) => {
                self.accept(guest, stream, *operation);
            }
            ToAgent::Cancel {
                epoch,
                resource,
                action,
                interval_ms,
            } if current(epoch, self) => {
                let key = (resource.clone(), action.clone(), interval_ms);
                if let Some(record) = self.guests[guest].agent.cancel(&key) {
                    self.post_cancelled(stream, record);
                }
                self.post_to_dpe(stream, ToDpe::Cancelled(resource, action, interval_ms));
            }
            ToAgent::Forget { epoch, resource } if current(epoch, self) => {
                self.guests[guest].agent.forget(&resource);
            }
            ToAgent::Release { epoch, keep } if current(epoch, self) => self.release(guest, keep),
            ToAgent::Restart { epoch } if current(epoch, self) => self.end_lease(guest),
            ToAgent::Answer {
                epoch,
                number,
                reply,
            } if current(epoch, self) => self.answered(guest, number, reply),
            ToAgent::Ask {
                epoch,
                asker,
                question,
            } if current(epoch, self) => self.asked_for_another(guest, stream, asker, question),
            // Of an earlier DPE.
            _ => {}
        }
    }

    /// An operation is taken in, unless the lease is over or it is known.
    fn accept(&mut self, guest: usize, stream: u64, operation: Operation) {
        let full = self.now_us < self.guests[guest].full_until_us;
        if full && operation.action != Task::Stop {
            let reply = ToDpe::ExecuteRefused(operation.id, "no space is left".into());
            self.post_to_dpe(stream, reply);
            return;
        }
        if self.lease_over(guest) {
            let reply = ToDpe::ExecuteRefused(operation.id, "the lease has ended".into());
            self.post_to_dpe(stream, reply);
            return;
        }
        if self.guests[guest].agent.knows(&operation.id) {
            return;
        }
        if !self.asked_while_leaving(guest, &operation.action) {
            self.post_to_dpe(stream, ToDpe::ExecuteBusy);
            return;
        }
        let clock_us = self.guests[guest].clock(self.now_us);
        let agent = &mut self.guests[guest].agent;
        let resource = operation.resource.clone();
        let (ended, delayed) = agent.accept(operation, clock_us);
        let delayed = delayed.map(|delayed| (told(&delayed.record), delayed.due_us));
        for record in ended {
            self.post_cancelled(stream, record);
        }
        if let Some((record, due_us)) = delayed {
            self.plan_delayed(guest, record.call_id, due_us);
            self.post_to_dpe(stream, ToDpe::Completed(Box::new(record)));
        }
        self.next_operation(guest, &resource);
    }

    fn plan_delayed(&mut self, guest: usize, call_id: u32, due_us: u64) {
        let own = &self.guests[guest];
        let (at_us, life) = (own.when(due_us), own.life);
        self.at(at_us, SimEvent::Timer(guest, life, Timer::Delayed(call_id)));
    }

    /// The start delay of an operation may be over.
    fn delay_ends(&mut self, guest: usize, call_id: u32) {
        if self.lease_over(guest) {
            return;
        }
        let clock_us = self.guests[guest].clock(self.now_us);
        let agent = &mut self.guests[guest].agent;
        let Some(delayed) = agent.delayed.get(&call_id) else {
            return;
        };
        let due_us = delayed.due_us;
        if due_us > clock_us {
            self.plan_delayed(guest, call_id, due_us);
            return;
        }
        if let Some(delayed) = agent.delayed.remove(&call_id) {
            let resource = delayed.record.operation.resource.clone();
            let queue = agent.queue.entry(resource.clone()).or_default();
            queue.push_back(delayed.record);
            self.next_operation(guest, &resource);
        }
    }

    /// Says that a recurring operation has ended, or what waited was taken back.
    pub(crate) fn post_cancelled(&mut self, stream: u64, mut record: Record) {
        (record.state, record.status) = (RecordState::Cancelled, STATUS_CANCELLED);
        self.post_to_dpe(stream, ToDpe::Completed(Box::new(record)));
    }

    fn hello(&mut self, guest: usize, stream: u64, call: &HelloCall) {
        let HelloCall {
            epoch,
            heartbeat_us,
            lease_us,
            grace_us,
            ..
        } = *call;
        if self.is_ending(guest, &call.assembly) {
            self.lease_check(guest);
            self.post_to_dpe(stream, ToDpe::Busy);
            return;
        }
        let own = &self.guests[guest];
        if own.foreign || !self.may_belong_to(guest, &call.assembly) {
            self.post_to_dpe(stream, ToDpe::Occupied);
            return;
        }
        if epoch < own.agent.epoch || self.now_us < own.says_stale_until_us {
            let seen = own.agent.epoch.max(epoch);
            self.post_to_dpe(stream, ToDpe::Stale(seen));
            return;
        }
        let said = (self.streams.get(&stream)).map_or((0, 0), |known| (known.start, known.number));
        if self.is_late(guest, call, said) {
            self.post_to_dpe(stream, ToDpe::Busy);
            return;
        }
        let clock = self.guests[guest].clock(self.now_us);
        let over = self.guests[guest].agent.lease_over(clock);
        let agent = &mut self.guests[guest].agent;
        agent.hello = said;
        if agent.assembly.as_ref() != Some(&call.assembly) {
            agent.records.clear();
            agent.delayed.clear();
            agent.configured.clear();
            agent.assembly = Some(call.assembly.clone());
        }
        agent.epoch = epoch;
        agent.connection = Some(stream);
        agent.heartbeat_us = heartbeat_us;
        agent.lease = match agent.lease.take() {
            _ if lease_us == 0 => None,
            // A lease that runs is moved by Renew only.
            Some(lease) if !over => Some(Lease {
                length_us: lease_us,
                grace_us,
                ..lease
            }),
            _ => Some(Lease {
                ends_us: clock + lease_us,
                stamp_us: 0,
                length_us: lease_us,
                grace_us,
                resets: false,
            }),
        };
        let own = &mut self.guests[guest];
        own.agent.told = Some(own.address);
        let (history, attributes) = (own.agent.history(), own.agent.attributes.clone());
        let welcome = ToDpe::Welcome(own.hello(), history, attributes);
        self.post_to_dpe(stream, welcome);
        self.ask_again_over(guest, stream);
        self.plan_lease_check(guest);
        self.timer_after(guest, 0, Timer::Heartbeat);
    }

    /// A later Hello of the same start of the DPE was taken: this one was on its way for longer.
    fn is_late(&self, guest: usize, call: &HelloCall, said: (u64, u64)) -> bool {
        let agent = &self.guests[guest].agent;
        let own = agent.assembly.as_ref() == Some(&call.assembly) && agent.epoch == call.epoch;
        own && agent.hello.0 == said.0 && said.1 < agent.hello.1
    }

    /// Its services are being stopped, or are about to be: no Hello is taken but that of its own
    /// DPE while it leaves.
    fn is_ending(&self, guest: usize, assembly: &AssemblyId) -> bool {
        let agent = &self.guests[guest].agent;
        let over = self.lease_over(guest) && agent.lease.is_some() && !self.lease_settled(guest);
        let another = agent.assembly.as_ref().is_some_and(|own| own != assembly);
        match agent.leaving {
            Some(Leaving::Stays) => true,
            Some(Leaving::Stops) if another => true,
            _ => over,
        }
    }

    /// The guest is that assembly's, or nobody's: nothing of another one may run, and its lease is
    /// over, and its DPE is gone.
    fn may_belong_to(&self, guest: usize, assembly: &AssemblyId) -> bool {
        let agent = &self.guests[guest].agent;
        let own = agent.assembly.as_ref() == Some(assembly);
        let leased = agent.lease.is_some() && !self.lease_over(guest);
        own || (agent.may_run().is_empty() && !leased && !self.is_connected(guest))
    }

    /// The DPE lets go of the guest. Services that do not stop keep it from that.
    fn release(&mut self, guest: usize, keep: bool) {
        let own = &mut self.guests[guest];
        if !keep {
            if own.cannot_stop(self.now_us) && !own.agent.may_run().is_empty() {
                return;
            }
            for resource in own.agent.may_run() {
                own.process_ends(&resource);
            }
            own.agent.records.clear();
            own.agent.left.retain(|_, released| *released);
            own.agent.attributes.values.clear();
            own.agent.attributes.version += 1;
        }
        let agent = &mut own.agent;
        agent.lease = None;
        agent.assembly = None;
        agent.connection = None;
        agent.leave_behind();
    }

    /// The lease has ended and nothing that the agent knows of runs any more.
    fn lease_settled(&self, guest: usize) -> bool {
        let agent = &self.guests[guest].agent;
        agent.may_run().is_empty() && !agent.damaged && agent.stopping_until_us.is_none()
    }

    pub(crate) fn lease_over(&self, guest: usize) -> bool {
        let own = &self.guests[guest];
        own.agent.stopping_until_us.is_some() || own.agent.lease_over(own.clock(self.now_us))
    }

    fn renew(&mut self, guest: usize, epoch: u64, stamp_us: u64) {
        if self.lease_over(guest) {
            self.lease_check(guest);
            return;
        }
        let refuses = self.is_full_for(guest);
        let agent = &mut self.guests[guest].agent;
        if epoch != agent.epoch || agent.leaving == Some(Leaving::Stays) {
            return;
        }
        if let Some(lease) = agent.lease.as_ref().filter(|_| refuses) {
            agent.refused_until_us = stamp_us + lease.length_us;
            return;
        }
        if let Some(lease) = &mut agent.lease
            && stamp_us > lease.stamp_us
        {
            lease.stamp_us = stamp_us;
            lease.ends_us = lease.ends_us.max(stamp_us + lease.length_us);
            self.plan_lease_check(guest);
        }
    }

    /// The DPE has the guest restarted: its lease ends now, if it has one.
    fn end_lease(&mut self, guest: usize) {
        let clock = self.guests[guest].clock(self.now_us);
        if self.now_us < self.guests[guest].full_until_us {
            return;
        }
        if let Some(lease) = &mut self.guests[guest].agent.lease {
            lease.ends_us = lease.ends_us.min(clock);
            lease.resets = true;
            self.lease_check(guest);
        }
    }

    fn plan_lease_check(&mut self, guest: usize) {
        let own = &self.guests[guest];
        let Some(lease) = &own.agent.lease else {
            return;
        };
        let (at_us, life) = (own.when(lease.ends_us), own.life);
        self.at(at_us, SimEvent::Timer(guest, life, Timer::LeaseCheck));
    }

    fn lease_check(&mut self, guest: usize) {
        let clock = self.guests[guest].clock(self.now_us);
        let own = &mut self.guests[guest];
        if !own.agent.lease_over(clock) || own.agent.stopping_until_us.is_some() {
            return;
        }
        // The DPE finds out when it says Hello.
        if let Some(stream) = own.agent.connection.take() {
            self.after(MS, SimEvent::Closed(stream));
        }
        let own = &mut self.guests[guest];
        own.agent.end_monitors();
        let lease = own.agent.lease.as_ref();
        let resets = lease.is_some_and(|lease| lease.resets);
        if own.agent.may_run().is_empty() && !own.agent.damaged && !resets {
            return;
        }
        // Counted from the end of the lease, whichever process of the agent sees it.
        let deadline_us = own.agent.lease.as_ref().map_or(self.now_us, |lease| {
            own.when(lease.ends_us) + lease.grace_us
        });
        let left_us = deadline_us.saturating_sub(self.now_us);
        let resources = own.agent.may_run();
        let renewed = own.agent.refused_until_us > clock;
        if renewed && !resources.is_empty() {
            let name = own.name.clone();
            self.violated(format!(
                "{name} ends a lease that its DPE has renewed, and stops its services"
            ));
        }
        let own = &self.guests[guest];
        if self.checker.hands_off.contains(&guest) {
            let name = own.name.clone();
            self.violated(format!(
                "{name} is under maintenance and stops its services"
            ));
        }
        self.say(|| format!("node {guest}: the lease is over, services are stopped"));
        self.guests[guest].agent.stopping_until_us = Some(deadline_us);
        self.give_up_operations(guest);
        let (mut delay, count) = (0, (resources.len() as u64).max(1));
        for resource in resources {
            let share = (left_us / 2 / count).max(2);
            delay += self.random.between(1, share);
            self.timer_after(guest, delay, Timer::LeaseStopped(resource));
        }
        self.timer_after(guest, left_us, Timer::LeaseGivesUp);
        self.lease_ends_well(guest);
    }

    fn lease_stopped(&mut self, guest: usize, resource: &str) {
        let believes = self.options.mutant == Some(Mutant::AbsentIsStopped);
        let cannot = self.guests[guest].cannot_stop(self.now_us);
        if (cannot && !believes) || self.is_full_for(guest) {
            return;
        }
        self.stopped_by_itself(guest, resource);
        self.lease_ends_well(guest);
    }

    /// The agent is one that does nothing while it cannot write.
    fn is_full_for(&self, guest: usize) -> bool {
        let full = self.now_us < self.guests[guest].full_until_us;
        full && self.options.mutant == Some(Mutant::FullRefuses)
    }

    /// All services may have stopped in order: the agent waits for a DPE then, unless its guest is
    /// to be restarted.
    fn lease_ends_well(&mut self, guest: usize) {
        // A record that was lost may have named a service that nobody knows of.
        let agent = &mut self.guests[guest].agent;
        if !agent.may_run().is_empty() || agent.damaged {
            return;
        }
        if agent.lease.as_ref().is_some_and(|lease| lease.resets) {
            self.say(|| format!("node {guest}: the guest is restarted"));
            let delay = self.random.between(1, RESET_US);
            self.timer_after(guest, delay, Timer::Halted);
            return;
        }
        agent.stopping_until_us = None;
        if agent.leaving.is_some() {
            self.go_down(guest);
        }
    }

    /// The agent has stopped a service without being asked to.
    pub(crate) fn stopped_by_itself(&mut self, guest: usize, resource: &str) {
        let wall = self.time().wall_us;
        let own = &mut self.guests[guest];
        // Else nothing has stopped it, and the agent takes it for stopped all the same.
        let ended = !own.cannot_stop(self.now_us) && own.process_ends(resource);
        own.agent.cancel_recurring(resource);
        own.agent.last_call += 1;
        let template = own
            .agent
            .records
            .values()
            .find(|record| record.operation.resource == resource)
            .cloned();
        if let Some(mut record) = template {
            record.operation.id = format!("lease-expiry/{}", own.agent.last_call);
            record.operation.action = Task::Stop;
            record.operation.interval_ms = 0;
            record.state = RecordState::Complete;
            (record.call_id, record.status, record.rc) = (own.agent.last_call, STATUS_DONE, 0);
            (record.completed, record.last_rc_change) = (wall, wall);
            own.agent
                .records
                .insert(key(&record.operation), record.clone());
            if let Some(stream) = self.guests[guest].agent.connection {
                self.post_to_dpe(stream, ToDpe::Completed(Box::new(record)));
            }
        }
        if ended {
            self.vanished(guest, resource);
        }
    }

    pub(crate) fn timer(&mut self, guest: usize, timer: Timer) {
        match &timer {
            // These do not need the agent.
            Timer::Halted => {
                self.power_cycle(guest);
                return;
            }
            Timer::Watchdog => {
                if self.guests[guest].agent.hung {
                    self.agent_dies(guest);
                }
                return;
            }
            Timer::AgentResumes => {
                if self.guests[guest].agent.hung {
                    self.guests[guest].agent.hung = false;
                    self.replay_deferred(guest);
                }
                return;
            }
            Timer::AgentStarts if self.guests[guest].agent.alive => return,
            Timer::AgentStarts => {
                self.guests[guest].agent.alive = true;
                self.agent_started(guest);
                return;
            }
            _ => {}
        }
        let life = self.guests[guest].life;
        if self.deferred(guest, || SimEvent::Timer(guest, life, timer.clone()))
            || !self.guests[guest].awake()
        {
            return;
        }
        match timer {
            Timer::Heartbeat => self.send_heartbeat(guest),
            Timer::OperationEnds(resource, token) => {
                self.operation_ends(guest, &resource, token);
                self.watch_leaving(guest);
            }
            Timer::Monitor(resource, action, interval_ms, call_id) => {
                self.monitor_due(guest, resource, action, interval_ms, call_id)
            }
            Timer::Delayed(call_id) => self.delay_ends(guest, call_id),
            Timer::LeaseCheck => self.lease_check(guest),
            Timer::LeaveLate => self.leave_late(guest),
            Timer::LeaveStopped(resource) => self.leave_stopped(guest, &resource),
            Timer::LeaveGivesUp => self.leave_gives_up(guest),
            Timer::LeaseStopped(resource) => {
                if self.guests[guest].agent.stopping_until_us.is_some() {
                    self.lease_stopped(guest, &resource);
                }
            }
            Timer::LeaseGivesUp => {
                if self.guests[guest].agent.stopping_until_us.is_some() {
                    self.say(|| format!("node {guest}: services do not stop, the guest is reset"));
                    let delay = self.random.between(1, RESET_US);
                    self.timer_after(guest, delay, Timer::Halted);
                }
            }
            Timer::Halted | Timer::Watchdog | Timer::AgentResumes | Timer::AgentStarts => {}
        }
    }

    fn send_heartbeat(&mut self, guest: usize) {
        self.note_returned(guest);
        let stamp = self.guests[guest].clock(self.now_us);
        let agent = &self.guests[guest].agent;
        let (Some(stream), heartbeat_us) = (agent.connection, agent.heartbeat_us.max(MS)) else {
            return;
        };
        // One chain of heartbeats per stream: a new Hello begins a new one, the old one ends here.
        self.checker
            .heartbeats
            .entry((guest, self.guests[guest].life))
            .or_insert(0);
        let chain = self
            .checker
            .heartbeats
            .get_mut(&(guest, self.guests[guest].life));
        if let Some(next_us) = chain {
            if *next_us > self.now_us + heartbeat_us / 2 {
                return;
            }
            *next_us = self.now_us + heartbeat_us;
        }
        self.tell_address(guest, stream);
        self.post_to_dpe(stream, ToDpe::Heartbeat(stamp));
        self.timer_after(guest, heartbeat_us, Timer::Heartbeat);
    }

    /// The agent's process ends and is started again.
    pub(crate) fn agent_dies(&mut self, guest: usize) {
        if !self.guests[guest].up || !self.guests[guest].agent.alive {
            return;
        }
        self.say(|| format!("node {guest}: the agent dies"));
        let stream = self.guests[guest].agent.connection;
        let wall = self.time().wall_us;
        let tools = std::mem::take(&mut self.guests[guest].agent.asked);
        self.gave_up(tools);
        for Busy { record, before, .. } in self.guests[guest].kill_agent() {
            let record = told(&record);
            if before.is_none() {
                self.cut_short(guest, &record.operation);
                self.vanished(guest, &record.operation.resource);
            }
            let own = &mut self.guests[guest];
            // A monitor that was cut short has found nothing: it is run again.
            if record.operation.interval_ms == 0 {
                own.agent
                    .records
                    .insert(key(&record.operation), interrupted(record, wall));
            }
        }
        if let Some(stream) = stream {
            self.after(MS, SimEvent::Closed(stream));
        }
        // A unit that is being stopped is not started again.
        if self.guests[guest].agent.leaving.is_some() {
            self.go_down(guest);
            return;
        }
        let broken_us = (self.guests[guest].broken_until_us).saturating_sub(self.now_us);
        self.timer_after(guest, broken_us.max(100 * MS), Timer::AgentStarts);
        self.plan_guard(guest);
    }

    /// The agent's process begins: it finds its state under /run.
    fn agent_started(&mut self, guest: usize) {
        self.lease_check(guest);
        self.plan_lease_check(guest);
        let waiting: Vec<String> = self.guests[guest].agent.queue.keys().cloned().collect();
        for resource in waiting {
            self.next_operation(guest, &resource);
        }
        let delayed = self.guests[guest].agent.delayed.iter();
        let delayed: Vec<(u32, u64)> = delayed.map(|(id, own)| (*id, own.due_us)).collect();
        for (call_id, due_us) in delayed {
            self.plan_delayed(guest, call_id, due_us);
        }
        let monitors: Vec<Record> = self.guests[guest]
            .agent
            .records
            .values()
            .filter(|record| record.operation.interval_ms > 0)
            .cloned()
            .collect();
        for record in monitors {
            let operation = record.operation;
            self.timer_after(
                guest,
                u64::from(operation.interval_ms) * MS,
                Timer::Monitor(
                    operation.resource,
                    operation.action,
                    operation.interval_ms,
                    record.call_id,
                ),
            );
        }
    }

    /// The agent hangs for a while, or until the watchdog.
    pub(crate) fn agent_hangs(&mut self, guest: usize, for_us: u64) {
        if self.guests[guest].awake() {
            self.say(|| format!("node {guest}: the agent hangs"));
            self.guests[guest].agent.hung = true;
            self.timer_after(guest, for_us, Timer::AgentResumes);
            self.timer_after(guest, WATCHDOG_US, Timer::Watchdog);
            self.plan_guard(guest);
        }
    }

    /// The guard looks at the lease when the agent may not be there to end it.
    pub(crate) fn plan_guard(&mut self, guest: usize) {
        let own = &self.guests[guest];
        if let Some(lease) = &own.agent.lease {
            let at_us = own.when(lease.ends_us + lease.grace_us) + GUARD_US;
            self.at(at_us, SimEvent::Guard(guest, own.boot));
        }
    }

    /// The guard resets a guest whose lease is long over and whose agent does not run.
    pub(crate) fn guard_looks(&mut self, guest: usize, boot: u64) {
        let own = &self.guests[guest];
        if own.boot != boot || !own.up || own.awake() {
            return;
        }
        if own.paused.is_some() {
            self.guests[guest]
                .deferred
                .push(SimEvent::Guard(guest, boot));
            return;
        }
        let clock_us = own.clock(self.now_us);
        let lease = own.agent.lease.as_ref();
        if lease.is_some_and(|lease| lease.ends_us + lease.grace_us <= clock_us) {
            self.say(|| format!("node {guest}: the guard resets the guest"));
            let delay = self.random.between(1, RESET_US - GUARD_US);
            self.timer_after(guest, delay, Timer::Halted);
        }
    }

    fn replay_deferred(&mut self, guest: usize) {
        for event in std::mem::take(&mut self.guests[guest].deferred) {
            self.after(0, event);
        }
        self.lease_check(guest);
    }

    /// A guest stands still as a whole.
    pub(crate) fn pause(&mut self, guest: usize, for_us: u64, clock_goes_on: bool) {
        if self.guests[guest].up && self.guests[guest].paused.is_none() {
            self.say(|| format!("node {guest}: paused for {for_us} µs"));
            self.guests[guest].paused = Some((self.now_us, clock_goes_on));
            self.after(for_us, SimEvent::Resume(guest));
        }
    }

    pub(crate) fn resume_guest(&mut self, guest: usize) {
        let Some((since_us, clock_goes_on)) = self.guests[guest].paused.take() else {
            return;
        };
        if !clock_goes_on {
            self.guests[guest].stood_still_us += self.now_us - since_us;
        }
        self.replay_deferred(guest);
    }

    /// Power off; on again after a while.
    pub(crate) fn power_cycle(&mut self, guest: usize) {
        let was_up = self.guests[guest].up;
        self.power_off(guest);
        if let Some(successor) = self.guests[guest].replaced_by {
            self.wiring.hand_over(guest, successor);
        } else if was_up {
            let delay = self.random.between(300 * MS, 15 * SECOND);
            self.after(delay, SimEvent::Boot(guest));
        }
    }

    /// Everything that ran in a guest is gone.
    fn power_off(&mut self, guest: usize) {
        self.say(|| format!("node {guest}: power is cut"));
        for service in self.guests[guest].running.clone() {
            self.vanished(guest, &service);
        }
        let stream = self.guests[guest].agent.connection;
        let tools = std::mem::take(&mut self.guests[guest].agent.asked);
        self.gave_up(tools);
        self.guests[guest].power_off();
        // The other side of a stream sees its end at once, later, or only by silence.
        if let Some(stream) = stream
            && self.random.percent(50)
        {
            let delay = self.random.between(MS, SECOND);
            self.after(delay, SimEvent::Closed(stream));
        }
    }

    /// A device or the cloud manager switches a guest off and on.
    pub(crate) fn fenced(&mut self, guest: usize) {
        if self.guests[guest].foreign {
            let name = self.guests[guest].name.clone();
            self.violated(format!(
                "{name} belongs to another deployment and is fenced"
            ));
        }
        self.power_cycle(guest);
    }

    /// A guest goes on from its snapshot: with the same boot, what ran then, and its old clock.
    pub(crate) fn restore_guest(&mut self, guest: usize) {
        // After the end nobody would look after what runs in it.
        let saved = self.snapshots.remove(&guest);
        let Some((saved, taken_us)) = saved.filter(|_| !self.shell.unloaded) else {
            return;
        };
        self.power_off(guest);
        let own = &mut self.guests[guest];
        let life = own.life;
        *own = saved;
        own.life = life + 1;
        own.stood_still_us += self.now_us - taken_us;
        // Nobody can keep it from running what it ran: it counts once that is in order again.
        self.checker.given_up.insert(guest);
        self.checker.returned.insert(guest, self.now_us);
        self.say(|| format!("guest {guest}: taken back to its snapshot"));
        // What was under way goes on.
        let busy = self.guests[guest].agent.busy.iter();
        let busy: Vec<(String, u64)> = busy.map(|(own, busy)| (own.clone(), busy.token)).collect();
        for (resource, token) in busy {
            self.timer_after(guest, 100 * MS, Timer::OperationEnds(resource, token));
        }
        self.agent_started(guest);
    }

    pub(crate) fn boot(&mut self, guest: usize) {
        if !self.guests[guest].up {
            let now_us = self.now_us;
            self.guests[guest].boot(now_us);
            self.say(|| format!("node {guest}: booted"));
        }
    }
}
