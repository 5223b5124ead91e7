//! Writes of many DPEs, some of them in one transaction: what comes in while the store is busy goes
//! together, and where nothing is under way nobody waits.
//!
//! A group is all or none. If it fails, or is not answered, each write of it is sent by itself: one
//! that was done with its group is told as overtaken by its own writer.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use cpe_store::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::facts::{FactRows, FactWrite, Facts, FactsOf};

/// Rows of a group, with those that say who has written. A transaction has 128 operations, and two
/// compares for each write.
const MOST: usize = 60;
/// Bytes of a group.
const MOST_BYTES: usize = 512 << 10;
/// Transactions that are under way at a time.
const AT_ONCE: usize = 4;
/// Writes that wait.
const WAITING: usize = 1024;

/// A write, and who waits for it.
struct Job {
    write: FactsOf,
    done: oneshot::Sender<Result<FactWrite>>,
}

/// Facts, as one host's DPEs write them. Its copies are the same.
#[derive(Debug, Clone)]
pub struct GroupedFacts {
    facts: Facts,
    jobs: mpsc::Sender<Job>,
}

impl GroupedFacts {
    /// Begins, beside everything else.
    pub fn new(facts: Facts) -> GroupedFacts {
        let (jobs, waiting) = mpsc::channel(WAITING);
        tokio::spawn(work(facts.clone(), waiting));
        GroupedFacts { facts, jobs }
    }

    /// As [`Facts::all`].
    ///
    /// # Errors
    /// The same.
    pub async fn all(&self, deployment: &str) -> Result<FactRows> {
        self.facts.all(deployment).await
    }

    /// As [`Facts::write`].
    ///
    /// # Errors
    /// The same.
    pub async fn write(&self, write: FactsOf) -> Result<FactWrite> {
        let (done, outcome) = oneshot::channel();
        let ends = || Error::Unknown("the daemon is shutting down".to_owned());
        let sent = self.jobs.send(Job { write, done }).await;
        sent.map_err(|_| ends())?;
        outcome.await.map_err(|_| ends())?
    }
}

async fn work(facts: Facts, mut jobs: mpsc::Receiver<Job>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut waiting = VecDeque::new();
    loop {
        if waiting.is_empty() {
            match jobs.recv().await {
                Some(job) => waiting.push_back(job),
                None => return,
            }
        }
        // While there is none, more come.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        while let Ok(job) = jobs.try_recv() {
            waiting.push_back(job);
        }
        let group = next(&mut waiting);
        tokio::spawn(write(facts.clone(), group, place));
    }
}

/// The next group: the first that waits, and others that fit, one of each deployment. What compares
/// the same must not be done together.
fn next(waiting: &mut VecDeque<Job>) -> Vec<Job> {
    let (mut group, mut others) = (Vec::new(), VecDeque::new());
    let (mut rows, mut bytes, mut whose) = (0, 0, BTreeSet::new());
    for job in waiting.drain(..) {
        // Who does not wait any more has it sent again.
        if job.done.is_closed() {
            continue;
        }
        let more = job.write.changes.len() + 1;
        let fits = rows + more <= MOST && bytes + job.write.bytes() <= MOST_BYTES;
        let is_other = whose.insert(job.write.deployment.clone());
        if group.is_empty() || (fits && is_other) {
            rows += more;
            bytes += job.write.bytes();
            group.push(job);
        } else {
            others.push_back(job);
        }
    }
    *waiting = others;
    group
}

async fn write(facts: Facts, group: Vec<Job>, place: OwnedSemaphorePermit) {
    if group.len() > 1 {
        let all: Vec<&FactsOf> = group.iter().map(|job| &job.write).collect();
        if let Some(at) = facts.write_all(&all).await {
            for job in group {
                let _ = job.done.send(Ok(FactWrite::Done(at)));
            }
            return;
        }
    }
    let place = Arc::new(place);
    for Job { write, mut done } in group {
        let (facts, place) = (facts.clone(), Arc::clone(&place));
        tokio::spawn(async move {
            tokio::select! {
                outcome = facts.write(&write) => drop(done.send(outcome)),
                () = done.closed() => {}
            }
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::FactChange;

    fn job(deployment: &str, rows: usize, value: &str) -> Job {
        let (done, outcome) = oneshot::channel();
        // Somebody waits, for as long as the test lasts.
        std::mem::forget(outcome);
        let change = |n| FactChange {
            key: format!("k/{n}"),
            value: Some(value.to_owned()),
        };
        Job {
            write: FactsOf {
                deployment: deployment.to_owned(),
                owner: 1,
                after: 0,
                writer: "w".to_owned(),
                changes: (0..rows).map(change).collect(),
            },
            done,
        }
    }

    fn names(jobs: impl IntoIterator<Item = Job>) -> Vec<String> {
        let names = jobs.into_iter().map(|job| job.write.deployment);
        names.collect()
    }

    #[test]
    fn a_group_has_one_write_of_each_deployment_and_not_too_much() {
        let mut waiting = VecDeque::from([
            job("a", 1, "1"),
            job("b", 1, "1"),
            job("a", 1, "2"),
            job("c", MOST, "1"),
            job("d", 1, &"x".repeat(MOST_BYTES)),
            job("e", 10, "1"),
        ]);
        assert_eq!(names(next(&mut waiting)), ["a", "b", "e"]);
        assert_eq!(names(next(&mut waiting)), ["a"]);
        // What is too large for a group goes alone.
        assert_eq!(names(next(&mut waiting)), ["c"]);
        assert_eq!(names(next(&mut waiting)), ["d"]);
        assert!(next(&mut waiting).is_empty());
    }

    #[test]
    fn what_nobody_waits_for_is_not_written() {
        let mut gone = job("a", 1, "1");
        gone.done = oneshot::channel().0;
        let mut waiting = VecDeque::from([gone, job("b", 1, "1")]);
        assert_eq!(names(next(&mut waiting)), ["b"]);
    }
}
