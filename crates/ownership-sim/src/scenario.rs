//! From a seed to a cluster and what happens to it.

use sim_kit::{MS, Random, SECOND};

use crate::faults::Fault;

/// What a world is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Anything goes wrong, also at once.
    Chaos,
    /// One thing after another, with time in between: no service may stop.
    Gentle,
    /// The store is away for less than the shortest lease less 5 s: nothing may stop.
    Outage,
    /// One host dies: its deployments are spread, and nothing else moves.
    Death,
    /// One host joins: it gets its share, and little else moves.
    Join,
    /// One host is emptied.
    Drain,
    /// Two of few hosts die at once: nothing is taken before a person confirms.
    Herd,
}

/// A cluster and its fate.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) style: Style,
    pub(crate) members: usize,
    /// Capacity of each host.
    pub(crate) hosts: Vec<u32>,
    pub(crate) deployments: usize,
    /// Of these, the first ones have guests.
    pub(crate) guested: usize,
    pub(crate) lease_us: u64,
    pub(crate) faults: Vec<(u64, Fault)>,
    /// When faults end.
    pub(crate) calm_us: u64,
    pub(crate) end_us: u64,
    /// Clients change documents.
    pub(crate) changes: bool,
    /// Operators take hosts out that are gone.
    pub(crate) removes: bool,
}

/// When faults begin.
const SETTLED_US: u64 = 12 * SECOND;
/// The same where moves are counted: what lots have spread unevenly is even by then.
const EVEN_US: u64 = 32 * SECOND;
/// How long the world is left alone in the end.
const CALM_US: u64 = 32 * SECOND;
/// One seed in so many is large.
const LARGE: u64 = 400;
/// In one seed in so many, with that rest, hosts are taken out.
const REMOVED: (u64, u64) = (8, 3);

impl Scenario {
    /// That of a seed.
    pub(crate) fn new(seed: u64, style: Option<Style>) -> Scenario {
        let mut random = Random::new(seed);
        let style = style.unwrap_or(match random.between(0, 99) {
            0..=69 => Style::Chaos,
            70..=79 => Style::Gentle,
            80..=84 => Style::Outage,
            85..=89 => Style::Death,
            90..=93 => Style::Join,
            94..=96 => Style::Drain,
            _ => Style::Herd,
        });
        let is_large = style == Style::Chaos && seed.is_multiple_of(LARGE);
        let (hosts, deployments) = match style {
            _ if is_large => (random.between(8, 30), random.between(2000, 5000)),
            Style::Chaos => (random.between(2, 6), random.between(1, 12)),
            Style::Gentle | Style::Outage => (random.between(3, 5), random.between(2, 10)),
            Style::Death | Style::Drain => (random.between(3, 8), random.between(40, 160)),
            Style::Join => (random.between(2, 5), random.between(24, 60)),
            Style::Herd => (random.between(4, 6), random.between(6, 20)),
        };
        // In some worlds those that live have barely room, or none.
        let is_tight = style == Style::Chaos && random.percent(25);
        let capacity = match is_tight {
            true => (deployments / hosts + 1) as u32,
            false => (deployments * 3 / hosts + 4) as u32,
        };
        let hosts: Vec<u32> = (0..hosts)
            .map(|_| capacity * random.between(1, 3) as u32)
            .collect();
        let lease_s = match style {
            Style::Chaos => [4, 15, 30][random.index(3)],
            _ => 30,
        };
        let mut scenario = Scenario {
            style,
            members: [3, 3, 5][random.index(3)],
            hosts,
            deployments: deployments as usize,
            guested: deployments.min(8) as usize,
            lease_us: lease_s * SECOND,
            faults: Vec::new(),
            calm_us: 0,
            end_us: 0,
            changes: style == Style::Chaos,
            removes: style == Style::Chaos && seed % REMOVED.0 == REMOVED.1,
        };
        match style {
            Style::Chaos => scenario.plan_chaos(&mut random),
            Style::Gentle => scenario.plan_gentle(&mut random),
            _ => scenario.plan_one(&mut random),
        }
        let last = scenario.faults.iter().map(|(at_us, _)| *at_us).max();
        scenario.calm_us = scenario.calm_us.max(last.unwrap_or(0));
        scenario.end_us = scenario.calm_us + CALM_US + scenario.starts_us();
        scenario
    }

    /// How long one host needs at most to start what it gets, one after another.
    pub(crate) fn starts_us(&self) -> u64 {
        let each = self.deployments as u64 / (self.hosts.len() as u64 - 1).max(1);
        3 * each * 60 * MS
    }

    fn plan_chaos(&mut self, random: &mut Random) {
        let long = random.between(15, 60) * SECOND;
        let count = random.between(2, 9);
        for _ in 0..count {
            let at_us = SETTLED_US + random.between(0, long / MS) * MS;
            let fault = self.any_fault(random);
            self.add_what_goes_with(random, at_us, &fault);
            self.faults.push((at_us, fault));
        }
        // All that lasts ends in time.
        self.calm_us = SETTLED_US + long;
    }

    /// A host that is cut off is worst when something else happens to it at the same time.
    fn add_what_goes_with(&mut self, random: &mut Random, at_us: u64, fault: &Fault) {
        let (host, for_us) = match *fault {
            Fault::CutStore(host, _, for_us)
            | Fault::PauseHost(host, for_us)
            | Fault::Replace(host, for_us) => (host, for_us),
            _ => return,
        };
        let soon_us = at_us + random.between(0, 1_500) * MS;
        // Nobody but that host reaches one of the guests.
        if random.percent(30) {
            let guest = random.index(self.guested * 2);
            for other in (0..self.hosts.len()).filter(|other| *other != host) {
                let cut = Fault::CutGuest(other, guest, 3, for_us + 15 * SECOND);
                self.faults.push((soon_us, cut));
            }
        }
        match random.index(4) {
            0 => self.faults.push((soon_us, Fault::Revoke(host))),
            1 => self.faults.push((soon_us, Fault::JumpClock(host, -3_600))),
            2 => self.faults.push((at_us + for_us * 9 / 10, Fault::Compact)),
            _ => {}
        }
    }

    fn any_fault(&self, random: &mut Random) -> Fault {
        let host = random.index(self.hosts.len());
        let member = random.index(self.members);
        let a_while = match random.index(3) {
            0 => random.between(300, 3_000),
            1 => random.between(2_000, 9_000),
            _ => random.between(5_000, 30_000),
        } * MS;
        let guest = random.index(self.guested * 2);
        match random.between(0, 27) {
            0 => Fault::KillHost(host, a_while + 3 * SECOND),
            1 => Fault::KillHost(host, 0),
            2 | 3 => Fault::PauseHost(host, a_while),
            4 => Fault::HangCpe(host, a_while),
            5 => Fault::KillCpe(host),
            6 => Fault::KillDpe(random.index(self.deployments)),
            7 | 8 => Fault::CutStore(host, random.between(1, 3) as u8, a_while),
            9 | 10 => Fault::CutGuest(host, guest, random.between(1, 3) as u8, a_while),
            11 => Fault::SlowHost(host, random.between(50, 1_500) * MS, a_while),
            12 | 13 => Fault::Unruly(random.between(3, 40), a_while),
            14 => Fault::KillMember(member, a_while),
            15 | 16 => Fault::PauseMember(member, a_while),
            17 => Fault::CutMember(member, a_while),
            18 => Fault::SlowDisk(random.between(20, 150) * MS, a_while),
            19 => Fault::Outage(a_while),
            20 => Fault::JumpClock(host, random.between(0, 7_200) as i64 - 3_600),
            21 => Fault::Compact,
            22 => Fault::Drain(host),
            23 => Fault::Activate(host),
            24 => Fault::Join(self.hosts[host]),
            25 => Fault::Replace(host, a_while),
            26 => Fault::Move(random.index(self.deployments), host),
            _ => match random.index(2) {
                0 => Fault::UseUp(random.index(self.deployments)),
                _ => Fault::Upgrade(host),
            },
        }
    }

    /// Faults one after another, of which no service may notice anything.
    fn plan_gentle(&mut self, random: &mut Random) {
        let mut at_us = EVEN_US;
        for _ in 0..random.between(1, 3) {
            let host = random.index(self.hosts.len());
            let member = random.index(self.members);
            let a_while = random.between(1_000, 12_000) * MS;
            let fault = match random.between(0, 9) {
                0 | 1 => Fault::KillHost(host, 15 * SECOND),
                2 => Fault::PauseHost(host, a_while),
                3 => Fault::HangCpe(host, a_while),
                4 => Fault::KillCpe(host),
                5 => Fault::CutStore(host, random.between(1, 3) as u8, a_while),
                6 => Fault::KillMember(member, a_while),
                7 => Fault::PauseMember(member, a_while),
                8 => Fault::JumpClock(host, -3_600),
                _ => Fault::Drain(host),
            };
            self.faults.push((at_us, fault));
            at_us += 40 * SECOND;
        }
        self.calm_us = at_us;
    }

    fn plan_one(&mut self, random: &mut Random) {
        let host = random.index(self.hosts.len());
        let fault = match self.style {
            Style::Outage => Fault::Outage(random.between(1_000, 25_000) * MS),
            Style::Join => Fault::Join(self.hosts[host]),
            Style::Drain => Fault::Drain(host),
            _ => Fault::KillHost(host, 0),
        };
        let at_us = EVEN_US + random.between(0, 2_000) * MS;
        self.faults.push((at_us, fault));
        if self.style == Style::Herd {
            let other = (host + 1) % self.hosts.len();
            let later_us = random.between(0, 5_000) * MS;
            self.faults
                .push((at_us + later_us, Fault::KillHost(other, 0)));
        }
        self.calm_us = at_us + 30 * SECOND;
    }
}
