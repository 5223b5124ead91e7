//! Deployments made up from a seed, and their changes. Their text is in `document.rs`.

use sim_kit::Random;

use crate::policies::{Follows, Loss, Policies, Possible};
use crate::zones;

/// A deployment that changes.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Assemblies.
    pub assemblies: Vec<Assembly>,
    /// Services.
    pub services: Vec<Service>,
    /// Services that run together and start in order. Members have form [`Form::Once`] and are not
    /// pinned.
    pub groups: Vec<Vec<usize>>,
    /// Pairs: the second starts after the first.
    pub order: Vec<(usize, usize)>,
    /// Pairs that stay together.
    pub together: Vec<(usize, usize)>,
    /// Heartbeat timeout and lease, milliseconds.
    pub timing: (u64, u64),
    /// The most instances of a service that were ever allowed to be promoted.
    pub most_promoted: usize,
    /// `migration-limit`; 0: none.
    pub migration_limit: usize,
    /// Documents say more than where services run: see [`Policies`].
    pub rich: bool,
    /// `cluster-recheck-interval`, seconds; 0: the default.
    pub recheck_s: u64,
    /// In whose time zone rules by time are written.
    pub clocks: Clocks,
    /// This site is to hold the ticket, when all is well.
    pub ticket: bool,
    /// The document has a device that provides unfencing.
    pub fabric: bool,
    /// Which one: another number is another device, which has to let guests in again.
    pub fabric_edition: u64,
    /// Counts changes.
    pub generation: u64,
    /// The deployment is to end; `true`: after stopping the services.
    pub ending: Option<bool>,
}

/// In whose time zone rules by time are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clocks {
    /// UTC.
    Utc,
    /// The document names a zone.
    Document,
    /// The host has a zone.
    Host,
}

impl Clocks {
    /// Minutes by which they are ahead of UTC.
    pub fn ahead(self) -> i64 {
        match self {
            Clocks::Utc => 0,
            Clocks::Document | Clocks::Host => zones::KOLKATA_MINUTES,
        }
    }

    /// The zone of the host. One that is not the document's does not matter.
    pub fn host_zone(self) -> Option<String> {
        match self {
            Clocks::Utc => None,
            Clocks::Document => Some("Europe/Berlin".into()),
            Clocks::Host => Some(zones::KOLKATA.into()),
        }
    }
}

/// An assembly.
#[derive(Clone, Debug)]
pub struct Assembly {
    /// Its name.
    pub name: String,
    /// Name of its own guest, which is also that of the address and of the fence device.
    pub home: String,
    /// Name of the address in the document. `None`: the document gives none.
    pub address: Option<String>,
    /// Name of the fence device in the document.
    pub device: String,
    /// How it is made safe.
    pub mode: Mode,
    /// In the document.
    pub present: bool,
    /// Fails the deployment after this number of failures.
    pub escalation: Option<u64>,
    /// What it offers to services that use some of it.
    pub capacity: u64,
}

/// How a guest is made safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By its lease.
    Lease,
    /// By a simulated device of the host.
    Unit,
    /// By a simulated fence agent.
    Agent,
    /// By simulated devices of the document's `<configuration>`: see `equipment.rs`.
    Devices,
    /// By one that only cuts a guest off: it runs on until its lease is over.
    Fabric,
    /// By a simulated cloud manager.
    Manager,
    /// Not at all: a lost heartbeat counts as down. What was given up by that may run beside its
    /// successor.
    None,
}

impl Mode {
    /// A guest runs on until its lease is over.
    pub fn waits_for_lease(self) -> bool {
        matches!(self, Mode::Lease | Mode::Fabric)
    }

    /// Fencing cuts the power, so that everything is gone whoever knows of it.
    pub fn cuts_power(self) -> bool {
        matches!(
            self,
            Mode::Unit | Mode::Agent | Mode::Devices | Mode::Manager
        )
    }
}

/// A service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// How often and where it runs.
    pub form: Form,
    /// A parameter that a change of restarts it.
    pub parameter: u64,
    /// A parameter that may change while it runs.
    pub reloadable: u64,
    /// Pinned to that assembly.
    pub pinned: Option<usize>,
    /// Prefers that assembly.
    pub prefers: Option<usize>,
    /// Not disabled.
    pub enabled: bool,
    /// In the document.
    pub present: bool,
    /// Escalates after this number of failures.
    pub escalation: Option<u64>,
    /// What else the document says of it.
    pub policies: Policies,
}

/// How often a service runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In one assembly.
    Once,
    /// In one assembly, and it moves without being stopped.
    Migrates,
    /// In every assembly.
    Everywhere,
    /// In every assembly, and promoted in this number of them.
    Promotable(usize),
    /// As many instances as the first number says, each of which runs once, and in an assembly at
    /// most as many as the second says.
    Unique(usize, usize),
}

impl Form {
    /// Runs in several assemblies.
    pub fn everywhere(self) -> bool {
        matches!(
            self,
            Form::Everywhere | Form::Promotable(_) | Form::Unique(..)
        )
    }
}

/// Whether a service runs when all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expected {
    /// It does.
    Runs,
    /// It may.
    Open,
    /// It does not.
    Stays,
}

/// The service that a resource is an instance of.
pub fn service_of(resource: &str) -> &str {
    resource.split(':').next().unwrap_or(resource)
}

impl Scenario {
    /// A deployment of two to four assemblies and one to six services.
    pub fn new(random: &mut Random) -> Scenario {
        let count = random.between(2, 4) as usize;
        let same = random.percent(50).then(|| mode(random));
        let assemblies = (0..count)
            .map(|index| {
                let mode = same.unwrap_or_else(|| mode(random));
                Assembly {
                    escalation: random.percent(10).then(|| random.between(2, 3)),
                    ..Assembly::plain(index, mode)
                }
            })
            .collect();
        let services: Vec<Service> = (0..random.between(1, 6) as usize)
            .map(|index| some_service(index, count, random))
            .collect();
        let promoted = |service: &Service| match service.form {
            Form::Promotable(promoted) => promoted,
            _ => 0,
        };
        let most_promoted = services.iter().map(promoted).max().unwrap_or(0);
        let timeout_ms = random.between(2, 5) * 1_000;
        let mut scenario = Scenario {
            assemblies,
            services,
            groups: Vec::new(),
            order: Vec::new(),
            together: Vec::new(),
            timing: (timeout_ms, timeout_ms + random.between(0, 10) * 1_000),
            most_promoted,
            migration_limit: if random.percent(50) {
                random.between(1, 2) as usize
            } else {
                0
            },
            rich: false,
            recheck_s: 0,
            clocks: Clocks::Utc,
            ticket: false,
            fabric: false,
            fabric_edition: 0,
            generation: 1,
            ending: None,
        };
        scenario.relate(random);
        scenario
    }

    /// Makes up the rest of what a document can say.
    pub fn enrich(&mut self, random: &mut Random) {
        self.rich = true;
        if random.percent(30) {
            self.recheck_s = random.between(15, 40);
        }
        for assembly in &mut self.assemblies {
            assembly.capacity = random.between(3, 8);
        }
        for index in 0..self.services.len() {
            let alone = self.is_plain(index) && !self.is_related(index);
            let chance = match self.services[index].form {
                Form::Everywhere => 50,
                Form::Once if alone => 12,
                _ => 0,
            };
            if random.percent(chance) {
                let (count, most) = (random.between(2, 4), random.between(1, 2));
                self.services[index].form = Form::Unique(count as usize, most as usize);
                self.services[index].escalation = None;
            }
            let possible = self.possible(index);
            self.services[index].policies = Policies::some(random, possible);
        }
        self.clocks = [Clocks::Utc, Clocks::Utc, Clocks::Document, Clocks::Host][random.index(4)];
    }

    /// Has some services follow the addresses of assemblies.
    pub fn follow(&mut self, random: &mut Random) {
        for service in &mut self.services {
            if random.percent(50) {
                service.policies.follows = Some(Follows::some(self.assemblies.len(), random));
            }
        }
    }

    /// Has guests run scripts before some services start.
    pub fn configure(&mut self, random: &mut Random) {
        for service in &mut self.services {
            service.policies.configured = random.percent(50);
        }
    }

    fn possible(&self, index: usize) -> Possible {
        let service = &self.services[index];
        Possible {
            assemblies: self.assemblies.len(),
            raw: service.is_raw(),
            promotable: matches!(service.form, Form::Promotable(_)),
            fenced: self.assemblies.iter().all(|own| own.mode != Mode::None),
            free: self.is_plain(index) && !self.is_related(index),
        }
    }

    /// It depends on others, or they on it, in more than the order.
    fn is_related(&self, index: usize) -> bool {
        let together = self.together.iter().any(|(a, b)| [*a, *b].contains(&index));
        let ordered = self.order.iter().any(|(a, b)| [*a, *b].contains(&index));
        together || ordered || self.group_of(index).is_some()
    }

    /// Makes up groups and constraints between what is not in a group.
    fn relate(&mut self, random: &mut Random) {
        if random.percent(35) {
            let members: Vec<usize> = (0..self.services.len())
                .filter(|index| self.is_plain(*index) && self.services[*index].form == Form::Once)
                .take(random.between(2, 3) as usize)
                .collect();
            self.groups.extend((members.len() > 1).then_some(members));
        }
        let mut pairs = Vec::new();
        for _ in 0..random.between(0, 3) {
            let second = random.index(self.services.len());
            if second > 0 {
                pairs.push((random.index(second), second, random.percent(30)));
            }
        }
        for (first, second, together) in pairs {
            let grouped = [first, second]
                .into_iter()
                .any(|index| self.group_of(index).is_some());
            let plain = self.is_plain(first) && self.is_plain(second);
            match together {
                _ if grouped => {}
                true if plain && self.together.is_empty() => self.together.push((first, second)),
                true => {}
                false if !self.order.contains(&(first, second)) => self.order.push((first, second)),
                false => {}
            }
        }
    }

    fn is_plain(&self, index: usize) -> bool {
        let service = &self.services[index];
        !service.form.everywhere() && service.pinned.is_none()
    }

    /// A deployment for a test: assemblies of one mode, services that may run in any.
    pub fn plain(assemblies: usize, services: usize, mode: Mode) -> Scenario {
        Scenario {
            assemblies: (0..assemblies)
                .map(|index| Assembly::plain(index, mode))
                .collect(),
            services: (0..services).map(Service::plain).collect(),
            groups: Vec::new(),
            order: Vec::new(),
            together: Vec::new(),
            timing: (3_000, 6_000),
            most_promoted: 2,
            migration_limit: 0,
            rich: false,
            recheck_s: 0,
            clocks: Clocks::Utc,
            ticket: false,
            fabric: false,
            fabric_edition: 0,
            generation: 1,
            ending: None,
        }
    }

    /// Changes something: a parameter, a preference, what is enabled, what is there at all.
    pub fn change(&mut self, random: &mut Random) {
        self.generation += 1;
        if self.rich && random.percent(40) {
            return self.change_policies(random);
        }
        let index = random.index(self.services.len());
        let assembly = random.index(self.assemblies.len());
        let present = self.present().count();
        let service = &mut self.services[index];
        match random.index(9) {
            0 => service.parameter += 1,
            1 => service.reloadable += 1,
            2 => service.enabled ^= true,
            3 | 4 => service.present ^= true,
            5 if present > 1 || !self.assemblies[assembly].present => {
                self.assemblies[assembly].present ^= true;
            }
            6 | 7 if service.pinned.is_none() => service.prefers = Some(assembly),
            8 if matches!(service.form, Form::Promotable(_)) => {
                let promoted = random.between(1, 2) as usize;
                service.form = Form::Promotable(promoted);
                self.most_promoted = self.most_promoted.max(promoted);
            }
            _ => self.timing.1 = self.timing.0 + random.between(0, 10) * 1_000,
        }
        if self.services.iter().all(|service| !service.present) {
            self.services[index].present = true;
        }
    }

    fn change_policies(&mut self, random: &mut Random) {
        let index = random.index(self.services.len());
        let what = random.index(7);
        if what == 6 {
            let assembly = random.index(self.assemblies.len());
            self.assemblies[assembly].capacity = random.between(3, 8);
        } else {
            let possible = self.possible(index);
            self.services[index].policies.change(what, random, possible);
        }
    }

    /// Assemblies that the document names at present, with their indices.
    pub fn present(&self) -> impl Iterator<Item = (usize, &Assembly)> {
        self.assemblies
            .iter()
            .enumerate()
            .filter(|(_, assembly)| assembly.present)
    }

    /// The addresses that the document names, each with the assembly that is reached there.
    pub(crate) fn owners(&self) -> impl Iterator<Item = (String, String)> {
        let present = self.present();
        present.filter_map(|(_, own)| Some((own.address.clone()?, own.name.to_string())))
    }

    /// The group that a service is a member of.
    pub fn group_of(&self, index: usize) -> Option<&[usize]> {
        self.groups
            .iter()
            .find(|group| group.contains(&index))
            .map(Vec::as_slice)
    }

    /// The member of its group that a service comes right after in the document.
    pub fn predecessor(&self, name: &str) -> Option<&Service> {
        let index = self
            .services
            .iter()
            .position(|service| service.name == name)?;
        let members = self
            .group_of(index)?
            .iter()
            .take_while(|member| **member != index);
        let present = members.filter(|member| self.services[**member].present);
        present.last().map(|member| &self.services[*member])
    }

    /// Services that run once and that a service depends on.
    pub fn firsts(&self, name: &str) -> impl Iterator<Item = &Service> {
        let there = |index: usize| self.in_document(index) && self.services[index].enabled;
        self.order
            .iter()
            .filter(move |(first, then)| {
                self.services[*then].name == name && there(*first) && there(*then)
            })
            .map(|(first, _)| &self.services[*first])
            .filter(|first| !first.form.everywhere())
    }

    /// The service of that name.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }

    /// The document names an assembly.
    pub(crate) fn names(&self, assembly: &str) -> bool {
        let mut assemblies = self.assemblies.iter();
        assemblies.any(|own| own.present && own.name == assembly)
    }

    /// That service is in the document.
    pub fn in_document(&self, index: usize) -> bool {
        let service = &self.services[index];
        service.present
            && service
                .pinned
                .is_none_or(|assembly| self.assemblies[assembly].present)
    }

    /// Whether a service runs when all is well, at that time of the wall clock, in seconds from the
    /// beginning. What has no room is not reckoned with.
    pub fn expected(&self, index: usize, wall_s: i64) -> Expected {
        let service = &self.services[index];
        if self.ending == Some(true) || !self.in_document(index) || !service.enabled {
            return Expected::Stays;
        }
        let own = match service.policies.ticket.filter(|_| !self.ticket) {
            Some(Loss::Stop | Loss::Fence) => Expected::Stays,
            Some(Loss::Freeze) => Expected::Open,
            None | Some(Loss::Demote) if self.homes(index, wall_s).is_empty() => Expected::Stays,
            None | Some(Loss::Demote) => Expected::Runs,
        };
        let needed = self.needed(index).map(|first| {
            let first_form = self.services[first].form;
            match self.expected(first, wall_s) {
                // An instance needs one beside it, which is not everywhere.
                Expected::Runs if matches!(first_form, Form::Unique(..)) => Expected::Open,
                expected => expected,
            }
        });
        own.max(needed.max().unwrap_or(Expected::Runs))
    }

    /// What must run so that a service can: members of its group before it, which hold it back also
    /// when they are disabled; what it stays with; what it starts after.
    fn needed(&self, index: usize) -> impl Iterator<Item = usize> {
        let there = |index: usize| self.in_document(index) && self.services[index].enabled;
        let members = self.group_of(index).unwrap_or_default();
        let before = members.iter().take_while(move |member| **member != index);
        let before = before.filter(|member| self.services[**member].present);
        let pairs = self.order.iter().chain(&self.together);
        let firsts = pairs.filter(move |(first, then)| *then == index && there(*first));
        let firsts = firsts.map(|(first, _)| *first);
        before.copied().chain(firsts)
    }

    /// Assemblies in which a service may run at that time.
    pub fn homes(&self, index: usize, wall_s: i64) -> Vec<usize> {
        let service = &self.services[index];
        let banned = |assembly: usize| {
            let ban = service.policies.ban.filter(|_| self.is_banned(index));
            ban.is_some_and(|ban| ban.assembly == assembly && ban.when.holds(wall_s))
        };
        let pinned = |assembly: usize| service.pinned.is_none_or(|own| own == assembly);
        let present = self.present().map(|(assembly, _)| assembly);
        present
            .filter(|own| pinned(*own) && !banned(*own))
            .collect()
    }

    /// Its ban keeps it away. Else it is a preference, since less than 0 keeps everything away.
    pub fn is_banned(&self, index: usize) -> bool {
        self.is_plain(index) && !self.is_related(index)
    }

    /// How many instances of a service run when it does.
    pub fn copies(&self, service: &Service) -> usize {
        match service.form {
            Form::Once | Form::Migrates => 1,
            Form::Everywhere | Form::Promotable(_) => self.present().count(),
            Form::Unique(count, most) => count.min(most * self.present().count()),
        }
    }

    /// How many of them are promoted.
    pub fn promoted(&self, service: &Service) -> usize {
        match service.form {
            Form::Promotable(promoted) if self.ticket || service.policies.ticket.is_none() => {
                promoted.min(self.copies(service))
            }
            _ => 0,
        }
    }
}

impl Assembly {
    /// An assembly for a test, in the document from the beginning.
    pub fn plain(index: usize, mode: Mode) -> Assembly {
        let name = format!("node{}", index + 1);
        Assembly {
            home: name.clone(),
            address: Some(name.clone()),
            device: name.clone(),
            name,
            mode,
            present: true,
            escalation: None,
            capacity: 8,
        }
    }
}

impl Service {
    /// The short forms cannot say what it is.
    pub fn is_raw(&self) -> bool {
        matches!(
            self.form,
            Form::Migrates | Form::Promotable(_) | Form::Unique(..)
        )
    }

    /// A service for a test: it may run in any assembly.
    pub fn plain(index: usize) -> Service {
        Service {
            name: format!("service{}", index + 1),
            form: Form::Once,
            parameter: 1,
            reloadable: 1,
            pinned: None,
            prefers: None,
            enabled: true,
            present: true,
            escalation: None,
            policies: Policies::default(),
        }
    }
}

fn some_service(index: usize, assemblies: usize, random: &mut Random) -> Service {
    let form = match random.index(100) {
        0..12 => Form::Everywhere,
        12..27 => Form::Promotable(random.between(1, 2) as usize),
        27..45 => Form::Migrates,
        _ => Form::Once,
    };
    let pinned = (form == Form::Once && random.percent(10)).then(|| random.index(assemblies));
    Service {
        form,
        pinned,
        prefers: (pinned.is_none() && random.percent(20)).then(|| random.index(assemblies)),
        // Some come later.
        present: index == 0 || random.percent(90),
        escalation: (form == Form::Once && random.percent(15)).then(|| random.between(2, 4)),
        ..Service::plain(index)
    }
}

fn mode(random: &mut Random) -> Mode {
    match random.index(20) {
        0..9 => Mode::Lease,
        9..13 => Mode::Unit,
        13..16 => Mode::Agent,
        16..18 => Mode::Manager,
        _ => Mode::None,
    }
}
