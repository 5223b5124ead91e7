//! What a daemon tells systemd.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::OnceLock;

pub use sd_notify::NotifyState as State;

/// Tells systemd something. Without systemd nobody listens, and that is fine. A systemd that does
/// not read what it is told is not waited for: it is told again soon, but for that we are ready,
/// which is said once and so waits on a thread of its own. `false`: it was not told.
pub fn notify(states: &[State<'_>]) -> bool {
    let Some(address) = std::env::var_os("NOTIFY_SOCKET") else {
        return true;
    };
    let is_ready = states.iter().any(|state| matches!(state, State::Ready));
    let lines: String = states.iter().map(|state| format!("{state}\n")).collect();
    match send(address.as_bytes(), &lines, Patience::None) {
        Err(error) if error.kind() == ErrorKind::WouldBlock && is_ready => {
            std::thread::spawn(move || send(address.as_bytes(), &lines, Patience::Endless));
            true
        }
        Err(error) => {
            tracing::debug!("systemd cannot be notified: {error}");
            false
        }
        Ok(()) => true,
    }
}

/// Whether systemd itself has started this process, and neither a person nor another process.
pub fn is_service() -> bool {
    let begun = std::env::var("SYSTEMD_EXEC_PID");
    begun.is_ok_and(|pid| pid.parse() == Ok(std::process::id()))
}

/// How long a systemd that does not read is waited for.
#[derive(Clone, Copy, PartialEq)]
enum Patience {
    None,
    Endless,
}

fn send(address: &[u8], lines: &str, patience: Patience) -> io::Result<()> {
    let address = match address.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(OsStr::from_bytes(address))?,
    };
    let socket = match patience {
        Patience::Endless => &UnixDatagram::unbound()?,
        Patience::None => unwaiting()?,
    };
    socket.send_to_addr(lines.as_bytes(), &address).map(drop)
}

/// Kept open: an idle daemon tells systemd little else but that it lives, each second.
fn unwaiting() -> io::Result<&'static UnixDatagram> {
    static SOCKET: OnceLock<UnixDatagram> = OnceLock::new();
    if let Some(socket) = SOCKET.get() {
        return Ok(socket);
    }
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    // Another thread may have been faster: then this one is closed.
    Ok(SOCKET.get_or_init(|| socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_systemd_that_reads_nothing_keeps_nobody_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let path = path.as_os_str().as_bytes();
        let mut said = 0;
        while send(path, "READY=1\n", Patience::None).is_ok() {
            said += 1;
        }
        assert!(said > 0);
        let mut text = [0; 64];
        let length = systemd.recv(&mut text).unwrap();
        assert_eq!(&text[..length], b"READY=1\n");
    }
}
