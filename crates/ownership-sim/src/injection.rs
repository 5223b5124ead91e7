//! Faults happen, and are mended.

use ownership::{Input, Key, Order};
use sim_kit::{MS, SECOND};

use crate::faults::{Fault, Mended};
use crate::world::{SimEvent, World};

impl World {
    fn mend_after(&mut self, after_us: u64, mended: Mended) {
        let event = SimEvent::Mended(mended);
        self.queue.push(self.now_us + after_us, event);
    }

    pub(crate) fn inject(&mut self, fault: Fault) {
        self.note(|| format!("FAULT {fault:?}"));
        self.disturbed();
        self.note_drain(&fault);
        self.count_from_now();
        match fault {
            Fault::KillHost(host, after_us) => {
                self.cuts_power(host);
                if after_us > 0 {
                    self.queue
                        .push(self.now_us + after_us, SimEvent::Boots(host));
                }
            }
            Fault::PauseHost(host, for_us) => {
                // What waits for the end of an earlier one waits for that.
                let until_us = self.hosts[host].paused_until_us;
                self.hosts[host].paused_until_us = until_us.max(self.now_us + for_us);
                self.mend_after(for_us, Mended::Host);
            }
            Fault::HangCpe(host, for_us) => {
                let it = &mut self.hosts[host];
                it.hung_until_us = it.hung_until_us.max(self.now_us + for_us);
                let event = SimEvent::Watchdog(host, it.life);
                self.queue.push(self.now_us + 2 * SECOND, event);
                self.mend_after(for_us, Mended::Host);
            }
            Fault::KillCpe(host) => self.restart_cpe(host),
            Fault::Upgrade(host) => {
                self.hosts[host].version += 1;
                self.restart_cpe(host);
            }
            Fault::KillDpe(number) => self.kill_dpe(number),
            Fault::UseUp(number) => self.use_up(number),
            Fault::CutStore(host, bits, for_us) => {
                self.hosts[host].store_cut = bits;
                self.mend_after(for_us, Mended::Store(host));
            }
            Fault::CutGuest(host, guest, bits, for_us) => {
                self.guest_cut.insert((host, guest), bits);
                self.mend_after(for_us, Mended::Guest(host, guest));
            }
            Fault::SlowHost(host, by_us, for_us) => {
                self.hosts[host].slow_us = by_us;
                self.mend_after(for_us, Mended::Slow(host));
            }
            Fault::Unruly(percent, for_us) => {
                self.unruly = percent;
                self.mend_after(for_us, Mended::Unruly);
            }
            Fault::SlowDisk(by_us, for_us) => {
                self.disk_us = by_us;
                self.mend_after(for_us, Mended::Disk);
            }
            Fault::JumpClock(host, by_s) => self.hosts[host].wall_us += by_s * SECOND as i64,
            Fault::Compact => self.store.compact(2),
            Fault::Revoke(host) => self.revoke(host),
            Fault::KillMember(..)
            | Fault::PauseMember(..)
            | Fault::CutMember(..)
            | Fault::Outage(_) => self.inject_into_store(fault),
            Fault::Drain(_)
            | Fault::Activate(_)
            | Fault::Join(_)
            | Fault::Replace(..)
            | Fault::Move(..) => self.operate(fault),
        }
    }

    /// What has moved before the first fault is not counted.
    fn count_from_now(&mut self) {
        if self.checker.loads.is_empty() {
            self.checker.loads = self.loads();
            (self.checker.taken, self.checker.handed) = (0, 0);
            self.checker.taken_by.clear();
        }
    }

    fn revoke(&mut self, host: usize) {
        let alive = Key::Alive(self.hosts[host].name.clone());
        if let Some(lease) = self.store.lease(&alive)
            && self.members.leading().is_some()
        {
            let changes = self.store.revoke(lease);
            self.committed(&changes);
        }
    }

    fn restart_cpe(&mut self, host: usize) {
        if self.hosts[host].cpe.is_some() {
            self.cpe_dies(host);
        }
    }

    fn inject_into_store(&mut self, fault: Fault) {
        match fault {
            Fault::KillMember(member, for_us) => {
                let it = &mut self.members.all[member];
                (it.down, it.memory) = (true, None);
                self.mend_after(for_us, Mended::Member(member));
            }
            Fault::PauseMember(member, for_us) => {
                self.members.all[member].paused = true;
                self.mend_after(for_us, Mended::Member(member));
            }
            Fault::CutMember(member, for_us) => {
                for other in 0..self.members.all.len() {
                    let pair = (member.min(other), member.max(other));
                    if other != member {
                        self.members.cut.insert(pair);
                    }
                }
                self.mend_after(for_us, Mended::MemberCut(member));
            }
            Fault::Outage(for_us) => {
                for member in &mut self.members.all {
                    (member.down, member.memory) = (true, None);
                }
                self.mend_after(for_us, Mended::Outage);
            }
            _ => {}
        }
        self.reassess();
    }

    /// What people do.
    fn operate(&mut self, fault: Fault) {
        match fault {
            Fault::Drain(host) => {
                let name = self.hosts[host].name.clone();
                self.order(Order::Drain(name));
            }
            Fault::Activate(host) => {
                let name = self.hosts[host].name.clone();
                self.order(Order::Activate(name));
            }
            Fault::Join(capacity) => {
                let name = format!("host{}", self.hosts.len());
                let at_us = self.now_us + 100 * MS;
                self.add_host(&name, capacity, at_us);
            }
            Fault::Replace(host, for_us) => {
                self.hosts[host].store_cut = 3;
                self.mend_after(for_us, Mended::Store(host));
                let (name, capacity) = (self.hosts[host].name.clone(), self.hosts[host].capacity);
                let at_us = self.now_us + self.random.between(0, 4_000) * MS;
                self.add_host(name.as_str(), capacity, at_us);
            }
            Fault::Move(number, host) => {
                let name = self.deployments[number].name.clone();
                let to = self.hosts[host].name.clone();
                for from in 0..self.hosts.len() {
                    if self.runs(from) && self.hosts[from].units.contains_key(&number) {
                        let order = Order::Move(name.clone(), to.clone());
                        self.order_at(from, order);
                    }
                }
            }
            _ => {}
        }
    }

    /// The unit of a deployment, where one is.
    fn unit_of(&self, number: usize) -> Option<usize> {
        (0..self.hosts.len()).find(|host| {
            let unit = self.hosts[*host].units.get(&number);
            self.runs(*host) && unit.is_some_and(|unit| unit.dpe.is_some() && !unit.stops)
        })
    }

    fn kill_dpe(&mut self, number: usize) {
        let Some(host) = self.unit_of(number) else {
            return;
        };
        let it = &mut self.hosts[host];
        let boot = it.boot;
        let Some(unit) = it.units.get_mut(&number) else {
            return;
        };
        let (dpe, revision) = (unit.dpe.take(), unit.grant.revision);
        self.dpe_dies(dpe);
        let event = SimEvent::DpeStarts(host, boot, number, revision);
        self.queue.push(self.now_us + 100 * MS, event);
    }

    fn use_up(&mut self, number: usize) {
        if let Some(host) = self.unit_of(number) {
            let it = &self.hosts[host];
            let (life, revision) = (it.life, it.units[&number].grant.revision);
            let name = self.deployments[number].name.clone();
            self.reaches_host(host, life, Input::EpochsUsedUp(name, revision));
        }
    }

    pub(crate) fn mend(&mut self, mended: &Mended) {
        self.note(|| format!("mended {mended:?}"));
        self.disturbed();
        match *mended {
            Mended::Store(host) => self.hosts[host].store_cut = 0,
            Mended::Guest(host, guest) => {
                self.guest_cut.remove(&(host, guest));
            }
            Mended::Slow(host) => self.hosts[host].slow_us = 0,
            Mended::Unruly => self.unruly = 0,
            Mended::Disk => self.disk_us = 0,
            Mended::Host => {}
            Mended::Member(member) => {
                let it = &mut self.members.all[member];
                (it.down, it.paused) = (false, false);
                self.store_is_mended();
            }
            Mended::MemberCut(member) => {
                self.members
                    .cut
                    .retain(|(a, b)| *a != member && *b != member);
                self.store_is_mended();
            }
            Mended::Outage => {
                for member in &mut self.members.all {
                    (member.down, member.paused) = (false, false);
                }
                self.store_is_mended();
            }
        }
    }

    /// What a paused member has taken goes on now.
    fn store_is_mended(&mut self) {
        self.reassess();
        for call in std::mem::take(&mut self.waiting) {
            self.queue
                .push(self.now_us, SimEvent::Arrives(Box::new(call)));
        }
    }
}
