//! How a seed is run, and what came of it.

use std::collections::BTreeMap;

use crate::faults::Kind;
use crate::mutants::Mutant;

/// How to run a seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Keep a trace of everything.
    pub trace: bool,
    /// Run a second controller beside the first and compare their effects.
    pub shadow: bool,
    /// Make a digest of everything that the controller does.
    pub digest: bool,
    /// Have the controller make this mistake.
    pub mutant: Option<Mutant>,
    /// Have a document that says everything that documents can.
    pub rich: bool,
    /// Add faults of this kind.
    pub fault: Option<Kind>,
}

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Invariants that did not hold, with virtual time. Empty: all is well.
    pub violations: Vec<String>,
    /// What happened, if asked for.
    pub trace: Vec<String>,
    /// The engine inputs of its transitions, by name: CIBs. With a trace only.
    pub inputs: Vec<(String, String)>,
    /// It never rests, and the controller is not to blame: where its last decision is carried out
    /// to the letter, Pacemaker's scheduler too has something to do at once.
    pub restless: bool,
    /// SimEvents processed.
    pub steps: u64,
    /// Virtual seconds.
    pub seconds: u64,
    /// Starts of the DPE.
    pub starts: u64,
    /// Events in the log.
    pub events: usize,
    /// Transitions begun.
    pub transitions: u64,
    /// Of these, those that took over what was under way.
    pub taken_over: u64,
    /// Faults that were injected, by kind.
    pub faults: BTreeMap<Kind, u64>,
    /// Of everything that the controller did, if asked for: the same in two builds that behave the
    /// same.
    pub digest: u64,
}
