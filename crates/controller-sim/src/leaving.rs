//! Guests that are shut down: their agent says so, services stop in order, the agent says that it
//! has left, and the guest boots again.

use controller::Task;
use sim_kit::{MS, SECOND};

use crate::faults::Fault;
use crate::guest::{Busy, Leaving, interrupted, key, told};
use crate::network::ToDpe;
use crate::queue::{SimEvent, Timer};
use crate::world::World;

/// How long the DPE may take until it asks for the first stop, µs.
const FIRST_STOP_US: u64 = 5 * SECOND;
/// How long it may take for all of them, and then the agent by itself, µs.
const ALL_STOPS_US: u64 = 20 * SECOND;

/// An action that brings a service, or more of it, to a guest.
pub(crate) fn begins(action: &Task) -> bool {
    matches!(action, Task::Start | Task::Promote | Task::MigrateFrom)
}

impl World {
    /// A guest is shut down, and boots again.
    pub(crate) fn shut_down(&mut self, guest: usize) {
        if self.guests[guest].going_down || self.guests[guest].agent.leaving.is_some() {
            return;
        }
        // Nobody is there to say it, or services are being stopped anyway.
        if !self.guests[guest].awake() || self.lease_over(guest) {
            let delay = self.random.between(SECOND, 15 * SECOND);
            self.after(delay, SimEvent::Fault(Fault::PowerCut(guest)));
            return;
        }
        self.say(|| format!("node {guest}: it is shut down"));
        let stream = self.guests[guest].agent.connection;
        for record in self.guests[guest].agent.drop_waiting(begins) {
            if let Some(stream) = stream {
                self.post_cancelled(stream, record);
            }
        }
        let connected = stream.filter(|_| self.is_connected(guest));
        if self.guests[guest].agent.may_run().is_empty() {
            self.leave(guest);
        } else if let Some(stream) = connected {
            let boot_id = self.guests[guest].boot_id();
            self.post_to_dpe(stream, ToDpe::Leaving(boot_id));
            self.wait_for_stops(guest, false, FIRST_STOP_US);
        } else {
            self.stop_by_itself(guest);
        }
    }

    /// The services are the DPE's business for that time.
    fn wait_for_stops(&mut self, guest: usize, begun: bool, for_us: u64) {
        let until_us = self.now_us + for_us;
        self.guests[guest].agent.leaving = Some(Leaving::Waits { until_us, begun });
        self.timer_after(guest, for_us, Timer::LeaveLate);
    }

    /// The DPE asks for something while the agent leaves. `false`: it is not taken.
    pub(crate) fn asked_while_leaving(&mut self, guest: usize, action: &Task) -> bool {
        match self.guests[guest].agent.leaving {
            None => true,
            Some(Leaving::Waits { begun, .. }) => {
                let stops = matches!(action, Task::Stop | Task::Demote | Task::MigrateTo);
                if stops && !begun {
                    self.wait_for_stops(guest, true, ALL_STOPS_US);
                }
                !begins(action)
            }
            Some(Leaving::Stops | Leaving::Stays) => false,
        }
    }

    /// Looks how far an agent is that leaves: when something has happened in its guest.
    pub(crate) fn watch_leaving(&mut self, guest: usize) {
        let agent = &self.guests[guest].agent;
        let waits = matches!(agent.leaving, Some(Leaving::Waits { .. }));
        if waits && agent.alive && agent.may_run().is_empty() {
            self.leave(guest);
        }
    }

    /// The DPE has not stopped everything in time: the agent does.
    pub(crate) fn leave_late(&mut self, guest: usize) {
        if let Some(Leaving::Waits { until_us, .. }) = self.guests[guest].agent.leaving
            && until_us <= self.now_us
        {
            self.stop_by_itself(guest);
        }
    }

    fn stop_by_itself(&mut self, guest: usize) {
        self.say(|| format!("node {guest}: the agent stops its services and leaves"));
        self.give_up_operations(guest);
        let agent = &mut self.guests[guest].agent;
        agent.leaving = Some(Leaving::Stops);
        let resources = agent.may_run();
        let mut delay = 0;
        for resource in resources {
            delay += self.random.between(5 * MS, 3 * SECOND);
            self.timer_after(guest, delay, Timer::LeaveStopped(resource));
        }
        self.timer_after(guest, delay.max(ALL_STOPS_US), Timer::LeaveGivesUp);
    }

    /// What is under way or waits is given up.
    pub(crate) fn give_up_operations(&mut self, guest: usize) {
        let wall = self.time().wall_us;
        let agent = &mut self.guests[guest].agent;
        agent.queue.clear();
        agent.delayed.clear();
        for Busy { record, .. } in std::mem::take(&mut agent.busy).into_values() {
            if record.operation.interval_ms == 0 {
                let record = told(&record);
                agent
                    .records
                    .insert(key(&record.operation), interrupted(record, wall));
            }
        }
    }

    /// The agent has stopped a service by itself, unless that refuses.
    pub(crate) fn leave_stopped(&mut self, guest: usize, resource: &str) {
        let stops = self.guests[guest].agent.leaving == Some(Leaving::Stops);
        if !stops || self.guests[guest].cannot_stop(self.now_us) {
            return;
        }
        self.stopped_by_itself(guest, resource);
        let agent = &self.guests[guest].agent;
        if agent.may_run().is_empty() && !agent.damaged {
            self.leave(guest);
        }
    }

    /// Services did not stop: under a lease the agent stays until its end.
    pub(crate) fn leave_gives_up(&mut self, guest: usize) {
        let agent = &mut self.guests[guest].agent;
        if agent.leaving != Some(Leaving::Stops) {
            return;
        }
        if agent.lease.is_some() {
            agent.leaving = Some(Leaving::Stays);
        } else {
            self.go_down(guest);
        }
    }

    /// Nothing runs any more that the agent knows of: it says so, if it is sure, and ends.
    fn leave(&mut self, guest: usize) {
        let boot_id = self.guests[guest].boot_id();
        let agent = &mut self.guests[guest].agent;
        let stream = agent.connection.filter(|_| !agent.damaged);
        if stream.is_some() || !agent.damaged {
            agent.lease = None;
        }
        if let Some(stream) = stream {
            self.post_to_dpe(stream, ToDpe::Left(boot_id));
        }
        self.say(|| format!("node {guest}: the agent has left"));
        self.go_down(guest);
    }

    /// The agent's process has ended, and the guest goes down.
    pub(crate) fn go_down(&mut self, guest: usize) {
        let stream = self.guests[guest].agent.connection;
        // Operations under way are monitors, if any.
        drop(self.guests[guest].kill_agent());
        self.guests[guest].going_down = true;
        if let Some(stream) = stream {
            self.close_after_last_word(stream);
        }
        self.plan_guard(guest);
        let delay = self.random.between(100 * MS, 8 * SECOND);
        self.timer_after(guest, delay, Timer::Halted);
    }
}
