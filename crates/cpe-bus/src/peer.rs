//! Peer-to-peer D-Bus between a DPE and a guest agent, over a stream that the two share.
//!
//! The agent listens and the DPE connects. There is no bus between them, hence no bus policy: who
//! may connect is decided by the socket file's owner and mode and, where asked for, by the peer's
//! user id as the kernel reports it (SO_PEERCRED). The SASL mechanism is ANONYMOUS on purpose:
//! EXTERNAL compares a user id that the client *claims* with the one the server *sees*, which
//! differ as soon as a user namespace or a hypervisor's channel lies between host and guest, and
//! adds nothing to what the kernel says.

use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

pub use cpe_status::{MAX_SOCKET_PATH, PeerAddress};
use rustix::fs::{FileType, Mode, OFlags};
use tokio::net::{UnixListener, UnixStream};
use zbus::Connection;
use zbus::connection::{AuthMechanism, Builder};

pub use crate::stream::Meter;
use crate::stream::PeerStream;
use crate::{Error, Result};

/// How long connecting and the handshake may take together.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// The path of a socket file; no other kind of address is carried out yet.
fn socket_file(address: &PeerAddress) -> Result<&Path> {
    match address {
        PeerAddress::Unix(path) => Ok(path),
        other => Err(Error::InvalidArgument(format!(
            "{other}: this version reaches agents through unix:PATH only"
        ))),
    }
}

/// Who may connect to a listener.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Permissions of the socket file; 0 means 0600.
    pub mode: u32,
    /// Group of the socket file, where it is to be another than the process's.
    pub group: Option<u32>,
    /// User ids that may connect; empty means all that the file's permissions let through.
    pub allowed_uids: Vec<u32>,
}

/// Waits for connections of DPEs.
#[derive(Debug)]
pub struct PeerListener {
    listener: UnixListener,
    allowed_uids: Vec<u32>,
}

impl PeerListener {
    /// Binds the socket and puts it into place with its final permissions; a socket file left by an
    /// earlier process is replaced.
    ///
    /// # Errors
    /// [`Error::Failed`] naming the path, and [`Error::Busy`] if another process answers there.
    pub async fn bind(address: &PeerAddress, access: &Access) -> Result<Self> {
        let path = socket_file(address)?;
        let failed = |what: &str, error: std::io::Error| {
            Error::Failed(format!("cannot listen on {address}: {what}: {error}"))
        };
        if let Ok(metadata) = tokio::fs::symlink_metadata(path).await {
            if !metadata.file_type().is_socket() {
                return Err(Error::Failed(format!(
                    "cannot listen on {address}: the file exists and is not a socket"
                )));
            }
            if UnixStream::connect(path).await.is_ok() {
                return Err(Error::Busy(format!(
                    "cannot listen on {address}: another process does"
                )));
            }
        }
        // Bound under a name of its own first, so that nobody can connect before the permissions
        // are right.
        let staging = staging_path(path);
        let _ = tokio::fs::remove_file(&staging).await;
        let listener = UnixListener::bind(&staging).map_err(|error| failed("bind", error))?;
        let mode = if access.mode == 0 { 0o600 } else { access.mode };
        let in_place = || {
            if let Some(group) = access.group {
                std::os::unix::fs::chown(&staging, None, Some(group))?;
            }
            std::fs::set_permissions(&staging, std::fs::Permissions::from_mode(mode))?;
            std::fs::rename(&staging, path)
        };
        if let Err(error) = in_place() {
            let _ = std::fs::remove_file(&staging);
            return Err(failed("permissions", error));
        }
        Ok(PeerListener {
            listener,
            allowed_uids: access.allowed_uids.clone(),
        })
    }

    /// The next connection of a peer that may connect; others are closed and reported in the log.
    ///
    /// # Errors
    /// Those of accept(2) that do not concern one connection.
    pub async fn accept(&self) -> std::io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            if self.allowed_uids.is_empty() {
                return Ok(stream);
            }
            match stream.peer_cred() {
                Ok(peer) if self.allowed_uids.contains(&peer.uid()) => return Ok(stream),
                Ok(peer) => tracing::warn!(
                    uid = peer.uid(),
                    "refused a connection: this user is not allowed"
                ),
                Err(error) => tracing::warn!(%error, "refused a connection: its user is unknown"),
            }
        }
    }
}

/// A name beside `path` that fits into a socket address if `path` does.
fn staging_path(path: &Path) -> PathBuf {
    let mut name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    // Two sockets of one folder must not meet here, if that can be avoided.
    if path.as_os_str().len() >= MAX_SOCKET_PATH {
        name.pop();
    }
    path.with_file_name(format!("{name}~"))
}

/// A builder for the server's end of a peer-to-peer connection; the caller adds objects and builds
/// it.
///
/// # Errors
/// If the event loop cannot watch the stream.
pub fn server_builder(stream: UnixStream) -> std::io::Result<Builder<'static>> {
    Ok(Builder::socket(PeerStream::new(stream, None)?)
        .server(zbus::Guid::generate())
        .p2p()
        .auth_mechanism(AuthMechanism::Anonymous))
}

/// Opens the socket at a path, of which no part may be a symbolic link: the folder is the guest's
/// to write, and it must not lead its host into another guest.
///
/// Part by part, and not by openat2(2): systemd's RestrictSUIDSGID= takes that call away, since it
/// cannot look into its arguments.
fn open_socket(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let start = if path.is_absolute() { "/" } else { "." };
    let mut place = rustix::fs::open(start, flags, Mode::empty())?;
    for part in path.components() {
        if matches!(part, Component::RootDir | Component::CurDir) {
            continue;
        }
        place = rustix::fs::openat(&place, part.as_os_str(), flags, Mode::empty())?;
        // With these flags a link itself is opened.
        if FileType::from_raw_mode(rustix::fs::fstat(&place)?.st_mode) == FileType::Symlink {
            return Err(rustix::io::Errno::LOOP);
        }
    }
    Ok(place)
}

async fn connect_socket(address: &PeerAddress) -> Result<UnixStream> {
    let path = socket_file(address)?;
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::WouldBlock => {
            Error::NotReady(format!("no agent listens on {address}: {error}"))
        }
        ErrorKind::PermissionDenied => Error::AccessDenied(format!(
            "may not connect to {address}: give this process's user access to the socket and the folders above it"
        )),
        _ => Error::Failed(format!("cannot connect to {address}: {error}")),
    };
    let socket = match open_socket(path) {
        Ok(socket) => socket,
        Err(rustix::io::Errno::LOOP) => {
            return Err(Error::AccessDenied(format!(
                "{address} has a symbolic link in its path, which could lead into another guest: write the path without links"
            )));
        }
        Err(error) => return Err(failed(error.into())),
    };
    // The very file that was opened, whatever is at its path now.
    let opened = format!("/proc/self/fd/{}", socket.as_raw_fd());
    UnixStream::connect(opened).await.map_err(failed)
}

/// Connects to a guest agent, which may send as much as the meter allows.
///
/// # Errors
/// [`Error::NotReady`] while nobody listens there, [`Error::AccessDenied`] if this user may not
/// connect or the path has a symbolic link in it, [`Error::Failed`] otherwise; each names the
/// address.
pub async fn connect(address: &PeerAddress, meter: &Meter) -> Result<Connection> {
    let attempt = async {
        let stream = connect_socket(address).await?;
        let stream = PeerStream::new(stream, Some(meter.clone()))
            .map_err(|error| Error::Failed(format!("cannot use {address}: {error}")))?;
        Builder::socket(stream)
            .p2p()
            .auth_mechanism(AuthMechanism::Anonymous)
            .build()
            .await
            .map_err(|error| {
                Error::Failed(format!(
                    "{address} was closed during the handshake, or is not an agent: {error}"
                ))
            })
    };
    tokio::time::timeout(HANDSHAKE_TIMEOUT, attempt)
        .await
        .unwrap_or_else(|_| {
            Err(Error::NotReady(format!(
                "the agent at {address} did not answer within {} s",
                HANDSHAKE_TIMEOUT.as_secs()
            )))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    #[zbus::interface(name = "org.cloudpolicy.Test1")]
    impl Echo {
        fn echo(&self, text: &str) -> String {
            text.to_owned()
        }
    }

    fn address(dir: &tempfile::TempDir) -> PeerAddress {
        PeerAddress::Unix(dir.path().join("agent.sock"))
    }

    async fn serve(listener: PeerListener) {
        while let Ok(stream) = listener.accept().await {
            let builder = server_builder(stream).unwrap();
            if let Ok(connection) = builder.serve_at("/test", Echo).build().await {
                tokio::spawn(async move {
                    let _kept = connection;
                    std::future::pending::<()>().await;
                });
            }
        }
    }

    #[tokio::test]
    async fn it_carries_calls_between_two_processes_without_a_bus() {
        let dir = tempfile::tempdir().unwrap();
        let address = address(&dir);
        let listener = PeerListener::bind(&address, &Access::default())
            .await
            .unwrap();
        let mode = std::fs::metadata(dir.path().join("agent.sock"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let server = tokio::spawn(serve(listener));
        let connection = connect(&address, &Meter::default()).await.unwrap();
        let reply = connection
            .call_method(
                None::<&str>,
                "/test",
                Some("org.cloudpolicy.Test1"),
                "Echo",
                &"hello",
            )
            .await;
        assert_eq!(
            reply.unwrap().body().deserialize::<String>().unwrap(),
            "hello"
        );
        server.abort();
    }

    #[tokio::test]
    async fn it_carries_more_than_a_socket_takes_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let address = address(&dir);
        let listener = PeerListener::bind(&address, &Access::default())
            .await
            .unwrap();
        let server = tokio::spawn(serve(listener));
        let connection = connect(&address, &Meter::default()).await.unwrap();
        let text = "x".repeat(8 << 20);
        let echo = async || {
            let interface = Some("org.cloudpolicy.Test1");
            let reply = connection
                .call_method(None::<&str>, "/test", interface, "Echo", &text)
                .await;
            reply.unwrap().body().deserialize::<String>().unwrap()
        };
        // Both directions are full at the same time.
        let (one, other) = tokio::join!(echo(), echo());
        assert!(one == text && other == text);
        server.abort();
    }

    #[tokio::test]
    async fn it_follows_no_symbolic_link() {
        let dir = tempfile::tempdir().unwrap();
        let address = address(&dir);
        let access = Access::default();
        let listener = PeerListener::bind(&address, &access).await.unwrap();
        let server = tokio::spawn(serve(listener));
        std::os::unix::fs::symlink("agent.sock", dir.path().join("link.sock")).unwrap();
        std::os::unix::fs::symlink(".", dir.path().join("folder")).unwrap();
        for path in ["link.sock", "folder/agent.sock"] {
            let link = PeerAddress::Unix(dir.path().join(path));
            match connect(&link, &Meter::default()).await {
                Err(Error::AccessDenied(text)) => assert!(text.contains("symbolic link"), "{text}"),
                other => panic!("{other:?}"),
            }
        }
        assert!(connect(&address, &Meter::default()).await.is_ok());
        server.abort();
    }

    /// A peer that plays a server's handshake, sends these bytes and waits.
    async fn rude(listener: UnixListener, bytes: Vec<u8>) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        stream.read_buf(&mut heard).await.unwrap();
        let welcome = b"OK 0123456789abcdef0123456789abcdef\r\n";
        stream.write_all(welcome).await.unwrap();
        while !heard.ends_with(b"BEGIN\r\n") {
            assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0);
        }
        stream.write_all(&bytes).await.unwrap();
        std::future::pending::<()>().await;
    }

    #[tokio::test]
    async fn a_message_that_is_too_long_is_refused_on_its_header() {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("agent.sock")).unwrap();
        let mut header = vec![b'l', 4, 0, 1];
        header.extend((127_u32 << 20).to_le_bytes());
        header.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        let peer = tokio::spawn(rude(listener, header));
        let connection = connect(&address(&dir), &Meter::default()).await.unwrap();
        // Nothing but the refusal ends it: the peer waits.
        tokio::time::timeout(HANDSHAKE_TIMEOUT, connection.closed())
            .await
            .unwrap();
        peer.abort();
    }

    #[tokio::test]
    async fn it_says_that_no_agent_listens() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(
            connect(&address(&dir), &Meter::default()).await,
            Err(Error::NotReady(_))
        ));
    }

    #[tokio::test]
    async fn it_replaces_a_dead_socket_but_not_a_living_one() {
        let dir = tempfile::tempdir().unwrap();
        let address = address(&dir);
        let first = PeerListener::bind(&address, &Access::default())
            .await
            .unwrap();
        assert!(matches!(
            PeerListener::bind(&address, &Access::default()).await,
            Err(Error::Busy(_))
        ));
        drop(first);
        PeerListener::bind(&address, &Access::default())
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn it_refuses_users_who_are_not_on_the_list() {
        let dir = tempfile::tempdir().unwrap();
        let address = address(&dir);
        let access = Access {
            allowed_uids: vec![4_000_000_000],
            ..Access::default()
        };
        let server = tokio::spawn(serve(PeerListener::bind(&address, &access).await.unwrap()));
        assert!(matches!(
            connect(&address, &Meter::default()).await,
            Err(Error::Failed(_))
        ));
        server.abort();
    }

    #[tokio::test]
    async fn it_refuses_the_kinds_that_it_does_not_carry_out() {
        for text in ["tcp:192.0.2.1", "vsock:3", "ssh:web1"] {
            let address = text.parse::<PeerAddress>().unwrap();
            let refused = connect(&address, &Meter::default()).await;
            assert!(matches!(refused, Err(Error::InvalidArgument(_))), "{text}");
            let refused = PeerListener::bind(&address, &Access::default()).await;
            assert!(matches!(refused, Err(Error::InvalidArgument(_))), "{text}");
        }
    }
}
