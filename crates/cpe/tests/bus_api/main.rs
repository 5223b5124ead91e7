//! The daemon on a real, private D-Bus daemon, seen as its callers see it.
//!
//! systemd and the DPEs are faked here (`FakeSystemd`, `FakeDpe`), since these tests are about the shape and the promises of the
//! API; the end-to-end tests run the same daemon with the real ones.

mod documents;
mod events;
mod fake_systemd;
mod harness;
mod introspection;
mod lifecycle;
mod survival;
