//! An event log in memory, in place of `cpe`'s.

use std::sync::{Arc, Mutex};

use cpe_bus::Event;
use cpe_notify::event_log::{EventLog, Page, Unread};
use tokio::sync::watch;

/// What was recorded, and how many of the oldest retention has removed.
#[derive(Debug, Clone)]
pub(crate) struct FakeLog {
    state: Arc<Mutex<State>>,
    head: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct State {
    id: String,
    events: Vec<Event>,
    last: u64,
    /// Why nobody can read it.
    away: Option<String>,
}

impl Default for FakeLog {
    fn default() -> FakeLog {
        FakeLog {
            state: Arc::new(Mutex::new(State {
                id: "first".into(),
                ..State::default()
            })),
            head: Arc::new(watch::channel(0).0),
        }
    }
}

impl FakeLog {
    /// Records an event; gives its id.
    pub(crate) fn record(&self, mut event: Event) -> String {
        let mut state = self.state.lock().unwrap();
        state.last += 1;
        event.cursor = state.last;
        let id = event.id.clone();
        state.events.push(event);
        self.head.send_replace(state.last);
        id
    }

    /// Removes what is older.
    pub(crate) fn retain(&self, oldest: u64) {
        let mut state = self.state.lock().unwrap();
        state.events.retain(|event| event.cursor >= oldest);
    }

    /// Another log, with nothing in it.
    pub(crate) fn replace(&self) {
        *self.state.lock().unwrap() = State {
            id: "second".into(),
            ..State::default()
        };
    }

    pub(crate) fn set_away(&self, why: Option<&str>) {
        self.state.lock().unwrap().away = why.map(str::to_owned);
    }
}

impl EventLog for FakeLog {
    async fn end(&self) -> Result<(String, u64), Unread> {
        let state = self.state.lock().unwrap();
        match &state.away {
            Some(why) => Err(Unread::Away(why.clone())),
            None => Ok((state.id.clone(), state.last)),
        }
    }

    async fn page(&self, after: u64, log: &str) -> Result<Page, Unread> {
        let state = self.state.lock().unwrap();
        if let Some(why) = &state.away {
            return Err(Unread::Away(why.clone()));
        }
        if log != state.id || after > state.last {
            return Err(Unread::OtherLog(format!("{log} is lost")));
        }
        let later = state.events.iter().filter(|event| event.cursor > after);
        let events: Vec<Event> = later.take(3).cloned().collect();
        let next = match events.last() {
            Some(last) if events.len() == 3 => last.cursor,
            _ => state.last,
        };
        Ok(Page { events, next })
    }

    fn head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }
}
