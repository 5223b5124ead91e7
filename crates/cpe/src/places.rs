//! Places of orders with an id that are under way: so many in all, and fewer of one principal, so
//! that nobody keeps others from giving orders.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::sync::lock;

/// Orders that are under way at a time. Most end at once, or when a DPE is not waited for any
/// longer; what is tried again, and what an agent was had to do once, may take an hour and more.
pub(crate) const OF_ALL: usize = 64;
/// The same of one principal.
pub(crate) const OF_ONE: usize = 16;

/// A principal, and the id of its order.
type Key = (String, String);

/// The places that are taken, and by how many each is shared.
#[derive(Debug, Default, Clone)]
pub(crate) struct Places(Arc<Mutex<HashMap<Key, usize>>>);

/// The place of an order, until this value is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    key: Key,
}

impl Places {
    /// A place for an order; `None` if too many of its principal, or of all, are under way. Sent
    /// again meanwhile, it takes no further one.
    pub(crate) fn enter(&self, principal: &str, id: &str) -> Option<Place> {
        let mut taken = lock(&self.0);
        let key = (principal.to_owned(), id.to_owned());
        if !taken.contains_key(&key) {
            let own = taken.keys().filter(|(who, _)| who == principal).count();
            if own >= OF_ONE || taken.len() >= OF_ALL {
                return None;
            }
        }
        *taken.entry(key.clone()).or_default() += 1;
        drop(taken);
        Some(self.place(key))
    }

    /// A place for an order that had one before: there is one in any case.
    pub(crate) fn keep(&self, principal: &str, id: &str) -> Place {
        let key = (principal.to_owned(), id.to_owned());
        *lock(&self.0).entry(key.clone()).or_default() += 1;
        self.place(key)
    }

    fn place(&self, key: Key) -> Place {
        let places = self.clone();
        Place { places, key }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.places.0);
        if let Some(shared) = taken.get_mut(&self.key) {
            *shared -= 1;
            if *shared == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_one_principal_nor_all_together_have_more_than_their_share() {
        let places = Places::default();
        let enter = |who: &str, n: usize| places.enter(who, &n.to_string());
        let mut taken: Vec<Place> = (0..OF_ONE).map(|n| enter("token:a", n).unwrap()).collect();
        assert!(enter("token:a", OF_ONE).is_none());
        let again = enter("token:a", 0).expect("it has its place");
        taken.remove(0);
        assert!(enter("token:a", OF_ONE).is_none(), "it is shared still");
        drop(again);
        taken.push(enter("token:a", OF_ONE).unwrap());
        for who in ["token:b", "token:c", "token:d"] {
            taken.extend((0..OF_ONE).map(|n| enter(who, n).unwrap()));
        }
        assert_eq!(taken.len(), OF_ALL);
        assert!(enter("token:e", 0).is_none());
        taken.push(places.keep("token:e", "0"));
        drop(taken);
        assert!(lock(&places.0).is_empty());
    }
}
