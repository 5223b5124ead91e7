//! Many seeds, on several threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs `count` seeds from the first one on in `jobs` threads (0: as many as there are processors),
/// and has `add` take what came of each, in any order.
pub fn each_seed<T>(
    from: u64,
    count: u64,
    jobs: usize,
    run: impl Fn(u64) -> T + Sync,
    add: impl FnMut(T) + Send,
) {
    let jobs = match jobs {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        jobs => jobs,
    };
    let next = AtomicU64::new(from);
    let add = Mutex::new(add);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + count {
                return;
            }
            let outcome = run(seed);
            if let Ok(mut add) = add.lock() {
                add(outcome);
            }
        }
    };
    // Without further threads an allocator needs no locks.
    std::thread::scope(|scope| {
        for _ in 1..jobs {
            scope.spawn(work);
        }
        work();
    });
}
