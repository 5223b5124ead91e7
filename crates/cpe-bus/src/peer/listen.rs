//! The guest's side: addresses at which an agent listens, and who is let in.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use cpe_status::PeerAddress;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_vsock::VsockListener;
use zbus::connection::Builder;

use super::{Access, MAX_TLS_HANDSHAKE, PeerListener, server, tcp, vsock};
use crate::identity::{Credentials, Ends, Name, explain};
use crate::stream::PeerStream;
use crate::wire::Wire;
use crate::{Error, Result};

/// An address at which connections are waited for.
#[derive(Debug)]
pub struct Door(Kind);

#[derive(Debug)]
enum Kind {
    File(PeerListener),
    Tcp(TcpListener, Arc<Credentials>),
    Vsock(VsockListener, Arc<Credentials>),
}

/// Who has connected, and is not let in yet.
#[derive(Debug)]
pub struct Visitor {
    socket: OwnedFd,
    /// Those by which it has to say who it is, and where it comes from.
    stranger: Option<(Arc<Credentials>, String)>,
}

/// Who is let in.
#[derive(Debug)]
pub struct Admitted {
    /// The server's end of the connection; the caller adds objects and builds it.
    pub builder: Builder<'static>,
    /// Whom this guest's own certificate names, by which it was let in: what the DPE says must
    /// agree with it. `None` at a socket file.
    pub own: Option<Name>,
}

impl Door {
    /// Begins to listen.
    ///
    /// # Errors
    /// Those of [`PeerListener::bind`]; [`Error::NotReady`] on a network without a certificate: an
    /// agent that cannot say who it is does not listen there.
    pub async fn open(
        address: &PeerAddress,
        access: &Access,
        credentials: &Arc<Credentials>,
    ) -> Result<Door> {
        match address {
            PeerAddress::Unix(_) => {
                let listener = PeerListener::bind(address, access).await?;
                Ok(Door(Kind::File(listener)))
            }
            PeerAddress::Tcp { host, port } => {
                let name = credentials.name().await?;
                let listener = tcp::bind(address, host, *port).await?;
                tracing::info!("{address} is served as {name}");
                Ok(Door(Kind::Tcp(listener, Arc::clone(credentials))))
            }
            PeerAddress::Vsock { cid, port } => {
                let name = credentials.name().await?;
                let listener = vsock::bind(address, *cid, *port)?;
                tracing::info!("{address} is served as {name}");
                Ok(Door(Kind::Vsock(listener, Arc::clone(credentials))))
            }
            PeerAddress::Ssh { .. } => Err(Error::InvalidArgument(format!(
                "{address}: nobody listens so; the ssh server of the guest leads to a socket file"
            ))),
            PeerAddress::QemuGa(_) => Err(Error::InvalidArgument(format!(
                "{address}: the QEMU guest agent listens there"
            ))),
        }
    }

    /// The address at which it listens, if that is one of tcp: with the port that the kernel
    /// has chosen.
    pub fn local_address(&self) -> Option<std::net::SocketAddr> {
        match &self.0 {
            Kind::File(_) | Kind::Vsock(..) => None,
            Kind::Tcp(listener, _) => listener.local_addr().ok(),
        }
    }

    /// The next one who connects.
    ///
    /// # Errors
    /// Those of accept(2) that do not concern one connection.
    pub async fn accept(&self) -> io::Result<Visitor> {
        match &self.0 {
            Kind::File(listener) => {
                let stream = listener.accept().await?;
                Ok(Visitor {
                    socket: stream.into_std()?.into(),
                    stranger: None,
                })
            }
            Kind::Tcp(listener, credentials) => {
                let (stream, from) = listener.accept().await?;
                Ok(Visitor {
                    socket: tcp::prepare(stream, tcp::AGENTS_SILENCE)?,
                    stranger: Some((Arc::clone(credentials), from.ip().to_string())),
                })
            }
            Kind::Vsock(listener, credentials) => {
                let (stream, from) = listener.accept().await?;
                let from = format!("vsock:{}", from.cid());
                Ok(Visitor {
                    socket: vsock::prepare(stream)?,
                    stranger: Some((Arc::clone(credentials), from)),
                })
            }
        }
    }
}

impl Visitor {
    /// Whether it comes over a network, and has not shown who it is yet.
    pub fn is_stranger(&self) -> bool {
        self.stranger.is_some()
    }

    /// Has it show who it is, where that is not known. The caller bounds the time.
    ///
    /// # Errors
    /// [`Error::IdentityRefused`] that says who is refused and why; [`Error::Failed`] for
    /// whoever is no DPE at all.
    pub async fn admit(self) -> Result<Admitted> {
        let failed = |error: io::Error| Error::Failed(format!("a connection is lost: {error}"));
        let wire = Wire::new(self.socket).map_err(failed)?;
        let Some((credentials, from)) = self.stranger else {
            let (incoming, outgoing) = wire.split();
            return Ok(Admitted {
                builder: server(PeerStream::new(incoming, outgoing, None, None)),
                own: None,
            });
        };
        let trust = credentials.trust().await?;
        let Ends::Agent(config) = &trust.ends else {
            return Err(Error::Failed("this is no agent's certificate".to_owned()));
        };
        let wire = wire.with_allowance(MAX_TLS_HANDSHAKE);
        let accepted = TlsAcceptor::from(Arc::clone(config)).accept(wire).await;
        let mut stream = accepted.map_err(|error| refused(&from, &error))?;
        stream.get_mut().0.lift_allowance();
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let held = credentials.hold(chain);
        let (incoming, outgoing) = tokio::io::split(stream);
        Ok(Admitted {
            builder: server(PeerStream::new(incoming, outgoing, None, Some(held))),
            own: Some(trust.own.clone()),
        })
    }
}

fn refused(from: &str, error: &io::Error) -> Error {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<tokio_rustls::rustls::Error>());
    match tls.and_then(explain) {
        Some(reason) => Error::IdentityRefused(format!("who connects from {from}: {reason}")),
        None => Error::Failed(format!("who connects from {from} is no DPE: {error}")),
    }
}
