//! How the delivery of events stands: asked of `cpe-notify` now and then, and not by who wants to
//! know it.

use std::sync::Arc;
use std::time::Duration;

use cpe_status::SinkNumbers;
use tokio::time::{sleep, timeout};

use super::Mirror;

/// Pause between two questions.
const EVERY: Duration = Duration::from_secs(10);
/// An answer that is not there by then is asked for later.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was told last, and where the log ended then.
#[derive(Debug, Default)]
pub(super) struct Told {
    sinks: Vec<SinkNumbers>,
    end: u64,
}

impl Told {
    /// As it is now: what is recorded while nobody delivers is still to be delivered.
    pub(super) fn at(&self, end: u64) -> Vec<SinkNumbers> {
        let since = end.saturating_sub(self.end);
        let sinks = self.sinks.iter();
        let later = |sink: &SinkNumbers| SinkNumbers {
            lag: sink.lag.map(|lag| lag.saturating_add(since)),
            ..sink.clone()
        };
        sinks.map(later).collect()
    }
}

/// Asks for as long as the process lives.
pub(super) async fn run(mirror: Arc<Mirror>) {
    loop {
        if let Some(link) = mirror.link() {
            let end = mirror.with_ring(super::Ring::end);
            match timeout(PATIENCE, link.sink_numbers()).await {
                Ok(Ok(sinks)) => mirror.write().sinks = Told { sinks, end },
                Ok(Err(error)) => tracing::debug!("no sinks: {}", error.message()),
                Err(_) => tracing::debug!("cpe-notify does not answer"),
            }
        }
        sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_nobody_delivers_what_is_recorded_waits() {
        let sink = |lag| SinkNumbers {
            name: "pager".into(),
            lag,
            ..SinkNumbers::default()
        };
        let told = Told {
            sinks: vec![sink(Some(2)), sink(None)],
            end: 10,
        };
        assert_eq!(told.at(10), [sink(Some(2)), sink(None)]);
        assert_eq!(told.at(15), [sink(Some(7)), sink(None)]);
        // Another log.
        assert_eq!(told.at(1), [sink(Some(2)), sink(None)]);
    }
}
