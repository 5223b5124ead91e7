//! What this guest is called in its network: its host name and its addresses, looked at again and
//! again.
//!
//! A thread of its own asks the kernel, since no answer may keep the engine from its lease. It
//! looks every two seconds: that costs a small guest less than a heartbeat, and works in containers
//! to which the kernel tells no changes.
//!
//! The primary address is the one that the kernel takes for a way out of the guest's networks: of
//! the fourth version if there is such a way, else of the sixth. Where there is no way out, it is
//! the first address of the first interface that another host can reach, the fourth version first.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cpe_bus::GuestFacts;
use cpe_bus::records::facts::InterfaceAddress;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use tokio::sync::watch;

/// How often the kernel is asked.
const LOOK: Duration = Duration::from_secs(2);
/// Addresses for documentation, of which no network has any: to find a way out, nothing is sent.
const OUTSIDE: [&str; 2] = ["198.51.100.1:9", "[2001:db8::1]:9"];

/// Looks from now on; what is found first, and each change, is in what this returns.
pub fn watch() -> watch::Receiver<GuestFacts> {
    let (found, facts) = watch::channel(GuestFacts::default());
    let look = move || {
        while !found.is_closed() {
            let now = look();
            found.send_if_modified(|known| {
                let changed = *known != now;
                *known = now;
                changed
            });
            std::thread::sleep(LOOK);
        }
    };
    if let Err(error) = std::thread::Builder::new().spawn(look) {
        tracing::error!(%error, "the DPE cannot be told this guest's addresses");
    }
    facts
}

/// What the kernel says now.
fn look() -> GuestFacts {
    let host_name = rustix::system::uname();
    let facts = GuestFacts {
        host_name: host_name.nodename().to_string_lossy().into_owned(),
        primary: None,
        addresses: addresses(),
    };
    let is_own = |address: &IpAddr| facts.addresses.iter().any(|own| own.address == *address);
    let primary = OUTSIDE.iter().filter_map(|to| way_out(to)).find(is_own);
    GuestFacts { primary, ..facts }.checked()
}

/// Addresses of interfaces that are up, in the kernel's order.
fn addresses() -> Vec<InterfaceAddress> {
    /// It is asked every two seconds, and said once.
    static FAILS: AtomicBool = AtomicBool::new(false);
    let all = match getifaddrs() {
        Ok(all) => all,
        Err(error) => {
            if !FAILS.swap(true, Ordering::Relaxed) {
                tracing::warn!(%error, "the addresses of this guest cannot be read");
            }
            return Vec::new();
        }
    };
    FAILS.store(false, Ordering::Relaxed);
    all.filter(|own| own.flags.contains(InterfaceFlags::IFF_UP))
        .filter_map(|own| {
            let address = own.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            let v6 = address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip()));
            Some(InterfaceAddress {
                interface: own.interface_name,
                address: v4.or(v6)?,
            })
        })
        .collect()
}

/// The address that the kernel takes to get there.
fn way_out(to: &str) -> Option<IpAddr> {
    let to: SocketAddr = to.parse().ok()?;
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_the_kernel_has() {
        let facts = look();
        let kernels = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let told = GuestFacts {
            host_name: kernels.trim_end().to_owned(),
            ..GuestFacts::default()
        };
        assert_eq!(facts.host_name, told.checked().host_name);
        assert_eq!(facts.clone().checked(), facts);
        for own in &facts.addresses {
            assert!(!own.address.is_loopback(), "{own:?}");
        }
    }
}
