//! What operators ask for beyond switches: to look again, to forget one failure, to empty all.

use controller::{AssemblyId, FailedOperation, Request, ServiceId, Task};
use sim_kit::{MS, Random, SECOND};

use crate::faults::Fault;
use crate::queue::SimEvent;
use crate::world::World;

impl World {
    /// Makes up times at which operators ask for that. From chances of its own.
    pub(crate) fn plan_upkeep(&mut self, mut random: Random) {
        for _ in 0..random.between(2, 6) {
            let at_us = random.between(2 * SECOND, self.faults_until_us);
            let request = self.some_upkeep(&mut random);
            if matches!(request, Request::StandbyOfAll { on: true }) {
                let later_us = at_us + random.between(500 * MS, 20 * SECOND);
                let end = Request::StandbyOfAll { on: false };
                let end = SimEvent::Fault(Fault::Request(end));
                self.at(later_us.min(self.faults_until_us), end);
            }
            self.at(at_us, SimEvent::Fault(Fault::Request(request)));
        }
        // Once more when nothing goes wrong any more: it may be granted then.
        let at_us = self.faults_until_us + random.between(2 * SECOND, 40 * SECOND);
        let request = Request::Refresh {
            service: None,
            assembly: None,
        };
        self.at(at_us, SimEvent::Request(request));
    }

    fn some_upkeep(&self, random: &mut Random) -> Request {
        let service = &self.scenario.services[random.index(self.scenario.services.len())];
        let service = ServiceId::from(service.name.as_str());
        let index = random.index(self.scenario.assemblies.len());
        let assembly = AssemblyId::from(self.scenario.assemblies[index].name.as_str());
        match random.index(5) {
            0 => Request::StandbyOfAll {
                on: random.percent(70),
            },
            1 => {
                let actions = [Task::Start, Task::Stop, Task::Monitor];
                Request::CleanupOperation {
                    service,
                    assembly: random.percent(50).then_some(assembly),
                    operation: FailedOperation {
                        action: actions[random.index(actions.len())].clone(),
                        interval_ms: random.percent(30).then_some(0),
                    },
                }
            }
            _ => Request::Refresh {
                service: random.percent(50).then_some(service),
                assembly: random.percent(30).then_some(assembly),
            },
        }
    }
}
