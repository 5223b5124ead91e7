//! The bytes of a connected socket of any kind, which wake their process for what arrives only.
//!
//! A socket that is watched for room to write, too, wakes its process whenever the peer has read
//! something. Between idle peers that would double the wake-ups of heartbeats, so room is waited
//! for only when there is none.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::net::{SendAncillaryBuffer, SendFlags, Shutdown};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// Both directions.
#[derive(Debug)]
pub(crate) struct Wire {
    incoming: Incoming,
    outgoing: Outgoing,
    /// Bytes that may still come in, while the peer has not shown who it is.
    allowance: Option<usize>,
}

/// What arrives.
#[derive(Debug)]
pub(crate) struct Incoming(AsyncFd<Arc<OwnedFd>>);

/// What is sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    socket: Arc<OwnedFd>,
    /// While there is no room: another descriptor of the same socket, since the reader's is watched
    /// already.
    room: Option<AsyncFd<OwnedFd>>,
}

/// Has the event loop watch a socket for one thing only.
fn watch<T: AsFd + AsRawFd>(socket: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // Deprecated because a generic owner might close its descriptor early; these own theirs.
    #[allow(deprecated)]
    AsyncFd::with_interest(socket, interest)
}

impl Wire {
    /// Takes over a connected socket that does not block.
    ///
    /// # Errors
    /// If the event loop cannot watch it.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Wire> {
        let socket = Arc::new(socket);
        Ok(Wire {
            incoming: Incoming(watch(Arc::clone(&socket), Interest::READABLE)?),
            outgoing: Outgoing { socket, room: None },
            allowance: None,
        })
    }

    /// From now on reading fails after that many bytes.
    pub(crate) fn with_allowance(mut self, bytes: usize) -> Wire {
        self.allowance = Some(bytes);
        self
    }

    /// Ends the bound.
    pub(crate) fn lift_allowance(&mut self) {
        self.allowance = None;
    }

    /// Each direction for itself.
    pub(crate) fn split(self) -> (Incoming, Outgoing) {
        (self.incoming, self.outgoing)
    }
}

impl AsyncRead for Incoming {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(context))?;
            let space = buffer.initialize_unfilled();
            match ready.try_io(|socket| Ok(rustix::io::read(socket.get_ref(), space)?)) {
                Ok(Ok(read)) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_nothing_there) => {}
            }
        }
    }
}

impl Outgoing {
    /// Sends as soon as there is room.
    fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut nothing = SendAncillaryBuffer::default();
            match rustix::net::sendmsg(&self.socket, bytes, &mut nothing, SendFlags::NOSIGNAL) {
                Ok(sent) => {
                    self.room = None;
                    return Poll::Ready(Ok(sent));
                }
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
            if self.room.is_none() {
                let other = self.socket.try_clone()?;
                self.room = Some(watch(other, Interest::WRITABLE)?);
            }
            if let Some(room) = &self.room {
                ready!(room.poll_write_ready(context))?.clear_ready();
            }
        }
    }
}

impl AsyncWrite for Outgoing {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, &[IoSlice::new(bytes)])
    }

    /// The last words of TLS, of several parts, are sent in one attempt.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match rustix::net::shutdown(&self.socket, Shutdown::Write) {
            Ok(()) | Err(rustix::io::Errno::NOTCONN) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(left) = self.allowance else {
            return Pin::new(&mut self.incoming).poll_read(context, buffer);
        };
        if left == 0 {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the handshake is too long",
            )));
        }
        let most = left.min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.incoming).poll_read(context, &mut part))?;
        let read = part.filled().len();
        buffer.advance(read);
        self.allowance = Some(left - read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.outgoing.poll_send(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.outgoing.poll_send(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.outgoing).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.outgoing).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn pair() -> (Wire, Wire) {
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        for socket in [&one, &other] {
            socket.set_nonblocking(true).unwrap();
        }
        (
            Wire::new(one.into()).unwrap(),
            Wire::new(other.into()).unwrap(),
        )
    }

    #[tokio::test]
    async fn an_allowance_ends_reading_until_it_is_lifted() {
        let (mut one, other) = pair();
        one.write_all(b"0123456789").await.unwrap();
        let mut other = other.with_allowance(8);
        let mut read = [0; 64];
        assert_eq!(other.read(&mut read).await.unwrap(), 8);
        assert_eq!(&read[..8], b"01234567");
        let refused = other.read(&mut read).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        other.lift_allowance();
        assert_eq!(other.read(&mut read).await.unwrap(), 2);
        assert_eq!(&read[..2], b"89");
    }

    #[tokio::test]
    async fn it_waits_for_room_and_for_bytes() {
        let (mut one, mut other) = pair();
        let much = vec![7; 4 << 20];
        let sent = much.clone();
        let sending = tokio::spawn(async move {
            one.write_all(&sent).await.unwrap();
            one.shutdown().await.unwrap();
        });
        tokio::task::yield_now().await;
        let mut read = Vec::new();
        other.read_to_end(&mut read).await.unwrap();
        assert!(read == much);
        sending.await.unwrap();
    }
}
