//! Whether the controller escalates only what has failed often enough: each restart of an assembly,
//! and of a deployment, that is saved must be backed by as many failures within its period, and no
//! failure counts twice. Everything is read from what the controller saves, as a later DPE would.

use std::collections::{BTreeMap, BTreeSet};

use controller::{AssemblyId, Change, Event, EventKind};
use serde::Deserialize;

/// What has failed and does not back an escalation yet.
#[derive(Debug, Default)]
pub(crate) struct Escalations {
    /// Wall clock of the failures of a service in an assembly, µs.
    services: BTreeMap<(String, String), Vec<u64>>,
    /// Wall clock of the failures of an assembly, µs.
    assemblies: BTreeMap<String, Vec<u64>>,
    /// Why assemblies are to be restarted.
    marks: BTreeMap<AssemblyId, String>,
    /// Assemblies that are being made safe: that they fall silent is no news.
    being_made_safe: BTreeSet<String>,
    /// Former incarnations of assemblies.
    former: BTreeSet<AssemblyId>,
    /// What was saved and not looked at yet.
    new_events: Vec<Event>,
    /// The last counts, of what a full disk has kept waiting.
    new_marks: BTreeMap<AssemblyId, Option<String>>,
}

/// What is read of the facts of an assembly, of which there are many.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Mark {
    /// Why it is to be restarted.
    restart: Option<String>,
}

/// The numbers of `… failed N times within P s…`, P as µs.
fn claim(text: &str) -> Option<(usize, u64)> {
    let (_, rest) = text.split_once(" failed ")?;
    let (count, rest) = rest.split_once(" times within ")?;
    let (seconds, _) = rest.split_once(" s")?;
    let seconds: u64 = seconds.parse().ok()?;
    Some((count.parse().ok()?, seconds * 1_000_000))
}

/// Uses up that many failures within a period; `None`: there are not as many. Gives when the last
/// of them was.
fn use_up(times: Option<&mut Vec<u64>>, count: usize, period_us: u64) -> Option<u64> {
    let times = times?;
    times.sort_unstable();
    let mut spans = times.windows(count);
    let first = spans.position(|span| span[count - 1] - span[0] < period_us)?;
    let last = times[first + count - 1];
    times.drain(..first + count);
    Some(last)
}

impl Escalations {
    /// Takes in a row that is saved. `is_new`: of an event, that it was not saved before.
    pub(crate) fn saved(&mut self, change: &Change, is_new: bool) {
        let Some(value) = &change.value else {
            return;
        };
        if change.key.starts_with("event/") {
            if is_new {
                self.new_events.extend(serde_json::from_str::<Event>(value));
            }
        } else if let Some(name) = change.key.strip_prefix("assembly/") {
            let facts: Mark = serde_json::from_str(value).unwrap_or_default();
            self.new_marks.insert(AssemblyId::from(name), facts.restart);
        }
    }

    /// What was called by its name in the document until now is a former incarnation from now on.
    fn follow_incarnation(&mut self, incarnation: &AssemblyId) {
        let name = incarnation.in_document();
        if incarnation.as_str() == name || !self.former.insert(incarnation.clone()) {
            return;
        }
        if self.being_made_safe.remove(name) {
            self.being_made_safe.insert(incarnation.as_str().to_owned());
        }
        if let Some(reason) = self.marks.remove(&AssemblyId::from(name)) {
            self.marks.insert(incarnation.clone(), reason);
        }
    }

    /// Looks at what was saved at once. Gives what is wrong with it.
    pub(crate) fn judge(&mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut failed = Vec::new();
        for event in std::mem::take(&mut self.new_events) {
            // What was told before, and saved at the same time, is about the name in the document.
            if let Some(incarnation) = &event.assembly {
                self.follow_incarnation(incarnation);
            }
            wrong.extend(self.follow(&event));
            let assembly = event.assembly.as_ref();
            let assembly = assembly.map(|name| name.in_document().to_owned());
            match (event.kind, &event.service, assembly) {
                (EventKind::ServiceFailed, Some(service), Some(assembly))
                    if !event.reason.starts_with("its assembly") =>
                {
                    let key = (service.as_str().to_owned(), assembly);
                    self.services.entry(key).or_default().push(event.time);
                }
                (EventKind::AssemblyLost, _, Some(assembly)) => {
                    self.assemblies
                        .entry(assembly)
                        .or_default()
                        .push(event.time);
                }
                (EventKind::DeploymentFailed, _, Some(assembly)) => failed.push((assembly, event)),
                _ => {}
            }
        }
        let deployment_failed = !failed.is_empty();
        for (assembly, event) in failed {
            if let Some((claimed, last)) = event.reason.split_once(", last because ") {
                self.assembly_fails(&assembly, last, &mut wrong);
                let times = self.assemblies.get_mut(&assembly);
                let backed = claim(claimed)
                    .is_some_and(|(count, period_us)| use_up(times, count, period_us).is_some());
                if !backed {
                    wrong.push(format!(
                        "{claimed}, but it has not: the deployment is restarted"
                    ));
                }
            }
        }
        let new_marks = std::mem::take(&mut self.new_marks);
        for incarnation in new_marks.keys() {
            self.follow_incarnation(incarnation);
        }
        for (incarnation, reason) in new_marks {
            let Some(reason) = reason else {
                self.marks.remove(&incarnation);
                continue;
            };
            if self.marks.get(&incarnation) == Some(&reason) {
                continue;
            }
            let assembly = incarnation.in_document();
            match reason.as_str() {
                "the deployment failed" if deployment_failed => {}
                "the deployment failed" => {
                    wrong.push(format!(
                        "{assembly} is restarted, but the deployment did not fail"
                    ));
                }
                _ => self.assembly_fails(assembly, &reason, &mut wrong),
            }
            self.marks.insert(incarnation, reason);
        }
        wrong
    }

    /// Follows who is being made safe. Gives what is wrong with an event about that.
    fn follow(&mut self, event: &Event) -> Option<String> {
        let name = event.assembly.as_ref()?.as_str();
        match event.kind {
            EventKind::AssemblyFencingRequested => {
                self.being_made_safe.insert(name.to_owned());
            }
            EventKind::AssemblyFencingSucceeded
            | EventKind::AssemblyOnline
            | EventKind::AssemblyRecovered => drop(self.being_made_safe.remove(name)),
            EventKind::AssemblyLost if self.being_made_safe.contains(name) => {
                return Some(format!("{name} is lost while it is being made safe"));
            }
            _ => {}
        }
        None
    }

    /// An assembly fails because a service has failed too often there.
    fn assembly_fails(&mut self, assembly: &str, reason: &str, wrong: &mut Vec<String>) {
        let Some((count, period_us)) = claim(reason) else {
            return;
        };
        let service = reason.strip_prefix("service ").unwrap_or_default();
        let service = service.split(' ').next().unwrap_or_default();
        let key = (service.to_owned(), assembly.to_owned());
        match use_up(self.services.get_mut(&key), count, period_us) {
            Some(last_us) => {
                let times = self.assemblies.entry(assembly.to_owned()).or_default();
                times.push(last_us);
            }
            None => wrong.push(format!(
                "{reason}, but not in {assembly}, which is restarted"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, service: &str, seconds: u64, reason: &str) -> Change {
        let value = serde_json::json!({
            "id": format!("{seconds}"), "time": seconds * 1_000_000, "kind": kind, "deployment": "sim",
            "assembly": "node1", "service": service, "state": "", "reason": reason, "details": {},
        });
        Change {
            key: format!("event/{seconds}"),
            value: Some(value.to_string()),
        }
    }

    fn mark(reason: Option<&str>) -> Change {
        Change {
            key: "assembly/node1".into(),
            value: Some(serde_json::json!({ "restart": reason }).to_string()),
        }
    }

    fn judge(escalations: &mut Escalations, changes: &[Change]) -> Vec<String> {
        for change in changes {
            escalations.saved(change, true);
        }
        escalations.judge()
    }

    #[test]
    fn a_restart_needs_as_many_failures_within_the_period_and_each_counts_once() {
        let reason = "service db failed 2 times within 10 s";
        let failed = |seconds| event("service.failed", "db", seconds, "rc 1");
        let mut own = Escalations::default();
        assert_eq!(
            judge(&mut own, &[failed(1), failed(11), mark(None)]).len(),
            0
        );
        assert_eq!(judge(&mut own, &[mark(Some(reason))]).len(), 1, "too old");
        let mut own = Escalations::default();
        let good = [mark(Some(reason)), failed(1), failed(9)];
        assert_eq!(judge(&mut own, &good), [] as [&str; 0]);
        assert_eq!(judge(&mut own, &[mark(Some(reason))]).len(), 0, "the same");
        assert_eq!(judge(&mut own, &[mark(None)]).len(), 0);
        let again = [mark(Some(reason)), failed(10)];
        assert_eq!(judge(&mut own, &again).len(), 1, "used up");
        let kept_waiting = [mark(Some(reason)), mark(None)];
        assert_eq!(judge(&mut own, &kept_waiting).len(), 0);
    }

    #[test]
    fn what_is_being_made_safe_is_not_lost_once_more() {
        let told = |kind: &str, at| event(kind, "", at, "a test");
        let mut own = Escalations::default();
        let requested = told("assembly.fencing-requested", 1);
        assert_eq!(
            judge(&mut own, &[told("assembly.lost", 0), requested]).len(),
            0
        );
        assert_eq!(judge(&mut own, &[told("assembly.lost", 2)]).len(), 1);
        let succeeded = told("assembly.fencing-succeeded", 3);
        assert_eq!(
            judge(&mut own, &[succeeded, told("assembly.lost", 4)]).len(),
            0
        );
    }

    /// An event about a former incarnation.
    fn of_former(mut change: Change) -> Change {
        let value = change.value.take().unwrap_or_default();
        change.value = Some(value.replace("node1", "node1~1"));
        change
    }

    #[test]
    fn a_former_incarnation_is_being_made_safe_if_it_was_by_its_name_in_the_document() {
        let told = |kind: &str, at| event(kind, "", at, "a test");
        let (requested, row) = (told("assembly.fencing-requested", 1), mark(None));
        let row = Change {
            key: row.key.replace("node1", "node1~1"),
            ..row
        };
        let lost = of_former(told("assembly.lost", 3));
        let mut own = Escalations::default();
        assert_eq!(judge(&mut own, &[requested.clone(), row.clone()]).len(), 0);
        assert_eq!(judge(&mut own, std::slice::from_ref(&lost)).len(), 1);
        // Its agent was back before another guest had its name, and the disk took all that at once.
        let mut own = Escalations::default();
        assert_eq!(judge(&mut own, &[requested]).len(), 0);
        let recovered = told("assembly.recovered", 2);
        assert_eq!(judge(&mut own, &[row, recovered, lost]).len(), 0);
    }

    #[test]
    fn a_deployment_fails_only_when_its_assembly_has_failed_as_often() {
        let reason = "assembly node1 failed 2 times within 10 s, last because it is silent: all that are online and not in maintenance are restarted";
        let lost = |seconds| event("assembly.lost", "", seconds, "it is silent");
        let failed = |seconds| event("deployment.failed", "", seconds, reason);
        let mut own = Escalations::default();
        assert_eq!(judge(&mut own, &[lost(1), failed(2)]).len(), 1);
        assert_eq!(judge(&mut own, &[lost(3), lost(4), failed(5)]).len(), 0);
        assert_eq!(
            judge(&mut own, &[mark(Some("the deployment failed"))]).len(),
            1
        );
    }
}
