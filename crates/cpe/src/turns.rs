//! Turns of those who call DPEs: some at a time in all, and fewer about one deployment, whose DPE
//! may not answer for long. What waits is bounded, too.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::sync::{lock, owned_turn};

/// Bounds of calls of one kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// At the same time, about all deployments.
    pub all: usize,
    /// The same about one.
    pub one: usize,
    /// About one, with those that wait.
    pub waiting: usize,
}

/// The turns of calls of one kind.
#[derive(Debug)]
pub(crate) struct Turns {
    bounds: Bounds,
    all: Arc<Semaphore>,
    /// By deployment, of those about which there are calls.
    ones: Mutex<HashMap<String, Weak<One>>>,
}

/// The calls about one deployment.
#[derive(Debug)]
struct One {
    turns: Arc<Semaphore>,
    there: AtomicUsize,
}

/// A call that waits or is under way; it counts until this value is dropped.
#[derive(Debug)]
struct Place(Arc<One>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.there.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A call's turn, which ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _all: OwnedSemaphorePermit,
    _one: OwnedSemaphorePermit,
    _place: Place,
}

impl Turns {
    pub(crate) fn new(bounds: Bounds) -> Turns {
        Turns {
            bounds,
            all: Arc::new(Semaphore::new(bounds.all)),
            ones: Mutex::default(),
        }
    }

    /// Waits for a turn. `None` if too many calls about this deployment wait already.
    pub(crate) async fn turn(&self, deployment: &str) -> Option<Turn> {
        let place = self.place(deployment)?;
        // First that of the one: who waits for it keeps nobody else from anything.
        let one = owned_turn(&place.0.turns).await;
        Some(Turn {
            _all: owned_turn(&self.all).await,
            _one: one,
            _place: place,
        })
    }

    fn place(&self, deployment: &str) -> Option<Place> {
        let mut ones = lock(&self.ones);
        let there = ones.get(deployment).and_then(Weak::upgrade);
        let one = there.unwrap_or_else(|| {
            ones.retain(|_, one| one.strong_count() > 0);
            let one = Arc::new(One {
                turns: Arc::new(Semaphore::new(self.bounds.one)),
                there: AtomicUsize::new(0),
            });
            ones.insert(deployment.to_owned(), Arc::downgrade(&one));
            one
        });
        // Under the lock, so that nobody else counts at the same time.
        if one.there.load(Ordering::Relaxed) >= self.bounds.waiting {
            return None;
        }
        one.there.fetch_add(1, Ordering::Relaxed);
        Some(Place(one))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        all: 3,
        one: 2,
        waiting: 4,
    };

    async fn soon(turns: &Turns, deployment: &str) -> Option<Option<Turn>> {
        let turn = turns.turn(deployment);
        tokio::time::timeout(Duration::from_millis(10), turn)
            .await
            .ok()
    }

    #[tokio::test(start_paused = true)]
    async fn one_deployment_leaves_turns_to_the_others() {
        let turns = Turns::new(BOUNDS);
        let shop = [soon(&turns, "shop").await, soon(&turns, "shop").await];
        assert!(soon(&turns, "shop").await.is_none(), "it waits");
        let wiki = soon(&turns, "wiki").await;
        assert!(matches!(wiki, Some(Some(_))));
        assert!(soon(&turns, "mail").await.is_none(), "it waits");
        drop(shop);
        assert!(matches!(soon(&turns, "mail").await, Some(Some(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_bounded_and_forgotten_with_who_gives_up() {
        let turns = Turns::new(BOUNDS);
        let held = [soon(&turns, "shop").await, soon(&turns, "shop").await];
        {
            let waiting = [turns.turn("shop"), turns.turn("shop")];
            let mut waiting = waiting.map(Box::pin);
            for turn in &mut waiting {
                assert!(futures_util::poll!(turn).is_pending());
            }
            assert!(turns.turn("shop").await.is_none(), "refused at once");
        }
        assert!(soon(&turns, "shop").await.is_none(), "it waits again");
        drop(held);
        assert!(matches!(soon(&turns, "shop").await, Some(Some(_))));
        drop(soon(&turns, "wiki").await);
        assert_eq!(lock(&turns.ones).len(), 1);
    }
}
