//! Faults of the world around a deployment: what names lead to, disks, clocks, people.

use std::collections::BTreeSet;

use controller::{AssemblyId, Change, Request};
use cpe_status::AssemblyState;
use sim_kit::{MS, SECOND};

use crate::equipment::DEVICES;
use crate::faults::{Fault, Kind};
use crate::guest::Guest;
use crate::network::Link;
use crate::policies::Loss;
use crate::queue::SimEvent;
use crate::scenario::{Mode, service_of};
use crate::world::World;

impl World {
    /// Makes up one to three faults of the world around, or of the kind that was asked for.
    pub fn plan_world_faults(&mut self) {
        let wanted = self.options.fault.map(|kind| [kind]);
        let kinds = wanted.as_ref().map_or(&Kind::WORLD[..], |only| only);
        for _ in 0..self.random.between(1, 3) {
            let kind = kinds[self.random.index(kinds.len())];
            let at_us = self.random.between(10 * SECOND, self.faults_until_us);
            if kind == Kind::Restore {
                let before = self.random.between(2 * SECOND, at_us);
                self.at(before, SimEvent::Fault(Fault::BackUp));
            }
            let fault = self.some_fault_of(kind);
            self.at(at_us, SimEvent::Fault(fault));
        }
    }

    /// Makes up a fault of a kind of the world around.
    fn some_fault_of(&mut self, kind: Kind) -> Fault {
        let index = self.random.index(self.scenario.assemblies.len());
        let other = self.random.index(self.scenario.assemblies.len());
        let long = self.random.between(500 * MS, 60 * SECOND);
        match kind {
            Kind::MoveAddress => Fault::MoveAddress(index),
            Kind::RenameDevice => Fault::RenameDevice(index),
            Kind::DropAddress => Fault::DropAddress(index),
            Kind::Rename => Fault::Rename(index),
            Kind::Swap => Fault::Swap(index, other),
            Kind::Replace => Fault::Replace(index),
            Kind::Foreign => Fault::Foreign(index),
            Kind::BreakAgent => Fault::BreakAgent(index, long),
            Kind::FillRun => Fault::FillRun(index, long),
            Kind::TearRecord => Fault::TearRecord(index),
            Kind::FillDisk => Fault::FillDisk(long),
            Kind::LoseState => Fault::LoseState,
            Kind::Restore => Fault::Restore,
            Kind::JumpClock => {
                let by_us = self.random.between(SECOND, 3_600 * SECOND) as i64;
                Fault::JumpClock(if other.is_multiple_of(2) {
                    by_us
                } else {
                    -by_us
                })
            }
            Kind::Snapshot => Fault::Snapshot(index, long),
            Kind::MistypeDevice => Fault::MistypeDevice(index),
            Kind::ConfirmLate => Fault::ConfirmLate(index, long),
            Kind::ShutDown => Fault::ShutDown(index),
            Kind::SayStale => Fault::SayStale(index, long),
            Kind::Recreate => Fault::Recreate(index, long),
            Kind::Maintain => Fault::Maintain(long),
            Kind::BreakDevice => Fault::BreakDevice(index % DEVICES.len(), long),
            Kind::BreakPort => Fault::BreakPort(index, long),
            Kind::DieBetweenLevels => Fault::DieBetweenLevels,
            Kind::LieDevices => Fault::LieDevices(long),
            _ => self.some_fault(),
        }
    }

    /// A fault of the world around comes about.
    pub(crate) fn inject_in_world(&mut self, fault: Fault) {
        let ends = self.scenario.ending.is_some() || self.shell.recreate.is_some();
        let until_us = |for_us: u64| self.now_us + for_us;
        match fault {
            Fault::BreakAgent(guest, for_us) => {
                self.guests[guest].broken_until_us = until_us(for_us);
                self.agent_dies(guest);
            }
            Fault::FillRun(guest, for_us) => self.guests[guest].full_until_us = until_us(for_us),
            Fault::TearRecord(guest) => self.tear_record(guest),
            Fault::FillDisk(for_us) => self.shell.disk_full_until_us = until_us(for_us),
            Fault::JumpClock(by_us) => self.wall_offset_us += by_us,
            Fault::Snapshot(guest, for_us) if self.may_pause(guest) && self.guests[guest].up => {
                let snapshot = (self.guests[guest].snapshot(), self.now_us);
                self.snapshots.insert(guest, snapshot);
                self.after(for_us, SimEvent::SnapshotRestored(guest));
            }
            Fault::LieDevices(for_us) => self.devices_lie_until_us = until_us(for_us),
            Fault::ConfirmLate(guest, for_us) => self.confirm_late(guest, for_us),
            Fault::ShutDown(guest) => self.shut_down(guest),
            Fault::Chatter(guest, for_us) => self.chatter(guest, until_us(for_us)),
            Fault::SayStale(guest, for_us) => {
                self.guests[guest].says_stale_until_us = until_us(for_us);
            }
            Fault::Maintain(for_us) => self.maintain(for_us),
            Fault::BackUp => self.shell.backup = Some(self.shell.table.clone()),
            Fault::LoseState if !ends => self.state_becomes(Default::default()),
            // Nobody restores the state of a deployment that was destroyed.
            Fault::Restore if !ends && !self.shell.left => {
                if let Some(table) = self.shell.backup.take() {
                    self.state_becomes(table);
                }
            }
            Fault::Recreate(guest, for_us) if !ends => {
                self.shell.recreate = Some((guest, for_us));
                self.request(Request::Unload {
                    stop_services: false,
                });
            }
            _ if ends => {}
            // Mode `none` takes whom it does not hear for down. Under another name or address its
            // services are then nobody's: it promises nothing there.
            _ if self.guests.iter().any(|guest| guest.mode == Mode::None) => {}
            fault => self.inject_in_document(fault),
        }
    }

    /// The document names other guests, or the same ones otherwise.
    fn inject_in_document(&mut self, fault: Fault) {
        match fault {
            Fault::MoveAddress(index) => {
                let name = self.new_guest(index);
                let assembly = &mut self.scenario.assemblies[index];
                assembly.home.clone_from(&name);
                assembly.address = Some(name.clone());
                assembly.device = name;
            }
            Fault::RenameDevice(index) => {
                let assembly = &mut self.scenario.assemblies[index];
                let name = format!("{}-again", assembly.device);
                if let Some(guest) = self.wiring.guest_named(&assembly.home) {
                    self.wiring.add_device(&name, guest);
                    assembly.device = name;
                }
            }
            Fault::DropAddress(index) => {
                self.scenario.assemblies[index].address = None;
                let delay = self.random.between(0, 3 * SECOND);
                self.after(delay, SimEvent::Fault(Fault::KillDpe));
            }
            Fault::Rename(index) => {
                let assembly = &mut self.scenario.assemblies[index];
                let before = AssemblyId::from(assembly.name.as_str());
                assembly.name = format!("{}r", assembly.name);
                // What is under maintenance is not left for another name until that ends.
                self.request(Request::Maintenance {
                    assembly: Some(before),
                    on: false,
                });
            }
            Fault::Swap(index, other) if index != other => {
                let assemblies = &mut self.scenario.assemblies;
                let (mut a, mut b) = (assemblies[index].clone(), assemblies[other].clone());
                std::mem::swap(&mut a.home, &mut b.home);
                std::mem::swap(&mut a.address, &mut b.address);
                std::mem::swap(&mut a.device, &mut b.device);
                let homes = [a.home.clone(), b.home.clone()];
                (assemblies[index], assemblies[other]) = (a, b);
                for home in homes {
                    self.end_left_services(&home);
                }
            }
            Fault::Replace(index) => self.replace(index),
            Fault::Foreign(index) => {
                let name = self.new_guest(index);
                if let Some(guest) = self.guests.last_mut() {
                    guest.foreign = true;
                }
                let assembly = &mut self.scenario.assemblies[index];
                assembly.address = Some(name.clone());
                assembly.device = name;
            }
            Fault::MistypeDevice(index) => {
                // Each by another name: two of one name would be refused.
                self.scenario.assemblies[index].device = format!("nowhere{index}");
            }
            _ => return,
        }
        self.scenario.generation += 1;
        let request = self.load_request();
        self.request(request);
    }

    /// A further guest, which answers at an address and is switched by a device of its own name.
    fn new_guest(&mut self, assembly: usize) -> String {
        let name = format!("guest{}", self.guests.len() + 1);
        let drift_ppm = self.random.between(0, 10_000) as i64 - 5_000;
        let mode = self.scenario.assemblies[assembly].mode;
        self.wiring.install(&name, self.guests.len());
        self.guests.push(Guest::new(&name, mode, drift_ppm));
        self.links.push(Link::default());
        name
    }

    /// Another guest answers at an assembly's address; the old one runs on, out of reach.
    fn replace(&mut self, assembly: usize) {
        let home = self.scenario.assemblies[assembly].home.clone();
        let Some(old) = self.wiring.guest_named(&home) else {
            return;
        };
        self.end_left_services(&home);
        // Whoever was replaced by this guest: people have corrected what the devices switch. The
        // DPE may still need them for it, so they have switched it off first.
        for before in 0..self.guests.len() {
            if self.guests[before].replaced_by == Some(old) {
                self.power_cycle(before);
                self.wiring.hand_over(before, old);
            }
        }
        self.new_guest(assembly);
        let new = self.guests.len() - 1;
        self.guests[old].replaced_by = Some(new);
        if !self.guests[old].up {
            self.wiring.hand_over(old, new);
        }
        self.wiring.answers_at(&home, new);
        self.cut(old, 0);
    }

    /// A guest was left with its services, which its agent does not know any more. People end them
    /// before they give the guest another name, or its address to another guest: a pinned service
    /// is looked for under its own name only. A guest that was out of reach when it was left, and
    /// since, has what its agent knows too; so has one that no DPE has heard since the state was
    /// lost. In mode `lease` a predecessor is awaited.
    fn end_left_services(&mut self, home: &str) {
        if let Some(guest) = self.wiring.guest_named(home) {
            if self.guests[guest].unheard && !self.guests[guest].mode.waits_for_lease() {
                self.power_cycle(guest);
                return;
            }
            let own = &mut self.guests[guest];
            let known = own.agent.may_run();
            for service in own.running.clone() {
                if !known.contains(&service) {
                    own.process_ends(&service);
                }
            }
        }
    }

    /// The records of one service are lost with the agent's process.
    fn tear_record(&mut self, guest: usize) {
        let services: Vec<String> = self.guests[guest].running.iter().cloned().collect();
        if services.is_empty() || !self.guests[guest].awake() {
            return;
        }
        let torn = services[self.random.index(services.len())].clone();
        self.agent_dies(guest);
        let agent = &mut self.guests[guest].agent;
        agent.records.retain(|(resource, ..), _| *resource != torn);
        agent.queue.remove(&torn);
        agent.drop_delayed(|operation| operation.resource == torn);
        agent.damaged = true;
    }

    /// The DPE dies, and finds another state when it starts. Who looks after it gives it the
    /// document again.
    fn state_becomes(&mut self, table: std::collections::BTreeMap<String, String>) {
        let back = self.random.between(100 * MS, 12 * SECOND);
        self.kill_dpe(back);
        self.shell.table = table;
        self.forget_kept();
        for guest in &mut self.guests {
            guest.unheard = true;
        }
        self.forget_promises();
        // What a backup still has to tell is told again.
        for (key, value) in &self.shell.table {
            self.checker.persisted(&Change {
                key: key.clone(),
                value: Some(value.clone()),
            });
        }
        self.after(back + SECOND, SimEvent::Request(self.load_request()));
    }

    /// A DPE without state cannot know of guests that the document does not name, nor an agent that
    /// was released of services: people end both before they give the DPE the document.
    pub(crate) fn end_strangers(&mut self) {
        for guest in 0..self.guests.len() {
            if self.assembly_at(guest).is_none() && !self.guests[guest].foreign {
                self.power_cycle(guest);
            }
        }
        self.end_unknown_services();
    }

    /// People end services that the document does not have any more and that no agent knows of.
    fn end_unknown_services(&mut self) {
        for index in 0..self.scenario.services.len() {
            if self.scenario.in_document(index) {
                continue;
            }
            let name = &self.scenario.services[index].name;
            for guest in &mut self.guests {
                let mut known = guest.agent.records.keys();
                if !known.any(|(resource, ..)| service_of(resource) == name) {
                    guest.running.retain(|own| service_of(own) != name);
                    guest.promoted.remove(name);
                }
            }
        }
    }

    /// What was to be told and was not is lost with the state.
    fn forget_promises(&mut self) {
        self.checker.state_lost = true;
        self.checker.left.clear();
        let (log, table) = (&self.log, &self.shell.table);
        let kept = |id: &String| table.values().any(|row| row.contains(id.as_str()));
        self.checker
            .promised
            .retain(|id| log.contains_key(id) || kept(id));
    }

    /// The cloud manager is slow, and a guest is out of reach, comes back and is so again.
    fn confirm_late(&mut self, guest: usize, for_us: u64) {
        self.confirms_late_until_us = self.now_us + for_us + 60 * SECOND;
        self.cut(guest, 15 * SECOND);
        let again = self.random.between(30 * SECOND, 60 * SECOND);
        self.after(again, SimEvent::Fault(Fault::Cut(guest, 15 * SECOND)));
    }

    /// People set maintenance, stop the DPE a little later, and come back.
    fn maintain(&mut self, for_us: u64) {
        let maintenance = |on| Request::Maintenance { assembly: None, on };
        self.request(maintenance(true));
        self.after(3 * SECOND, SimEvent::HandsOff(for_us));
        let end_us = for_us + 8 * SECOND;
        self.after(end_us, SimEvent::Request(maintenance(false)));
    }

    /// Guests that have had time to learn of the maintenance are left alone from now on, whatever
    /// becomes of the DPE.
    pub(crate) fn hands_off(&mut self, for_us: u64) {
        let now_us = self.now_us;
        let controller = self.shell.controller.as_ref();
        let maintained = controller.is_some_and(|controller| {
            let assemblies = controller.status(self.time()).assemblies;
            !assemblies.is_empty() && assemblies.iter().all(|assembly| assembly.maintenance)
        });
        // Services that are being ended are not left alone; what the disk has not taken yet, nobody
        // was told.
        let durable = self.shell.held.is_empty();
        if maintained && durable && !self.peaceful && self.scenario.ending != Some(true) {
            // Whom fencing by the end of its lease is under way for keeps the lease.
            let statuses = controller.map(|controller| controller.status(self.time()).assemblies);
            let fenced: BTreeSet<usize> = (statuses.unwrap_or_default().iter())
                .filter(|own| own.state == AssemblyState::Fencing)
                .filter_map(|own| self.place_of(&own.name.as_str().into()))
                .collect();
            let told = |guest: &usize| {
                let link = &self.links[*guest];
                let passes = link.stalled_until_us.max(link.cut_until_us) <= now_us;
                !fenced.contains(guest)
                    && self.guests[*guest].awake()
                    && self.is_connected(*guest)
                    && passes
                    && link.slow_us == 0
            };
            self.checker.hands_off = (0..self.guests.len()).filter(told).collect();
            self.stop_dpe(for_us);
        }
    }

    /// The deployment has ended and is created again, while a guest is out of reach.
    pub(crate) fn create_again(&mut self, guest: usize, for_us: u64) {
        self.kill_dpe(SECOND);
        self.shell.table.clear();
        self.shell.newest_save.clear();
        self.forget_kept();
        self.shell.left = true;
        self.end_left_before_others();
        self.forget_promises();
        self.checker.lost.clear();
        self.cut(guest, for_us);
        self.scenario.generation += 1;
        self.after(2 * SECOND, SimEvent::Request(self.load_request()));
    }

    /// Services were left by a document that the DPE was given, and people have changed it since:
    /// it has another assembly at some of the addresses. They see to those guests first, as
    /// docs/safety.md asks of them.
    fn end_left_before_others(&mut self) {
        let before = &self.shell.owners;
        let others = self.scenario.owners().filter(|(address, name)| {
            let owner = before.get(address);
            owner.is_some_and(|owner| owner != name)
        });
        for (address, _) in others.collect::<Vec<_>>() {
            self.end_left_services(&address);
        }
    }

    /// What names lead to is put right.
    pub(crate) fn repair_world(&mut self) {
        for guest in 0..self.guests.len() {
            let own = &mut self.guests[guest];
            (
                own.full_until_us,
                own.broken_until_us,
                own.says_stale_until_us,
            ) = (0, 0, 0);
            if own.replaced_by.is_some() && own.up {
                self.power_cycle(guest);
            } else if own.up && !own.agent.alive && !own.going_down {
                self.timer_after(guest, 100 * MS, crate::queue::Timer::AgentStarts);
            }
        }
        (self.shell.disk_full_until_us, self.confirms_late_until_us) = (0, 0);
        self.snapshots.clear();
        let damaged = self.guests.iter().any(|guest| guest.agent.damaged);
        if self.checker.state_lost || damaged {
            self.end_unknown_services();
        }
        // What is frozen also stays in guests that the document has left: people end that.
        for service in &mut self.scenario.services {
            if service.policies.ticket == Some(Loss::Freeze) {
                service.policies.ticket = None;
                self.scenario.generation += 1;
            }
        }
        for assembly in &mut self.scenario.assemblies {
            let home = assembly.home.clone();
            let is_wrong =
                assembly.address.as_ref() != Some(&home) || assembly.device.starts_with("nowhere");
            if is_wrong {
                assembly.address = Some(home.clone());
                assembly.device = home;
                self.scenario.generation += 1;
            }
        }
    }
}
