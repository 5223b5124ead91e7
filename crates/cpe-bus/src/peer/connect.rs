//! The host's side: from an address to a connection.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use cpe_status::PeerAddress;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use zbus::Connection;
use zbus::connection::{AuthMechanism, Builder};

use super::ssh::{Login, Through};
use super::{HANDSHAKE_TIMEOUT, MAX_TLS_HANDSHAKE, ssh, tcp, unix, vsock};
use crate::identity::{Credentials, Ends, Name, explain};
use crate::stream::{Meter, PeerStream};
use crate::wire::Wire;
use crate::{Error, Result};

/// How long a peer that is silent on a network is waited for where nothing else is said.
const SILENCE: Duration = Duration::from_secs(4);

/// Whose agent a connection is to reach.
#[derive(Debug, Clone)]
pub struct Guest<'a> {
    /// Where it listens.
    pub address: &'a PeerAddress,
    /// The name of its assembly in the document.
    pub assembly: &'a str,
    /// What the DPE shows on a network, and whom it believes.
    pub credentials: &'a Arc<Credentials>,
    /// A network that carries nothing for so long ends the connection: less than the heartbeat
    /// timeout.
    pub silence: Duration,
}

/// Connects to an agent at a socket file, which may send as much as the meter allows.
///
/// # Errors
/// As of [`connect_to`].
pub async fn connect(address: &PeerAddress, meter: &Meter) -> Result<Connection> {
    in_time(address, async {
        match address {
            PeerAddress::Unix(path) => {
                let socket = unix::connect_to_socket(address, path).await?.into_std();
                let socket = socket.map_err(|error| unusable(address, &error))?;
                plain(address, socket.into(), meter).await
            }
            other => Err(Error::InvalidArgument(format!(
                "{other} is no socket file, and no certificates are given"
            ))),
        }
    })
    .await
}

/// Connects to a guest's agent, which may send as much as the meter allows.
///
/// # Errors
/// [`Error::NotReady`] while nobody listens there, [`Error::AccessDenied`] if this user may not
/// connect or a path has a symbolic link in it, [`Error::IdentityRefused`] if one side's
/// certificate is refused or this side has none, [`Error::Failed`] otherwise; each names the
/// address.
pub async fn connect_to(guest: &Guest<'_>, meter: &Meter) -> Result<Connection> {
    let address = guest.address;
    match address {
        PeerAddress::Unix(_) => connect(address, meter).await,
        PeerAddress::Tcp { host, port } => {
            in_time(address, async {
                let socket = tcp::connect(address, host, *port, guest.silence).await?;
                secure(guest, socket, meter).await
            })
            .await
        }
        PeerAddress::Ssh { .. } => in_time(address, through_ssh(guest, meter)).await,
        PeerAddress::Vsock { cid, port } => {
            in_time(address, async {
                let socket = vsock::connect(address, *cid, *port).await?;
                secure(guest, socket, meter).await
            })
            .await
        }
        PeerAddress::QemuGa(_) => Err(Error::InvalidArgument(format!(
            "{address} leads to a QEMU guest agent: there is no cpe-agent to be asked"
        ))),
    }
}

impl<'a> Guest<'a> {
    /// One that is given up after some seconds of silence.
    pub fn new(
        address: &'a PeerAddress,
        assembly: &'a str,
        credentials: &'a Arc<Credentials>,
    ) -> Guest<'a> {
        Guest {
            address,
            assembly,
            credentials,
            silence: SILENCE,
        }
    }
}

async fn in_time<T>(address: &PeerAddress, attempt: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(HANDSHAKE_TIMEOUT, attempt)
        .await
        .unwrap_or_else(|_| {
            Err(Error::NotReady(format!(
                "the agent at {address} did not answer within {} s",
                HANDSHAKE_TIMEOUT.as_secs()
            )))
        })
}

fn unusable(address: &PeerAddress, error: &std::io::Error) -> Error {
    Error::Failed(format!("cannot use {address}: {error}"))
}

/// D-Bus without certificates.
async fn plain(address: &PeerAddress, socket: OwnedFd, meter: &Meter) -> Result<Connection> {
    let wire = Wire::new(socket).map_err(|error| unusable(address, &error))?;
    let (incoming, outgoing) = wire.split();
    let meter = Some(meter.clone());
    handshake(address, PeerStream::new(incoming, outgoing, meter, None)).await
}

/// D-Bus to the socket file that the guest's ssh server leads to.
async fn through_ssh(guest: &Guest<'_>, meter: &Meter) -> Result<Connection> {
    let address = guest.address;
    let login = Login::of(address)
        .ok_or_else(|| Error::InvalidArgument(format!("{address} is no address of ssh")))?;
    let (socket, tunnel) = ssh::connect(guest, &login).await?;
    let words = tunnel.words.clone();
    let wire = Wire::new(socket).map_err(|error| unusable(address, &error))?;
    let (incoming, outgoing) = wire.split();
    let incoming = Through::new(incoming, tunnel);
    let meter = Some(meter.clone());
    let stream = PeerStream::new(incoming, outgoing, meter, None);
    match handshake(address, stream).await {
        Ok(connection) => Ok(connection),
        Err(error) => Err(words.after_loss().await.unwrap_or(error)),
    }
}

/// TLS with certificates on both sides, and D-Bus over it.
async fn secure(guest: &Guest<'_>, socket: OwnedFd, meter: &Meter) -> Result<Connection> {
    let address = guest.address;
    let trust = guest.credentials.trust().await.map_err(|error| {
        let reason = error.message();
        Error::IdentityRefused(format!("this DPE cannot show who it is: {reason}"))
    })?;
    let (Name::Dpe { deployment }, Ends::Dpe(config)) = (&trust.own, &trust.ends) else {
        return Err(Error::Failed("this is no DPE's certificate".to_owned()));
    };
    let name = Name::agent(deployment, guest.assembly);
    let server = name.dns().and_then(|dns| ServerName::try_from(dns).ok());
    let server = server.ok_or_else(|| {
        Error::InvalidArgument(format!(
            "{name} cannot have a certificate: its name is too long"
        ))
    })?;
    let wire = Wire::new(socket).map_err(|error| unusable(address, &error))?;
    let wire = wire.with_allowance(MAX_TLS_HANDSHAKE);
    let connector = TlsConnector::from(Arc::clone(config));
    let connected = connector.connect(server, wire).await;
    let mut stream = connected.map_err(|error| broken(address, &error))?;
    stream.get_mut().0.lift_allowance();
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let held = guest.credentials.hold(chain);
    let (incoming, outgoing) = tokio::io::split(stream);
    let meter = Some(meter.clone());
    handshake(
        address,
        PeerStream::new(incoming, outgoing, meter, Some(held)),
    )
    .await
}

/// Why a stream could not be made, or broke before D-Bus began. The agent's refusal of our
/// certificate comes only then, since TLS 1.3 has us begin before it has looked at it.
fn broken(address: &PeerAddress, error: &std::io::Error) -> Error {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<tokio_rustls::rustls::Error>());
    match tls.and_then(explain) {
        Some(reason) => Error::IdentityRefused(format!("the agent at {address}: {reason}")),
        None if tls.is_some() => Error::Failed(format!(
            "{address} is not an agent with a certificate: {error}"
        )),
        None => Error::NotReady(format!(
            "{address} was closed during the handshake: {error}"
        )),
    }
}

async fn handshake(address: &PeerAddress, stream: PeerStream) -> Result<Connection> {
    let built = Builder::socket(stream)
        .p2p()
        .auth_mechanism(AuthMechanism::Anonymous)
        .build()
        .await;
    built.map_err(|error| match &error {
        zbus::Error::InputOutput(inner) if inner.get_ref().is_some() => broken(address, inner),
        _ => Error::Failed(format!(
            "{address} was closed during the handshake, or is not an agent: {error}"
        )),
    })
}
