//! All sinks: each has a worker, and keeps it for as long as its file says the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use cpe_bus::{Error, Event, Result};
use cpe_daemon::now;
use cpe_status::{
    DeadLetterList, RefusedSink, SinkList, SinkNumbers, SinkNumbersList, SinkStatus, SinkTest,
};
use tokio::task::JoinHandle;

use crate::config::{self, Config, Places, Sink};
use crate::deliver::{Confinement, Deliverer};
use crate::event_log::EventLog;
use crate::retry::{Outcome, Patience};
use crate::store::{Handle, Position};
use crate::worker::{Activity, Post, Worker};

/// The kind of the event that a test sends.
const TEST_KIND: &str = "sink.test";

/// All sinks.
#[derive(Debug)]
pub struct Sinks<L> {
    places: Places,
    confinement: Confinement,
    patience: Patience,
    log: L,
    store: Handle,
    current: Mutex<Current>,
}

#[derive(Debug, Default)]
struct Current {
    workers: BTreeMap<String, Employed>,
    refused: Vec<RefusedSink>,
}

#[derive(Debug)]
struct Employed {
    sink: Arc<Sink>,
    deliverer: Deliverer,
    post: Arc<Post>,
    task: JoinHandle<()>,
}

impl Drop for Employed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<L: EventLog> Sinks<L> {
    /// None yet: [`Sinks::load`] reads the files.
    pub fn new(places: Places, confinement: Confinement, log: L, store: Handle) -> Sinks<L> {
        Sinks {
            places,
            confinement,
            patience: Patience::default(),
            log,
            store,
            current: Mutex::default(),
        }
    }

    /// With other pauses between attempts.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Sinks<L> {
        Sinks { patience, ..self }
    }

    /// Reads the files, now or again. A sink whose file says the same goes on undisturbed; an
    /// attempt of another is given up, and made again. How many sinks there are, and how many files
    /// are none.
    pub fn load(&self) -> (usize, usize) {
        let config = Config::load(&self.places);
        let mut current = self.current();
        let mut former = std::mem::take(&mut current.workers);
        current.refused = config.refused;
        for sink in config.sinks {
            let same = former
                .remove(&sink.name)
                .filter(|employed| *employed.sink == sink);
            let name = sink.name.clone();
            match same.map_or_else(|| self.employ(sink), Ok) {
                Ok(employed) => drop(current.workers.insert(name, employed)),
                Err(refused) => current.refused.push(refused),
            }
        }
        for refused in &current.refused {
            tracing::error!("refused: {refused}");
        }
        (current.workers.len(), current.refused.len())
    }

    fn employ(&self, sink: Sink) -> std::result::Result<Employed, RefusedSink> {
        let deliverer = Deliverer::new(&sink, &self.confinement).map_err(|error| {
            let file = self.places.folder.join(format!("{}.toml", sink.name));
            config::refused(&file, format!("{error:#}"))
        })?;
        let (sink, post) = (Arc::new(sink), Arc::new(Post::default()));
        let worker = Worker {
            sink: Arc::clone(&sink),
            deliverer: deliverer.clone(),
            patience: self.patience,
            log: self.log.clone(),
            store: self.store.clone(),
            post: Arc::clone(&post),
        };
        Ok(Employed {
            sink,
            deliverer,
            post,
            task: tokio::spawn(worker.run()),
        })
    }

    /// Has all workers end, and waits until they have. What one was just delivering is delivered
    /// again by its successor.
    pub async fn end(&self) {
        let workers = std::mem::take(&mut self.current().workers);
        for (_, mut employed) in workers {
            employed.task.abort();
            let _ = (&mut employed.task).await;
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How all of them stand.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn list(&self) -> Result<SinkList> {
        let (workers, refused) = {
            let current = self.current();
            let workers = current.workers.values();
            let workers: Vec<_> = workers
                .map(|own| (Arc::clone(&own.sink), own.post.activity()))
                .collect();
            (workers, current.refused.clone())
        };
        let (end, log) = match self.log.end().await {
            Ok(end) => (Some(end), String::new()),
            Err(error) => (None, error.to_string()),
        };
        let mut sinks = Vec::with_capacity(workers.len());
        for (sink, activity) in workers {
            let name = sink.name.clone();
            let read = self.store.run(move |store| {
                let position = store.position(&name)?;
                Ok((position, store.count_dead(&name)?))
            });
            let (position, dead) = read.await.map_err(Error::Failed)?;
            sinks.push(status(&sink, activity, position, dead, end.as_ref()));
        }
        Ok(SinkList {
            sinks,
            refused,
            log,
        })
    }

    /// What can be counted of all of them.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn numbers(&self) -> Result<SinkNumbersList> {
        let workers: Vec<_> = {
            let current = self.current();
            let workers = current.workers.iter();
            workers
                .map(|(name, own)| (name.clone(), own.post.counts()))
                .collect()
        };
        let end = self.log.end().await.ok();
        let mut sinks = Vec::with_capacity(workers.len());
        for (name, counts) in workers {
            let sink = name.clone();
            let read = self.store.run(move |store| store.position(&sink)).await;
            let position = read.map_err(Error::Failed)?.unwrap_or_default();
            sinks.push(SinkNumbers {
                name,
                lag: lag(&position, end.as_ref()),
                last_success: position.last_success,
                delivered: counts.delivered,
                failed: counts.failed,
                given_up: counts.given_up,
            });
        }
        Ok(SinkNumbersList { sinks })
    }

    /// The dead letters of a sink.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such sink.
    pub async fn dead(&self, name: &str) -> Result<DeadLetterList> {
        self.known(name)?;
        let name = name.to_owned();
        let read = self.store.run(move |store| store.dead_letters(&name));
        read.await.map_err(Error::Failed)
    }

    /// Has a dead letter of a sink (empty: all of them) tried once more; how many.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such sink, or no such dead letter.
    pub async fn redeliver(&self, name: &str, id: &str) -> Result<u32> {
        let (_, post) = self.known(name)?;
        let (sink, letter) = (name.to_owned(), id.to_owned());
        let wanted = self
            .store
            .run(move |store| store.want_again(&sink, &letter));
        let wanted = wanted.await.map_err(Error::Failed)?;
        if wanted == 0 && !id.is_empty() {
            return Err(Error::NotFound(format!(
                "sink {name} has no dead letter `{id}`; `cpectl sinks dead {name}` lists them"
            )));
        }
        post.wake.notify_one();
        Ok(wanted)
    }

    /// Sends an event that is made up to a sink, now and once.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such sink.
    pub async fn test(&self, name: &str) -> Result<SinkTest> {
        let (deliverer, _) = self.known(name)?;
        let event = Event {
            kind: TEST_KIND.to_owned(),
            reason: format!("a test of sink {name}: nothing happened"),
            ..Event::new(cpe_bus::EventKind::DeploymentAdministered, "", now())
        };
        let begin = Instant::now();
        let outcome = deliverer.attempt(&event).await;
        let took = begin.elapsed().as_millis();
        let error = match outcome {
            Outcome::Delivered => String::new(),
            Outcome::Again { reason, .. } | Outcome::Never { reason } => reason,
        };
        Ok(SinkTest {
            sink: name.to_owned(),
            id: event.id,
            delivered: error.is_empty(),
            error,
            took_ms: u64::try_from(took).unwrap_or(u64::MAX),
        })
    }

    fn known(&self, name: &str) -> Result<(Deliverer, Arc<Post>)> {
        let current = self.current();
        match current.workers.get(name) {
            Some(own) => Ok((own.deliverer.clone(), Arc::clone(&own.post))),
            None => Err(unknown(name, &current)),
        }
    }
}

fn unknown(name: &str, current: &Current) -> Error {
    let name = cpe_status::limits::bounded(name, 80);
    let of_file = |own: &&RefusedSink| {
        Path::new(&own.file)
            .file_stem()
            .is_some_and(|stem| stem == name.as_str())
    };
    if let Some(refused) = current.refused.iter().find(of_file) {
        return Error::NotFound(format!("sink {name} is refused: {refused}"));
    }
    let names: Vec<&str> = current.workers.keys().map(String::as_str).collect();
    Error::NotFound(match names.as_slice() {
        [] => format!("there is no sink {name}; there are none"),
        names => format!("there is no sink {name}; there are: {}", names.join(" ")),
    })
}

/// How far behind the end of the log it is, if it is in that log.
fn lag(position: &Position, end: Option<&(String, u64)>) -> Option<u64> {
    let is_of = |log: &str| position.log == log || position.log.is_empty();
    end.filter(|(log, _)| is_of(log))
        .map(|(_, end)| end.saturating_sub(position.cursor))
}

fn status(
    sink: &Sink,
    activity: Activity,
    position: Option<Position>,
    dead: u64,
    end: Option<&(String, u64)>,
) -> SinkStatus {
    let position = position.unwrap_or_default();
    SinkStatus {
        name: sink.name.clone(),
        r#type: sink.target.word().to_owned(),
        target: sink.target.label(),
        state: activity.word().to_owned(),
        cursor: position.cursor,
        lag: lag(&position, end),
        delivered: position.delivered,
        dead,
        lost: position.lost,
        attempts: position.failing.1,
        next_attempt: match activity {
            Activity::Waiting(due) => due,
            _ => 0,
        },
        last_success: position.last_success,
        last_error: position.last_error.0,
        last_error_time: position.last_error.1,
    }
}
