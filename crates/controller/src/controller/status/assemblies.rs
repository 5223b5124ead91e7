//! What a status says about assemblies.

use cpe_status::{AssemblyState, AssemblyStatus};

use crate::controller::Controller;
use crate::machines::assembly::{Assembly, Life};
use crate::machines::facts::Departure;
use crate::vocabulary::{AssemblyId, Holder, Occupant, SECOND, Time};

impl Controller {
    /// What [`Controller::status`] says about assemblies.
    pub fn assembly_statuses(&self, now: Time) -> Vec<AssemblyStatus> {
        let order = self
            .document
            .spec()
            .map(|spec| spec.order.as_slice())
            .unwrap_or_default();
        let retired = self.assemblies.keys().filter(|name| !order.contains(name));
        order
            .iter()
            .chain(retired)
            .filter_map(|name| Some(self.assembly_status(now, name, self.assemblies.get(name)?)))
            .collect()
    }

    /// The host that an assembly's guest runs on. Empty also if the document has another since the
    /// guest was heard: it is not known on which of them it runs then.
    fn host_of(&self, name: &AssemblyId, assembly: &Assembly) -> String {
        let own = &assembly.spec().host;
        let facts = self.store.assemblies().get(name);
        let accepted = facts.and_then(|facts| facts.accepted.as_ref());
        match accepted.is_none_or(|accepted| accepted.host == *own) {
            true => own.clone(),
            false => String::new(),
        }
    }

    fn offline_text(&self, name: &AssemblyId, now: Time) -> String {
        let waiting = "it was made safe; waiting for its agent";
        match self.power_deadline(name) {
            Some(next_us) => {
                let left_s = next_us.saturating_sub(now.boottime_us).div_ceil(SECOND);
                format!("{waiting}; its device is to switch it on in {left_s} s")
            }
            None if self.store.assembly(name).stays_off => {
                format!("{waiting}; it was switched off on demand")
            }
            None => waiting.to_owned(),
        }
    }

    fn assembly_status(&self, now: Time, name: &AssemblyId, assembly: &Assembly) -> AssemblyStatus {
        let facts = self.store.assembly(name);
        let maintenance = self.in_maintenance(name);
        let (state, reason) = match (assembly.life(), assembly.fence()) {
            (_, Some(fence)) => {
                let phase = self.fence_phase_text(fence, &assembly.spec().fencing, now);
                (
                    AssemblyState::Fencing,
                    format!("{}: {phase}", fence.reason()),
                )
            }
            (Life::Unknown { .. }, _) => (
                AssemblyState::Unknown,
                "its agent was not heard of yet".into(),
            ),
            (Life::Lost, _) => (AssemblyState::Lost, "no heartbeats".into()),
            (Life::Safe, _) if facts.occupant.is_some() => (
                AssemblyState::Occupied,
                facts.occupant.as_ref().map(Occupant::text).unwrap_or_default(),
            ),
            (Life::Safe, _) if self.is_held(name) => (
                AssemblyState::Offline,
                "waiting until its address is free: the guest there still belongs to a former assembly".into(),
            ),
            (Life::Safe, _) if assembly.spec().address.is_none() => (
                AssemblyState::Offline,
                "the document gives no address for its agent".into(),
            ),
            (Life::Safe, _) if facts.departure == Departure::Left => (
                AssemblyState::Offline,
                "its guest went down as planned; waiting for its agent".into(),
            ),
            (Life::Safe, _) => (AssemblyState::Offline, self.offline_text(name, now)),
            (Life::Online | Life::Missed, _) if facts.departure == Departure::Leaving => (
                AssemblyState::Leaving,
                "it goes down as planned: its services move or stop".into(),
            ),
            (Life::Online | Life::Missed, _) if facts.standby => {
                (AssemblyState::Standby, String::new())
            }
            (Life::Online | Life::Missed, _) if maintenance => {
                (AssemblyState::Maintenance, String::new())
            }
            (Life::Missed, _) => (AssemblyState::Online, "its heartbeats are late".into()),
            (Life::Online, _) => (AssemblyState::Online, self.unfencing_text(now, name, assembly)),
        };
        AssemblyStatus {
            name: name.to_string(),
            uuid: assembly.spec().uuid.clone(),
            state,
            reason,
            standby: facts.standby,
            maintenance,
            last_heartbeat: assembly.contact().heard_wall_us(),
            fencing: assembly.spec().fencing.word().to_owned(),
            host: self.host_of(name, assembly),
            fencing_attempt: facts.fencing_attempt,
            address: assembly.spec().address.clone().unwrap_or_default(),
            agent_version: assembly.hello().version.clone(),
            boot_id: assembly.hello().boot_id.clone(),
            attributes: assembly.attributes().in_force().clone(),
            permanent: self.kept_values(&Holder::Assembly(name.clone())),
            told: self.told_by(name),
        }
    }
}
