//! Pauses between attempts at what has failed: they grow, and they differ from process to process.
//!
//! There may be a thousand DPEs on a host, and all of them lose the bus in the same instant when it
//! is restarted. Pauses of equal length would bring all of them back in the same instant, again and
//! again. So half of every pause is left to chance.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// A sequence of pauses without an end.
#[derive(Debug)]
pub struct Pauses {
    growth: ExponentialBuilder,
    pauses: ExponentialBackoff,
    longest: Duration,
}

impl Pauses {
    /// Pauses that begin at `shortest`, with up to as much again by chance, and double until they
    /// lie between half of `longest` and `longest`. None is longer than that.
    pub fn between(shortest: Duration, longest: Duration) -> Pauses {
        let growth = ExponentialBuilder::new()
            .with_min_delay(shortest)
            // The jitter is added to the pause and is as long as the pause at most.
            .with_max_delay(longest / 2)
            .with_jitter()
            .without_max_times();
        Pauses {
            growth,
            pauses: growth.build(),
            longest,
        }
    }

    /// The next pause.
    pub fn next_pause(&mut self) -> Duration {
        let pause = self.pauses.next().unwrap_or(self.longest);
        pause.min(self.longest)
    }

    /// Begins again at the shortest one: an attempt has succeeded.
    pub fn reset(&mut self) {
        self.pauses = self.growth.build();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SHORTEST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);

    #[test]
    fn they_grow_to_the_longest_and_begin_again_after_a_success() {
        let mut pauses = Pauses::between(SHORTEST, LONGEST);
        let first = pauses.next_pause();
        assert!((SHORTEST..=SHORTEST * 2).contains(&first), "{first:?}");
        let later = (0..100).map(|_| pauses.next_pause()).collect::<Vec<_>>();
        assert!(later.iter().all(|pause| *pause <= LONGEST), "{later:?}");
        assert!(later[10..].iter().all(|pause| *pause >= LONGEST / 2));
        pauses.reset();
        assert!(pauses.next_pause() <= SHORTEST * 2);
    }

    #[test]
    fn a_thousand_who_fail_together_do_not_come_back_together() {
        let came_back: BTreeSet<u128> = (0..1000)
            .map(|_| {
                let mut pauses = Pauses::between(SHORTEST, LONGEST);
                let waited: Duration = (0..5).map(|_| pauses.next_pause()).sum();
                waited.as_millis() / 100
            })
            .collect();
        // Five pauses last 3.1 s, and up to as much again by chance: 31 slots of 100 ms.
        assert!(came_back.len() > 15, "{came_back:?}");
    }
}
