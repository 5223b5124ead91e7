//! One sink: from event to event. What it has dealt with is on disk before it goes on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cpe_bus::Event;
use cpe_daemon::{Pauses, now};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::config::{After, Sink};
use crate::deliver::Deliverer;
use crate::event_log::{EventLog, LOOK, Page, Unread};
use crate::retry::{Outcome, Patience};
use crate::store::{Handle, Position, Step, Store};

/// MESSAGE_ID of the line that says that an event has become a dead letter.
const SINK_FAILED: &str = "4e1c9a0f7d5b4b7c8f3d2a6b91e07c35";
/// MESSAGE_ID of the line that says that retention has removed events that a sink had not seen.
const EVENTS_LOST: &str = "b3d7f2c85a6e4f0d9c1b7e4a2f806d13";
/// MESSAGE_ID of the line that says that a sink begins again in another log.
const OTHER_LOG: &str = "0a94c6de31f74b2e8b5d1c7f6e92a458";

/// Pauses while the log or the disk fails.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a sink does now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Activity {
    /// It looks where it was.
    #[default]
    Starting,
    /// It waits for events.
    Idle,
    /// An attempt is under way.
    Delivering,
    /// It waits for the next attempt, at this time (microseconds since the Unix epoch).
    Waiting(u64),
    /// What it did cannot be saved.
    Stuck,
}

impl Activity {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Activity::Starting => "starting",
            Activity::Idle => "idle",
            Activity::Delivering => "delivering",
            Activity::Waiting(_) => "waiting",
            Activity::Stuck => "stuck",
        }
    }
}

/// What others may ask of a worker, and tell it.
#[derive(Debug, Default)]
pub struct Post {
    activity: Mutex<Activity>,
    counts: Mutex<Counts>,
    /// A dead letter is wanted again.
    pub wake: Notify,
}

/// What came of attempts, since the worker was employed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// An event arrived.
    pub delivered: u64,
    /// It did not, and is tried again.
    pub failed: u64,
    /// It was given up.
    pub given_up: u64,
}

impl Post {
    /// What it does now.
    pub fn activity(&self) -> Activity {
        *self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came of attempts until now.
    pub fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, what: impl FnOnce(&mut Counts) -> &mut u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *what(&mut counts) += 1;
    }

    fn set(&self, activity: Activity) {
        *self.activity.lock().unwrap_or_else(PoisonError::into_inner) = activity;
    }
}

/// One sink's worker.
#[derive(Debug, Clone)]
pub struct Worker<L> {
    /// The sink.
    pub sink: Arc<Sink>,
    /// How its events are delivered.
    pub deliverer: Deliverer,
    /// How long it waits between attempts.
    pub patience: Patience,
    /// Where its events come from.
    pub log: L,
    /// Where it saves how far it is.
    pub store: Handle,
    /// How others reach it.
    pub post: Arc<Post>,
}

impl<L: EventLog> Worker<L> {
    /// Delivers until the task is ended.
    pub async fn run(self) {
        let mut pauses = Pauses::between(SHORTEST_PAUSE, LONGEST_PAUSE);
        let mut said = String::new();
        loop {
            match self.turn().await {
                Ok(()) => {
                    pauses.reset();
                    said.clear();
                }
                Err(error) => {
                    // Once for each trouble, and not with each look.
                    if error != said {
                        tracing::warn!(sink = self.sink.name, "sink {}: {error}", self.sink.name);
                        said = error;
                    }
                    sleep(pauses.next_pause()).await;
                }
            }
        }
    }

    /// Deals with a page of events, or waits for the next.
    async fn turn(&self) -> Result<(), String> {
        self.redeliver().await;
        let mut news = self.log.head();
        news.mark_unchanged();
        let position = self.position().await?;
        let page = match self.log.page(position.cursor, &position.log).await {
            Ok(page) => page,
            Err(Unread::OtherLog(why)) => return self.begin_in_other_log(&why).await,
            Err(Unread::Away(why)) => return Err(format!("the event log cannot be read: {why}")),
        };
        self.report_missing(&position, &page);
        if page.next == position.cursor {
            self.post.set(Activity::Idle);
            tokio::select! {
                changed = timeout(LOOK, news.changed()) => drop(changed),
                () = self.post.wake.notified() => {}
            }
            return Ok(());
        }
        self.deal_with(&position, &page).await;
        Ok(())
    }

    /// Where it is; a new sink begins where its file says.
    async fn position(&self) -> Result<Position, String> {
        let name = self.sink.name.clone();
        let known = self.store.run(move |store| store.position(&name)).await?;
        if let Some(position) = known {
            return Ok(position);
        }
        let (log, end) = self.log.end().await.map_err(|error| error.to_string())?;
        let cursor = match self.sink.after {
            After::Now => end,
            After::Cursor(cursor) if cursor > end => {
                return Err(format!(
                    "after = {cursor} is above the newest event, {end}: it begins when the log is there; after = \"now\" begins now"
                ));
            }
            After::Cursor(cursor) => {
                // What retention removed before is not lost: it never was this sink's.
                let page = self.log.page(cursor, &log).await;
                let page = page.map_err(|error| error.to_string())?;
                let first = page.events.first().map(|event| event.cursor - 1);
                first.unwrap_or(page.next)
            }
        };
        tracing::info!(
            sink = self.sink.name,
            "sink {} begins after event {cursor}",
            self.sink.name
        );
        self.begin(&log, cursor).await?;
        Ok(Position {
            log,
            cursor,
            ..Position::default()
        })
    }

    async fn begin(&self, log: &str, cursor: u64) -> Result<(), String> {
        let (name, log) = (self.sink.name.clone(), log.to_owned());
        self.store
            .run(move |store| store.begin(&name, &log, cursor))
            .await
    }

    /// The log that it was in is gone. Events of the new one may be those that it has delivered
    /// already: they have the same ids.
    async fn begin_in_other_log(&self, why: &str) -> Result<(), String> {
        let (log, _) = self.log.end().await.map_err(|error| error.to_string())?;
        tracing::error!(
            message_id = OTHER_LOG,
            sink = self.sink.name,
            "sink {} begins again with the oldest event: {why}",
            self.sink.name
        );
        self.begin(&log, 0).await
    }

    fn report_missing(&self, position: &Position, page: &Page) {
        let first = page.events.first().map_or(page.next, |event| event.cursor);
        let missing = (page.next - position.cursor).saturating_sub(page.events.len() as u64);
        // A log that begins again has lost what was before its first event, and said so.
        if missing > 0 && position.cursor > 0 {
            tracing::error!(
                message_id = EVENTS_LOST,
                sink = self.sink.name,
                "sink {}: {missing} events after {} were removed from the log before it had looked at them; it goes on with {first} \
                 (events.keep_for and events.keep_count in cpe.toml)",
                self.sink.name,
                position.cursor
            );
        }
    }

    /// Delivers what it wants of a page, and passes the rest.
    async fn deal_with(&self, position: &Position, page: &Page) {
        // Up to `cursor` all is looked at; `missing` of that is not saved yet.
        let (mut cursor, mut missing) = (position.cursor, 0);
        let gap = |from: u64, to: u64| if from == 0 { 0 } else { to - from };
        for event in &page.events {
            missing += gap(cursor, event.cursor - 1);
            cursor = event.cursor;
            if self.sink.wants(event) {
                self.deliver(event, missing, &position.failing).await;
                missing = 0;
                // What somebody wants again does not wait for all that is behind.
                self.redeliver().await;
            }
        }
        missing += gap(cursor, page.next);
        let (sink, next) = (self.sink.name.clone(), page.next);
        self.save(move |store| {
            store.pass(Step {
                sink: &sink,
                cursor: next,
                missing,
            })
        })
        .await;
    }

    /// Tries until the event has arrived or is given up. `failing` was tried before, so often.
    async fn deliver(&self, event: &Event, missing: u64, failing: &(String, u32)) {
        let (id, before) = failing;
        let mut attempts = if *id == event.id { *before } else { 0 };
        let (sink, cursor) = (self.sink.name.clone(), event.cursor);
        loop {
            attempts += 1;
            let (reason, after) = match self.attempt(event).await {
                Outcome::Delivered => {
                    self.post.count(|counts| &mut counts.delivered);
                    self.save(move |store| {
                        store.delivered(Step {
                            sink: &sink,
                            cursor,
                            missing,
                        })
                    })
                    .await;
                    return;
                }
                Outcome::Again { reason, after } if attempts < self.sink.attempts => {
                    (reason, after)
                }
                Outcome::Again { reason, .. } | Outcome::Never { reason } => {
                    return self.give_up(event, missing, attempts, reason).await;
                }
            };
            self.post.count(|counts| &mut counts.failed);
            let pause = self.patience.pause(attempts, after);
            tracing::warn!(
                sink = sink,
                cpe_event_id = event.id,
                "sink {sink}: event {cursor} ({}) did not arrive, attempt {attempts} of {}, next in {:.1} s: {reason}",
                event.kind,
                self.sink.attempts,
                pause.as_secs_f64()
            );
            let (name, id) = (sink.clone(), event.id.clone());
            self.save(move |store| store.failed(&name, &id, attempts, &reason))
                .await;
            self.wait(pause).await;
        }
    }

    async fn attempt(&self, event: &Event) -> Outcome {
        self.post.set(Activity::Delivering);
        self.deliverer.attempt(event).await
    }

    async fn give_up(&self, event: &Event, missing: u64, attempts: u32, reason: String) {
        self.post.count(|counts| &mut counts.given_up);
        let sink = self.sink.name.clone();
        tracing::error!(
            message_id = SINK_FAILED,
            sink = sink,
            cpe_event_id = event.id,
            cpe_event_cursor = event.cursor,
            cpe_deployment = event.deployment,
            "sink {sink} failed: event {} ({}) is a dead letter after {attempts} attempts: {reason}; `cpectl sinks dead {sink}` lists \
             them, `cpectl sinks redeliver {sink}` tries again",
            event.cursor,
            event.kind
        );
        let event = event.clone();
        self.save(move |store| {
            let step = Step {
                sink: &sink,
                cursor: event.cursor,
                missing,
            };
            store.dead(step, &event, attempts, &reason)
        })
        .await;
    }

    /// Waits before the next attempt. Meanwhile dead letters may be wanted.
    async fn wait(&self, pause: Duration) {
        let end = Instant::now() + pause;
        let due = now() + u64::try_from(pause.as_micros()).unwrap_or(0);
        loop {
            self.post.set(Activity::Waiting(due));
            tokio::select! {
                () = tokio::time::sleep_until(end) => return,
                () = self.post.wake.notified() => self.redeliver().await,
            }
        }
    }

    /// Tries each dead letter that somebody wants again, once. One that fails stays what it is.
    async fn redeliver(&self) {
        loop {
            let name = self.sink.name.clone();
            let Ok(Some(event)) = self.store.run(move |store| store.wanted(&name)).await else {
                return;
            };
            let outcome = self.attempt(&event).await;
            let (sink, id) = (self.sink.name.clone(), event.id);
            match outcome {
                Outcome::Delivered => {
                    self.post.count(|counts| &mut counts.delivered);
                    tracing::info!(sink, "sink {sink}: the dead letter {id} has arrived");
                    self.save(move |store| store.revived(&sink, &id)).await;
                }
                Outcome::Again { reason, .. } | Outcome::Never { reason } => {
                    self.post.count(|counts| &mut counts.given_up);
                    tracing::warn!(sink, "sink {sink}: {id} is still a dead letter: {reason}");
                    self.save(move |store| store.still_dead(&sink, &id, &reason))
                        .await;
                }
            }
        }
    }

    /// Saves, for as long as it takes: what is not saved would be delivered again after the next
    /// start.
    async fn save<F>(&self, work: F)
    where
        F: Fn(&mut Store) -> rusqlite::Result<()> + Send + Sync + 'static,
    {
        let mut pauses = Pauses::between(SHORTEST_PAUSE, LONGEST_PAUSE);
        let work = Arc::new(work);
        let mut is_said = false;
        loop {
            let work = Arc::clone(&work);
            let Err(error) = self.store.run(move |store| work(store)).await else {
                return;
            };
            self.post.set(Activity::Stuck);
            if !is_said {
                let name = &self.sink.name;
                tracing::error!(sink = name, "sink {name} waits: {error}");
                is_said = true;
            }
            sleep(pauses.next_pause()).await;
        }
    }
}
