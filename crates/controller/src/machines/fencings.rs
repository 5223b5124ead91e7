//! What was done to make assemblies safe: the last attempts, each a durable fact. Nothing is
//! decided by them; they are for people.

use cpe_status::{FencingResult, FencingStatus};
use serde::{Deserialize, Serialize};

use crate::vocabulary::AssemblyId;

/// Attempts that are kept: those of the last days in a deployment in which one fails every five
/// minutes are too many, and the event log has them all.
pub(crate) const KEPT: usize = 100;
/// Characters that are kept of what a device says.
const LONGEST_DETAIL: usize = 500;

/// An attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct FencingFacts(FencingStatus);

impl FencingFacts {
    /// An attempt that begins now. `device`: by what; `attempt` names the loss.
    pub(crate) fn new(
        assembly: &AssemblyId,
        attempt: &str,
        reason: &str,
        device: String,
        now_us: u64,
    ) -> FencingFacts {
        FencingFacts(FencingStatus {
            assembly: assembly.to_string(),
            unfences: false,
            attempt: attempt.to_owned(),
            reason: reason.to_owned(),
            device,
            began: now_us,
            ended: 0,
            result: FencingResult::Pending,
            detail: String::new(),
        })
    }

    /// An attempt to let an assembly in that begins now, by all devices that unfence it.
    pub(crate) fn unfencing(
        assembly: &AssemblyId,
        reason: &str,
        devices: &str,
        now_us: u64,
    ) -> FencingFacts {
        let device = format!("devices {devices} (on)");
        let mut facts = FencingFacts::new(assembly, "", reason, device, now_us);
        facts.0.unfences = true;
        facts
    }

    /// It lets its assembly in, and makes nothing safe.
    pub(crate) fn unfences(&self) -> bool {
        self.0.unfences
    }

    /// Another attempt takes its place.
    pub(crate) fn is_replaced_by(&self, next: &FencingFacts) -> bool {
        let both = self.0.unfences && next.0.unfences;
        both && self.0.assembly == next.0.assembly && self.0.result == FencingResult::Failed
    }

    /// Of which assembly.
    pub(crate) fn assembly(&self) -> &str {
        &self.0.assembly
    }

    /// It has not ended.
    pub(crate) fn is_under_way(&self) -> bool {
        self.0.result == FencingResult::Pending
    }

    /// It ends now.
    pub(crate) fn end(&mut self, now_us: u64, result: FencingResult, detail: &str) {
        self.0.ended = now_us;
        self.0.result = result;
        self.0.detail = detail.chars().take(LONGEST_DETAIL).collect();
    }

    /// The same for the status.
    pub(crate) fn status(&self) -> &FencingStatus {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines::facts::{Durable, Store};

    fn attempt(number: u64) -> FencingFacts {
        let device = "unit web1.service".to_owned();
        FencingFacts::new(&"web1".into(), "7-1", "no heartbeats", device, number)
    }

    #[test]
    fn the_last_attempts_are_kept_and_the_others_deleted() {
        let mut store = Store::new(Durable::default());
        let kept = u64::try_from(KEPT).unwrap();
        for number in 1..=kept + 2 {
            store.fencing_begins(attempt(number));
        }
        let began: Vec<u64> = store.fencings().values().map(|it| it.0.began).collect();
        assert_eq!(began, (3..=kept + 2).collect::<Vec<u64>>());
        let rows = store.rows();
        let read = Durable::from_rows(&rows).unwrap();
        assert_eq!(read.fencings(), store.fencings());
        let changes = store.changes();
        let deleted: Vec<&str> = changes
            .iter()
            .filter(|change| change.value.is_none())
            .map(|change| change.key.as_str())
            .collect();
        let expected = [
            "fencing/00000000000000000001",
            "fencing/00000000000000000002",
        ];
        assert_eq!(deleted, expected);
    }

    #[test]
    fn of_attempts_to_let_in_that_fail_the_last_is_kept() {
        let mut store = Store::new(Durable::default());
        store.fencing_begins(attempt(1));
        store.end_fencings(2, |_, _| Some((FencingResult::Failed, "no".into())));
        for (now, result) in [
            (3, FencingResult::Failed),
            (4, FencingResult::Failed),
            (5, FencingResult::Succeeded),
            (6, FencingResult::Failed),
        ] {
            let facts = FencingFacts::unfencing(&"web1".into(), "it has booted", "switch", now);
            store.fencing_begins(facts);
            store.end_fencings(now, |_, _| Some((result, String::new())));
        }
        let kept = store.fencings().values();
        let kept: Vec<(u64, bool)> = kept.map(|it| (it.0.began, it.0.unfences)).collect();
        assert_eq!(kept, [(1, false), (5, true), (6, true)]);
    }

    #[test]
    fn an_attempt_ends_once() {
        let mut store = Store::new(Durable::default());
        store.fencing_begins(attempt(1));
        store.end_fencings(5, |_, facts| {
            let own = facts.assembly() == "web2";
            own.then(|| (FencingResult::Failed, "another one".into()))
        });
        assert!(store.fencings()[&1].is_under_way());
        for (now, result) in [(7, FencingResult::Succeeded), (9, FencingResult::Failed)] {
            store.end_fencings(now, |_, _| Some((result, "it is off".into())));
        }
        let status = store.fencings()[&1].status();
        assert_eq!((status.ended, status.result), (7, FencingResult::Succeeded));
        assert_eq!(status.detail, "it is off");
    }

    #[test]
    fn what_a_device_says_is_kept_up_to_a_bound() {
        let mut facts = attempt(1);
        let long = "\u{e4}".repeat(LONGEST_DETAIL + 1);
        facts.end(2, FencingResult::Failed, &long);
        assert_eq!(facts.0.detail.chars().count(), LONGEST_DETAIL);
    }
}
