//! The DPE's process, and what survives it.

use std::collections::{BTreeMap, VecDeque};

use controller::{AssemblyId, Change, Connect, Effect, Event, Input, Refusal};

use crate::mutants::Subject;
use crate::queue::SimEvent;

/// The DPE's process, and what is left of it on disk.
#[derive(Default)]
pub(crate) struct Shell {
    /// Counts starts.
    pub start: u64,
    pub controller: Option<Subject>,
    /// Is given the same inputs at the same times, and must want the same.
    pub shadow: Option<Subject>,
    /// Effects that the shadow gave and that were not compared yet.
    pub shadow_effects: VecDeque<Effect>,
    /// On disk.
    pub table: BTreeMap<String, String>,
    pub inbox: VecDeque<Input>,
    /// Why what was asked for last was refused.
    pub refused: Option<Refusal>,
    pub slow_disk_until_us: u64,
    /// Nothing can be written until then, µs.
    pub disk_full_until_us: u64,
    /// Changes that are not written yet.
    pub unsaved: Vec<Change>,
    /// Effects that wait for them, each with the generation that the controller had then.
    pub held: VecDeque<(u64, Effect)>,
    /// Generation that the controller had when it wanted what is being carried out.
    pub wanted_under: u64,
    /// Epochs that guests have told of, above the DPE's own.
    pub seen_epochs: BTreeMap<AssemblyId, u64>,
    /// The newest save, kept apart from the table.
    pub newest_save: String,
    /// A DPE was given a document before. Who looks after it knows, whatever is in the table.
    pub loaded_before: bool,
    /// By address: the assembly that was reached there, by the document in force or, if there is
    /// none, by the last one.
    pub owners: BTreeMap<String, String>,
    /// How often the table became another one.
    pub losses: u64,
    /// Services were left running on purpose, and no document was loaded since: the deployment does
    /// not exist.
    pub left: bool,
    /// A backup of the table.
    pub backup: Option<BTreeMap<String, String>>,
    /// When the deployment has ended it is created again, while this guest is out of reach for this
    /// time, µs.
    pub recreate: Option<(usize, u64)>,
    /// Effects until the process dies.
    pub dies_after: Option<u64>,
    /// The process is stopped until then, µs.
    pub stopped_until_us: u64,
    /// What waits in its sockets and timers meanwhile, oldest first.
    pub waiting: VecDeque<SimEvent>,
    pub wants: BTreeMap<AssemblyId, Connect>,
    pub streams: BTreeMap<AssemblyId, u64>,
    pub unacknowledged: Vec<Event>,
    pub planned_tick_us: Option<u64>,
    pub ticks: u64,
    /// How often it was asked whether there is room after a loss.
    pub rooms: u64,
    pub transitions: u64,
    /// Of these, the last ones after which nobody was told to do anything, and since when, µs.
    pub in_vain: (u64, u64),
    /// Of all transitions, those that took over what was under way.
    pub taken_over: u64,
    pub unloaded: bool,
}

impl Shell {
    /// A row as it is, or will be when the disk has taken what waits for it.
    pub(crate) fn row(&self, key: &str) -> Option<&String> {
        let waiting = self.unsaved.iter().rev().find(|change| change.key == key);
        match waiting {
            Some(change) => change.value.as_ref(),
            None => self.table.get(key),
        }
    }
}

/// The beginning of a text, for the trace.
pub(crate) fn brief(text: &str) -> String {
    text.chars().take(200).collect()
}
