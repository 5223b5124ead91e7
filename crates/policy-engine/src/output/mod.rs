//! Texts for people (scheduler-spec/06 §B, §C): status display, transition summary, dot, score
//! lines.
//!
//! Nothing here decides anything. The one exception is old: evaluating the transition summary
//! settles a few roles and nodes ([`summary::transition`]).

pub mod dot;
pub mod failures;
pub mod items;
pub mod scores;
pub mod status;
pub mod summary;

pub use items::Item;
