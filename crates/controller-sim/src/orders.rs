//! Orders about single services, beside documents: what people say, and that it is obeyed.

use controller::{AssemblyId, DEBUG, Lifetime, Operation, Request, ServiceOrder, Task};
use sim_kit::{Random, SECOND};

use crate::faults::Fault;
use crate::queue::SimEvent;
use crate::scenario::{Form, service_of};
use crate::world::World;

/// So that worlds that were found out before stay as they were, but for these orders.
const OWN_STREAM: u64 = 0x6f76_6572_6c61_7921;
/// The same of whether they are about the promoted role only.
const ROLES: u64 = 0x726f_6c65_7321_2121;

impl World {
    /// Makes up orders of people who do not know what else goes on.
    pub(crate) fn plan_service_orders(&mut self, until_us: u64) {
        let seed = self.random.clone().bits() ^ OWN_STREAM;
        let (mut random, mut roles) = (Random::new(seed), Random::new(seed ^ ROLES));
        for _ in 0..random.between(0, 5) {
            let at_us = random.between(2 * SECOND, until_us);
            let request = self.some_order(&mut random, &mut roles);
            self.at(at_us, SimEvent::Fault(Fault::Request(request)));
        }
    }

    fn some_order(&self, random: &mut Random, roles: &mut Random) -> Request {
        let service = &self.scenario.services[random.index(self.scenario.services.len())];
        let assemblies = &self.scenario.assemblies;
        let assembly = AssemblyId::from(&*assemblies[random.index(assemblies.len())].name);
        let lifetime = match random.index(3) {
            0 => Lifetime::Placed,
            1 => Lifetime::For(random.between(1, 30_000)),
            _ => Lifetime::Cleared,
        };
        let has_roles = matches!(service.form, Form::Promotable(_));
        let promoted = has_roles && roles.percent(60);
        let order = match random.index(10) {
            0 | 1 => ServiceOrder::Move {
                to: random.percent(70).then_some(assembly),
                from: None,
                promoted,
                lifetime,
            },
            2 | 3 => ServiceOrder::Ban {
                assembly,
                promoted,
                lifetime,
            },
            4 => ServiceOrder::Clear {
                assembly: random.percent(50).then_some(assembly),
            },
            5 => ServiceOrder::Disable,
            6 => ServiceOrder::Enable,
            7 => ServiceOrder::Unmanage,
            8 => ServiceOrder::Manage,
            _ => ServiceOrder::Restart,
        };
        let service = service.name.as_str().into();
        Request::Service { service, order }
    }

    /// In peace people end what they wanted, after that time.
    pub(crate) fn settle_orders(&mut self, after_us: u64) {
        let services = self.scenario.services.iter();
        let services: Vec<String> = services.map(|own| own.name.to_string()).collect();
        for service in &services {
            for order in [
                ServiceOrder::Clear { assembly: None },
                ServiceOrder::Enable,
                ServiceOrder::Manage,
            ] {
                let service = service.as_str().into();
                let request = Request::Service { service, order };
                self.after(after_us, SimEvent::Request(request));
            }
        }
    }

    /// What people want, as it is saved or about to be.
    fn entry(&self, service: &str, entry: &str) -> Option<&String> {
        let row = |name: &str| self.shell.row(&format!("overlay/{name}/{entry}"));
        row(service).or_else(|| row(&format!("{service}-clone")))
    }

    /// People want that, and not of the promoted role only.
    fn is_wanted(&self, service: &str, entry: &str) -> bool {
        let row = self.entry(service, entry);
        row.is_some_and(|row| !row.contains("\"promoted\":true"))
    }

    /// People have said that a service is to be left alone.
    pub(crate) fn is_left_alone(&self, service: &str) -> bool {
        self.is_wanted(service, "unmanage")
    }

    /// Nothing starts that is disabled, left alone or stopped for its restart, and nothing where it
    /// is banned, or is promoted there, by what is saved when the controller wants it. What waits
    /// for a slow disk then is not taken back by what people want meanwhile.
    pub(crate) fn check_orders(&mut self, assembly: &AssemblyId, operation: &Operation) {
        let action = &operation.action;
        let resource = &operation.resource;
        let service = service_of(resource);
        // What was run by hand was judged when it was asked for.
        if operation.annotations.contains_key(DEBUG) {
            return;
        }
        let ban = format!("ban/{assembly}");
        let broken = match action {
            Task::Start | Task::MigrateFrom => ["disable", "unmanage", "restart", &ban]
                .into_iter()
                .find(|entry| self.is_wanted(service, entry)),
            // Of whatever role the ban is.
            Task::Promote => self.entry(service, &ban).map(|_| &*ban),
            _ => None,
        };
        if let Some(entry) = broken {
            self.violated(format!(
                "{action} of {resource} in {assembly} in spite of {entry}"
            ));
        }
    }
}
