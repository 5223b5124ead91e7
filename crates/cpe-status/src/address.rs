//! Where a guest's agent is reached: the one grammar of documents, of the agent's settings and of
//! whoever connects.
//!
//! | address | leads to |
//! | --- | --- |
//! | `unix:PATH` | a socket file that host and guest share |
//! | `tcp:HOST[:PORT]` | a port of the guest; IPv6 in brackets |
//! | `vsock:CID[:PORT]` | a port of a virtual machine of this host |
//! | `vsock:any[:PORT]` | where an agent listens for whoever connects |
//! | `ssh:[USER@]HOST[:PORT][/SOCKET]` | a socket file in the guest, through its ssh server |
//! | `qemu-ga:PATH` | the QEMU guest agent of a guest without ours: the socket of its channel |

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

/// The agent's port where an address names none, of tcp and of vsock.
pub const DEFAULT_PORT: u16 = 7430;
/// The port of ssh servers where an address names none.
pub const DEFAULT_SSH_PORT: u16 = 22;
/// The agent's socket in the guest where an address of kind ssh names none.
pub const DEFAULT_SOCKET: &str = "/run/cpe-agent/agent.sock";
/// As a vsock address' CID, where an agent listens: whoever connects, from the host or the guest.
pub const ANY_CID: u32 = u32::MAX;
/// The CID of the host of virtual machines, as they see it.
pub const HOST_CID: u32 = 2;

/// Longest path of a Unix socket (`sun_path`, without the final NUL), in bytes.
pub const MAX_SOCKET_PATH: usize = 107;
/// Longest name of a host, in bytes: that of the DNS.
const MAX_HOST: usize = 253;
/// Longest name of a user, in bytes: that of Linux.
const MAX_USER: usize = 32;

/// Where a guest's agent is reached, or listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PeerAddress {
    /// `unix:PATH`: a socket on the host that leads into the guest.
    Unix(PathBuf),
    /// `tcp:HOST` or `tcp:HOST:PORT`.
    Tcp {
        /// A host name or an address; IPv6 without brackets.
        host: String,
        /// If the address names one; else [`DEFAULT_PORT`].
        port: Option<u16>,
    },
    /// `vsock:CID` or `vsock:CID:PORT`.
    Vsock {
        /// The virtual machine: 3 and more; 1 is this machine itself, [`ANY_CID`] is for listening.
        cid: u32,
        /// If the address names one; else [`DEFAULT_PORT`].
        port: Option<u32>,
    },
    /// `ssh:[USER@]HOST[:PORT][/SOCKET]`.
    Ssh {
        /// Who logs in; without it, whom the ssh client takes.
        user: Option<String>,
        /// A host name or an address; IPv6 without brackets.
        host: String,
        /// If the address names one; else [`DEFAULT_SSH_PORT`].
        port: Option<u16>,
        /// The agent's socket in the guest; without it, [`DEFAULT_SOCKET`].
        socket: Option<PathBuf>,
    },
    /// `qemu-ga:PATH`: a socket on the host that leads to the guest's QEMU guest agent.
    QemuGa(PathBuf),
}

/// What is wrong with the text of an address, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressError(String);

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AddressError {}

/// A part of an address, or what is wrong with it.
type Parsed<T> = Result<T, AddressError>;

fn wrong<T>(text: impl Into<String>) -> Parsed<T> {
    Err(AddressError(text.into()))
}

impl PeerAddress {
    /// The same text for all addresses that lead to one place: names of hosts in small letters, and
    /// every default written out.
    pub fn place(&self) -> String {
        match self {
            PeerAddress::Unix(_) | PeerAddress::QemuGa(_) => self.to_string(),
            PeerAddress::Tcp { host, port } => {
                let port = port.unwrap_or(DEFAULT_PORT);
                format!("tcp:{}:{port}", Host(&canonical(host)))
            }
            PeerAddress::Vsock { cid, port } => {
                format!("vsock:{cid}:{}", port.unwrap_or(DEFAULT_PORT.into()))
            }
            // Whoever logs in reaches the same socket.
            PeerAddress::Ssh {
                host, port, socket, ..
            } => {
                let port = port.unwrap_or(DEFAULT_SSH_PORT);
                let socket = socket
                    .as_ref()
                    .map_or(DEFAULT_SOCKET.into(), |it| it.display().to_string());
                format!("ssh:{}:{port}{socket}", Host(&canonical(host)))
            }
        }
    }

    /// The word before the first colon.
    pub fn kind(&self) -> &'static str {
        match self {
            PeerAddress::Unix(_) => "unix",
            PeerAddress::Tcp { .. } => "tcp",
            PeerAddress::Vsock { .. } => "vsock",
            PeerAddress::Ssh { .. } => "ssh",
            PeerAddress::QemuGa(_) => "qemu-ga",
        }
    }

    /// Reads an address at which an agent is to listen.
    ///
    /// # Errors
    /// What is wrong with it, or where agents listen instead.
    pub fn listening(text: &str) -> Result<PeerAddress, AddressError> {
        match text.parse()? {
            PeerAddress::Ssh { .. } => wrong(
                "nobody listens at ssh: the guest's ssh server leads to a socket file, such as unix:PATH",
            ),
            PeerAddress::QemuGa(_) => wrong(
                "the QEMU guest agent listens there: agents listen at unix:PATH, tcp:HOST[:PORT] and vsock:any[:PORT]",
            ),
            address => Ok(address),
        }
    }

    /// Both sides show certificates there, since whoever reaches the network reaches the agent.
    pub fn needs_certificates(&self) -> bool {
        matches!(self, PeerAddress::Tcp { .. } | PeerAddress::Vsock { .. })
    }
}

fn canonical(host: &str) -> String {
    match host.parse::<Ipv6Addr>() {
        Ok(address) => address.to_string(),
        Err(_) => host.to_ascii_lowercase(),
    }
}

impl FromStr for PeerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Parsed<PeerAddress> {
        match text.split_once(':') {
            Some(("unix", path)) => unix(path.strip_prefix("path=").unwrap_or(path)),
            Some(("tcp", rest)) => {
                let (host, port) = host_and_port(rest, "tcp:192.0.2.11:7430")?;
                Ok(PeerAddress::Tcp { host, port })
            }
            Some(("vsock", rest)) => vsock(rest),
            Some(("ssh", rest)) => ssh(rest),
            Some(("qemu-ga", path)) => qemu_ga(path),
            _ => wrong(
                "expected 'unix:/PATH/OF/THE/SOCKET', 'tcp:HOST[:PORT]', 'vsock:CID[:PORT]', 'ssh:[USER@]HOST[:PORT][/SOCKET]' or 'qemu-ga:/PATH/OF/THE/SOCKET'",
            ),
        }
    }
}

fn unix(path: &str) -> Parsed<PeerAddress> {
    if !path.starts_with('/') {
        return wrong(
            "expected an absolute path after 'unix:', such as 'unix:/run/cpe/guests/web1/agent.sock'",
        );
    }
    socket_path(path).map(PeerAddress::Unix)
}

fn qemu_ga(path: &str) -> Parsed<PeerAddress> {
    if !path.starts_with('/') {
        return wrong(
            "expected an absolute path after 'qemu-ga:', such as 'qemu-ga:/run/cpe/guests/web1/qga.sock'",
        );
    }
    socket_path(path).map(PeerAddress::QemuGa)
}

fn socket_path(path: &str) -> Parsed<PathBuf> {
    if path.contains('\0') {
        return wrong("the path of a socket cannot contain the character NUL");
    }
    if path.len() > MAX_SOCKET_PATH {
        return wrong(format!(
            "the path of a socket has at most {MAX_SOCKET_PATH} bytes"
        ));
    }
    Ok(path.into())
}

fn vsock(rest: &str) -> Parsed<PeerAddress> {
    let (cid, port) = match rest.split_once(':') {
        Some((cid, port)) => (cid, Some(port)),
        None => (rest, None),
    };
    let cid = match number(cid, 1, ANY_CID) {
        Some(cid) => cid,
        None if cid == "any" => ANY_CID,
        None => {
            return wrong(
                "expected the number of a virtual machine after 'vsock:', such as 'vsock:3' or 'vsock:3:7430'",
            );
        }
    };
    let port = match port.map(|port| number(port, 1, u32::MAX - 1)) {
        None => None,
        Some(Some(port)) => Some(port),
        Some(None) => return wrong("expected a port from 1 to 4294967294 after the last ':'"),
    };
    Ok(PeerAddress::Vsock { cid, port })
}

fn ssh(rest: &str) -> Parsed<PeerAddress> {
    const EXAMPLE: &str = "ssh:root@192.0.2.11:22/run/cpe-agent/agent.sock";
    let (place, socket) = match rest.find('/') {
        Some(at) => (&rest[..at], Some(&rest[at..])),
        None => (rest, None),
    };
    let (user, place) = match place.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, place),
    };
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_user = |user: &str| {
        (1..=MAX_USER).contains(&user.len()) && !user.starts_with('-') && user.chars().all(valid)
    };
    if user.is_some_and(|user| !is_user(user)) {
        return wrong(format!(
            "expected the name of a user before '@', of letters, digits, '.', '-' and '_', such as '{EXAMPLE}'"
        ));
    }
    let (host, port) = host_and_port(place, EXAMPLE)?;
    let socket = socket.map(socket_path).transpose()?;
    // It becomes part of an option of ssh, where these mean something.
    let means = |c: char| c == ':' || c == '\\' || c == '%' || c == '$' || c == '~';
    let strange = |c: char| means(c) || c.is_whitespace() || c.is_control();
    if let Some(path) = &socket
        && path.to_string_lossy().contains(strange)
    {
        return wrong(
            "the path of a socket behind ssh cannot contain blanks, ':', '\\', '%', '$' or '~'",
        );
    }
    Ok(PeerAddress::Ssh {
        user: user.map(str::to_owned),
        host,
        port,
        socket,
    })
}

/// `HOST`, `HOST:PORT`, `[IPV6]`, `[IPV6]:PORT`.
fn host_and_port(text: &str, example: &str) -> Parsed<(String, Option<u16>)> {
    let expected = || wrong(format!("expected a host, such as '{example}'"));
    let (host, port, bracketed) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, "")) => (host, None, true),
            Some((host, tail)) => match tail.strip_prefix(':') {
                Some(port) => (host, Some(port), true),
                None => return expected(),
            },
            None => {
                return wrong("an IPv6 address ends with ']', such as 'tcp:[2001:db8::1]:7430'");
            }
        },
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port), false),
            None => (text, None, false),
        },
    };
    if bracketed {
        if host.parse::<Ipv6Addr>().is_err() {
            return wrong("expected an IPv6 address without a zone between '[' and ']'");
        }
    } else if host.contains(':') {
        return wrong("an IPv6 address stands in brackets, such as 'tcp:[2001:db8::1]:7430'");
    } else if host.is_empty() {
        return expected();
    } else {
        check_name(host)?;
    }
    let port = match port.map(|port| number(port, 1, u32::from(u16::MAX))) {
        None => None,
        Some(Some(port)) => u16::try_from(port).ok(),
        Some(None) => return wrong("expected a port from 1 to 65535 after the last ':'"),
    };
    Ok((host.to_owned(), port))
}

/// A host's name or its IPv4 address.
fn check_name(host: &str) -> Parsed<()> {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.len() > MAX_HOST {
        return wrong(format!("the name of a host has at most {MAX_HOST} bytes"));
    }
    if !host.chars().all(valid) || host.starts_with(['-', '.']) {
        return wrong(
            "the name of a host has letters, digits, '.', '-' and '_', and begins with none of the first two marks",
        );
    }
    // What the C library would take for numbers of an address in some older way of writing.
    let numeric = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    if numeric && host.parse::<Ipv4Addr>().is_err() {
        return wrong("expected an IPv4 address of four numbers from 0 to 255, such as 192.0.2.11");
    }
    Ok(())
}

/// A whole number between the bounds, written with digits alone.
fn number(text: &str, least: u32, most: u32) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u32>().ok().filter(|_| digits);
    number.filter(|number| (least..=most).contains(number))
}

/// A host as it stands before a port.
struct Host<'a>(&'a str);

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') {
            write!(f, "[{}]", self.0)
        } else {
            f.write_str(self.0)
        }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerAddress::Unix(path) => write!(f, "unix:{}", path.display()),
            PeerAddress::QemuGa(path) => write!(f, "qemu-ga:{}", path.display()),
            PeerAddress::Tcp { host, port } => {
                write!(f, "tcp:{}", Host(host))?;
                port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
            PeerAddress::Vsock { cid, port } => {
                match *cid {
                    ANY_CID => f.write_str("vsock:any")?,
                    cid => write!(f, "vsock:{cid}")?,
                }
                port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
            PeerAddress::Ssh {
                user,
                host,
                port,
                socket,
            } => {
                f.write_str("ssh:")?;
                user.as_ref().map_or(Ok(()), |user| write!(f, "{user}@"))?;
                write!(f, "{}", Host(host))?;
                port.map_or(Ok(()), |port| write!(f, ":{port}"))?;
                let socket = socket.as_ref();
                socket.map_or(Ok(()), |path| write!(f, "{}", path.display()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Parsed<PeerAddress> {
        text.parse()
    }

    #[test]
    fn it_reads_each_kind_and_writes_it_as_it_was() {
        for text in [
            "unix:/run/a.sock",
            "tcp:192.0.2.11",
            "tcp:web1.example:1",
            "tcp:[::1]",
            "tcp:[2001:db8::1]:4433",
            "vsock:3",
            "vsock:any",
            "vsock:any:7430",
            "ssh:web1",
            "ssh:root@web1:2222/run/a.sock",
            "ssh:[::1]:22",
            "ssh:u@[::1]/a",
            "qemu-ga:/run/web1/qga.sock",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        assert_eq!(parse("unix:path=/a"), parse("unix:/a"));
        assert_eq!(parse("vsock:4294967295"), parse("vsock:any"));
    }

    #[test]
    fn it_refuses_the_rest() {
        let long = format!("unix:/{}", "x".repeat(120));
        for bad in [
            "",
            "unix:",
            "unix:a",
            "/run/a.sock",
            &long,
            "unix:/a\0b",
            "192.0.2.11",
            "http://h",
            "tcp:",
            "tcp::1",
            "tcp:h:",
            "tcp:h:0",
            "tcp:h:65536",
            "tcp:h:+1",
            "tcp:2001:db8::1",
            "tcp:[::1",
            "tcp:[::1]x",
            "tcp:[h]:1",
            "tcp:[fe80::1%eth0]",
            "tcp:-h",
            "tcp:h/x",
            "tcp:u@h",
            "tcp:256.0.0.1",
            "tcp:127.1",
            "tcp:h h",
            "vsock:",
            "vsock:0",
            "vsock:x",
            "vsock:3:0",
            "vsock:3:4294967295",
            "vsock:4294967296",
            "ssh:",
            "ssh:@h",
            "ssh:-x@h",
            "ssh:-oProxyCommand=x",
            "ssh:u@-h",
            "ssh:a b@h",
            "ssh:h:0",
            "ssh:h/a:b",
            "ssh:h/a b",
            "ssh:h/%h",
            "TCP:h",
            "qemu-ga:",
            "qemu-ga:web1",
            "qemu-ga:/a\0b",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn it_says_what_would_be_right() {
        for (bad, right) in [
            ("tcp:2001:db8::1", "brackets"),
            ("tcp:h:99999", "65535"),
            ("tcp:300.1.1.1", "four numbers"),
            ("vsock:web1", "vsock:3"),
            ("ssh:/run/a", "ssh:root@"),
            ("web1", "tcp:HOST[:PORT]"),
            ("qemu-ga:web1", "absolute path"),
        ] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(error.contains(right), "{bad}: {error}");
        }
    }

    #[test]
    fn one_place_has_one_text() {
        for (one, other) in [
            ("tcp:Web1", "tcp:web1:7430"),
            ("tcp:[2001:DB8:0::1]", "tcp:[2001:db8::1]:7430"),
            ("vsock:3", "vsock:3:7430"),
            ("ssh:root@web1", "ssh:web1:22/run/cpe-agent/agent.sock"),
        ] {
            assert_eq!(parse(one).unwrap().place(), parse(other).unwrap().place());
        }
        assert_ne!(
            parse("unix:/a").unwrap().place(),
            parse("unix:/A").unwrap().place()
        );
    }

    fn host() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z_][a-zA-Z0-9_.-]{0,60}",
            any::<[u8; 4]>().prop_map(|bytes| Ipv4Addr::from(bytes).to_string()),
            any::<[u16; 8]>().prop_map(|words| Ipv6Addr::from(words).to_string()),
        ]
    }

    fn address() -> impl Strategy<Value = PeerAddress> {
        let port = || proptest::option::of(1..=u16::MAX);
        let socket = || "/[a-zA-Z0-9._/-]{0,90}".prop_map(PathBuf::from);
        let vsock = (1..=u32::MAX, proptest::option::of(1..u32::MAX));
        let user = proptest::option::of("[a-z_][a-z0-9_.-]{0,31}");
        prop_oneof![
            socket().prop_map(PeerAddress::Unix),
            socket().prop_map(PeerAddress::QemuGa),
            (host(), port()).prop_map(|(host, port)| PeerAddress::Tcp { host, port }),
            vsock.prop_map(|(cid, port)| PeerAddress::Vsock { cid, port }),
            (user, host(), port(), proptest::option::of(socket())).prop_map(
                |(user, host, port, socket)| PeerAddress::Ssh {
                    user,
                    host,
                    port,
                    socket
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(address in address()) {
            prop_assert_eq!(parse(&address.to_string()), Ok(address));
        }

        #[test]
        fn a_place_is_an_address_of_the_same_place(address in address()) {
            let place = address.place();
            prop_assert_eq!(parse(&place).map(|it| it.place()), Ok(place));
        }

        #[test]
        fn no_text_is_too_strange(text in "(unix|tcp|vsock|ssh)?:?[\\[\\]@:/a-z0-9.%-]{0,40}|\\PC*") {
            if let Ok(address) = parse(&text) {
                prop_assert_eq!(parse(&address.to_string()), Ok(address));
            }
        }

        #[test]
        fn nothing_of_an_ssh_address_is_an_option(text in "ssh:[-@:a-z/]{1,20}") {
            if let Ok(PeerAddress::Ssh { user, host, .. }) = parse(&text) {
                prop_assert!(!host.starts_with('-'));
                prop_assert!(!user.is_some_and(|user| user.starts_with('-')));
            }
        }
    }
}
