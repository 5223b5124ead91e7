//! TCP: connections to hosts by their names, which end when the network carries nothing any more.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use cpe_status::{DEFAULT_PORT, PeerAddress};
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};

use super::{HANDSHAKE_TIMEOUT, hosts};
use crate::{Error, Result};

/// An agent gives a connection up that the network has not carried anything over for so long. It
/// need not hurry: a DPE that lives has made another one, which counts.
pub(super) const AGENTS_SILENCE: Duration = Duration::from_secs(10);

/// The addresses of a host. One that is written as numbers is not asked for.
async fn resolve(address: &PeerAddress, host: &str, port: Option<u16>) -> Result<Vec<SocketAddr>> {
    let port = port.unwrap_or(DEFAULT_PORT);
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let mut found = hosts::addresses(host).await.map_err(|reason| {
        Error::NotReady(format!("{address}: the name cannot be looked up: {reason}"))
    })?;
    found.iter_mut().for_each(|place| place.set_port(port));
    Ok(found)
}

/// Connects to the first address of a host that answers.
///
/// # Errors
/// [`Error::NotReady`] with the reason of the last one.
pub(super) async fn connect(
    address: &PeerAddress,
    host: &str,
    port: Option<u16>,
    silence: Duration,
) -> Result<OwnedFd> {
    let mut last = None;
    let places = resolve(address, host, port).await?;
    // One that drops what is sent to it must not take the time of the others.
    let places_and_handshake = u32::try_from(places.len() + 1).unwrap_or(u32::MAX);
    let share = HANDSHAKE_TIMEOUT / places_and_handshake;
    for place in places {
        let attempt = tokio::time::timeout(share, TcpStream::connect(place)).await;
        match attempt.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => {
                return prepare(stream, silence)
                    .map_err(|error| Error::Failed(format!("cannot use {address}: {error}")));
            }
            Err(error) => last = Some(error),
        }
    }
    let reason = last.map_or_else(|| "it has no address".to_owned(), |error| error.to_string());
    Err(Error::NotReady(format!(
        "no agent listens on {address}: {reason}"
    )))
}

/// Listens at the first address of a host.
///
/// # Errors
/// [`Error::Failed`] that names the address.
pub(super) async fn bind(
    address: &PeerAddress,
    host: &str,
    port: Option<u16>,
) -> Result<TcpListener> {
    let places = resolve(address, host, port).await?;
    TcpListener::bind(places.as_slice())
        .await
        .map_err(|error| Error::Failed(format!("cannot listen on {address}: {error}")))
}

/// Has the kernel send at once, and end the connection when nothing that was sent has arrived for
/// so long, or a silent peer does not answer the kernel's own questions.
///
/// The first of the two alone notices a network that carries short packets and loses long ones.
///
/// # Errors
/// Those of setsockopt(2).
pub(super) fn prepare(stream: TcpStream, silence: Duration) -> io::Result<OwnedFd> {
    let socket = OwnedFd::from(stream.into_std()?);
    let silence_ms = u32::try_from(silence.as_millis()).unwrap_or(u32::MAX);
    // The kernel counts in whole seconds, from one on.
    let pause = Duration::from_secs((silence.as_secs() / 3).max(1));
    sockopt::set_tcp_nodelay(&socket, true)?;
    sockopt::set_tcp_user_timeout(&socket, silence_ms)?;
    sockopt::set_tcp_keepidle(&socket, pause)?;
    sockopt::set_tcp_keepintvl(&socket, pause)?;
    sockopt::set_tcp_keepcnt(&socket, 3)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    Ok(socket)
}
