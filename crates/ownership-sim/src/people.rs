//! Deployments, clients who change them, and operators.

use std::collections::BTreeSet;

use ownership::{
    Answer, Change, ChangeId, DeploymentId, DeploymentRecord, Input, Key, Needs, Order, Outcome,
    Value, What,
};
use sim_kit::{MS, SECOND};

use crate::checker::{Asked, Ordered};
use crate::clock::Clock;
use crate::guest::Guest;
use crate::world::{SimDeployment, SimEvent, World};

/// After so long an operator says that a host is lost.
const CONFIRMED_US: u64 = 8 * SECOND;
/// After so long it is taken out, where hosts are: it may come back all the same.
const REMOVED_US: u64 = 2 * SECOND;

impl World {
    /// Adds one that is in the store from the beginning.
    pub(crate) fn add_deployment(&mut self) {
        let number = self.new_deployment();
        let record = DeploymentRecord {
            generation: 1,
            change: ChangeId(u128::MAX),
            needs: Needs::default(),
            lease_ms: (self.scenario.lease_us / 1_000) as u32,
            destroying: false,
        };
        let key = Key::Deployment(self.deployments[number].name.clone());
        self.store.put(key, Value::Deployment(record.into()));
    }

    fn new_deployment(&mut self) -> usize {
        let number = self.deployments.len();
        let name = DeploymentId::new(&format!("shop{number}"));
        let guests = if number < self.scenario.guested {
            vec![self.add_guest(number), self.add_guest(number)]
        } else {
            Vec::new()
        };
        self.names.insert(name.clone(), number);
        self.deployments.push(SimDeployment {
            name,
            guests,
            max_epoch: 0,
            started: 0,
            dpes: Vec::new(),
            served_us: self.now_us,
        });
        number
    }

    fn add_guest(&mut self, deployment: usize) -> usize {
        let drift = self.random.between(0, 19_800) as i64 - 9_900;
        let base_us = self.random.between(SECOND, 900_000 * SECOND);
        self.guests.push(Guest {
            deployment,
            clock: Clock::new(base_us, drift),
            epoch: 0,
            master: None,
            lease_us: self.scenario.lease_us,
            end_us: 0,
            stamp_us: 0,
            running: false,
            stopping: false,
        });
        let guest = self.guests.len() - 1;
        let at_us = self.now_us + self.random.between(0, SECOND);
        self.queue.push(at_us, SimEvent::Heartbeat(guest));
        self.queue.push(at_us, SimEvent::LeaseCheck(guest));
        guest
    }

    /// Gives an order to a host that runs, any.
    pub(crate) fn order(&mut self, order: Order) {
        let up = |host: &usize| self.runs(*host) && self.hosts[*host].cpe.is_some();
        let able: Vec<usize> = (0..self.hosts.len()).filter(up).collect();
        if able.is_empty() {
            if let Order::Change(change) = order {
                self.change_answered(change.id, Answer::Unavailable);
            }
            return;
        }
        let host = able[self.random.index(able.len())];
        self.order_at(host, order);
    }

    /// Gives an order to that host.
    pub(crate) fn order_at(&mut self, host: usize, order: Order) {
        let (life, at_us) = (self.hosts[host].life, self.now_us);
        if !matches!(order, Order::Change(_)) {
            let order = order.clone();
            self.checker.orders.push(Ordered {
                host,
                life,
                order,
                at_us,
            });
        }
        self.reaches_host(host, life, Input::Order(order));
    }

    /// An order was answered.
    pub(crate) fn order_answered(&mut self, host: usize, order: &Order, outcome: Outcome) {
        self.note(|| format!("host {host}: {order:?}: {outcome:?}"));
        let (life, orders) = (self.hosts[host].life, &mut self.checker.orders);
        let found = orders
            .iter()
            .position(|it| it.host == host && it.life == life && it.order == *order);
        match found {
            Some(found) => drop(orders.remove(found)),
            None => self.violation(format!("{order:?} is answered, and nobody has asked")),
        }
    }

    /// A client changes something.
    pub(crate) fn client(&mut self) {
        if self.now_us < self.scenario.calm_us {
            let again_us = self.now_us + self.random.between(500, 6_000) * MS;
            self.queue.push(again_us, SimEvent::Client);
        }
        let id = ChangeId(self.checker.changes.len() as u128);
        let number = match self.random.index(5) {
            0 => self.new_deployment(),
            _ => self.random.index(self.deployments.len()),
        };
        let deployment = self.deployments[number].name.clone();
        let what = match self.store.get(&Key::Deployment(deployment.clone())) {
            None => {
                let labels = BTreeSet::new();
                What::Create(Needs { labels, version: 1 }, 30_000)
            }
            Some(_) if self.random.percent(15) => What::Destroy,
            Some((Value::Deployment(record), _)) => {
                let stale = u64::from(self.random.percent(10));
                What::Update(record.generation - stale.min(record.generation))
            }
            Some(_) => return,
        };
        let change = Change {
            id,
            deployment,
            what,
        };
        let index = self.checker.changes.len();
        self.checker.by_id.insert(id, index);
        self.checker.changes.push(Asked {
            change: change.clone(),
            answers: Vec::new(),
            done: 0,
        });
        self.order(Order::Change(change));
    }

    /// What a client hears is true.
    pub(crate) fn change_answered(&mut self, id: ChangeId, answer: Answer) {
        let Some(index) = self.checker.by_id.get(&id).copied() else {
            return;
        };
        self.checker.changes[index].answers.push(answer);
        let asked = self.checker.changes[index].clone();
        self.note(|| format!("{:?}: {answer:?}", asked.change));
        let name = &asked.change.deployment;
        match answer {
            Answer::Done(_) if asked.done == 0 => {
                self.violation(format!("a change of {name} is acknowledged and not done"));
            }
            Answer::Refused(_) if asked.done > 0 => {
                self.violation(format!("a change of {name} is refused and done"));
            }
            Answer::Unknown | Answer::Unavailable if asked.answers.len() < 4 => {
                let at_us = self.now_us + self.random.between(200, 3_000) * MS;
                self.queue.push(at_us, SimEvent::AskAgain(index));
            }
            _ => {}
        }
    }

    pub(crate) fn ask_again(&mut self, index: usize) {
        let change = self.checker.changes[index].change.clone();
        self.order(Order::Change(change));
    }

    /// An operator looks after hosts that are gone.
    pub(crate) fn operator(&mut self) {
        self.queue
            .push(self.now_us + 2 * SECOND, SimEvent::Operator);
        let vanished = self.checker.vanished.iter();
        let long = vanished.filter(|(_, (at_us, _))| at_us + CONFIRMED_US < self.now_us);
        let hosts: Vec<_> = long.map(|(host, _)| host.clone()).collect();
        for host in hosts {
            self.order(Order::ConfirmLost(host));
        }
        if self.scenario.removes {
            let all = self.hosts.iter().map(|it| it.name.clone());
            let all: BTreeSet<_> = all.collect();
            for host in all {
                let since_us = self.checker.vanished.get(&host).map(|it| it.0);
                // Also one that lives: that is refused.
                if since_us.is_none_or(|at_us| at_us + REMOVED_US < self.now_us) {
                    self.order(Order::Remove(host));
                }
            }
        }
    }
}
