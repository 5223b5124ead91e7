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
    /// Nobody has answered since.
    is_away: bool,
}

impl Told {
    /// As it is now: what is recorded while nobody delivers is still to be delivered.
    pub(super) fn at(&self, end: u64) -> Vec<SinkNumbers> {
        let since = match self.is_away {
            true => end.saturating_sub(self.end),
            false => 0,
        };
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
            let answer = timeout(PATIENCE, link.sink_numbers()).await;
            let told = &mut mirror.write().sinks;
            match answer {
                Ok(Ok(sinks)) => {
                    *told = Told {
                        sinks,
                        end,
                        is_away: false,
                    }
                }
                Ok(Err(error)) => {
                    told.is_away = true;
                    tracing::debug!("no sinks: {}", error.message());
                }
                Err(_) => {
                    told.is_away = true;
                    tracing::debug!("cpe-notify does not answer");
                }
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
        let mut told = Told {
            sinks: vec![sink(Some(2)), sink(None)],
            end: 10,
            is_away: false,
        };
        assert_eq!(told.at(15), [sink(Some(2)), sink(None)]);
        told.is_away = true;
        assert_eq!(told.at(15), [sink(Some(7)), sink(None)]);
        // Another log.
        assert_eq!(told.at(1), [sink(Some(2)), sink(None)]);
    }
}
