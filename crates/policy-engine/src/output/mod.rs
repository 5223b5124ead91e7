//! Texts for people (scheduler-spec/06 §B, §C): status display, transition summary, dot, score lines.

pub mod dot;
pub mod scores;
pub mod status;
pub mod summary;
