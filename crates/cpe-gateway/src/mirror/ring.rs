//! The newest events of the log, without a gap.

use std::collections::VecDeque;
use std::sync::Arc;

use cpe_bus::Event;
use cpe_bus::cloudevents::to_cloudevent;

/// Events that are kept.
const MOST: usize = 10_000;
/// Bytes of their texts that are kept.
const MOST_BYTES: usize = 32 << 20;

/// An event, and its text as a CloudEvent.
#[derive(Debug)]
pub struct Logged {
    /// The event.
    pub event: Event,
    /// As JSON.
    pub json: String,
}

impl From<Event> for Logged {
    fn from(event: Event) -> Logged {
        Logged {
            json: to_cloudevent(&event).to_string(),
            event,
        }
    }
}

/// All events of a log between two cursors.
#[derive(Debug, Default)]
pub struct Ring {
    /// The log; empty: none is known yet.
    log: String,
    /// Every event after this cursor …
    start: u64,
    /// … up to this one is here.
    end: u64,
    events: VecDeque<Arc<Logged>>,
    bytes: usize,
}

impl Ring {
    /// Begins again at the cursor of a log.
    pub(super) fn reset(&mut self, log: &str, cursor: u64) {
        *self = Ring {
            log: log.to_owned(),
            start: cursor,
            end: cursor,
            ..Ring::default()
        };
    }

    /// Adds what follows.
    pub(super) fn push(&mut self, event: Event) {
        self.end = self.end.max(event.cursor);
        let logged = Logged::from(event);
        self.bytes += logged.json.len();
        self.events.push_back(Arc::new(logged));
        while self.events.len() > MOST || self.bytes > MOST_BYTES {
            let Some(oldest) = self.events.pop_front() else {
                break;
            };
            self.bytes -= oldest.json.len();
            self.start = oldest.event.cursor;
        }
    }

    /// Says that nothing else is between the newest event and a cursor.
    pub(super) fn looked_until(&mut self, cursor: u64) {
        self.end = self.end.max(cursor);
    }

    /// The log that the cursors are of.
    pub fn log(&self) -> &str {
        &self.log
    }

    /// The cursor up to which it reaches.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The events, newest first.
    pub(super) fn backwards(&self) -> impl Iterator<Item = &Arc<Logged>> {
        self.events.iter().rev()
    }

    /// Whether everything after a cursor is here.
    pub fn reaches(&self, cursor: u64) -> bool {
        !self.log.is_empty() && self.start <= cursor && cursor <= self.end
    }

    /// At most so many events after a cursor; `None` if some of them are not here.
    pub fn after(&self, cursor: u64, most: usize) -> Option<Vec<Arc<Logged>>> {
        if !self.reaches(cursor) {
            return None;
        }
        let from = self.events.partition_point(|it| it.event.cursor <= cursor);
        Some(self.events.iter().skip(from).take(most).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(cursor: u64) -> Event {
        Event {
            id: cursor.to_string(),
            kind: "a.b".into(),
            cursor,
            ..Event::default()
        }
    }

    fn cursors(ring: &Ring, cursor: u64) -> Option<Vec<u64>> {
        let found = ring.after(cursor, 3)?;
        Some(found.iter().map(|it| it.event.cursor).collect())
    }

    #[test]
    fn it_has_all_events_after_its_start_or_says_that_it_has_not() {
        let mut ring = Ring::default();
        assert_eq!(ring.after(0, 1).map(|it| it.len()), None);
        ring.reset("log", 5);
        assert_eq!(cursors(&ring, 5), Some(vec![]));
        for cursor in 6..10 {
            ring.push(event(cursor));
        }
        assert_eq!(cursors(&ring, 5), Some(vec![6, 7, 8]));
        assert_eq!(cursors(&ring, 8), Some(vec![9]));
        assert_eq!(cursors(&ring, 4), None);
        assert_eq!(cursors(&ring, 10), None, "of another log, perhaps");
    }

    #[test]
    fn it_forgets_the_oldest() {
        let mut ring = Ring::default();
        ring.reset("log", 0);
        for cursor in 1..=MOST as u64 + 10 {
            ring.push(event(cursor));
        }
        assert_eq!(ring.after(9, 1).map(|it| it.len()), None);
        assert_eq!(cursors(&ring, 10), Some(vec![11, 12, 13]));
    }
}
