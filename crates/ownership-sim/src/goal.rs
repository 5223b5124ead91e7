//! What must hold in the end: nothing that was acknowledged is lost, what a host leaves is spread,
//! and little moves.

use ownership::{Answer, Key, Value};

use crate::faults::Fault;
use crate::scenario::Style;
use crate::world::World;

impl World {
    pub(crate) fn check_end(&mut self) {
        self.check_changes();
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
        let before = self.checker.loads.get(&dead.name).copied().unwrap_or(0);
        let (taken, handed) = (self.checker.taken, self.checker.handed);
        if taken != before || handed > 0 {
            let text = format!("{taken} of {before} deployments taken, {handed} others moved");
            self.violation(text);
        }
        let up: Vec<_> = self.hosts.iter().filter(|it| it.up).collect();
        let capacity: u64 = up.iter().map(|it| u64::from(it.capacity)).sum();
        let mut herds = Vec::new();
        for host in up {
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
