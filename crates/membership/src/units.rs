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

    /// A start of this deployment that has failed is not tried again.
    pub(crate) fn give_up(&mut self, deployment: &DeploymentId) {
        if let Some(job) = self.last.get(deployment) {
            job.over.store(true, Ordering::Release);
        }
    }

    /// What the next job waits for. Jobs that are done are forgotten.
    fn before(&mut self, deployment: &DeploymentId) -> Option<Job> {
        self.give_up(deployment);
        self.last.retain(|_, job| !job.task.is_finished());
        self.last.remove(deployment)
    }

    pub(crate) fn start(&mut self, deployment: DeploymentId, grant: Grant) {
        let before = self.before(&deployment);
        let (runner, starts) = (Arc::clone(&self.runner), Arc::clone(&self.starts));
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let name = deployment.clone();
        let task = tokio::spawn(async move {
            wait_for(before).await;
            while !is_over.load(Ordering::Acquire) {
                let turn = starts.acquire().await;
                if is_over.load(Ordering::Acquire) {
                    return;
                }
                match runner.start(&name, grant).await {
                    Ok(()) => return,
                    Err(error) => {
                        tracing::warn!(deployment = %name, "its DPE cannot be started: {error}");
                    }
                }
                drop(turn);
                tokio::time::sleep(AGAIN).await;
            }
        });
        self.last.insert(deployment, Job { task, over });
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
        self.last.insert(deployment, Job { task, over });
    }
}

async fn wait_for(before: Option<Job>) {
    if let Some(job) = before {
        let _ = job.task.await;
    }
}
