//! The diagram of an assembly's life: its states, what leads from one to another, as plain
//! data. It uses nothing, so that the test which draws the diagram can include it.

/// A life and whether it is being fenced, as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Unknown,
    Online,
    Missed,
    Lost,
    OnlineFencing,
    MissedFencing,
    LostFencing,
    Safe,
}

/// What leads from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// Its agent answers Hello, and nothing fences it any longer.
    Hello,
    /// Its heartbeats are late.
    Late,
    /// A heartbeat.
    Heartbeat,
    /// Nothing was heard for too long, or another guest answers.
    Silence,
    /// It has to be made safe.
    Demand,
    /// Nothing of ours runs there any more.
    Safe,
    /// Its agent says that it has stopped everything and begins nothing more.
    Left,
    /// Its fencing is given up.
    GivenUp,
    /// It lives on under another name.
    Renamed,
    /// Its name or address belongs to a former life.
    Held,
    /// Its guest belongs to somebody else, and nothing of ours is in it.
    Occupied,
}

use State::{Lost, LostFencing, Missed, MissedFencing, Online, OnlineFencing, Unknown};

/// All edges: what leads from where to where.
pub(super) const EDGES: &[(Trigger, State, State)] = &[
    (Trigger::Hello, Unknown, Online),
    (Trigger::Hello, Online, Online),
    (Trigger::Hello, Missed, Online),
    (Trigger::Hello, Lost, Online),
    (Trigger::Hello, LostFencing, Online),
    (Trigger::Hello, State::Safe, Online),
    (Trigger::Late, Online, Missed),
    (Trigger::Late, OnlineFencing, MissedFencing),
    (Trigger::Heartbeat, Missed, Online),
    (Trigger::Heartbeat, MissedFencing, OnlineFencing),
    (Trigger::Silence, Unknown, Lost),
    (Trigger::Silence, Online, Lost),
    (Trigger::Silence, Missed, Lost),
    (Trigger::Silence, Lost, Lost),
    (Trigger::Silence, MissedFencing, LostFencing),
    (Trigger::Demand, Unknown, LostFencing),
    (Trigger::Demand, Online, OnlineFencing),
    (Trigger::Demand, Missed, MissedFencing),
    (Trigger::Demand, Lost, LostFencing),
    (Trigger::Safe, Lost, State::Safe),
    (Trigger::Safe, OnlineFencing, State::Safe),
    (Trigger::Safe, MissedFencing, State::Safe),
    (Trigger::Safe, LostFencing, State::Safe),
    (Trigger::Left, Online, State::Safe),
    (Trigger::Left, Missed, State::Safe),
    (Trigger::GivenUp, OnlineFencing, Online),
    (Trigger::GivenUp, MissedFencing, Missed),
    (Trigger::GivenUp, LostFencing, Lost),
    (Trigger::Renamed, OnlineFencing, Online),
    (Trigger::Renamed, MissedFencing, Missed),
    (Trigger::Renamed, LostFencing, Lost),
    (Trigger::Held, Unknown, State::Safe),
    (Trigger::Held, Lost, State::Safe),
    (Trigger::Occupied, Unknown, State::Safe),
    (Trigger::Occupied, Online, State::Safe),
    (Trigger::Occupied, Missed, State::Safe),
    (Trigger::Occupied, Lost, State::Safe),
    (Trigger::Occupied, LostFencing, State::Safe),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every state, once.
    const STATES: [State; 8] = [
        Unknown,
        Online,
        Missed,
        Lost,
        OnlineFencing,
        MissedFencing,
        LostFencing,
        State::Safe,
    ];

    #[test]
    fn no_edge_is_named_twice() {
        for (index, edge) in EDGES.iter().enumerate() {
            assert!(!EDGES[..index].contains(edge), "{edge:?}");
        }
    }

    #[test]
    fn every_state_can_be_reached_and_left() {
        let mut reached = BTreeSet::from([Unknown]);
        while let Some(next) = EDGES
            .iter()
            .find(|(_, from, to)| reached.contains(from) && !reached.contains(to))
        {
            reached.insert(next.2);
        }
        assert_eq!(reached.into_iter().collect::<Vec<_>>(), STATES);
        for state in STATES {
            let left = EDGES
                .iter()
                .any(|(_, from, to)| *from == state && *to != state);
            assert!(left, "{state:?}");
        }
    }

    #[test]
    fn only_who_is_heard_and_not_being_fenced_can_leave() {
        for (trigger, from, to) in EDGES {
            let heard = matches!(from, Online | Missed) && *to == State::Safe;
            assert!(*trigger != Trigger::Left || heard, "{from:?}");
        }
    }

    #[test]
    fn only_what_is_lost_or_being_fenced_is_made_safe() {
        for (trigger, from, _) in EDGES {
            let fenced = matches!(from, Lost | OnlineFencing | MissedFencing | LostFencing);
            assert!(*trigger != Trigger::Safe || fenced, "{from:?}");
        }
    }
}
