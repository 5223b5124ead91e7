//! Whether every service would run if assemblies were lost: asked for at any time, and by itself
//! when the deployment has come to rest.

use std::collections::BTreeMap;

use cpe_status::{RoomReport, RoomScope};

use super::Controller;
use crate::machines::assembly::Life;
use crate::machines::phase::Phase;
use crate::machines::room::RoomInput;
use crate::vocabulary::{
    AssemblyId, Effect, Loss, Proposal, Refusal, RoomAnswer, RoomQuestion, Spec, Time,
};

/// Losses that one question looks at: each takes some decisions.
const MOST_LOSSES: usize = 1000;

impl Controller {
    /// Asks whether there is room for every service after a loss, from what runs now.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]: there is no such assembly; [`Refusal::InvalidArgument`]: the question
    /// makes no sense for this document; [`Refusal::NotReady`] while nothing is loaded, or there
    /// are assemblies of which nothing is known.
    pub fn plan_room(&self, now: Time, question: &RoomQuestion) -> Result<RoomInput, Refusal> {
        self.must_be_in_force()?;
        let Some(spec) = self.document.spec() else {
            return Err(Refusal::NotReady(
                "no document is loaded: load one first".into(),
            ));
        };
        let (losses, not_looked_at) = self.losses(spec, question)?;
        self.may_plan()?;
        let told = RoomReport {
            scope: question.scope(),
            not_looked_at,
            ..RoomReport::default()
        };
        Ok(self.room_input(now, self.cib(now), spec, losses, told))
    }

    /// Asks whether there would be room for every service after the loss of any one assembly, with
    /// this document in force and all done that follows from it.
    ///
    /// # Errors
    /// [`Refusal::NotReady`] while there are assemblies of which nothing is known.
    pub fn plan_room_of(&self, now: Time, proposal: &Proposal) -> Result<RoomInput, Refusal> {
        let spec = &proposal.spec;
        let planned = self.planned(now, spec)?;
        let is_there = |name: &&AssemblyId| match self.assemblies.get(*name) {
            Some(own) => own.life() != Life::Safe,
            // It is assumed to answer, as in a plan.
            None => spec
                .assemblies
                .get(*name)
                .is_some_and(|own| own.address.is_some()),
        };
        let there = spec.order.iter().filter(is_there);
        let (losses, not_looked_at) = at_most(there.map(|name| loss_of(&[name])).collect());
        let told = RoomReport {
            planned: true,
            scope: RoomScope::Any,
            not_looked_at,
            ..RoomReport::default()
        };
        Ok(self.room_input(now, planned.cib, spec, losses, told))
    }

    /// The question; `told`: what of the answer is known already.
    fn room_input(
        &self,
        now: Time,
        cib: String,
        spec: &Spec,
        losses: Vec<Loss>,
        told: RoomReport,
    ) -> RoomInput {
        let services = spec.services.iter().map(|service| &service.id);
        let services = services.filter(|id| spec.device(id).is_none());
        RoomInput {
            cib,
            now_s: now.wall_s(),
            losses,
            services: services.cloned().collect(),
            terms: self.terms(),
            ends: self.ends_of_constraints(),
            pins: spec.pins.clone(),
            report: RoomReport {
                deployment: self.name.clone(),
                generation: self.generation(),
                time: now.wall_us,
                holds: true,
                ..told
            },
        }
    }

    /// What is to be looked at, in the document's order, and how many losses are not.
    fn losses(&self, spec: &Spec, question: &RoomQuestion) -> Result<(Vec<Loss>, usize), Refusal> {
        let is_there = |name: &&AssemblyId| {
            let own = self.assemblies.get(*name);
            own.is_some_and(|own| own.life() != Life::Safe)
        };
        let there: Vec<&AssemblyId> = spec.order.iter().filter(is_there).collect();
        let losses = match question {
            RoomQuestion::Any => there.iter().map(|name| loss_of(&[name])).collect(),
            RoomQuestion::Two => return Ok(of_two(&there)),
            RoomQuestion::AnyHost => of_hosts(spec, &there)?,
            RoomQuestion::These(names) => {
                if names.is_empty() {
                    let text = "name at least one assembly that is lost";
                    return Err(Refusal::InvalidArgument(text.into()));
                }
                for name in names {
                    self.known_assembly(name)?;
                }
                let mut named: Vec<&AssemblyId> = names.iter().collect();
                named.sort();
                named.dedup();
                vec![loss_of(&named)]
            }
        };
        Ok(at_most(losses))
    }

    /// The commands that end constraints that are not of the document.
    fn ends_of_constraints(&self) -> BTreeMap<String, String> {
        let overlay = self.overlay_statuses().into_iter();
        let of_overlay = overlay.map(|entry| {
            let text = format!("{}: {}", entry.text, entry.remedy);
            (entry.constraint, text)
        });
        let bans = self.ban_statuses().into_iter();
        let of_guests = bans.filter(|ban| ban.set_by_guest).map(|ban| {
            let (name, service, assembly) = (&self.name, &ban.service, &ban.assembly);
            let text = format!(
                "a tool in a guest keeps {service} off {assembly}: cpectl cleanup {name} {service}"
            );
            (ban.constraint, text)
        });
        let all = of_overlay.chain(of_guests);
        all.filter(|(id, _)| !id.is_empty()).collect()
    }

    /// Time passes: it may have to be found out again.
    pub(crate) fn age_room(&mut self, now: Time) {
        let loaded = self.store.loaded();
        let serves = self.phase == Phase::Serving
            && loaded.is_some_and(|loaded| loaded.unload.is_none())
            && self.document.spec().is_some();
        let quiet = serves && self.everything_known() && self.idle() && !self.is_looking();
        let number = self.deciding.room_mut().turn(quiet, now.boottime_us);
        if let Some(number) = number {
            self.effects.push(Effect::CheckRoom(number));
        }
    }

    /// An answer has come.
    pub(crate) fn room_checked(&mut self, now: Time, answer: RoomAnswer) {
        if !self.deciding.room_mut().answered(answer.number) {
            return;
        }
        let Ok(report) = answer.outcome else {
            self.deciding.room_mut().forget();
            return;
        };
        self.deciding.room_mut().learn(&report);
        let told = self.store.deployment().room;
        if let Some((told, event)) = told.next(&report) {
            self.store.deployment_mut().room = told;
            self.tell(now, event);
        }
    }
}

/// Those that are looked at, and how many are not.
fn at_most(mut losses: Vec<Loss>) -> (Vec<Loss>, usize) {
    let not_looked_at = losses.len().saturating_sub(MOST_LOSSES);
    losses.truncate(MOST_LOSSES);
    (losses, not_looked_at)
}

fn loss_of(assemblies: &[&AssemblyId]) -> Loss {
    Loss {
        assemblies: assemblies.iter().map(|name| (*name).clone()).collect(),
        host: String::new(),
    }
}

/// The first pairs of the assemblies that are there, and how many further ones there are: of some
/// thousand assemblies there are millions, so that those are never made.
fn of_two(there: &[&AssemblyId]) -> (Vec<Loss>, usize) {
    let pairs = there.iter().enumerate().flat_map(|(at, one)| {
        let others = there[at + 1..].iter();
        others.map(move |other| [*one, *other])
    });
    let losses: Vec<Loss> = pairs.take(MOST_LOSSES).map(|pair| loss_of(&pair)).collect();
    let (count, others) = (there.len(), there.len().saturating_sub(1));
    let all = count.saturating_mul(others) / 2;
    let not_looked_at = all.saturating_sub(losses.len());
    (losses, not_looked_at)
}

/// The assemblies that are there, by the hosts that the document says they run on.
fn of_hosts(spec: &Spec, there: &[&AssemblyId]) -> Result<Vec<Loss>, Refusal> {
    let mut losses: Vec<Loss> = Vec::new();
    for name in there {
        let host = spec.assemblies.get(*name).map(|own| own.host.as_str());
        let Some(host) = host.filter(|host| !host.is_empty()) else {
            continue;
        };
        let known = losses.iter_mut().find(|loss| loss.host == host);
        match known {
            Some(loss) => loss.assemblies.push((*name).clone()),
            None => losses.push(Loss {
                assemblies: vec![(*name).clone()],
                host: host.to_owned(),
            }),
        }
    }
    if losses.is_empty() {
        return Err(Refusal::InvalidArgument(
            "no assembly that is there says on which host it runs: give assemblies host=\"…\" in the document".into(),
        ));
    }
    Ok(losses)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<AssemblyId> {
        let names = (1..=count).map(|number| format!("n{number}").as_str().into());
        names.collect()
    }

    #[test]
    fn of_very_many_pairs_only_those_are_made_that_are_looked_at() {
        let names = names(3000);
        let there: Vec<&AssemblyId> = names.iter().collect();
        let (losses, not_looked_at) = of_two(&there);
        assert_eq!(losses.len(), MOST_LOSSES);
        assert_eq!(not_looked_at, 3000 * 2999 / 2 - MOST_LOSSES);
        assert!(losses.capacity() < 2 * MOST_LOSSES, "no more were made");
        assert_eq!(losses[0], loss_of(&[&names[0], &names[1]]));
        assert_eq!(losses[999], loss_of(&[&names[0], &names[1000]]));
    }

    #[test]
    fn every_pair_is_looked_at_where_there_are_few() {
        for (count, pairs) in [(0, 0), (1, 0), (2, 1), (3, 3), (45, 990)] {
            let names = names(count);
            let there: Vec<&AssemblyId> = names.iter().collect();
            let (losses, not_looked_at) = of_two(&there);
            assert_eq!((losses.len(), not_looked_at), (pairs, 0), "{count}");
        }
        let names = names(46);
        let there: Vec<&AssemblyId> = names.iter().collect();
        let (losses, not_looked_at) = of_two(&there);
        assert_eq!((losses.len(), not_looked_at), (1000, 35));
        assert_eq!(losses[999].assemblies.len(), 2);
    }
}
