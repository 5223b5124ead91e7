//! A peer-to-peer connection's stream under D-Bus, whatever carries it: it never asks who its peer
//! is, and takes no more of it than is lawful.
//!
//! zbus' own Unix socket asks the kernel for the peer's process, and fails if it has none that can
//! be named here: exactly the case of a guest in a process namespace of its own, or behind a
//! network. Access was decided when the connection was made (see [`crate::peer`]), so nothing is
//! missed. File descriptors are not passed.
//!
//! The handshake is bounded in bytes. A message is refused on the 16 bytes that announce its
//! length, before memory is taken for it, and memory is taken as its bytes come in. A [`Meter`]
//! bounds what a peer may send in a time. A peer whose certificate is revoked is disconnected.

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;
use zbus::Message;
use zbus::connection::AuthMechanism;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;

use crate::identity::Held;

/// Longest message, in bytes: that of the system's message bus. A history of 16,384 records of 2 kB
/// each fits.
pub(crate) const MAX_MESSAGE: u64 = 32 << 20;
/// Length of the part of a message that says how long the rest is.
const PRIMARY_HEADER: usize = 16;
/// Longest handshake, in bytes: some ten times what one takes.
const MAX_HANDSHAKE: usize = 4 << 10;
/// The part of a message that memory is taken for at a time, in bytes.
const CHUNK: usize = 64 << 10;

/// What a peer may send in a time, over all connections to it: some at once, and then at a rate.
#[derive(Debug, Clone)]
pub struct Meter {
    sent: Arc<Mutex<Sent>>,
    /// The longest message, in bytes.
    longest: u64,
}

impl Default for Meter {
    fn default() -> Meter {
        Meter::with_longest(MAX_MESSAGE)
    }
}

/// What a peer has sent that is not forgotten yet.
#[derive(Debug, Default)]
struct Sent {
    bytes: f64,
    messages: f64,
    at: Option<Instant>,
}

impl Meter {
    /// Bytes that may come at once: the longest message, and the signals around it.
    const BYTES: f64 = 1.5 * MAX_MESSAGE as f64;
    /// Bytes that may come in a second after that.
    const BYTES_PER_S: f64 = 4.0 * (1 << 20) as f64;
    /// Messages that may come at once: the first result of each of an agent's 16,384 records,
    /// twice.
    const MESSAGES: f64 = 32_768.0;
    /// Messages that may come in a second after that: ten times the heartbeats of the shortest
    /// interval.
    const MESSAGES_PER_S: f64 = 200.0;

    /// Takes no message that is longer, in bytes.
    pub fn with_longest(longest: u64) -> Meter {
        Meter {
            sent: Arc::default(),
            longest: longest.min(MAX_MESSAGE),
        }
    }

    /// Counts a message of that length.
    ///
    /// # Errors
    /// A text for people, if it is too much.
    fn count(&self, length: u64) -> Result<(), String> {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let since = sent.at.map_or(Duration::ZERO, |at| now - at).as_secs_f64();
        sent.at = Some(now);
        sent.bytes = (sent.bytes - since * Meter::BYTES_PER_S).max(0.0) + length as f64;
        sent.messages = (sent.messages - since * Meter::MESSAGES_PER_S).max(0.0) + 1.0;
        let (too_many, too_much) = (sent.messages > Meter::MESSAGES, sent.bytes > Meter::BYTES);
        if !too_many && !too_much {
            return Ok(());
        }
        // What is refused is not held against it.
        sent.bytes -= length as f64;
        sent.messages -= 1.0;
        Err(if too_many {
            format!(
                "it sends more than {} messages a second",
                Meter::MESSAGES_PER_S
            )
        } else {
            format!(
                "it sends more than {} MiB a second",
                Meter::BYTES_PER_S / f64::from(1 << 20)
            )
        })
    }
}

/// What arrives on a stream.
pub(crate) trait Incoming: AsyncRead + fmt::Debug + Send + Sync + Unpin {}
impl<T: AsyncRead + fmt::Debug + Send + Sync + Unpin> Incoming for T {}

/// What is sent on a stream.
pub(crate) trait Outgoing: AsyncWrite + fmt::Debug + Send + Sync + Unpin {}
impl<T: AsyncWrite + fmt::Debug + Send + Sync + Unpin> Outgoing for T {}

/// A connected stream of any kind.
#[derive(Debug)]
pub(crate) struct PeerStream {
    reader: Reader,
    writer: Writer,
}

impl PeerStream {
    /// Takes the two directions of a stream over, to a peer whose messages are counted if there is
    /// a meter, and whose certificate is to stay a good one if it has shown one.
    pub(crate) fn new(
        incoming: impl Incoming + 'static,
        outgoing: impl Outgoing + 'static,
        meter: Option<Meter>,
        held: Option<Held>,
    ) -> PeerStream {
        PeerStream {
            reader: Reader {
                bytes: Bytes(Box::new(incoming)),
                handshake_left: MAX_HANDSHAKE,
                meter,
                held,
            },
            writer: Writer(Box::new(outgoing)),
        }
    }
}

impl Socket for PeerStream {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        Split::new(self.reader, self.writer)
    }
}

/// Messages as they come in, within their bounds.
#[derive(Debug)]
pub(crate) struct Reader {
    bytes: Bytes,
    /// Bytes that the handshake may still take.
    handshake_left: usize,
    meter: Option<Meter>,
    held: Option<Held>,
}

impl Reader {
    /// Reads some bytes, unless the peer's certificate is no good one any more.
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(held) = &mut self.held else {
            return self.bytes.0.read(buffer).await;
        };
        tokio::select! {
            biased;
            reason = held.refused() => {
                tracing::warn!("a connection is ended: {reason}");
                Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
            }
            read = self.bytes.0.read(buffer) => read,
        }
    }

    /// Reads until that many bytes are in.
    async fn fill(&mut self, received: &mut Vec<u8>, length: usize) -> io::Result<()> {
        while received.len() < length {
            let had = received.len();
            received.resize(length.min(had + CHUNK), 0);
            let read = self.read(&mut received[had..]).await;
            received.truncate(had + read.as_ref().map_or(0, |read| *read));
            if read? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    fn check(&self, length: u64) -> io::Result<()> {
        let longest = self.meter.as_ref().map_or(MAX_MESSAGE, |it| it.longest);
        let refused = if length > longest {
            Err(format!(
                "it announces a message of {length} bytes; at most {longest} are taken"
            ))
        } else {
            self.meter
                .as_ref()
                .map_or(Ok(()), |meter| meter.count(length))
        };
        refused.map_err(|reason| {
            tracing::warn!("a peer is disconnected: {reason}");
            io::Error::new(io::ErrorKind::InvalidData, reason)
        })
    }
}

/// Length of the message that begins with this header. What is not a header has a length too, which
/// zbus does not come to use.
fn announced(header: [u8; PRIMARY_HEADER]) -> u64 {
    let number = |at: usize| {
        let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
        u64::from(match header[0] {
            b'B' => u32::from_be_bytes(bytes),
            _ => u32::from_le_bytes(bytes),
        })
    };
    let (body, fields) = (number(4), number(12));
    PRIMARY_HEADER as u64 + fields.next_multiple_of(8) + body
}

#[async_trait]
impl ReadHalf for Reader {
    /// For the handshake, which is bounded in bytes here, and in time by who waits for it. A peer
    /// may send its first messages right behind it: those count once it is over.
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        let most = buffer.len().min(self.handshake_left);
        if most == 0 {
            let reason = format!("its handshake is longer than {MAX_HANDSHAKE} bytes");
            tracing::warn!("a peer is disconnected: {reason}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        let read = self.read(&mut buffer[..most]).await?;
        self.handshake_left -= read;
        Ok((read, Vec::new()))
    }

    async fn receive_message(
        &mut self,
        number: u64,
        received: &mut Vec<u8>,
        descriptors: &mut Vec<OwnedFd>,
    ) -> zbus::Result<Message> {
        self.fill(received, PRIMARY_HEADER).await?;
        let mut header = [0; PRIMARY_HEADER];
        header.copy_from_slice(&received[..PRIMARY_HEADER]);
        let length = announced(header);
        self.check(length)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.fill(received, length).await?;
        self.bytes
            .receive_message(number, received, descriptors)
            .await
    }

    fn auth_mechanism(&self) -> AuthMechanism {
        AuthMechanism::Anonymous
    }
}

/// The bytes of the stream, in which zbus finds messages.
#[derive(Debug)]
struct Bytes(Box<dyn Incoming>);

#[async_trait]
impl ReadHalf for Bytes {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        Ok((self.0.read(buffer).await?, Vec::new()))
    }

    fn auth_mechanism(&self) -> AuthMechanism {
        AuthMechanism::Anonymous
    }
}

#[derive(Debug)]
pub(crate) struct Writer(Box<dyn Outgoing>);

#[async_trait]
impl WriteHalf for Writer {
    async fn sendmsg(&mut self, buffer: &[u8], _fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.0.write(buffer).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.0.flush().await
    }

    async fn close(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_how_long_its_message_is() {
        let mut header = [0; PRIMARY_HEADER];
        header[0] = b'l';
        header[4..8].copy_from_slice(&100_u32.to_le_bytes());
        header[12..].copy_from_slice(&9_u32.to_le_bytes());
        assert_eq!(announced(header), 16 + 16 + 100);
        header[0] = b'B';
        header[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
        header[12..].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(announced(header), 16 + (1 << 32) + u64::from(u32::MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn a_meter_forgives_with_time_what_came_at_once() {
        let meter = Meter::default();
        let all = Meter::MESSAGES as u64;
        assert!((0..all).all(|_| meter.count(100).is_ok()));
        assert!(meter.count(100).unwrap_err().contains("messages"));
        tokio::time::advance(Duration::from_secs(1)).await;
        let again = Meter::MESSAGES_PER_S as u64;
        assert!((0..again).all(|_| meter.count(100).is_ok()));
        assert!(meter.count(100).is_err());
        tokio::time::advance(Duration::from_secs(1000)).await;
        assert!(meter.count(MAX_MESSAGE).is_ok());
        assert!(meter.count(MAX_MESSAGE).unwrap_err().contains("MiB"));
    }
}
