//! How an assembly's agent is in contact: whether a stream is up, and when it was last heard.

use crate::vocabulary::{MS, Time};

/// Contact with one agent.
#[derive(Debug)]
pub(crate) struct Contact {
    /// A stream is up and Hello was answered.
    connected: bool,
    /// Boot time when it was last heard, µs; before that, when it was first awaited.
    heard_us: u64,
    /// Its silence was given a moment more because this controller did not listen; until it is
    /// heard again.
    extended: bool,
    /// Wall clock when it was last heard, µs; 0: never.
    heard_wall_us: u64,
}

impl Contact {
    /// With an agent that is awaited from now on.
    pub(crate) fn awaited(now: Time) -> Contact {
        Contact {
            connected: false,
            heard_us: now.boottime_us,
            extended: false,
            heard_wall_us: 0,
        }
    }

    /// Its stream is up: it has answered Hello.
    pub(crate) fn begin(&mut self, now: Time) {
        self.connected = true;
        self.hear(now);
    }

    /// Its stream is gone, or given up.
    pub(crate) fn end(&mut self) {
        self.connected = false;
    }

    /// It was heard.
    pub(crate) fn hear(&mut self, now: Time) {
        self.heard_us = now.boottime_us;
        self.heard_wall_us = now.wall_us;
        self.extended = false;
    }

    /// This controller did not listen for some time. `true`: that is the first time in this
    /// silence. A controller that is slow all the time still finds out.
    pub(crate) fn extend(&mut self) -> bool {
        !std::mem::replace(&mut self.extended, true)
    }

    /// Its silence counts from then (boot time, µs).
    pub(crate) fn count_silence_from(&mut self, heard_us: u64) {
        self.heard_us = heard_us;
    }

    /// A stream is up.
    pub(crate) fn is_up(&self) -> bool {
        self.connected
    }

    /// It was heard since the start of the DPE.
    pub(crate) fn was_made(&self) -> bool {
        self.heard_wall_us != 0
    }

    /// Boot time from which its silence counts, µs.
    pub(crate) fn silent_since_us(&self) -> u64 {
        self.heard_us
    }

    /// How long it has been silent, milliseconds.
    pub(crate) fn silent_ms(&self, now: Time) -> u64 {
        now.boottime_us.saturating_sub(self.heard_us) / MS
    }

    /// Wall clock when it was last heard, µs; 0: never.
    pub(crate) fn heard_wall_us(&self) -> u64 {
        self.heard_wall_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(boottime_us: u64) -> Time {
        Time {
            boottime_us,
            wall_us: 1_000_000 + boottime_us,
        }
    }

    #[test]
    fn an_agent_that_is_awaited_was_not_heard() {
        let contact = Contact::awaited(at(5));
        assert!(!contact.is_up() && !contact.was_made());
        assert_eq!((contact.silent_since_us(), contact.heard_wall_us()), (5, 0));
    }

    #[test]
    fn the_end_of_a_stream_is_not_silence() {
        let mut contact = Contact::awaited(at(5));
        contact.begin(at(7));
        contact.end();
        assert!(!contact.is_up() && contact.was_made());
        assert_eq!(contact.silent_since_us(), 7);
    }

    #[test]
    fn a_silence_is_extended_once() {
        let mut contact = Contact::awaited(at(5));
        assert!(contact.extend());
        contact.count_silence_from(9);
        assert!(!contact.extend());
        assert_eq!(contact.silent_since_us(), 9);
        contact.hear(at(11));
        assert!(contact.extend(), "another silence");
    }
}
