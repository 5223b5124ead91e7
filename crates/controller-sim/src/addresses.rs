//! Guests whose addresses change, and services that follow them.
//!
//! Each guest has one address. What a service was started with must be what the guest that it
//! follows told last, once all is quiet.

use controller::{AssemblyId, Task};
use sim_kit::{MS, Random, SECOND};

use crate::faults::Fault;
use crate::network::ToDpe;
use crate::policies::PEER;
use crate::queue::SimEvent;
use crate::world::World;

impl World {
    /// Makes up addresses that change, some of them back within seconds.
    pub fn plan_addresses(&mut self, mut random: Random) {
        for _ in 0..random.between(3, 12) {
            let at_us = random.between(2 * SECOND, self.faults_until_us);
            let guest = random.index(self.guests.len());
            let address = random.between(1, 5) as u8;
            self.at(at_us, SimEvent::Fault(Fault::Readdress(guest, address)));
            for _ in 0..random.between(0, 3) {
                let later = at_us + random.between(100 * MS, 6 * SECOND);
                let address = random.between(1, 5) as u8;
                let fault = Fault::Readdress(guest, address);
                self.at(later.min(self.faults_until_us), SimEvent::Fault(fault));
            }
        }
    }

    /// A guest tells its DPE an address that it has not told it yet.
    pub(crate) fn tell_address(&mut self, guest: usize, stream: u64) {
        let own = &mut self.guests[guest];
        if own.agent.told != Some(own.address) {
            own.agent.told = Some(own.address);
            let facts = own.facts();
            self.post_to_dpe(stream, ToDpe::Facts(facts));
        }
    }

    /// A service that runs with another address than the guest has that it follows.
    pub(crate) fn outdated(&self, index: usize) -> Option<String> {
        let service = &self.scenario.services[index];
        let follows = service.policies.follows.filter(|own| !own.ignores())?;
        let assembly = &self.scenario.assemblies[follows.assembly];
        let followed = self.connected_to(&AssemblyId::from(assembly.name.as_str()))?;
        let address = self.guests[followed].facts().remove("ipaddress")?;
        let mut running = self
            .guests
            .iter()
            .filter(|guest| guest.running.contains(&service.name));
        running.find_map(|guest| {
            let records = guest.agent.records.values();
            let defines = records.filter(|record| {
                let action = &record.operation.action;
                record.operation.resource == service.name
                    && (matches!(action, Task::Start | Task::MigrateFrom)
                        || (*action == Task::ReloadAgent && !record.failed()))
            });
            let last = defines.max_by_key(|record| record.call_id)?;
            let found = last.operation.parameters.get(PEER)?;
            (*found != address).then(|| {
                let name = &service.name;
                format!("{name} runs with address {found} and follows one that is {address}")
            })
        })
    }
}
