//! Operations that administrators have resource agents do once: how far each is, for those who ask.
//!
//! Nothing here is durable, and nothing is decided by it. What such an operation has changed is in
//! its agent's history, marked as such: see `controller/debug_results.rs`.
//!
//! ```text
//!            ended                          looked at
//!  running ────────▶ looking (start, stop) ───────────▶ done
//!     │  └─ ended (monitor) ──────────────────────────▶
//!     └── not run, lost
//! ```

use std::collections::VecDeque;

use cpe_status::{DebugReport, DebugState};

use crate::vocabulary::{AssemblyId, SECOND};

/// Operations that are under way at a time, at most: a person looks at each.
pub(crate) const MOST_RUNNING: usize = 8;
/// Those that have ended are remembered for a while: at most this number.
const MOST_KEPT: usize = 32;
/// How long whoever asked is told that a look is awaited, µs.
pub(crate) const LOOK_WITHIN_US: u64 = 60 * SECOND;

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub report: DebugReport,
    pub assembly: AssemblyId,
    pub resource: String,
    /// It starts or stops something.
    pub changes: bool,
    /// Boot time, µs: when a result is overdue, or the look is.
    pub until_us: u64,
    /// Who asked.
    pub by: String,
}

impl Session {
    pub(crate) fn is_running(&self) -> bool {
        self.report.state == DebugState::Running
    }

    /// A result of it is news, late as it may be.
    pub(crate) fn is_awaited(&self) -> bool {
        self.is_running() || self.report.state == DebugState::Lost
    }

    pub(crate) fn is_looking(&self) -> bool {
        self.report.state == DebugState::Looking
    }
}

/// All that are known.
#[derive(Debug, Default)]
pub(crate) struct Debugging {
    sessions: VecDeque<Session>,
    /// How many there were.
    begun: u32,
}

impl Debugging {
    /// The number of the next one, counted down from the highest: the actions of a graph count up.
    pub(crate) fn next_action(&self) -> u32 {
        u32::MAX - self.begun
    }

    pub(crate) fn begin(&mut self, session: Session) {
        self.begun = self.begun.wrapping_add(1);
        while self.sessions.len() >= MOST_KEPT + MOST_RUNNING {
            let over = self.sessions.iter().position(|own| !own.is_running());
            self.sessions.remove(over.unwrap_or(0));
        }
        self.sessions.push_back(session);
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Session> {
        self.sessions.iter().find(|own| own.report.id == id)
    }

    pub(crate) fn find_mut(&mut self, id: &str) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|own| own.report.id == id)
    }

    /// Those that have not ended, or whose look is awaited.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Session> {
        let open = |own: &&Session| own.is_running() || own.is_looking();
        self.sessions.iter().filter(open)
    }

    /// The id of the last one.
    pub(crate) fn last(&self) -> Option<&str> {
        Some(&self.sessions.back()?.report.id)
    }

    /// When the next one is overdue, boot time, µs.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.open().map(|own| own.until_us).min()
    }
}
