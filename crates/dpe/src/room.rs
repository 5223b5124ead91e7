//! Whether there is room for every service after a loss: found out beside the loop, within a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use controller::{Refusal, RoomAnswer, RoomDetail, RoomInput};
use cpe_status::RoomReport;
use tokio::task::JoinSet;

use crate::clock;

/// How long an answer for somebody who waits may take: the CPE gives a DPE a minute.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same of a document that somebody is about to deploy, and waits for that.
const HASTE: Duration = Duration::from_secs(5);
/// How long the answer for status and events may take: nobody waits, and a busy host is slow.
const LEISURE: Duration = Duration::from_secs(60);

/// Answers with reasons and remedies, for somebody who waits.
///
/// # Errors
/// As of [`RoomInput::answer_in`].
pub(crate) fn answer(input: &RoomInput) -> Result<RoomReport, Refusal> {
    let end = Instant::now() + PATIENCE;
    let mut goes_on = || Instant::now() < end;
    input.answer_in(clock::zone, RoomDetail::Advice, &mut goes_on)
}

/// Answers for who deploys a document: first what does not hold, then why, while there is time.
///
/// # Errors
/// As of [`RoomInput::answer_first`].
pub(crate) fn answer_first(input: &RoomInput) -> Result<RoomReport, Refusal> {
    let end = Instant::now() + HASTE;
    input.answer_first(clock::zone, &mut || Instant::now() < end)
}

/// Answers for status and events, each on a thread of its own. One that a later question has
/// overtaken ends early.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    latest: Arc<AtomicU64>,
    tasks: JoinSet<RoomAnswer>,
}

impl Answers {
    /// Begins to answer. `Err`: the controller cannot ask now.
    pub(crate) fn begin(&mut self, number: u64, input: Result<RoomInput, Refusal>) {
        self.latest.store(number, Ordering::Relaxed);
        let latest = Arc::clone(&self.latest);
        self.tasks.spawn_blocking(move || {
            let outcome = input.map_err(|refusal| refusal.to_string());
            let outcome = outcome.and_then(|input| at_leisure(&input, number, &latest));
            if let Err(reason) = &outcome {
                tracing::warn!("whether there is room after a loss is not known: {reason}");
            }
            RoomAnswer { number, outcome }
        });
    }

    /// The next answer that is there; `None` while there is none to wait for.
    pub(crate) async fn next(&mut self) -> Option<RoomAnswer> {
        self.tasks.join_next().await?.ok()
    }
}

fn at_leisure(input: &RoomInput, number: u64, latest: &AtomicU64) -> Result<RoomReport, String> {
    let end = Instant::now() + LEISURE;
    let mut goes_on = || Instant::now() < end && latest.load(Ordering::Relaxed) == number;
    let work = || input.answer_in(clock::zone, RoomDetail::Services, &mut goes_on);
    match cpe_daemon::confine(work) {
        Ok(answer) => answer.map_err(|refusal| refusal.to_string()),
        Err(panicked) => Err(panicked.to_string()),
    }
}
