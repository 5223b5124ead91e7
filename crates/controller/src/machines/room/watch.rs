//! When it is found out whether there is room, and what was found out last.

use cpe_status::{RoomReport, RoomStatus};
use serde::{Deserialize, Serialize};

use crate::vocabulary::{EventDraft, EventKind, SECOND, fnv};

/// So long nothing has to change before it is found out again, µs: what is being changed is not
/// worth an answer.
const QUIET_US: u64 = 30 * SECOND;
/// After this time it is found out at the next moment of rest, even a short one, µs: some tools in
/// guests set values all the time.
const PATIENCE_US: u64 = 300 * SECOND;

/// What events have said of room: a durable fact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RoomTold {
    /// Nothing, or that there is enough.
    #[default]
    Enough,
    /// That there is not, for these services and losses (a hash of them).
    Missing(u64),
}

/// Asks and hears whether there is room.
#[derive(Debug, Default)]
pub(crate) struct RoomWatch {
    /// Questions so far, from which they have their numbers.
    questions: u64,
    /// What was found out last is not of the present state, since this boot time, µs.
    outdated_us: Option<u64>,
    /// There is nothing to do and nothing to decide since this boot time, µs.
    quiet_us: Option<u64>,
    /// The question of this number is not answered yet.
    asked: Option<u64>,
    last: Option<RoomStatus>,
}

impl RoomWatch {
    /// Time passes. `quiet`: there is nothing to do and nothing to decide. `now_us`: boot time.
    /// Gives the number of a question that is to be asked now.
    pub(crate) fn turn(&mut self, quiet: bool, now_us: u64) -> Option<u64> {
        if !quiet {
            self.quiet_us = None;
            self.asked = None;
            self.outdated_us.get_or_insert(now_us);
            return None;
        }
        self.quiet_us.get_or_insert(now_us);
        self.deadline().filter(|due_us| *due_us <= now_us)?;
        self.questions += 1;
        self.asked = Some(self.questions);
        self.asked
    }

    /// Boot time at which it is to be asked, µs.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let (quiet_us, outdated_us) = (self.quiet_us?, self.outdated_us?);
        let due_us = (quiet_us + QUIET_US).min(outdated_us + PATIENCE_US);
        self.asked.is_none().then_some(due_us.max(quiet_us))
    }

    /// An answer has come. `false`: the world has changed since, or nobody waits for it.
    pub(crate) fn answered(&mut self, number: u64) -> bool {
        let own = self.asked == Some(number);
        if own {
            self.asked = None;
            self.outdated_us = None;
        }
        own
    }

    /// What was found out.
    pub(crate) fn learn(&mut self, report: &RoomReport) {
        self.last = Some(RoomStatus {
            holds: report.holds && report.not_looked_at == 0,
            text: report.text(),
            time: report.time,
            outdated: false,
        });
    }

    /// It could not be found out.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }

    /// For a status.
    pub(crate) fn status(&self) -> Option<RoomStatus> {
        let last = self.last.clone()?;
        Some(RoomStatus {
            outdated: self.outdated_us.is_some(),
            ..last
        })
    }
}

impl RoomTold {
    /// The next event, if there is one, and what is told then. Of an answer that is not complete
    /// only is told that something is missing, and only where no event has said so yet: how much of
    /// it there is depends on the time that there was, so that it is no news when it differs.
    pub(crate) fn next(self, report: &RoomReport) -> Option<(RoomTold, EventDraft)> {
        let lines = lines(report);
        if lines.is_empty() {
            let regained = self != RoomTold::Enough && report.not_looked_at == 0;
            let event = EventDraft::new(EventKind::DeploymentRoomRegained)
                .reason("every service would run if any one assembly were lost");
            return regained.then_some((RoomTold::Enough, event));
        }
        if report.not_looked_at > 0 && self != RoomTold::Enough {
            return None;
        }
        let told = RoomTold::Missing(hash(&lines));
        let count = lines.len();
        let text = report.text();
        let event = EventDraft::new(EventKind::DeploymentRoomMissing)
            .reason(text.strip_prefix("no: ").unwrap_or(&text))
            .detail("missing", count)
            .detail("losses", report.failing().count());
        (told != self).then_some((told, event))
    }
}

/// What is missing, a line for each service and loss.
fn lines(report: &RoomReport) -> Vec<String> {
    let all = report.failing().flat_map(|loss| {
        let name = loss.name();
        let missing = loss.missing();
        missing.map(move |own| format!("{} {} {name}", own.service, own.outcome))
    });
    all.collect()
}

fn hash(lines: &[String]) -> u64 {
    fnv(lines.iter().flat_map(|line| line.bytes().chain([b'\n'])))
}

#[cfg(test)]
mod tests {
    use cpe_status::{RoomLoss, RoomOutcome, RoomService};

    use super::*;

    #[test]
    fn it_is_asked_when_nothing_has_changed_for_a_while() {
        let mut watch = RoomWatch::default();
        assert_eq!(watch.turn(true, 0), None, "nothing was decided yet");
        assert_eq!(watch.turn(false, SECOND), None);
        assert_eq!(watch.turn(true, 2 * SECOND), None);
        assert_eq!(watch.deadline(), Some(32 * SECOND));
        assert_eq!(watch.turn(true, 31 * SECOND), None);
        assert_eq!(watch.turn(true, 32 * SECOND), Some(1));
        assert_eq!(watch.turn(true, 99 * SECOND), None, "one at a time");
        assert_eq!(watch.deadline(), None);
        assert!(!watch.answered(7));
        assert!(watch.answered(1));
        assert_eq!(watch.turn(true, 999 * SECOND), None, "it is known");
        watch.learn(&RoomReport::default());
        assert!(!watch.status().unwrap().outdated);
        watch.turn(false, 1000 * SECOND);
        assert!(watch.status().unwrap().outdated);
    }

    #[test]
    fn an_answer_about_a_world_that_has_changed_is_dropped_and_asked_for_again() {
        let mut watch = RoomWatch::default();
        watch.turn(false, 0);
        watch.turn(true, 0);
        assert_eq!(watch.turn(true, QUIET_US), Some(1));
        watch.turn(false, QUIET_US + 1);
        assert!(!watch.answered(1));
        assert_eq!(watch.turn(true, QUIET_US + 2), None);
        assert_eq!(watch.turn(true, 2 * QUIET_US + 2), Some(2));
    }

    #[test]
    fn what_never_rests_for_long_is_asked_about_after_some_minutes() {
        let mut watch = RoomWatch::default();
        for second in 0..300 {
            assert_eq!(
                watch.turn(second % 10 > 0, second * SECOND),
                None,
                "{second}"
            );
        }
        assert_eq!(watch.turn(true, 301 * SECOND), Some(1));
    }

    fn report(services: &[&str]) -> RoomReport {
        let service = |name: &&str| RoomService {
            service: (*name).to_owned(),
            outcome: RoomOutcome::Down,
            ..RoomService::default()
        };
        let losses = vec![RoomLoss {
            assemblies: vec!["n1".into()],
            holds: services.is_empty(),
            services: services.iter().map(service).collect(),
            ..RoomLoss::default()
        }];
        RoomReport {
            holds: services.is_empty(),
            losses,
            ..RoomReport::default()
        }
    }

    #[test]
    fn an_event_tells_what_has_changed_and_only_that() {
        let told = RoomTold::default();
        assert!(told.next(&report(&[])).is_none());
        let (told, event) = told.next(&report(&["db"])).unwrap();
        assert_eq!(event.kind, EventKind::DeploymentRoomMissing);
        assert_eq!(event.reason, "db would not run without n1");
        assert!(told.next(&report(&["db"])).is_none());
        let (told, event) = told.next(&report(&["db", "web"])).unwrap();
        assert_eq!(event.kind, EventKind::DeploymentRoomMissing);
        let cut_short = RoomReport {
            not_looked_at: 1,
            ..report(&[])
        };
        assert!(told.next(&cut_short).is_none(), "that is not known");
        let (told, event) = told.next(&report(&[])).unwrap();
        assert_eq!(event.kind, EventKind::DeploymentRoomRegained);
        assert_eq!(told, RoomTold::Enough);
    }

    #[test]
    fn answers_that_were_cut_short_tell_once_that_something_is_missing() {
        let cut_short = |services: &[&str]| RoomReport {
            not_looked_at: 1,
            ..report(services)
        };
        let (told, event) = RoomTold::Enough.next(&cut_short(&["db"])).unwrap();
        assert_eq!(event.kind, EventKind::DeploymentRoomMissing);
        for services in [&["db", "web"][..], &["web"], &["db"], &[]] {
            let next = told.next(&cut_short(services));
            assert!(next.is_none(), "{services:?}");
        }
        assert!(told.next(&report(&["db"])).is_none(), "that was all of it");
        let (told, event) = told.next(&report(&["db", "web"])).unwrap();
        assert_eq!(event.kind, EventKind::DeploymentRoomMissing);
        assert!(told.next(&cut_short(&["db"])).is_none(), "a part of it");
        assert!(told.next(&report(&["db", "web"])).is_none());
        let (told, event) = told.next(&report(&[])).unwrap();
        assert_eq!(event.kind, EventKind::DeploymentRoomRegained);
        assert!(told.next(&cut_short(&["db"])).is_some());
    }
}
