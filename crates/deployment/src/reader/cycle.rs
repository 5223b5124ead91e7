//! Cycles among dependencies.

use std::collections::HashMap;

use crate::model::Deployment;
use crate::problem::{Problems, quote};
use crate::report;

/// Reports dependencies that form a cycle: none of those services could ever start. `said`: what
/// starts first, what then, and where the document says so.
pub(super) fn report_cycle(
    said: &[(&str, &str, usize)],
    deployment: &Deployment,
    problems: &mut Problems,
) {
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
