//! What people want of hosts: it is tried until the store says so, for a while.

use super::Host;
use crate::machines::holdings::Unit;
use crate::machines::pending::Purpose;
use crate::vocabulary::timing::{CHANGE_US, RETRY_US};
use crate::vocabulary::{
    Compare, DeploymentId, Effect, HostId, HostRecord, HostState, Key, Operation, Order, Outcome,
    Request, Txn, Value,
};

/// One that is not done yet.
#[derive(Clone, Debug)]
pub(super) struct Ongoing {
    order: Order,
    until_us: u64,
    next_us: u64,
    /// Something was sent for it: what was to be removed may be gone by that.
    sent: bool,
}

/// What an order needs now.
enum Next {
    /// That is sent.
    Send(Txn),
    /// Nothing can be said before everything was listed.
    Wait,
    /// Nothing more.
    End(Outcome),
}

impl Host {
    pub(super) fn ordered(&mut self, now_us: u64, order: Order) {
        let (until_us, next_us) = (now_us + CHANGE_US, now_us);
        self.orders.push(Ongoing {
            order,
            until_us,
            next_us,
            sent: false,
        });
    }

    /// Has a deployment handed over, if this host runs it and that one can take it.
    fn begin_move(&mut self, name: &DeploymentId, to: &HostId) -> Outcome {
        let Some(known) = self.view.deployment(name) else {
            return Outcome::Missing;
        };
        let needs = &known.value.needs;
        let taker = self.view.takers().find(|(host, _)| *host == to);
        let suits = taker.is_some_and(|(host, it)| self.can_take(host, it, needs));
        let runs = matches!(self.unit(name), Some(Unit::Running(_)));
        if !runs || self.membership.open().is_none() {
            return Outcome::NotHere;
        }
        if to == self.me() {
            return Outcome::Done;
        }
        if !suits {
            return Outcome::Unsuitable;
        }
        self.let_go_to(name, to.clone());
        Outcome::Done
    }

    pub(super) fn orders_deadline(&self) -> Option<u64> {
        self.orders.iter().map(|order| order.next_us).min()
    }

    pub(super) fn attempt_orders(&mut self, now_us: u64) {
        let orders = std::mem::take(&mut self.orders);
        for mut ongoing in orders {
            if ongoing.next_us <= now_us {
                let next = match self.next_of(&ongoing.order, ongoing.sent) {
                    Next::Send(_) | Next::Wait if now_us > ongoing.until_us => {
                        Next::End(Outcome::Unknown)
                    }
                    next => next,
                };
                match next {
                    Next::Send(txn) => {
                        ongoing.sent = true;
                        self.send(now_us, Purpose::Order, Request::Txn(txn));
                    }
                    Next::Wait => {}
                    Next::End(outcome) => {
                        let ordered = Effect::Ordered(ongoing.order, outcome);
                        self.effects.push_back(ordered);
                        continue;
                    }
                }
                ongoing.next_us = now_us + RETRY_US;
            }
            self.orders.push(ongoing);
        }
    }

    /// What it needs that a host is forgotten. Its record is not what protects deployments: who
    /// takes one compares that the session in its record is over.
    fn removal(&self, host: &HostId, sent: bool) -> Next {
        let (key, alive) = (Key::Host(host.clone()), Key::Alive(host.clone()));
        match self.view.host(host) {
            None if sent => Next::End(Outcome::Done),
            None => Next::End(Outcome::Missing),
            Some(_) if self.view.alive(host).is_some() => Next::End(Outcome::Alive),
            Some(_) if self.view.load(host) > 0 => Next::End(Outcome::Owns),
            Some(known) => Next::Send(Txn {
                compare: vec![
                    Compare::Revision(key.clone(), known.revision),
                    Compare::Absent(alive),
                ],
                then: vec![Operation::Delete(key)],
                otherwise: Vec::new(),
            }),
        }
    }

    /// What an order needs. `sent`: something was sent for it already.
    fn next_of(&mut self, order: &Order, sent: bool) -> Next {
        if let Order::Move(name, to) = order {
            // What is not known yet is not missing.
            return match self.knows_its_own() {
                true => Next::End(self.begin_move(name, to)),
                false => Next::Wait,
            };
        }
        let (Order::Drain(host)
        | Order::Activate(host)
        | Order::ConfirmLost(host)
        | Order::Remove(host)) = order
        else {
            return Next::End(Outcome::Missing);
        };
        if !self.view.is_synced() {
            return Next::Wait;
        }
        if matches!(order, Order::Remove(_)) {
            return self.removal(host, sent);
        }
        let Some(known) = self.view.host(host) else {
            return Next::End(Outcome::Missing);
        };
        let mut record = HostRecord::clone(&known.value);
        let key = Key::Host(host.clone());
        let mut compare = vec![Compare::Revision(key.clone(), known.revision)];
        match order {
            Order::Drain(_) => record.state = HostState::Draining,
            Order::Activate(_) => record.state = HostState::Active,
            _ if self.view.alive(host).is_some() => return Next::End(Outcome::Alive),
            _ => {
                // The guard may know of one that did not get as far as to write it there.
                let session = self.guard.session(host).unwrap_or(record.session);
                record.confirmed_lost = Some(session);
                compare.push(Compare::Absent(Key::Alive(host.clone())));
            }
        }
        if record == *known.value {
            return Next::End(Outcome::Done);
        }
        Next::Send(Txn {
            compare,
            then: vec![Operation::Put(key, Value::Host(record.into()), None)],
            otherwise: Vec::new(),
        })
    }
}
