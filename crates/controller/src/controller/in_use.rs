//! How a resource runs, in records of what was done with it later: the policy engine takes its
//! parameters and its role from the last operation that tells its state.

use std::borrow::Cow;

use super::living::Followed;
use crate::machines::history::{self, History};
use crate::vocabulary::{CONFIGURE, FORCE_RESTART, OP_DIGEST, Record, RecordState, Task};

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

/// A look that has found a resource running, with the parameters by which it was started. The look
/// has those of the document, and would hide that they are others: a restart that was to bring
/// them may have failed, and been cleaned up.
pub(super) fn found<'a>(
    record: Cow<'a, Record>,
    history: &History,
    followed: &Followed<'_>,
) -> Cow<'a, Record> {
    if !record.is_probe() || !matches!(record.rc, 0 | 8) {
        return record;
    }
    let resource = record.operation.resource.as_str();
    let definition = history.definition(resource).filter(|definition| {
        let ends = |other: &Record| {
            let action = &other.operation.action;
            let ends = matches!(action, Task::Stop | Task::MigrateTo) && !other.failed();
            ends && other.call_id > definition.call_id
        };
        definition.call_id < record.call_id && !history.of(resource).any(ends)
    });
    let Some(definition) = definition else {
        return record;
    };
    let started = followed.seen(definition);
    let mut own = record.operation.parameters.clone();
    for (name, value) in &mut own {
        if let Some(started) = started.operation.parameters.get(name) {
            value.clone_from(started);
        }
    }
    let configured = |of: &Record| of.operation.annotations.get(CONFIGURE).cloned();
    let digest = if own != record.operation.parameters {
        let pairs = own.iter().map(|(name, value)| (&**name, &**value));
        policy_engine::parameters_digest(pairs)
    } else if let (true, Some(digest)) = (
        configured(definition) != configured(&record),
        definition.operation.annotations.get(OP_DIGEST),
    ) {
        digest.clone()
    } else {
        return record;
    };
    let mut record = record.into_owned();
    let operation = &mut record.operation;
    operation.annotations.insert(OP_DIGEST.to_owned(), digest);
    operation.parameters = own;
    Cow::Owned(record)
}

/// The promotion of a resource, if what was done since is a look that told nothing: it stays
/// promoted then. Else the policy engine would take it for one that only runs, and promote another.
pub(super) fn promotion<'a>(
    resource: &str,
    records: &[&Record],
    history: &'a History,
) -> Option<&'a Record> {
    let complete = records
        .iter()
        .filter(|it| it.state == RecordState::Complete);
    let single = complete.filter(|record| is_single(record));
    let last = single.max_by_key(|record| record.call_id)?;
    let unclear = history::told_nothing(last);
    unclear.then(|| history.promotion(resource)).flatten()
}
