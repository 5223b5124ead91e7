//! What people want of hosts: it is tried until the store says so, for a while.

use super::Host;
use crate::machines::pending::Purpose;
use crate::vocabulary::timing::{CHANGE_US, RETRY_US};
use crate::vocabulary::{
    Compare, HostId, HostRecord, HostState, Key, Operation, Order, Request, Txn, Value,
};

/// One that is not done yet.
#[derive(Clone, Debug)]
pub(super) struct Ongoing {
    order: Order,
    until_us: u64,
    next_us: u64,
}

impl Host {
    pub(super) fn ordered(&mut self, now_us: u64, order: Order) {
        if let Order::Move(name, to) = order {
            let suits = self.view.deployment(&name).is_some_and(|known| {
                let takers = &mut self.view.takers();
                let taker = takers.find(|(host, _)| **host == to);
                taker.is_some_and(|(host, it)| self.can_take(host, it, &known.value.needs))
            });
            if suits && to != *self.me() && self.membership.open().is_some() {
                self.let_go_to(&name, to);
            }
            return;
        }
        let (until_us, next_us) = (now_us + CHANGE_US, now_us);
        self.orders.push(Ongoing {
            order,
            until_us,
            next_us,
        });
    }

    pub(super) fn orders_deadline(&self) -> Option<u64> {
        self.orders.iter().map(|order| order.next_us).min()
    }

    pub(super) fn attempt_orders(&mut self, now_us: u64) {
        let orders = std::mem::take(&mut self.orders);
        for mut ongoing in orders {
            if ongoing.next_us <= now_us {
                if now_us > ongoing.until_us || !self.attempt_order(now_us, &ongoing.order) {
                    continue;
                }
                ongoing.next_us = now_us + RETRY_US;
            }
            self.orders.push(ongoing);
        }
    }

    /// Sends what an order needs. False: there is nothing to do.
    fn attempt_order(&mut self, now_us: u64, order: &Order) -> bool {
        let (host, change): (&HostId, HostRecord) = match order {
            Order::Drain(host) | Order::Activate(host) => {
                let Some(known) = self.view.host(host) else {
                    return false;
                };
                let state = match order {
                    Order::Drain(_) => HostState::Draining,
                    _ => HostState::Active,
                };
                let record = HostRecord::clone(&known.value);
                (host, HostRecord { state, ..record })
            }
            Order::ConfirmLost(host) => {
                let session = self.guard.session(host);
                let (Some(known), Some(_)) = (self.view.host(host), session) else {
                    return false;
                };
                let record = HostRecord::clone(&known.value);
                let confirmed_lost = session;
                (
                    host,
                    HostRecord {
                        confirmed_lost,
                        ..record
                    },
                )
            }
            Order::Move(..) | Order::Change(_) => return false,
        };
        let Some(known) = self.view.host(host).filter(|known| *known.value != change) else {
            return false;
        };
        let key = Key::Host(host.clone());
        let mut compare = vec![Compare::Revision(key.clone(), known.revision)];
        if matches!(order, Order::ConfirmLost(_)) {
            compare.push(Compare::Absent(Key::Alive(host.clone())));
        }
        let txn = Txn {
            compare,
            then: vec![Operation::Put(key, Value::Host(change.into()), None)],
            otherwise: Vec::new(),
        };
        self.send(now_us, Purpose::Order, Request::Txn(txn));
        true
    }
}
