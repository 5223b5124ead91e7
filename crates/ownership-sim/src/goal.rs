//! What must hold in the end: nothing that was acknowledged is lost, what a host leaves is spread,
//! and little moves.

use ownership::{Answer, Key, Value, timing};

use crate::faults::Fault;
use crate::scenario::Style;
use crate::world::World;

/// Ranks order hosts that hear of a loss within this time: a rank less the jitter, less what clocks
/// differ in that. A real watch may be later: a member that is not the leader hears with the
/// leader's next message what was taken, and a watcher that has fallen behind is served in turns.
const IN_TIME_US: u64 = (timing::RANK_US - timing::JITTER_US) * 9 / 10;
/// An order was answered after this, however the host's clock goes.
const ANSWERED_US: u64 = timing::CHANGE_US * 11 / 10 + timing::RETRY_US;

impl World {
    pub(crate) fn check_end(&mut self) {
        self.check_changes();
        self.check_orders();
        match self.scenario.style {
            Style::Death => self.check_death(),
            Style::Join => self.check_join(),
            Style::Drain => self.check_drain(),
            Style::Outage if self.checker.taken + self.checker.handed > 0 => {
                self.violation("something has moved although the store was only away".to_owned());
            }
            _ => {}
        }
    }

    /// Orders are answered, if the process lives that has got them.
    fn check_orders(&mut self) {
        let owed = self.checker.orders.iter().find(|it| {
            let host = &self.hosts[it.host];
            let lives = host.life == it.life && host.cpe.is_some() && self.runs(it.host);
            lives && it.at_us + ANSWERED_US < self.now_us
        });
        if let Some(owed) = owed.cloned() {
            let (order, host) = (owed.order, owed.host);
            self.violation(format!("host {host} has never answered {order:?}"));
        }
    }

    /// What was acknowledged is done once, and what was not done was not acknowledged.
    fn check_changes(&mut self) {
        for asked in self.checker.changes.clone() {
            let is_done = |it: &&Answer| matches!(it, Answer::Done(_));
            let done = asked.answers.iter().filter(is_done).count();
            let refused = asked
                .answers
                .iter()
                .any(|it| matches!(it, Answer::Refused(_)));
            let name = &asked.change.deployment;
            if done > 0 && asked.done != 1 {
                self.violation(format!(
                    "a change of {name} is acknowledged, done {}",
                    asked.done
                ));
            }
            if refused && asked.done > 0 {
                self.violation(format!("a change of {name} is refused and done"));
            }
            let there = match self.store.get(&Key::Deployment(name.clone())) {
                Some((Value::Deployment(record), _)) => record.generation,
                _ => continue,
            };
            let newest = asked.answers.iter().filter_map(|it| match it {
                Answer::Done(generation) => Some(*generation),
                _ => None,
            });
            let was_ended = self.checker.ended.contains(name);
            if newest.max().is_some_and(|it| it > there) && !was_ended {
                self.violation(format!(
                    "generation {there} of {name} forgets an answered one"
                ));
            }
        }
    }

    /// The dead host's deployments are taken once each, by nobody far above its share, and nothing
    /// else moves.
    fn check_death(&mut self) {
        let Some(dead) = self.hosts.iter().find(|it| !it.up) else {
            return;
        };
        let dead = dead.name.clone();
        let before = self.checker.loads.get(&dead).copied().unwrap_or(0);
        let (taken, handed) = (self.checker.taken, self.checker.handed);
        if taken != before || handed > 0 {
            let text = format!("{taken} of {before} deployments taken, {handed} others moved");
            self.violation(text);
        }
        let heard_us = |host: usize| {
            let heard = (host, dead.clone());
            self.checker.heard_us.get(&heard).copied()
        };
        let all = 0..self.hosts.len();
        let up: Vec<usize> = all.filter(|host| self.hosts[*host].up).collect();
        let first_us = up.iter().filter_map(|host| heard_us(*host)).min();
        // Who hears of it later than the others may find its part taken.
        let in_time = up.iter().filter(|host| {
            let late_us = heard_us(**host).zip(first_us).map(|(at, first)| at - first);
            late_us.is_some_and(|late_us| late_us < IN_TIME_US)
        });
        let capacity: u64 = in_time.map(|it| u64::from(self.hosts[*it].capacity)).sum();
        let mut herds = Vec::new();
        for host in up.iter().map(|it| &self.hosts[*it]) {
            let share = before as f64 * f64::from(host.capacity) / capacity as f64;
            let taken = self.checker.taken_by.get(&host.name).copied().unwrap_or(0);
            // Lots are drawn: four times the standard deviation, and a few.
            if taken as f64 > share + 4.0 * share.sqrt() + 4.0 {
                herds.push(format!(
                    "{} takes {taken}, its share is {share:.0}",
                    host.name
                ));
            }
        }
        for herd in herds {
            self.violation(format!("a herd: {herd}"));
        }
    }

    /// The new host has got its share, and little more has moved.
    fn check_join(&mut self) {
        let Some(new) = self.hosts.last() else {
            return;
        };
        let all: u64 = self.hosts.iter().map(|it| u64::from(it.capacity)).sum();
        let total = self.deployments.len() as u64;
        let share = total * u64::from(new.capacity) / all;
        let got = self.loads().get(&new.name).copied().unwrap_or(0);
        let (taken, handed) = (self.checker.taken, self.checker.handed);
        // What others had above their shares, by chance, may go as well.
        let mut above = 0;
        for (host, load) in &self.checker.loads {
            let it = self.hosts.iter().find(|it| it.name == *host);
            let own = it.map_or(0, |it| total * u64::from(it.capacity) / all);
            above += load.saturating_sub(own);
        }
        let most = above.max(share) + self.hosts.len() as u64 + total / 10;
        if taken > 0 || handed > most {
            let text = format!("{handed} of at most {most} moved, {taken} taken: a host joined");
            self.violation(text);
        }
        // Each of the others may keep one more than its share, and a tenth.
        let kept = self.hosts.len() as u64 + total / 10;
        if got + kept < share {
            self.violation(format!(
                "a host that joined has {got}, its share is {share}"
            ));
        }
    }

    fn check_drain(&mut self) {
        let drained = self.drained.and_then(|host| self.hosts.get(host));
        let Some(name) = drained.map(|it| it.name.clone()) else {
            return;
        };
        let before = self.checker.loads.get(&name).copied().unwrap_or(0);
        let left = self.loads().get(&name).copied().unwrap_or(0);
        let (taken, handed) = (self.checker.taken, self.checker.handed);
        // Several give to one at once, which gives some of it on.
        let most = before + self.hosts.len() as u64;
        if left > 0 || taken > 0 || handed < before || handed > most {
            let text = format!("{left} left of {before} on a drained host, {handed} moved");
            self.violation(text);
        }
    }

    pub(crate) fn note_drain(&mut self, fault: &Fault) {
        if let Fault::Drain(host) = fault {
            self.drained = Some(*host);
        }
    }
}
