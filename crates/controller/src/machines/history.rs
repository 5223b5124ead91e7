//! What one agent's history says: which operations it has done for which resource, and so what runs
//! there.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::behind::Behind;
use crate::vocabulary::{
    Asked, META_OF_RESULTS, MIGRATE_TARGET, Record, RecordState, STATUS_DONE, ServiceId, Task,
};

/// Records of one assembly, the latest per resource, action and interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct History {
    resources: BTreeMap<String, Records>,
    /// Operations that start something, by resource and slot, while the same is asked for again: an
    /// agent may take that back before it begins, and then they are the last word.
    behind_pending: BTreeMap<(String, Slot), Behind>,
    /// The highest call id that the agent has told.
    told: u32,
}

/// Records of one resource. Boxed: most maps have one or two entries, and
/// room for eleven of them.
pub(crate) type Records = BTreeMap<Slot, Box<Record>>;

/// Under what a record is kept: slots sort by word and interval, as a history is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The latest of an action at an interval, milliseconds; 0: once.
    Of(Task, u32),
    /// What was sent and not yet heard of.
    Sent,
}

impl Slot {
    fn order(&self) -> (&str, u32) {
        match self {
            Slot::Of(action, interval_ms) => (action.as_str(), *interval_ms),
            Slot::Sent => ("pending", 0),
        }
    }
}

impl PartialOrd for Slot {
    fn partial_cmp(&self, other: &Slot) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Slot {
    fn cmp(&self, other: &Slot) -> Ordering {
        self.order().cmp(&other.order())
    }
}

/// What the records of a resource say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// It does not run.
    Inactive,
    /// It runs, and its last operation went well.
    Active,
    /// It may run: its last operation failed.
    Failed,
}

impl History {
    /// The history that an agent told, in place of all that was known. Of fencing devices it knows
    /// nothing: those are not run by agents.
    pub(crate) fn replace(&mut self, records: Vec<Record>) {
        self.resources
            .retain(|_, records| each(records).any(|record| record.operation.is_of_device()));
        self.behind_pending.clear();
        self.told = 0;
        for record in records {
            if !record.operation.is_of_device() {
                self.insert(record);
            }
        }
    }

    /// Takes a record in. `false`: it is older than what is known, and ignored.
    pub(crate) fn insert(&mut self, record: Record) -> bool {
        self.follow(&record);
        self.keep(record)
    }

    fn keep(&mut self, mut record: Record) -> bool {
        // Who has had it done is told: to nobody else it says anything.
        if record.is_debug() && !record.changes() {
            return false;
        }
        record.said = None;
        // The rest was for the agent, and there are many records.
        let meta = &mut record.operation.meta;
        meta.retain(|name, _| META_OF_RESULTS.contains(&name.as_str()));
        let operation = &record.operation;
        let records = self
            .resources
            .entry(operation.resource.clone())
            .or_default();
        let key = Slot::Of(operation.action.clone(), operation.interval_ms);
        if let Some(known) = records.get(&key) {
            let older = record.call_id < known.call_id;
            let behind = (operation.resource.clone(), key.clone());
            // A stop by hand must not hide that it was stopped.
            let by_hand = record.is_debug() || known.is_debug();
            let starts = operation.action.starts() || by_hand;
            let pending = |record: &Record| record.state == RecordState::Pending;
            if starts && older && pending(known) && record.state != RecordState::Cancelled {
                let is_result = record.state == RecordState::Complete;
                self.behind_pending.entry(behind).or_default().put(record);
                return is_result;
            }
            let undone =
                record.state == RecordState::Pending && known.operation.id == record.operation.id;
            if older || (undone && known.state != RecordState::Pending) || **known == record {
                return false;
            }
            if starts && pending(&record) && known.operation.id != record.operation.id {
                let known = (**known).clone();
                self.behind_pending.entry(behind).or_default().put(known);
            } else if !pending(&record) {
                self.behind_pending.remove(&behind);
            }
        }
        if record.state == RecordState::Cancelled {
            records.remove(&key);
        } else {
            records.insert(key, record.into());
        }
        true
    }

    /// An agent tells a new operation: what was made up about its resource came before, unless this
    /// is the late end of an operation that was given up.
    fn follow(&mut self, record: &Record) {
        if record.call_id <= self.told || record.operation.is_of_device() {
            return;
        }
        let told = std::mem::replace(&mut self.told, record.call_id);
        let Some(records) = self.resources.get_mut(&record.operation.resource) else {
            return;
        };
        if each(records).any(|known| known.operation.id == record.operation.id) {
            return;
        }
        for known in records.values_mut().filter(|known| known.call_id > told) {
            known.call_id = told;
        }
    }

    /// Takes in what no agent has told: an operation that was given up. It comes after everything
    /// that was told, and before what will be: so its call id is the next one, and its agent's next
    /// operation has that or a later one. Gives the record as it is kept.
    pub(crate) fn make_up(&mut self, mut record: Record) -> Record {
        record.call_id = self.told.saturating_add(1);
        self.keep(record.clone());
        record
    }

    /// Forgets what was made up about a resource since its agent told something: a person says that
    /// it is over. Gives the call id up to which its agent has told of it.
    pub(crate) fn forget_made_up(&mut self, resource: &str) -> Option<u32> {
        let told = self.told;
        let records = self.resources.get_mut(resource)?;
        records.retain(|slot, record| *slot == Slot::Sent || record.call_id <= told);
        records.values().map(|record| record.call_id).max()
    }

    /// Notes an operation that was sent and not yet heard of, so that it counts as pending until
    /// the agent says otherwise.
    pub(crate) fn sent(&mut self, record: Record) {
        let records = self
            .resources
            .entry(record.operation.resource.clone())
            .or_default();
        // What a recurring operation last said stays true until its successor says more.
        if record.operation.interval_ms == 0 {
            records.insert(Slot::Sent, record.into());
        }
    }

    /// Ends what [`History::sent`] noted.
    pub(crate) fn settled(&mut self, resource: &str) {
        if let Some(records) = self.resources.get_mut(resource) {
            records.remove(&Slot::Sent);
            if records.is_empty() {
                self.resources.remove(resource);
            }
        }
    }

    /// The same, if it is the operation with that id.
    pub(crate) fn settled_as(&mut self, resource: &str, id: &str) {
        let sent = self.resources.get(resource);
        let sent = sent.and_then(|records| records.get(&Slot::Sent));
        if sent.is_some_and(|record| record.operation.id == id) {
            self.settled(resource);
        }
    }

    pub(crate) fn forget(&mut self, resource: &str) {
        self.behind_pending.retain(|(own, _), _| own != resource);
        self.resources.remove(resource);
    }

    pub(crate) fn forget_operation(&mut self, resource: &str, action: &Task, interval_ms: u32) {
        let slot = Slot::Of(action.clone(), interval_ms);
        self.behind_pending.remove(&(resource.to_owned(), slot));
        if let Some(records) = self.resources.get_mut(resource) {
            records.remove(&Slot::Of(action.clone(), interval_ms));
        }
    }

    /// Forgets an operation that was taken back before anything of it was done. What came of the
    /// same one before is the last word then.
    pub(crate) fn take_back(&mut self, resource: &str, id: &str) {
        for ((own, _), behind) in &mut self.behind_pending {
            if own == resource {
                behind.take_back(id);
            }
        }
        let Some(records) = self.resources.get_mut(resource) else {
            return;
        };
        let mut taken_back = records.iter();
        let slot = taken_back.find(|(_, record)| record.operation.id == id);
        let Some(slot) = slot.map(|(slot, _)| slot.clone()) else {
            return;
        };
        records.remove(&slot);
        let behind = self
            .behind_pending
            .get_mut(&(resource.to_owned(), slot.clone()));
        if let Some(before) = behind.and_then(Behind::pop) {
            records.insert(slot, before.into());
        }
        self.behind_pending.retain(|_, behind| !behind.is_empty());
    }

    pub(crate) fn clear(&mut self) {
        self.behind_pending.clear();
        self.resources.clear();
        self.told = 0;
    }

    pub(crate) fn resources(&self) -> impl Iterator<Item = (&str, &Records)> {
        self.resources
            .iter()
            .map(|(name, records)| (name.as_str(), records))
    }

    pub(crate) fn resource(&self, name: &str) -> Option<&Records> {
        self.resources.get(name)
    }

    /// The resources of a service that are known: the one of its name, and instances that are told
    /// apart (`web:0`, `web:1`).
    pub(crate) fn of_service(&self, service: &ServiceId) -> impl Iterator<Item = (&str, &Records)> {
        let own = self.resources.get_key_value(service.as_str());
        // The colon is followed by the semicolon.
        let (first, end) = (format!("{service}:"), format!("{service};"));
        let range = (Bound::Included(&*first), Bound::Excluded(&*end));
        let numbered = self.resources.range::<str, _>(range);
        let numbered = numbered.filter(|(name, _)| ServiceId::of_resource(name) == *service);
        own.into_iter()
            .chain(numbered)
            .map(|(name, records)| (name.as_str(), records))
    }

    /// Whether a service runs: failed if an instance of it is, or else active if one is. `None`:
    /// nothing is known about it.
    pub(crate) fn service_activity(&self, service: &ServiceId) -> Option<Activity> {
        let instances = self.of_service(service);
        instances
            .filter_map(|(_, records)| activity(records))
            .max_by_key(|activity| match activity {
                Activity::Inactive => 0,
                Activity::Active => 1,
                Activity::Failed => 2,
            })
    }

    /// All records.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        self.resources.values().flat_map(each)
    }

    /// What is known of a resource.
    pub(crate) fn of(&self, resource: &str) -> impl Iterator<Item = &Record> {
        self.resources.get(resource).into_iter().flat_map(each)
    }

    /// Whether a resource runs. `None`: nothing is known about it.
    pub(crate) fn activity(&self, resource: &str) -> Option<Activity> {
        activity(self.resources.get(resource)?)
    }

    /// The operation by whose parameters a resource runs, as far as one knows: the last that
    /// started it, or had it take new ones.
    pub(crate) fn definition(&self, resource: &str) -> Option<&Record> {
        let defines = |record: &&Record| {
            let action = &record.operation.action;
            matches!(action, Task::Start | Task::MigrateFrom)
                || (*action == Task::ReloadAgent && !record.failed())
        };
        let complete = |record: &&Record| record.state == RecordState::Complete;
        self.of(resource)
            .filter(complete)
            .filter(defines)
            .max_by_key(|record| record.call_id)
    }

    /// The definition of a resource with which it may still run, whatever the document says:
    /// somebody had it started or stopped by hand last, and it is not known to be stopped by that.
    pub(crate) fn left_by_hand(&self, resource: &str) -> Option<&Record> {
        let single = |record: &&Record| {
            record.operation.interval_ms == 0
                && record.state == RecordState::Complete
                && !matches!(
                    record.operation.action,
                    Task::Monitor | Task::Notify | Task::MetaData
                )
        };
        let last = self.of(resource).filter(single);
        let last = last.max_by_key(|record| record.call_id)?;
        let stopped = last.operation.action == Task::Stop && !last.failed();
        (last.is_debug() && !stopped).then(|| self.definition(resource))?
    }

    /// The promotion by which a resource is promoted, as far as one knows.
    pub(crate) fn promotion(&self, resource: &str) -> Option<&Record> {
        let complete = |record: &&Record| record.state == RecordState::Complete;
        let promotes = |record: &&Record| {
            record.operation.action == Task::Promote && told_by(record) == Some(Activity::Active)
        };
        let records = self.of(resource).filter(complete);
        let last = records.filter(promotes).max_by_key(|it| it.call_id)?;
        let ends = |record: &Record| match record.operation.action {
            Task::Monitor => record.is_probe() && matches!(record.rc, 0 | 7),
            Task::Promote | Task::Notify | Task::MetaData => false,
            Task::Reload | Task::ReloadAgent => false,
            _ => !record.failed(),
        };
        let mut later = self.of(resource).filter(complete);
        let over = later.any(|record| record.call_id > last.call_id && ends(record));
        (!over).then_some(last)
    }

    /// Whether the last operation of a resource failed, or a recurring one does.
    pub(crate) fn fails(&self, resource: &str) -> bool {
        self.failing(resource).next().is_some()
    }

    /// The last operation of a resource if it failed, and recurring ones that do.
    pub(crate) fn failing(&self, resource: &str) -> impl Iterator<Item = &Record> {
        let recurring = |record: &&Record| record.operation.interval_ms > 0 && record.failed();
        let last = self.last_single_failed(resource);
        self.of(resource).filter(recurring).chain(last)
    }

    fn last_single_failed(&self, resource: &str) -> Option<&Record> {
        // A notification says nothing about the state.
        let single = |record: &&Record| {
            record.operation.interval_ms == 0
                && record.state == RecordState::Complete
                && !matches!(record.operation.action, Task::Notify | Task::MetaData)
        };
        let found = |record: &Record| record.is_probe() && matches!(record.rc, 0 | 8 | 190 | 191);
        self.of(resource)
            .filter(single)
            .max_by_key(|record| record.call_id)
            .filter(|record| record.failed() && !found(record) && !record.is_debug())
    }

    /// Attempts to migrate resources from here, after which these were started, stopped or migrated
    /// here again: they say nothing any more about where the resources run. Each with its resource
    /// and its target.
    pub(crate) fn given_up_migrations(&self) -> impl Iterator<Item = (&str, &str, &Record)> {
        self.resources().flat_map(move |(resource, records)| {
            let targets: BTreeSet<&str> = each(records).filter_map(target).collect();
            let given_up = move |target| {
                let attempt = self.given_up_migration(resource, target)?;
                Some((resource, target, attempt))
            };
            targets.into_iter().filter_map(given_up)
        })
    }

    fn given_up_migration(&self, resource: &str, to: &str) -> Option<&Record> {
        let mut records = self.of(resource);
        let attempt = records.find(|record| target(record) == Some(to))?;
        self.acted_after(resource, attempt).then_some(attempt)
    }

    /// Where a resource was sent to, if nothing was done with it here since, nor was it looked for.
    pub(crate) fn sent_to(&self, resource: &str) -> Option<&str> {
        let tells = |record: &&Record| {
            let operation = &record.operation;
            record.state == RecordState::Complete
                && operation.interval_ms == 0
                && !matches!(operation.action, Task::Notify | Task::MetaData)
        };
        let last = self.of(resource).filter(tells);
        let last = last.max_by_key(|record| record.call_id)?;
        target(last).filter(|_| !last.failed())
    }

    /// Whether an attempt to migrate a resource from here was given up: it was started, stopped or
    /// migrated here again.
    pub(crate) fn gave_up(&self, resource: &str, id: &str) -> bool {
        let attempt = self.operation(resource, id);
        attempt.is_some_and(|attempt| self.acted_after(resource, attempt))
    }

    fn acted_after(&self, resource: &str, attempt: &Record) -> bool {
        self.of(resource).any(|record| {
            let action = &record.operation.action;
            (action.starts() || matches!(action, Task::Stop | Task::MigrateTo))
                && record.call_id > attempt.call_id
        })
    }

    /// Whether the agent has told of something about a resource that was asked for since the
    /// operation with that id was, of another assembly. What was sent may not reach it.
    pub(crate) fn knows_since(&self, resource: &str, id: &str) -> bool {
        let since = Asked::of(id);
        let slots = self.resources.get(resource).into_iter().flatten();
        slots
            .filter(|(slot, record)| **slot != Slot::Sent && record.call_id <= self.told)
            .any(|(_, record)| match record.operation.action {
                _ if record.operation.interval_ms > 0 => false,
                // A look comes before what it is for, in the same transition.
                Task::Monitor => Asked::of(&record.operation.id) > since,
                _ => Asked::of(&record.operation.id) >= since,
            })
    }

    /// Whether an operation has ended that was asked for after that time, and so says whether the
    /// resource runs.
    pub(crate) fn has_looked_after(&self, resource: &str, time: &Asked) -> bool {
        self.of(resource).any(|record| {
            record.operation.interval_ms == 0
                && record.state == RecordState::Complete
                && !record.is_debug()
                && Asked::of(&record.operation.id).as_ref() > Some(time)
        })
    }

    /// Whether an operation has ended since the one with that call id, and says whether the
    /// resource runs.
    pub(crate) fn has_looked_since(&self, resource: &str, call_id: u32) -> bool {
        self.of(resource).any(|record| {
            record.operation.interval_ms == 0
                && record.state == RecordState::Complete
                && record.call_id > call_id
                && !record.is_debug()
                && told_by(record).is_some()
        })
    }

    /// What is known of the operation of a resource that has that id.
    pub(crate) fn operation(&self, resource: &str, id: &str) -> Option<&Record> {
        self.of(resource).find(|record| record.operation.id == id)
    }

    /// Whether a resource may be running: active, failed, or being started.
    pub(crate) fn may_run(&self, resource: &str) -> bool {
        let active = self
            .activity(resource)
            .is_some_and(|activity| activity != Activity::Inactive);
        active || self.is_being_started(resource)
    }

    /// Whether an agent was asked to take over what another one has sent, and has not said yet that
    /// it did.
    pub(crate) fn is_taking_over(&self) -> bool {
        self.records().any(|record| {
            record.state == RecordState::Pending && record.operation.action == Task::MigrateFrom
        })
    }

    /// Whether an operation that starts a resource has not ended.
    pub(crate) fn is_being_started(&self, resource: &str) -> bool {
        self.of(resource)
            .any(|record| record.state == RecordState::Pending && record.operation.action.starts())
    }
}

/// Where a live migration away from here goes.
fn target(record: &Record) -> Option<&str> {
    let operation = &record.operation;
    let leaves = operation.action == Task::MigrateTo;
    let target = operation.annotations.get(MIGRATE_TARGET);
    target.filter(|_| leaves).map(String::as_str)
}

/// Whether a record is of a look that could not tell whether the resource runs.
pub(crate) fn told_nothing(record: &Record) -> bool {
    record.is_probe() && told_by(record) == Some(Activity::Failed)
}

/// The records of a resource.
pub(crate) fn each(records: &Records) -> impl Iterator<Item = &Record> {
    records.values().map(Box::as_ref)
}

/// The last single operation that tells about the state, and after it what the recurring ones say.
pub(crate) fn activity(records: &Records) -> Option<Activity> {
    let mut last: Option<(&Record, Activity)> = None;
    let complete = |record: &&Record| record.state == RecordState::Complete;
    for record in each(records).filter(complete) {
        let Some(activity) = told_by(record) else {
            continue;
        };
        // A monitor may keep its call id for long: it counts from the operation on that it was
        // started after.
        if last.is_none_or(|(other, _)| other.call_id <= record.call_id) {
            last = Some((record, activity));
        }
    }
    last.map(|(_, activity)| activity)
}

/// What one completed record tells. `None`: nothing (notifications, meta-data).
fn told_by(record: &Record) -> Option<Activity> {
    let rc = if record.status == STATUS_DONE {
        record.rc
    } else {
        1
    };
    let running = matches!(rc, 0 | 8 | 190 | 191);
    Some(match record.operation.action {
        Task::Monitor if running => {
            if record.failed() && !record.is_probe() {
                Activity::Failed
            } else {
                Activity::Active
            }
        }
        Task::Monitor if rc == 7 => Activity::Inactive,
        // A probe that cannot run its agent finds nothing running.
        Task::Monitor if record.is_probe() && (matches!(rc, 2 | 5) || record.status == 7) => {
            Activity::Inactive
        }
        Task::Start
        | Task::Promote
        | Task::Demote
        | Task::MigrateFrom
        | Task::Reload
        | Task::ReloadAgent
            if rc == 0 =>
        {
            Activity::Active
        }
        Task::Stop | Task::MigrateTo if rc == 0 => Activity::Inactive,
        Task::Monitor
        | Task::Start
        | Task::Promote
        | Task::Demote
        | Task::MigrateFrom
        | Task::Stop
        | Task::MigrateTo => Activity::Failed,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::Operation;

    fn record(action: Task, interval_ms: u32, call_id: u32, rc: i32) -> Record {
        let expected = if action == Task::Monitor && interval_ms == 0 {
            7
        } else {
            0
        };
        let operation = Operation {
            id: format!("{call_id}:1:{expected}:u"),
            resource: "db".into(),
            action,
            interval_ms,
            ..Operation::default()
        };
        Record {
            operation,
            call_id,
            rc,
            ..Record::default()
        }
    }

    #[test]
    fn who_was_asked_to_take_over_does_so_until_that_has_ended() {
        let mut history = History::default();
        let asked = Record {
            state: RecordState::Pending,
            ..record(Task::MigrateFrom, 0, 0, 0)
        };
        history.insert(asked);
        assert!(history.is_taking_over());
        history.insert(record(Task::MigrateFrom, 0, 7, 0));
        assert!(!history.is_taking_over());
    }

    #[test]
    fn what_is_taken_back_does_not_hide_that_the_same_was_done_before() {
        let pending = |call_id| Record {
            state: RecordState::Pending,
            ..record(Task::Start, 0, call_id, 0)
        };
        let probe = record(Task::Monitor, 0, 1, 7);
        // Whether its result is told before or after the same is asked for again.
        for told_late in [false, true] {
            let mut history = History::default();
            history.insert(probe.clone());
            history.insert(pending(2));
            if told_late {
                history.insert(pending(3));
                assert!(history.insert(record(Task::Start, 0, 2, 0)));
            } else {
                history.insert(record(Task::Start, 0, 2, 0));
                history.insert(pending(3));
            }
            assert!(history.is_being_started("db"));
            history.take_back("db", &pending(3).operation.id);
            assert_eq!(
                history.activity("db"),
                Some(Activity::Active),
                "{told_late}"
            );
        }
        let mut history = History::default();
        history.insert(record(Task::Start, 0, 2, 0));
        history.insert(pending(3));
        history.insert(record(Task::Start, 0, 3, 1));
        history.take_back("db", "another");
        assert_eq!(
            history.activity("db"),
            Some(Activity::Failed),
            "the newest result"
        );
    }

    #[test]
    fn what_has_begun_is_under_way_though_the_same_was_asked_for_again_and_taken_back() {
        let pending = |call_id| Record {
            state: RecordState::Pending,
            ..record(Task::Start, 0, call_id, 0)
        };
        let id = |call_id| pending(call_id).operation.id;
        // A history that is told as a whole has no order.
        for (first, second) in [(2, 3), (3, 2)] {
            let mut history = History::default();
            history.insert(record(Task::Monitor, 0, 1, 7));
            history.insert(pending(first));
            history.insert(pending(second));
            history.take_back("db", &id(3));
            assert!(history.is_being_started("db"), "{first}");
            history.insert(record(Task::Start, 0, 2, 0));
            assert_eq!(history.activity("db"), Some(Activity::Active));
        }
        for (first, second) in [(2, 3), (3, 2)] {
            let mut history = History::default();
            history.insert(record(Task::Start, 0, 1, 1));
            history.insert(pending(2));
            history.insert(pending(3));
            history.take_back("db", &id(first));
            assert!(history.is_being_started("db"), "{first}");
            history.take_back("db", &id(second));
            assert!(!history.is_being_started("db"), "{first}");
            assert_eq!(history.activity("db"), Some(Activity::Failed), "{first}");
        }
    }

    #[test]
    fn what_was_made_up_does_not_hide_what_its_agent_tells_later() {
        let mut history = History::default();
        history.insert(record(Task::Start, 0, 30, 0));
        for _ in 0..20 {
            let made_up = history.make_up(record(Task::Monitor, 3_000, 0, 1));
            assert_eq!(made_up.call_id, 31);
        }
        assert!(history.fails("db"));
        assert!(history.insert(record(Task::Stop, 0, 31, 0)));
        assert_eq!(history.activity("db"), Some(Activity::Inactive));
        assert!(history.insert(record(Task::Monitor, 0, 32, 8)));
        assert_eq!(history.activity("db"), Some(Activity::Active));
    }

    #[test]
    fn the_late_end_of_what_was_given_up_does_not_come_after_what_followed() {
        let mut history = History::default();
        let late = record(Task::Start, 0, 31, 0);
        history.insert(record(Task::Monitor, 0, 30, 7));
        let given_up = Record {
            rc: 1,
            ..late.clone()
        };
        history.make_up(given_up);
        history.make_up(record(Task::Stop, 0, 0, 1));
        history.insert(late);
        assert_eq!(history.activity("db"), Some(Activity::Failed));
    }

    #[test]
    fn a_person_ends_what_was_made_up() {
        let mut history = History::default();
        history.insert(record(Task::Start, 0, 30, 0));
        history.make_up(record(Task::Monitor, 3_000, 0, 1));
        assert_eq!(history.forget_made_up("db"), Some(30));
        assert!(!history.fails("db"));
        history.make_up(record(Task::Monitor, 3_000, 0, 1));
        history.clear();
        assert_eq!(history.forget_made_up("db"), None);
    }

    #[test]
    fn a_notification_does_not_hide_a_failure() {
        let mut history = History::default();
        history.insert(record(Task::Demote, 0, 3, 1));
        history.insert(record(Task::Notify, 0, 4, 0));
        assert!(history.fails("db"));
        history.insert(record(Task::Stop, 0, 5, 0));
        assert!(!history.fails("db"));
    }

    #[test]
    fn a_service_is_what_its_instances_are_together() {
        let mut history = History::default();
        let service = ServiceId::from("db");
        let mut note = |resource: &str, action: Task, call_id: u32, rc: i32| {
            let mut record = record(action, 0, call_id, rc);
            record.operation.resource = resource.into();
            history.insert(record);
            history.service_activity(&service)
        };
        for other in ["db-1", "db:x", "dba", "db2:0", "d"] {
            assert_eq!(note(other, Task::Start, 1, 0), None, "{other}");
        }
        assert_eq!(note("db:0", Task::Monitor, 2, 7), Some(Activity::Inactive));
        assert_eq!(note("db:11", Task::Start, 3, 0), Some(Activity::Active));
        assert_eq!(note("db:0", Task::Start, 4, 1), Some(Activity::Failed));
        assert_eq!(note("db:0", Task::Stop, 5, 0), Some(Activity::Active));
        assert_eq!(note("db", Task::Start, 6, 0), Some(Activity::Active));
        let names: Vec<&str> = history.of_service(&service).map(|(name, _)| name).collect();
        assert_eq!(names, ["db", "db:0", "db:11"]);
    }

    #[test]
    fn the_latest_operation_says_whether_a_resource_runs() {
        let mut history = History::default();
        assert_eq!(history.activity("db"), None);
        history.insert(record(Task::Monitor, 0, 1, 7));
        assert_eq!(history.activity("db"), Some(Activity::Inactive));
        history.insert(record(Task::Start, 0, 2, 0));
        history.insert(record(Task::Monitor, 10_000, 3, 0));
        assert_eq!(history.activity("db"), Some(Activity::Active));
        history.insert(record(Task::Monitor, 10_000, 3, 7));
        assert_eq!(history.activity("db"), Some(Activity::Inactive));
        history.insert(record(Task::Start, 0, 5, 0));
        assert_eq!(history.activity("db"), Some(Activity::Active));
        history.insert(record(Task::Stop, 0, 6, 1));
        assert_eq!(history.activity("db"), Some(Activity::Failed));
    }

    #[test]
    fn a_stop_by_hand_that_is_taken_back_does_not_hide_that_it_was_stopped() {
        let mut history = History::default();
        history.insert(record(Task::Start, 0, 1, 0));
        history.insert(record(Task::Stop, 0, 2, 0));
        let mut by_hand = record(Task::Stop, 0, 3, 193);
        by_hand.state = RecordState::Pending;
        let annotations = &mut by_hand.operation.annotations;
        annotations.insert(crate::vocabulary::DEBUG.into(), "root".into());
        let id = by_hand.operation.id.clone();
        history.insert(by_hand);
        history.take_back("db", &id);
        assert_eq!(history.activity("db"), Some(Activity::Inactive));
    }

    #[test]
    fn an_operation_that_was_sent_counts_as_running_until_the_agent_speaks() {
        let mut history = History::default();
        let mut start = record(Task::Start, 0, 0, 193);
        start.state = RecordState::Pending;
        history.sent(start);
        assert!(history.may_run("db"));
        history.settled("db");
        assert!(!history.may_run("db"));
    }

    #[test]
    fn late_and_repeated_records_change_nothing() {
        let mut history = History::default();
        assert!(history.insert(record(Task::Start, 0, 5, 0)));
        assert!(!history.insert(record(Task::Start, 0, 4, 1)));
        assert!(!history.insert(record(Task::Start, 0, 5, 0)));
        let mut pending = record(Task::Start, 0, 5, 193);
        pending.state = RecordState::Pending;
        assert!(!history.insert(pending));
    }
}
