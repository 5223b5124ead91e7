//! The schedule: which faults happen when, to what, for how long. All of it follows from the seed.

use std::time::Duration;

use fastrand::Rng;

/// Guests of the deployment whose guests keep leases.
pub(crate) const LEASED: [&str; 2] = ["a", "b"];
/// Guests of the deployment whose guests are units that can be powered off.
pub(crate) const POWERED: [&str; 2] = ["c", "d"];
/// Guests of the deployment whose guests keep leases, and are reached over a network with
/// certificates.
pub(crate) const NETWORKED: [&str; 2] = ["e", "f"];
/// The deployments, with their guests.
pub(crate) const DEPLOYMENTS: [(&str, [&str; 2]); 3] =
    [("shop", LEASED), ("bank", POWERED), ("mill", NETWORKED)];
/// Services of each deployment, named `DEPLOYMENT-N`.
pub(crate) const SERVICES: usize = 3;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    KillCpe,
    StopCpe,
    RestartCpe,
    LoseDatabase,
    FillCpeDisk,
    KillDpe,
    StopDpe,
    RestartDpe,
    FillDpeDisk,
    RestartBus,
    ReexecManager,
    CutPower,
    RebootGuest,
    PauseGuest,
    KillAgent,
    StopAgent,
    BreakAgentSettings,
    HideAgent,
    RemoveSocket,
    FillGuestRun,
    KillService,
    ChangeDocument,
    Standby,
    ShutDownGuest,
    SwapAddresses,
    MoveAssembly,
    Maintain,
    Recreate,
    CutCable,
    DropPackets,
}

/// Whom a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Host,
    Deployment,
    /// A deployment whose guests are reached by sockets of this host: a certificate names the
    /// assembly, so that a guest on a network cannot be another one.
    LocalDeployment,
    Guest,
    /// A guest that is reached by a socket of this host.
    LocalGuest,
    /// A guest that can be powered off: a guest under a lease must not be paused.
    PoweredGuest,
    NetworkGuest,
    Service,
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Kind; 30] = [
        Kind::KillCpe,
        Kind::StopCpe,
        Kind::RestartCpe,
        Kind::LoseDatabase,
        Kind::FillCpeDisk,
        Kind::KillDpe,
        Kind::StopDpe,
        Kind::RestartDpe,
        Kind::FillDpeDisk,
        Kind::RestartBus,
        Kind::ReexecManager,
        Kind::CutPower,
        Kind::RebootGuest,
        Kind::PauseGuest,
        Kind::KillAgent,
        Kind::StopAgent,
        Kind::BreakAgentSettings,
        Kind::HideAgent,
        Kind::RemoveSocket,
        Kind::FillGuestRun,
        Kind::KillService,
        Kind::ChangeDocument,
        Kind::Standby,
        Kind::ShutDownGuest,
        Kind::SwapAddresses,
        Kind::MoveAssembly,
        Kind::Maintain,
        Kind::Recreate,
        Kind::CutCable,
        Kind::DropPackets,
    ];

    /// What happens, in words, and the longest time for which it lasts (zero: it is done at once).
    fn facts(self) -> (&'static str, Target, Duration) {
        let seconds = Duration::from_secs;
        match self {
            Kind::KillCpe => ("kill -9 of cpe", Target::Host, Duration::ZERO),
            Kind::StopCpe => ("SIGSTOP of cpe", Target::Host, seconds(12)),
            Kind::RestartCpe => ("restart of cpe", Target::Host, Duration::ZERO),
            Kind::LoseDatabase => ("loss of cpe's database", Target::Host, Duration::ZERO),
            Kind::FillCpeDisk => ("full disk of cpe", Target::Host, seconds(20)),
            Kind::KillDpe => ("kill -9 of a DPE", Target::Deployment, Duration::ZERO),
            Kind::StopDpe => ("SIGSTOP of a DPE", Target::Deployment, seconds(20)),
            Kind::RestartDpe => ("restart of a DPE", Target::Deployment, Duration::ZERO),
            Kind::FillDpeDisk => ("full disk of the DPEs", Target::Host, seconds(20)),
            Kind::RestartBus => ("restart of the bus", Target::Host, Duration::ZERO),
            Kind::ReexecManager => ("daemon-reexec of systemd", Target::Host, Duration::ZERO),
            Kind::CutPower => ("power cut of a guest", Target::Guest, seconds(20)),
            Kind::RebootGuest => ("reboot of a guest", Target::Guest, Duration::ZERO),
            Kind::PauseGuest => ("pause of a guest", Target::PoweredGuest, seconds(20)),
            Kind::KillAgent => ("kill -9 of an agent", Target::Guest, Duration::ZERO),
            Kind::StopAgent => ("SIGSTOP of an agent", Target::Guest, Duration::ZERO),
            Kind::BreakAgentSettings => ("bad settings of an agent", Target::Guest, seconds(60)),
            Kind::HideAgent => ("an agent out of reach", Target::LocalGuest, seconds(30)),
            Kind::RemoveSocket => (
                "removed socket of an agent",
                Target::LocalGuest,
                Duration::ZERO,
            ),
            Kind::FillGuestRun => ("full /run of a guest", Target::Guest, seconds(20)),
            Kind::KillService => ("kill -9 of a service", Target::Service, Duration::ZERO),
            Kind::ChangeDocument => ("changed document", Target::Deployment, Duration::ZERO),
            Kind::Standby => ("standby of a guest", Target::Guest, seconds(10)),
            Kind::ShutDownGuest => ("shutdown of a guest", Target::Guest, seconds(20)),
            Kind::SwapAddresses => ("swapped addresses", Target::LocalDeployment, Duration::ZERO),
            Kind::MoveAssembly => (
                "another guest's address",
                Target::LocalDeployment,
                seconds(20),
            ),
            Kind::Maintain => ("maintenance without a DPE", Target::Deployment, seconds(25)),
            Kind::Recreate => (
                "destroy and create again",
                Target::Deployment,
                Duration::ZERO,
            ),
            Kind::CutCable => ("cut cable of a guest", Target::NetworkGuest, seconds(20)),
            Kind::DropPackets => ("a third of packets lost", Target::NetworkGuest, seconds(20)),
        }
    }

    /// Whether only daemons and what they need are hit: no service may be stopped by it. An agent
    /// that stands still is not one of them, since nobody can tell it from a guest that does.
    pub(crate) fn hits_daemons_only(self) -> bool {
        matches!(
            self,
            Kind::KillCpe
                | Kind::StopCpe
                | Kind::RestartCpe
                | Kind::LoseDatabase
                | Kind::FillCpeDisk
                | Kind::KillDpe
                | Kind::StopDpe
                | Kind::RestartDpe
                | Kind::FillDpeDisk
                | Kind::RestartBus
                | Kind::ReexecManager
                | Kind::KillAgent
        )
    }

    /// The kind as the report names it.
    pub(crate) fn name(self) -> &'static str {
        self.facts().0
    }
}

/// One fault of the schedule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    /// The pause before it.
    pub(crate) after: Duration,
    pub(crate) kind: Kind,
    /// The deployment that it hits, or to which the guest or service belongs.
    pub(crate) deployment: &'static str,
    /// The guest, where one is hit; else the first of the deployment.
    pub(crate) guest: &'static str,
    /// The service, where one is hit.
    pub(crate) service: String,
    /// How long it lasts; zero if it is done at once.
    pub(crate) lasts: Duration,
    /// Whether everything has to be healthy before the next one comes.
    pub(crate) settle: bool,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, target, _) = self.kind.facts();
        f.write_str(name)?;
        match target {
            Target::Host => {}
            Target::Deployment | Target::LocalDeployment => write!(f, ": {}", self.deployment)?,
            Target::Guest | Target::LocalGuest | Target::PoweredGuest | Target::NetworkGuest => {
                write!(f, ": {}", self.guest)?;
            }
            Target::Service => write!(f, ": {}", self.service)?,
        }
        if !self.lasts.is_zero() {
            write!(f, ", for {:.1} s", self.lasts.as_secs_f64())?;
        }
        Ok(())
    }
}

/// The faults that follow from a seed, without end. Each kind comes once before any comes again.
pub(crate) struct Plan {
    random: Rng,
    deck: Vec<Kind>,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Plan {
        Plan {
            random: Rng::with_seed(seed),
            deck: Vec::new(),
        }
    }
}

impl Iterator for Plan {
    type Item = Fault;

    fn next(&mut self) -> Option<Fault> {
        if self.deck.is_empty() {
            self.deck = Kind::ALL.to_vec();
            self.random.shuffle(&mut self.deck);
        }
        let kind = self.deck.pop()?;
        let (_, target, longest) = kind.facts();
        let (deployment, guests) = DEPLOYMENTS[match target {
            Target::PoweredGuest => 1,
            Target::NetworkGuest => 2,
            Target::LocalDeployment | Target::LocalGuest => self.random.usize(..2),
            _ => self.random.usize(..DEPLOYMENTS.len()),
        }];
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let lasts = if longest.is_zero() {
            0
        } else {
            self.random.u64(200..=ms(longest))
        };
        Some(Fault {
            after: Duration::from_millis(self.random.u64(0..3_000)),
            kind,
            deployment,
            guest: guests[self.random.usize(..guests.len())],
            service: format!("{deployment}-{}", self.random.usize(..SERVICES)),
            lasts: Duration::from_millis(lasts),
            settle: self.random.u8(..100) < 70,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_schedule_and_another_seed_another() {
        let first: Vec<Fault> = Plan::new(7).take(60).collect();
        assert_eq!(first, Plan::new(7).take(60).collect::<Vec<_>>());
        assert_ne!(first, Plan::new(8).take(60).collect::<Vec<_>>());
    }

    #[test]
    fn every_kind_comes_before_any_comes_again() {
        let mut kinds: Vec<Kind> = Plan::new(3).take(Kind::ALL.len()).map(|f| f.kind).collect();
        kinds.sort_unstable();
        let mut all = Kind::ALL;
        all.sort_unstable();
        assert_eq!(kinds, all);
    }

    #[test]
    fn each_guest_has_only_faults_that_it_can_have() {
        let faults: Vec<Fault> = Plan::new(1).take(2_000).collect();
        let hit = |kind: Kind| -> Vec<&str> {
            let meant = faults.iter().filter(|fault| fault.kind == kind);
            meant.map(|fault| fault.guest).collect()
        };
        for (kind, which) in [
            (Kind::PauseGuest, POWERED.to_vec()),
            (Kind::CutCable, NETWORKED.to_vec()),
            (Kind::DropPackets, NETWORKED.to_vec()),
            (Kind::HideAgent, [LEASED, POWERED].concat()),
        ] {
            let guests = hit(kind);
            assert!(which.iter().all(|guest| guests.contains(guest)), "{kind:?}");
            assert!(guests.iter().all(|guest| which.contains(guest)), "{kind:?}");
        }
    }
}
