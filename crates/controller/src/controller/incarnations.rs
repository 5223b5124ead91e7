//! A guest is known by who it is, not by how it is reached or called.
//!
//! An assembly that gets another address or uuid, or at whose address another guest answers, is
//! another guest from then on. The former one lives on as a *former incarnation* under a name of
//! its own (`web1~1`), with the specification that it was accepted with, until it was let go of or
//! made safe. An address belongs to one life at a time: the new incarnation is connected when the
//! former one at that address is gone.
//!
//! ```text
//!  document: another address or uuid ─┐
//!  Hello: another machine id ─────────┼──▶ web1~1, retired ──▶ services stopped ──▶ released
//!                                     │                  └───▶ lost ──▶ made safe ──▶ forgotten
//!                                     └──▶ web1, new ──(address is free)──▶ connected
//! ```
//!
//! Another fencing device does not make another guest. Until its agent is heard, though, an
//! assembly is made safe by what it was accepted with.

use super::Controller;
use crate::machines::assembly::Life;
use crate::machines::assembly::fence::Fence;
use crate::machines::facts::{AssemblyFacts, LastEvent};
use crate::vocabulary::{
    AssemblyId, AssemblySpec, Effect, EventDraft, EventKind, Fencing, Hello, Occupant, Time,
};

/// Former incarnations of one name at a time that come about by what guests say.
const MOST_FORMER: usize = 4;

/// What a Hello says about who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The guest that is known under this name, or the first one.
    Known,
    /// Another guest. What is known under this name must still be made safe.
    Another,
}

impl Controller {
    /// Whether another specification means another guest.
    pub(crate) fn is_another_guest(old: &AssemblySpec, new: &AssemblySpec) -> bool {
        old.address != new.address || old.uuid != new.uuid
    }

    /// Takes an assembly's life away from its name: what runs there has to be let go of or made
    /// safe by what it was accepted with. Gives the name that it has from now on.
    pub(crate) fn retire(&mut self, name: &AssemblyId, reason: &str) -> Option<AssemblyId> {
        let mut former = self.assemblies.remove(name)?;
        // Nothing was ever done in a guest that never answered.
        let never_heard = self.store.assembly(name).is_unheard();
        let id = self.retire_facts(name, former.spec().clone());
        if former.forget_settings() {
            self.effects.push(Effect::Disconnect {
                assembly: name.clone(),
            });
        }
        former.rename();
        if former.is_safe() || never_heard {
            self.store.remove_assembly(&id);
        } else {
            self.assemblies.insert(id.clone(), former);
        }
        self.actions_lost(name, reason);
        // What lets it in would let in whoever has that port next.
        self.end_unfencing(self.outlook.last_time(), &id);
        self.connect(&id);
        self.world_changed(&format!("{reason}: assembly {name} was {id} until now"));
        Some(id)
    }

    /// Takes what is known under a name away from it. Gives the name that it is known under from
    /// now on.
    pub(crate) fn retire_facts(&mut self, name: &AssemblyId, spec: AssemblySpec) -> AssemblyId {
        let id = self.next_former(name);
        let facts = self.store.assembly(name);
        let fresh = AssemblyFacts {
            former_lives: facts.former_lives,
            standby: facts.standby,
            maintenance: facts.maintenance,
            in_doubt: facts.in_doubt,
            // Who has the name next may have the same port.
            unfencing: facts.unfencing,
            ..AssemblyFacts::default()
        };
        *self.store.assembly_mut(&id) = AssemblyFacts {
            retired: Some(spec),
            ..facts
        };
        *self.store.assembly_mut(name) = fresh;
        self.store.forget_known(name);
        self.rename_source(name, &id);
        self.store.forget_failures(name, None);
        id
    }

    /// Whether the address that an assembly is to be reached at, or the assembly itself, still
    /// belongs to a former life. One that was heard itself, or is in doubt, waits for nobody:
    /// services may run there.
    pub(crate) fn is_held(&self, name: &AssemblyId) -> bool {
        let Some(own) = self.assemblies.get(name) else {
            return false;
        };
        let heard = self
            .store
            .assemblies()
            .get(name)
            .is_some_and(|facts| !facts.is_unheard());
        self.document.names(name)
            && !heard
            && self.assemblies.iter().any(|(other, life)| {
                let same_way =
                    life.spec().address.is_some() && life.spec().address == own.spec().address;
                let same_name = other.in_document() == name.as_str() && life.life() != Life::Lost;
                other != name
                    && !self.document.names(other)
                    && !life.is_safe()
                    && (same_way || same_name)
            })
    }

    /// Connects what waited for a former life to be over.
    pub(crate) fn connect_waiting(&mut self) {
        let waiting: Vec<AssemblyId> = self
            .assemblies
            .iter()
            .filter(|(_, assembly)| assembly.sent_settings().is_none())
            .map(|(name, _)| name.clone())
            .collect();
        for name in waiting {
            self.connect(&name);
        }
    }

    /// Who answers under a name.
    pub(crate) fn identify(&self, name: &AssemblyId, hello: &Hello) -> Identity {
        let facts = self.store.assembly(name);
        let known = !facts.machine_id.is_empty() && !hello.machine_id.is_empty();
        if known && facts.machine_id != hello.machine_id && !facts.safe {
            Identity::Another
        } else {
            Identity::Known
        }
    }

    /// Another guest answers under a name: the one that was known is lost.
    ///
    /// A guest that says to be another one each time would make lives without end: while
    /// [`MOST_FORMER`] are not over, the known one just falls silent.
    pub(crate) fn replaced(&mut self, now: Time, name: &AssemblyId) {
        let reason = "another guest answers at its address";
        let of_that_name =
            |other: &&AssemblyId| other.in_document() == name.as_str() && *other != name;
        if self.assemblies.keys().filter(of_that_name).count() >= MOST_FORMER {
            return;
        }
        let Some(mut spec) = self.assemblies.get(name).map(|own| own.spec().clone()) else {
            return;
        };
        let Some(own) = self.assemblies.get_mut(name) else {
            return;
        };
        // The known one cannot be reached there any more.
        own.lose_address();
        if !self.document.names(name) {
            let former = own.spec().clone();
            let fenced = own.fence().is_some();
            let facts = self.store.assembly_mut(name);
            facts.retired = Some(former);
            let before = facts.last_event;
            match fenced {
                true => self.reconnect(name),
                false => self.lose(now, name, reason),
            }
            self.tell_stranger(now, name, before, reason);
            return;
        }
        if let Some(former) = self.retire(name, reason) {
            self.lose(now, &former, reason);
        }
        if let Some(accepted) = self.document.spec() {
            spec = accepted.assemblies.get(name).cloned().unwrap_or(spec);
        }
        self.adopt_assembly(now, name, spec);
    }

    /// Who is to confirm that an assembly is down must know that it is not who answers there: what
    /// was told of it last, `before`, is told again.
    fn tell_stranger(&mut self, now: Time, name: &AssemblyId, before: LastEvent, reason: &str) {
        let kind = match before {
            LastEvent::Lost => EventKind::AssemblyLost,
            LastEvent::Fencing => EventKind::AssemblyFencingRequested,
            _ => return,
        };
        let mut event = EventDraft::new(kind).assembly(name).reason(reason);
        if before == LastEvent::Fencing {
            event = event.detail("mode", self.means(name).0.word());
        }
        let attempt = self.store.assembly(name).fencing_attempt;
        self.tell(now, event.detail("attempt", &attempt));
    }

    /// The first guest that is heard of an assembly in doubt was never given anything to do. Before
    /// the state was lost the assembly may have been another guest, of which nobody knows. Under a
    /// lease its agent stops what it runs when that is over, and that is awaited. By other means it
    /// is made safe if that was begun: services may have been left on purpose in a guest that is
    /// heard in time.
    pub(crate) fn suspect_predecessor(&mut self, now: Time, name: &AssemblyId) {
        let facts = self.store.assembly(name);
        let first = facts.in_doubt && facts.machine_id.is_empty() && facts.boot_id.is_empty();
        if !first || !self.document.names(name) {
            return;
        }
        let Some(own) = self.assemblies.get(name) else {
            return;
        };
        let suspects = match self.means(name).0 {
            means if means.has_only_lease() => true,
            Fencing::None => false,
            _ => own.fence().is_some(),
        };
        if !suspects {
            return;
        }
        let spec = AssemblySpec {
            address: None,
            ..own.spec().clone()
        };
        let settings = self.settings();
        let former = self.next_former(name);
        let facts = self.store.assembly_mut(&former);
        facts.retired = Some(spec.clone());
        facts.lease_ms = settings.lease_ms;
        facts.grace_ms = settings.grace_ms;
        self.adopt_assembly(now, &former, spec);
        let reason = "what was known of it is lost, and its guest may be another one since";
        self.lose(now, &former, reason);
    }

    /// The guest at an assembly's address belongs to somebody else, says its agent. It is left
    /// alone: not used, not waited for, not fenced.
    ///
    /// That holds where nothing of ours can be there: no guest was ever known under this name, or
    /// it is the known one, which lets nobody else have it while services or a lease of ours are in
    /// it. Another guest that was known is still lost, and made safe.
    pub(crate) fn occupied(&mut self, now: Time, name: &AssemblyId, occupant: Occupant) {
        let facts = self.store.assembly(name);
        let Some(assembly) = self.assemblies.get(name) else {
            return;
        };
        // What runs there under another name of this deployment is looked after under that name.
        let looked_after = occupant.deployment != self.name
            || self.looks_after(&occupant, assembly.spec().address.as_ref());
        // A guest belongs to others only when its agent knows of nothing of ours. What was left
        // there on purpose it does not know.
        let never_heard = facts.boot_id.is_empty();
        let same = !facts.machine_id.is_empty() && facts.machine_id == occupant.machine_id;
        let fenced = assembly.fence().is_some_and(Fence::outlives_return);
        let known = facts.occupant.as_ref() == Some(&occupant) && assembly.is_safe();
        // Who was made safe has nothing there either: a guest may have come back from a snapshot
        // of the time when it was another assembly.
        let is_empty = never_heard || assembly.is_safe();
        if !looked_after && is_empty && assembly.fence().is_none() {
            // One at a time for an address, and a name that a document may have had: what a guest
            // says is only what it says.
            let address = assembly.spec().address.clone();
            let taken_up = self
                .assemblies
                .iter()
                .any(|(other, life)| !self.document.names(other) && life.spec().address == address);
            if !taken_up && occupant.is_possible() {
                self.take_up_former(now, name, &occupant);
            }
            return;
        }
        if known || fenced || assembly.contact().is_up() || !looked_after || !(never_heard || same)
        {
            return;
        }
        let was_safe = assembly.is_safe();
        self.store.assembly_mut(name).occupant = Some(occupant);
        if let Some(assembly) = self.assemblies.get_mut(name).filter(|_| !was_safe) {
            assembly.leave_to_others();
            self.nothing_is_there(now, name, "belongs to others");
            self.go_on_without(name, "belongs to others");
        }
    }

    /// An assembly, by that name or a former one of that name, is this guest, and not taken for
    /// gone. One that was not heard yet is this guest if it is reached in the same way.
    fn looks_after(&self, occupant: &Occupant, address: Option<&String>) -> bool {
        self.assemblies.iter().any(|(name, assembly)| {
            let machine = &self.store.assembly(name).machine_id;
            let same_way = machine.is_empty() && assembly.spec().address.as_ref() == address;
            name.in_document() == occupant.assembly
                && !assembly.is_safe()
                && (same_way || *machine == occupant.machine_id)
        })
    }

    /// A name for the next former incarnation of a name.
    fn next_former(&mut self, name: &AssemblyId) -> AssemblyId {
        let facts = self.store.assembly_mut(&name.in_document().into());
        facts.former_lives += 1;
        let number = facts.former_lives;
        name.former(number)
    }

    /// The guest at an assembly's address has services of an assembly that the document gave up and
    /// that was taken for gone. They are stopped under its name before the new one has the guest,
    /// in which nothing of the new one can be.
    fn take_up_former(&mut self, now: Time, name: &AssemblyId, occupant: &Occupant) {
        let mut former = AssemblyId::from(occupant.assembly.as_str());
        if self.document.names(&former) || self.assemblies.contains_key(&former) {
            former = self.next_former(&former);
        }
        let Some(own) = self.assemblies.get_mut(name) else {
            return;
        };
        // Whoever was heard under its name is safe: it waits as one that was never heard.
        if own.is_safe() && !self.store.assembly(name).is_unheard() {
            let facts = self.store.assembly_mut(name);
            facts.boot_id.clear();
            facts.machine_id.clear();
        }
        own.hold();
        let spec = own.spec().clone();
        let facts = self.store.assembly_mut(&former);
        facts.retired = Some(spec.clone());
        facts.machine_id.clone_from(&occupant.machine_id);
        // With which lease it runs is not known any more.
        facts.unleased = true;
        self.adopt_assembly(now, &former, spec);
        self.connect(name);
        self.world_changed(&format!(
            "the guest at the address of {name} still belongs to {former}"
        ));
    }

    /// A former incarnation whose guest answers under the new name is the same life: its history is
    /// what the guest tells.
    pub(crate) fn join_former(&mut self, name: &AssemblyId, hello: &Hello) {
        let former: Vec<AssemblyId> = self
            .assemblies
            .keys()
            .filter(|other| other.in_document() == name.as_str() && *other != name)
            .filter(|other| {
                !hello.machine_id.is_empty()
                    && self.store.assembly(other).machine_id == hello.machine_id
            })
            .cloned()
            .collect();
        for other in former {
            let old = self.store.assembly(&other);
            self.end_unfencing(self.outlook.last_time(), &other);
            let former = self.assemblies.remove(&other);
            if let (Some(own), Some(former)) = (self.assemblies.get_mut(name), former) {
                own.join(former);
            }
            let facts = self.store.assembly_mut(name);
            facts.lease_ms = facts.lease_ms.max(old.lease_ms);
            facts.grace_ms = facts.grace_ms.max(old.grace_ms);
            facts.in_doubt |= old.in_doubt;
            facts.unseen.extend(old.unseen);
            facts.unleased |= old.unleased;
            facts.unfencing |= old.unfencing;
            facts.boot_id = old.boot_id;
            facts.arrivals.join(old.arrivals);
            self.rename_source(&other, name);
            self.actions_lost(&other, "its guest answers under its new name");
            self.effects.push(Effect::Disconnect {
                assembly: other.clone(),
            });
            self.store.remove_assembly(&other);
        }
    }
}
