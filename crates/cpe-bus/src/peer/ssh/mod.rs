//! ssh: the system's client, which leads to the agent's socket file in the guest.
//!
//! One process for one stream. This side makes the connection to the ssh server, as for tcp, and
//! hands it over (`ProxyCommand=-`: the client speaks over its standard input and output), so that
//! a network that carries nothing is noticed as there. The client forwards a socket file of ours,
//! which is in a folder of its own and is gone once we have connected to it. Everything of the
//! client ends with its stream.
//!
//! Who the guest is, is its host key, which must be known; nothing asks a question, and nobody's
//! settings of ssh count.

mod files;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};
use std::time::Duration;

use cpe_status::{DEFAULT_SOCKET, DEFAULT_SSH_PORT, PeerAddress};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use self::files::Files;
use self::words::Words;
use super::connect::Guest;
use super::tcp;
use crate::{Error, Result};

/// How often it is looked whether the client has logged in.
const LOOK: Duration = Duration::from_millis(20);
/// Questions of the client without an answer of the server that end it. The kernel notices a
/// network that carries nothing before; this is for a server that hangs.
const UNANSWERED: u32 = 2;
/// Where the folders of sockets are made. The unit of a DPE has one of its own.
const PLACE: &str = "/tmp";

/// Where a login leads, with every default written out.
#[derive(Debug, Clone)]
pub(super) struct Login<'a> {
    pub(super) address: &'a PeerAddress,
    pub(super) user: Option<&'a str>,
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) socket: &'a Path,
}

impl<'a> Login<'a> {
    /// `None`: an address of another kind.
    pub(super) fn of(address: &'a PeerAddress) -> Option<Login<'a>> {
        let PeerAddress::Ssh {
            user,
            host,
            port,
            socket,
        } = address
        else {
            return None;
        };
        Some(Login {
            address,
            user: user.as_deref(),
            host,
            port: port.unwrap_or(DEFAULT_SSH_PORT),
            socket: socket.as_deref().unwrap_or(Path::new(DEFAULT_SOCKET)),
        })
    }

    /// The host as ssh's list of known hosts names it.
    fn known_as(&self) -> String {
        match self.port {
            DEFAULT_SSH_PORT => self.host.to_owned(),
            port => format!("[{}]:{port}", self.host),
        }
    }
}

/// A client that has logged in, and ends when this is dropped.
pub(super) struct Tunnel {
    _client: Child,
    pub(super) words: Words,
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tunnel")
    }
}

/// What comes in through a tunnel, which it keeps open.
#[derive(Debug)]
pub(super) struct Through<T> {
    incoming: T,
    _tunnel: Tunnel,
}

impl<T> Through<T> {
    pub(super) fn new(incoming: T, tunnel: Tunnel) -> Through<T> {
        Through {
            incoming,
            _tunnel: tunnel,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Through<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.incoming).poll_read(context, buffer)
    }
}

/// Has a client log in and lead to the agent's socket. The caller bounds the time.
///
/// # Errors
/// Those of [`super::connect_to`].
pub(super) async fn connect(guest: &Guest<'_>, login: &Login<'_>) -> Result<(OwnedFd, Tunnel)> {
    let folder = guest.credentials.folder().join(files::FOLDER);
    let files = Files::read(folder, login).await?;
    let silence = guest.silence;
    let network = tcp::connect(login.address, login.host, Some(login.port), silence).await?;
    let meeting = Meeting::new().map_err(|error| unusable(login, &error))?;
    let mut client = start(login, &files, silence, network, &meeting.socket)?;
    let words = Words::listen(client.stderr.take());
    loop {
        tokio::select! {
            ended = client.wait() => {
                let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                let reason = words.after_end(login, &files).await;
                return Err(reason.unwrap_or_else(|| {
                    Error::NotReady(format!("{}: ssh has ended: {how}", login.address))
                }));
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        let Ok(stream) = UnixStream::connect(&meeting.socket).await else {
            continue;
        };
        let socket = stream.into_std().map_err(|error| unusable(login, &error))?;
        let words = words.about(login, files);
        let _client = client;
        return Ok((socket.into(), Tunnel { _client, words }));
    }
}

fn unusable(login: &Login<'_>, error: &io::Error) -> Error {
    Error::Failed(format!("cannot use {}: {error}", login.address))
}

fn start(
    login: &Login<'_>,
    files: &Files,
    silence: Duration,
    network: OwnedFd,
    meeting: &Path,
) -> Result<Child> {
    let other = network
        .try_clone()
        .map_err(|error| unusable(login, &error))?;
    let client = Command::new("ssh")
        .args(arguments(login, files, silence, meeting))
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::from(network))
        .stdout(Stdio::from(other))
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Failed(format!(
                "{} needs the ssh client, which this host does not have: apt install openssh-client",
                login.address
            )),
            _ => Error::Failed(format!("{}: ssh cannot be started: {error}", login.address)),
        })?;
    // Short of memory, the kernel is to take a client rather than its DPE, whose own bonus it has
    // inherited. Where that is not allowed, nothing is lost but this.
    if let Some(pid) = client.id() {
        let _ = std::fs::write(format!("/proc/{pid}/oom_score_adj"), "500");
    }
    Ok(client)
}

/// In ssh the first value of an option counts; of an administrator's settings none does.
fn arguments(
    login: &Login<'_>,
    files: &Files,
    silence: Duration,
    meeting: &Path,
) -> Vec<std::ffi::OsString> {
    let mut all: Vec<std::ffi::OsString> = ["-F", "none", "-N", "-T", "-a", "-x"]
        .map(Into::into)
        .to_vec();
    let mut option = |text: String| all.extend(["-o".into(), text.into()]);
    for fixed in [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=none",
        "UpdateHostKeys=no",
        "VerifyHostKeyDNS=no",
        "PreferredAuthentications=publickey",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "ControlPath=none",
        "PermitLocalCommand=no",
        "EscapeChar=none",
        "LogLevel=INFO",
        "TCPKeepAlive=no",
        "ProxyCommand=-",
        "ExitOnForwardFailure=yes",
        "StreamLocalBindMask=0177",
    ] {
        option(fixed.to_owned());
    }
    option(format!(
        "ServerAliveInterval={}",
        silence.as_secs_f64().ceil().max(1.0)
    ));
    option(format!("ServerAliveCountMax={UNANSWERED}"));
    option(format!(
        "UserKnownHostsFile={}",
        files::quoted(&files.known_hosts)
    ));
    for key in &files.keys {
        option(format!("IdentityFile={}", files::quoted(key)));
    }
    let forward = format!("{}:{}", meeting.display(), login.socket.display());
    all.extend(["-L".into(), forward.into()]);
    all.extend(["-p".into(), login.port.to_string().into()]);
    if let Some(user) = login.user {
        all.extend(["-l".into(), user.into()]);
    }
    all.extend(["--".into(), login.host.into()]);
    all
}

/// A socket file at which a client and this process meet, in a folder that is only this user's.
/// Gone when this is dropped.
struct Meeting {
    folder: PathBuf,
    socket: PathBuf,
}

impl Meeting {
    fn new() -> io::Result<Meeting> {
        let name = format!("cpe-ssh-{}", uuid::Uuid::new_v4().simple());
        let folder = Path::new(PLACE).join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let socket = folder.join("agent");
        Ok(Meeting { folder, socket })
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
        let _ = std::fs::remove_dir(&self.folder);
    }
}
