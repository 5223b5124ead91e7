//! One operation that an administrator has a resource agent do once: the question what it would be,
//! and the answer, which is the order.

use policy_engine::{Cib, RunOptions, SingleOperation, single_operation};

use super::engine_input::{Zones, only_utc};
use super::ids::{AssemblyId, ServiceId};
use super::input::Refusal;
use super::task::Task;

/// What an administrator may have a resource agent do once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebugTask {
    /// To look, which changes nothing.
    Monitor,
    /// To start what is left alone.
    Start,
    /// To stop what is left alone.
    Stop,
}

impl DebugTask {
    /// All of them.
    pub const ALL: [DebugTask; 3] = [DebugTask::Monitor, DebugTask::Start, DebugTask::Stop];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            DebugTask::Monitor => "monitor",
            DebugTask::Start => "start",
            DebugTask::Stop => "stop",
        }
    }

    pub(crate) fn task(self) -> Task {
        Task::from(self.as_str())
    }
}

/// What is asked of the policy engine before an operation is run once: what its own operation would
/// be. As with [`EngineInput`](crate::EngineInput), a shell has it answered beside everything else.
#[derive(Clone, Debug)]
pub struct DebugInput {
    pub(crate) cib: String,
    pub(crate) now_s: i64,
    pub(crate) task: DebugTask,
    pub(crate) service: ServiceId,
    pub(crate) assembly: AssemblyId,
    /// What the answer holds for.
    pub(crate) basis: String,
}

/// An operation to be run once: [`Input::Debug`](crate::Input).
#[derive(Clone, Debug)]
pub struct DebugOrder {
    pub(crate) task: DebugTask,
    pub(crate) assembly: AssemblyId,
    pub(crate) single: SingleOperation,
    pub(crate) basis: String,
}

impl DebugInput {
    /// As [`DebugInput::answer_in`], where no zone is known but UTC.
    ///
    /// # Errors
    /// As there.
    pub fn answer(self) -> Result<DebugOrder, Refusal> {
        self.answer_in(only_utc)
    }

    /// Finds the operation out. Pure; takes less than a decision. `zones` knows the rules of the
    /// time zone that the input names.
    ///
    /// # Errors
    /// [`Refusal::NotReady`] if the policy engine cannot read its input;
    /// [`Refusal::InvalidArgument`]: the service has no such operation there.
    pub fn answer_in(self, zones: Zones) -> Result<DebugOrder, Refusal> {
        let cib = Cib::parse_accepted(&self.cib);
        let cib = cib.map_err(|error| Refusal::NotReady(error.to_string()))?;
        let run = RunOptions {
            zone: cib.zone(zones).map_err(Refusal::NotReady)?,
            ..RunOptions::default()
        };
        let mut cluster = policy_engine::load(&cib, self.now_s, run);
        let task = policy_engine::model::Task::parse(self.task.as_str());
        let (service, assembly) = (self.service.as_str(), self.assembly.as_str());
        let single = single_operation(&mut cluster, service, assembly, task);
        let single = single.ok_or_else(|| {
            Refusal::InvalidArgument(format!(
                "{service} is no service with a resource agent of its own that could run on {assembly}"
            ))
        })?;
        Ok(DebugOrder {
            task: self.task,
            assembly: self.assembly,
            single,
            basis: self.basis,
        })
    }
}
