//! Peer-to-peer D-Bus between a DPE and a guest agent, over a stream of one of several kinds.
//!
//! The agent listens and the DPE connects. There is no bus between them, hence no bus policy: who
//! may connect is decided before D-Bus begins, at a socket file by its permissions ([`Access`]), on
//! a network by certificates ([`Credentials`]). The SASL mechanism is ANONYMOUS on purpose:
//! EXTERNAL compares a user id that the client *claims* with the one the server *sees*, which
//! differ as soon as a user namespace or a network lies between host and guest, and adds nothing to
//! what is known already.

mod connect;
mod hosts;
mod listen;
mod ssh;
mod tcp;
#[cfg(test)]
mod tests;
mod unix;
mod vsock;

use std::time::Duration;

pub use cpe_status::PeerAddress;
use tokio::net::UnixStream;
use zbus::connection::{AuthMechanism, Builder};

pub use self::connect::{Guest, connect, connect_to};
pub use self::listen::{Admitted, Door, Visitor};
pub use self::unix::{Access, PeerListener, connect_to_socket};
pub use crate::identity::{Credentials, Name, Side};
pub use crate::stream::Meter;
use crate::stream::PeerStream;
use crate::wire::Wire;

/// How long connecting and all handshakes may take together.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Most bytes that a peer may send in the handshake of TLS: a chain of some certificates fits,
/// which takes 1 to 2 kB as a rule.
const MAX_TLS_HANDSHAKE: usize = 16 << 10;

/// A builder for the server's end of a connection at a socket file; the caller adds objects and
/// builds it.
///
/// # Errors
/// If the event loop cannot watch the stream.
pub fn server_builder(stream: UnixStream) -> std::io::Result<Builder<'static>> {
    let (incoming, outgoing) = Wire::new(stream.into_std()?.into())?.split();
    Ok(server(PeerStream::new(incoming, outgoing, None, None)))
}

fn server(stream: PeerStream) -> Builder<'static> {
    Builder::socket(stream)
        .server(zbus::Guid::generate())
        .p2p()
        .auth_mechanism(AuthMechanism::Anonymous)
}
