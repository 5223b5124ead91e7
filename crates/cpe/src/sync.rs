//! Locks and semaphores, without the errors that cannot occur here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Locks. Every critical section of this program leaves its value whole, also one that panics, so a
/// poisoned lock is as good as any other.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a turn, which ends when the value is dropped.
pub(crate) async fn turn(semaphore: &Semaphore) -> SemaphorePermit<'_> {
    semaphore
        .acquire()
        .await
        .expect("invariant: no semaphore of this program is closed")
}

/// [`turn`], for a value that outlives the borrow.
pub(crate) async fn owned_turn(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(semaphore)
        .acquire_owned()
        .await
        .expect("invariant: no semaphore of this program is closed")
}
