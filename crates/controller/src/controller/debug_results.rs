//! What becomes of operations that administrators have resource agents do once.
//!
//! A monitor changes nothing: its record is not kept. What was started or stopped is: it is in its
//! agent's history, and the policy engine does not see it. Instead nothing is believed of the
//! service in that assembly until it was looked at again, as after a refresh, whichever DPE learns
//! of it. That the agent was killed, or the operation timed out, makes no difference.

use cpe_status::{DebugReport, DebugState};

use super::Controller;
use super::status::came_to;
use crate::machines::debugging::{LOOK_WITHIN_US, Session};
use crate::vocabulary::{
    AssemblyId, DEBUG, EventDraft, EventKind, Operation, Record, RecordState, STATUS_DONE,
    ServiceId, Task, Time,
};

/// What is said when a look has followed.
pub(super) const LOOKED: &str = "the engine has looked again";

impl Controller {
    /// An agent tells of an operation that was run once.
    pub(crate) fn debug_told(&mut self, now: Time, name: &AssemblyId, record: &Record) {
        let changes = record.changes();
        let Some(own) = self.assemblies.get_mut(name) else {
            return;
        };
        match record.state {
            RecordState::Pending if changes => {
                own.history_mut().insert(record.clone());
            }
            RecordState::Pending => {}
            RecordState::Cancelled => {
                let operation = &record.operation;
                if changes {
                    let history = own.history_mut();
                    history.settled_as(&operation.resource, &operation.id);
                    history.take_back(&operation.resource, &operation.id);
                }
                let text = "its agent took it back before it began: something else was asked for, or its guest goes down";
                self.debug_over(now, &operation.id, DebugState::NotRun, text);
                self.look_after_debug();
            }
            RecordState::Complete => self.debug_ended(now, name, record),
        }
    }

    fn debug_ended(&mut self, now: Time, name: &AssemblyId, record: &Record) {
        let operation = &record.operation;
        let resource = operation.resource.as_str();
        let told = self.execution.debugging().find(&operation.id);
        let mut is_news = told.is_some_and(Session::is_awaited);
        if record.changes() {
            if let Some(own) = self.assemblies.get_mut(name) {
                own.history_mut().settled_as(resource, &operation.id);
                own.history_mut().insert(record.clone());
            }
            // Told again, or by another DPE's time.
            let known = self.store.failure(name, resource).disbelieved();
            let is_due = known < Some(record.call_id);
            if is_due && self.has_another_agent(operation) {
                self.world_changed("what was run by hand is of another agent by now");
            } else if is_due {
                is_news = true;
                let facts = self.store.failure_mut(name, resource);
                facts.disbelieve(Some(record.call_id));
                facts.look();
                let action = &operation.action;
                self.world_changed(&format!("{action} of {resource} on {name} was run by hand"));
                self.observe(now, name, resource);
            }
        }
        if is_news {
            self.tell_debugged(now, name, record);
        }
        let report = self.report_of(name, record);
        let until_us = now.boottime_us + LOOK_WITHIN_US;
        if let Some(session) = self.execution.debugging_mut().find_mut(&operation.id)
            && session.is_awaited()
        {
            let before = std::mem::take(&mut session.report.before);
            session.report = DebugReport { before, ..report };
            session.until_us = until_us;
        }
    }

    /// The document names another resource agent by now, which cannot look: what was done counts.
    fn has_another_agent(&self, operation: &Operation) -> bool {
        let id = ServiceId::of_resource(&operation.resource);
        let meant = self.document.service(&id).map(|own| own.agent.as_str());
        // Of a template that does not say, nothing is known.
        meant.is_some_and(|meant| !meant.ends_with(':') && meant != agent(operation))
    }

    fn tell_debugged(&mut self, now: Time, name: &AssemblyId, record: &Record) {
        let operation = &record.operation;
        let by = operation.annotations.get(DEBUG).map_or("", String::as_str);
        let asked = match by {
            "" => String::new(),
            by => format!(", asked for by {by}"),
        };
        let event = EventDraft::new(EventKind::ServiceDebugged)
            .assembly(name)
            .service(&ServiceId::of_resource(&operation.resource))
            .state(state(record))
            .reason(format!("{}{asked}", record.describe()))
            .detail("operation", &operation.action)
            .detail("status", record.status)
            .detail("rc", record.rc)
            .detail("by", by);
        self.tell(now, event);
    }

    /// It came to no result.
    fn debug_over(&mut self, now: Time, id: &str, state: DebugState, why: &str) {
        let Some(session) = self
            .execution
            .debugging_mut()
            .find_mut(id)
            .filter(|own| own.is_running())
        else {
            return;
        };
        session.report.state = state;
        session.report.remark = why.to_owned();
        let (name, by) = (session.assembly.clone(), session.by.clone());
        let event = EventDraft::new(EventKind::ServiceDebugged)
            .assembly(&name)
            .service(&ServiceId::of_resource(&session.resource))
            .state(state.as_str())
            .reason(format!("{}: {why}, asked for by {by}", session.report.verb))
            .detail("operation", &session.report.verb)
            .detail("by", by);
        self.tell(now, event);
    }

    /// An agent does not do what it was asked. `true`: it is such an operation.
    pub(crate) fn debug_refused(
        &mut self,
        now: Time,
        name: &AssemblyId,
        id: &str,
        why: &str,
    ) -> bool {
        let Some(session) = self.execution.debugging().find(id) else {
            return false;
        };
        let resource = session.resource.clone();
        if session.changes
            && let Some(own) = self.assemblies.get_mut(name)
        {
            own.history_mut().settled_as(&resource, id);
        }
        let text = format!("its agent refused it: {why}");
        self.debug_over(now, id, DebugState::NotRun, &text);
        self.look_after_debug();
        true
    }

    /// What was to be looked at has waited for such an operation, which has changed nothing.
    fn look_after_debug(&mut self) {
        if self.looks_wait() {
            self.world_changed("what was to be run by hand was not");
        }
    }

    /// An agent has told its whole history.
    pub(crate) fn debug_history(&mut self, now: Time, name: &AssemblyId, told: &[Record]) {
        for record in told {
            self.debug_told(now, name, record);
        }
        let open = self.execution.debugging().open();
        let missing = open.filter(|own| {
            own.assembly == *name
                && own.is_running()
                && !told.iter().any(|it| it.operation.id == own.report.id)
        });
        let missing: Vec<String> = missing.map(|own| own.report.id.clone()).collect();
        for id in missing {
            let text =
                "its agent knows nothing of it: it never came there, or the guest was booted since";
            self.debug_over(now, &id, DebugState::Lost, text);
        }
    }

    /// What was awaited long enough, and what was looked at.
    pub(crate) fn age_debugging(&mut self, now: Time) {
        let open: Vec<_> = self.execution.debugging().open().cloned().collect();
        for session in open {
            let (name, resource) = (&session.assembly, session.resource.as_str());
            let own = self.assemblies.get(name);
            let is_late = session.until_us <= now.boottime_us;
            if session.is_running() {
                let why = match own {
                    Some(own) if !own.is_safe() && !is_late => continue,
                    Some(own) if !own.is_safe() => "its agent did not tell a result in time",
                    _ => "its assembly was made safe, or is not in the document any more",
                };
                self.debug_over(now, &session.report.id, DebugState::Lost, why);
                continue;
            }
            let key = (name.clone(), resource.to_owned());
            let facts = self.store.failures().get(&key);
            let after = facts.and_then(|facts| facts.disbelieved()).unwrap_or(0);
            let looked = own.is_some_and(|own| own.history().has_looked_since(resource, after));
            let given_up = facts.is_none_or(|facts| !facts.is_looked_for());
            let remark = match (looked, given_up, is_late) {
                (true, _, _) => LOOKED,
                (_, true, _) => "the engine cannot look there: it goes by what was done",
                (_, _, true) => "the engine has not looked yet: something else is under way",
                _ => continue,
            };
            let belief = self.belief(name, &ServiceId::of_resource(resource));
            if let Some(session) = self.execution.debugging_mut().find_mut(&session.report.id) {
                session.report.state = DebugState::Done;
                session.report.belief = belief.to_owned();
                session.report.remark = remark.to_owned();
            }
        }
    }

    /// What can be said of such an operation by its record.
    pub(super) fn report_of(&self, name: &AssemblyId, record: &Record) -> DebugReport {
        let operation = &record.operation;
        let id = ServiceId::of_resource(&operation.resource);
        let ended = record.state == RecordState::Complete;
        let belief = self.belief(name, &id);
        let (state, remark) = match (ended, record.changes()) {
            (false, _) => (DebugState::Running, String::new()),
            (true, true) => (DebugState::Looking, String::new()),
            (true, false) => (DebugState::Done, contradiction(record, belief)),
        };
        DebugReport {
            id: operation.id.clone(),
            deployment: self.name.clone(),
            verb: operation.action.to_string(),
            service: operation.resource.clone(),
            assembly: name.to_string(),
            agent: agent(operation),
            timeout_ms: operation.timeout_ms,
            state,
            rc: (ended && record.status == STATUS_DONE).then_some(record.rc),
            meaning: meaning(record),
            reason: record.exit_reason.clone(),
            took_ms: ended.then_some(record.exec_ms),
            said: record.said.as_deref().cloned(),
            output: record.output.clone(),
            before: String::new(),
            belief: belief.to_owned(),
            remark,
        }
    }
}

/// The resource agent of an operation, as documents write it.
pub(super) fn agent(operation: &Operation) -> String {
    match operation.provider.as_str() {
        "" => format!("{}:{}", operation.class, operation.kind),
        provider => format!("{}:{provider}:{}", operation.class, operation.kind),
    }
}

/// What became of it, in words.
fn meaning(record: &Record) -> String {
    if record.state != RecordState::Complete {
        return "has not ended".to_owned();
    }
    match record.is_unknown() {
        true => "its agent was killed: nobody knows".to_owned(),
        false => came_to(record),
    }
}

/// The state that an event of it leads to.
fn state(record: &Record) -> &'static str {
    let went_well = match record.operation.action {
        Task::Monitor => matches!(record.rc, 0 | 7 | 8 | 190 | 191),
        _ => record.rc == 0,
    };
    match record.status == STATUS_DONE && went_well {
        true => "done",
        false => "failed",
    }
}

/// A look that changes nothing has found something else than is believed.
fn contradiction(record: &Record, belief: &str) -> String {
    let found = match (record.status, record.rc) {
        (STATUS_DONE, 0 | 8 | 190 | 191) => "running",
        (STATUS_DONE, 7) => "not running",
        _ => return "the engine counts nothing of it, and believes what it did".to_owned(),
    };
    match found == belief {
        true => "the engine counts nothing of it, and believes the same".to_owned(),
        false => {
            "the engine believes otherwise, and counts nothing of it: cpectl refresh has it look"
                .to_owned()
        }
    }
}
