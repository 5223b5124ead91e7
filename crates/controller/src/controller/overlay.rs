//! What administrators want of single services beside the document: how it comes, and what is said
//! about it.
//!
//! An entry ends by itself: a move when its service is where it is wanted and would stay there
//! without it, a restart when all of its service is stopped, and what has a time when that is over.
//! It goes with what it is about when the document names that no more. Whether an order would hold
//! is asked before, by who gives it: see [`Controller::plan_service`].

use std::collections::BTreeSet;

use cpe_status::{
    OverlayKind, OverlayStatus, ResourceKind, ResourceStatus, ServiceState, ServiceStatus,
};

use super::Controller;
use super::overlaid::constraint_id;
use crate::machines::overlay::{Ends, EntryChange, OverlayFacts, Wanted, changed};
use crate::vocabulary::{
    AssemblyId, EventDraft, EventKind, Lifetime, OverlayKey, Refusal, SECOND, ServiceId,
    ServiceOrder, Time, utc,
};

/// What introduces who asks, in a request's sentence.
const ASKED_BY: &str = ", asked for by ";

/// What an order is about.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The element of the configuration that is meant.
    pub service: ServiceId,
    /// The services that it consists of.
    pub services: BTreeSet<ServiceId>,
    /// It may run in several assemblies.
    pub many: bool,
    pub promotable: bool,
}

/// An order with all that was left open in it, and what follows from it.
#[derive(Clone, Debug)]
pub(super) struct Ordered {
    pub target: Target,
    pub order: ServiceOrder,
    /// From where it is moved, if that was left open.
    pub leaves: Option<AssemblyId>,
    pub changes: Vec<EntryChange>,
}

impl Controller {
    /// Does what was asked for with a service. `by`: who asks, as the end of a sentence.
    pub(crate) fn order_service(
        &mut self,
        now: Time,
        asked: &ServiceId,
        order: &ServiceOrder,
        by: &str,
    ) -> Result<(), Refusal> {
        let who = by.strip_prefix(ASKED_BY).unwrap_or_default();
        let ordered = self.ordered(now, asked, order, who)?;
        for (key, facts) in ordered.changes {
            self.change_overlay(now, &key, facts, EventKind::OverlayRemoved, by);
        }
        Ok(())
    }

    /// What an order amounts to now.
    pub(super) fn ordered(
        &self,
        now: Time,
        asked: &ServiceId,
        order: &ServiceOrder,
        who: &str,
    ) -> Result<Ordered, Refusal> {
        self.must_be_in_force()?;
        if self.store.loaded().is_some_and(|own| own.unload.is_some()) {
            return Err(Refusal::NotReady(
                "the deployment is being ended: nothing more is wanted of its services".into(),
            ));
        }
        let (target, order, leaves) = self.resolved(asked, order)?;
        let wanted = Wanted {
            service: &target.service,
            order: &order,
            by: who,
            now_us: now.wall_us,
            leaves: leaves.as_ref(),
        };
        let overlay = self.store.overlay();
        let mut changes = wanted.changes(overlay).map_err(Refusal::InvalidArgument)?;
        if let ServiceOrder::Clear { assembly: None } = order {
            // What is cloned is cleared as a whole, and may be restarted in part.
            let service = self.target(asked, &ServiceOrder::Restart)?.service;
            let (kind, assembly) = (OverlayKind::Restart, None);
            let key = OverlayKey {
                service,
                kind,
                assembly,
            };
            changes.extend(overlay.contains_key(&key).then_some((key, None)));
        }
        if self.is_there(&target, &order, &changes) {
            changes.clear();
        }
        changed(overlay, &changes).map_err(Refusal::InvalidArgument)?;
        Ok(Ordered {
            target,
            order,
            leaves,
            changes,
        })
    }

    /// A move has nothing to do: what is moved is there, stays there as far as one knows, and
    /// nothing else is to end for it.
    fn is_there(&self, target: &Target, order: &ServiceOrder, changes: &[EntryChange]) -> bool {
        let ServiceOrder::Move {
            to: Some(to),
            promoted,
            lifetime: Lifetime::Placed,
            ..
        } = order
        else {
            return false;
        };
        let is_new = |key: &OverlayKey| !self.store.overlay().contains_key(key);
        if !matches!(changes, [(key, Some(_))] if is_new(key)) {
            return false;
        }
        let rows = self.rows(target);
        let known = places(&rows, *promoted);
        let many = target.many && !promoted;
        let rests = |row: &ServiceStatus| row.state != ServiceState::Stopping;
        known.contains(to.as_str()) && (many || known.len() == 1) && rows.iter().all(rests)
    }

    /// The order with what it leaves open, as Pacemaker's tools decide that: what is cloned is
    /// moved and banned as a whole; and where an unnamed assembly is to be left, there must be one
    /// only.
    fn resolved(
        &self,
        asked: &ServiceId,
        order: &ServiceOrder,
    ) -> Result<(Target, ServiceOrder, Option<AssemblyId>), Refusal> {
        let target = self.target(asked, order)?;
        let mut order = order.clone();
        let mut leaves = None;
        if let ServiceOrder::Move { promoted, .. } | ServiceOrder::Ban { promoted, .. } = &order
            && *promoted
            && !target.promotable
        {
            return Err(Refusal::InvalidArgument(format!(
                "{} has no promoted role: leave --promoted out",
                target.service
            )));
        }
        match &mut order {
            ServiceOrder::Move { to: Some(to), .. } => self.in_document(to)?,
            ServiceOrder::Ban { assembly, .. } => self.in_document(assembly)?,
            ServiceOrder::Clear {
                assembly: Some(assembly),
            } => self.known_assembly(assembly)?,
            ServiceOrder::Move {
                to: None,
                from,
                promoted,
                ..
            } => {
                let (place, of_promoted) = self.only_place(&target, *promoted)?;
                if let Some(planned) = from.as_ref().filter(|planned| **planned != place) {
                    return Err(Refusal::NotReady(format!(
                        "{} runs in {place} by now, and not in {planned}: look at the new plan, and say it again",
                        target.service
                    )));
                }
                *from = Some(place.clone());
                (leaves, *promoted) = (Some(place), of_promoted);
            }
            _ => {}
        }
        Ok((target, order, leaves))
    }

    /// The assembly that a service is to leave if none is named, and whether only its promoted
    /// instance leaves it.
    fn only_place(&self, target: &Target, promoted: bool) -> Result<(AssemblyId, bool), Refusal> {
        let rows = self.rows(target);
        let of_promoted = promoted || (target.promotable && target.many);
        let places = places(&rows, of_promoted);
        let names: Vec<&str> = places.iter().copied().collect();
        let service = &target.service;
        match (&*names, target.many && !of_promoted) {
            ([], _) => Err(Refusal::InvalidArgument(format!(
                "{service} runs nowhere: there is nothing to move away; cpectl explain says why"
            ))),
            ([place], false) => Ok((AssemblyId::from(*place), of_promoted)),
            (places, _) => Err(Refusal::InvalidArgument(format!(
                "{service} has instances in {}: say which assembly is meant, to go to, or with ban which not to run in",
                places.join(", ")
            ))),
        }
    }

    /// What is meant by a name.
    pub(super) fn target(
        &self,
        asked: &ServiceId,
        order: &ServiceOrder,
    ) -> Result<Target, Refusal> {
        let spec = self.document.spec();
        let resources = spec.map_or(&[][..], |spec| &spec.resources);
        let known = self.known_resource(asked)?;
        if known != *asked {
            return Err(Refusal::InvalidArgument(format!(
                "{asked} is an instance: an order is about all of {known}"
            )));
        }
        if spec.is_some_and(|spec| spec.device(asked).is_some()) {
            return Err(Refusal::InvalidArgument(format!(
                "{asked} is a fencing device: change the document instead (cpectl edit)"
            )));
        }
        let path = path(resources, asked.as_str());
        let of_place = matches!(
            order,
            ServiceOrder::Move { .. } | ServiceOrder::Ban { .. } | ServiceOrder::Clear { .. }
        );
        let whole =
            |own: &&&ResourceStatus| matches!(own.kind, ResourceKind::Clone | ResourceKind::Bundle);
        let outer = path.iter().position(|own| whole(&own));
        // What is cloned alone is its clone.
        let alone = outer.filter(|outer| outer + 2 >= path.len());
        let chosen = if of_place { outer } else { alone };
        let chosen = chosen.and_then(|at| path.get(at)).or(path.last());
        let Some(own) = chosen else {
            // A part that only the policy engine knows of.
            return Err(self.known_service(asked, asked).err().unwrap_or_else(|| {
                Refusal::InvalidArgument(format!("{asked} has no place in the document"))
            }));
        };
        let leaves = own.all().into_iter();
        let leaves = leaves.filter(|own| own.kind == ResourceKind::Service);
        Ok(Target {
            service: own.name.as_str().into(),
            services: leaves.map(|own| own.name.as_str().into()).collect(),
            many: outer.is_some(),
            promotable: own.promotable,
        })
    }

    /// The instances of a target that are somewhere.
    pub(super) fn rows(&self, target: &Target) -> Vec<ServiceStatus> {
        let mut rows = self.service_statuses();
        rows.retain(|row| {
            !row.assembly.is_empty() && target.services.contains(row.service.as_str())
        });
        rows
    }

    /// Puts an entry into the overlay, or takes it away, and says so. `ended`: the kind of event if
    /// it is taken away. `why`: the end of the sentence.
    pub(super) fn change_overlay(
        &mut self,
        now: Time,
        key: &OverlayKey,
        facts: Option<OverlayFacts>,
        ended: EventKind,
        why: &str,
    ) {
        let known = self.store.overlay().get(key).cloned();
        let Some(told) = facts.as_ref().or(known.as_ref()) else {
            return;
        };
        let what = what(key, told.promoted);
        let (kind, reason) = match &facts {
            Some(facts) => {
                let until = until(facts.ends);
                (
                    EventKind::OverlayAdded,
                    format!("{} is {what}{until}{why}", key.service),
                )
            }
            None => (ended, format!("{} is no longer {what}{why}", key.service)),
        };
        let mut event = EventDraft::new(kind)
            .service(&key.service)
            .reason(reason.clone())
            .detail("entry", key.kind)
            .detail("until", told.ends.word());
        if let Some(assembly) = &key.assembly {
            event = event.assembly(assembly);
        }
        for (name, is_so, value) in [
            ("role", told.promoted, "Promoted".to_owned()),
            ("ends", told.ends.at_us() > 0, told.ends.at_us().to_string()),
            ("by", !told.by.is_empty(), told.by.clone()),
        ] {
            if is_so {
                event = event.detail(name, value);
            }
        }
        self.store.put_overlay(key, facts);
        self.tell(now, event);
        self.world_changed(&reason);
    }

    /// The entries, for those who ask.
    pub(crate) fn overlay_statuses(&self) -> Vec<OverlayStatus> {
        let configuration = self.document.spec().map(|spec| spec.configuration.as_str());
        let configuration = configuration.unwrap_or_default();
        let overlay = self.store.overlay().iter();
        let status = |(key, facts): (&OverlayKey, &OverlayFacts)| OverlayStatus {
            kind: key.kind,
            service: key.service.to_string(),
            assembly: key
                .assembly
                .as_ref()
                .map(AssemblyId::to_string)
                .unwrap_or_default(),
            role: if facts.promoted { "Promoted" } else { "" }.to_owned(),
            by: facts.by.clone(),
            created: facts.created,
            until: facts.ends.word(),
            ends: facts.ends.at_us(),
            constraint: constraint_id(key, configuration, self.store.bans()).unwrap_or_default(),
            text: sentence(key, facts),
            remedy: self.remedy(key),
        };
        overlay.map(status).collect()
    }

    /// The command that ends an entry.
    fn remedy(&self, key: &OverlayKey) -> String {
        let verb = match key.kind {
            OverlayKind::Disable => "enable",
            OverlayKind::Unmanage => "manage",
            _ => "clear",
        };
        format!("cpectl {verb} {} {}", self.name, key.service)
    }
}

/// Where instances are, or (`promoted`) promoted ones.
pub(super) fn places(rows: &[ServiceStatus], promoted: bool) -> BTreeSet<&str> {
    let wanted = |row: &&ServiceStatus| !promoted || row.role == cpe_status::ServiceRole::Promoted;
    let rows = rows.iter().filter(wanted);
    rows.map(|row| row.assembly.as_str()).collect()
}

/// The elements of a tree from the outermost to the one of that name.
pub(super) fn path<'a>(resources: &'a [ResourceStatus], name: &str) -> Vec<&'a ResourceStatus> {
    for own in resources {
        if own.name == name {
            return vec![own];
        }
        let below = path(&own.members, name);
        if !below.is_empty() {
            return std::iter::once(own).chain(below).collect();
        }
    }
    Vec::new()
}

/// What an entry makes of its service.
fn what(key: &OverlayKey, promoted: bool) -> String {
    let assembly = key.assembly.as_ref().map_or("", AssemblyId::as_str);
    match (key.kind, promoted) {
        (OverlayKind::Move, false) => format!("moved to {assembly}"),
        (OverlayKind::Move, true) => format!("to be promoted in {assembly}"),
        (OverlayKind::Ban, false) => format!("banned from {assembly}"),
        (OverlayKind::Ban, true) => format!("not to be promoted in {assembly}"),
        (OverlayKind::Disable, _) => "disabled".to_owned(),
        (OverlayKind::Unmanage, _) => "unmanaged, and left alone".to_owned(),
        (OverlayKind::Restart | OverlayKind::Unknown, _) => "being restarted".to_owned(),
    }
}

/// What ends an entry, as a part of a sentence.
fn until(ends: Ends) -> String {
    match ends {
        Ends::Placed => " until it is placed and stays by itself".to_owned(),
        Ends::At(at_us) => format!(" until {}", utc(at_us.div_ceil(SECOND) * SECOND)),
        Ends::Cleared | Ends::Stopped => String::new(),
    }
}

/// An entry in words: `db is banned from web1 by root until 2026-11-29 20:00:00 UTC`.
pub(super) fn sentence(key: &OverlayKey, facts: &OverlayFacts) -> String {
    let short = facts.by.split(" (").next().unwrap_or_default();
    let by = match short {
        "" => String::new(),
        short => format!(" by {short}"),
    };
    let of_place = matches!(key.kind, OverlayKind::Move | OverlayKind::Ban);
    let until = match facts.ends {
        Ends::Cleared if of_place => " until it is cleared".to_owned(),
        ends => until(ends),
    };
    let what = what(key, facts.promoted);
    format!("{} is {what}{by}{until}", key.service)
}
