//! Whether there is room for every service if assemblies are lost: each loss is simulated to its
//! end, with the assemblies made safe, and what runs then is compared with what runs without it.

mod reasons;
mod remedies;
mod watch;
mod world;

use std::collections::BTreeMap;

use cpe_status::{RoomLoss, RoomOutcome, RoomReport, RoomService};
use policy_engine::explain::Terms;

pub(crate) use self::watch::{RoomTold, RoomWatch};
use self::world::{Runs, Settled, World};
use crate::vocabulary::{AssemblyId, Loss, Refusal, ServiceId, Zones, only_utc};

/// Losses of which is said what would make them fit: each takes some further simulations.
const MOST_ADVISED: usize = 16;
/// The same where little time is given.
const MOST_ADVISED_FIRST: usize = 3;

/// The policy engine's input for the question whether there is room. As with
/// [`EngineInput`](crate::EngineInput), a shell has it answered beside everything else.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomInput {
    pub(crate) cib: String,
    pub(crate) now_s: i64,
    /// What is to be looked at, in this order.
    pub(crate) losses: Vec<Loss>,
    /// The document's services, without fencing devices.
    pub(crate) services: Vec<ServiceId>,
    /// The words of reasons.
    pub(crate) terms: Terms,
    /// How constraints are ended that are not of the document, by their ids.
    pub(crate) ends: BTreeMap<String, String>,
    /// What runs in one assembly or nowhere, with that assembly.
    pub(crate) pins: Vec<(String, AssemblyId)>,
    /// All but what the policy engine says.
    pub(crate) report: RoomReport,
}

/// How much is to be said of a loss that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomDetail {
    /// Which services would not run.
    Services,
    /// Why, too, and what would make it fit.
    Advice,
}

impl RoomInput {
    /// As [`RoomInput::answer_in`], all of it, where no zone is known but UTC.
    ///
    /// # Errors
    /// As there.
    pub fn answer(&self) -> Result<RoomReport, Refusal> {
        self.answer_in(only_utc, RoomDetail::Advice, &mut || true)
    }

    /// Simulates the losses. Pure; each takes some decisions. `zones` knows the rules of the time
    /// zone that the input names. `goes_on` is asked before each further step: a shell has a clock,
    /// and ends with it what takes too long. What was not looked at by then is counted.
    ///
    /// # Errors
    /// [`Refusal::NotReady`] if the policy engine cannot decide.
    pub fn answer_in(
        &self,
        zones: Zones,
        detail: RoomDetail,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<RoomReport, Refusal> {
        let mut world = World::parse(&self.cib, self.now_s, zones).map_err(Refusal::NotReady)?;
        let mut report = self.report.clone();
        let Some(before) = self.settle(world.clone(), goes_on) else {
            report.not_looked_at += self.losses.len();
            return Ok(report);
        };
        report.down_already = self.down_already(&before);
        let (settled, before) = before.without_its_decision();
        if report.planned {
            world = settled;
        }
        let mut advised = 0;
        for (at, loss) in self.losses.iter().enumerate() {
            let mut own = world.clone();
            own.lose(&loss.assemblies);
            let after = goes_on().then(|| self.settle(own.clone(), goes_on));
            let Some(after) = after.flatten() else {
                report.not_looked_at += self.losses.len() - at;
                break;
            };
            report.looked_at += 1;
            let mut told = self.compare(loss, &before, &after);
            if told.services.is_empty() {
                continue;
            }
            if detail == RoomDetail::Advice && !told.holds {
                let explained = after.explained();
                self.explain(&explained, &mut told);
                if advised < MOST_ADVISED {
                    advised += 1;
                    told.remedies = self.remedies(loss, &own, &after, &explained, &told, goes_on);
                }
            }
            report.losses.push(told);
        }
        report.holds = report.losses.iter().all(|loss| loss.holds);
        Ok(report)
    }

    /// Follows a world to its end. Of what is planned, whoever waits does not wait for all of it:
    /// `None` if the time is over before.
    fn settle(&self, world: World, goes_on: &mut dyn FnMut() -> bool) -> Option<Settled> {
        match self.report.planned {
            true => world.settle_while(goes_on),
            false => Some(world.settle()),
        }
    }

    /// As [`RoomInput::answer_in`], where little time is given: first all losses, then what is to
    /// be said of the first of those that do not hold.
    ///
    /// # Errors
    /// As there.
    pub fn answer_first(
        &self,
        zones: Zones,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<RoomReport, Refusal> {
        let mut report = self.answer_in(zones, RoomDetail::Services, goes_on)?;
        let failing = report.failing().take(MOST_ADVISED_FIRST);
        let failing: Vec<Vec<String>> = failing.map(|loss| loss.assemblies.clone()).collect();
        if failing.is_empty() || !goes_on() {
            return Ok(report);
        }
        let names = |loss: &Loss| loss.assemblies.iter().map(AssemblyId::to_string).collect();
        let is_failing = |loss: &&Loss| failing.contains(&names(loss));
        let again = RoomInput {
            losses: self.losses.iter().filter(is_failing).cloned().collect(),
            ..self.clone()
        };
        let advised = again.answer_in(zones, RoomDetail::Advice, goes_on)?;
        for told in advised.losses {
            let mut own = report.losses.iter_mut();
            if let Some(own) = own.find(|own| own.assemblies == told.assemblies) {
                *own = told;
            }
        }
        Ok(report)
    }

    /// Services that want to run and do not. Those that are not to run have no goal.
    fn down_already(&self, before: &Settled) -> Vec<String> {
        let goals = crate::vocabulary::goal(&before.schedule);
        let wanted = |service: &&ServiceId| goals.get(*service).is_some_and(|goal| goal.enabled);
        let down = self.services.iter().filter(wanted);
        let down = down.filter(|service| before.of(service).instances == 0);
        down.map(ServiceId::to_string).collect()
    }

    fn compare(
        &self,
        loss: &Loss,
        before: &BTreeMap<ServiceId, Runs>,
        after: &Settled,
    ) -> RoomLoss {
        let less = |service: &ServiceId| {
            let ran = before.get(service).copied().unwrap_or_default();
            let runs = after.of(service);
            let outcome = if ran.instances > 0 && runs.instances == 0 {
                RoomOutcome::Down
            } else if ran.promoted > 0 && runs.promoted == 0 {
                RoomOutcome::NotPromoted
            } else if ran.instances > runs.instances || ran.promoted > runs.promoted {
                RoomOutcome::Fewer
            } else {
                return None;
            };
            Some(RoomService {
                service: service.to_string(),
                outcome,
                before: ran.instances,
                after: runs.instances,
                reason: String::new(),
            })
        };
        let services: Vec<RoomService> = self.services.iter().filter_map(less).collect();
        RoomLoss {
            assemblies: loss.assemblies.iter().map(AssemblyId::to_string).collect(),
            host: loss.host.clone(),
            holds: services.iter().all(|own| own.outcome.is_bearable()),
            services,
            remedies: Vec::new(),
        }
    }
}
