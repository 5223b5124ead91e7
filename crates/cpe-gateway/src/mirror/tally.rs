//! What events add up to: counts and durations that no status has.
//!
//! Each event of the log is counted once, however often the connection breaks. Events from before
//! the gateway has started are not: all counts begin at 0 with it.

use std::collections::BTreeMap;

use cpe_bus::{Event, EventKind};
use prometheus_client::metrics::histogram::Histogram;

/// Deployments, and lost assemblies, of which something is remembered: names come from events.
const MOST: usize = 10_000;
/// What is missed so long before a loss has another reason, microseconds.
const BEFORE_A_LOSS: u64 = 60_000_000;
/// Bounds of what transitions take, seconds.
const TRANSITION: [f64; 12] = [
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0,
];
/// Bounds of what failovers take, seconds.
const FAILOVER: [f64; 12] = [
    0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 60.0, 120.0, 300.0,
];

/// Kinds that say that the state of a deployment is another one.
const CHANGES: [EventKind; 5] = [
    EventKind::DeploymentCreated,
    EventKind::DeploymentStarted,
    EventKind::DeploymentDegraded,
    EventKind::DeploymentRecovered,
    EventKind::DeploymentFailed,
];

/// The counts.
#[derive(Debug, Clone)]
pub struct Tally {
    events: BTreeMap<EventKind, u64>,
    others: u64,
    /// How long transitions took that have ended, seconds.
    pub transitions: Histogram,
    /// How long services were away that moved since their assembly was lost, seconds.
    pub failovers: Histogram,
    deployments: BTreeMap<String, OfDeployment>,
    assemblies: BTreeMap<(String, String), Silence>,
    /// How many events were counted.
    seen: u64,
    /// Time of the newest event.
    newest: u64,
    /// Events of a log that has replaced another one count if they are newer than this.
    counted: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct OfDeployment {
    restarts: u64,
    changed: u64,
    /// Number and beginning of the transition that runs.
    transition: Option<(u64, u64)>,
    /// Of all events that were counted, which one was its newest.
    last: u64,
}

/// An assembly that is not heard.
#[derive(Debug, Clone, Copy)]
struct Silence {
    since: u64,
    is_lost: bool,
    /// As of a deployment.
    last: u64,
}

/// How many events were counted at some moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(u64);

impl Default for Tally {
    fn default() -> Tally {
        Tally {
            events: EventKind::ALL.iter().map(|kind| (*kind, 0)).collect(),
            others: 0,
            transitions: Histogram::new(TRANSITION),
            failovers: Histogram::new(FAILOVER),
            deployments: BTreeMap::new(),
            assemblies: BTreeMap::new(),
            seen: 0,
            newest: 0,
            counted: 0,
        }
    }
}

impl Tally {
    /// Counts an event.
    pub(super) fn count(&mut self, event: &Event) {
        if event.time <= self.counted {
            return;
        }
        self.newest = self.newest.max(event.time);
        self.seen += 1;
        let Ok(kind) = event.kind.parse::<EventKind>() else {
            self.others += 1;
            return;
        };
        *self.events.entry(kind).or_default() += 1;
        self.note_silence(kind, event);
        if event.deployment.is_empty() || !self.has_room(&event.deployment) {
            return;
        }
        let own = self.deployments.entry(event.deployment.clone());
        let own = own.or_default();
        own.last = self.seen;
        let number = || event.details.get("transition")?.parse().ok();
        match kind {
            EventKind::DpeRestarted => own.restarts += 1,
            // One at a time: the end of another one was not seen.
            EventKind::TransitionStarted => {
                own.transition = number().map(|number| (number, event.time));
            }
            EventKind::TransitionCompleted | EventKind::TransitionAborted => {
                if let Some((began, since)) = own.transition.take()
                    && number() == Some(began)
                {
                    self.transitions.observe(seconds(since, event.time));
                }
            }
            _ => {}
        }
        self.look_back(event);
    }

    /// Learns from an event when a deployment's state changed; it may be an old one.
    pub(super) fn look_back(&mut self, event: &Event) {
        let is_change = event.kind.parse().is_ok_and(|kind| CHANGES.contains(&kind));
        if is_change && self.has_room(&event.deployment) {
            let own = self.deployments.entry(event.deployment.clone());
            let own = own.or_default();
            own.changed = own.changed.max(event.time);
        }
    }

    fn has_room(&self, deployment: &str) -> bool {
        self.deployments.len() < MOST || self.deployments.contains_key(deployment)
    }

    /// Counts the time from an assembly's first silence until its services run elsewhere.
    fn note_silence(&mut self, kind: EventKind, event: &Event) {
        let place = |assembly: &str| (event.deployment.clone(), assembly.to_owned());
        let here = place(&event.assembly);
        let last = self.seen;
        // What is remembered already takes no further room.
        let has_room = self.assemblies.len() < MOST || self.assemblies.contains_key(&here);
        match kind {
            EventKind::AssemblyHeartbeatMissed if has_room => {
                let heard = Silence {
                    since: event.time,
                    is_lost: false,
                    last,
                };
                let silence = self.assemblies.entry(here).or_insert(heard);
                if !silence.is_lost {
                    *silence = heard;
                }
            }
            EventKind::AssemblyLost if has_room => {
                let earliest = event.time.saturating_sub(BEFORE_A_LOSS);
                let missed = self.assemblies.get(&here).copied();
                let since = missed.filter(|it| it.is_lost || it.since >= earliest);
                let since = since.map_or(event.time, |it| it.since);
                let lost = Silence {
                    since,
                    is_lost: true,
                    last,
                };
                self.assemblies.insert(here, lost);
            }
            EventKind::AssemblyOnline | EventKind::AssemblyRecovered => {
                self.assemblies.remove(&here);
            }
            EventKind::ServiceMoved => {
                let from = event.details.get("from").map(|from| place(from));
                let silence = from.and_then(|from| self.assemblies.get(&from));
                if let Some(silence) = silence.filter(|it| it.is_lost) {
                    self.failovers.observe(seconds(silence.since, event.time));
                }
            }
            _ => {}
        }
    }

    /// What follows is of another log, which may have events of the former one.
    pub(super) fn begin_other_log(&mut self) {
        self.counted = self.newest;
    }

    /// Now.
    pub(super) fn moment(&self) -> Moment {
        Moment(self.seen)
    }

    /// Forgets deployments that were no more at that moment; of what was heard of them since, the
    /// next one tells.
    pub(super) fn retain(&mut self, Moment(at): Moment, exists: impl Fn(&str) -> bool) {
        self.deployments
            .retain(|name, own| exists(name) || own.last > at);
        self.assemblies
            .retain(|(name, _), own| exists(name) || own.last > at);
    }

    /// How many events there were of each kind; last those of kinds that are not known.
    pub fn events(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let known = self.events.iter().map(|(kind, n)| (kind.as_str(), *n));
        known.chain([("other", self.others)])
    }

    /// How often the DPE of a deployment was started again.
    pub fn restarts(&self, deployment: &str) -> u64 {
        self.deployments.get(deployment).map_or(0, |it| it.restarts)
    }

    /// When the state of a deployment changed last, microseconds since the Unix epoch.
    pub fn changed(&self, deployment: &str) -> Option<u64> {
        let own = self.deployments.get(deployment)?;
        Some(own.changed).filter(|time| *time > 0)
    }
}

fn seconds(from: u64, to: u64) -> f64 {
    std::time::Duration::from_micros(to.saturating_sub(from)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn event(kind: EventKind, at: u64, details: &[(&str, &str)]) -> Event {
        let mut event = Event::new(kind, "shop", at * SECOND);
        let details = details.iter();
        event.details = details
            .map(|(key, text)| ((*key).into(), (*text).into()))
            .collect();
        event
    }

    fn of(tally: &Tally, wanted: &str) -> u64 {
        let found = tally.events().find(|(kind, _)| *kind == wanted);
        found.unwrap().1
    }

    #[test]
    fn every_kind_is_there_before_anything_happens_and_unknown_ones_are_one() {
        let mut tally = Tally::default();
        assert_eq!(tally.events().count(), EventKind::ALL.len() + 1);
        assert_eq!(of(&tally, "service.failed"), 0);
        let mut strange = event(EventKind::ServiceFailed, 1, &[]);
        strange.kind = "my.own".into();
        tally.count(&strange);
        tally.count(&event(EventKind::ServiceFailed, 1, &[]));
        assert_eq!((of(&tally, "service.failed"), of(&tally, "other")), (1, 1));
    }

    #[test]
    fn a_transition_counts_when_its_own_end_is_seen() {
        let mut tally = Tally::default();
        let number = [("transition", "7")];
        tally.count(&event(EventKind::TransitionCompleted, 5, &number));
        tally.count(&event(EventKind::TransitionStarted, 10, &number));
        tally.count(&event(EventKind::TransitionCompleted, 13, &number));
        assert_eq!(
            (tally.transitions.count(), tally.transitions.sum()),
            (1, 3.0)
        );
        // The DPE died, and counts again.
        tally.count(&event(
            EventKind::TransitionStarted,
            20,
            &[("transition", "8")],
        ));
        let again = [("transition", "1")];
        tally.count(&event(EventKind::TransitionStarted, 30, &again));
        tally.count(&event(EventKind::TransitionAborted, 31, &again));
        assert_eq!(
            (tally.transitions.count(), tally.transitions.sum()),
            (2, 4.0)
        );
    }

    #[test]
    fn a_failover_is_the_time_from_the_first_silence_to_the_service_elsewhere() {
        let mut tally = Tally::default();
        let of = |kind, at, assembly: &str| Event {
            assembly: assembly.into(),
            ..event(kind, at, &[])
        };
        let moved = |at| Event {
            assembly: "b".into(),
            ..event(EventKind::ServiceMoved, at, &[("from", "a"), ("to", "b")])
        };
        // Somebody moved it; and its assembly was silent for a moment, and then somebody did.
        tally.count(&moved(1));
        tally.count(&of(EventKind::AssemblyHeartbeatMissed, 2, "a"));
        tally.count(&moved(3));
        assert_eq!(tally.failovers.count(), 0);
        tally.count(&of(EventKind::AssemblyHeartbeatMissed, 100, "a"));
        tally.count(&of(EventKind::AssemblyLost, 101, "a"));
        tally.count(&of(EventKind::AssemblyHeartbeatMissed, 102, "a"));
        tally.count(&moved(112));
        assert_eq!((tally.failovers.count(), tally.failovers.sum()), (1, 12.0));
        tally.count(&of(EventKind::AssemblyOnline, 120, "a"));
        tally.count(&moved(130));
        assert_eq!(tally.failovers.count(), 1);
    }

    #[test]
    fn a_log_that_was_restored_is_not_counted_twice() {
        let mut tally = Tally::default();
        tally.count(&event(EventKind::DpeRestarted, 1, &[]));
        tally.count(&event(EventKind::DpeRestarted, 2, &[]));
        tally.begin_other_log();
        tally.count(&event(EventKind::DpeRestarted, 1, &[]));
        assert_eq!(tally.restarts("shop"), 2);
        tally.count(&event(EventKind::DpeRestarted, 3, &[]));
        assert_eq!(
            (tally.restarts("shop"), of(&tally, "dpe.restarted")),
            (3, 3)
        );
        tally.retain(tally.moment(), |name| name != "shop");
        assert_eq!(tally.restarts("shop"), 0);
    }

    #[test]
    fn a_deployment_that_is_newer_than_the_list_of_all_is_not_forgotten() {
        let mut tally = Tally::default();
        tally.count(&event(EventKind::DpeRestarted, 1, &[]));
        // The list is asked for, and does not have it yet.
        let asked = tally.moment();
        let mut mail = event(EventKind::DpeRestarted, 2, &[]);
        mail.deployment = "mail".into();
        tally.count(&mail);
        tally.retain(asked, |_| false);
        assert_eq!((tally.restarts("shop"), tally.restarts("mail")), (0, 1));
        tally.retain(tally.moment(), |_| false);
        assert_eq!(tally.restarts("mail"), 0);
    }

    #[test]
    fn what_is_known_of_an_assembly_is_kept_up_when_there_is_no_room_for_others() {
        let mut tally = Tally::default();
        let of = |kind, at, assembly: &str| Event {
            assembly: assembly.into(),
            ..event(kind, at, &[])
        };
        for n in 0..MOST {
            let assembly = format!("a{n}");
            tally.count(&of(EventKind::AssemblyHeartbeatMissed, 100, &assembly));
        }
        tally.count(&of(EventKind::AssemblyHeartbeatMissed, 100, "more"));
        for assembly in ["a7", "more"] {
            tally.count(&of(EventKind::AssemblyLost, 101, assembly));
            let from = [("from", assembly), ("to", "b")];
            tally.count(&event(EventKind::ServiceMoved, 110, &from));
        }
        assert_eq!((tally.failovers.count(), tally.failovers.sum()), (1, 10.0));
    }

    #[test]
    fn a_state_has_changed_when_the_newest_event_says() {
        let mut tally = Tally::default();
        tally.count(&event(EventKind::DeploymentDegraded, 9, &[]));
        tally.look_back(&event(EventKind::DeploymentCreated, 1, &[]));
        tally.look_back(&event(EventKind::DeploymentModified, 20, &[]));
        assert_eq!(tally.changed("shop"), Some(9 * SECOND));
        assert_eq!(tally.changed("mail"), None);
    }
}
