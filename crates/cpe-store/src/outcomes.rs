//! What follows from a request, by what is there, and what the event log tells of it: the same in
//! every store.

use cpe_bus::{Event, EventKind};
use cpe_status::DeploymentState;

use crate::journal::new_event;
use crate::words::{Details, Ending, Generation, Given, Keep, Row, Run, Taken, Updated};

/// The next document of a deployment.
#[derive(Debug, PartialEq)]
pub struct Change {
    /// Its number.
    pub generation: u64,
    /// How it came to be, if nobody asked.
    pub remark: String,
    /// What the event log tells.
    pub event: Event,
}

fn details<const N: usize>(all: [(&str, &str); N]) -> Details {
    let owned = all.map(|(key, value)| (key.to_owned(), value.to_owned()));
    owned.into()
}

/// Somebody has created it.
pub fn created(name: &str, uuid: &str, by: &Details) -> Event {
    let mut details = details([("generation", "1"), ("uuid", uuid)]);
    details.extend(by.clone());
    Event {
        state: DeploymentState::Stored.as_str().into(),
        details,
        ..new_event(EventKind::DeploymentCreated, name)
    }
}

/// Somebody wants another document. `uuid` is the document's, if it says one; `expected` 0 means
/// whichever generation is current; `is_current`: the document is the current one already.
///
/// # Errors
/// What to answer if nothing is to be done.
pub fn updated(
    existing: &Row,
    uuid: Option<&str>,
    expected: u64,
    is_current: bool,
    by: &Details,
) -> Result<Change, Box<Updated>> {
    if existing.destroying.is_some() {
        return Err(Box::new(Updated::BeingDestroyed));
    }
    if uuid.is_some_and(|uuid| uuid != existing.uuid) {
        return Err(Box::new(Updated::OtherUuid(existing.uuid.clone())));
    }
    // A caller whose reply was lost asks again with the expectation that it fulfilled itself.
    let fits = expected == 0 || expected == existing.generation;
    if (fits || expected.saturating_add(1) == existing.generation) && is_current {
        return Err(Box::new(Updated::Same(existing.generation)));
    }
    if !fits {
        return Err(Box::new(Updated::Conflict(existing.generation)));
    }
    let generation = existing.generation.saturating_add(1);
    let mut event = modified(existing, generation, String::new());
    event.details.extend(by.clone());
    Ok(Change {
        generation,
        remark: String::new(),
        event,
    })
}

fn modified(existing: &Row, generation: u64, reason: String) -> Event {
    let (new, old) = (generation.to_string(), existing.generation.to_string());
    Event {
        reason,
        details: details([("generation", &new), ("previous", &old)]),
        ..new_event(EventKind::DeploymentModified, &existing.name)
    }
}

/// Its DPE holds a generation that the store does not know; `None`: it is an older one.
pub fn renumbered(existing: &Row, above: u64) -> Option<Change> {
    if existing.generation > above {
        return None;
    }
    let generation = above.saturating_add(1);
    let remark = format!(
        "its DPE holds generation {above}, but generation {} was stored since the database was lost or restored: the stored \
         document counts",
        existing.generation
    );
    Some(Change {
        generation,
        event: modified(existing, generation, remark.clone()),
        remark,
    })
}

/// Its DPE runs, and the store did not know of it.
pub fn adopted(name: &str, uuid: &str, generation: u64) -> Change {
    let remark = "taken over from its running DPE; the database did not know it";
    let number = generation.to_string();
    Change {
        generation,
        remark: remark.to_owned(),
        event: Event {
            reason: remark.to_owned(),
            details: details([("generation", &number), ("uuid", uuid), ("adopted", "yes")]),
            ..new_event(EventKind::DeploymentCreated, name)
        },
    }
}

/// Its DPE has a newer document than the store; `None`: it has not, or it is of no use any more.
pub fn taken_over(existing: &Row, uuid: &str, generation: u64) -> Option<Change> {
    if existing.generation >= generation || existing.destroying.is_some() {
        return None;
    }
    let remark = format!(
        "taken over from its running DPE, because the database is a backup that holds generation {} only",
        existing.generation
    );
    let mut event = modified(existing, generation, remark.clone());
    event
        .details
        .extend(details([("uuid", uuid), ("adopted", "yes")]));
    Some(Change {
        generation,
        remark,
        event,
    })
}

/// Nothing is left of it.
pub fn forgotten(name: &str) -> Event {
    new_event(EventKind::DeploymentDestroyed, name)
}

/// What is new about the runs of a unit.
#[derive(Debug, PartialEq)]
pub struct Runs {
    /// What the event log tells.
    pub events: Vec<Event>,
    /// The last run of the unit.
    pub invocation: String,
    /// Whether it is going on.
    pub alive: bool,
}

/// What is new about a run at the host `here`, by what the event log knows; `None`: nothing is.
/// Whether the last run of another host has ended is for that one to say: that it runs here now is
/// no death of it.
pub fn runs(known: &Row, here: &str, run: &Run, time: u64) -> Option<Runs> {
    let is_moved = !known.host.is_empty() && known.host != here;
    let event = |kind| Event::new(kind, &known.name, time);
    let ended = |cause: &str, stopped: bool| {
        let (kind, state) = match stopped {
            true => (EventKind::DpeStopped, "stopped"),
            false => (EventKind::DpeDied, "dead"),
        };
        Event {
            state: state.into(),
            reason: cause.into(),
            details: details([("invocation", &known.invocation)]),
            ..event(kind)
        }
    };
    match run {
        Run::Alive {
            invocation,
            pid,
            after_stop,
        } if *invocation != known.invocation => {
            let cause = match after_stop {
                true => "its unit was restarted",
                false => "its end was not seen; a new run was found",
            };
            let before = match is_moved {
                true => Some(moved(known, here, time)),
                false => known.alive.then(|| ended(cause, *after_stop)),
            };
            let mut events: Vec<Event> = before.into_iter().collect();
            let kind = match is_moved || known.invocation.is_empty() {
                true => EventKind::DpeStarted,
                false => EventKind::DpeRestarted,
            };
            let mut details = details([("invocation", invocation), ("pid", &pid.to_string())]);
            if !here.is_empty() {
                details.insert("host".to_owned(), here.to_owned());
            }
            events.push(Event {
                state: "running".into(),
                details,
                ..event(kind)
            });
            Some(Runs {
                events,
                invocation: invocation.clone(),
                alive: true,
            })
        }
        Run::Ended { cause, stopped } if known.alive && !is_moved => Some(Runs {
            events: vec![ended(cause, *stopped)],
            invocation: known.invocation.clone(),
            alive: false,
        }),
        Run::Alive { .. } | Run::Ended { .. } => None,
    }
}

fn moved(known: &Row, here: &str, time: u64) -> Event {
    let from = &known.host;
    Event {
        reason: format!("host {here} runs its DPE now; before, host {from} did"),
        details: details([("from", from), ("to", here)]),
        ..Event::new(EventKind::DeploymentMoved, &known.name, time)
    }
}

/// Whether an order that somebody gives is a new one, by the one of that id.
pub fn look_for(known: Option<Given>, wanted: Given) -> Taken {
    match known {
        Some(known) if !known.asks_the_same_as(&wanted) => Taken::Other,
        Some(known) if known.ending != Some(Ending::NotNow) => Taken::Known(known),
        _ => Taken::New(wanted),
    }
}

/// Which of these generations, oldest first, are not kept. The last one is the current one.
pub fn dropped(all: &[Generation], keep: Keep) -> Vec<u64> {
    let (mut place, mut bytes) = (0, 0_u64);
    let mut dropped = Vec::new();
    for (age, generation) in all.iter().rev().enumerate() {
        place += 1;
        bytes = bytes.saturating_add(generation.bytes);
        if age > 0 && (place > keep.generations || bytes > keep.bytes) {
            dropped.push(generation.number);
        }
    }
    dropped
}
