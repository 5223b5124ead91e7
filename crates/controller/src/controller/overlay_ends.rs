//! How what administrators want of single services ends: by itself, in time, or with what it is
//! about.

use std::collections::BTreeSet;

use cpe_status::{OverlayKind, ResourceStatus};
use policy_engine::model::base_name;

use super::Controller;
use super::overlay::places;
use super::values::{find, names};
use crate::machines::assembly::{Assembly, Life};
use crate::machines::history::{self, Activity};
use crate::machines::overlay::{Ends, OverlayFacts};
use crate::machines::phase::Phase;
use crate::vocabulary::{
    AssemblyId, EventKind, OverlayKey, RecordState, ServiceId, ServiceOrder, Spec, Time, Without,
};

/// For so many moves it is asked at a time whether they are done: each costs a decision.
const ASKED_AT_A_TIME: usize = 8;

impl Controller {
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
        let left_us = at_us.saturating_sub(self.outlook.last_time().wall_us);
        Some(self.outlook.last_time().boottime_us.saturating_add(left_us))
    }
}
