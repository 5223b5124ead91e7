//! Who is let in over a network and who is not, with real certificates on the loopback interface.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod identity;
mod requests;
mod rotation;
mod rude;
mod vsock;
mod world;
