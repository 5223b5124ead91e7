//! What would make it fit. Nothing is proposed that was not tried: each change is made in the world
//! of the loss, and counts if services run with it that do not without, and all others as before.

use std::collections::{BTreeMap, BTreeSet};

use cpe_status::{RoomLoss, RoomRemedy};
use policy_engine::Schedule;

use super::RoomInput;
use super::world::{Amounts, Change, Settled, World};
use crate::vocabulary::{Loss, ServiceId};

/// Changes of one kind that are tried for one loss.
const MOST_TRIES: usize = 4;
/// Remedies that are told for one loss.
const MOST_TOLD: usize = 4;

/// Something to try, and what it is for people.
type Try = (Change, String);

impl RoomInput {
    /// Remedies for a loss, those that help most first. `lost`: the world right after the loss;
    /// `after`: what becomes of it; `explained`: what is decided then, with reasons.
    pub(super) fn remedies(
        &self,
        loss: &Loss,
        lost: &World,
        after: &Settled,
        explained: &Schedule,
        told: &RoomLoss,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Vec<RoomRemedy> {
        let before: BTreeMap<ServiceId, u32> = told
            .missing()
            .map(|own| (own.service.as_str().into(), own.before))
            .collect();
        let missing: Vec<ServiceId> = before.keys().cloned().collect();
        let mut found = Vec::new();
        for tries in [
            self.ends(lost, explained, &missing),
            self.switches(loss, lost, after),
            self.failures(lost, &missing),
            self.raises(after, &before),
            self.one_more(after, &before),
            self.pins(loss),
        ] {
            for (change, text) in tries {
                if !goes_on() {
                    break;
                }
                let services = helped(lost, after, told, &change);
                if !services.is_empty() {
                    let complete = services.len() == missing.len();
                    found.push(RoomRemedy {
                        text,
                        services,
                        complete,
                    });
                }
            }
        }
        found.sort_by_key(|own| std::cmp::Reverse(own.services.len()));
        found.truncate(MOST_TOLD);
        found
    }

    /// Constraints of administrators and guests that keep services off, and those of the document.
    fn ends(&self, lost: &World, explained: &Schedule, missing: &[ServiceId]) -> Vec<Try> {
        let named = self.constraints(explained, missing);
        let own = named.into_iter().filter_map(|id| {
            let location = lost.location(&id)?;
            let is_pin = id.starts_with("pinned.") || id.starts_with("looked-for.");
            let text = match self.ends.get(&id) {
                Some(end) => end.clone(),
                None if is_pin || !location.get("score")?.starts_with('-') => return None,
                None => format!("take location constraint {id} out of the document"),
            };
            Some((Change::Without(id), text))
        });
        own.take(MOST_TRIES).collect()
    }

    /// Assemblies that are there, and take no services because somebody said so.
    fn switches(&self, loss: &Loss, lost: &World, after: &Settled) -> Vec<Try> {
        let name = &self.report.deployment;
        let nodes = after.schedule.cluster.nodes.iter();
        let there = nodes.map(|node| node.name.to_string());
        let there = there.filter(|own| !loss.assemblies.iter().any(|lost| lost.as_str() == own));
        let tries = there.flat_map(|own| {
            let standby = format!("cpectl unstandby {name} {own}");
            let maintenance = format!("cpectl maintenance {name} off {own}");
            [("standby", standby), ("maintenance", maintenance)]
                .into_iter()
                .filter(|(switch, _)| lost.has_switch_on(&own, switch))
                .map(|(switch, text)| (Change::Off(own.clone(), switch), text))
                .collect::<Vec<_>>()
        });
        tries.take(MOST_TRIES).collect()
    }

    /// Failures that keep services off.
    fn failures(&self, lost: &World, missing: &[ServiceId]) -> Vec<Try> {
        let name = &self.report.deployment;
        let failed = missing.iter().filter(|service| lost.has_failures(service));
        let tries = failed.map(|service| {
            let text =
                format!("cpectl cleanup {name} {service}, once the cause of its failures is gone");
            (Change::Forget(service.clone()), text)
        });
        tries.take(MOST_TRIES).collect()
    }

    /// More capacity where there is some: for all that does not run, in one assembly; least first.
    fn raises(&self, after: &Settled, before: &BTreeMap<ServiceId, u32>) -> Vec<Try> {
        let needs = needs(after, before);
        let mut raises: Vec<(i64, Try)> = Vec::new();
        for (assembly, all, free) in after.capacities() {
            let lacks = needs.iter().filter_map(|(kind, needed)| {
                let by = needed - free.get(kind).copied().unwrap_or(0);
                (by > 0).then_some((kind, by))
            });
            let lacks: BTreeMap<&String, i64> = lacks.collect();
            if lacks.is_empty() {
                continue;
            }
            let raised = |(kind, by): (&&String, &i64)| {
                let own = all.get(*kind).copied().unwrap_or(0);
                ((*kind).clone(), own.saturating_add(*by))
            };
            let raised: Amounts = lacks.iter().map(raised).collect();
            let words = lacks
                .iter()
                .map(|(kind, by)| format!("{kind} by {by}, to {}", raised[*kind]));
            let words: Vec<String> = words.collect();
            let text = format!("raise the capacity of {assembly}: {}", words.join("; "));
            let change = Change::Capacity(assembly, raised);
            raises.push((lacks.values().sum(), (change, text)));
        }
        raises.sort_by_key(|(by, _)| *by);
        raises.truncate(MOST_TRIES);
        raises.into_iter().map(|(_, own)| own).collect()
    }

    /// An assembly more.
    fn one_more(&self, after: &Settled, before: &BTreeMap<ServiceId, u32>) -> Vec<Try> {
        let needs = needs(after, before);
        let words = needs
            .iter()
            .map(|(kind, amount)| format!("{kind} {amount}"));
        let words: Vec<String> = words.collect();
        let text = match words.is_empty() {
            true => "one more assembly".to_owned(),
            false => format!("one more assembly with {}", words.join(" and ")),
        };
        vec![(Change::OneMore(needs), text)]
    }

    /// Services that the document has inside what is lost.
    fn pins(&self, loss: &Loss) -> Vec<Try> {
        let pinned = self
            .pins
            .iter()
            .filter(|(_, home)| loss.assemblies.contains(home));
        let tries = pinned.map(|(resource, home)| {
            let text = format!("move {resource} out of <assembly name=\"{home}\"> in the document");
            (Change::Without(format!("pinned.{resource}")), text)
        });
        tries.take(MOST_TRIES).collect()
    }
}

/// What all that does not run would take.
fn needs(after: &Settled, before: &BTreeMap<ServiceId, u32>) -> Amounts {
    let mut all = Amounts::new();
    for (service, count) in before {
        for (kind, amount) in after.needs(service, *count) {
            *all.entry(kind).or_default() += amount;
        }
    }
    all
}

/// The services that would run with a change and do not without; none if anything else would run
/// less for it.
fn helped(lost: &World, after: &Settled, told: &RoomLoss, change: &Change) -> Vec<String> {
    let mut world = lost.clone();
    world.change(change);
    let with = world.settle();
    let missing = told.missing().map(|own| own.service.as_str().into());
    let missing: BTreeSet<ServiceId> = missing.collect();
    let kept = after.runs.iter().all(|(service, runs)| {
        let own = with.of(service);
        own.instances >= runs.instances && own.promoted >= runs.promoted
    });
    if !kept {
        return Vec::new();
    }
    let runs = |service: &&ServiceId| {
        let (own, was) = (with.of(service), after.of(service));
        let promoted = was.instances > 0;
        match promoted {
            true => own.promoted > was.promoted,
            false => own.instances > 0,
        }
    };
    missing
        .iter()
        .filter(runs)
        .map(ServiceId::to_string)
        .collect()
}
