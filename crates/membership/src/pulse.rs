//! A watch that has nothing to tell looks like one that hangs. So one key is written once a second,
//! by whichever host finds that the watch is silent: the machine begins a watch again that does not
//! reach what a transaction has seen.
//!
//! etcd can be asked how far a watch is, but versions that are in use may name a revision that the
//! watch has not told of yet (etcd #15220).

use std::time::Duration;

use crate::store::Calls;

/// A watch that has been silent for so long, µs, and for up to half as much more, by chance, so
/// that not all hosts write at once.
const SILENT_US: u64 = 1_000_000;

/// Writes the pulse whenever the watch is silent.
pub(crate) async fn keep(calls: Calls) {
    loop {
        let patience_us = SILENT_US + fastrand::u64(..SILENT_US / 2);
        let silent_us = calls.seen.silent_us();
        if silent_us >= patience_us {
            calls.beat().await;
        }
        let left_us = patience_us.saturating_sub(silent_us);
        let pause_us = if left_us == 0 { SILENT_US / 2 } else { left_us };
        tokio::time::sleep(Duration::from_micros(pause_us)).await;
    }
}
