//! What is known of who is at the other end.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

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
            Peer::Remote(address, _) => match address.to_canonical() {
                IpAddr::V4(address) => address.to_string(),
                // Whoever has one address there has them all.
                IpAddr::V6(address) => {
                    let [a, b, c, d, ..] = address.segments();
                    format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
                }
            },
        }
    }
}

/// By what a caller is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// The kernel vouches for a user of this host.
    Socket,
    /// A client certificate.
    Certificate,
    /// A token in `Authorization`.
    Token,
    /// A cookie, given for a token at the login.
    Session,
}

/// Who a request is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// `user:NAME`, `cert:NAME` or `token:ID`.
    pub name: String,
    /// How that is known.
    pub via: Via,
    /// When that ends by itself.
    pub until: Option<Timestamp>,
}

impl Principal {
    /// A browser adds it to whatever a page asks: the page is not known by it.
    pub fn is_ambient(&self) -> bool {
        self.via != Via::Token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_one_network_count_as_one_peer() {
        let key = |address: &str| Peer::Remote(address.parse().unwrap(), None).key();
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}
