//! For tests: a real etcd of several members, with mutual TLS and a user for each host, whose
//! members can be killed, frozen and started again, and from which a host can be cut off.
//!
//! Members run on an address of their own of the loopback network, so that tests do not meet. They
//! end with the thread that has started them, however that ends. What they write is in a temporary
//! folder, which is removed. [`Apart`] is for members that somebody else starts, on machines of
//! their own.
//!
//! ```text
//! host A ──▶ Way (of A, to m0) ──▶ m0 ─┐
//!        ──▶ Way (of A, to m1) ──▶ m1 ─┼─ each other
//!        ──▶ Way (of A, to m2) ──▶ m2 ─┘
//! ```

#![warn(missing_docs)]

mod apart;
mod certificates;
mod lab;
mod member;
mod users;
mod ways;

pub use apart::Apart;
pub use certificates::Identity;
pub use lab::Lab;
pub use users::Rights;
pub use ways::Ways;
