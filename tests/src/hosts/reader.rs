//! A reader of the event log that goes from host to host.

use std::collections::BTreeSet;

use super::SERVICES;
use crate::lab::Lab;
use crate::status::Event;
use crate::system::System;

/// Who reads the event log by cursor, now at this host and now at that one.
#[derive(Debug, Default)]
pub struct Reader {
    cursor: u64,
    events: Vec<Event>,
    /// How often another host has taken over.
    pub(super) moves: usize,
}

impl Reader {
    /// Reads on at a host.
    #[track_caller]
    pub fn read(&mut self, host: &Lab) {
        let since = self.cursor.to_string();
        let text = host.cpectl(&["events", "--json", "--since", &since]).ok();
        let events = Event::parse_all(&text);
        if let Some(last) = events.last() {
            self.cursor = last.field("cursor").parse().expect("a cursor is a number");
        }
        self.events.extend(events);
    }

    /// What is told otherwise than it was: each start of a service once, whichever host's DPE tells
    /// of it; each move of the deployment once; the one failure once; and no loss in guests.
    pub fn tales(&self) -> Vec<String> {
        let of = |kind: &'static str| self.events.iter().filter(move |it| it.kind() == kind);
        let count = |kind: &'static str| of(kind).count();
        let mut found = Vec::new();
        for service in SERVICES {
            let starts = of("service.started").filter(|it| it.field("service") == service);
            let starts = starts.count();
            if starts != 1 {
                found.push(format!("{service} was started {starts} times"));
            }
        }
        let moves = count("deployment.moved");
        if moves != self.moves {
            found.push(format!("{} moves are told {moves} times", self.moves));
        }
        if count("service.failed") != 1 {
            found.push(format!("{} failures are told", count("service.failed")));
        }
        let never = ["assembly.lost", "service.stopped"];
        let told = never.into_iter().filter(|kind| count(kind) > 0);
        found.extend(told.map(|kind| format!("{kind} {} times", count(kind))));
        found
    }

    /// How many it has.
    pub fn count(&self) -> usize {
        self.events.len()
    }

    /// What is lost, doubled or in another order than in the log of a host, which it has read to
    /// its end.
    #[track_caller]
    pub fn faults(&self, host: &Lab) -> Vec<String> {
        let text = |event: &Event| {
            let [cursor, id, kind] = ["cursor", "id", "kind"].map(|name| event.field(name));
            format!("{cursor} {id} {kind}")
        };
        let read: Vec<String> = self.events.iter().map(text).collect();
        let all: Vec<String> = host.events().iter().map(text).collect();
        let mut found = Vec::new();
        let ids: BTreeSet<String> = self.events.iter().map(|it| it.field("id")).collect();
        if ids.len() != read.len() {
            found.push(format!("events are there twice: {read:#?}"));
        }
        let lost: Vec<&String> = all.iter().filter(|it| !read.contains(it)).collect();
        let more: Vec<&String> = read.iter().filter(|it| !all.contains(it)).collect();
        if !lost.is_empty() || !more.is_empty() {
            found.push(format!("not read: {lost:#?}; only read: {more:#?}"));
        } else if read != all {
            found.push(format!("another order: {read:#?} and {all:#?}"));
        }
        found
    }
}
