//! The agent as its DPE and its administrator see it: the real program, real resource agents, real
//! processes, a real connection. Each test has a guest of its own: a temporary folder that stands
//! for its file systems.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod attributes;
mod configure;
mod connections;
mod delays;
mod device;
mod enforcement;
mod guest;
mod interface;
mod lease;
mod leaving;
mod left;
mod operations;
mod questions;
mod restarts;
mod secrets;
mod standing;
mod twin;
mod upgrades;
