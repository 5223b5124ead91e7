//! The world: hosts, the store's members, DPEs and guests, and one queue of what happens.

use std::collections::{BTreeMap, BTreeSet};

use ownership::{
    Changed, DeploymentId, Grant, HostId, Input, Key, LeaseId, Meta, Permit, Request, RequestId,
    Session, StoreError, Value, WatchEvent,
};
use sim_kit::{MS, Queue, Random, SECOND};

use crate::checker::Checker;
use crate::clock::Clock;
use crate::dpe::Dpe;
use crate::faults::{Fault, Mended};
use crate::guest::{Guest, ToAgent, ToDpe};
use crate::members::Members;
use crate::mutants::{Mutant, Subject};
use crate::scenario::{Scenario, Style};
use crate::store::ModelStore;

/// How a violation begins that services suffer from.
pub(crate) const HARM: &str = "the service of";

/// A request on its way.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) host: usize,
    pub(crate) life: u64,
    pub(crate) id: RequestId,
    pub(crate) request: Request,
    /// Which member it was sent to.
    pub(crate) member: usize,
}

/// Something that happens at a time.
#[derive(Clone, Debug)]
pub(crate) enum SimEvent {
    /// The deadline of a host's machine, as it was when this was planned.
    Tick(usize, u64),
    /// A request arrives at a member.
    Arrives(Box<Call>),
    /// Something arrives at the cpe with that life on a host.
    ToHost(usize, u64, Box<Input>),
    /// A watch has something to tell.
    Deliver(usize),
    /// A watch ends, as its client sees it.
    WatchEnds(usize),
    Election,
    LeaseScan,
    /// systemd starts a unit in that boot of a host.
    UnitStarts(usize, u64, usize, Grant),
    /// Nothing of a unit runs any more.
    UnitEnds(usize, u64, usize, u64),
    /// A DPE's process is started again.
    DpeStarts(usize, u64, usize, u64),
    Round(usize),
    ToAgent(usize, u32, usize, ToAgent),
    ToDpe(usize, u32, usize, ToDpe),
    Heartbeat(usize),
    LeaseCheck(usize),
    ServiceStops(usize),
    CpeStarts(usize, u64),
    Watchdog(usize, u64),
    Boots(usize),
    Fault(Fault),
    Mended(Mended),
    Sweep,
    /// A client wants something.
    Client,
    /// A client asks again.
    AskAgain(usize),
    Operator,
}

/// A unit on a host.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    pub(crate) grant: Grant,
    pub(crate) dpe: Option<usize>,
    pub(crate) stops: bool,
    pub(crate) restarts: u64,
}

/// What is under `/run` of a host.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) session: Option<Session>,
    pub(crate) permit: Option<Permit>,
    /// The permit's end by the wall clock; for a mutant.
    pub(crate) wall_until_us: i64,
}

/// A machine with a host's name.
#[derive(Debug)]
pub(crate) struct SimHost {
    pub(crate) name: HostId,
    pub(crate) capacity: u32,
    pub(crate) version: u32,
    pub(crate) up: bool,
    pub(crate) boot: u64,
    pub(crate) clock: Clock,
    /// How far its wall clock is ahead, µs.
    pub(crate) wall_us: i64,
    pub(crate) paused_until_us: u64,
    pub(crate) hung_until_us: u64,
    pub(crate) cpe: Option<Box<Subject>>,
    pub(crate) life: u64,
    pub(crate) tick_us: u64,
    pub(crate) run: Run,
    pub(crate) units: BTreeMap<usize, Unit>,
    /// systemd starts one after another.
    pub(crate) starts_free_us: u64,
    /// The member that it speaks to, and since when that owes an answer.
    pub(crate) endpoint: usize,
    pub(crate) owed_us: Option<u64>,
    /// Bit 1: nothing goes out; bit 2: nothing comes in.
    pub(crate) store_cut: u8,
    pub(crate) slow_us: u64,
    /// Claims that are under way.
    pub(crate) claims: BTreeMap<RequestId, u64>,
    /// In which second, and how many requests it has sent in it.
    pub(crate) requests: (u64, u64),
}

/// A watch.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) host: usize,
    pub(crate) life: u64,
    pub(crate) id: RequestId,
    pub(crate) member: usize,
    pub(crate) next: u64,
    pub(crate) planned: bool,
    pub(crate) dead: bool,
}

/// A deployment, as it really is.
#[derive(Clone, Debug)]
pub(crate) struct SimDeployment {
    pub(crate) name: DeploymentId,
    pub(crate) guests: Vec<usize>,
    pub(crate) max_epoch: u64,
    /// The highest revision under which a DPE was started.
    pub(crate) started: u64,
    /// DPEs whose processes are there.
    pub(crate) dpes: Vec<usize>,
    /// When a DPE could act for it last, or it was created.
    pub(crate) served_us: u64,
}

/// See above.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) random: Random,
    pub(crate) now_us: u64,
    pub(crate) queue: Queue<SimEvent>,
    pub(crate) store: ModelStore,
    pub(crate) members: Members,
    /// Requests that a paused member has taken, and those that a former leader has.
    pub(crate) waiting: Vec<Call>,
    pub(crate) limbo: Vec<Call>,
    pub(crate) disk_us: u64,
    /// The percentage of messages that are lost, doubled or late.
    pub(crate) unruly: u64,
    pub(crate) hosts: Vec<SimHost>,
    pub(crate) streams: Vec<Stream>,
    /// Those that have not ended.
    pub(crate) live: Vec<usize>,
    pub(crate) deployments: Vec<SimDeployment>,
    pub(crate) names: BTreeMap<DeploymentId, usize>,
    pub(crate) guests: Vec<Guest>,
    /// Host and guest, with bits as for the store.
    pub(crate) guest_cut: BTreeMap<(usize, usize), u8>,
    pub(crate) dpes: Vec<Dpe>,
    pub(crate) checker: Checker,
    pub(crate) trace: Option<Vec<String>>,
    pub(crate) steps: u64,
    pub(crate) boots: u64,
    /// Only what services suffer counts.
    pub(crate) harm_only: bool,
    /// The host that was drained last.
    pub(crate) drained: Option<usize>,
}

impl World {
    pub(crate) fn new(scenario: Scenario, seed: u64, mutant: Option<Mutant>, trace: bool) -> World {
        let mut world = World {
            members: Members::new(scenario.members),
            mutant,
            random: Random::new(seed ^ (u64::MAX >> 1)),
            now_us: 0,
            queue: Queue::default(),
            store: ModelStore::default(),
            waiting: Vec::new(),
            limbo: Vec::new(),
            disk_us: 0,
            unruly: 0,
            hosts: Vec::new(),
            streams: Vec::new(),
            live: Vec::new(),
            deployments: Vec::new(),
            names: BTreeMap::new(),
            guests: Vec::new(),
            guest_cut: BTreeMap::new(),
            dpes: Vec::new(),
            checker: Checker::default(),
            trace: trace.then(Vec::new),
            steps: 0,
            boots: 0,
            harm_only: false,
            drained: None,
            scenario,
        };
        let meta = Meta {
            incarnation: 1,
            least: 1,
        };
        world.store.put(Key::Meta, Value::Meta(meta));
        for index in 0..world.scenario.hosts.len() {
            let capacity = world.scenario.hosts[index];
            // Where moves are counted, nobody comes first and takes all.
            let apart_us = match world.scenario.style {
                Style::Chaos => SECOND,
                _ => 5 * MS,
            };
            let at_us = world.random.between(0, apart_us);
            world.add_host(&format!("host{index}"), capacity, at_us);
        }
        for _ in 0..world.scenario.deployments {
            world.add_deployment();
        }
        let faults = std::mem::take(&mut world.scenario.faults);
        for (at_us, fault) in faults {
            world.queue.push(at_us, SimEvent::Fault(fault));
        }
        world.queue.push(SECOND / 2, SimEvent::LeaseScan);
        world.queue.push(SECOND, SimEvent::Sweep);
        world.queue.push(3 * SECOND, SimEvent::Operator);
        if world.scenario.changes {
            world.queue.push(6 * SECOND, SimEvent::Client);
        }
        world
    }

    /// Adds a machine that boots at that time.
    pub(crate) fn add_host(&mut self, name: &str, capacity: u32, at_us: u64) {
        let drift = self.random.between(0, 19_800) as i64 - 9_900;
        let base_us = self.random.between(SECOND, 900_000 * SECOND);
        self.hosts.push(SimHost {
            name: HostId::new(name),
            capacity,
            version: 1,
            up: false,
            boot: 0,
            clock: Clock::new(base_us, drift),
            wall_us: self.random.between(0, 4 * SECOND) as i64 - 2 * SECOND as i64,
            paused_until_us: 0,
            hung_until_us: 0,
            cpe: None,
            life: 0,
            tick_us: u64::MAX,
            run: Run::default(),
            units: BTreeMap::new(),
            starts_free_us: 0,
            endpoint: self.random.index(self.members.all.len()),
            owed_us: None,
            store_cut: 0,
            slow_us: 0,
            claims: BTreeMap::new(),
            requests: (0, 0),
        });
        let host = self.hosts.len() - 1;
        self.queue.push(at_us, SimEvent::Boots(host));
    }

    /// Runs until the end, or until something was found.
    pub(crate) fn run(&mut self) {
        while self.checker.violations.is_empty() {
            let Some((at_us, _, event)) = self.queue.pop() else {
                break;
            };
            if at_us > self.scenario.end_us {
                break;
            }
            self.now_us = at_us;
            self.steps += 1;
            self.happens(event);
            if self.steps > self.most_steps() {
                self.violation("something happens again and again".to_owned());
            }
        }
        if self.checker.violations.is_empty() {
            self.check_end();
        }
    }

    /// More events than any world needs that comes to rest.
    fn most_steps(&self) -> u64 {
        let hosts = self.hosts.len() as u64;
        2_000_000 + 2_000 * hosts * self.deployments.len() as u64
    }

    fn happens(&mut self, event: SimEvent) {
        if let Some(until_us) = self.stands_still(&event) {
            self.queue.push(until_us, event);
            return;
        }
        match event {
            SimEvent::Tick(host, planned_us) => self.tick(host, planned_us),
            SimEvent::Arrives(call) => self.arrives(*call),
            SimEvent::ToHost(host, life, input) => self.reaches_host(host, life, *input),
            SimEvent::Deliver(stream) => self.deliver(stream),
            SimEvent::WatchEnds(stream) => self.watch_ends(stream, WatchEvent::Ended),
            SimEvent::Election => self.elect(),
            SimEvent::LeaseScan => self.scan_leases(),
            SimEvent::UnitStarts(host, boot, deployment, grant) => {
                self.unit_starts(host, boot, deployment, grant);
            }
            SimEvent::UnitEnds(host, boot, deployment, revision) => {
                self.unit_ends(host, boot, deployment, revision);
            }
            SimEvent::DpeStarts(host, boot, deployment, revision) => {
                self.dpe_starts(host, boot, deployment, revision);
            }
            SimEvent::Round(dpe) => self.round(dpe),
            SimEvent::ToAgent(dpe, stream, guest, message) => {
                self.reaches_agent(dpe, stream, guest, &message);
            }
            SimEvent::ToDpe(dpe, stream, guest, message) => {
                self.reaches_dpe(dpe, stream, guest, &message);
            }
            SimEvent::Heartbeat(guest) => self.heartbeat(guest),
            SimEvent::LeaseCheck(guest) => self.lease_check(guest),
            SimEvent::ServiceStops(guest) => self.service_stops(guest),
            SimEvent::CpeStarts(host, boot) => self.cpe_starts(host, boot),
            SimEvent::Watchdog(host, life) => self.watchdog(host, life),
            SimEvent::Boots(host) => self.boots(host),
            SimEvent::Fault(fault) => self.inject(fault),
            SimEvent::Mended(mended) => self.mend(&mended),
            SimEvent::Sweep => self.sweep(),
            SimEvent::Client => self.client(),
            SimEvent::AskAgain(change) => self.ask_again(change),
            SimEvent::Operator => self.operator(),
        }
    }

    /// Until when whom it concerns stands still.
    fn stands_still(&self, event: &SimEvent) -> Option<u64> {
        let paused = |host: usize| self.hosts[host].paused_until_us;
        let hung = |host: usize| self.hosts[host].hung_until_us.max(paused(host));
        let until_us = match event {
            SimEvent::Tick(host, _) | SimEvent::ToHost(host, ..) => hung(*host),
            SimEvent::Deliver(stream) | SimEvent::WatchEnds(stream) => {
                hung(self.streams[*stream].host)
            }
            SimEvent::UnitStarts(host, ..)
            | SimEvent::UnitEnds(host, ..)
            | SimEvent::DpeStarts(host, ..)
            | SimEvent::CpeStarts(host, _)
            | SimEvent::Watchdog(host, _) => paused(*host),
            SimEvent::Round(dpe) | SimEvent::ToDpe(dpe, ..) => paused(self.dpes[*dpe].host),
            _ => 0,
        };
        (until_us > self.now_us).then_some(until_us)
    }

    /// Adds a line to the trace.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let (s, us) = (self.now_us / SECOND, self.now_us % SECOND);
            trace.push(format!("{s:4}.{us:06} {}", line()));
        }
    }

    /// Something does not hold.
    pub(crate) fn violation(&mut self, text: String) {
        if self.harm_only && !text.starts_with(HARM) {
            return;
        }
        self.note(|| format!("VIOLATION {text}"));
        let seconds = self.now_us as f64 / SECOND as f64;
        self.checker
            .violations
            .push(format!("at {seconds:.3} s: {text}"));
    }

    /// Whether a host's machine and all that runs on it runs.
    pub(crate) fn runs(&self, host: usize) -> bool {
        let it = &self.hosts[host];
        it.up && it.paused_until_us <= self.now_us
    }

    /// The leases that the store knows.
    pub(crate) fn known_leases(&self) -> BTreeSet<LeaseId> {
        self.store.leases().collect()
    }

    /// What came of a request, and what it has changed.
    pub(crate) fn outcome(
        &mut self,
        request: &Request,
    ) -> (Result<ownership::Reply, StoreError>, Vec<Changed>) {
        use ownership::Reply;
        match request {
            Request::Txn(txn) => match self.store.apply(txn) {
                Ok((reply, changes)) => (Ok(Reply::Txn(reply)), changes),
                Err(error) => (Err(error), Vec::new()),
            },
            Request::LeaseGrant(ttl_ms) => {
                let lease = self.store.grant(self.now_us, ttl_ms * 1_000);
                (Ok(Reply::Granted(lease)), Vec::new())
            }
            Request::LeaseKeepAlive(lease) => {
                let kept = self.store.keep_alive(self.now_us, *lease);
                (kept.map(|()| Reply::KeptAlive), Vec::new())
            }
            Request::List | Request::Watch(_) => {
                let (revision, entries) = (self.store.revision(), self.store.entries());
                (Ok(Reply::Listed(revision, entries)), Vec::new())
            }
        }
    }
}
