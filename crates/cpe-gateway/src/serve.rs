//! The accept loops: own ones, since whoever accepts decides how many may come, and how long they
//! may take to say what they want.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::identity::{CertificateEnd, Peer, name_of};
use crate::limits::{Place, Places};
use crate::settings::Limits;
use crate::sockets::Sockets;
use crate::tls::Tls;

/// The head of a request is there by then, or the connection is closed; so is an idle one.
const HEAD: Duration = Duration::from_secs(10);
/// A TLS handshake is done by then.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Who takes nothing for so long is gone.
const WRITE: Duration = Duration::from_secs(30);
/// Bytes of a head.
const MAX_HEAD: usize = 64 * 1024;
/// Pause after a connection could not be accepted: there are too many files, perhaps.
const PAUSE: Duration = Duration::from_millis(100);
/// A connection takes requests for so long: who has lost its certificate shows that on the next.
const AGE: Duration = Duration::from_secs(60);
/// At the end, what is being answered is waited for so long.
const GRACE: Duration = Duration::from_secs(3);

/// What the loops of one kind of socket share. Strangers elsewhere take no place of this host's
/// users.
#[derive(Clone)]
struct Doors {
    router: Router,
    all: Arc<Semaphore>,
    peers: Arc<Places>,
    is_ending: watch::Receiver<bool>,
}

/// A connection's place, also of what is still being done for one that was given up.
struct Inside {
    _one: OwnedSemaphorePermit,
    _of_peer: Place,
}

/// Serves until told to end; then lets what is being answered come to an end.
pub async fn serve(
    router: Router,
    sockets: Sockets,
    tls: Option<Arc<Tls>>,
    limits: &Limits,
    is_ending: watch::Receiver<bool>,
) {
    let mut ending = is_ending.clone();
    let doors = || Doors {
        router: router.clone(),
        all: Arc::new(Semaphore::new(limits.connections)),
        peers: Places::new(limits.connections_per_peer, limits.connections),
        is_ending: is_ending.clone(),
    };
    let (users, remote) = (doors(), doors());
    let mut loops = JoinSet::new();
    for socket in sockets.http {
        loops.spawn(accept_users(socket, users.clone()));
    }
    for socket in sockets.https {
        if let Some(tls) = &tls {
            loops.spawn(accept_remote(socket, Arc::clone(tls), remote.clone()));
        }
    }
    ended(&mut ending).await;
    loops.shutdown().await;
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let done = async {
        let _ = users.all.acquire_many(all).await;
        let _ = remote.all.acquire_many(all).await;
    };
    let _ = timeout(GRACE, done).await;
}

/// Comes when the end does.
async fn ended(is_ending: &mut watch::Receiver<bool>) {
    // If nobody can say so any more, it has come.
    let _ = is_ending.wait_for(|is_ending| *is_ending).await.map(drop);
}

async fn accept_users(socket: UnixListener, doors: Doors) {
    loop {
        let Some((stream, one)) = next(&doors, socket.accept()).await else {
            continue;
        };
        let Ok(credentials) = stream.peer_cred() else {
            continue;
        };
        let peer = Peer::User(credentials.uid());
        let Some(inside) = doors.enter(&peer, one) else {
            continue;
        };
        let doors = doors.clone();
        tokio::spawn(async move {
            let stream: UnixStream = stream;
            doors.answer(stream, peer, None, inside).await;
        });
    }
}

async fn accept_remote(socket: TcpListener, tls: Arc<Tls>, doors: Doors) {
    loop {
        let accept = async {
            let (stream, address) = socket.accept().await?;
            Ok(((stream, address.ip()), ()))
        };
        let Some(((stream, address), one)) = next(&doors, accept).await else {
            continue;
        };
        let Some(inside) = doors.enter(&Peer::Remote(address, None), one) else {
            continue;
        };
        let (doors, config) = (doors.clone(), tls.config());
        tokio::spawn(async move {
            let stream: TcpStream = stream;
            let shaken = timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await;
            let Ok(Ok(stream)) = shaken else {
                return;
            };
            let certificates = stream.get_ref().1.peer_certificates();
            let certificate = certificates.and_then(|all| all.first());
            let end = certificate.and_then(|certificate| CertificateEnd::of(certificate));
            let name = match certificate {
                Some(certificate) => match name_of(certificate) {
                    Some(name) => Some(name),
                    // It may not be taken for somebody without a certificate.
                    None => {
                        tracing::warn!(%address, "a certificate without one name was refused");
                        return;
                    }
                },
                None => None,
            };
            let peer = Peer::Remote(address, name);
            doors.answer(stream, peer, end, inside).await;
        });
    }
}

/// The next connection, when there is room for one.
async fn next<S, A>(
    doors: &Doors,
    accept: impl Future<Output = io::Result<(S, A)>>,
) -> Option<(S, OwnedSemaphorePermit)> {
    let one = Arc::clone(&doors.all).acquire_owned().await.ok()?;
    match accept.await {
        Ok((stream, _)) => Some((stream, one)),
        Err(error) => {
            tracing::warn!("a connection cannot be accepted: {error}");
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}

impl Doors {
    fn enter(&self, peer: &Peer, one: OwnedSemaphorePermit) -> Option<Inside> {
        let of_peer = self.peers.enter(&peer.key())?;
        Some(Inside {
            _one: one,
            _of_peer: of_peer,
        })
    }

    async fn answer<S>(mut self, stream: S, peer: Peer, end: Option<CertificateEnd>, inside: Inside)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(WRITE));
        let router = self.router.clone();
        let inside = Arc::new(inside);
        let place = Arc::clone(&inside);
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer.clone());
            if let Some(end) = end {
                request.extensions_mut().insert(end);
            }
            let (router, place) = (router.clone(), Arc::clone(&place));
            // Who hangs up does not cancel what was begun: it is done to its end, and recorded.
            let done = tokio::spawn(async move {
                let answer = router.oneshot(request).await;
                drop(place);
                answer
            });
            async move {
                let Ok(answer) = done.await?;
                Ok::<_, JoinError>(answer)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(Box::pin(stream)), service);
        let mut connection = std::pin::pin!(connection);
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = ended(&mut self.is_ending) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = tokio::time::sleep(AGE) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = outcome {
            tracing::debug!("a connection ended: {error}");
        }
        drop(inside);
    }
}
