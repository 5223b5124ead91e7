//! The modules of a crate: where a path leads, and on which floor that is.

use std::collections::{BTreeMap, BTreeSet};

use crate::reader::{self, Module};
use crate::{Fault, Floors, Violation};

/// All modules, without those for tests.
pub(crate) struct Tree {
    modules: BTreeMap<Vec<String>, (String, Module)>,
}

impl Tree {
    pub(crate) fn read(files: &[(String, String)]) -> Tree {
        let mut modules = BTreeMap::new();
        for (file, text) in files {
            for module in reader::read(module_path(file), text) {
                modules.insert(module.path.clone(), (file.clone(), module));
            }
        }
        let tests: BTreeSet<Vec<String>> = modules
            .values()
            .flat_map(|(_, module): &(String, Module)| {
                let child = |name: &String| [&module.path[..], std::slice::from_ref(name)].concat();
                module.tests.iter().map(child).collect::<Vec<_>>()
            })
            .collect();
        modules.retain(|path, _| !(1..=path.len()).any(|end| tests.contains(&path[..end])));
        Tree { modules }
    }

    /// Every module with its file.
    pub(crate) fn modules(&self) -> impl Iterator<Item = (&str, &Module)> {
        self.modules
            .values()
            .map(|(file, module)| (&**file, module))
    }

    /// The path from the root that a path written in `module` stands for. `None` if it leads to
    /// another crate, or is not a path to a module (an associated item, a variant).
    pub(crate) fn resolve(&self, module: &Module, written: &[String]) -> Option<Vec<String>> {
        self.resolve_from(module, written, &mut Vec::new())
    }

    /// `under_way`: imports that are being followed; an import may have the name of what it
    /// imports (`use model::model`), which is no reason to go round in circles.
    fn resolve_from(
        &self,
        module: &Module,
        written: &[String],
        under_way: &mut Vec<(Vec<String>, String)>,
    ) -> Option<Vec<String>> {
        let (first, rest) = written.split_first()?;
        let mut path = match first.as_str() {
            "crate" => Vec::new(),
            "self" => module.path.clone(),
            "super" => parent(&module.path),
            name => {
                let key = (module.path.clone(), name.to_owned());
                let import = module.imports.iter().find(|(import, _)| import == name);
                match import {
                    Some((_, target)) if !under_way.contains(&key) => {
                        under_way.push(key);
                        let target = self.resolve_from(module, target, under_way);
                        under_way.pop();
                        target?
                    }
                    _ => {
                        let child = [&module.path[..], &[name.to_owned()]].concat();
                        self.modules.contains_key(&child).then_some(child)?
                    }
                }
            }
        };
        for segment in rest {
            if segment == "super" {
                path = parent(&path);
            } else if segment != "self" {
                path.push(segment.clone());
            }
        }
        Some(path)
    }

    /// Where a path leads in the end, if it leads through re-exports of the root (or of a folder
    /// whose children are stages).
    fn through_root(&self, path: &[String], floors: Floors<'_>) -> Vec<String> {
        let mut path = path.to_vec();
        for _ in 0..self.modules.len() {
            if stage_of(&path, floors).is_some() {
                break;
            }
            let known = (0..=path.len()).rev().find_map(|end| {
                let (_, module) = self.modules.get(&path[..end])?;
                Some((end, module))
            });
            let Some((end, module)) = known else { break };
            let Some(next) = path.get(end) else { break };
            let Some((_, target)) = module.imports.iter().find(|(name, _)| name == next) else {
                break;
            };
            let Some(mut target) = self.resolve(module, target) else {
                break;
            };
            target.extend_from_slice(&path[end + 1..]);
            path = target;
        }
        path
    }

    /// What is wrong if the module `from` uses `target`.
    pub(crate) fn fault(
        &self,
        from: &[String],
        target: &[String],
        floors: Floors<'_>,
    ) -> Option<Fault> {
        let (floor, stage) = stage_of(from, floors)?;
        let stage = stage.to_owned();
        let path = format!("crate::{}", target.join("::"));
        let target = self.through_root(target, floors);
        match stage_of(&target, floors) {
            None => Some(Fault::Root { stage, path }),
            Some((_, used)) if used == stage => None,
            Some((above, _)) if above > floor => Some(Fault::Upward { stage, path }),
            Some((same, _)) if same == floor => Some(Fault::Sideways { stage, path }),
            Some(_) => None,
        }
    }

    /// Modules without a floor, and stages without a module.
    pub(crate) fn placement(&self, floors: Floors<'_>) -> Vec<Violation> {
        let mut violations = Vec::new();
        for (file, module) in self.modules() {
            if stage_of(&module.path, floors).is_none() && !is_above(&module.path, floors) {
                violations.push(Violation {
                    file: file.to_owned(),
                    line: 0,
                    fault: Fault::Unplaced {
                        module: module.path.join("::"),
                    },
                });
            }
        }
        for stage in floors.concat() {
            let path: Vec<String> = stage.split("::").map(str::to_owned).collect();
            if !self.modules.contains_key(&path) {
                violations.push(Violation {
                    file: String::new(),
                    line: 0,
                    fault: Fault::Missing {
                        module: stage.to_owned(),
                    },
                });
            }
        }
        violations
    }
}

/// The floor and the name of the stage to which a path belongs: the longest that fits.
fn stage_of<'a>(path: &[String], floors: Floors<'a>) -> Option<(usize, &'a str)> {
    let mut found: Option<(usize, &str)> = None;
    for (floor, stages) in floors.iter().enumerate() {
        for stage in *stages {
            let is_longer = found.is_none_or(|(_, best)| best.len() < stage.len());
            if is_longer && starts_with(path, stage) {
                found = Some((floor, stage));
            }
        }
    }
    found
}

fn starts_with(path: &[String], stage: &str) -> bool {
    let mut path = path.iter();
    stage
        .split("::")
        .all(|segment| path.next().is_some_and(|name| name == segment))
}

/// Whether a module is the root or a folder whose children are stages.
fn is_above(path: &[String], floors: Floors<'_>) -> bool {
    let prefix = path.join("::");
    path.is_empty()
        || floors.iter().flat_map(|stages| *stages).any(|stage| {
            stage
                .strip_prefix(&*prefix)
                .is_some_and(|rest| rest.starts_with("::"))
        })
}

fn parent(path: &[String]) -> Vec<String> {
    path[..path.len().saturating_sub(1)].to_vec()
}

/// The module that a file is: `FOLDER/FILE.rs` and `FOLDER/FILE/mod.rs` are `FOLDER::FILE`.
fn module_path(file: &str) -> Vec<String> {
    let mut path: Vec<String> = file
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    let is_parent = path.last().is_some_and(|last| {
        last == "mod" || (path.len() == 1 && (last == "lib" || last == "main"))
    });
    if is_parent {
        path.pop();
    }
    path
}
