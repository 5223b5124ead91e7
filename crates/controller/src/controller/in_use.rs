//! How a resource runs, in records of what was done with it later: the policy engine takes its
//! parameters and its role from the last operation that tells its state.

use std::borrow::Cow;

use super::living::Followed;
use crate::machines::history::{self, History};
use crate::vocabulary::{FORCE_RESTART, OP_DIGEST, Record, RecordState, STATUS_DONE, Task};

/// A reload that went well. It says nothing about the role: it only changes the parameters by which
/// the resource runs.
pub(super) fn is_reload(record: &Record) -> bool {
    record.operation.action == Task::ReloadAgent && !record.failed()
}

/// An operation that was done once and tells the resource's state.
pub(super) fn is_single(record: &Record) -> bool {
    record.operation.interval_ms == 0
        && !is_reload(record)
        && !matches!(
            record.operation.action,
            Task::Notify | Task::MigrateTo | Task::MigrateFrom | Task::MetaData
        )
}

/// A record, with the parameters that a later reload has given what it started.
pub(super) fn reloaded<'a>(record: &'a Record, complete: &[&Record]) -> Cow<'a, Record> {
    let reload = complete.iter().find(|record| is_reload(record));
    let Some(reload) = reload.filter(|reload| is_what_runs(record, complete, reload)) else {
        return Cow::Borrowed(record);
    };
    let mut record = record.clone();
    let (own, new) = (&mut record.operation, &reload.operation);
    own.parameters.clone_from(&new.parameters);
    for name in [OP_DIGEST, FORCE_RESTART] {
        own.annotations.remove(name);
        let value = new.annotations.get_key_value(name);
        let value = value.map(|(name, value)| (name.clone(), value.clone()));
        own.annotations.extend(value);
    }
    Cow::Owned(record)
}

/// Whether a record is that of what ran when it was reloaded: a live migration may have brought it.
fn is_what_runs(record: &Record, complete: &[&Record], reload: &Record) -> bool {
    let tells =
        |record: &&&Record| is_single(record) || record.operation.action == Task::MigrateFrom;
    let before = complete.iter().filter(tells);
    let before = before.filter(|record| record.call_id < reload.call_id);
    let last = before.max_by_key(|record| record.call_id);
    last.is_some_and(|last| last.call_id == record.call_id)
}

/// What started a resource that a look has found running since, if with other parameters. The look
/// has those of the document, and would hide that: a restart that was to bring them may have
/// failed, and been cleaned up.
pub(super) fn start(
    resource: &str,
    records: &[&Record],
    history: &History,
    followed: &Followed<'_>,
) -> Option<Record> {
    let found = last_single(records)?;
    if !found.is_probe() || !matches!(found.rc, 0 | 8) {
        return None;
    }
    let definition = history.definition(resource)?;
    let ends = |other: &Record| {
        let action = &other.operation.action;
        let ends = matches!(action, Task::Stop | Task::MigrateTo) && !other.failed();
        ends && other.call_id > definition.call_id
    };
    let digest = |of: &Record| of.operation.annotations.get(OP_DIGEST).cloned();
    let is_other = digest(definition) != digest(found);
    if !is_other || definition.call_id >= found.call_id || history.of(resource).any(ends) {
        return None;
    }
    let mut record = followed.seen(definition).into_owned();
    // It runs, by whatever it came and whatever was told of that.
    record.operation.action = Task::Start;
    (record.status, record.rc) = (STATUS_DONE, record.expected_rc());
    Some(record)
}

/// The promotion of a resource, if what was done since is a look that told nothing: it stays
/// promoted then. Else the policy engine would take it for one that only runs, and promote another.
pub(super) fn promotion<'a>(
    resource: &str,
    records: &[&Record],
    history: &'a History,
) -> Option<&'a Record> {
    let last = last_single(records)?;
    let unclear = history::told_nothing(last);
    unclear.then(|| history.promotion(resource)).flatten()
}

/// The last operation of a resource that was done once and tells its state.
fn last_single<'a>(records: &[&'a Record]) -> Option<&'a Record> {
    let complete = records.iter().copied();
    let complete = complete.filter(|it| it.state == RecordState::Complete);
    let single = complete.filter(|record| is_single(record));
    single.max_by_key(|record| record.call_id)
}
