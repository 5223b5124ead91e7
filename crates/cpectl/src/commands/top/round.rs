//! Of which deployments the status is asked for. One list says which there are and in what state;
//! a status is worth a call where something has happened or is going on, and else from time to
//! time: a thousand that are at rest cost little.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use cpe_bus::DeploymentEntry;
use cpe_status::{DeploymentState, DeploymentStatus, TransitionState};

/// The status of one that is at rest is asked for again after this time.
const REST: Duration = Duration::from_secs(30);

/// What is known of all deployments.
#[derive(Debug, Default)]
pub(super) struct Round {
    known: BTreeMap<String, Known>,
    /// Events have told of these since they were asked about.
    touched: BTreeSet<String>,
}

#[derive(Debug)]
struct Known {
    status: DeploymentStatus,
    /// What the list said then.
    listed: (DeploymentState, u64),
    asked: Instant,
}

impl Round {
    /// An event is about a deployment.
    pub(super) fn touch(&mut self, deployment: &str) {
        self.touched.insert(deployment.to_owned());
    }

    /// Those to ask about now, by what the list says. `open`: the one that somebody looks at.
    pub(super) fn wanted(
        &mut self,
        entries: &[DeploymentEntry],
        open: Option<&str>,
        now: Instant,
    ) -> Vec<String> {
        let there: BTreeSet<&str> = entries.iter().map(|own| own.name.as_str()).collect();
        self.known.retain(|name, _| there.contains(name.as_str()));
        self.touched.retain(|name| there.contains(name.as_str()));
        // The oldest of those at rest, so many that each has its turn in time.
        let mut resting: Vec<(Instant, &str)> = Vec::new();
        let mut wanted: Vec<String> = Vec::new();
        for entry in entries {
            let name = entry.name.as_str();
            match self.known.get(name) {
                Some(known)
                    if known.is_resting()
                        && known.listed == (entry.state, entry.generation)
                        && !self.touched.contains(name)
                        && open != Some(name) =>
                {
                    resting.push((known.asked, name));
                }
                _ => wanted.push(name.to_owned()),
            }
        }
        resting.sort_unstable();
        let most = usize::try_from(REST.as_secs()).unwrap_or(1);
        let some = resting.len().div_ceil(most);
        let due = resting.into_iter().take(some);
        let due = due.filter(|(asked, _)| now.duration_since(*asked) >= REST);
        wanted.extend(due.map(|(_, name)| name.to_owned()));
        wanted
    }

    /// A status has come; `None`: there is no such deployment any more.
    pub(super) fn learn(
        &mut self,
        entry: &DeploymentEntry,
        status: Option<DeploymentStatus>,
        now: Instant,
    ) {
        self.touched.remove(&entry.name);
        let Some(status) = status else {
            self.known.remove(&entry.name);
            return;
        };
        let known = Known {
            status,
            listed: (entry.state, entry.generation),
            asked: now,
        };
        self.known.insert(entry.name.clone(), known);
    }

    /// All of them, by name.
    pub(super) fn statuses(&self) -> Vec<DeploymentStatus> {
        let all = self.known.values();
        all.map(|known| known.status.clone()).collect()
    }
}

impl Known {
    /// Nothing is going on, so that whatever changes is told by an event.
    fn is_resting(&self) -> bool {
        let status = &self.status;
        let is_running = |state| state == TransitionState::Running;
        let transition = status.transition.as_ref().map(|own| own.state);
        let fences = status.fencing.iter().any(|own| own.ended == 0);
        status.is_complete()
            && status.generation == self.listed.1
            && !status.deciding
            && !transition.is_some_and(is_running)
            && !fences
    }
}

#[cfg(test)]
mod tests {
    use cpe_status::TransitionStatus;

    use super::*;

    fn entries(count: usize) -> Vec<DeploymentEntry> {
        let entry = |number| DeploymentEntry {
            name: format!("d{number:04}"),
            state: DeploymentState::Active,
            generation: 1,
            ..DeploymentEntry::default()
        };
        (0..count).map(entry).collect()
    }

    fn resting(entry: &DeploymentEntry) -> DeploymentStatus {
        DeploymentStatus {
            name: entry.name.clone(),
            state: entry.state,
            generation: entry.generation,
            epoch: 1,
            ..DeploymentStatus::default()
        }
    }

    /// Asks about those that are wanted; how many these are.
    fn ask(round: &mut Round, entries: &[DeploymentEntry], now: Instant) -> usize {
        let wanted = round.wanted(entries, None, now);
        for entry in entries.iter().filter(|own| wanted.contains(&own.name)) {
            round.learn(entry, Some(resting(entry)), now);
        }
        wanted.len()
    }

    #[test]
    fn a_thousand_at_rest_cost_some_calls_a_second_and_none_gets_old() {
        let (mut round, all, begin) = (Round::default(), entries(1000), Instant::now());
        assert_eq!(ask(&mut round, &all, begin), 1000, "at first");
        let (mut calls, mut oldest) = (0, Duration::ZERO);
        for second in 1..=120 {
            let now = begin + Duration::from_secs(second);
            calls += ask(&mut round, &all, now);
            let ages = round.known.values().map(|own| now - own.asked);
            oldest = oldest.max(ages.max().unwrap());
        }
        // Each of them three times in two minutes, where it was 120 times.
        assert!((2000..=4000).contains(&calls), "{calls}");
        assert!(oldest <= 2 * REST, "{oldest:?}");
        assert_eq!(round.statuses().len(), 1000);
    }

    #[test]
    fn where_something_happens_is_asked_each_time() {
        let (mut round, mut all, now) = (Round::default(), entries(4), Instant::now());
        ask(&mut round, &all, now);
        assert!(round.wanted(&all, None, now).is_empty());
        assert_eq!(round.wanted(&all, Some("d0002"), now), ["d0002"]);
        round.touch("d0001");
        all[3].state = DeploymentState::Degraded;
        assert_eq!(round.wanted(&all, None, now), ["d0001", "d0003"]);
        ask(&mut round, &all, now);
        assert!(round.wanted(&all, None, now).is_empty());
        let mut busy = resting(&all[0]);
        busy.transition = Some(TransitionStatus {
            state: TransitionState::Running,
            ..TransitionStatus::default()
        });
        round.learn(&all[0], Some(busy), now);
        // Its DPE does not have the newest document yet.
        let late = DeploymentStatus {
            generation: 0,
            ..resting(&all[1])
        };
        round.learn(&all[1], Some(late), now);
        assert_eq!(round.wanted(&all, None, now), ["d0000", "d0001"]);
        all.remove(0);
        round.learn(&all[0], None, now);
        assert_eq!(round.wanted(&all, None, now), ["d0001"]);
        assert_eq!(round.statuses().len(), 2);
    }
}
