//! The planned end: the guest goes down, or this agent for good.
//!
//! ```text
//!              Leaving                    nothing runs         Left
//! asked to end ───────► the DPE stops ──────────────────────► end
//!                            │ it does not begin, or is late      ▲
//!                            └──────► the agent stops in order ───┘
//! ```
//!
//! The connection stays, and the lease is renewed meanwhile: nothing is lost here, so services may
//! take the time that they need. Where a stop fails, the agent stays and lets the lease run out.

use std::time::Duration;

use cpe_bus::{Leaving, Operation};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Engine;
use super::commands::Outgoing;
use super::log::log;
use super::stopping::{Cause, Phase};
use crate::ending::Ending;
use crate::lease::Lease;

/// How long the DPE may take until it asks for the first stop.
const FIRST_STOP: Duration = Duration::from_secs(5);
/// How long the last signal may take to leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a leaving agent waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    /// Until then the services are the DPE's business.
    pub until: Instant,
    /// It has begun to stop them.
    begun: bool,
}

/// Whether an operation brings a service, or more of it, to a guest.
pub(super) fn begins(operation: &Operation) -> bool {
    matches!(
        operation.action.as_str(),
        "start" | "promote" | "migrate_from" | "restart"
    )
}

impl Engine {
    /// Tells the DPE that this guest leaves, or stops everything where there is no DPE.
    pub(super) fn leave(&mut self, ending: Ending) {
        let reason = match ending {
            Ending::Shutdown => "shutdown",
            Ending::ForGood | Ending::ToComeBack => "stop",
        };
        let leaving = Outgoing::Leaving(Leaving {
            reason: reason.to_owned(),
            wait_ms: u32::try_from(FIRST_STOP.as_millis()).unwrap_or(u32::MAX),
        });
        let told = self
            .peer
            .as_ref()
            .is_some_and(|peer| peer.outbox.try_send(leaving).is_ok());
        if told {
            log!(
                info,
                self.identity,
                reason,
                "leaving: the DPE moves the services"
            );
            self.leaving = Some(Patience {
                until: Instant::now() + FIRST_STOP,
                begun: false,
            });
        } else {
            self.begin_stopping(Cause::Ending);
        }
    }

    /// Takes what would begin something out of the lanes: it has waited, and must not begin now.
    pub(super) fn drop_waiting_starts(&mut self) {
        let waiting = self.lanes.values().flat_map(|lane| &lane.queue);
        let waiting = waiting.map(|(call_id, _)| *call_id);
        let starts: Vec<u32> = waiting
            .chain(self.due.keys().copied())
            .filter(|call_id| {
                self.records
                    .get(call_id)
                    .is_some_and(|record| begins(&record.operation))
            })
            .collect();
        for call_id in starts {
            self.cancel_record(call_id);
        }
    }

    /// Takes in that the DPE asks for something while this guest leaves.
    pub(super) fn asked_while_leaving(&mut self, operation: &Operation) {
        let stops = matches!(operation.action.as_str(), "stop" | "migrate_to" | "demote");
        if let Some(patience) = &mut self.leaving
            && stops
            && !patience.begun
        {
            let all = Duration::from_millis(u64::from(self.identity.stop_timeout_ms));
            patience.begun = true;
            patience.until = Instant::now() + all.max(FIRST_STOP);
        }
    }

    /// Looks how far the leaving is: called whenever something has happened.
    pub(super) fn watch_leaving(&mut self) {
        let Some(patience) = self.leaving else { return };
        if !matches!(self.phase, Phase::Serving) {
            self.leaving = None;
        } else if self.active().is_empty() {
            self.leaving = None;
            self.say_left();
        } else if Instant::now() >= patience.until {
            self.leaving = None;
            log!(
                warn,
                self.identity,
                "the DPE has not stopped all services; the agent does"
            );
            self.begin_stopping(Cause::Ending);
        }
    }

    /// Says that nothing runs here any more. Not said where that is not sure.
    pub(super) fn say_left(&mut self) {
        if self.incomplete {
            return;
        }
        self.left = true;
        self.lease = Lease::default();
        if let Err(error) = self.store.write_lease(&self.lease) {
            log!(error, self.identity, %error, "the end of the lease cannot be recorded");
        }
        let (sent, farewell) = oneshot::channel();
        if let Some(peer) = &self.peer
            && peer.outbox.try_send(Outgoing::Left(sent)).is_ok()
        {
            self.farewell = Some(farewell);
        }
    }

    /// Waits until the last signal is on its way.
    pub(super) async fn finish_farewell(&mut self) {
        if let Some(farewell) = self.farewell.take() {
            let _ = tokio::time::timeout(FAREWELL, farewell).await;
        }
    }
}
