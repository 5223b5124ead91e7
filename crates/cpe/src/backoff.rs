//! A growing pause between attempts, forgotten after a time without trouble.

use std::time::Duration;

use cpe_daemon::Pauses;
use tokio::time::Instant;

/// A DPE that has done its work for this long is healthy; its next failure starts over.
const HEALTHY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Backoff {
    /// Half of each is left to chance, so that DPEs that fail together are not started together.
    pauses: Pauses,
    attempts: u32,
    next: Option<Instant>,
    good_since: Option<Instant>,
}

impl Backoff {
    pub(crate) fn new(initial: Duration, maximum: Duration) -> Backoff {
        Backoff {
            pauses: Pauses::between(initial, maximum),
            attempts: 0,
            next: None,
            good_since: None,
        }
    }

    /// An attempt begins now; the next may follow after the pause, which is at most `longest`.
    pub(crate) fn attempt(&mut self, longest: Duration) {
        self.attempts = self.attempts.saturating_add(1);
        self.next = Some(Instant::now() + self.pauses.next_pause().min(longest));
        self.good_since = None;
    }

    /// All is well now.
    pub(crate) fn good(&mut self) {
        self.good_since.get_or_insert_with(Instant::now);
    }

    /// When the next attempt may begin; `None`: now.
    pub(crate) fn not_before(&mut self) -> Option<Instant> {
        if self
            .good_since
            .is_some_and(|since| since.elapsed() >= HEALTHY)
        {
            self.pauses.reset();
            (self.attempts, self.next, self.good_since) = (0, None, None);
        }
        self.next.filter(|next| *next > Instant::now())
    }

    /// Attempts since all was well.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_pause_grows_up_to_its_maximum_and_is_forgotten_after_a_healthy_time() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, 5 * second);
        assert_eq!(backoff.not_before(), None);
        for (least, most) in [(1.0, 2.0), (2.0, 4.0), (2.5, 5.0), (2.5, 5.0)] {
            backoff.attempt(60 * second);
            let next = backoff.not_before().unwrap();
            let pause = (next - Instant::now()).as_secs_f64();
            assert!((least..=most).contains(&pause), "{pause} s");
            tokio::time::advance(next - Instant::now()).await;
            assert_eq!(backoff.not_before(), None);
        }
        backoff.good();
        tokio::time::advance(HEALTHY).await;
        assert_eq!(backoff.not_before(), None);
        assert_eq!(backoff.attempts(), 0);
        for _ in 0..200 {
            backoff.attempt(60 * second);
        }
        assert!(backoff.not_before().unwrap() - Instant::now() <= 5 * second);
        backoff.attempt(second);
        assert!(backoff.not_before().unwrap() - Instant::now() <= second);
    }
}
