//! What documents say of a service beyond where and how often it runs: what becomes of a failure,
//! what it needs, which ticket it depends on, and what holds only at some time.

use sim_kit::Random;

/// What a document says of a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies {
    /// What becomes of a failed start or monitor. `None`: the default.
    pub on_fail: Option<OnFail>,
    /// What becomes of a failed stop, where the document can say it.
    pub on_stop_fail: Option<OnFail>,
    /// Failures older than this are forgotten, seconds.
    pub failure_timeout_s: Option<u64>,
    /// What it uses of an assembly's capacity.
    pub load: u64,
    /// It depends on the ticket.
    pub ticket: Option<Loss>,
    /// It is kept away from an assembly at some time.
    pub ban: Option<Ban>,
    /// Its operations begin later, where the document can say it.
    pub delays: Delays,
    /// It follows the address of an assembly, where the short form describes it.
    pub follows: Option<Follows>,
    /// Its guest runs a script before it starts, where the short form describes it.
    pub configured: bool,
}

/// The parameter of a service that follows an address.
pub const PEER: &str = "peer";

/// Whose address a service follows.
#[derive(Clone, Copy, Debug)]
pub struct Follows {
    /// Index of the assembly.
    pub assembly: usize,
    /// The word of the document for what a change does.
    pub on_change: &'static str,
}

impl Follows {
    /// Some assembly, and what a change of its address does.
    pub(crate) fn some(assemblies: usize, random: &mut Random) -> Follows {
        Follows {
            assembly: random.index(assemblies),
            on_change: ["restart", "reload", "ignore"][random.index(3)],
        }
    }

    /// A change does nothing until the next start.
    pub fn ignores(self) -> bool {
        self.on_change == "ignore"
    }
}

/// By how much operations begin later.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delays {
    /// Its start, seconds.
    pub start_s: u64,
    /// The first turn of its monitor.
    pub monitor: FirstTurn,
}

/// When the first turn of a monitor comes.
#[derive(Clone, Copy, Debug, Default)]
pub enum FirstTurn {
    /// At once.
    #[default]
    AtOnce,
    /// Later, seconds.
    After(u64),
    /// When its interval says so, counted from the beginning of the world.
    InPhase,
}

impl Delays {
    /// An `<op>`'s attribute.
    pub fn attribute(self, action: &str) -> String {
        match (action, self.monitor) {
            ("start", _) if self.start_s > 0 => format!(" start-delay=\"{}s\"", self.start_s),
            ("monitor", FirstTurn::After(seconds)) => format!(" start-delay=\"{seconds}s\""),
            ("monitor", FirstTurn::InPhase) => {
                format!(" interval-origin=\"{}\"", date(0, 0))
            }
            _ => String::new(),
        }
    }

    fn some(random: &mut Random) -> Delays {
        let monitor = match random.index(3) {
            0 => FirstTurn::AtOnce,
            1 => FirstTurn::After(random.between(1, 15)),
            _ => FirstTurn::InPhase,
        };
        let start_s = random.between(0, 8);
        Delays { start_s, monitor }
    }
}

/// What becomes of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFail {
    /// Taken for a success.
    Ignore,
    /// Nothing is done any more before people have cleaned up.
    Block,
    /// Stopped, and not started anywhere.
    Stop,
    /// Started again.
    Restart,
    /// All services leave the assembly.
    Standby,
    /// The assembly is fenced.
    Fence,
    /// Demoted and promoted again.
    Demote,
}

impl OnFail {
    /// The word of the document.
    pub fn as_str(self) -> &'static str {
        match self {
            OnFail::Ignore => "ignore",
            OnFail::Block => "block",
            OnFail::Stop => "stop",
            OnFail::Restart => "restart",
            OnFail::Standby => "standby",
            OnFail::Fence => "fence",
            OnFail::Demote => "demote",
        }
    }

    fn some(random: &mut Random) -> OnFail {
        [
            OnFail::Ignore,
            OnFail::Block,
            OnFail::Stop,
            OnFail::Restart,
            OnFail::Standby,
            OnFail::Fence,
        ][random.index(6)]
    }
}

/// What becomes of a service without its ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It is stopped.
    Stop,
    /// What is promoted is demoted.
    Demote,
    /// Assemblies in which it runs are fenced.
    Fence,
    /// It is left alone, and not started.
    Freeze,
}

impl Loss {
    /// The word of the document.
    pub fn as_str(self) -> &'static str {
        match self {
            Loss::Stop => "stop",
            Loss::Demote => "demote",
            Loss::Fence => "fence",
            Loss::Freeze => "freeze",
        }
    }
}

/// An assembly that a service avoids at some time.
#[derive(Clone, Copy, Debug)]
pub struct Ban {
    /// The assembly.
    pub assembly: usize,
    /// When.
    pub when: When,
}

/// A time. Seconds count from the beginning of the world, by the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Until then.
    Until(i64),
    /// From then on.
    From(i64),
    /// From the one to the other.
    Between(i64, i64),
    /// From the one minute of an hour to the other, both included.
    Minutes(i64, i64),
}

/// The world begins 400 seconds after a full hour.
const AFTER_THE_HOUR_S: i64 = 400;

impl When {
    /// It is that time, `wall_s` seconds from the beginning.
    pub fn holds(self, wall_s: i64) -> bool {
        match self {
            When::Until(end_s) => wall_s < end_s,
            When::From(begin_s) => wall_s > begin_s,
            When::Between(begin_s, end_s) => (begin_s..=end_s).contains(&wall_s),
            When::Minutes(first, last) => {
                let minute = (wall_s + AFTER_THE_HOUR_S).div_euclid(60).rem_euclid(60);
                (first..=last).contains(&minute)
            }
        }
    }

    /// `<date_expression>`, by clocks that are so many minutes ahead of UTC.
    pub fn expression(self, id: &str, ahead: i64) -> String {
        let date = |wall_s| date(wall_s, ahead);
        let (text, inner) = match self {
            When::Until(end_s) => (format!("operation=\"lt\" end=\"{}\"", date(end_s)), None),
            When::From(begin_s) => (
                format!("operation=\"gt\" start=\"{}\"", date(begin_s)),
                None,
            ),
            When::Between(begin_s, end_s) => (
                format!(
                    "operation=\"in_range\" start=\"{}\" end=\"{}\"",
                    date(begin_s),
                    date(end_s)
                ),
                None,
            ),
            When::Minutes(first, last) => (
                "operation=\"date_spec\"".to_owned(),
                Some(format!(
                    "<date_spec id=\"{id}-spec\" minutes=\"{}-{}\"/>",
                    (first + ahead) % 60,
                    (last + ahead) % 60
                )),
            ),
        };
        let inner = inner.unwrap_or_default();
        format!("<date_expression id=\"{id}\" {text}>{inner}</date_expression>")
    }

    fn some(random: &mut Random) -> When {
        let begin_s = random.between(0, 150) as i64;
        let end_s = begin_s + random.between(10, 120) as i64;
        match random.index(4) {
            0 => When::Until(end_s),
            1 => When::From(begin_s),
            2 => When::Between(begin_s, end_s),
            _ => {
                let first = random.between(6, 9) as i64;
                When::Minutes(first, first + random.between(0, 3) as i64)
            }
        }
    }
}

/// The wall clock as the document writes it: by clocks that are ahead of UTC without their offset.
fn date(wall_s: i64, ahead: i64) -> String {
    let second = wall_s + AFTER_THE_HOUR_S;
    let minute = 11 * 60 + second.div_euclid(60) + ahead;
    format!(
        "2026-11-18T{:02}:{:02}:{:02}{}",
        minute.div_euclid(60),
        minute.rem_euclid(60),
        second.rem_euclid(60),
        if ahead == 0 { "Z" } else { "" }
    )
}

/// What a document can say of a service, and what it is about.
#[derive(Clone, Copy, Debug)]
pub struct Possible {
    /// Number of assemblies.
    pub assemblies: usize,
    /// It is in `<configuration>`, which can say more.
    pub raw: bool,
    /// Some of its instances are promoted.
    pub promotable: bool,
    /// Every assembly can be fenced.
    pub fenced: bool,
    /// It runs in one assembly, chosen for itself alone.
    pub free: bool,
}

impl Policies {
    /// Makes some up.
    pub fn some(random: &mut Random, possible: Possible) -> Policies {
        let mut policies = Policies::default();
        let chances = [45, 20, 30, 50, 8, 35];
        for (what, chance) in chances.into_iter().enumerate() {
            if random.percent(chance) {
                policies.change(what, random, possible);
            }
        }
        // By chance of its own: the worlds without delays are as they would be otherwise.
        let mut own = Random::new(random.clone().bits());
        if possible.raw && own.percent(40) {
            policies.delays = Delays::some(&mut own);
        }
        // What is over when it has hardly begun.
        if own.percent(10) {
            policies.failure_timeout_s = Some(1);
        }
        if let Some(ban) = policies.ban.as_mut().filter(|_| own.percent(20)) {
            let begin_s = own.between(0, 150) as i64;
            ban.when = When::Between(begin_s, begin_s + 1);
        }
        policies
    }

    /// Another value for one of six things.
    pub fn change(&mut self, what: usize, random: &mut Random, possible: Possible) {
        match what {
            0 => {
                let demote = possible.promotable && random.percent(30);
                let some = if demote {
                    OnFail::Demote
                } else {
                    OnFail::some(random)
                };
                self.on_fail = random.percent(85).then_some(some);
            }
            1 if possible.raw => {
                let some = [OnFail::Block, OnFail::Fence][random.index(2)];
                self.on_stop_fail = Some(some);
            }
            2 => self.failure_timeout_s = Some(random.between(5, 60)),
            3 if possible.free => self.load = random.between(0, 4),
            4 => {
                let losses = [Loss::Stop, Loss::Stop, Loss::Freeze, Loss::Fence];
                let some = match losses[random.index(4)] {
                    _ if possible.promotable => Loss::Demote,
                    Loss::Fence if !possible.fenced => Loss::Stop,
                    loss => loss,
                };
                self.ticket = match self.ticket {
                    None => Some(some),
                    Some(_) => None,
                };
            }
            _ => {
                let ban = Ban {
                    assembly: random.index(possible.assemblies),
                    when: When::some(random),
                };
                self.ban = random.percent(80).then_some(ban);
            }
        }
    }
}
