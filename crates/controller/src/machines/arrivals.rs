//! Live migrations that may have brought resources to an assembly whose agent does not know of it.
//!
//! A source sends a resource's processes before the target's agent hears anything of it. Before an
//! agent is asked for that, it is noted here, durably, under the assembly that they are sent to. If
//! the source then forgets what it has done, since its guest was reset, or is made safe, only the
//! target can say whether the processes came: the resource is looked for there before it is
//! started anywhere.
//!
//! ```text
//!  asked for ──▶ noted ──(the source has done it, the target's agent knows of it)──▶ forgotten
//!                  │                                                                    ▲
//!                  └──(the source has forgotten it, or gave it up)──▶ looked for ──(looked)
//!                                                                        ▲
//!                            (what was noted may be lost) ───────────────┘
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::history::History;
use crate::vocabulary::{Asked, AssemblyId, RecordState};

/// What may have come to one assembly, by resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Arrivals {
    resources: BTreeMap<String, Arrival>,
}

/// Of an assembly of which nothing is noted.
pub(crate) static NO_ARRIVALS: Arrivals = Arrivals {
    resources: BTreeMap::new(),
};

/// A live migration to one assembly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Arrival {
    source: AssemblyId,
    /// Id of the operation that the source was asked for.
    operation: String,
    /// The source does not know of it any more: what was asked for later tells what came.
    looked_for_since: Option<Asked>,
}

/// What the source of a live migration says about it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    /// Its agent was not heard since the DPE started.
    Unheard,
    /// What its agent says that it has done.
    Heard(&'a History),
    /// It is safe, or it is not there any more: it does nothing.
    Gone,
}

impl Arrivals {
    pub(crate) fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// A resource is about to be sent here by that operation of another assembly.
    pub(crate) fn note(&mut self, resource: &str, source: &AssemblyId, operation: &str) {
        let arrival = Arrival {
            source: source.clone(),
            operation: operation.to_owned(),
            looked_for_since: None,
        };
        self.resources.insert(resource.to_owned(), arrival);
    }

    /// What was noted may be lost: a resource may have come from anywhere, and only a new look can
    /// tell. `now`: the last transition.
    pub(crate) fn doubt(&mut self, resource: &str, now: &Asked) {
        let arrival = Arrival {
            source: AssemblyId::from(""),
            operation: String::new(),
            looked_for_since: Some(now.clone()),
        };
        self.resources.entry(resource.to_owned()).or_insert(arrival);
    }

    /// Whether a resource may have come.
    pub(crate) fn may_have_come(&self, resource: &str) -> bool {
        self.resources.contains_key(resource)
    }

    /// Whether any of these may have come.
    pub(crate) fn any_of(&self, wanted: impl Fn(&str) -> bool) -> bool {
        self.resources.keys().any(|resource| wanted(resource))
    }

    /// Whether only a new look can tell if a resource has come.
    pub(crate) fn must_be_looked_for(&self, resource: &str) -> bool {
        let arrival = self.resources.get(resource);
        arrival.is_some_and(|arrival| arrival.looked_for_since.is_some())
    }

    /// Whether only a new look can tell if anything has come.
    pub(crate) fn must_look(&self) -> bool {
        let mut arrivals = self.resources.values();
        arrivals.any(|arrival| arrival.looked_for_since.is_some())
    }

    /// Nothing is here.
    pub(crate) fn clear(&mut self) {
        self.resources.clear();
    }

    /// Takes over what may have come here under another name.
    pub(crate) fn join(&mut self, other: Arrivals) {
        for (resource, arrival) in other.resources {
            self.resources.entry(resource).or_insert(arrival);
        }
    }

    /// An assembly has another name from now on.
    pub(crate) fn rename_source(&mut self, old: &AssemblyId, new: &AssemblyId) {
        for arrival in self.resources.values_mut() {
            if arrival.source == *old {
                arrival.source = new.clone();
            }
        }
    }

    /// Forgets what is known by now. `target`: what the agent here says.
    pub(crate) fn settle<'a>(
        &mut self,
        target: &History,
        source: impl Fn(&AssemblyId) -> Source<'a>,
    ) {
        self.resources
            .retain(|resource, arrival| !match &arrival.looked_for_since {
                Some(since) => target.has_looked_after(resource, since),
                None => {
                    arrival.told(resource, source(&arrival.source)) == Told::Done
                        && target.knows_since(resource, &arrival.operation)
                }
            });
    }

    /// Finds out what only a look can tell: the source does not know of it any more, or has given
    /// it up, while nobody has heard of it here. `now`: the last transition, which is over.
    pub(crate) fn look<'a>(&mut self, source: impl Fn(&AssemblyId) -> Source<'a>, now: &Asked) {
        for (resource, arrival) in &mut self.resources {
            let told = arrival.told(resource, source(&arrival.source));
            let over = match told {
                Told::UnderWay => false,
                Told::Done => match source(&arrival.source) {
                    Source::Heard(history) => history.gave_up(resource, &arrival.operation),
                    Source::Unheard | Source::Gone => false,
                },
                Told::Nothing => true,
            };
            if over && arrival.looked_for_since.is_none() {
                arrival.looked_for_since = Some(now.clone());
            }
        }
    }
}

/// What the source of a live migration has told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// It may go on.
    UnderWay,
    /// It has ended.
    Done,
    /// Nothing: it has forgotten it, or does nothing any more.
    Nothing,
}

impl Arrival {
    fn told(&self, resource: &str, source: Source<'_>) -> Told {
        let record = match source {
            Source::Unheard => return Told::UnderWay,
            Source::Heard(history) => history.operation(resource, &self.operation),
            Source::Gone => None,
        };
        match record.map(|record| record.state) {
            None => Told::Nothing,
            Some(RecordState::Complete) => Told::Done,
            Some(_) => Told::UnderWay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::{Operation, Record, Task, TransitionKey, dispatcher_uuid};

    fn id(transition: u64) -> String {
        let key = TransitionKey {
            action: 1,
            transition,
            expected_rc: 0,
            uuid: dispatcher_uuid(3),
        };
        key.to_string()
    }

    fn history(records: &[(Task, u64, RecordState)]) -> History {
        let mut history = History::default();
        for (action, transition, state) in records {
            history.insert(Record {
                operation: Operation {
                    id: id(*transition),
                    resource: "vm".into(),
                    action: action.clone(),
                    ..Operation::default()
                },
                call_id: u32::try_from(*transition).unwrap_or(0),
                state: *state,
                ..Record::default()
            });
        }
        history
    }

    fn noted() -> Arrivals {
        let mut arrivals = Arrivals::default();
        arrivals.note("vm", &"web1".into(), &id(5));
        arrivals
    }

    /// The transition of that number has ended.
    fn settled(mut arrivals: Arrivals, target: &History, source: Source<'_>, now: u64) -> Arrivals {
        arrivals.settle(target, |_| source);
        arrivals.look(|_| source, &Asked::new(3, now));
        arrivals
    }

    #[test]
    fn what_both_ends_know_of_is_forgotten() {
        let source = history(&[(Task::MigrateTo, 5, RecordState::Complete)]);
        let before = history(&[(Task::Monitor, 4, RecordState::Complete)]);
        let kept = settled(noted(), &before, Source::Heard(&source), 5);
        assert_eq!(kept, noted(), "the target does not know of it yet");
        let after = history(&[(Task::MigrateFrom, 5, RecordState::Complete)]);
        assert!(settled(noted(), &after, Source::Heard(&source), 5).is_empty());
    }

    #[test]
    fn what_the_target_was_asked_for_but_has_not_told_is_not_known_there() {
        let source = history(&[(Task::MigrateTo, 5, RecordState::Complete)]);
        let mut target = history(&[(Task::Monitor, 4, RecordState::Complete)]);
        let stop = history(&[(Task::Stop, 6, RecordState::Pending)]);
        target.sent(stop.records().next().unwrap().clone());
        let kept = settled(noted(), &target, Source::Heard(&source), 6);
        assert_eq!(kept, noted(), "it may never have heard of it");
    }

    #[test]
    fn what_is_not_over_at_the_source_is_kept_whatever_the_target_says() {
        let looked = history(&[(Task::Monitor, 6, RecordState::Complete)]);
        let source = history(&[(Task::MigrateTo, 5, RecordState::Pending)]);
        for source in [Source::Unheard, Source::Heard(&source)] {
            let kept = settled(noted(), &looked, source, 6);
            assert!(kept.may_have_come("vm") && !kept.must_be_looked_for("vm"));
        }
    }

    #[test]
    fn what_the_source_has_forgotten_is_looked_for_after_that() {
        let rebooted = History::default();
        let early = history(&[(Task::Monitor, 6, RecordState::Complete)]);
        for source in [Source::Gone, Source::Heard(&rebooted)] {
            let kept = settled(noted(), &early, source, 6);
            assert!(kept.must_be_looked_for("vm"), "that was before");
            let pending = history(&[(Task::Monitor, 7, RecordState::Pending)]);
            let kept = settled(kept, &pending, source, 7);
            assert!(kept.must_be_looked_for("vm"), "the look has not ended");
            let late = history(&[(Task::Monitor, 7, RecordState::Complete)]);
            assert!(settled(kept, &late, source, 7).is_empty());
        }
    }

    #[test]
    fn what_the_source_has_given_up_is_looked_for() {
        let source = history(&[
            (Task::MigrateTo, 5, RecordState::Complete),
            (Task::Stop, 6, RecordState::Complete),
        ]);
        let before = history(&[(Task::Monitor, 4, RecordState::Complete)]);
        let kept = settled(noted(), &before, Source::Heard(&source), 6);
        assert!(kept.must_be_looked_for("vm"));
        let stopped = history(&[(Task::Stop, 6, RecordState::Complete)]);
        assert!(settled(noted(), &stopped, Source::Heard(&source), 6).is_empty());
    }

    #[test]
    fn a_source_may_get_another_name() {
        let mut arrivals = noted();
        arrivals.rename_source(&"web1".into(), &"web1~1".into());
        let source = history(&[(Task::MigrateTo, 5, RecordState::Pending)]);
        let of = |name: &AssemblyId| match name.as_str() {
            "web1~1" => Source::Heard(&source),
            _ => Source::Gone,
        };
        arrivals.look(of, &Asked::new(3, 5));
        assert!(!arrivals.must_be_looked_for("vm"));
    }
}
