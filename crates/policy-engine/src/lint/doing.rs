//! What an action does, as a small number.

use std::sync::Arc;

use crate::model::{Task, Text};

/// A task that the scheduler knows, or any other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Doing {
    Start,
    Stop,
    Promote,
    Demote,
    Monitor,
    Notified,
    Running,
    Stopped,
    Promoted,
    Demoted,
    MigrateTo,
    MigrateFrom,
    Delete,
    LrmDelete,
    ClearFailcount,
    Stonith,
    /// What no rule asks for.
    Other,
}

impl Doing {
    /// The number of variants.
    pub(super) const COUNT: usize = Doing::Other as usize + 1;

    pub(super) fn of(task: &Task) -> Doing {
        match task {
            Task::Start => Doing::Start,
            Task::Stop => Doing::Stop,
            Task::Promote => Doing::Promote,
            Task::Demote => Doing::Demote,
            Task::Monitor => Doing::Monitor,
            Task::Notified => Doing::Notified,
            Task::Running => Doing::Running,
            Task::Stopped => Doing::Stopped,
            Task::Promoted => Doing::Promoted,
            Task::Demoted => Doing::Demoted,
            Task::MigrateTo => Doing::MigrateTo,
            Task::MigrateFrom => Doing::MigrateFrom,
            Task::Delete => Doing::Delete,
            Task::LrmDelete => Doing::LrmDelete,
            Task::ClearFailcount => Doing::ClearFailcount,
            Task::Stonith => Doing::Stonith,
            _ => Doing::Other,
        }
    }

    /// The task that completes this task of a group, clone or bundle.
    pub(super) fn completion(self) -> Option<Doing> {
        Some(match self {
            Doing::Start => Doing::Running,
            Doing::Stop => Doing::Stopped,
            Doing::Promote => Doing::Promoted,
            Doing::Demote => Doing::Demoted,
            _ => return None,
        })
    }
}

/// Names of tasks, as the heads of a graph share them.
#[derive(Default)]
pub(super) struct Names<'g> {
    /// The last one found comes first.
    known: Vec<(&'g Text, Doing)>,
}

impl<'g> Names<'g> {
    pub(super) fn find(&mut self, name: &'g Text) -> Doing {
        let mut known = self.known.iter();
        match known.position(|(known, _)| Arc::ptr_eq(known, name)) {
            Some(0) => self.known[0].1,
            Some(at) => {
                self.known.swap(0, at);
                self.known[0].1
            }
            None => {
                let doing = Doing::of(&Task::parse(name));
                // A graph of another origin may share none.
                if self.known.len() < 64 {
                    self.known.push((name, doing));
                }
                doing
            }
        }
    }
}
