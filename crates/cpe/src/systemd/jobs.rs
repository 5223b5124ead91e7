//! Results of systemd's jobs. A result may arrive before the reply that tells the job's path, so it
//! waits here for whoever asks for it.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use tokio::sync::oneshot;

use super::states::JobResult;
use crate::sync::lock;

/// Results that nobody has asked for yet. systemd signals the jobs of all units; one of ours is
/// asked for a moment after its signal, so only the newest matter.
const UNCLAIMED: usize = 1024;

/// Results of jobs, by the job's object path.
#[derive(Default)]
pub(crate) struct Jobs {
    inner: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    waiting: HashMap<String, oneshot::Sender<JobResult>>,
    unclaimed: VecDeque<(String, JobResult)>,
}

impl Jobs {
    /// A job ended: its result goes to whoever waits for it.
    pub(crate) fn ended(&self, job: &str, result: JobResult) {
        let mut ledger = lock(&self.inner);
        match ledger.waiting.remove(job) {
            // Nobody waits any more if sending fails.
            Some(waiting) => drop(waiting.send(result)),
            None => {
                if ledger.unclaimed.len() == UNCLAIMED {
                    ledger.unclaimed.pop_front();
                }
                ledger.unclaimed.push_back((job.to_owned(), result));
            }
        }
    }

    /// systemd was replaced: who waits gets [`JobResult::Lost`].
    pub(crate) fn forget(&self) {
        let mut ledger = lock(&self.inner);
        ledger.unclaimed.clear();
        ledger.waiting.clear();
    }

    /// Waits for the result of a job.
    pub(crate) async fn result(&self, job: &str) -> JobResult {
        let receiver = {
            let mut ledger = lock(&self.inner);
            let at = ledger.unclaimed.iter().position(|(path, _)| path == job);
            if let Some((_, result)) = at.and_then(|at| ledger.unclaimed.remove(at)) {
                return result;
            }
            let (sender, receiver) = oneshot::channel();
            ledger.waiting.insert(job.to_owned(), sender);
            receiver
        };
        receiver.await.unwrap_or(JobResult::Lost)
    }

    /// Nobody waits for this job any more.
    pub(crate) fn give_up(&self, job: &str) {
        lock(&self.inner).waiting.remove(job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_jobs_result_is_found_whether_it_comes_before_or_after_the_question() {
        let jobs = Jobs::default();
        jobs.ended("/job/1", JobResult::Done);
        assert_eq!(jobs.result("/job/1").await, JobResult::Done);
        let (result, ()) = tokio::join!(jobs.result("/job/2"), async {
            jobs.ended("/job/2", JobResult::Failed)
        });
        assert_eq!(result, JobResult::Failed);
        let (result, ()) = tokio::join!(jobs.result("/job/3"), async { jobs.forget() });
        assert_eq!(result, JobResult::Lost);
    }

    #[test]
    fn results_that_nobody_asks_for_are_bounded_and_the_newest_stay() {
        let jobs = Jobs::default();
        for n in 0..=UNCLAIMED {
            jobs.ended(&format!("/job/{n}"), JobResult::Done);
        }
        let ledger = lock(&jobs.inner);
        assert_eq!(ledger.unclaimed.len(), UNCLAIMED);
        assert_eq!(ledger.unclaimed[0].0, "/job/1");
    }
}
