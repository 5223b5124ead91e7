//! What the event log tells of the runs of a DPE.
//!
//! A full or failing disk must not keep a dead DPE from being started. So what happened is noted in
//! memory first, and recorded when that is possible.

use std::collections::VecDeque;

use cpe_daemon::now;
use cpe_store::{Row, Run};

use super::Supervisor;
use crate::systemd::{ActiveState, Unit};

/// Most runs and deaths of one DPE that wait to be recorded: half an hour of a DPE that dies at
/// once, at the longest pause. The oldest are dropped then, which the log tells.
const MOST: usize = 2048;

/// Runs and deaths in the order in which they were seen, with the times.
#[derive(Default)]
pub(super) struct Unrecorded {
    waiting: VecDeque<(Run, u64)>,
    /// This host, if it shares deployments.
    here: String,
}

impl Unrecorded {
    pub(super) fn at(here: &str) -> Unrecorded {
        Unrecorded {
            here: here.to_owned(),
            ..Unrecorded::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The last run that is known, from the log or because it waits already; whether it goes on.
    fn last<'a>(&'a self, row: &'a Row) -> (&'a str, bool) {
        // How a run of another host has ended is not seen here.
        let is_ours = row.host.is_empty() || row.host == self.here;
        match self.waiting.back() {
            Some((Run::Alive { invocation, .. }, _)) => (invocation.as_str(), true),
            Some((Run::Ended { .. }, _)) => ("", false),
            None if is_ours => (row.invocation.as_str(), row.alive),
            None => ("", false),
        }
    }

    /// Adds what was seen, unless it was known.
    fn see(&mut self, row: &Row, run: Run) {
        let (invocation, alive) = self.last(row);
        let news = match &run {
            Run::Alive {
                invocation: seen, ..
            } => seen != invocation,
            Run::Ended { .. } => alive,
        };
        if !news {
            return;
        }
        if self.waiting.len() == MOST {
            self.waiting.pop_front();
            tracing::warn!(
                cpe_deployment = row.name,
                "{}: more than {MOST} events wait for the disk; the oldest is dropped",
                row.name
            );
        }
        self.waiting.push_back((run, now()));
    }
}

impl Supervisor {
    /// A run that is about to be ended since it is of no use has died, whatever systemd says.
    pub(super) fn note_useless(&mut self, row: &Row, cause: &str) {
        let ended = Run::Ended {
            cause: cause.to_owned(),
            stopped: false,
        };
        self.unrecorded.see(row, ended);
    }

    /// Whether the run that goes on was begun because somebody wanted it, and not by systemd since
    /// the one before had ended by itself. If that is not known, that one has died.
    async fn began_after_stop(&self) -> bool {
        let restarts = self.host.systemd.restarts(&self.unit).await;
        restarts.is_ok_and(|restarts| restarts == 0)
    }

    /// Has the event log know of this run, and of the end of the last one; now, or at a later look.
    pub(super) async fn note_run(&mut self, row: &Row, unit: &Unit) {
        let (last, goes_on) = self.unrecorded.last(row);
        // A new run, and nobody has seen the last one end.
        let is_new = goes_on && runs(unit) && unit.invocation != last;
        let after_stop = is_new && self.began_after_stop().await;
        if let Some(run) = run(row, unit, after_stop) {
            self.unrecorded.see(row, run);
        }
        while let Some((run, time)) = self.unrecorded.waiting.front().cloned() {
            let noted = self.store().note_run(&row.name, &run, time).await;
            if let Err(error) = noted {
                return self.host.core.store_fails(&error);
            }
            self.host.core.store_works();
            self.unrecorded.waiting.pop_front();
        }
    }
}

/// Whether a run of it is going on.
fn runs(unit: &Unit) -> bool {
    match unit.active {
        ActiveState::Active => true,
        ActiveState::Activating => unit.pid != 0,
        _ => false,
    }
}

/// What is going on, as far as the event log cares. `after_stop`: the last run did not end by
/// itself, and another one has begun.
fn run(row: &Row, unit: &Unit, after_stop: bool) -> Option<Run> {
    let ended = |stopped| Run::Ended {
        cause: match after_stop {
            true => "its unit was restarted".to_owned(),
            false => unit.end.to_string(),
        },
        stopped,
    };
    match unit.active {
        ActiveState::Active => Some(Run::Alive {
            invocation: unit.invocation.clone(),
            pid: unit.pid,
            after_stop,
        }),
        // What ends by itself does not come to rest so.
        ActiveState::Inactive if unit.invocation.is_empty() => Some(Run::Ended {
            cause: "systemd knows of no run: the host was booted, or somebody has stopped it"
                .to_owned(),
            stopped: true,
        }),
        // systemd restarts what ends by itself, also if it ends well.
        ActiveState::Inactive => Some(ended(unit.end.is_as_asked())),
        ActiveState::Failed => Some(ended(false)),
        // Waiting for systemd's restart, or in the next run already.
        ActiveState::Activating if unit.pid == 0 || unit.invocation != row.invocation => {
            Some(ended(after_stop))
        }
        ActiveState::Activating | ActiveState::Deactivating | ActiveState::Maintenance => None,
    }
}

#[cfg(test)]
mod tests {
    use cpe_status::DeploymentState;

    use super::*;
    use crate::systemd::{End, Exit, ServiceResult};

    /// The event log knows of a run that goes on.
    fn row() -> Row {
        Row {
            name: "shop".into(),
            uuid: "u1".into(),
            generation: 1,
            created: 0,
            destroying: None,
            unloaded: false,
            loaded: 1,
            invocation: "r1".into(),
            alive: true,
            host: String::new(),
            state: DeploymentState::Unknown,
            owned: Default::default(),
        }
    }

    /// What becomes of it: whether somebody has stopped it; `None`: it has not ended.
    fn end(active: ActiveState, invocation: &str, (result, exit): (&str, Exit)) -> Option<bool> {
        let unit = Unit {
            active,
            invocation: invocation.into(),
            pid: 0,
            end: End {
                result: ServiceResult::from_word(result),
                exit,
            },
        };
        match run(&row(), &unit, false)? {
            Run::Ended { stopped, .. } => Some(stopped),
            Run::Alive { .. } => None,
        }
    }

    #[test]
    fn a_boot_and_a_stop_are_no_death() {
        use ActiveState::{Activating, Active, Deactivating, Failed, Inactive};

        let (never, well) = (("success", Exit::Unknown), ("success", Exit::Exited(0)));
        let killed = ("signal", Exit::Killed(9));
        for (active, invocation, how, expected) in [
            // systemd has not run it since the host was booted.
            (Inactive, "", never, Some(true)),
            (Inactive, "r1", well, Some(true)),
            (Inactive, "r1", killed, Some(false)),
            (Failed, "r1", killed, Some(false)),
            // It waits for systemd's restart.
            (Activating, "r1", killed, Some(false)),
            (Activating, "r1", well, Some(false)),
            (Deactivating, "r1", never, None),
            (Active, "r1", never, None),
        ] {
            let found = end(active, invocation, how);
            assert_eq!(found, expected, "{active:?} {invocation} {how:?}");
        }
    }

    #[test]
    fn an_end_is_told_once_and_only_of_a_run_that_goes_on() {
        let ended = || Run::Ended {
            cause: "ended".into(),
            stopped: true,
        };
        let mut waiting = Unrecorded::default();
        waiting.see(&row(), ended());
        waiting.see(&row(), ended());
        assert_eq!(waiting.waiting.len(), 1);
        let over = Row {
            alive: false,
            ..row()
        };
        let mut waiting = Unrecorded::default();
        waiting.see(&over, ended());
        assert!(waiting.is_empty());
    }
}
