//! What users want: documents, standby, maintenance, the end.

use std::collections::BTreeSet;

use super::Controller;
use crate::machines::assembly::Life;
use crate::machines::document::Document;
use crate::machines::facts::Loaded;
use crate::machines::phase::Phase;
use crate::vocabulary::{AssemblyId, Effect, Refusal, Request, Spec, Time};

/// A document that is read and checked, and in force nowhere. Reading a large one takes as long as
/// a decision, and needs no controller: a shell has it read beside everything else.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub(crate) spec: Spec,
}

impl Proposal {
    /// Reads a document of the deployment of that name. Pure.
    ///
    /// # Errors
    /// [`Refusal::InvalidDocument`] with all problems.
    pub fn read(name: &str, document: &str) -> Result<Proposal, Refusal> {
        let deployment = deployment::read(document.as_bytes()).map_err(|problems| {
            Refusal::InvalidDocument(
                problems
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("\n"),
            )
        })?;
        if deployment.name != name {
            return Err(Refusal::InvalidDocument(format!(
                "the document is that of deployment \"{}\", this is deployment \"{name}\"",
                deployment.name
            )));
        }
        Ok(Proposal {
            spec: Spec::new(&deployment),
        })
    }
}

impl Controller {
    pub(crate) fn request(&mut self, now: Time, request: Request) -> Result<(), Refusal> {
        if self.phase.is_over() && !matches!(request, Request::Unload { .. }) {
            return Err(Refusal::NotReady("the deployment is being ended".into()));
        }
        match request {
            Request::Load {
                document,
                generation,
                in_doubt,
            } => self.load(now, document, generation, &in_doubt),
            Request::Unload { stop_services } => {
                self.unload(stop_services);
                Ok(())
            }
            Request::Standby { assembly, on } => {
                self.known_assembly(&assembly)?;
                if self.store.assembly(&assembly).standby != on {
                    self.store.assembly_mut(&assembly).standby = on;
                    self.world_changed(&format!(
                        "standby of {assembly} is {}",
                        if on { "on" } else { "off" }
                    ));
                }
                Ok(())
            }
            Request::Maintenance {
                assembly: Some(assembly),
                on,
            } => {
                self.known_assembly(&assembly)?;
                if self.store.assembly(&assembly).maintenance != on {
                    self.store.assembly_mut(&assembly).maintenance = on;
                    self.connect_all();
                    self.world_changed(&format!(
                        "maintenance of {assembly} is {}",
                        if on { "on" } else { "off" }
                    ));
                }
                Ok(())
            }
            Request::Maintenance { assembly: None, on } => {
                self.known_deployment()?;
                if self.store.deployment.maintenance != on {
                    self.store.deployment_mut().maintenance = on;
                    self.connect_all();
                    self.world_changed(if on {
                        "maintenance is on"
                    } else {
                        "maintenance is off"
                    });
                }
                Ok(())
            }
            Request::Cleanup { service, assembly } => {
                self.cleanup(now, service.as_ref(), assembly.as_ref())
            }
            Request::ConfirmFenced { assembly, attempt } => {
                self.known_assembly(&assembly)?;
                self.confirm_fenced(now, &assembly, &attempt)
            }
        }
    }

    fn load(
        &mut self,
        now: Time,
        document: String,
        generation: u64,
        in_doubt: &BTreeSet<AssemblyId>,
    ) -> Result<(), Refusal> {
        if generation == 0 {
            return Err(Refusal::InvalidArgument(
                "generations count from 1, 0 was offered".into(),
            ));
        }
        if let Some(loaded) = &self.store.loaded {
            if loaded.unload.is_some() {
                return Err(Refusal::NotReady(
                    "the deployment is being ended: wait for that, then load again".into(),
                ));
            }
            if loaded.generation == generation && loaded.document == document {
                return Ok(());
            }
            if generation <= loaded.generation {
                return Err(Refusal::GenerationConflict {
                    loaded: loaded.generation,
                    offered: generation,
                });
            }
        }
        let spec = self.read(&document)?;
        if self.store.loaded.is_none() {
            let outdated = self.store.outdated;
            self.doubt(&spec, |name| outdated || in_doubt.contains(name));
        }
        *self.store.loaded_mut() = Some(Loaded {
            document,
            generation,
            unload: None,
        });
        self.adopt(now, spec);
        self.world_changed(&format!("generation {generation} was loaded"));
        Ok(())
    }

    /// Reads a document of this deployment.
    pub(crate) fn read(&self, document: &str) -> Result<Spec, Refusal> {
        Proposal::read(&self.name, document).map(|proposal| proposal.spec)
    }

    /// Takes the saved document up again.
    pub(crate) fn resume(&mut self, now: Time) {
        let Some(loaded) = self.store.loaded.clone() else {
            return;
        };
        match self.read(&loaded.document) {
            Ok(spec) => {
                self.adopt(now, spec);
                self.deciding.world_changed("the DPE was started");
            }
            Err(refusal) => self.document = Document::Unreadable(refusal.to_string()),
        }
    }

    /// What is saved about some assemblies may be untrue: none of them counts as safe, and what may
    /// run there is made safe by what the document says now.
    fn doubt(&mut self, spec: &Spec, concerns: impl Fn(&AssemblyId) -> bool) {
        let former = self.store.assemblies.keys().cloned();
        let names: BTreeSet<AssemblyId> = spec.assemblies.keys().cloned().chain(former).collect();
        for name in names.iter().filter(|name| concerns(name)) {
            let facts = self.store.assembly_mut(name);
            facts.doubt();
            if facts.accepted.is_none() {
                facts.accepted = spec.assemblies.get(name).cloned();
            }
        }
    }

    /// Puts a specification in force. Assemblies that are no longer in it stay until nothing of
    /// ours is there; they come first, since the new ones wait for their addresses.
    fn adopt(&mut self, now: Time, spec: Spec) {
        let before = self.document.replace(spec.clone());
        for (name, assembly) in &spec.assemblies {
            let former = self.assemblies.get(name);
            if former.is_some_and(|former| Self::is_another_guest(&former.spec, assembly)) {
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
            .assemblies
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
    pub(crate) fn drop_retired(&mut self) {
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
                        .history
                        .resources()
                        .all(|(resource, _)| !assembly.history.may_run(resource))
                };
                !spec.assemblies.contains_key(*name)
                    && match assembly.course.life() {
                        Life::Safe => true,
                        Life::Online | Life::Missed => assembly.course.fence().is_none() && empty(),
                        Life::Lost | Life::Unknown { .. } => false,
                    }
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            if self
                .assemblies
                .remove(&name)
                .is_some_and(|assembly| assembly.connected)
            {
                self.effects.push(Effect::Release {
                    assembly: name.clone(),
                    keep_services: false,
                });
            }
            self.effects.push(Effect::Disconnect {
                assembly: name.clone(),
            });
            self.store.remove_assembly(&name);
        }
        self.connect_waiting();
    }

    fn unload(&mut self, stop_services: bool) {
        if self.phase == Phase::Ended {
            self.effects.push(Effect::Unloaded);
            return;
        }
        let unread = self.document.spec().is_none();
        match self.store.loaded_mut() {
            // Nothing is known about what a document that cannot be read has started: it is left
            // alone.
            Some(loaded) if unread => loaded.unload = Some(false),
            Some(loaded) => {
                // Who said "leave them" may still say "stop them", until it is over.
                loaded.unload = Some(stop_services || loaded.unload == Some(true));
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
