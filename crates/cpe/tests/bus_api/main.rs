//! The daemon on a real, private D-Bus daemon, seen as its callers see it.
//!
//! systemd and mostly the DPEs too are faked here (`FakeSystemd`, `FakeDpe`), since these tests are
//! about the shape and the promises of the API; `explanations` has real DPEs and real guest agents,
//! and the end-to-end tests run all of it on a real systemd.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod admission;
mod claims;
mod connections;
mod disk;
mod documents;
mod events;
mod explanations;
mod fake_systemd;
mod forgery;
mod given;
mod guests;
mod harness;
mod history;
mod host_failures;
mod hosts;
mod introspection;
mod lifecycle;
mod malformed;
mod notifications;
mod orders;
mod rights;
mod roles;
mod shared;
mod survival;
