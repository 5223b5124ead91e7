//! The installed configuration of the bus has room for a thousand DPEs, which are all of one user.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use zbus::Message;

use super::harness::Bus;

/// More than a bus without our configuration allows a user.
const CONNECTIONS: usize = 300;

/// A connection that has said Hello, and whether the bus took it.
fn hello(socket: &Path) -> (UnixStream, bool) {
    let mut stream = UnixStream::connect(socket).expect("the bus listens");
    let uid: String = nix::unistd::geteuid()
        .to_string()
        .bytes()
        .map(|digit| format!("{digit:02x}"))
        .collect();
    write!(stream, "\0AUTH EXTERNAL {uid}\r\nBEGIN\r\n").expect("a handshake");
    let mut answer = [0; 512];
    let _ = stream.read(&mut answer);
    let call = Message::method_call("/org/freedesktop/DBus", "Hello")
        .destination("org.freedesktop.DBus")
        .interface("org.freedesktop.DBus")
        .build(&())
        .expect("a message");
    let written = stream.write_all(call.data());
    // The second byte is the kind of message: 2 is a reply, 3 an error.
    let taken = written.is_ok() && matches!(stream.read(&mut answer), Ok(1..)) && answer[1] == 2;
    (stream, taken)
}

fn taken(bus: &Bus) -> usize {
    let socket = bus.directory.path().join("bus");
    let connections: Vec<_> = (0..CONNECTIONS).map(|_| hello(&socket)).collect();
    connections.iter().filter(|(_, taken)| *taken).count()
}

#[test]
fn the_installed_policy_lets_a_user_have_more_connections_than_the_bus_does_by_default() {
    assert!(taken(&Bus::start()) <= 256);
    let installed = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../systemd/usr/share/dbus-1/system.d/org.cloudpolicy.conf");
    let installed = installed.canonicalize().expect("the installed policy");
    let bus = Bus::start_with(&format!("<include>{}</include>", installed.display()));
    assert_eq!(taken(&bus), CONNECTIONS);
}
