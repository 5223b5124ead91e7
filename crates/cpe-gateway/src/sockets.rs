//! The sockets on which callers arrive: those that systemd hands over, or for trying things out,
//! own ones.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, bail};
use listenfd::ListenFd;
use tokio::net::{TcpListener, UnixListener};

/// Name of the Unix socket among those that systemd hands over (`FileDescriptorName=`).
const HTTP: &str = "http";
/// Name of the TLS socket.
const HTTPS: &str = "https";

/// Where callers arrive.
#[derive(Debug, Default)]
pub struct Sockets {
    /// HTTP on this host, from users whom the kernel vouches for.
    pub http: Vec<UnixListener>,
    /// HTTPS.
    pub https: Vec<TcpListener>,
}

impl Sockets {
    /// Takes what systemd hands over.
    ///
    /// # Errors
    /// If a socket has another name or is of another kind.
    pub fn handed_over() -> anyhow::Result<Sockets> {
        // Before the descriptors are taken: that clears the variables.
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut handed = ListenFd::from_env();
        let mut sockets = Sockets::default();
        for (at, name) in names.split(':').enumerate().take(handed.len()) {
            let failed = || format!("socket `{name}` of systemd is not what it should be");
            match name {
                HTTP => {
                    let socket = handed.take_unix_listener(at).with_context(failed)?;
                    let socket = socket.with_context(failed)?;
                    socket.set_nonblocking(true)?;
                    sockets.http.push(UnixListener::from_std(socket)?);
                }
                HTTPS => {
                    let socket = handed.take_tcp_listener(at).with_context(failed)?;
                    let socket = socket.with_context(failed)?;
                    socket.set_nonblocking(true)?;
                    sockets.https.push(TcpListener::from_std(socket)?);
                }
                _ => bail!(
                    "systemd hands over a socket `{name}`; expected `{HTTP}` or `{HTTPS}` (FileDescriptorName=)"
                ),
            }
        }
        Ok(sockets)
    }

    /// Opens own ones besides.
    ///
    /// # Errors
    /// If one cannot be opened.
    pub async fn open(
        &mut self,
        http: Option<&Path>,
        https: Option<SocketAddr>,
    ) -> anyhow::Result<()> {
        if let Some(path) = http {
            let socket = UnixListener::bind(path);
            let failed = || format!("cannot listen at {}", path.display());
            self.http.push(socket.with_context(failed)?);
        }
        if let Some(address) = https {
            let socket = TcpListener::bind(address).await;
            let failed = || format!("cannot listen at {address}");
            self.https.push(socket.with_context(failed)?);
        }
        Ok(())
    }

    /// Whether nobody can arrive.
    pub fn is_empty(&self) -> bool {
        self.http.is_empty() && self.https.is_empty()
    }
}
