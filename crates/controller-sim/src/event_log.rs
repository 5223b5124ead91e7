//! The event log: what is brought there, and its acknowledgements.

use controller::{Event, Input};
use sim_kit::{MS, SECOND};

use crate::queue::SimEvent;
use crate::world::World;

impl World {
    pub(crate) fn bring(&mut self, event: Event) {
        let delay = self.random.between(100, 20 * MS);
        let start = self.shell.start;
        self.after(delay, SimEvent::Record(start, Box::new(event)));
    }

    pub(crate) fn record(&mut self, start: u64, event: Event) {
        if self.log_away_until_us > self.now_us {
            return;
        }
        let id = event.id.clone();
        if self.log.insert(id.clone(), event).is_none() {
            self.log_order.push(id.clone());
        }
        // Some acknowledgements are lost.
        if !self.random.percent(3) {
            self.after(MS, SimEvent::Recorded(start, id));
        }
    }

    pub(crate) fn recorded(&mut self, start: u64, id: String) {
        if self.shell.start == start && self.shell.controller.is_some() {
            self.shell.unacknowledged.retain(|event| event.id != id);
            self.input(Input::EventRecorded { id });
        }
    }

    pub(crate) fn retry_events(&mut self, start: u64) {
        if self.shell.start != start || self.shell.controller.is_none() {
            return;
        }
        for event in self.shell.unacknowledged.clone() {
            self.bring(event);
        }
        self.after(2 * SECOND, SimEvent::RetryEvents(start));
    }
}
