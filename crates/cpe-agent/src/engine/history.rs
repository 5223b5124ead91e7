//! How large the history may be: it goes to the DPE in one message, and a DPE disconnects a guest
//! whose message exceeds 32 MiB. A guest whose history does not fit would never be reached again.

use std::collections::BTreeMap;

use cpe_bus::{Configure, Operation, OperationRecord};

/// What all operations of the history may take, bytes: 16,384 records with 500 bytes of parameters
/// each, or fewer with more.
const MAX_OPERATIONS: usize = 20 << 20;
/// What all exit reasons and outputs may take, bytes.
const MAX_TEXTS: usize = 8 << 20;
/// What a record takes on the wire beside its texts, bytes: keys, numbers, padding.
const RECORD: usize = 800;
/// The same of an entry of a map.
const ENTRY: usize = 16;

/// Whether one more operation fits.
pub(super) fn has_room(records: &BTreeMap<u32, OperationRecord>, more: &Operation) -> bool {
    let operations = records.values().map(|record| &record.operation);
    let all: usize = operations.chain([more]).map(size).sum();
    all <= MAX_OPERATIONS
}

/// The records in their order. Where their texts are too long together, the oldest go without.
pub(super) fn bounded(records: &BTreeMap<u32, OperationRecord>) -> Vec<OperationRecord> {
    let mut left = MAX_TEXTS;
    let mut all: Vec<OperationRecord> = records
        .values()
        .rev()
        .map(|record| {
            let texts = record.exit_reason.len() + record.output.len();
            if let Some(rest) = left.checked_sub(texts) {
                left = rest;
                return record.clone();
            }
            OperationRecord {
                operation: record.operation.clone(),
                exit_reason: String::new(),
                output: String::new(),
                said: None,
                ..*record
            }
        })
        .collect();
    all.reverse();
    all
}

fn size(operation: &Operation) -> usize {
    let names = [
        &operation.id,
        &operation.resource,
        &operation.class,
        &operation.provider,
        &operation.agent,
        &operation.action,
    ];
    let maps = [
        &operation.parameters,
        &operation.meta,
        &operation.annotations,
    ];
    let entries = maps
        .into_iter()
        .flatten()
        .map(|(name, value)| name.len() + value.len() + ENTRY);
    let names = names.into_iter().map(String::len);
    let configure = operation.configure.as_ref().map_or(0, Configure::size);
    RECORD + configure + names.chain(entries).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Less than a DPE takes of a guest in one message.
    const MESSAGE: usize = 32 << 20;

    fn records(count: u32, text: usize, parameter: usize) -> BTreeMap<u32, OperationRecord> {
        let record = |call_id: u32| OperationRecord {
            operation: Operation {
                id: call_id.to_string(),
                resource: "db".into(),
                class: "ocf".into(),
                agent: "Dummy".into(),
                action: "monitor".into(),
                parameters: BTreeMap::from([("blob".into(), "x".repeat(parameter))]),
                ..Operation::default()
            },
            call_id,
            exit_reason: "r".repeat(text),
            output: "o".repeat(text),
            ..OperationRecord::default()
        };
        (1..=count).map(|id| (id, record(id))).collect()
    }

    #[test]
    fn the_fullest_history_fits_into_one_message() {
        let full = records(16_384, 2048, 300);
        assert!(has_room(&full, &Operation::default()));
        let sent = bounded(&full);
        let fields: Vec<cpe_bus::Fields> = sent.iter().map(OperationRecord::to_fields).collect();
        let message = zbus::Message::method_call("/x", "History")
            .build(&fields)
            .unwrap();
        assert!(message.data().len() < MESSAGE, "{}", message.data().len());
        // The latest are whole.
        let (first, last) = (&sent[0], &sent[sent.len() - 1]);
        assert!(first.call_id == 1 && first.output.is_empty());
        assert_eq!(last.output.len(), 2048);
    }

    #[test]
    fn operations_that_make_it_too_large_have_no_room() {
        let more = records(1, 0, 60_000).remove(&1).unwrap().operation;
        assert!(has_room(&records(300, 0, 60_000), &more));
        assert!(!has_room(&records(350, 0, 60_000), &more));
    }
}
