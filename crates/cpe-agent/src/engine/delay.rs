//! Operations that wait for their start delay.
//!
//! A DPE may ask for an operation that is to begin later (meta attribute `CRM_meta_start_delay`,
//! milliseconds). Until then it is not in its resource's lane: other operations have their turns,
//! and nothing of it runs. The moment is on disk with its record, by CLOCK_BOOTTIME, so that an
//! agent that is restarted keeps it.
//!
//! | what comes meanwhile | then |
//! | --- | --- |
//! | the same operation, asked for again | it takes this place, and its moment if that is earlier |
//! | another operation on the resource, once | this one is taken back |
//! | Cancel, Forget, the end of the lease, the end of the guest | this one is taken back |

use std::time::Duration;

use cpe_bus::{Error, Operation, OperationRecord, OperationState, Result};
use tokio::time::Instant;

use super::Engine;
use super::execution::is_same;
use crate::clock::boottime_us;

/// Meta attribute: milliseconds by which the operation begins later.
const START_DELAY: &str = "CRM_meta_start_delay";

/// By how much an operation is to begin later, µs.
///
/// # Errors
/// [`Error::InvalidArgument`] if that is not a number of milliseconds.
fn start_delay_us(operation: &Operation) -> Result<u64> {
    let Some(text) = operation.meta.get(START_DELAY) else {
        return Ok(0);
    };
    let delay_ms: u32 = text.parse().map_err(|_| {
        let found = text.escape_debug();
        Error::InvalidArgument(format!(
            "operation: {START_DELAY} must be a number of milliseconds up to {}; found `{found}`",
            u32::MAX
        ))
    })?;
    Ok(u64::from(delay_ms) * 1000)
}

/// It waits for its start delay, or has not begun since that was over.
pub(super) fn has_not_begun(record: &OperationRecord) -> bool {
    record.state == OperationState::Pending && record.not_before_us > 0 && record.started == 0
}

/// Whether a new operation on a resource has another one taken back that waits for its start delay:
/// its DPE has asked for something else since. Recurring operations and those that change nothing
/// leave it alone.
pub(super) fn is_overtaken(waits: &OperationRecord, by: &Operation) -> bool {
    let changes_nothing = matches!(by.action.as_str(), "notify" | "meta-data" | "validate-all");
    has_not_begun(waits)
        && waits.operation.interval_ms == 0
        && waits.operation.resource == by.resource
        && by.interval_ms == 0
        && !changes_nothing
}

impl Engine {
    /// When a new operation may begin, µs of CLOCK_BOOTTIME. 0: at once.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the operation does not say that.
    pub(super) fn not_before_us(&self, operation: &Operation) -> Result<u64> {
        let delay_us = start_delay_us(operation)?;
        if delay_us == 0 {
            return Ok(0);
        }
        let own = boottime_us().saturating_add(delay_us);
        let mut records = self.records.values();
        let before =
            records.find(|other| has_not_begun(other) && is_same(&other.operation, operation));
        Ok(before.map_or(own, |before| before.not_before_us.min(own)))
    }

    /// Operations that wait for their start delay.
    pub(super) fn delayed(&self) -> usize {
        let records = self
            .due
            .keys()
            .filter_map(|call_id| self.records.get(call_id));
        records.filter(|record| has_not_begun(record)).count()
    }

    /// Puts an operation into its resource's lane, or has it wait for its start delay.
    pub(super) fn enqueue_in_time(&mut self, call_id: u32) {
        match self.left_of_delay(call_id) {
            None => self.enqueue(call_id),
            Some(left) => drop(self.due.insert(call_id, Instant::now() + left)),
        }
    }

    /// Tells the DPE of an operation that it has been taken in and waits for its start delay.
    pub(super) fn report_delay(&mut self, call_id: u32) {
        let record = self.records.get(&call_id).filter(|own| has_not_begun(own));
        if let Some(record) = record.filter(|_| self.due.contains_key(&call_id)).cloned() {
            self.report(&record);
        }
    }

    /// How long an operation still waits. `None`: its turn has come.
    pub(super) fn left_of_delay(&self, call_id: u32) -> Option<Duration> {
        let record = self.records.get(&call_id)?;
        let left_us = record.not_before_us.checked_sub(boottime_us())?;
        let waits = has_not_begun(record) && left_us > 0;
        waits.then(|| Duration::from_micros(left_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(action: &str, delay: Option<&str>) -> Operation {
        let delay = delay.map(|delay| (START_DELAY.to_owned(), delay.to_owned()));
        Operation {
            resource: "web".into(),
            action: action.into(),
            meta: delay.into_iter().collect(),
            ..Operation::default()
        }
    }

    #[test]
    fn a_delay_is_a_number_of_milliseconds() {
        let read = |delay| start_delay_us(&operation("start", delay)).unwrap();
        assert_eq!((read(None), read(Some("0"))), (0, 0));
        assert_eq!(read(Some("2147483647")), 2_147_483_647_000);
        for wrong in ["", "-1", "5s", "4294967296"] {
            let refused = start_delay_us(&operation("start", Some(wrong)));
            assert!(matches!(refused, Err(Error::InvalidArgument(_))), "{wrong}");
        }
    }

    #[test]
    fn what_is_asked_for_later_takes_back_what_has_not_begun() {
        let waits = OperationRecord {
            operation: operation("start", Some("1000")),
            not_before_us: 7,
            ..OperationRecord::default()
        };
        for action in ["start", "stop", "monitor", "promote"] {
            assert!(is_overtaken(&waits, &operation(action, None)), "{action}");
        }
        assert!(!is_overtaken(&waits, &operation("notify", None)));
        let recurring = Operation {
            interval_ms: 10,
            ..operation("monitor", None)
        };
        assert!(!is_overtaken(&waits, &recurring));
        let begun = OperationRecord {
            started: 1,
            ..waits.clone()
        };
        assert!(!is_overtaken(&begun, &operation("stop", None)));
        let undelayed = OperationRecord {
            not_before_us: 0,
            ..waits
        };
        assert!(!is_overtaken(&undelayed, &operation("stop", None)));
    }
}
