//! Resource agents that people have do something once, at bad times.

use controller::{AssemblyId, DebugTask, Input, Refusal, Request, ServiceId, ServiceOrder};
use cpe_status::{OverlayKind, OverlayStatus};
use sim_kit::{MS, Random, SECOND};

use crate::faults::Fault;
use crate::queue::SimEvent;
use crate::world::World;
use crate::zones;

impl World {
    /// Makes up times at which people do that: mostly with what they have said is to be left alone,
    /// and now and then they end that while it is done. From chances of its own.
    pub(crate) fn plan_debugging(&mut self, mut random: Random) {
        for _ in 0..random.between(1, 4) {
            let begin_us = random.between(2 * SECOND, self.faults_until_us);
            let service = random.index(self.scenario.services.len());
            if random.percent(85) {
                self.plan_order(begin_us, service, ServiceOrder::Unmanage);
            }
            let mut at_us = begin_us + random.between(0, 3 * SECOND);
            for _ in 0..random.between(1, 5) {
                let guest = random.index(self.scenario.assemblies.len());
                let task = match random.index(5) {
                    0 => DebugTask::Monitor,
                    1 | 2 => DebugTask::Start,
                    _ => DebugTask::Stop,
                };
                let fault = Fault::Debug(task, service, guest);
                self.at(at_us.min(self.faults_until_us), SimEvent::Fault(fault));
                at_us += random.between(0, 4 * SECOND);
            }
            if random.percent(70) {
                at_us += random.between(MS, 2 * SECOND);
                self.plan_order(at_us, service, ServiceOrder::Manage);
            }
        }
    }

    fn plan_order(&mut self, at_us: u64, service: usize, order: ServiceOrder) {
        let service = self.scenario.services[service].name.as_str().into();
        let request = Request::Service { service, order };
        let at_us = at_us.min(self.faults_until_us);
        self.at(at_us, SimEvent::Fault(Fault::Request(request)));
    }

    /// Somebody has an agent do something once. Gives the id of the operation.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn ask_debug(
        &mut self,
        task: DebugTask,
        service: &ServiceId,
        assembly: &AssemblyId,
    ) -> Result<String, Refusal> {
        if self.is_stopped() {
            return Err(Refusal::NotReady("the DPE does not answer".into()));
        }
        let now = self.time();
        let controller = self.shell.controller.as_ref();
        let controller = controller.ok_or(Refusal::NotReady("there is no DPE".into()))?;
        let question = controller.plan_debug(now, task, service, assembly)?;
        let (order, by) = (question.answer_in(zones::find)?, "somebody".to_owned());
        let before = controller.last_debugged().map(str::to_owned);
        let status = controller.status(now);
        let unmanaged = |own: &OverlayStatus| {
            let whole = format!("{service}-clone");
            own.kind == OverlayKind::Unmanage && [service.as_str(), &whole].contains(&&*own.service)
        };
        let left_alone = status.maintenance || status.overlay.iter().any(unmanaged);
        let order = Box::new(order);
        self.shell.refused = None;
        self.input(Input::Debug { order, by });
        let last = self.shell.controller.as_ref();
        let last = last.and_then(|own| own.last_debugged());
        let begun = last.filter(|last| Some(*last) != before.as_deref());
        let begun = begun.map(str::to_owned);
        if begun.is_some() && task != DebugTask::Monitor && !left_alone {
            self.violated(format!(
                "{service} is operated by hand in {assembly} while it is managed"
            ));
        }
        begun.ok_or_else(|| {
            let refused = self.shell.refused.take();
            refused.unwrap_or_else(|| Refusal::NotReady("the DPE died".into()))
        })
    }

    /// Somebody has an agent do something once, whoever refuses it. What is refused is refused.
    pub(crate) fn debug(&mut self, task: DebugTask, service: usize, guest: usize) {
        let service = ServiceId::from(self.scenario.services[service].name.as_str());
        let assembly = AssemblyId::from(&*self.scenario.assemblies[guest].name);
        if let Err(refusal) = self.ask_debug(task, &service, &assembly) {
            self.say(|| format!("  not run: {refusal}"));
        }
    }
}
