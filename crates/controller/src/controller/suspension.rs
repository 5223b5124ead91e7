//! Time in which the controller itself did not run: its process was stopped, its host was suspended
//! or overloaded.
//!
//! What was not heard in such a time says nothing about assemblies: their heartbeats wait in a
//! queue. Whoever wakes up and looks only at the clock has every assembly fenced. So a deadline
//! that is seen too late moves by the time that was lost, and what is silent has a moment more to
//! be heard. That puts off the loss of an assembly that is really gone; it never makes anything
//! happen sooner.
//!
//! How much of the time was lost is known only from the earliest deadline on. Who was heard before
//! falls silent soon, and that deadline is near. Who was never heard has only the end of its wait:
//! a controller that stands still as soon as it has asked for a stream notices that when the wait
//! is over, though nobody had time to answer. So the whole time since the last input does not count
//! for those, once in each wait: a controller that is slow all the time still gives them up.

use super::Controller;
use crate::machines::assembly::Lost;
use crate::vocabulary::{MS, SECOND, Time};

/// A deadline that is seen this much later was missed because the process did not run.
/// Microseconds.
const NOTICEABLE_US: u64 = SECOND / 4;

impl Controller {
    /// Called first of all with each input: notices that the process did not run when a deadline
    /// came.
    pub(crate) fn notice_suspension(&mut self, now: Time) {
        let Some(due_us) = self.deadline() else {
            return;
        };
        let asleep_since_us = due_us.max(self.outlook.last_time().boottime_us);
        let lost_us = now.boottime_us.saturating_sub(asleep_since_us);
        if lost_us > NOTICEABLE_US {
            self.extend_deadlines(now, lost_us);
        }
    }

    /// `lost_us`: how late the earliest deadline is seen.
    fn extend_deadlines(&mut self, now: Time, lost_us: u64) {
        let unheard_us = now
            .boottime_us
            .saturating_sub(self.outlook.last_time().boottime_us);
        let settings = self.settings();
        let timeout_us = u64::from(settings.heartbeat_timeout_ms) * MS;
        let moment_us = (2 * u64::from(settings.heartbeat_interval_ms) * MS).min(timeout_us);
        for assembly in self.assemblies.values_mut() {
            let lost = Lost {
                lost_us,
                unheard_us,
            };
            assembly.extend_silence(now, lost, moment_us, timeout_us);
            assembly.unfencing_mut().extend(lost_us);
        }
        self.execution.extend_deadlines(lost_us);
    }
}
