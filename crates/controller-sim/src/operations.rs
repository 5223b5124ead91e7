//! Operations of simulated resource agents: how long they take, what they do to processes, how they
//! end.

use controller::{
    Attribute, Configure, FORCE_RESTART, MIGRATE_TARGET, Operation, Record, RecordState,
    STATUS_DONE, STATUS_TIMEOUT, Task,
};
use sim_kit::{MS, SECOND};

use crate::guest::{Busy, STATUS_NOT_INSTALLED, configuration, key};
use crate::mutants::Mutant;
use crate::network::ToDpe;
use crate::queue::Timer;
use crate::world::World;

/// So many starts and stops in a hundred take seconds, in seeds in which some do.
const SLOW_PERCENT: u64 = 25;
/// The exit code for it.
const NOT_INSTALLED: i32 = 5;

impl World {
    /// Begins the next operation of a resource, if none is under way.
    pub(crate) fn next_operation(&mut self, guest: usize, resource: &str) {
        let agent = &mut self.guests[guest].agent;
        if agent.busy.contains_key(resource) {
            return;
        }
        let Some(record) = agent
            .queue
            .get_mut(resource)
            .and_then(std::collections::VecDeque::pop_front)
        else {
            return;
        };
        let wanted = configuration(&record.operation);
        let known = self.guests[guest].agent.configured.get(resource);
        match wanted.filter(|wanted| known != Some(wanted)) {
            Some(wanted) => self.begin_script(guest, record, wanted),
            None => {
                let timeout_ms = record.operation.timeout_ms;
                self.begin_operation(guest, record, timeout_ms);
            }
        }
    }

    /// Runs what is to be run before an operation. One that is `exit 1` fails, as in a shell.
    fn begin_script(&mut self, guest: usize, record: Record, wanted: String) {
        let configured = &mut self.guests[guest].agent.configured;
        configured.remove(&record.operation.resource);
        let (mut outcome, duration_us) =
            self.fate(guest, &record.operation, record.operation.timeout_ms);
        let script = record.operation.configure.as_deref();
        if let Some(Configure::Content { text, .. }) = script
            && text == "exit 1\n"
        {
            outcome = (STATUS_DONE, 1);
        }
        let before = Some((wanted, self.now_us));
        self.under_way(guest, record, outcome, duration_us, before);
    }

    /// Begins an operation, which has so much time.
    fn begin_operation(&mut self, guest: usize, record: Record, timeout_ms: u32) {
        let resource = record.operation.resource.clone();
        let (outcome, duration_us) = self.fate(guest, &record.operation, timeout_ms);
        // These may have an effect from their first instant on, whatever becomes of them.
        match record.operation.action {
            _ if outcome.0 == STATUS_NOT_INSTALLED => {}
            Task::Start => self.process_started(guest, &resource),
            Task::MigrateFrom if !self.moves_processes(&resource) => {
                self.process_started(guest, &resource)
            }
            Task::Promote => self.process_promoted(guest, &resource),
            _ => {}
        }
        self.under_way(guest, record, outcome, duration_us, None);
    }

    fn under_way(
        &mut self,
        guest: usize,
        record: Record,
        outcome: (i32, i32),
        duration_us: u64,
        before: Option<(String, u64)>,
    ) {
        self.tokens += 1;
        let (token, resource) = (self.tokens, record.operation.resource.clone());
        let busy = Busy {
            record,
            outcome,
            token,
            before,
        };
        let all = &mut self.guests[guest].agent.busy;
        all.insert(resource.clone(), busy);
        self.timer_after(guest, duration_us, Timer::OperationEnds(resource, token));
    }

    /// What was run before an operation has ended. It is noted before the operation begins.
    fn script_ends(&mut self, guest: usize, busy: Busy, (wanted, since_us): (String, u64)) {
        let mut record = busy.record;
        let resource = record.operation.resource.clone();
        if busy.outcome != (STATUS_DONE, 0) {
            (record.status, record.rc) = busy.outcome;
            self.complete(guest, record);
            self.next_operation(guest, &resource);
            return;
        }
        let own = &mut self.guests[guest];
        own.scripts_run += 1;
        own.agent.configured.insert(resource, wanted);
        let spent_ms = u32::try_from((self.now_us - since_us) / MS).unwrap_or(u32::MAX);
        let left_ms = record.operation.timeout_ms.saturating_sub(spent_ms).max(1);
        self.begin_operation(guest, record, left_ms);
    }

    /// How an operation that has so much time will end (status and exit code; 0 and 0: told from
    /// the truth then), and when.
    fn fate(&mut self, guest: usize, operation: &Operation, timeout_ms: u32) -> ((i32, i32), u64) {
        let timeout_us = u64::from(timeout_ms.max(1)) * MS;
        let bad = self.guests[guest].bad_operations_until_us > self.now_us;
        let mut duration_us = self.random.between(5 * MS, 800 * MS);
        // Hang and fail: operations of people's scripts do.
        let (hangs, fails) = (
            bad && self.random.percent(10),
            bad && self.random.percent(20),
        );
        if bad && self.random.percent(20) {
            duration_us = self.random.between(SECOND, timeout_us.max(SECOND));
        }
        if let Some(given_us) = self.slowness_of(operation, timeout_ms) {
            duration_us = given_us;
        }
        let refuses = operation.action == Task::Stop
            && self.guests[guest].refuses_stop_until_us > self.now_us;
        if self.guests[guest].programs_away_until_us > self.now_us {
            return ((STATUS_NOT_INSTALLED, NOT_INSTALLED), MS);
        }
        let hangs = hangs || (refuses && self.random.percent(30));
        if hangs || duration_us >= timeout_us {
            ((STATUS_TIMEOUT, 1), timeout_us)
        } else {
            ((STATUS_DONE, i32::from(fails || refuses)), duration_us)
        }
    }

    /// How long an operation takes that is slow and well. `None`: as long as another.
    fn slowness_of(&mut self, operation: &Operation, timeout_ms: u32) -> Option<u64> {
        if !matches!(operation.action, Task::Start | Task::Stop) {
            return None;
        }
        let given_us = self.starts_take_us.get(&operation.resource);
        if let Some(given_us) = given_us.filter(|_| operation.action == Task::Start) {
            return Some(*given_us);
        }
        let slowness = self.slowness.as_mut()?;
        let timeout_us = u64::from(timeout_ms) * MS;
        slowness
            .percent(SLOW_PERCENT)
            .then(|| slowness.between(SECOND, SECOND.max(timeout_us * 9 / 10)))
    }

    pub(crate) fn operation_ends(&mut self, guest: usize, resource: &str, token: u64) {
        if self.guests[guest]
            .agent
            .busy
            .get(resource)
            .is_none_or(|busy| busy.token != token)
        {
            return;
        }
        let Some(busy) = self.guests[guest].agent.busy.remove(resource) else {
            return;
        };
        if let Some(before) = busy.before.clone() {
            self.script_ends(guest, busy, before);
            return;
        }
        let Busy {
            mut record,
            outcome,
            ..
        } = busy;
        (record.status, record.rc) = outcome;
        if outcome.0 == STATUS_NOT_INSTALLED {
            let believed = self.options.mutant == Some(Mutant::BelieveAbsent);
            if !believed && self.guests[guest].agent.cannot_tell(&record) {
                (record.status, record.rc) = (STATUS_DONE, 1);
            }
        } else if outcome == (STATUS_DONE, 0) {
            record.rc = self.takes_effect(guest, &record.operation);
            self.says_its_score(guest, &record.operation);
        } else {
            self.cut_short(guest, &record.operation);
        }
        self.complete(guest, record);
        self.next_operation(guest, resource);
    }

    /// An operation has ended: its record is kept and, if it says something new, sent.
    fn complete(&mut self, guest: usize, mut record: Record) {
        let wall = self.time().wall_us;
        let own = &mut self.guests[guest];
        let operation = &mut record.operation;
        operation.configure = None;
        if operation.action == Task::Stop && record.rc == 0 {
            own.agent.cancel_recurring(&operation.resource);
        }
        if operation.interval_ms == 0 && operation.action != Task::Stop {
            // As an agent does whose metadata calls one parameter reloadable.
            let annotations = &mut operation.annotations;
            annotations.insert(FORCE_RESTART.into(), " setting ".into());
        }
        // It has run before.
        let again = record.state == RecordState::Complete;
        record.state = RecordState::Complete;
        (record.completed, record.last_run) = (wall, wall);
        let key = key(&record.operation);
        let before = own.agent.records.get(&key);
        let recurring = record.operation.interval_ms > 0;
        // A recurring operation that was cancelled, or replaced by a newer one, meanwhile.
        let obsolete = match before {
            Some(known) => {
                known.operation.id != record.operation.id && known.call_id > record.call_id
            }
            None => again,
        };
        if recurring && obsolete {
            return;
        }
        let same = before.filter(|known| {
            known.state == RecordState::Complete
                && known.operation.id == record.operation.id
                && (known.status, known.rc) == (record.status, record.rc)
        });
        record.last_rc_change = same.map_or(wall, |known| known.last_rc_change);
        let news = !(recurring && same.is_some());
        if recurring {
            let timer = Timer::Monitor(key.0.clone(), key.1.clone(), key.2, record.call_id);
            self.timer_after(guest, u64::from(key.2) * MS, timer);
        }
        if news {
            self.tell(guest, &record);
        }
        self.guests[guest].agent.settle_left(&record);
        self.guests[guest].agent.records.insert(key, record);
    }

    /// A record that says something new is sent.
    fn tell(&mut self, guest: usize, record: &Record) {
        self.say(|| {
            let Record {
                operation,
                status,
                rc,
                ..
            } = record;
            let (action, resource) = (&operation.action, &operation.resource);
            format!("node {guest}: {action} {resource} -> {status}/{rc}")
        });
        if let Some(stream) = self.guests[guest].agent.connection {
            self.post_to_dpe(stream, ToDpe::Completed(Box::new(record.clone())));
        }
    }

    /// What an operation that goes well does. Gives its exit code.
    fn takes_effect(&mut self, guest: usize, operation: &Operation) -> i32 {
        let resource = operation.resource.as_str();
        let own = &mut self.guests[guest];
        let running = own.running.contains(resource);
        let or_not_running = |rc: i32| if running { rc } else { 7 };
        match operation.action {
            Task::Monitor => or_not_running(if own.promoted.contains(resource) {
                8
            } else {
                0
            }),
            Task::Stop => {
                own.process_ends(resource);
                0
            }
            Task::Demote => {
                own.promoted.remove(resource);
                or_not_running(0)
            }
            Task::MigrateTo if running => i32::from(!self.process_leaves(guest, operation)),
            Task::Notify => 0,
            Task::Start | Task::MigrateFrom => i32::from(!running),
            _ => or_not_running(0),
        }
    }

    /// What a resource agent of a promotable service does: how well its instance is suited for
    /// promotion.
    fn says_its_score(&mut self, guest: usize, operation: &Operation) {
        let action = &operation.action;
        if !operation.meta.contains_key("CRM_meta_promoted_max") || *action == Task::Notify {
            return;
        }
        let own = &self.guests[guest];
        let score = match () {
            () if own.promoted.contains(&operation.resource) => Some("10"),
            () if own.running.contains(&operation.resource) => Some("5"),
            () => None,
        };
        self.set_attribute(guest, &format!("master-{}", operation.resource), score, 0);
    }

    /// Sets or deletes a node attribute of a guest whose agent runs.
    pub fn set_attribute(
        &mut self,
        guest: usize,
        name: &str,
        value: Option<&str>,
        dampening_ms: u32,
    ) {
        let agent = &mut self.guests[guest].agent;
        let attribute = value.map(|value| Attribute {
            value: value.into(),
            dampening_ms,
        });
        if agent.attributes.values.get(name) == attribute.as_ref() {
            return;
        }
        match attribute {
            Some(attribute) => drop(agent.attributes.values.insert(name.into(), attribute)),
            None => drop(agent.attributes.values.remove(name)),
        }
        agent.attributes.version += 1;
        if let Some(stream) = agent.connection {
            let attributes = agent.attributes.clone();
            self.post_to_dpe(stream, ToDpe::Attributes(attributes));
        }
    }

    /// An operation that fails, or whose agent dies, may have had its effect or not.
    pub(crate) fn cut_short(&mut self, guest: usize, operation: &Operation) {
        if self.random.percent(50) {
            return;
        }
        let resource = operation.resource.as_str();
        let own = &mut self.guests[guest];
        match operation.action {
            Task::Start | Task::Stop | Task::MigrateFrom => drop(own.process_ends(resource)),
            Task::Promote | Task::Demote => drop(own.promoted.remove(resource)),
            Task::MigrateTo if own.running.contains(resource) => {
                self.process_leaves(guest, operation);
            }
            _ => {}
        }
    }

    /// Whether migrations of a service move its processes (as those of virtual machines do), so
    /// that `migrate_to` starts them in the target; else the target's `migrate_from` does. What
    /// came to a guest unknown to its agent is not stopped at the end of a lease, so the first kind
    /// is only for guests whose fencing cuts the power.
    fn moves_processes(&self, resource: &str) -> bool {
        let power = |guest: &crate::guest::Guest| guest.mode.cuts_power();
        resource.ends_with(['2', '4', '6']) && self.guests.iter().all(power)
    }

    /// The processes of a service leave for the target of a migration. `false`: they cannot.
    fn process_leaves(&mut self, guest: usize, operation: &Operation) -> bool {
        let target = operation.annotations.get(MIGRATE_TARGET);
        let target = target.and_then(|name| self.place_of(&name.as_str().into()));
        let target = target.unwrap_or(guest);
        let moves = self.moves_processes(&operation.resource);
        if moves && !self.guests[target].up {
            return false;
        }
        self.guests[guest].process_ends(&operation.resource);
        if moves {
            self.process_started(target, &operation.resource);
        }
        true
    }

    pub(crate) fn monitor_due(
        &mut self,
        guest: usize,
        resource: String,
        action: Task,
        interval_ms: u32,
        call_id: u32,
    ) {
        if self.lease_over(guest) {
            return;
        }
        let agent = &mut self.guests[guest].agent;
        let record = agent
            .records
            .get(&(resource.clone(), action, interval_ms))
            .filter(|record| record.call_id == call_id);
        if let Some(record) = record.cloned() {
            agent
                .queue
                .entry(resource.clone())
                .or_default()
                .push_back(record);
            self.next_operation(guest, &resource);
        }
    }
}
