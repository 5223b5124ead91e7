//! Tickets of a world: what people say about them, and that nothing starts without.

use controller::{Operation, Request, Task, TicketOrder};
use sim_kit::SECOND;

use crate::faults::Fault;
use crate::queue::SimEvent;
use crate::scenario::service_of;
use crate::world::World;

/// The only ticket of made-up documents.
const TICKET: &str = "sim";

impl World {
    /// Makes up orders of people who do not know what else goes on.
    pub(crate) fn plan_ticket_orders(&mut self, until_us: u64) {
        if !self.scenario.rich {
            return;
        }
        let orders = [
            TicketOrder::Grant,
            TicketOrder::Grant,
            TicketOrder::Revoke,
            TicketOrder::Standby,
            TicketOrder::Activate,
        ];
        for _ in 0..self.random.between(0, 6) {
            let at_us = self.random.between(2 * SECOND, until_us);
            let order = orders[self.random.index(orders.len())];
            self.at(at_us, SimEvent::Fault(Fault::Request(ticket(order))));
        }
    }

    /// In peace people know what they want, and say it after that time.
    pub(crate) fn settle_ticket(&mut self, after_us: u64) {
        if !self.scenario.rich {
            return;
        }
        let orders = match self.scenario.ticket {
            true => [TicketOrder::Grant, TicketOrder::Activate],
            false => [TicketOrder::Activate, TicketOrder::Revoke],
        };
        for order in orders {
            self.after(after_us, SimEvent::Request(ticket(order)));
        }
    }

    /// What needs a ticket, by the document in force, is started or promoted only while the ticket
    /// is granted and active, by what is saved.
    pub(crate) fn check_ticket(&mut self, operation: &Operation) {
        let action = &operation.action;
        if !matches!(action, Task::Start | Task::MigrateFrom | Task::Promote) {
            return;
        }
        let row = self.shell.table.get(&format!("ticket/{TICKET}"));
        let says = |word: &str| row.is_some_and(|row| row.contains(&format!("\"{word}\":true")));
        if says("granted") && !says("standby") {
            return;
        }
        let controller = self.shell.controller.as_ref();
        let Some((document, generation)) = controller.and_then(|own| own.document()) else {
            return;
        };
        // It was wanted under a former document, and has waited for the disk since.
        if self.shell.wanted_under != generation {
            return;
        }
        let id = format!(
            "<rsc_ticket id=\"{}-ticket\"",
            service_of(&operation.resource)
        );
        let constraint = document.split_once(&id);
        let constraint = constraint.and_then(|(_, rest)| rest.split_once("/>"));
        let needs = constraint.is_some_and(|(constraint, _)| {
            *action == Task::Promote || !constraint.contains("rsc-role")
        });
        if needs {
            let resource = &operation.resource;
            self.violated(format!("{action} of {resource} without its ticket"));
        }
    }
}

fn ticket(order: TicketOrder) -> Request {
    let ticket = TICKET.into();
    Request::Ticket { ticket, order }
}
