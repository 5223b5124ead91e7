//! A ticket of a deployment: what an administrator, or who decides for several sites, has said
//! about it. A durable fact.
//!
//! ```text
//!             grant                            standby
//!  ┌─────────┐────▶┌─────────┐      ┌────────┐────▶┌─────────┐
//!  │ revoked │     │ granted │  and │ active │     │ standby │
//!  └─────────┘◀────└─────────┘      └────────┘◀────└─────────┘
//!             revoke                           activate
//! ```
//!
//! The two are independent, as in Pacemaker: a ticket in standby may be granted, and stays in
//! standby. Services have their ticket while it is granted and active. Of a ticket that nobody has
//! said anything about there is no fact: it is revoked, and active.

use serde::{Deserialize, Serialize};

use crate::vocabulary::{EventDraft, EventKind, TicketId, TicketOrder};

/// What was said about a ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TicketFacts {
    /// To this deployment.
    granted: bool,
    /// What needs it is stopped although it is granted.
    standby: bool,
    /// When it was granted or revoked last, wall clock, µs; 0: never.
    since: u64,
    /// When it was granted last, wall clock, µs; 0: never.
    last_granted: u64,
}

impl TicketFacts {
    /// To this deployment.
    pub(crate) fn is_granted(&self) -> bool {
        self.granted
    }

    /// What needs it is stopped although it may be granted.
    pub(crate) fn is_in_standby(&self) -> bool {
        self.standby
    }

    /// When it was granted or revoked last, wall clock, µs; 0: never.
    pub(crate) fn since(&self) -> u64 {
        self.since
    }

    /// When it was granted last, wall clock, µs; 0: never.
    pub(crate) fn last_granted(&self) -> u64 {
        self.last_granted
    }

    /// Does what was asked for. `None`: it is so already.
    pub(crate) fn obey(
        &mut self,
        ticket: &TicketId,
        order: TicketOrder,
        wall_us: u64,
    ) -> Option<EventDraft> {
        let before = self.clone();
        match order {
            TicketOrder::Grant => self.granted = true,
            TicketOrder::Revoke => self.granted = false,
            TicketOrder::Standby => self.standby = true,
            TicketOrder::Activate => self.standby = false,
        }
        if *self == before {
            return None;
        }
        let (kind, text) = match order {
            TicketOrder::Grant => (EventKind::TicketGranted, "granted"),
            TicketOrder::Revoke => (EventKind::TicketRevoked, "revoked"),
            TicketOrder::Standby => (EventKind::TicketStandby, "in standby"),
            TicketOrder::Activate => (EventKind::TicketActivated, "active again"),
        };
        if self.granted != before.granted {
            self.since = wall_us;
        }
        if self.granted && !before.granted {
            self.last_granted = wall_us;
        }
        let event = EventDraft::new(kind)
            .reason(format!("ticket {ticket} is {text}"))
            .detail("ticket", ticket)
            .detail("granted", self.granted)
            .detail("standby", self.standby);
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_does_what_it_says_and_nothing_twice() {
        use TicketOrder::{Activate, Grant, Revoke, Standby};
        let mut facts = TicketFacts::default();
        let table = [
            (Revoke, None, false),
            (Activate, None, false),
            (Grant, Some(EventKind::TicketGranted), true),
            (Grant, None, true),
            (Standby, Some(EventKind::TicketStandby), false),
            (Standby, None, false),
            (Revoke, Some(EventKind::TicketRevoked), false),
            (Grant, Some(EventKind::TicketGranted), false),
            (Activate, Some(EventKind::TicketActivated), true),
            (Revoke, Some(EventKind::TicketRevoked), false),
        ];
        for (at, (order, kind, holds)) in table.into_iter().enumerate() {
            let told = facts.obey(&"east".into(), order, 1 + at as u64);
            assert_eq!(told.map(|event| event.kind), kind, "{at}: {order:?}");
            assert_eq!(facts.granted && !facts.standby, holds, "{at}: {order:?}");
        }
        assert_eq!((facts.since, facts.last_granted), (10, 8));
    }
}
