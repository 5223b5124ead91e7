//! Texts for people (scheduler-spec/06 §B, §C): status display, transition summary, dot, score
//! lines.
//!
//! Nothing here decides or changes anything: all of it reads a [`Cluster`](crate::model::Cluster).

pub mod dot;
pub mod failures;
pub mod items;
pub mod scores;
pub mod status;
pub mod summary;

pub use items::Item;
