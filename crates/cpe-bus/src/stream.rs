//! A peer-to-peer connection's socket: it never asks who its peer is, and wakes its process for
//! what arrives only.
//!
//! zbus' own Unix socket asks the kernel for the peer's process, and fails if it has none that can
//! be named here: exactly the case of a guest in a process namespace of its own, or behind a
//! hypervisor's channel. Access was decided when the connection was accepted (see [`crate::peer`]),
//! so nothing is missed. File descriptors are not passed.
//!
//! A socket that is watched for room to write, too, wakes its process whenever the peer has read
//! something. Between idle peers that would double the wake-ups of heartbeats, so room is waited
//! for only when there is none.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use zbus::connection::AuthMechanism;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;

/// A connected stream.
#[derive(Debug)]
pub(crate) struct PeerStream(AsyncFd<Arc<UnixStream>>);

impl PeerStream {
    /// Takes a stream over.
    ///
    /// # Errors
    /// If the event loop cannot watch it.
    pub(crate) fn new(stream: tokio::net::UnixStream) -> io::Result<PeerStream> {
        let stream = Arc::new(stream.into_std()?);
        Ok(PeerStream(watch(stream, Interest::READABLE)?))
    }
}

/// Has the event loop watch a stream for one thing only.
fn watch<T: AsFd + AsRawFd>(stream: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // Deprecated because a generic owner might close its descriptor early; a UnixStream, also a
    // shared one, cannot.
    #[allow(deprecated)]
    AsyncFd::with_interest(stream, interest)
}

impl Socket for PeerStream {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        let stream = Arc::clone(self.0.get_ref());
        Split::new(Reader(self.0), Writer(stream))
    }
}

#[derive(Debug)]
pub(crate) struct Reader(AsyncFd<Arc<UnixStream>>);

#[async_trait]
impl ReadHalf for Reader {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        let read = self
            .0
            .async_io(Interest::READABLE, |stream| (&**stream).read(buffer));
        Ok((read.await?, Vec::new()))
    }

    fn auth_mechanism(&self) -> AuthMechanism {
        AuthMechanism::Anonymous
    }
}

#[derive(Debug)]
pub(crate) struct Writer(Arc<UnixStream>);

#[async_trait]
impl WriteHalf for Writer {
    async fn sendmsg(&mut self, buffer: &[u8], _fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        loop {
            match (&*self.0).write(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // Another descriptor of the same socket: the reader's is watched already.
                    let watched = self.0.try_clone()?;
                    let watched = watch(watched, Interest::WRITABLE)?;
                    watched.writable().await?.retain_ready();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => return written,
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}
