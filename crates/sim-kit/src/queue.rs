//! What is still to happen, in order of virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events by time. Of one time those come first that were to come first: what was put off keeps its
/// place before what comes later, however often it is put off.
#[derive(Debug)]
pub struct Queue<E> {
    /// When, for when it was planned, in which order, and the place in `events`.
    order: BinaryHeap<Reverse<(u64, u64, u64, usize)>>,
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
        self.put_off(at_us, at_us, event);
    }

    /// Plans an event that was to come at `planned_us`.
    pub fn put_off(&mut self, at_us: u64, planned_us: u64, event: E) {
        self.sequence += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[place] = Some(event);
        let key = (at_us, planned_us, self.sequence, place);
        self.order.push(Reverse(key));
    }

    /// The next event: its time, and for when it was planned.
    pub fn pop(&mut self) -> Option<(u64, u64, E)> {
        let Reverse((at_us, planned_us, _, place)) = self.order.pop()?;
        self.free.push(place);
        let event = self.events[place].take();
        let event = event.expect("invariant: each place has its event");
        Some((at_us, planned_us, event))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_off_keeps_its_place() {
        let mut queue = Queue::default();
        // The second is put off once, the first twice, and later.
        queue.put_off(9, 2, "second");
        queue.push(9, "third");
        queue.put_off(9, 1, "first");
        let order = std::iter::from_fn(|| queue.pop());
        let order: Vec<&str> = order.map(|(_, _, event)| event).collect();
        assert_eq!(order, ["first", "second", "third"]);
    }
}
