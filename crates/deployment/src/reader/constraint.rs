//! `<constraints>`: the short forms, their names resolved to resources, and contradictions among
//! them reported.

use std::collections::{HashMap, HashSet};

use super::Form;
use super::names::{Names, Target};
use crate::model::{Constraint, Deployment, OrderKind, Score};
use crate::problem::{Problems, quote};
use crate::tree::Element;
use crate::value;

/// Names that stand for several resources multiply; this bounds the pairs that a small document can
/// ask for.
const MAX_PAIRS: usize = 100_000;

/// Services of one `<together>` or `<separate>`.
const MAX_LISTED: usize = 64;

const ELEMENTS: [&str; 5] = [
    "service_dependency",
    "collocation",
    "together",
    "separate",
    "location",
];

pub(super) fn read(
    element: &Element<'_>,
    problems: &mut Problems,
    deployment: &mut Deployment,
    names: &Names,
) {
    let mut form = Form { element, problems };
    form.attributes(&[]);
    let children: Vec<_> = form.children(&ELEMENTS).collect();
    let assemblies = deployment
        .assemblies
        .iter()
        .map(|assembly| assembly.name.as_str())
        .collect();
    let mut reader = Reader {
        names,
        assemblies,
        seen: HashSet::new(),
        found: Vec::new(),
        edges: Vec::new(),
        room: MAX_PAIRS,
    };
    for child in children {
        let mut form = Form {
            element: child,
            problems,
        };
        form.children(&[]).for_each(drop);
        let complete = match child.name {
            "service_dependency" => reader.dependency(&mut form),
            "collocation" => reader.collocation(&mut form),
            "together" => reader.list(&mut form, true),
            "separate" => reader.list(&mut form, false),
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

struct Reader<'d> {
    names: &'d Names,
    assemblies: HashSet<&'d str>,
    /// Kind and pair of every constraint so far: their ids.
    seen: HashSet<(&'static str, &'d str, &'d str)>,
    found: Vec<Constraint>,
    /// First, then, and where it is said.
    edges: Vec<(&'d str, &'d str, usize)>,
    /// How many more pairs there may be.
    room: usize,
}

/// The methods for single elements give `None` when there is no more room for their pairs.
impl<'d> Reader<'d> {
    fn dependency(&mut self, form: &mut Form<'_, '_, '_>) -> Option<()> {
        form.attributes(&["first", "then", "kind"]);
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

    fn collocation(&mut self, form: &mut Form<'_, '_, '_>) -> Option<()> {
        form.attributes(&["service", "with", "score"]);
        let score = form
            .optional("score", value::score)
            .unwrap_or(Score::INFINITY);
        for (resource, with) in self.pairs(form, "service", "with")? {
            self.place_pair(resource, with, score, form);
        }
        Some(())
    }

    /// `<together services="a b c"/>`: the others with the first. `<separate …>`: each away from
    /// each.
    fn list(&mut self, form: &mut Form<'_, '_, '_>, together: bool) -> Option<()> {
        form.attributes(&["services", "score"]);
        let score = form.optional("score", |text| match value::score(text)? {
            score if score.0 > 0 => Ok(score),
            _ => Err(
                "expected a score greater than zero: the element says in which direction"
                    .to_owned(),
            ),
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
        for (at, targets) in listed.iter().enumerate() {
            let leaders = if together {
                &listed[..at.min(1)]
            } else {
                &listed[..at]
            };
            for leaders in leaders {
                for (resource, with) in self.product(targets, leaders)? {
                    self.place_pair(resource, with, score, form);
                }
            }
        }
        Some(())
    }

    fn place_pair(
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
        if self.is_new("collocation", resource, with, offset, form.problems) {
            let (resource, with) = (resource.clone(), with.clone());
            self.found.push(Constraint::Collocation {
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
        self.room = self.room.checked_sub(targets.len())?;
        for target in targets {
            let (resource, offset) = (&target.resource, form.element.offset);
            if let Some(pinned) = &target.assembly {
                let message = format!(
                    "{} is pinned to assembly {}",
                    quote(resource),
                    quote(pinned)
                );
                form.problems.error(
                    offset,
                    message,
                    "it runs there or nowhere: remove this".to_owned(),
                );
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

    /// All pairs of what two attributes name.
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
        self.room = self
            .room
            .checked_sub(ones.len().checked_mul(others.len())?)?;
        Some(
            ones.iter()
                .flat_map(move |one| others.iter().map(move |other| (one, other))),
        )
    }

    /// What a name stands for; reports it if that is nothing.
    fn targets(&self, name: &str, offset: usize, problems: &mut Problems) -> &'d [Target] {
        let targets = self.names.targets(name);
        if targets.is_empty() {
            let hint = problems.suggest(name, self.names.known());
            problems.error(
                offset,
                format!("there is no service or group {}", quote(name)),
                hint,
            );
        }
        targets
    }

    /// Whether this kind of rule between the two is said for the first time; reports it otherwise.
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
            let message = format!(
                "there is already a rule of this kind for {} and {}",
                quote(one),
                quote(other)
            );
            problems.error(offset, message, "remove one of them".to_owned());
        }
        new
    }
}

/// Reports dependencies that go in a circle: none of those services could ever start.
fn report_cycle(said: &[(&str, &str, usize)], deployment: &Deployment, problems: &mut Problems) {
    let mut graph = Graph::default();
    for group in &deployment.groups {
        for pair in deployment.services[group.members.clone()].windows(2) {
            graph.edge(&pair[0].id, &pair[1].id, None);
        }
    }
    for (first, then, offset) in said {
        graph.edge(first, then, Some(*offset));
    }
    if let Some((cycle, offset)) = graph.cycle() {
        const SHOWN: usize = 8;
        let mut names: Vec<String> = cycle.iter().take(SHOWN).map(|name| quote(name)).collect();
        if cycle.len() > SHOWN {
            names.push(format!("{} more", cycle.len() - SHOWN));
        }
        names.push(quote(cycle[0]));
        let message = format!("dependencies go in a circle: {}", names.join(" → "));
        problems.error(
            offset,
            message,
            "none of these services could ever start: remove one of the dependencies".to_owned(),
        );
    }
}

/// Services, and which of them start after which.
#[derive(Default)]
struct Graph<'n> {
    numbers: HashMap<&'n str, usize>,
    names: Vec<&'n str>,
    /// For each service those that start after it, and where the document says so (`None`: as
    /// members of a group).
    after: Vec<Vec<(usize, Option<usize>)>>,
}

impl<'n> Graph<'n> {
    fn number(&mut self, name: &'n str) -> usize {
        *self.numbers.entry(name).or_insert_with(|| {
            self.names.push(name);
            self.after.push(Vec::new());
            self.names.len() - 1
        })
    }

    fn edge(&mut self, first: &'n str, then: &'n str, offset: Option<usize>) {
        let (first, then) = (self.number(first), self.number(then));
        self.after[first].push((then, offset));
    }

    /// A cycle and the place of a dependency in it: depth-first search with a stack of its own.
    fn cycle(&self) -> Option<(Vec<&'n str>, usize)> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            OnPath,
            Done,
        }
        let mut marks = vec![Mark::New; self.names.len()];
        for start in 0..self.names.len() {
            if marks[start] != Mark::New {
                continue;
            }
            marks[start] = Mark::OnPath;
            // each service on the path with the next of its followers to visit, and where the step
            // to it is said
            let mut path: Vec<(usize, usize, Option<usize>)> = vec![(start, 0, None)];
            while let Some((at, next, _)) = path.last_mut() {
                let Some(&(then, offset)) = self.after[*at].get(*next) else {
                    marks[*at] = Mark::Done;
                    path.pop();
                    continue;
                };
                *next += 1;
                match marks[then] {
                    Mark::New => {
                        marks[then] = Mark::OnPath;
                        path.push((then, 0, offset));
                    }
                    Mark::OnPath => {
                        let begin = path
                            .iter()
                            .position(|(at, ..)| *at == then)
                            .unwrap_or_default();
                        let said = path[begin + 1..]
                            .iter()
                            .map(|(.., offset)| *offset)
                            .chain([offset])
                            .flatten()
                            .max();
                        let names = path[begin..]
                            .iter()
                            .map(|(at, ..)| self.names[*at])
                            .collect();
                        return said.map(|offset| (names, offset));
                    }
                    Mark::Done => {}
                }
            }
        }
        None
    }
}
