//! The policy engine's input, from all that the controller knows.

use super::Controller;
use super::cib::{self, NodeState};
use super::living::Followed;
use super::overlaid;
use super::resolve;
use crate::machines::arrivals::NO_ARRIVALS;
use crate::machines::assembly::Life;
use crate::machines::facts::Departure;
use crate::machines::overlay::Overlay;
use crate::vocabulary::{Spec, Time};

/// Nothing is wanted beside the document.
static NO_OVERLAY: Overlay = Overlay::new();

impl Controller {
    /// The CIB that the policy engine would get now.
    pub(crate) fn cib(&self, now: Time) -> String {
        match self.document.spec() {
            Some(spec) => cib::write(&self.cib_input(now, spec)),
            None => String::new(),
        }
    }

    /// The same if the overlay were another.
    pub(crate) fn cib_with(&self, now: Time, spec: &Spec, overlay: &Overlay) -> String {
        cib::write(&self.cib_input_with(now, spec, overlay))
    }

    pub(crate) fn cib_input<'a>(&'a self, now: Time, spec: &'a Spec) -> cib::Input<'a> {
        self.cib_input_with(now, spec, self.store.overlay())
    }

    fn cib_input_with<'a>(
        &'a self,
        now: Time,
        spec: &'a Spec,
        overlay: &'a Overlay,
    ) -> cib::Input<'a> {
        let ending = self
            .store
            .loaded()
            .is_some_and(|loaded| loaded.unload == Some(true));
        let nodes = self
            .assemblies
            .iter()
            .map(|(name, assembly)| {
                let facts = self.store.assemblies().get(name);
                cib::Node {
                    name,
                    state: match assembly.life() {
                        Life::Unknown { .. } => NodeState::Unknown,
                        Life::Online | Life::Missed => NodeState::Online,
                        Life::Lost => NodeState::Lost,
                        Life::Safe => NodeState::Safe,
                    },
                    standby: ending
                        || facts.is_some_and(|facts| {
                            facts.standby || facts.departure == Departure::Leaving
                        }),
                    maintenance: !ending && self.in_maintenance(name),
                    terminate: assembly.fence().is_some() || self.to_be_restarted(name).is_some(),
                    retired: !spec.assemblies.contains_key(name),
                    in_doubt: facts.is_some_and(|facts| facts.in_doubt),
                    arrivals: facts.map_or(&NO_ARRIVALS, |facts| &facts.arrivals),
                    unfenced: facts.and_then(|facts| {
                        let own = facts.unfenced.as_ref();
                        own.filter(|own| own.boot_id == assembly.hello().boot_id)
                    }),
                    history: assembly.history(),
                    attributes: assembly.attributes().in_force(),
                }
            })
            .collect();
        let configuration = resolve::configuration(spec, &self.given(spec), ending);
        // What ends goes by the document alone.
        let overlay = if ending { &NO_OVERLAY } else { overlay };
        cib::Input {
            configuration: overlaid::with_options(configuration, overlay, &spec.resources),
            overlay,
            followed: Followed::by(spec),
            pins: &spec.pins,
            nodes,
            kept_out: self.all_kept_out(spec),
            failures: self.store.failures(),
            live_migration: !self.deciding.is_deadlocked(),
            host_time_zone: self.deciding.host_time_zone(),
            services: spec.services.iter().map(|service| &service.id).collect(),
            tickets: self.store.tickets(),
            values: self.store.values(),
            bans: self.store.bans(),
            now_s: now.wall_s(),
        }
    }
}
