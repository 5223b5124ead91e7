//! What administrators want of single services beside the document: how it comes, how it ends, and
//! what is said about it.
//!
//! An entry ends by itself: a move when its service is where it is wanted and would stay there
//! without it, a restart when all of its service is stopped, and what has a time when that is over.
//! It goes with what it is about when the document names that no more. Whether an order would hold
//! is asked before, by who gives it: see [`Controller::plan_service`].

use std::collections::BTreeSet;

use cpe_status::{
    OverlayKind, OverlayStatus, ResourceKind, ResourceStatus, ServiceState, ServiceStatus,
};
use policy_engine::model::base_name;

use super::Controller;
use super::overlaid::constraint_id;
use super::values::{find, names};
use crate::machines::assembly::{Assembly, Life};
use crate::machines::history::{self, Activity};
use crate::machines::overlay::{Ends, EntryChange, OverlayFacts, Wanted, changed};
use crate::machines::phase::Phase;
use crate::vocabulary::{
    AssemblyId, EventDraft, EventKind, Lifetime, OverlayKey, RecordState, Refusal, SECOND,
    ServiceId, ServiceOrder, Spec, Time, Without, utc,
};

/// For so many moves it is asked at a time whether they are done: each costs a decision.
const ASKED_AT_A_TIME: usize = 8;
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
    fn change_overlay(
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

    /// Ends what ends by itself now: after what may begin has begun, so that it is known what is
    /// done.
    pub(crate) fn age_overlay(&mut self, now: Time) {
        if self.store.overlay().is_empty() || self.phase.is_over() {
            return;
        }
        let over = |facts: &OverlayFacts| {
            let at_us = facts.ends.at_us();
            at_us > 0 && at_us <= now.wall_us
        };
        let all = self.store.overlay().iter();
        let expired: Vec<OverlayKey> = all
            .filter(|(_, facts)| over(facts))
            .map(|(key, _)| key.clone())
            .collect();
        for key in expired {
            let why = ": its time is over";
            self.change_overlay(now, &key, None, EventKind::OverlayExpired, why);
        }
        self.end_restarts(now);
        self.end_vain_moves(now);
        self.look_at_moves();
        if !self.deciding.is_settled() {
            self.advance(now);
        }
    }

    /// Has services start again that were to be stopped only once.
    fn end_restarts(&mut self, now: Time) {
        let restarts = self.store.overlay().keys();
        let restarts: Vec<OverlayKey> = restarts
            .filter(|key| key.kind == OverlayKind::Restart)
            .cloned()
            .collect();
        for key in restarts {
            if let Some(why) = self.stopped(&key.service) {
                self.change_overlay(now, &key, None, EventKind::OverlayRemoved, why);
            }
        }
    }

    /// Lets services go back that were to go away and could start nowhere else.
    fn end_vain_moves(&mut self, now: Time) {
        if !self.rests() || !self.everything_known() {
            return;
        }
        let all = self.store.overlay().iter();
        let bans =
            all.filter(|(key, facts)| key.kind == OverlayKind::Ban && facts.ends == Ends::Placed);
        let vain = bans.filter(|(key, facts)| {
            let target = self.target(&key.service, &ServiceOrder::Clear { assembly: None });
            target.is_ok_and(|target| places(&self.rows(&target), facts.promoted).is_empty())
        });
        let vain: Vec<OverlayKey> = vain.map(|(key, _)| key.clone()).collect();
        for key in vain {
            let why = ": it could start nowhere else, and may go back";
            self.change_overlay(now, &key, None, EventKind::OverlayRemoved, why);
        }
    }

    /// There is nothing to do, and it is not about to end.
    fn rests(&self) -> bool {
        self.phase == Phase::Serving && self.idle()
    }

    /// A move may be done: the policy engine is to be asked whether it would stay. Once, as long as
    /// the world does not change.
    fn look_at_moves(&mut self) {
        let mut moves =
            self.store.overlay().iter().filter(|(key, facts)| {
                facts.ends == Ends::Placed && !self.deciding.has_judged(key)
            });
        if self.rests() && moves.any(|(key, facts)| self.is_placed(key, facts)) {
            self.deciding.judge_more("a move is done");
        }
    }

    /// Why a service that is restarted is to start again now, if it is.
    fn stopped(&self, service: &ServiceId) -> Option<&'static str> {
        if self.phase != Phase::Serving || !self.everything_known() {
            return None;
        }
        let resources = self.document.spec().map(|spec| &spec.resources[..]);
        let own = find(resources.unwrap_or_default(), service.as_str());
        let all: BTreeSet<&str> = own
            .into_iter()
            .flat_map(ResourceStatus::all)
            .map(|own| own.name.as_str())
            .collect();
        let is_gone = |(name, own): (&AssemblyId, &Assembly)| {
            own.is_safe() || (self.is_known(own) && self.is_empty(name, own, &all))
        };
        if self.assemblies.iter().all(is_gone) {
            return Some(": all of it is stopped, it starts again");
        }
        let gave_up = ": it could not be stopped, and is not kept down";
        self.idle().then_some(gave_up)
    }

    /// What an assembly has told counts: it is heard, or was when it was lost. Nothing begins in
    /// what is lost.
    fn is_known(&self, own: &Assembly) -> bool {
        own.is_heard() || (own.life() == Life::Lost && own.contact().was_made())
    }

    /// Nothing of these resources runs in an assembly, is begun there, or may come there.
    fn is_empty(&self, name: &AssemblyId, own: &Assembly, names: &BTreeSet<&str>) -> bool {
        let facts = self.store.assemblies().get(name);
        if facts.is_some_and(|facts| facts.arrivals.any_of(|it| names.contains(base_name(it)))) {
            return false;
        }
        let mut of_it = own
            .history()
            .resources()
            .filter(|(resource, _)| names.contains(base_name(resource)));
        of_it.all(|(_, records)| {
            let begun = history::each(records).any(|record| {
                record.state == RecordState::Pending && record.operation.interval_ms == 0
            });
            let activity = history::activity(records);
            !begun && !matches!(activity, Some(Activity::Active | Activity::Failed))
        })
    }

    /// Moves that have done what they are for, as far as that can be seen, and that nobody has
    /// asked about yet, as many as are asked about at a time: without one, its service must stay
    /// where it is.
    pub(super) fn placed_moves(&self) -> BTreeSet<OverlayKey> {
        let overlay = self.store.overlay().iter();
        let placed = overlay.filter(|(key, facts)| {
            facts.ends == Ends::Placed
                && !self.deciding.has_judged(key)
                && self.is_placed(key, facts)
        });
        let placed = placed.take(ASKED_AT_A_TIME);
        placed.map(|(key, _)| key.clone()).collect()
    }

    /// The policy engine's input without each of these.
    pub(super) fn without(&self, now: Time, entries: &BTreeSet<OverlayKey>) -> Vec<Without> {
        let Some(spec) = self.document.spec() else {
            return Vec::new();
        };
        let asked = entries.iter().map(|entry| {
            let mut others = self.store.overlay().clone();
            others.remove(entry);
            Without {
                entry: entry.clone(),
                cib: self.cib_with(now, spec, &others).into(),
            }
        });
        asked.collect()
    }

    /// The service of a move is where it is wanted.
    fn is_placed(&self, key: &OverlayKey, facts: &OverlayFacts) -> bool {
        let order = ServiceOrder::Clear { assembly: None };
        let (Ok(target), Some(assembly)) = (self.target(&key.service, &order), &key.assembly)
        else {
            return false;
        };
        let rows = self.rows(&target);
        let places = places(&rows, facts.promoted);
        let is_there = places.contains(assembly.as_str());
        match key.kind {
            OverlayKind::Move if target.many => is_there,
            OverlayKind::Move => is_there && places.len() == 1,
            _ => !is_there && !places.is_empty(),
        }
    }

    /// Ends a move without which nothing happens. One only: of two, either may be what the other
    /// stays by, so that it is asked again about the rest.
    pub(super) fn end_spent(&mut self, now: Time, spent: Vec<OverlayKey>) {
        let overlay = self.store.overlay();
        let is_placed = |key: &OverlayKey| {
            let facts = overlay.get(key);
            facts.is_some_and(|facts| facts.ends == Ends::Placed)
        };
        if let Some(key) = spent.into_iter().find(is_placed) {
            let why = ": it has moved, and stays by itself";
            self.change_overlay(now, &key, None, EventKind::OverlayRemoved, why);
        }
    }

    /// Forgets entries about what the next document does not name.
    pub(crate) fn forget_overlay(&mut self, now: Time, next: &Spec, generation: u64) {
        if self.store.overlay().is_empty() {
            return;
        }
        let names = names(next);
        let keys = self.store.overlay().keys();
        let gone = keys.filter_map(|key| {
            let assembly = key.assembly.as_ref();
            let missing = assembly.filter(|own| !next.assemblies.contains_key(*own));
            let missing = missing.map(|own| format!("assembly {own}"));
            let service = !names.contains(key.service.as_str());
            let missing = service.then(|| "it".to_owned()).or(missing)?;
            Some((
                key.clone(),
                format!(": generation {generation} does not have {missing}"),
            ))
        });
        for (key, why) in gone.collect::<Vec<_>>() {
            self.change_overlay(now, &key, None, EventKind::OverlayRemoved, &why);
        }
    }

    /// A state from a backup may have moves and restarts that were done long ago.
    pub(crate) fn doubt_overlay(&mut self, now: Time) {
        if !self.store.is_outdated() {
            return;
        }
        let all = self.store.overlay().iter();
        let old = all.filter(|(_, facts)| matches!(facts.ends, Ends::Placed | Ends::Stopped));
        let old: Vec<OverlayKey> = old.map(|(key, _)| key.clone()).collect();
        for key in old {
            let why = ": the saved state is older than the last one, and it may be done; say it again if it is not";
            self.change_overlay(now, &key, None, EventKind::OverlayRemoved, why);
        }
    }

    /// Boot time at which an entry ends, µs.
    pub(crate) fn overlay_deadline(&self) -> Option<u64> {
        if self.phase.is_over() {
            return None;
        }
        let ends = self
            .store
            .overlay()
            .values()
            .map(|facts| facts.ends.at_us());
        let at_us = ends.filter(|at_us| *at_us > 0).min()?;
        let left_us = at_us.saturating_sub(self.last_time.wall_us);
        Some(self.last_time.boottime_us.saturating_add(left_us))
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
