//! Tickets: what administrators say about them, and what becomes of that.
//!
//! A ticket is granted to one of several sites at a time, and nobody here knows the others. So a
//! grant holds only as long as it can be taken back: it is forgotten when no constraint of the
//! document names the ticket any more, with a lost state, and with one from a backup, after which
//! it may have been revoked. What is not known to be granted is not.

use std::collections::{BTreeMap, BTreeSet};

use cpe_status::{TicketStatus, TicketUse};
use deployment::{quote, suggest};

use super::Controller;
use crate::vocabulary::{EventDraft, Refusal, Spec, TicketId, TicketOrder, Time};

/// The most tickets that a refusal names.
const NAMED: usize = 24;

impl Controller {
    /// Does what was asked for with a ticket. `by`: who asks, as the end of a sentence.
    pub(crate) fn order_ticket(
        &mut self,
        now: Time,
        ticket: &TicketId,
        order: TicketOrder,
        by: &str,
    ) -> Result<(), Refusal> {
        self.known_deployment()?;
        self.may_order_ticket(order)?;
        self.known_ticket(ticket)?;
        self.change_ticket(now, ticket, order, by);
        Ok(())
    }

    fn change_ticket(&mut self, now: Time, ticket: &TicketId, order: TicketOrder, why: &str) {
        let mut facts = self.store.ticket(ticket);
        let Some(event) = facts.obey(ticket, order, now.wall_us) else {
            return;
        };
        *self.store.ticket_mut(ticket) = facts;
        let reason = format!("{}{why}", event.reason);
        self.tell(
            now,
            EventDraft {
                reason: reason.clone(),
                ..event
            },
        );
        self.world_changed(&reason);
    }

    /// What is accepted is acted on: nobody is to think that services have stopped.
    fn may_order_ticket(&self, order: TicketOrder) -> Result<(), Refusal> {
        if !self.document.is_in_force() {
            return Err(Refusal::NotReady(
                "this version does not read the saved document, so nothing is decided, also not by tickets: deploy a document \
                 that it reads first"
                    .into(),
            ));
        }
        let loaded = self.store.loaded();
        let ends = loaded.is_none_or(|loaded| loaded.unload.is_some());
        if ends && matches!(order, TicketOrder::Grant | TicketOrder::Activate) {
            return Err(Refusal::NotReady(
                "the deployment is being ended: nothing starts any more".into(),
            ));
        }
        Ok(())
    }

    /// The document names the ticket.
    fn known_ticket(&self, ticket: &TicketId) -> Result<(), Refusal> {
        let uses = self.document.spec().map_or(&[][..], |spec| &spec.tickets);
        if uses.iter().any(|own| *ticket == own.ticket.as_str()) {
            return Ok(());
        }
        let mut names: Vec<&str> = uses.iter().map(|own| own.ticket.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let mut known = match names.len() {
            0 => "no <rsc_ticket>".to_owned(),
            count @ ..=NAMED => names[..count].join(", "),
            count => format!("{} and {} more", names[..NAMED].join(", "), count - NAMED),
        };
        let suggestion = suggest(ticket.as_str(), names);
        if let Some(suggestion) = suggestion.filter(|text| text.starts_with("did you mean")) {
            known = format!("{known}; {suggestion}");
        }
        // The name is a stranger's: a bounded part of it is shown.
        let name = quote(ticket.as_str());
        let name = name.trim_matches('\'').to_owned();
        Err(Refusal::NotFound {
            kind: "ticket",
            name,
            known,
        })
    }

    /// Forgets tickets that the next document does not name: nobody could revoke them any more.
    pub(crate) fn forget_tickets(&mut self, now: Time, next: &Spec, generation: u64) {
        if self.store.tickets().is_empty() {
            return;
        }
        let named: BTreeSet<&str> = next.tickets.iter().map(|own| own.ticket.as_str()).collect();
        let known = self.store.tickets().keys();
        let gone = known.filter(|ticket| !named.contains(ticket.as_str()));
        let gone: Vec<TicketId> = gone.cloned().collect();
        for ticket in gone {
            let why = format!(": no constraint of generation {generation} names it");
            self.change_ticket(now, &ticket, TicketOrder::Revoke, &why);
            self.store.remove_ticket(&ticket);
        }
    }

    /// A state from a backup does not know what has been revoked since.
    pub(crate) fn doubt_tickets(&mut self, now: Time) {
        if !self.store.is_outdated() {
            return;
        }
        for ticket in self.store.tickets().keys().cloned().collect::<Vec<_>>() {
            let why = ": the saved state is older than the last one, and may not know of its revocation; grant it again if no \
                       other site holds it";
            self.change_ticket(now, &ticket, TicketOrder::Revoke, why);
        }
    }

    /// The tickets that the document names, in its order, and what needs them.
    pub(crate) fn ticket_statuses(&self) -> Vec<TicketStatus> {
        let uses = self.document.spec().map_or(&[][..], |spec| &spec.tickets);
        let mut places = BTreeMap::new();
        let mut statuses: Vec<TicketStatus> = Vec::new();
        for own in uses {
            let place = *places.entry(own.ticket.as_str()).or_insert(statuses.len());
            if place == statuses.len() {
                let facts = self.store.ticket(&own.ticket.as_str().into());
                statuses.push(TicketStatus {
                    name: own.ticket.clone(),
                    granted: facts.is_granted(),
                    standby: facts.is_in_standby(),
                    since: facts.since(),
                    last_granted: facts.last_granted(),
                    uses: Vec::new(),
                });
            }
            if let Some(status) = statuses.get_mut(place) {
                status.uses.push(TicketUse {
                    constraint: own.constraint.clone(),
                    services: own.services.clone(),
                    more: own.more,
                    role: own.role.clone(),
                    loss_policy: own.loss_policy.clone(),
                });
            }
        }
        statuses
    }
}
