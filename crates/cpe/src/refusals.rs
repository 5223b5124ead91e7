//! Which refusals are told: each of a caller and a method once in a while, and few of all together,
//! so that a stranger does not fill the event log.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::sync::lock;

/// The same refusal is told again after that time.
const AGAIN: Duration = Duration::from_secs(600);
/// Refusals within that time, at most.
const MOST: usize = 100;

/// Those that were told lately.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<HashMap<(String, String), Instant>>);

impl Refusals {
    /// Whether to tell that this principal was refused this.
    pub(crate) fn is_news(&self, principal: &str, method: &str) -> bool {
        self.is_news_at(Instant::now(), principal, method)
    }

    fn is_news_at(&self, now: Instant, principal: &str, method: &str) -> bool {
        let mut told = lock(&self.0);
        told.retain(|_, since| now.duration_since(*since) < AGAIN);
        let key = (principal.to_owned(), method.to_owned());
        if told.len() >= MOST || told.contains_key(&key) {
            return false;
        }
        told.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knocks_for_long_is_news_once_in_a_while() {
        let refusals = Refusals::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(refusals.is_news_at(at(0), "user:eve", "Fence"));
        assert!(!refusals.is_news_at(at(1), "user:eve", "Fence"));
        assert!(refusals.is_news_at(at(1), "user:eve", "GetDocument"));
        assert!(refusals.is_news_at(at(1), "user:bob", "Fence"));
        assert!(refusals.is_news_at(at(601), "user:eve", "Fence"));
        let many = (0..10 * MOST).filter(|n| refusals.is_news_at(at(602), &n.to_string(), "Fence"));
        assert!(many.count() <= MOST);
    }
}
