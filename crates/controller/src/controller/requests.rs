//! What users want: documents, standby, maintenance, tickets, values, the end.

use std::collections::BTreeSet;

use cpe_status::DpeState;

use super::Controller;
use crate::machines::announcement::Announced;
use crate::machines::assembly::Life;
use crate::machines::document::Document;
use crate::machines::facts::Loaded;
use crate::machines::phase::Phase;
use crate::vocabulary::{
    AssemblyId, AssemblySpec, Effect, EventDraft, EventKind, Proposal, Refusal, Request, Spec, Time,
};

impl Controller {
    /// `by`: who wants it, as the end of a sentence; empty: not known.
    pub(crate) fn request(&mut self, now: Time, request: Request, by: &str) -> Result<(), Refusal> {
        if self.phase.is_over() && !matches!(request, Request::Unload { .. }) {
            return Err(Refusal::NotReady("the deployment is being ended".into()));
        }
        match request {
            Request::Load {
                document,
                generation,
                in_doubt,
            } => self.load_text(now, document, generation, &in_doubt),
            Request::LoadRead {
                proposal,
                generation,
                in_doubt,
            } => self.load(now, *proposal, generation, &in_doubt),
            Request::Unload { stop_services } => {
                self.may_unload(stop_services)?;
                self.unload(stop_services);
                Ok(())
            }
            Request::Standby { assembly, on } => self.standby(&assembly, on, by),
            Request::Maintenance {
                assembly: Some(assembly),
                on,
            } => {
                self.known_assembly(&assembly)?;
                if self.store.assembly(&assembly).maintenance != on {
                    self.store.assembly_mut(&assembly).maintenance = on;
                    self.connect_all();
                    self.world_changed(&format!(
                        "maintenance of {assembly} is {}{by}",
                        if on { "on" } else { "off" }
                    ));
                }
                Ok(())
            }
            Request::Maintenance { assembly: None, on } => self.leave_all_alone(on, by),
            Request::Cleanup { service, assembly } => {
                self.cleanup(now, service.as_ref(), assembly.as_ref(), by)
            }
            Request::StandbyOfAll { on } => self.standby_of_all(on, by),
            Request::Refresh { service, assembly } => {
                self.refresh(service.as_ref(), assembly.as_ref(), by)
            }
            Request::CleanupOperation {
                service,
                assembly,
                operation,
            } => self.cleanup_operation(&service, assembly.as_ref(), &operation, by),
            Request::ConfirmFenced { assembly, attempt } => {
                self.known_assembly(&assembly)?;
                self.confirm_fenced(now, &assembly, &attempt, by)
            }
            Request::Fence { assembly, order } => self.switch_power(now, &assembly, order, by),
            Request::Ticket { ticket, order } => self.order_ticket(now, &ticket, order, by),
            Request::Service { service, order } => self.order_service(now, &service, &order, by),
            Request::Put {
                holder,
                name,
                value,
            } => self.put_value(now, &holder, &name, value, by),
        }
    }

    /// Maintenance of the whole deployment.
    fn leave_all_alone(&mut self, on: bool, by: &str) -> Result<(), Refusal> {
        self.known_deployment()?;
        if self.store.deployment().maintenance != on {
            self.store.deployment_mut().maintenance = on;
            self.connect_all();
            self.world_changed(&format!(
                "maintenance is {}{by}",
                if on { "on" } else { "off" }
            ));
        }
        Ok(())
    }

    /// Whether a document that is offered is not in force yet.
    fn is_news(&self, document: &str, generation: u64) -> Result<bool, Refusal> {
        if generation == 0 {
            return Err(Refusal::InvalidArgument(
                "generations count from 1, 0 was offered".into(),
            ));
        }
        let Some(loaded) = self.store.loaded() else {
            return Ok(true);
        };
        if loaded.unload.is_some() {
            return Err(Refusal::NotReady(
                "the deployment is being ended: wait for that, then load again".into(),
            ));
        }
        if loaded.generation == generation && loaded.document == document {
            return Ok(false);
        }
        if generation <= loaded.generation {
            return Err(Refusal::GenerationConflict {
                loaded: loaded.generation,
                offered: generation,
            });
        }
        Ok(true)
    }

    fn load_text(
        &mut self,
        now: Time,
        document: String,
        generation: u64,
        in_doubt: &BTreeSet<AssemblyId>,
    ) -> Result<(), Refusal> {
        if !self.is_news(&document, generation)? {
            return Ok(());
        }
        self.load(
            now,
            Proposal::read(&self.name, document)?,
            generation,
            in_doubt,
        )
    }

    fn load(
        &mut self,
        now: Time,
        proposal: Proposal,
        generation: u64,
        in_doubt: &BTreeSet<AssemblyId>,
    ) -> Result<(), Refusal> {
        let Proposal { document, spec, .. } = proposal;
        if !self.is_news(&document, generation)? {
            return Ok(());
        }
        if self.store.loaded().is_none() {
            let outdated = self.store.is_outdated();
            self.doubt(&spec, |name| outdated || in_doubt.contains(name));
        }
        *self.store.loaded_mut() = Some(Loaded {
            document,
            generation,
            unload: None,
        });
        self.store.understand(&spec);
        self.forget_tickets(now, &spec, generation);
        self.forget_overlay(now, &spec, generation);
        self.forget_values(&spec);
        self.forget_known(&spec);
        self.keep_unseen(&spec);
        self.adopt(now, spec);
        self.world_changed(&format!("generation {generation} was loaded"));
        Ok(())
    }

    /// Takes the saved document up again.
    pub(crate) fn resume(&mut self, now: Time) {
        let Some(loaded) = self.store.loaded().cloned() else {
            return;
        };
        match Proposal::read_saved(&self.name, loaded.document) {
            Ok(Proposal { spec, .. }) => {
                self.store.understand(&spec);
                self.adopt(now, spec);
                self.deciding.world_changed("the DPE was started");
            }
            Err(refusal) => self.hold(now, loaded.generation, &refusal),
        }
    }

    /// What is saved about some assemblies may be untrue: none of them counts as safe, and what may
    /// run there is made safe by what the document says now. A guest that the document does not
    /// mean any more is a former incarnation, unless its address has been given to another one:
    /// what was saved about it says nothing then.
    fn doubt(&mut self, spec: &Spec, concerns: impl Fn(&AssemblyId) -> bool) {
        let understood = self.store.understood().into_iter();
        let understood = understood.flat_map(|before| before.spec.assemblies.keys());
        let former = self.store.assemblies().keys().chain(understood);
        let names: BTreeSet<AssemblyId> = spec.assemblies.keys().chain(former).cloned().collect();
        for name in names.iter().filter(|name| concerns(name)) {
            let before = self.store.understood();
            let before = before.and_then(|before| before.spec.assemblies.get(name).cloned());
            let facts = self.store.doubt(name);
            match spec.assemblies.get(name) {
                Some(own) => {
                    let known = facts.accepted.take().or(before);
                    facts.accepted = Some(own.clone());
                    if let Some(known) = known.filter(|known| Self::is_another_guest(known, own)) {
                        self.doubt_another(spec, name, known);
                    }
                }
                // It has left the document meanwhile, and what it was is all that is known.
                None if facts.retired.is_none() => {
                    facts.retired = facts.accepted.take().or(before);
                }
                None => {}
            }
        }
    }

    /// What is saved under a name in doubt is about another guest than the document means.
    fn doubt_another(&mut self, spec: &Spec, name: &AssemblyId, known: AssemblySpec) {
        let mut assemblies = spec.assemblies.values();
        let facts = self.store.assembly_mut(name);
        if facts.boot_id.is_empty() || assemblies.any(|own| own.address == known.address) {
            facts.machine_id.clear();
            facts.boot_id.clear();
            return;
        }
        let accepted = facts.accepted.replace(known.clone());
        self.retire_facts(name, known);
        self.store.assembly_mut(name).accepted = accepted;
    }

    /// A document that was accepted once is not read by this version. What it said keeps the agents
    /// connected and their leases renewed: a change of ours stops no service. Nothing is decided,
    /// since this version may be right.
    fn hold(&mut self, now: Time, generation: u64, refusal: &Refusal) {
        let error = format!(
            "this version does not read the saved document: leases are renewed, what runs runs on, and nothing is decided; \
             deploy a document that it reads. {refusal}"
        );
        let understood = self.store.understood().cloned();
        match understood.filter(|understood| understood.generation == generation) {
            Some(understood) => {
                self.adopt(now, understood.spec.clone());
                self.document = Document::Held {
                    spec: Box::new(understood.spec),
                    error: error.clone(),
                };
            }
            None => self.document = Document::Unreadable(error.clone()),
        }
        self.deciding.world_changed("the DPE was started");
        self.store.deployment_mut().announced = Announced::Degraded;
        let event = EventDraft::new(EventKind::DeploymentDegraded)
            .state(DpeState::Failed.as_str())
            .reason(error)
            .detail("generation", generation);
        self.tell(now, event);
    }

    /// Puts a specification in force. Assemblies that are no longer in it stay until nothing of
    /// ours is there; they come first, since the new ones wait for their addresses.
    fn adopt(&mut self, now: Time, spec: Spec) {
        let before = self.document.replace(spec.clone());
        for assembly in self.assemblies.values_mut() {
            assembly.unfencing_mut().reconsider();
        }
        for (name, assembly) in &spec.assemblies {
            let former = self.assemblies.get(name);
            if former.is_some_and(|former| Self::is_another_guest(former.spec(), assembly)) {
                self.retire(name, "the document means another guest");
            }
            if self.store.assembly(name).retired.is_some() {
                self.store.assembly_mut(name).retired = None;
            }
        }
        for (name, assembly) in before.map(|spec| spec.assemblies).unwrap_or_default() {
            if !spec.assemblies.contains_key(&name) {
                self.store.assembly_mut(&name).retired = Some(assembly);
            }
        }
        let retired: Vec<_> = self
            .store
            .assemblies()
            .iter()
            .filter(|(name, _)| !spec.assemblies.contains_key(*name))
            .map(|(name, facts)| (name.clone(), facts.retired.clone()))
            .collect();
        for (name, assembly) in retired {
            match assembly {
                Some(assembly) => self.adopt_assembly(now, &name, assembly),
                None => self.store.remove_assembly(&name),
            }
        }
        for (name, assembly) in spec.assemblies {
            self.adopt_assembly(now, &name, assembly);
        }
    }

    /// Lets go of assemblies that the document no longer names once nothing of ours is there.
    pub(crate) fn drop_retired(&mut self, now: Time) {
        if !self.idle() || self.phase.is_over() {
            return;
        }
        let Some(spec) = self.document.spec() else {
            return;
        };
        let gone: Vec<AssemblyId> = self
            .assemblies
            .iter()
            .filter(|(name, assembly)| {
                let empty = || {
                    assembly
                        .history()
                        .resources()
                        .all(|(resource, _)| !assembly.history().may_run(resource))
                };
                !spec.assemblies.contains_key(*name)
                    && match assembly.life() {
                        Life::Safe => true,
                        Life::Online | Life::Missed => assembly.fence().is_none() && empty(),
                        Life::Lost | Life::Unknown { .. } => false,
                    }
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            // What lets it in would let in whoever has that port next.
            if self.end_unfencing(now, &name).is_some() {
                continue;
            }
            if self
                .assemblies
                .remove(&name)
                .is_some_and(|assembly| assembly.contact().is_up())
            {
                self.effects.push(Effect::Release {
                    assembly: name.clone(),
                    keep_services: false,
                });
            }
            self.effects.push(Effect::Disconnect {
                assembly: name.clone(),
            });
            self.services_left(now, &name);
            self.store.remove_assembly(&name);
        }
        self.connect_waiting();
    }

    /// Services are stopped in the order that the document says, and not after the end.
    fn may_unload(&self, stop_services: bool) -> Result<(), Refusal> {
        if stop_services && self.phase == (Phase::Ended { left: true }) {
            return Err(Refusal::NotReady(
                "the deployment has just ended with its services left running: create it again, then destroy it".into(),
            ));
        }
        let begun = |loaded: &Loaded| loaded.unload.is_some();
        let unread = !self.document.is_in_force();
        if stop_services && unread && self.store.loaded().is_some_and(|own| !begun(own)) {
            return Err(Refusal::NotReady(
                "this version does not read the document, so it cannot stop the services in order: deploy a document that it \
                 reads first, or leave the services running (cpectl destroy --keep-services)"
                    .into(),
            ));
        }
        Ok(())
    }

    fn unload(&mut self, stop_services: bool) {
        if self.phase.is_final() {
            self.effects.push(Effect::Unloaded);
            return;
        }
        let unread = !self.document.is_in_force();
        match self.store.loaded_mut() {
            // Nothing is decided by a document that is not read: what it has started is left alone.
            Some(loaded) if unread => loaded.unload = Some(false),
            Some(loaded) => {
                // Who said "leave them" may still say "stop them", until it is over.
                let left = loaded.unload == Some(false);
                loaded.unload = Some(stop_services || loaded.unload == Some(true));
                if stop_services && left {
                    self.phase.serve_again();
                }
                self.connect_all();
                self.world_changed("the deployment is being ended");
            }
            loaded @ None => {
                *loaded = Some(Loaded {
                    document: String::new(),
                    generation: 0,
                    unload: Some(false),
                });
            }
        }
    }

    pub(crate) fn known_deployment(&self) -> Result<(), Refusal> {
        match self.document.spec() {
            Some(_) => Ok(()),
            None => Err(Refusal::NotReady(
                "no document is loaded: load one first".into(),
            )),
        }
    }

    pub(crate) fn known_assembly(&self, name: &AssemblyId) -> Result<(), Refusal> {
        self.known_deployment()?;
        if self.assemblies.contains_key(name) {
            Ok(())
        } else {
            Err(self.no_assembly(name))
        }
    }

    pub(crate) fn no_assembly(&self, name: &AssemblyId) -> Refusal {
        let known: Vec<&str> = self.assemblies.keys().map(AssemblyId::as_str).collect();
        Refusal::NotFound {
            kind: "assembly",
            name: name.to_string(),
            known: known.join(", "),
        }
    }
}
