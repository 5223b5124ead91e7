//! The way to cpe: a connection of the gateway's own, which only looks, and one for each principal.

mod link;
mod sessions;

pub use link::Link;
pub(crate) use link::PAGE;
pub use sessions::{Session, Sessions};
