//! Whether every service would run if assemblies were lost: asked for at any time, and by itself
//! when the deployment has come to rest.

use std::collections::BTreeMap;

use cpe_status::RoomReport;

use super::Controller;
use crate::machines::assembly::Life;
use crate::machines::phase::Phase;
use crate::machines::room::RoomInput;
use crate::vocabulary::{AssemblyId, Effect, Loss, Refusal, RoomAnswer, RoomQuestion, Spec, Time};

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
        let mut losses = self.losses(spec, question)?;
        self.may_plan()?;
        let not_looked_at = losses.len().saturating_sub(MOST_LOSSES);
        losses.truncate(MOST_LOSSES);
        let services = spec.services.iter().map(|service| &service.id);
        let services = services.filter(|id| spec.device(id).is_none());
        Ok(RoomInput {
            cib: self.cib(now),
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
                scope: question.scope(),
                holds: true,
                not_looked_at,
                ..RoomReport::default()
            },
        })
    }

    /// What is to be looked at, in the document's order.
    fn losses(&self, spec: &Spec, question: &RoomQuestion) -> Result<Vec<Loss>, Refusal> {
        let is_there = |name: &&AssemblyId| {
            let own = self.assemblies.get(*name);
            own.is_some_and(|own| own.life() != Life::Safe)
        };
        let there: Vec<&AssemblyId> = spec.order.iter().filter(is_there).collect();
        let of = |assemblies: &[&AssemblyId]| Loss {
            assemblies: assemblies.iter().map(|name| (*name).clone()).collect(),
            host: String::new(),
        };
        Ok(match question {
            RoomQuestion::Any => there.iter().map(|name| of(&[name])).collect(),
            RoomQuestion::Two => {
                let pairs = there.iter().enumerate();
                let pairs = pairs.flat_map(|(at, one)| {
                    let others = there[at + 1..].iter();
                    others.map(move |other| [*one, *other])
                });
                pairs.map(|pair| of(&pair)).collect()
            }
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
                vec![of(&named)]
            }
        })
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
