//! Names of users.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::unistd::{Uid, User};
use tokio::time::Instant;

/// A name is believed for so long.
const LIFE: Duration = Duration::from_secs(60);
/// Names that are remembered.
const MOST: usize = 1000;

/// Names that were looked up.
#[derive(Debug, Default)]
pub struct Users(Mutex<HashMap<u32, (String, Instant)>>);

impl Users {
    /// The name of a user; `None` if there is no such user.
    pub async fn name(&self, uid: u32) -> Option<String> {
        if let Some(name) = self.known(uid) {
            return Some(name);
        }
        // Users may come from a directory service: not on the event loop.
        let looked_up = tokio::task::spawn_blocking(move || User::from_uid(Uid::from_raw(uid)));
        let name = looked_up.await.ok()?.ok()??.name;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(uid, (name.clone(), Instant::now()));
        Some(name)
    }

    fn known(&self, uid: u32) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, since) = known.get(&uid)?;
        (since.elapsed() < LIFE).then(|| name.clone())
    }
}
