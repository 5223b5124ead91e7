//! Virtual execution (scheduler-spec/06 §D): injections into a CIB, and executing a graph on it.
//!
//! Stage interface: [`execute`], [`inject`].

use crate::Cib;
use crate::graph::TransitionGraph;
use crate::model::Cluster;

/// Injections of 06 §D.8, in the order in which they are done.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Injections {
    pub quorum: Option<String>,
    pub watchdog: Option<String>,
    pub nodes_up: Vec<String>,
    pub nodes_down: Vec<String>,
    pub nodes_failed: Vec<String>,
    pub tickets_granted: Vec<String>,
    pub tickets_revoked: Vec<String>,
    pub tickets_standby: Vec<String>,
    pub tickets_activated: Vec<String>,
    pub operations: Vec<String>,
}

/// Changes the CIB as requested; returns the lines that the simulator prints.
///
/// # Errors
/// Lines for standard error: specifications that cannot be understood; those are skipped.
pub fn inject(_cib: &mut Cib, _injections: &Injections, _now: i64) -> (Vec<String>, Vec<String>) {
    (Vec::new(), Vec::new())
}

/// Result of executing a graph.
#[derive(Clone, Debug, Default)]
pub struct Execution {
    /// Lines of `Executing Cluster Transition:`, in order.
    pub lines: Vec<String>,
    /// Every synapse fired (or failed as requested).
    pub complete: bool,
}

/// Executes `graph` on `cib` (06 §D.1–D.6). `cluster`: the one that made the graph, for display names. `failures`: `-F` specifications.
/// `now`: real time, epoch seconds, recorded as `last-rc-change`.
pub fn execute(
    _cib: &mut Cib,
    _cluster: &Cluster,
    _graph: &TransitionGraph,
    _failures: &[String],
    _now: i64,
) -> Execution {
    Execution::default()
}
