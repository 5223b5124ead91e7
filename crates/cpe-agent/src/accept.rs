//! Taking connections, also when the guest is short of something for a while.

use std::io;
use std::time::Duration;

use cpe_daemon::Pauses;

/// First pause after a connection could not be taken.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// Longest pause: a DPE whose connection waits is kept waiting no longer than it waits itself
/// between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause before a socket is opened again that could not be opened.
const LONGEST_ABSENCE: Duration = Duration::from_secs(2);
/// Failures in a row after which the listener is given up: about five seconds. What a guest lacks
/// for that long may be the socket's fault, and another one is opened.
const ATTEMPTS: usize = 12;

/// Serves a socket for ever: opens it again whenever `serve` fails. Says each reason once.
pub(crate) async fn keep(what: &str, mut serve: impl AsyncFnMut() -> anyhow::Result<()>) {
    let mut pauses = Pauses::between(SHORTEST_PAUSE, LONGEST_ABSENCE);
    let mut said = String::new();
    loop {
        if let Err(error) = serve().await {
            let reason = format!("{error:#}");
            if reason != said {
                tracing::error!("{what} cannot be served, and is tried again: {reason}");
                said = reason;
            }
        }
        tokio::time::sleep(pauses.next_pause()).await;
    }
}

/// The next connection, by an attempt to take one.
///
/// # Errors
/// That of accept(2), if it fails [`ATTEMPTS`] times in a row; at once if the socket's file has
/// gone.
pub(crate) async fn retry<T, F>(mut attempt: impl FnMut() -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut pauses = Pauses::between(SHORTEST_PAUSE, LONGEST_PAUSE);
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be taken; retrying");
                tokio::time::sleep(pauses.next_pause()).await;
            }
        }
    }
    attempt().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_shortage_that_ends_costs_no_connection() {
        let mut failures = 0;
        let taken = retry(|| {
            failures += 1;
            std::future::ready(match failures {
                1..6 => Err(io::Error::from_raw_os_error(24)),
                _ => Ok("connection"),
            })
        });
        assert_eq!(taken.await.unwrap(), "connection");
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_that_was_removed_is_given_up_at_once() {
        let mut failures = 0;
        let taken: io::Result<()> = retry(|| {
            failures += 1;
            std::future::ready(Err(io::ErrorKind::NotFound.into()))
        })
        .await;
        assert!(taken.is_err());
        assert_eq!(failures, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shortage_that_stays_is_given_up() {
        let begin = tokio::time::Instant::now();
        let mut failures = 0;
        let taken: io::Result<()> = retry(|| {
            failures += 1;
            std::future::ready(Err(io::Error::from_raw_os_error(24)))
        })
        .await;
        assert_eq!(taken.unwrap_err().raw_os_error(), Some(24));
        assert_eq!(failures, ATTEMPTS);
        let waited = begin.elapsed();
        assert!(waited < Duration::from_secs(10), "{waited:?}");
    }
}
