//! How many fence agents this DPE has run at a time, and how fast it asks for them.
//!
//! systemd has so many places for a deployment, and no longer listens to one that connects too
//! often (`cpe-fence@.socket`). Who waits here for a place is served in turn; who is hung up on
//! there tries again later.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// At a time: somewhat fewer than systemd's `MaxConnections=32`, which counts a run until it has
/// been cleared away.
const AT_A_TIME: usize = 30;
/// Between two connections: 133 in two seconds. systemd from 255 on waits after 150, and ours stops
/// listening after `TriggerLimitBurst=300`.
const APART: Duration = Duration::from_millis(15);

/// The places of one deployment. Its copies are the same.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    /// When the next one may connect.
    next: Arc<Mutex<Instant>>,
}

impl Default for Places {
    fn default() -> Places {
        Places {
            free: Arc::new(Semaphore::new(AT_A_TIME)),
            next: Arc::new(Mutex::new(Instant::now())),
        }
    }
}

impl Places {
    /// Waits until one more may connect. It has its place until that is dropped.
    pub(super) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        // They are never closed.
        let place = Arc::clone(&self.free).acquire_owned().await.ok();
        let mut next = self.next.lock().await;
        sleep_until(*next).await;
        *next = Instant::now() + APART;
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_have_a_place_and_no_more_connect_in_a_moment() {
        let places = Places::default();
        let began = Instant::now();
        let mut held = Vec::new();
        for _ in 0..AT_A_TIME {
            held.push(places.take().await);
        }
        assert!(began.elapsed() >= APART * 29, "{:?}", began.elapsed());
        let waits = tokio::time::timeout(Duration::from_secs(60), places.take());
        assert!(waits.await.is_err(), "there is no place left");
        held.pop();
        places.take().await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_takes_nothing() {
        let places = Places::default();
        let not_yet = places.next.lock().await;
        for _ in 0..AT_A_TIME * 2 {
            let gives_up = tokio::time::timeout(APART, places.take());
            assert!(gives_up.await.is_err());
        }
        drop(not_yet);
        places.take().await;
    }
}
