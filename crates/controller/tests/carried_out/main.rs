//! What a document may say is carried out: each option, meta attribute and element changes what the
//! agents are told to do. `deployment::treatment` names these tests. And what is decided meanwhile
//! is carried out too.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod clones;
mod configure;
mod debug;
mod elements;
mod fencing;
mod hand_over;
mod lab;
mod looks;
mod operations;
mod options;
mod overlay;
mod overlay_ends;
mod planned;
mod references;
mod refresh;
mod resources;
mod room;
mod secrets;
mod upkeep_plans;
