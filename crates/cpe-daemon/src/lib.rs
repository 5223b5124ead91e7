//! What the daemons have in common: where their log goes, what they tell systemd, how long they
//! wait before they try again, what a panic ends, how their man pages are written, what time
//! it is, what is old by that, which time zones their host knows, what of the words of programs
//! is secret.

#![warn(missing_docs)]

mod ages;
mod clock;
mod hidden;
mod journal;
mod log;
mod man;
mod notify;
mod outlet;
mod panics;
mod pauses;
mod watchdog;
mod zones;

pub use ages::Ages;
pub use clock::{boottime_us, now};
pub use hidden::{Cut, Hidden};
pub use log::start_log;
pub use man::{man_page, variables_page};
pub use notify::{State, is_service, notify};
pub use panics::{Panicked, abort_on_panic, confine};
pub use pauses::Pauses;
pub use watchdog::Watchdog;
pub use zones::{host_time_zone, time_zone};
