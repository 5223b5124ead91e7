//! Starts and stops under way: for each deployment one after another, not too many at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ownership::{DeploymentId, Grant};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::runner::{Event, Runner};

/// Starts at a time. systemd takes them one after another.
const MOST_STARTS: usize = 4;

/// How long after a failure something is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// See above.
#[derive(Debug)]
pub(crate) struct Units<R> {
    runner: Arc<R>,
    starts: Arc<Semaphore>,
    last: BTreeMap<DeploymentId, Job>,
    events: mpsc::Sender<Event>,
}

#[derive(Debug)]
struct Job {
    task: JoinHandle<()>,
    /// Of the grant that it is about.
    revision: u64,
    /// If it is a start, it is not wanted any more.
    over: Arc<AtomicBool>,
}

impl<R: Runner> Units<R> {
    pub(crate) fn new(runner: Arc<R>, events: mpsc::Sender<Event>) -> Units<R> {
        Units {
            runner,
            starts: Arc::new(Semaphore::new(MOST_STARTS)),
            last: BTreeMap::new(),
            events,
        }
    }

    /// A start under this grant that has failed is not tried again. That of a later grant goes on:
    /// the end of a former unit may be told late, or twice.
    pub(crate) fn give_up(&mut self, deployment: &DeploymentId, revision: u64) {
        let job = self.last.get(deployment);
        if let Some(job) = job.filter(|job| job.revision == revision) {
            job.over.store(true, Ordering::Release);
        }
    }

    /// What the next job waits for. Jobs that are done are forgotten.
    fn before(&mut self, deployment: &DeploymentId) -> Option<Job> {
        self.last.retain(|_, job| !job.task.is_finished());
        let before = self.last.remove(deployment)?;
        before.over.store(true, Ordering::Release);
        Some(before)
    }

    pub(crate) fn start(&mut self, deployment: DeploymentId, grant: Grant) {
        let before = self.before(&deployment);
        let (runner, starts) = (Arc::clone(&self.runner), Arc::clone(&self.starts));
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let name = deployment.clone();
        let task = tokio::spawn(async move {
            wait_for(before).await;
            let mut told = String::new();
            while !is_over.load(Ordering::Acquire) {
                let turn = starts.acquire().await;
                if is_over.load(Ordering::Acquire) {
                    return;
                }
                match runner.start(&name, grant).await {
                    Ok(()) => return,
                    Err(error) if error == told => {}
                    Err(error) => {
                        tracing::warn!(deployment = %name, "its DPE cannot be started: {error}");
                        told = error;
                    }
                }
                drop(turn);
                tokio::time::sleep(AGAIN).await;
            }
        });
        let revision = grant.revision;
        let job = Job {
            task,
            revision,
            over,
        };
        self.last.insert(deployment, job);
    }

    pub(crate) fn stop(&mut self, deployment: DeploymentId, revision: u64) {
        let before = self.before(&deployment);
        let (runner, events) = (Arc::clone(&self.runner), self.events.clone());
        let name = deployment.clone();
        let over = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(async move {
            wait_for(before).await;
            while let Err(error) = runner.stop(&name).await {
                tracing::warn!(deployment = %name, "its DPE cannot be stopped: {error}");
                tokio::time::sleep(AGAIN).await;
            }
            let _ = events.send(Event::Ended(name, revision)).await;
        });
        let job = Job {
            task,
            revision,
            over,
        };
        self.last.insert(deployment, job);
    }
}

async fn wait_for(before: Option<Job>) {
    if let Some(job) = before {
        let _ = job.task.await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use ownership::Session;
    use tokio::time::timeout;

    use super::*;

    /// Does nothing but write down what it is asked, and fails as often as it is told to.
    #[derive(Debug, Default)]
    struct FakeRunner {
        said: Mutex<Vec<String>>,
        failures: Mutex<VecDeque<&'static str>>,
    }

    impl FakeRunner {
        fn answer(&self, what: String) -> Result<(), String> {
            self.said.lock().expect("no panic").push(what);
            match self.failures.lock().expect("no panic").pop_front() {
                Some(failure) => Err(failure.to_owned()),
                None => Ok(()),
            }
        }
    }

    impl Runner for FakeRunner {
        async fn running(&self) -> Result<Vec<DeploymentId>, String> {
            Ok(Vec::new())
        }

        async fn start(&self, deployment: &DeploymentId, grant: Grant) -> Result<(), String> {
            self.answer(format!("start {deployment} {}", grant.revision))
        }

        async fn stop(&self, deployment: &DeploymentId) -> Result<(), String> {
            self.answer(format!("stop {deployment}"))
        }
    }

    fn grant(revision: u64) -> Grant {
        Grant {
            session: Session { boot: 1, number: 1 },
            incarnation: 1,
            revision,
        }
    }

    fn units(failures: &[&'static str]) -> (Units<FakeRunner>, mpsc::Receiver<Event>) {
        let (to_events, events) = mpsc::channel(10);
        let runner = FakeRunner {
            failures: Mutex::new(failures.iter().copied().collect()),
            ..FakeRunner::default()
        };
        (Units::new(Arc::new(runner), to_events), events)
    }

    async fn ends(events: &mut mpsc::Receiver<Event>, revision: u64) {
        let event = timeout(Duration::from_secs(20), events.recv()).await;
        let ended = Event::Ended(DeploymentId::new("n"), revision);
        assert_eq!(event.expect("in time"), Some(ended));
    }

    fn said(units: &Units<FakeRunner>) -> Vec<String> {
        units.runner.said.lock().expect("no panic").clone()
    }

    #[tokio::test]
    async fn one_thing_after_another_is_done_until_it_is() {
        let (mut units, mut events) = units(&["it cannot", "it cannot"]);
        units.start(DeploymentId::new("n"), grant(7));
        tokio::time::sleep(AGAIN * 5).await;
        assert_eq!(said(&units), ["start n 7"; 3]);
        units.failures_are(&["it will not"]);
        units.stop(DeploymentId::new("n"), 7);
        ends(&mut events, 7).await;
        assert_eq!(said(&units)[3..], ["stop n", "stop n"]);
        units.start(DeploymentId::new("n"), grant(8));
        tokio::time::sleep(AGAIN).await;
        assert_eq!(said(&units)[5..], ["start n 8"]);
    }

    #[tokio::test]
    async fn a_start_that_fails_is_given_up_for_what_comes_next() {
        let always = ["it cannot"; 1_000];
        let (mut units, mut events) = units(&always);
        units.start(DeploymentId::new("n"), grant(7));
        tokio::time::sleep(AGAIN / 2).await;
        units.start(DeploymentId::new("n"), grant(8));
        tokio::time::sleep(AGAIN * 2).await;
        let said_now = said(&units);
        assert_eq!(said_now.iter().filter(|it| *it == "start n 7").count(), 1);
        assert!(said_now.contains(&"start n 8".to_owned()), "{said_now:?}");
        units.stop(DeploymentId::new("n"), 8);
        units.failures_are(&[]);
        ends(&mut events, 8).await;
        assert_eq!(said(&units).last().map(String::as_str), Some("stop n"));
    }

    #[tokio::test]
    async fn the_end_of_a_former_unit_does_not_end_a_later_start() {
        let (mut units, _events) = units(&["it cannot"]);
        units.start(DeploymentId::new("n"), grant(8));
        tokio::time::sleep(AGAIN / 2).await;
        // Told twice, or late.
        units.give_up(&DeploymentId::new("n"), 7);
        tokio::time::sleep(AGAIN * 2).await;
        assert_eq!(said(&units), ["start n 8"; 2]);
    }

    #[tokio::test]
    async fn the_end_of_a_unit_ends_its_own_start() {
        let (mut units, _events) = units(&["it cannot"]);
        units.start(DeploymentId::new("n"), grant(8));
        tokio::time::sleep(AGAIN / 2).await;
        units.give_up(&DeploymentId::new("n"), 8);
        tokio::time::sleep(AGAIN * 2).await;
        assert_eq!(said(&units), ["start n 8"]);
    }

    impl Units<FakeRunner> {
        fn failures_are(&self, failures: &[&'static str]) {
            let failures = failures.iter().copied().collect();
            *self.runner.failures.lock().expect("no panic") = failures;
        }
    }
}
