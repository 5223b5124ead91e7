//! Socket files that host and guest share: who may connect is decided by the file's owner and mode
//! and, where asked for, by the peer's user id as the kernel reports it (SO_PEERCRED).

use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use cpe_status::{MAX_SOCKET_PATH, PeerAddress};
use rustix::fs::{FileType, Mode, OFlags};
use tokio::net::{UnixListener, UnixStream};

use crate::{Error, Result};

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

/// How often it is looked whether the socket's file is still there: nobody can connect without it,
/// and whoever has to must be able to within a lease.
const LOOK: Duration = Duration::from_secs(1);

/// Waits for connections at a socket file.
#[derive(Debug)]
pub struct PeerListener {
    listener: UnixListener,
    path: PathBuf,
    allowed_uids: Vec<u32>,
}

impl PeerListener {
    /// Binds the socket and puts it into place with its final permissions; a socket file left by an
    /// earlier process is replaced.
    ///
    /// # Errors
    /// [`Error::Failed`] naming the path, and [`Error::Busy`] if another process answers there.
    pub async fn bind(address: &PeerAddress, access: &Access) -> Result<Self> {
        let PeerAddress::Unix(path) = address else {
            return Err(Error::InvalidArgument(format!(
                "{address} is no socket file"
            )));
        };
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
            path: path.clone(),
            allowed_uids: access.allowed_uids.clone(),
        })
    }

    /// The next connection of a peer that may connect; others are closed and reported in the log.
    ///
    /// # Errors
    /// Those of accept(2) that do not concern one connection; [`ErrorKind::NotFound`] if somebody
    /// has removed the socket's file: nobody can connect any more, and it is to be bound again.
    pub async fn accept(&self) -> std::io::Result<UnixStream> {
        loop {
            let (stream, _) = tokio::select! {
                accepted = self.listener.accept() => accepted?,
                () = self.removed() => {
                    let what = format!("somebody has removed {}", self.path.display());
                    return Err(std::io::Error::new(ErrorKind::NotFound, what));
                }
            };
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

impl PeerListener {
    /// Returns when the socket's file has gone.
    async fn removed(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let found = tokio::fs::symlink_metadata(&self.path).await;
            if found.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                return;
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

/// Connects to the socket at a path, of which no part may be a symbolic link.
///
/// # Errors
/// As of [`super::connect`]; they name the address.
pub async fn connect_to_socket(address: &PeerAddress, path: &Path) -> Result<UnixStream> {
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
