//! Cycles among dependencies.

use std::collections::HashMap;

use crate::model::Deployment;
use crate::problem::{Problems, quote};
use crate::report;

/// Reports dependencies that form a cycle: none of those services could ever start. `dependencies`:
/// what starts first, what then, and where the document says so.
pub(super) fn report_cycle(
    dependencies: &[(&str, &str, usize)],
    deployment: &Deployment,
    problems: &mut Problems,
) {
    let mut graph = Graph::default();
    for group in &deployment.groups {
        for pair in deployment.services[group.members.clone()].windows(2) {
            graph.edge(&pair[0].id, &pair[1].id, None);
        }
    }
    for (first, then, offset) in dependencies {
        graph.edge(first, then, Some(*offset));
    }
    if let Some((cycle, offset)) = graph.cycle() {
        let names = cycle.iter().map(|name| quote(name));
        let names = report::cycle(names, quote(cycle[0]));
        let message = format!("dependencies form a cycle: {names}");
        let hint = "none of these services could ever start: remove one of the dependencies";
        problems.error(offset, message, hint.to_owned());
    }
}

/// How far the search has come with a service.
#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    OnPath,
    Done,
}

/// A service on the path of the search.
struct Step {
    service: usize,
    /// Which of its followers is visited next.
    next: usize,
    /// Where the document says that it follows the one before.
    offset: Option<usize>,
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

    /// A cycle, and the place of a dependency in it.
    fn cycle(&self) -> Option<(Vec<&'n str>, usize)> {
        let mut marks = vec![Mark::New; self.names.len()];
        (0..self.names.len()).find_map(|start| self.cycle_from(start, &mut marks))
    }

    /// Depth-first search from one service, with a stack of its own.
    fn cycle_from(&self, start: usize, marks: &mut [Mark]) -> Option<(Vec<&'n str>, usize)> {
        if marks[start] != Mark::New {
            return None;
        }
        marks[start] = Mark::OnPath;
        let mut path = vec![Step {
            service: start,
            next: 0,
            offset: None,
        }];
        while let Some(step) = path.last_mut() {
            let Some(&(then, offset)) = self.after[step.service].get(step.next) else {
                marks[step.service] = Mark::Done;
                path.pop();
                continue;
            };
            step.next += 1;
            match marks[then] {
                Mark::New => {
                    marks[then] = Mark::OnPath;
                    path.push(Step {
                        service: then,
                        next: 0,
                        offset,
                    });
                }
                Mark::OnPath => {
                    let begin = path.iter().position(|step| step.service == then);
                    let cycle = &path[begin.unwrap_or_default()..];
                    let inside = cycle[1..].iter().map(|step| step.offset);
                    let place = inside.chain([offset]).flatten().max();
                    let names = cycle.iter().map(|step| self.names[step.service]);
                    return place.map(|place| (names.collect(), place));
                }
                Mark::Done => {}
            }
        }
        None
    }
}
