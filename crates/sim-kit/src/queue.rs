//! What is still to happen, in order of virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events by time; those of one time in the order in which they were planned.
#[derive(Debug)]
pub struct Queue<E> {
    /// When, in which order, and the place in `events`.
    order: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<E>>,
    /// Free places.
    free: Vec<usize>,
    sequence: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Queue<E> {
        Queue {
            order: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            sequence: 0,
        }
    }
}

impl<E> Queue<E> {
    /// Plans an event.
    pub fn push(&mut self, at_us: u64, event: E) {
        self.sequence += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[place] = Some(event);
        self.order.push(Reverse((at_us, self.sequence, place)));
    }

    /// The next event and its time.
    pub fn pop(&mut self) -> Option<(u64, E)> {
        let Reverse((at_us, _, place)) = self.order.pop()?;
        self.free.push(place);
        let event = self.events[place].take();
        Some((at_us, event.expect("invariant: each place has its event")))
    }

    /// Time of the next event.
    pub fn next_us(&self) -> Option<u64> {
        self.order.peek().map(|Reverse((at_us, ..))| *at_us)
    }

    /// Drops all events.
    pub fn clear(&mut self) {
        self.order.clear();
        self.events.clear();
        self.free.clear();
    }
}
