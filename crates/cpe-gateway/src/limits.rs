//! How often, and how much at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// Callers that are remembered; those that have asked for nothing lately are forgotten first.
const MOST: usize = 10_000;

/// Lets each caller do something so many times a second, and some more at once.
#[derive(Debug)]
pub struct Rate {
    per_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    seen: Instant,
}

impl Rate {
    /// `per_second` for long, `burst` at once.
    pub fn new(per_second: f64, burst: u32) -> Rate {
        Rate {
            per_second,
            burst: f64::from(burst),
            buckets: Mutex::default(),
        }
    }

    /// Lets `who` do it once more.
    ///
    /// # Errors
    /// The seconds after which it may.
    pub fn take(&self, who: &str) -> Result<(), u64> {
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST && !buckets.contains_key(who) {
            // A bucket that is full again says nothing.
            let full = self.burst / self.per_second;
            buckets.retain(|_, bucket| (now - bucket.seen).as_secs_f64() < full);
            if buckets.len() >= MOST {
                return Err(1);
            }
        }
        let bucket = buckets.entry(who.to_owned()).or_insert(Bucket {
            left: self.burst,
            seen: now,
        });
        let since = (now - bucket.seen).as_secs_f64();
        bucket.left = (bucket.left + since * self.per_second).min(self.burst);
        bucket.seen = now;
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            return Ok(());
        }
        let seconds = ((1.0 - bucket.left) / self.per_second).ceil();
        // Between one second and an hour: a whole number that fits.
        Err(std::time::Duration::from_secs_f64(seconds.clamp(1.0, 3600.0)).as_secs())
    }
}

/// So many at once for each caller, and so many in all.
#[derive(Debug)]
pub struct Places {
    each: usize,
    all: usize,
    taken: Mutex<HashMap<String, usize>>,
}

/// A place; free again when it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    who: String,
}

impl Places {
    /// `each` for one caller, `all` together.
    pub fn new(each: usize, all: usize) -> Arc<Places> {
        Arc::new(Places {
            each,
            all,
            taken: Mutex::default(),
        })
    }

    /// A place for `who`; `None` if there is none left.
    pub fn enter(self: &Arc<Places>, who: &str) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(who).copied().unwrap_or(0);
        if own >= self.each || taken.values().sum::<usize>() >= self.all {
            return None;
        }
        taken.insert(who.to_owned(), own + 1);
        Some(Place {
            places: Arc::clone(self),
            who: who.to_owned(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self
            .places
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.who) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_caller_may_burst_and_then_wait() {
        let rate = Rate::new(2.0, 3);
        for _ in 0..3 {
            assert_eq!(rate.take("a"), Ok(()));
        }
        assert_eq!(rate.take("a"), Err(1));
        assert_eq!(rate.take("b"), Ok(()), "another caller is not affected");
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(rate.take("a"), Ok(()));
        assert_eq!(rate.take("a"), Err(1));
    }

    #[test]
    fn places_are_free_again() {
        let places = Places::new(2, 3);
        let one = places.enter("a").unwrap();
        let _two = places.enter("a").unwrap();
        assert!(places.enter("a").is_none());
        let _three = places.enter("b").unwrap();
        assert!(places.enter("b").is_none(), "three in all");
        drop(one);
        assert!(places.enter("a").is_some());
    }
}
