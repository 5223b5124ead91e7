//! What is known of who is at the other end.

use std::net::IpAddr;

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// A process of this host, of a user for whom the kernel vouches.
    User(u32),
    /// Somebody elsewhere, with the name in a certificate that was checked.
    Remote(IpAddr, Option<String>),
}

impl Peer {
    /// What bounds are counted by.
    pub fn key(&self) -> String {
        match self {
            Peer::User(uid) => format!("uid {uid}"),
            Peer::Remote(address, _) => address.to_string(),
        }
    }
}

/// Who a request is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// `user:NAME`, `cert:NAME` or `token:ID`.
    pub name: String,
    /// It comes from the connection alone, so that a page in the caller's browser has it, too.
    pub is_ambient: bool,
}
