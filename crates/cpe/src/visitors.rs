//! Calls that everybody may make, counted by caller, so that no stranger keeps others from looking.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::sync::lock;

/// Most such calls under way of one connection. A program that waits for replies has one.
const OF_ONE: usize = 8;
/// Most such calls under way in all: each holds a message of at most 64 KiB and a page of events.
const OF_ALL: usize = 256;
/// Bytes of all calls whose callers are not known yet: some documents.
const UNKNOWN: usize = 128 << 20;

/// Those who look now.
#[derive(Debug, Default, Clone)]
pub(crate) struct Visitors {
    calls: Arc<Mutex<HashMap<String, usize>>>,
    unknown: Arc<AtomicUsize>,
}

/// A call whose caller is being asked for; it counts until this value is dropped.
#[derive(Debug)]
pub(crate) struct Unknown {
    of_all: Arc<AtomicUsize>,
    bytes: usize,
}

/// A call under way; it ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct Visit {
    visitors: Visitors,
    sender: String,
}

impl Visitors {
    /// Lets a call in; `None` if its sender, or all together, have too many under way.
    pub(crate) fn enter(&self, sender: &str) -> Option<Visit> {
        let mut calls = lock(&self.calls);
        if calls.values().sum::<usize>() >= OF_ALL {
            return None;
        }
        let own = calls.entry(sender.to_owned()).or_default();
        if *own >= OF_ONE {
            return None;
        }
        *own += 1;
        Some(Visit {
            visitors: self.clone(),
            sender: sender.to_owned(),
        })
    }

    /// Keeps a call of that size in memory while the bus is asked who calls; `None` if those that
    /// are kept like that have too many bytes together.
    pub(crate) fn keep(&self, bytes: usize) -> Option<Unknown> {
        let kept = Unknown {
            of_all: Arc::clone(&self.unknown),
            bytes,
        };
        let before = self.unknown.fetch_add(bytes, Ordering::Relaxed);
        (before.saturating_add(bytes) <= UNKNOWN).then_some(kept)
    }
}

impl Drop for Unknown {
    fn drop(&mut self) {
        self.of_all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut calls = lock(&self.visitors.calls);
        if let Some(own) = calls.get_mut(&self.sender) {
            *own -= 1;
            if *own == 0 {
                calls.remove(&self.sender);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_one_caller_nor_all_together_have_more_than_their_share() {
        let visitors = Visitors::default();
        let mut visits: Vec<Visit> = (0..OF_ONE)
            .map(|_| visitors.enter(":1.7").unwrap())
            .collect();
        assert!(visitors.enter(":1.7").is_none());
        visits.push(visitors.enter(":1.8").unwrap());
        visits.remove(0);
        visits.push(visitors.enter(":1.7").unwrap());
        for n in 0.. {
            match visitors.enter(&format!(":2.{n}")) {
                Some(visit) => visits.push(visit),
                None => break,
            }
        }
        assert_eq!(visits.len(), OF_ALL);
        drop(visits);
        let kept = visitors.keep(UNKNOWN).unwrap();
        assert!(visitors.keep(1).is_none());
        drop(kept);
        assert!(visitors.keep(UNKNOWN).is_some());
        assert!(lock(&visitors.calls).is_empty());
    }
}
