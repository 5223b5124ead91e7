//! The socket between the tools and the agent: its two ends.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use cpe_bus::PeerAddress;
use cpe_bus::peer::{Access, PeerListener};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::exit_code::DATA_ERROR;
use super::install::install;
use super::{Answer, AttributeRequest, MAX_MESSAGE, socket_path};

/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests that are heard at a time; others wait in the socket's own queue, and their tools give
/// up after [`PATIENCE`].
const MAX_CONNECTIONS: usize = 32;

/// A tool's request, on its way to who answers it.
#[derive(Debug)]
pub struct Asked {
    /// What is wanted.
    pub request: AttributeRequest,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Answer>,
}

/// Opens the socket, for this process's user and root only.
///
/// # Errors
/// Those of [`PeerListener::bind`].
pub async fn bind(state_dir: &Path) -> anyhow::Result<PeerListener> {
    let address = PeerAddress::Unix(socket_path(state_dir));
    let access = Access {
        mode: 0o600,
        group: None,
        allowed_uids: vec![0, rustix::process::geteuid().as_raw()],
    };
    let listener = PeerListener::bind(&address, &access).await;
    listener.map_err(|error| anyhow!(error.message()))
}

/// Brings the tools, opens their socket and takes requests, for ever: what fails is tried again.
pub async fn keep_serving<C: From<Asked> + Send + 'static>(
    state_dir: PathBuf,
    engine: mpsc::Sender<C>,
) {
    crate::accept::keep("the socket for node attributes", async || {
        install(&state_dir)?;
        let listener = bind(&state_dir).await?;
        serve(listener, engine.clone()).await?;
        Ok(())
    })
    .await;
}

/// Takes requests until the listener fails; who has the other end of `engine` answers them.
///
/// # Errors
/// Those of `accept`.
pub async fn serve<C: From<Asked> + Send + 'static>(
    listener: PeerListener,
    engine: mpsc::Sender<C>,
) -> std::io::Result<()> {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await;
        let stream = crate::accept::retry(|| listener.accept()).await?;
        let engine = engine.clone();
        tokio::spawn(async move {
            let answered = tokio::time::timeout(PATIENCE, converse(stream, &engine)).await;
            let late = || anyhow!("it took more than {} s", PATIENCE.as_secs());
            if let Err(error) = answered.unwrap_or_else(|_| Err(late())) {
                tracing::warn!("a request about node attributes failed: {error:#}");
            }
            drop(slot);
        });
    }
}

async fn converse<C: From<Asked>>(
    mut stream: UnixStream,
    engine: &mpsc::Sender<C>,
) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_MESSAGE)? + 1;
    (&mut stream).take(limit).read_to_end(&mut bytes).await?;
    let answer = match read_request(&bytes) {
        Ok(request) => {
            let (reply, answer) = oneshot::channel();
            let ending = "this agent is ending";
            let asked = engine.send(Asked { request, reply }.into()).await;
            asked.ok().context(ending)?;
            answer.await.context(ending)?
        }
        Err(error) => Answer::Refused {
            code: DATA_ERROR,
            message: format!("{error:#}"),
        },
    };
    stream.write_all(&serde_json::to_vec(&answer)?).await?;
    stream.shutdown().await?;
    Ok(())
}

fn read_request(bytes: &[u8]) -> anyhow::Result<AttributeRequest> {
    if bytes.len() > MAX_MESSAGE {
        bail!("the request has more than {MAX_MESSAGE} bytes");
    }
    serde_json::from_slice(bytes).context("this agent does not understand the request")
}

/// Asks the agent with that state folder.
///
/// # Errors
/// If it does not answer; says what to do.
pub fn ask(state_dir: &Path, request: &AttributeRequest) -> anyhow::Result<Answer> {
    let path = socket_path(state_dir);
    let converse = || -> anyhow::Result<Answer> {
        let mut stream = BlockingStream::connect(&path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(&serde_json::to_vec(request)?)?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = Vec::new();
        stream
            .take(u64::try_from(MAX_MESSAGE)?)
            .read_to_end(&mut answer)?;
        if answer.is_empty() {
            bail!("it closed the connection; may this user talk to it?");
        }
        Ok(serde_json::from_slice(&answer)?)
    };
    converse().with_context(|| {
        format!(
            "cpe-agent did not answer at {} (is cpe-agent.service running?)",
            path.display()
        )
    })
}
