//! What deterministic simulations share: chance from a seed, units of virtual time, a queue of what
//! is still to happen, and the running of many seeds at once.

#![warn(missing_docs)]

mod queue;
mod random;
mod seeds;
mod time;

pub use queue::Queue;
pub use random::Random;
pub use seeds::each_seed;
pub use time::{MS, SECOND};
