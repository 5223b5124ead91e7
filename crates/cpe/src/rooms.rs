//! The last answer to the question whether there would be room with a document: who deploys asks
//! first, and then stores, and it takes seconds to find it out.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cpe_status::RoomReport;

use crate::sync::lock;

/// So long an answer is good, if nothing has happened since.
const FRESH: Duration = Duration::from_secs(15);

/// What an answer depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub document: Arc<str>,
    /// The generation in force; `None`: there is no such deployment.
    pub generation: Option<u64>,
    /// The newest event of this host: most of what happens to a deployment is one.
    pub event: u64,
}

/// The last answer that was complete.
#[derive(Debug, Default)]
pub(crate) struct Rooms(Mutex<Option<(Question, Instant, RoomReport)>>);

impl Rooms {
    pub(crate) fn keep(&self, question: Question, report: &RoomReport) {
        if report.not_looked_at == 0 {
            *lock(&self.0) = Some((question, Instant::now(), report.clone()));
        }
    }

    /// The answer, if it was given a moment ago. It is given once: the document is kept no longer.
    pub(crate) fn again(&self, question: &Question) -> Option<RoomReport> {
        let is_it = |last: &mut (Question, Instant, RoomReport)| {
            last.0 == *question && last.1.elapsed() < FRESH
        };
        let last = lock(&self.0).take_if(is_it);
        last.map(|(_, _, report)| report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(event: u64) -> Question {
        Question {
            document: "<deployable/>".into(),
            generation: Some(3),
            event,
        }
    }

    #[test]
    fn an_answer_is_given_again_if_nothing_has_happened_since() {
        let rooms = Rooms::default();
        let report = RoomReport {
            looked_at: 4,
            ..RoomReport::default()
        };
        rooms.keep(question(7), &report);
        assert_eq!(rooms.again(&question(8)), None);
        let other = Question {
            document: "<other/>".into(),
            ..question(7)
        };
        assert_eq!(rooms.again(&other), None);
        let later = Question {
            generation: Some(4),
            ..question(7)
        };
        assert_eq!(rooms.again(&later), None);
        assert_eq!(rooms.again(&question(7)), Some(report.clone()));
        assert_eq!(rooms.again(&question(7)), None, "once");
        let in_part = RoomReport {
            not_looked_at: 1,
            ..report
        };
        rooms.keep(question(7), &in_part);
        assert_eq!(rooms.again(&question(7)), None, "not all was looked at");
    }
}
