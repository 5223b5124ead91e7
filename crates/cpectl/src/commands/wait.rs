//! What `deploy --wait` and `destroy --wait` have in common.

use std::time::Duration;

use tokio::time::Instant;

use crate::cells::duration;
use crate::client::Client;
use crate::failure::{Failure, Kind};
use crate::follow::Filter;

/// A longer wait ends after this time: the clock's range is not much larger.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// When a wait ends that begins now.
pub(crate) fn deadline(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(LONGEST)
}

/// Where the event log ends now.
pub(crate) async fn newest_cursor(client: &Client) -> Result<u64, Failure> {
    // No event is of this kind: the reply is only where the log ends.
    let nothing = Filter {
        kind: "none.such".into(),
        ..Filter::default()
    };
    let events = client.events().await?;
    let (_, next) = events.query(0, 1, nothing.to_fields()).await?;
    Ok(next)
}

/// Failure of a wait that took too long; `state` is what the deployment is not yet.
pub(crate) fn timed_out(name: &str, state: &str, timeout: Duration) -> Failure {
    Failure::new(
        Kind::Timeout,
        format!(
            "deployment {name} is not {state} after {}; the work goes on",
            duration(timeout)
        ),
    )
}
