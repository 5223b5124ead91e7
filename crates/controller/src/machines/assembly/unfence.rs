//! Letting one assembly in again whose guest has booted: attempt after attempt, until all devices
//! that unfence have succeeded.
//!
//! ```text
//!            wanted          all succeeded
//!  ┌──────┐ ───────▶ ┌───────────┐ ───────▶ unfenced: durable, until it is fenced or boots
//!  │ idle │          │ under way │
//!  └──────┘ ◀─────── └───────────┘
//!            one failed: a pause      │ it is to be fenced
//!                                     ▼
//!                             being ended: its fencing waits for that
//! ```
//!
//! Who is not let in is *kept out*: what requires that is to be placed elsewhere, and need not be
//! looked for there first (`controller/kept_out.rs`).

use std::collections::BTreeSet;

use crate::vocabulary::{Digests, SECOND};

/// First pause after a failed attempt; doubled by each further one. Microseconds.
const FIRST_PAUSE_US: u64 = 2 * SECOND;
/// Longest pause between attempts. Microseconds.
const LONGEST_PAUSE_US: u64 = 300 * SECOND;
/// What devices were asked for has ended by then: fence agents are killed as soon as nobody waits
/// for them any more, also when their DPE has gone. Microseconds.
const ENDS_WITHIN_US: u64 = 5 * SECOND;
/// Number of an attempt of an earlier DPE. Those of this one begin with 1.
const ORPHAN: u64 = 0;

/// Unfencing, as far as it is.
#[derive(Debug, Default)]
pub(crate) struct Unfencing {
    /// Mostly none or one; those of a former name go on beside it.
    under_way: Vec<UnderWay>,
    /// Attempts that failed since the last success.
    failed: u32,
    /// Why the last one did.
    trouble: String,
    /// Boot time before which none begins, µs; 0: at once.
    not_before_us: u64,
    /// The newest attempt that has devices cut it off, whose end was not heard, and the boot time
    /// at which it has ended in any case, µs.
    cuts: Option<(u64, u64)>,
    kept_out: Option<KeptOut>,
}

/// It has been tried to let it in, and it was not.
#[derive(Debug, Default)]
pub(crate) struct KeptOut {
    /// By which definitions of the devices it is tried again.
    pub digests: Digests,
    /// What waits for that, as the graphs have said.
    pub resources: BTreeSet<String>,
}

/// Devices are letting it in.
#[derive(Debug)]
struct UnderWay {
    attempt: u64,
    /// The number of its record in the status. `None`: of an earlier DPE.
    record: Option<u64>,
    /// Boot time at which it has ended in any case, µs.
    until_us: u64,
    /// It is to end, and counts for nothing.
    is_ending: bool,
    digests: Digests,
}

/// What has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// What it was for. `None`: it counts for nothing.
    pub counts: Option<Digests>,
    /// The number of its record in the status. `None`: of an earlier DPE.
    pub record: Option<u64>,
}

impl Unfencing {
    /// An earlier DPE may have devices at work: `lets_in`, or to make the assembly safe.
    pub(crate) fn wait_for_orphans(&mut self, now_us: u64, lets_in: bool) {
        let until_us = now_us + ENDS_WITHIN_US;
        self.not_before_us = until_us;
        let orphan = lets_in.then(|| UnderWay {
            attempt: ORPHAN,
            record: None,
            until_us,
            is_ending: true,
            digests: Digests::default(),
        });
        self.under_way = orphan.into_iter().collect();
    }

    /// Devices are asked to cut it off, which has ended at `until_us` but for what is being killed.
    pub(crate) fn device_begins(&mut self, attempt: u64, until_us: u64) {
        self.cuts = Some((attempt, until_us + ENDS_WITHIN_US));
    }

    /// That has ended. What did not end by itself is being killed.
    pub(crate) fn device_ended(&mut self, attempt: u64, now_us: u64, by_itself: bool) {
        if self.cuts.take_if(|(own, _)| *own == attempt).is_some() && !by_itself {
            self.not_before_us = self.not_before_us.max(now_us + ENDS_WITHIN_US);
        }
    }

    /// It is the same guest as one that had another name. What lets that one in is to have ended
    /// before anything else is done here.
    pub(crate) fn join(&mut self, former: Unfencing) {
        let (own, other) = (self.cuts, former.cuts);
        self.cuts = own.into_iter().chain(other).max_by_key(|(_, us)| *us);
        self.not_before_us = self.not_before_us.max(former.not_before_us);
        let ending = former.under_way.into_iter().map(|own| UnderWay {
            is_ending: true,
            ..own
        });
        self.under_way.extend(ending);
    }

    /// An attempt begins, which has ended at `until_us` in any case. `record`: see [`Ended`].
    pub(crate) fn begin(&mut self, attempt: u64, record: u64, until_us: u64, digests: Digests) {
        assert!(
            self.under_way.is_empty(),
            "invariant: one attempt to unfence an assembly at a time"
        );
        self.under_way.push(UnderWay {
            attempt,
            record: Some(record),
            until_us,
            is_ending: false,
            digests,
        });
    }

    /// That attempt is under way. An orphan has no number of its own.
    pub(crate) fn has(&self, attempt: u64) -> bool {
        attempt != ORPHAN && self.under_way.iter().any(|own| own.attempt == attempt)
    }

    /// That record is of an attempt that is under way.
    pub(crate) fn has_record(&self, record: u64) -> bool {
        self.under_way.iter().any(|own| own.record == Some(record))
    }

    /// Boot time at which what is under way has ended in any case, µs.
    pub(crate) fn until_us(&self) -> Option<u64> {
        self.under_way.iter().map(|own| own.until_us).max()
    }

    /// What is under way is to end. Gives the attempts that the shell is to be told of.
    pub(crate) fn end(&mut self) -> Vec<u64> {
        let own = self.under_way.iter_mut().filter(|own| !own.is_ending);
        own.map(|own| {
            own.is_ending = true;
            own.attempt
        })
        .collect()
    }

    /// An attempt has ended. `None`: it was not under way.
    pub(crate) fn ended(&mut self, attempt: u64) -> Option<Ended> {
        let mut all = self.under_way.iter();
        let at = all.position(|own| own.attempt == attempt)?;
        let own = self.under_way.remove(at);
        Some(Ended {
            counts: (!own.is_ending).then_some(own.digests),
            record: own.record,
        })
    }

    /// The attempt whose time is over, though nothing was heard of its end. `true`: the shell was
    /// not told to end it.
    pub(crate) fn overdue(&self, now_us: u64) -> Option<(u64, bool)> {
        let mut all = self.under_way.iter();
        let own = all.find(|own| own.until_us <= now_us)?;
        Some((own.attempt, !own.is_ending))
    }

    /// An attempt failed. Gives the pause before the next one, µs.
    pub(crate) fn fail(&mut self, now_us: u64, why: &str) -> u64 {
        self.failed += 1;
        why.clone_into(&mut self.trouble);
        let pause_us = (FIRST_PAUSE_US << (self.failed - 1).min(10)).min(LONGEST_PAUSE_US);
        self.not_before_us = now_us + pause_us;
        pause_us
    }

    /// Nothing is left of earlier failures: it has succeeded, or nobody wants it any more.
    pub(crate) fn settle(&mut self) {
        self.failed = 0;
        self.trouble.clear();
        self.not_before_us = 0;
        self.kept_out = None;
    }

    /// It is not let in, for which these wait. `true`: that was not known of all of them.
    pub(crate) fn keep_out(&mut self, digests: Digests, waiting: BTreeSet<String>) -> bool {
        if waiting.is_empty() && self.kept_out.is_none() {
            return false;
        }
        let own = self.kept_out.get_or_insert_default();
        own.digests = digests;
        let before = own.resources.len();
        own.resources.extend(waiting);
        own.resources.len() > before
    }

    /// What waits for it is to be found out again: another document may say otherwise.
    pub(crate) fn reconsider(&mut self) {
        self.kept_out = None;
    }

    /// See [`Unfencing::keep_out`]. `None`: it was let in, or it was not tried.
    pub(crate) fn kept_out(&self) -> Option<&KeptOut> {
        self.kept_out.as_ref()
    }

    /// Nothing is under way, and nothing is to be done.
    pub(crate) fn is_idle(&self) -> bool {
        self.deadline_us().is_none() && self.kept_out.is_none()
    }

    /// An attempt may begin now.
    pub(crate) fn may_begin(&self, now_us: u64) -> bool {
        self.under_way.is_empty() && self.not_before_us <= now_us && self.cuts.is_none()
    }

    /// A pause that is over is none, and what has ended in any case does not cut off any more.
    pub(crate) fn end_pause(&mut self, now_us: u64) {
        if self.not_before_us <= now_us {
            self.not_before_us = 0;
        }
        self.cuts.take_if(|(_, until_us)| *until_us <= now_us);
    }

    /// The process did not run when deadlines came: what is under way has more time, and so has
    /// what is being killed.
    pub(crate) fn extend(&mut self, by_us: u64) {
        for own in &mut self.under_way {
            own.until_us += by_us;
        }
        if self.not_before_us > 0 {
            self.not_before_us += by_us;
        }
        if let Some((_, until_us)) = &mut self.cuts {
            *until_us += by_us;
        }
    }

    /// Attempts that failed, and why the last one did.
    pub(crate) fn failures(&self) -> (u32, &str) {
        (self.failed, &self.trouble)
    }

    /// Boot time at which it goes on by itself, µs.
    pub(crate) fn deadline_us(&self) -> Option<u64> {
        let pause = Some(self.not_before_us).filter(|us| *us > 0);
        let cuts = self.cuts.map(|(_, until_us)| until_us);
        let first = self.under_way.iter().map(|own| own.until_us).min();
        first.or(pause.max(cuts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests() -> Digests {
        Digests {
            all: "switch:fence_lab:a,".into(),
            secure: "switch:fence_lab:b,".into(),
        }
    }

    fn ended(counts: Option<Digests>, record: Option<u64>) -> Ended {
        Ended { counts, record }
    }

    #[test]
    fn pauses_grow_up_to_the_longest_and_end_with_a_success() {
        let mut own = Unfencing::default();
        let pauses: Vec<u64> = (0..10).map(|_| own.fail(0, "no") / SECOND).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert!(!own.may_begin(299 * SECOND) && own.may_begin(300 * SECOND));
        own.settle();
        assert_eq!((own.failures(), own.deadline_us()), ((0, ""), None));
    }

    #[test]
    fn what_is_being_ended_counts_for_nothing() {
        let mut own = Unfencing::default();
        own.begin(7, 1, 10, digests());
        assert_eq!((own.end(), own.end()), (vec![7], vec![]), "told once");
        assert!(!own.may_begin(100), "it has not ended yet");
        assert_eq!(own.ended(6), None);
        assert_eq!(own.ended(7), Some(ended(None, Some(1))));
        own.begin(8, 2, 10, digests());
        assert_eq!(own.ended(8), Some(ended(Some(digests()), Some(2))));
        assert_eq!(own.ended(8), None);
    }

    #[test]
    fn what_an_earlier_dpe_had_done_has_ended_after_a_while() {
        let mut own = Unfencing::default();
        own.wait_for_orphans(0, true);
        assert_eq!(own.end(), [0; 0], "nobody can be told to end it");
        assert_eq!(own.overdue(ENDS_WITHIN_US - 1), None);
        assert_eq!(own.overdue(ENDS_WITHIN_US), Some((ORPHAN, false)));
        assert_eq!(own.ended(ORPHAN), Some(ended(None, None)));
        assert!(own.may_begin(ENDS_WITHIN_US));
        let mut safe = Unfencing::default();
        safe.wait_for_orphans(0, false);
        assert_eq!(safe.until_us(), None);
        assert!(!safe.may_begin(ENDS_WITHIN_US - 1));
    }

    #[test]
    fn nothing_lets_in_while_a_device_may_still_cut_off() {
        let mut own = Unfencing::default();
        own.device_begins(3, 10 * SECOND);
        assert!(!own.may_begin(0));
        own.device_ended(2, SECOND, true);
        assert!(!own.may_begin(SECOND), "an earlier attempt");
        own.device_ended(3, SECOND, true);
        assert!(own.may_begin(SECOND));
        own.device_begins(4, 10 * SECOND);
        own.device_ended(4, 2 * SECOND, false);
        assert_eq!(own.deadline_us(), Some(7 * SECOND), "it is being killed");
        own.end_pause(7 * SECOND);
        assert!(own.may_begin(7 * SECOND));
        own.device_begins(5, 10 * SECOND);
        own.end_pause(14 * SECOND);
        assert!(!own.may_begin(14 * SECOND), "its end was not heard");
        own.end_pause(15 * SECOND);
        assert!(own.may_begin(15 * SECOND));
    }

    #[test]
    fn what_lets_in_under_a_former_name_has_to_end_first() {
        let (mut own, mut former) = (Unfencing::default(), Unfencing::default());
        former.begin(7, 3, 10 * SECOND, digests());
        own.join(former);
        assert!(own.has(7) && !own.may_begin(9 * SECOND));
        assert_eq!(own.until_us(), Some(10 * SECOND));
        let nothing = Some(ended(None, Some(3)));
        assert_eq!(own.ended(7), nothing, "it counts for nothing");
        assert!(own.may_begin(SECOND));
    }

    #[test]
    fn what_is_being_killed_has_more_time_too_if_the_process_did_not_run() {
        let mut own = Unfencing::default();
        own.device_begins(4, 10 * SECOND);
        own.device_ended(4, 2 * SECOND, false);
        own.extend(3 * SECOND);
        assert_eq!(own.deadline_us(), Some(10 * SECOND));
        let mut idle = Unfencing::default();
        idle.extend(3 * SECOND);
        assert!(idle.is_idle());
    }

    #[test]
    fn who_is_kept_out_is_not_idle_until_it_is_let_in() {
        let mut own = Unfencing::default();
        assert!(!own.keep_out(digests(), BTreeSet::new()) && own.is_idle());
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
        assert!(own.keep_out(digests(), names(&["db"])));
        assert!(!own.keep_out(digests(), names(&["db"])), "nothing new");
        assert!(own.keep_out(digests(), names(&["db", "web"])));
        assert!(!own.is_idle());
        own.settle();
        assert!(own.is_idle() && own.kept_out().is_none());
    }

    #[test]
    #[should_panic(expected = "one attempt")]
    fn devices_do_not_let_in_twice_at_once() {
        let mut own = Unfencing::default();
        own.begin(1, 1, 10, digests());
        own.begin(2, 2, 10, digests());
    }
}
