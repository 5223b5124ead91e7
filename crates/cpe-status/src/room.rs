//! Whether there is room for every service if assemblies are lost: what a status says of it, and
//! the whole answer, which crosses the bus as JSON.

use serde::{Deserialize, Serialize};

use crate::state::{RoomOutcome, RoomScope};

/// How the sentence begins where not all losses were looked at, and those that were hold.
const NOT_KNOWN: &str = "not known";
/// Losses that a warning names, and services of each.
const MOST_TOLD: usize = 3;

/// What a status says: the answer about the loss of any one assembly.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoomStatus {
    /// No loss that was looked at would leave a service without a place.
    pub holds: bool,
    /// In a sentence: `yes`, or `no: db would not run without web2 (and 2 more)`.
    pub text: String,
    /// About which moment that was found out.
    pub time: u64,
    /// Something has changed since: it is being found out again, some 30 s after the last change.
    pub outdated: bool,
}

/// The answer of CheckRoom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoomReport {
    /// The deployment's name.
    pub deployment: String,
    /// The generation that it is about.
    pub generation: u64,
    /// It is about a document that is not in force, as if all were done that follows from it;
    /// `generation` is the one in force.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub planned: bool,
    /// The moment that it is about.
    pub time: u64,
    /// Which losses were meant.
    pub scope: RoomScope,
    /// None of those that were looked at would leave a service without a place.
    pub holds: bool,
    /// How many losses were looked at.
    pub looked_at: usize,
    /// How many were not: there are too many, or it took too long. Nothing is known of these.
    pub not_looked_at: usize,
    /// None was looked at, since that would take too much memory.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub too_large: bool,
    /// Losses that would change what runs, in the document's order.
    pub losses: Vec<RoomLoss>,
    /// Services that should run and do not, with all assemblies there.
    pub down_already: Vec<String>,
}

/// What would follow if these assemblies were lost together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoomLoss {
    /// The assemblies.
    pub assemblies: Vec<String>,
    /// The host that is lost with them; empty: no host is meant.
    pub host: String,
    /// Every service would still run, if perhaps with fewer instances.
    pub holds: bool,
    /// The services that would run less than now, in the document's order.
    pub services: Vec<RoomService>,
    /// What would make it fit, each tried by simulation.
    pub remedies: Vec<RoomRemedy>,
}

/// A service that would run less than now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoomService {
    /// The service.
    pub service: String,
    /// What would become of it.
    pub outcome: RoomOutcome,
    /// Instances that run without the loss.
    pub before: u32,
    /// Instances that would run with it.
    pub after: u32,
    /// Why, in the words of an explanation.
    pub reason: String,
}

/// A change with which services would run after all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoomRemedy {
    /// What to do.
    pub text: String,
    /// The services that would run then.
    pub services: Vec<String>,
    /// These are all that would not run without it.
    pub complete: bool,
}

impl RoomStatus {
    /// Whether every service would run if any one assembly were lost; `None`: not all losses were
    /// looked at, and those that were hold.
    pub fn survives(&self) -> Option<bool> {
        // Its DPE says so by the sentence alone, which [`RoomReport::text`] makes.
        let is_known = self.holds || !self.text.starts_with(NOT_KNOWN);
        is_known.then_some(self.holds)
    }
}

impl RoomReport {
    /// The losses that would leave a service without a place.
    pub fn failing(&self) -> impl Iterator<Item = &RoomLoss> {
        self.losses.iter().filter(|loss| !loss.holds)
    }

    /// What is worth a thought before a document is deployed, each in a sentence: losses that would
    /// leave services out, with what would make it fit, and how many nothing is known of.
    pub fn warnings(&self) -> Vec<String> {
        let failing = self.failing().take(MOST_TOLD).map(RoomLoss::sentence);
        let mut sentences: Vec<String> = failing.collect();
        match self.failing().count().saturating_sub(MOST_TOLD) {
            0 => {}
            1 => sentences.push("one further loss would leave services out".to_owned()),
            more => sentences.push(format!("{more} further losses would leave services out")),
        }
        if self.not_looked_at > 0 {
            let (more, name) = (self.not_looked_at, &self.deployment);
            let all = more + self.looked_at;
            let why = match self.too_large {
                true => "it would take too much memory",
                false => "it would take too long",
            };
            sentences.push(format!(
                "whether there is room after a loss is not known of {more} of {all} losses: {why} to look at them; \
                 cpectl check {name} does, once it is deployed"
            ));
        }
        sentences
    }

    /// The answer in a sentence, as a status has it.
    pub fn text(&self) -> String {
        let all = self.failing().flat_map(|loss| {
            let missing = loss.missing();
            missing.map(move |own| (own, loss))
        });
        let mut all = all.peekable();
        let Some((first, loss)) = all.next() else {
            return match self.not_looked_at {
                0 => "yes".to_owned(),
                more => format!("{NOT_KNOWN}: {more} losses were not looked at"),
            };
        };
        let what = match first.outcome {
            RoomOutcome::NotPromoted => "would not be promoted",
            _ => "would not run",
        };
        let (service, without) = (&first.service, loss.name());
        match all.count() {
            0 => format!("no: {service} {what} without {without}"),
            more => format!("no: {service} {what} without {without} (and {more} more)"),
        }
    }
}

impl RoomLoss {
    /// What is lost, for people.
    pub fn name(&self) -> String {
        let assemblies = self.assemblies.join(" and ");
        match self.host.as_str() {
            "" => assemblies,
            host => format!("host {host} ({})", self.assemblies.join(", ")),
        }
    }

    /// What would follow, and what would make it fit, for people.
    fn sentence(&self) -> String {
        let missing: Vec<&RoomService> = self.missing().collect();
        let told = missing.iter().take(MOST_TOLD).map(|own| {
            let what = match own.outcome {
                RoomOutcome::NotPromoted => "would not be promoted",
                _ => "would not run",
            };
            match own.reason.as_str() {
                "" => format!("{} {what}", own.service),
                reason => format!("{} {what} ({reason})", own.service),
            }
        });
        let told: Vec<String> = told.collect();
        let mut text = format!("without {}, {}", self.name(), told.join(", "));
        if let Some(more) = missing
            .len()
            .checked_sub(MOST_TOLD)
            .filter(|more| *more > 0)
        {
            text.push_str(&format!(", and {more} more"));
        }
        let complete = self.remedies.iter().find(|own| own.complete);
        if let Some(remedy) = complete.or_else(|| self.remedies.first()) {
            let all = if remedy.complete { "all" } else { "some" };
            text.push_str(&format!("; {all} would with this: {}", remedy.text));
        }
        text
    }

    /// The services that would not be there any more for those who use them.
    pub fn missing(&self) -> impl Iterator<Item = &RoomService> {
        let services = self.services.iter();
        services.filter(|own| !own.outcome.is_bearable())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(assemblies: &[&str], services: &[(&str, RoomOutcome)]) -> RoomLoss {
        RoomLoss {
            assemblies: assemblies.iter().map(|name| (*name).to_owned()).collect(),
            holds: services.iter().all(|(_, outcome)| outcome.is_bearable()),
            services: services
                .iter()
                .map(|(name, outcome)| RoomService {
                    service: (*name).to_owned(),
                    outcome: *outcome,
                    ..RoomService::default()
                })
                .collect(),
            ..RoomLoss::default()
        }
    }

    #[test]
    fn what_was_not_looked_at_is_neither_survived_nor_not() {
        let survives = |report: &RoomReport| {
            let status = RoomStatus {
                holds: report.losses.is_empty() && report.not_looked_at == 0,
                text: report.text(),
                ..RoomStatus::default()
            };
            status.survives()
        };
        let mut report = RoomReport::default();
        assert_eq!(survives(&report), Some(true));
        report.not_looked_at = 3;
        assert_eq!(survives(&report), None);
        report.losses = vec![loss(&["web1"], &[("db", RoomOutcome::Down)])];
        assert_eq!(survives(&report), Some(false));
    }

    #[test]
    fn a_warning_names_what_would_not_run_and_what_would_make_it_fit() {
        use RoomOutcome::{Down, Fewer, NotPromoted};
        let mut report = RoomReport::default();
        report.losses.push(loss(&["web1"], &[("web", Fewer)]));
        assert!(report.warnings().is_empty());
        let mut lost = loss(&["db1"], &[("pg", NotPromoted), ("ip", Down)]);
        lost.services[1].reason = "not enough memory".into();
        for (text, complete) in [("raise it", false), ("one more assembly", true)] {
            lost.remedies.push(RoomRemedy {
                text: text.into(),
                complete,
                ..RoomRemedy::default()
            });
        }
        report.losses.push(lost);
        let told = "without db1, pg would not be promoted, ip would not run (not enough memory); \
                    all would with this: one more assembly";
        assert_eq!(report.warnings(), [told]);
        let many = [("a", Down), ("b", Down), ("c", Down), ("d", Down)];
        report.losses.extend(vec![loss(&["x1"], &many); 4]);
        (report.deployment, report.not_looked_at, report.looked_at) = ("shop".into(), 5, 7);
        let told = report.warnings();
        let second = "without x1, a would not run, b would not run, c would not run, and 1 more";
        assert_eq!(told[1], second);
        assert_eq!(told[3], "2 further losses would leave services out");
        assert!(told[4].contains("not known of 5 of 12 losses"), "{told:?}");
        assert!(told[4].contains("cpectl check shop"), "{told:?}");
        assert!(told[4].contains("would take too long"), "{told:?}");
    }

    #[test]
    fn what_is_too_large_to_be_looked_at_is_no_matter_of_time() {
        let report = RoomReport {
            not_looked_at: 64,
            too_large: true,
            ..RoomReport::default()
        };
        let told = report.warnings();
        assert!(told[0].contains("would take too much memory"), "{told:?}");
        assert!(!told[0].contains("too long"), "{told:?}");
    }

    #[test]
    fn an_answer_names_the_first_service_that_would_not_run_and_counts_the_rest() {
        use RoomOutcome::{Down, Fewer, NotPromoted};
        let mut report = RoomReport::default();
        assert_eq!(report.text(), "yes");
        report.losses.push(loss(&["web1"], &[("web", Fewer)]));
        assert_eq!(report.text(), "yes");
        report.not_looked_at = 3;
        assert_eq!(report.text(), "not known: 3 losses were not looked at");
        report.losses.push(loss(&["db1"], &[("pg", NotPromoted)]));
        assert_eq!(report.text(), "no: pg would not be promoted without db1");
        let both = loss(
            &["db1", "db2"],
            &[("web", Fewer), ("db", Down), ("ip", Down)],
        );
        report.losses[1] = both;
        assert_eq!(
            report.text(),
            "no: db would not run without db1 and db2 (and 1 more)"
        );
        report.losses[1].host = "h1".into();
        assert_eq!(report.losses[1].name(), "host h1 (db1, db2)");
    }
}
