//! An HTTP server that answers as it is told, and keeps what it was sent. It shares no code with
//! what is tested.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// A request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub line: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Seen {
    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }
}

/// Answers the n-th request, from 0; `None`: never, it waits.
pub(crate) type Answer = dyn Fn(usize) -> Option<String> + Send + Sync;

#[derive(Clone)]
pub(crate) struct Server {
    pub port: u16,
    pub seen: Arc<Mutex<Vec<Seen>>>,
}

/// An answer with a status and nothing else.
pub(crate) fn status(status: u16) -> Option<String> {
    Some(format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n"))
}

impl Server {
    pub(crate) async fn start(
        answer: impl Fn(usize) -> Option<String> + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server {
            port: listener.local_addr().unwrap().port(),
            seen: Arc::default(),
        };
        let (seen, answer): (_, Arc<Answer>) = (Arc::clone(&server.seen), Arc::new(answer));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&seen), Arc::clone(&answer)));
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook?key=1", self.port)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The ids in the order in which they came, each as often as it did.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.seen()
            .iter()
            .map(|seen| seen.id().to_owned())
            .collect()
    }
}

/// Reads one request and answers it.
pub(crate) async fn serve<S>(stream: S, seen: Arc<Mutex<Vec<Seen>>>, answer: Arc<Answer>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = BufReader::new(stream);
    let mut request = Seen::default();
    stream.read_line(&mut request.line).await.unwrap();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        request
            .headers
            .insert(name.to_lowercase(), value.to_owned());
    }
    let length = request.headers.get("content-length");
    let length = length.and_then(|text| text.parse().ok()).unwrap_or(0);
    request.body = vec![0; length];
    stream.read_exact(&mut request.body).await.unwrap();
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(request);
        seen.len() - 1
    };
    match answer(number) {
        Some(text) => drop(stream.write_all(text.as_bytes()).await),
        None => std::future::pending().await,
    }
}
