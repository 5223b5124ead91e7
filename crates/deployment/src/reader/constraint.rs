//! `<constraints>`: the short forms. Names are resolved to resources, contradictions are reported.

use std::collections::{HashMap, HashSet};

use super::cycle::report_cycle;
use super::form::Form;
use super::names::{Names, Target};
use super::original;
use crate::model::{Constraint, Deployment, Instances, OrderKind, Score, resource_id};
use crate::problem::{Problems, quote};
use crate::tree::Element;
use crate::value;

/// A name may stand for several resources, and two names for all their pairs: this bounds how many
/// pairs a small document can ask for.
const MAX_PAIRS: usize = 100_000;

/// The most services in one `<together>` or `<separate>`.
const MAX_LISTED: usize = 64;

const ELEMENTS: [&str; 5] = [
    "service_dependency",
    "colocation",
    "together",
    "separate",
    "location",
];

/// `<colocation>` in documents of earlier versions.
const OLD_COLOCATION: &str = "collocation";

/// What is accepted, and not proposed.
const OLD_SPELLINGS: [&str; 2] = [OLD_COLOCATION, original::DEPENDENCY];

pub(super) fn read(
    element: &Element<'_>,
    deployment: &mut Deployment,
    names: &Names,
    problems: &mut Problems,
) {
    let mut form = Form { element, problems };
    form.attributes(&[]);
    let children: Vec<_> = form.children_also(&ELEMENTS, &OLD_SPELLINGS).collect();
    let assemblies = deployment
        .assemblies
        .iter()
        .map(|assembly| assembly.name.as_str())
        .collect();
    let facts = Facts::of(deployment);
    let mut reader = Reader {
        facts: &facts,
        names,
        assemblies,
        seen: HashSet::new(),
        found: Vec::new(),
        edges: Vec::new(),
        pairs_left: MAX_PAIRS,
    };
    for child in children {
        let mut form = Form {
            element: child,
            problems,
        };
        form.children(&[]).for_each(drop);
        let complete = match child.name {
            "service_dependency" => reader.dependency(&mut form, &[]),
            original::DEPENDENCY => {
                original::warn_of_dependency(&mut form);
                reader.dependency(&mut form, &["id"])
            }
            "colocation" | OLD_COLOCATION => reader.colocation(&mut form),
            "together" | "separate" => reader.list(&mut form),
            _ => reader.location(&mut form),
        };
        if complete.is_none() {
            let message =
                format!("the constraints stand for more than {MAX_PAIRS} pairs of resources");
            let hint = "name groups, or services that are not in several assemblies".to_owned();
            problems.error(child.offset, message, hint);
            break;
        }
    }
    report_cycle(&reader.edges, deployment, problems);
    deployment.constraints = reader.found;
}

/// What constraints have to know about resources.
struct Facts {
    /// Resources that are kept stopped, as `enabled="false"` says of them or of a member.
    disabled: HashSet<String>,
    /// How many assemblies the instances of a resource need; those that need one are left out.
    instances: HashMap<String, usize>,
    assemblies: usize,
}

impl Facts {
    fn of(deployment: &Deployment) -> Facts {
        let assemblies = deployment.assemblies.len();
        let mut facts = Facts {
            disabled: HashSet::new(),
            instances: HashMap::new(),
            assemblies,
        };
        for service in &deployment.services {
            facts.add(&service.id, service.instances, service.enabled);
        }
        for group in &deployment.groups {
            let members = &deployment.services[group.members.clone()];
            let enabled = members.iter().all(|member| member.enabled);
            facts.add(&group.id, group.instances, enabled);
        }
        facts
    }

    fn add(&mut self, id: &str, instances: Option<Instances>, enabled: bool) {
        let resource = resource_id(id, instances);
        if !enabled {
            self.disabled.insert(resource.clone());
        }
        let needed = match instances {
            None => return,
            Some(Instances::All) => self.assemblies,
            Some(Instances::Count(count)) => usize::try_from(count).unwrap_or(usize::MAX),
        };
        self.instances.insert(resource, needed.min(self.assemblies));
    }

    /// Warns of a service that cannot run, because what it needs is kept stopped.
    fn warn_of_disabled(&self, dependent: &str, needed: &str, form: &mut Form<'_, '_, '_>) {
        if !self.disabled.contains(needed) || self.disabled.contains(dependent) {
            return;
        }
        let (dependent, needed) = (quote(dependent), quote(needed));
        let message = format!("{dependent} cannot run: it needs {needed}, which is not enabled");
        let hint = format!("enable {needed}, or let {dependent} have enabled=\"false\" too");
        form.problems.warning(form.element.offset, message, hint);
    }

    /// Warns of services of which not all can run, because each needs an assembly without the
    /// others.
    fn warn_of_too_many(&self, listed: &[&[Target]], form: &mut Form<'_, '_, '_>) {
        let targets = listed.iter().flat_map(|targets| targets.iter());
        let enabled = targets.filter(|target| !self.disabled.contains(&target.resource));
        let needed = enabled.map(|target| self.instances.get(&target.resource).unwrap_or(&1));
        let needed: usize = needed.sum();
        if self.assemblies == 0 || needed <= self.assemblies {
            return;
        }
        let there = self.assemblies;
        let message = format!(
            "these services cannot all run: they need {needed} assemblies, and there are {there}"
        );
        let hint = "add assemblies, let fewer be separate or have fewer instances, or give a score less than INFINITY";
        form.problems
            .warning(form.element.offset, message, hint.to_owned());
    }
}

/// Reads one constraint after the other.
struct Reader<'d> {
    facts: &'d Facts,
    names: &'d Names,
    assemblies: HashSet<&'d str>,
    /// Kind and pair of every constraint so far: their ids.
    seen: HashSet<(&'static str, &'d str, &'d str)>,
    found: Vec<Constraint>,
    /// What starts first, what then, and where the document says so.
    edges: Vec<(&'d str, &'d str, usize)>,
    /// How many more pairs are accepted.
    pairs_left: usize,
}

/// The methods for single elements return `None` if there are too many pairs.
impl<'d> Reader<'d> {
    /// `also`: attributes that it may have beside its own, without effect.
    fn dependency(&mut self, form: &mut Form<'_, '_, '_>, also: &[&str]) -> Option<()> {
        form.attributes(&[&["first", "then", "kind"], also].concat());
        let kind = form.optional("kind", |text| match text.to_ascii_lowercase().as_str() {
            "mandatory" => Ok(OrderKind::Mandatory),
            "optional" => Ok(OrderKind::Optional),
            "serialize" => Ok(OrderKind::Serialize),
            _ => Err("expected one of: mandatory, optional, serialize".to_owned()),
        });
        let kind = kind.unwrap_or(OrderKind::Mandatory);
        let offset = form.element.offset;
        for (first, then) in self.pairs(form, "first", "then")? {
            let (first, then) = (&first.resource, &then.resource);
            if kind == OrderKind::Mandatory {
                self.facts.warn_of_disabled(then, first, form);
            }
            if self.is_new("order", first, then, offset, form.problems) {
                if kind != OrderKind::Serialize {
                    self.edges.push((first, then, offset));
                }
                self.found.push(Constraint::Order {
                    first: first.clone(),
                    then: then.clone(),
                    kind,
                });
            }
        }
        Some(())
    }

    fn colocation(&mut self, form: &mut Form<'_, '_, '_>) -> Option<()> {
        form.attributes(&["service", "with", "score"]);
        let score = form
            .optional("score", value::score)
            .unwrap_or(Score::INFINITY);
        for (resource, with) in self.pairs(form, "service", "with")? {
            if score >= Score::INFINITY {
                self.facts
                    .warn_of_disabled(&resource.resource, &with.resource, form);
            }
            self.colocate(resource, with, score, form);
        }
        Some(())
    }

    /// `<together services="a b c"/>`: all others with the first. `<separate …>`: each away from
    /// every other.
    fn list(&mut self, form: &mut Form<'_, '_, '_>) -> Option<()> {
        form.attributes(&["services", "score"]);
        let together = form.element.name == "together";
        let score = form.optional("score", |text| match value::score(text)? {
            score if score.0 > 0 => Ok(score),
            _ => Err("expected a score greater than zero: the name of the element says in which direction".to_owned()),
        });
        let score = score.unwrap_or(Score::INFINITY);
        let score = if together { score } else { Score(-score.0) };
        let words = form.required("services", |text| {
            let words: Vec<String> = text.split_ascii_whitespace().map(str::to_owned).collect();
            match words.len() {
                2..=MAX_LISTED => Ok(words),
                _ => Err(format!(
                    "expected the names of 2 to {MAX_LISTED} services, separated by spaces"
                )),
            }
        });
        let offset = form.element.place("services");
        let words = words.unwrap_or_default();
        let listed: Vec<_> = words
            .iter()
            .map(|word| self.targets(word, offset, form.problems))
            .collect();
        if score <= Score::NEG_INFINITY {
            self.facts.warn_of_too_many(&listed, form);
        }
        for (at, targets) in listed.iter().enumerate() {
            let earlier = if together { at.min(1) } else { at };
            for others in &listed[..earlier] {
                for (resource, with) in self.product(targets, others)? {
                    self.colocate(resource, with, score, form);
                }
            }
        }
        Some(())
    }

    fn colocate(
        &mut self,
        resource: &'d Target,
        with: &'d Target,
        score: Score,
        form: &mut Form<'_, '_, '_>,
    ) {
        let offset = form.element.offset;
        if let (Some(one), Some(other)) = (&resource.assembly, &with.assembly) {
            let (impossible, hint) = match one == other {
                true => (
                    score <= Score::NEG_INFINITY,
                    "they cannot be separate: remove this",
                ),
                false => (
                    score >= Score::INFINITY,
                    "they cannot be together: remove this",
                ),
            };
            if impossible {
                let message = format!(
                    "{} is pinned to assembly {}, {} to {}",
                    quote(&resource.resource),
                    quote(one),
                    quote(&with.resource),
                    quote(other)
                );
                form.problems.error(offset, message, hint.to_owned());
            }
        }
        let (resource, with) = (&resource.resource, &with.resource);
        if self.is_new("colocation", resource, with, offset, form.problems) {
            let (resource, with) = (resource.clone(), with.clone());
            self.found.push(Constraint::Colocation {
                resource,
                with,
                score: score.0,
            });
        }
    }

    fn location(&mut self, form: &mut Form<'_, '_, '_>) -> Option<()> {
        form.attributes(&["service", "assembly", "score"]);
        let score = form.required("score", value::score);
        let service = form.required("service", |text| Ok(text.to_owned()));
        let offset = form.element.place("service");
        let targets = service.map_or(&[][..], |name| self.targets(&name, offset, form.problems));
        let assembly = form.required("assembly", |text| Ok(text.to_owned()));
        let Some(assembly) = assembly else {
            return Some(());
        };
        let Some(assembly) = self.assemblies.get(assembly.as_str()).copied() else {
            let mut known = Vec::new();
            if form.problems.may_suggest() {
                known.extend(self.assemblies.iter().copied());
                known.sort_unstable();
            }
            let hint = form.problems.suggest(&assembly, known);
            let message = format!("there is no assembly {}", quote(&assembly));
            form.problems
                .error(form.element.place("assembly"), message, hint);
            return Some(());
        };
        self.pairs_left = self.pairs_left.checked_sub(targets.len())?;
        for target in targets {
            let (resource, offset) = (&target.resource, form.element.offset);
            if let Some(pinned) = &target.assembly {
                let (resource, pinned) = (quote(resource), quote(pinned));
                let message = format!("{resource} is pinned to assembly {pinned}");
                let hint = "it runs there or nowhere: remove this".to_owned();
                form.problems.error(offset, message, hint);
            } else if self.is_new("location", resource, assembly, offset, form.problems)
                && let Some(Score(score)) = score
            {
                let (resource, assembly) = (resource.clone(), assembly.to_owned());
                self.found.push(Constraint::Location {
                    resource,
                    assembly,
                    score,
                });
            }
        }
        Some(())
    }

    /// All pairs of the resources that two attributes name.
    fn pairs(
        &mut self,
        form: &mut Form<'_, '_, '_>,
        one: &str,
        other: &str,
    ) -> Option<impl Iterator<Item = (&'d Target, &'d Target)> + use<'d>> {
        let mut named = |name: &str| {
            let word = form.required(name, |text| Ok(text.to_owned()));
            word.map_or(&[][..], |word| {
                self.targets(&word, form.element.place(name), form.problems)
            })
        };
        let (ones, others) = (named(one), named(other));
        self.product(ones, others)
    }

    fn product(
        &mut self,
        ones: &'d [Target],
        others: &'d [Target],
    ) -> Option<impl Iterator<Item = (&'d Target, &'d Target)> + use<'d>> {
        let pairs = ones.len().checked_mul(others.len())?;
        self.pairs_left = self.pairs_left.checked_sub(pairs)?;
        Some(
            ones.iter()
                .flat_map(move |one| others.iter().map(move |other| (one, other))),
        )
    }

    /// What a name stands for; reports a name that stands for nothing.
    fn targets(&self, name: &str, offset: usize, problems: &mut Problems) -> &'d [Target] {
        let targets = self.names.targets(name);
        if targets.is_empty()
            && let Some(target) = self.names.original(name)
        {
            original::warn_of_id(name, &target.resource, offset, problems);
            return std::slice::from_ref(target);
        }
        if targets.is_empty() {
            let hint = problems.suggest(name, self.names.known());
            let message = format!("there is no service or group {}", quote(name));
            problems.error(offset, message, hint);
        }
        targets
    }

    /// Whether this is the first rule of its kind for the two; reports it otherwise.
    fn is_new(
        &mut self,
        kind: &'static str,
        one: &'d str,
        other: &'d str,
        offset: usize,
        problems: &mut Problems,
    ) -> bool {
        if one == other && kind != "location" {
            let message = format!("{} is related to itself", quote(one));
            problems.error(offset, message, "name two different services".to_owned());
            return false;
        }
        let new = self.seen.insert((kind, one, other));
        if !new {
            let (one, other) = (quote(one), quote(other));
            let message = format!("there is already a rule of this kind for {one} and {other}");
            problems.error(offset, message, "remove one of them".to_owned());
        }
        new
    }
}
