//! Deployments made up from a seed, and their changes.

use crate::guest::Mode;
use crate::random::Random;
use std::fmt::Write;

/// A deployment that changes.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Assemblies with their modes.
    pub assemblies: Vec<(String, Mode)>,
    /// Assemblies that the document names at present.
    pub present: Vec<bool>,
    /// Services.
    pub services: Vec<Service>,
    /// Pairs: the second starts after the first.
    pub order: Vec<(usize, usize)>,
    /// Pairs that stay together.
    pub together: Vec<(usize, usize)>,
    /// Heartbeat timeout and lease, milliseconds.
    pub timing: (u64, u64),
    /// Counts changes.
    pub generation: u64,
}

/// A service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// A parameter.
    pub parameter: u64,
    /// Runs in every assembly.
    pub everywhere: bool,
    /// Pinned to that assembly.
    pub pinned: Option<usize>,
    /// Not disabled.
    pub enabled: bool,
    /// In the document.
    pub present: bool,
    /// Escalates after so many failures.
    pub escalation: Option<u64>,
}

impl Scenario {
    /// A deployment of two to four assemblies and one to six services.
    pub fn new(random: &mut Random) -> Scenario {
        let count = random.between(2, 4) as usize;
        let same = random.percent(50).then(|| mode(random));
        let assemblies: Vec<(String, Mode)> = (0..count)
            .map(|index| {
                (
                    format!("node{}", index + 1),
                    same.unwrap_or_else(|| mode(random)),
                )
            })
            .collect();
        let services = (0..random.between(1, 6) as usize)
            .map(|index| Service {
                name: format!("service{}", index + 1),
                parameter: 1,
                everywhere: random.percent(12),
                pinned: random.percent(10).then(|| random.index(count)),
                enabled: true,
                present: true,
                escalation: random.percent(15).then(|| random.between(2, 4)),
            })
            .collect::<Vec<_>>();
        let pair = |random: &mut Random| {
            let second = random.index(services.len());
            (second > 0).then(|| (random.index(second), second))
        };
        let plain = |(a, b): &(usize, usize)| {
            [a, b]
                .into_iter()
                .all(|index| !services[*index].everywhere && services[*index].pinned.is_none())
        };
        let mut order: Vec<(usize, usize)> = (0..random.between(0, 2))
            .filter_map(|_| pair(random))
            .collect();
        order.dedup();
        let together = (0..random.between(0, 1))
            .filter_map(|_| pair(random))
            .filter(plain)
            .collect();
        let timeout_ms = random.between(2, 5) * 1_000;
        Scenario {
            present: vec![true; assemblies.len()],
            assemblies,
            services,
            order,
            together,
            timing: (timeout_ms, timeout_ms + random.between(0, 10) * 1_000),
            generation: 1,
        }
    }

    /// A deployment for a test: assemblies of one mode, services that may run in any.
    pub fn plain(assemblies: usize, services: usize, mode: Mode) -> Scenario {
        Scenario {
            assemblies: (0..assemblies)
                .map(|index| (format!("node{}", index + 1), mode))
                .collect(),
            present: vec![true; assemblies],
            services: (0..services)
                .map(|index| Service {
                    name: format!("service{}", index + 1),
                    parameter: 1,
                    everywhere: false,
                    pinned: None,
                    enabled: true,
                    present: true,
                    escalation: None,
                })
                .collect(),
            order: Vec::new(),
            together: Vec::new(),
            timing: (3_000, 6_000),
            generation: 1,
        }
    }

    /// Changes something: a parameter, what is enabled, what is there at all.
    pub fn change(&mut self, random: &mut Random) {
        self.generation += 1;
        let service = random.index(self.services.len());
        let assembly = random.index(self.assemblies.len());
        match random.index(6) {
            0 | 1 => self.services[service].parameter += 1,
            2 => self.services[service].enabled ^= true,
            3 => self.services[service].present ^= true,
            4 if self.present.iter().filter(|present| **present).count() > 1
                || !self.present[assembly] =>
            {
                self.present[assembly] ^= true;
            }
            _ => self.timing.1 = self.timing.0 + random.between(0, 10) * 1_000,
        }
        if self.services.iter().all(|service| !service.present) {
            self.services[service].present = true;
        }
    }

    /// The document.
    pub fn document(&self) -> String {
        let mut text = format!(
            "<deployable name=\"sim\" uuid=\"7c1f0e52-9b1d-4a55-8f0e-2f4f6f0c9d11\" heartbeat_interval=\"1s\" \
             heartbeat_timeout=\"{}ms\" lease=\"{}ms\">\n<assemblies>\n",
            self.timing.0, self.timing.1
        );
        for (index, (name, mode)) in self
            .assemblies
            .iter()
            .enumerate()
            .filter(|(index, _)| self.present[*index])
        {
            let fencing = match mode {
                Mode::Lease => "<fencing mode=\"lease\"/>".to_owned(),
                Mode::Unit => format!(
                    "<fencing mode=\"unit\" timeout=\"20s\" unit=\"systemd-nspawn@{name}.service\"/>"
                ),
                Mode::Manager => "<fencing mode=\"manager\"/>".to_owned(),
                Mode::None => "<fencing mode=\"none\"/>".to_owned(),
            };
            let _ = write!(
                text,
                "<assembly name=\"{name}\" address=\"unix:/sim/{name}\">"
            );
            let _ = write!(text, "{fencing}<services>");
            for service in self
                .services
                .iter()
                .filter(|service| service.present && service.pinned == Some(index))
            {
                text += &service.element();
            }
            text += "</services></assembly>\n";
        }
        text += "</assemblies>\n<services>\n";
        for service in self
            .services
            .iter()
            .filter(|service| service.present && service.pinned.is_none())
        {
            text += &service.element();
        }
        text += "</services>\n<constraints>\n";
        // What depends on something that is disabled cannot run: people would not write that.
        let there = |index: usize| self.in_document(index) && self.services[index].enabled;
        let both = |(a, b): &&(usize, usize)| there(*a) && there(*b);
        for (first, then) in self.order.iter().filter(both) {
            let (first, then) = (&self.services[*first].name, &self.services[*then].name);
            let _ = writeln!(
                text,
                "<service_dependency first=\"{first}\" then=\"{then}\"/>"
            );
        }
        for (a, b) in self.together.iter().filter(both) {
            let (a, b) = (&self.services[*a].name, &self.services[*b].name);
            let _ = writeln!(
                text,
                "<collocation service=\"{b}\" with=\"{a}\" score=\"INFINITY\"/>"
            );
        }
        text + "</constraints>\n</deployable>\n"
    }

    /// That service is in the document.
    pub fn in_document(&self, index: usize) -> bool {
        let service = &self.services[index];
        service.present && service.pinned.is_none_or(|assembly| self.present[assembly])
    }

    /// Names of the services that should run once faults have stopped.
    pub fn wanted(&self) -> impl Iterator<Item = &Service> {
        self.services
            .iter()
            .enumerate()
            .filter(|(index, service)| self.in_document(*index) && service.enabled)
            .map(|(_, service)| service)
    }
}

impl Service {
    fn element(&self) -> String {
        let mut text = format!(
            "<service name=\"{}\" class=\"ocf\" provider=\"sim\" type=\"Simulated\" monitor_interval=\"4s\" start_timeout=\"10s\" \
             stop_timeout=\"8s\"",
            self.name
        );
        if self.everywhere && self.pinned.is_none() {
            text += " instances=\"all\"";
        }
        if !self.enabled {
            text += " enabled=\"false\"";
        }
        if let Some(failures) = self.escalation {
            let _ = write!(
                text,
                " escalation_failures=\"{failures}\" escalation_period=\"5m\""
            );
        }
        let _ = writeln!(
            text,
            "><parameters><parameter name=\"setting\"><value>{}</value></parameter></parameters></service>",
            self.parameter
        );
        text
    }
}

fn mode(random: &mut Random) -> Mode {
    match random.index(10) {
        0..=4 => Mode::Lease,
        5..=8 => Mode::Unit,
        _ => Mode::Manager,
    }
}
