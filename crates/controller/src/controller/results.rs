//! Results: what agents report about operations, and what takes the place of results that never
//! come.

use super::Controller;
use crate::machines::history::Slot;
use crate::machines::run::{Run, Work};
use crate::vocabulary::{
    AssemblyId, Operation, Record, RecordState, STATUS_CANCELLED, STATUS_ERROR, STATUS_TIMEOUT,
    ServiceId, Spec, Task, Time,
};

impl Controller {
    /// An agent's whole history, in place of what was known.
    pub(crate) fn take_history(&mut self, now: Time, name: &AssemblyId, records: Vec<Record>) {
        let debugged: Vec<Record> = records.iter().filter(|it| it.is_debug()).cloned().collect();
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        assembly.history_mut().replace(records);
        let known: Vec<Record> = assembly.history().records().cloned().collect();
        let mut resources: Vec<String> = known
            .iter()
            .map(|record| record.operation.resource.clone())
            .collect();
        resources.extend(
            self.store
                .services()
                .iter()
                .filter(|(_, facts)| facts.runs_on(name))
                .map(|(id, _)| id.to_string()),
        );
        resources.sort();
        resources.dedup();
        for record in known.iter().filter(|record| record.failed()) {
            self.failed_result(now, name, record);
        }
        self.debug_history(now, name, &debugged);
        for resource in &resources {
            self.observe(now, name, resource);
        }
        self.settle_doubt(name);
        // What was under way: ended, still running, or never received.
        for index in self.execution.runs_in(name) {
            let Some(run) = self.execution.run(index).cloned() else {
                continue;
            };
            let id = run.operation().map(|operation| operation.id.as_str());
            let obsolete = id.is_some() && !self.execution.may_begin(index);
            let known = id.and_then(|id| known.iter().find(|record| record.operation.id == id));
            match known {
                Some(record) if record.state == RecordState::Pending => {
                    self.wait(index, record);
                }
                Some(record) => self.confirm(index, record),
                // This host does it, whatever the agent says.
                None if run.operation().is_some_and(Operation::is_of_device) => {}
                // The world has changed since it was sent: the service may have been seen
                // elsewhere.
                None if obsolete => self.end(index, false),
                // It was taken over, and what it would wait for by now has not ended.
                None if self.execution.is_early(index) => {
                    self.end(index, false);
                    self.world_changed(&format!("an order to {name} was lost"));
                }
                None => self.send(name, &run.work),
            }
        }
    }

    /// An operation ended, or a recurring one has a new result.
    pub(crate) fn operation_completed(&mut self, now: Time, name: &AssemblyId, record: Record) {
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        if !assembly.is_heard() || !assembly.contact().is_up() {
            return;
        }
        if record.is_debug() {
            self.debug_told(now, name, &record);
            return;
        }
        let operation = &record.operation;
        if record.state == RecordState::Pending {
            let run = self.execution.run_of(name, &operation.id);
            if run.is_some() {
                assembly.history_mut().settled(&operation.resource);
            }
            assembly.history_mut().insert(record.clone());
            if let Some(index) = run {
                self.wait(index, &record);
            }
            return;
        }
        if record.state == RecordState::Cancelled || record.status == STATUS_CANCELLED {
            if operation.interval_ms == 0 {
                self.taken_back(name, operation);
                return;
            }
            self.cancelled(
                name,
                &operation.resource,
                &operation.action,
                operation.interval_ms,
            );
            return;
        }
        if operation.is_of_device() {
            return;
        }
        self.take_result(now, name, record);
    }

    /// An agent has taken an operation in and may wait for its start delay. A recurring one is in
    /// force by that: nothing waits for its first turn, which may come in a day.
    fn wait(&mut self, index: usize, record: &Record) {
        let operation = &record.operation;
        if operation.start_delay_ms() == 0 || record.started > 0 {
            return;
        }
        match operation.interval_ms {
            0 => self.execution.wait(index),
            _ => self.end(index, true),
        }
    }

    /// An agent does not do an operation that it has not begun: something else was asked for since,
    /// or its guest leaves.
    fn taken_back(&mut self, name: &AssemblyId, operation: &Operation) {
        if let Some(assembly) = self.assemblies.get_mut(name) {
            let history = assembly.history_mut();
            history.take_back(&operation.resource, &operation.id);
        }
        if let Some(index) = self.execution.run_of(name, &operation.id) {
            let Operation {
                action, resource, ..
            } = operation;
            self.world_changed(&format!("{action} of {resource} on {name} was taken back"));
            self.stop_awaiting(index);
        }
    }

    /// Does not wait for an action of an aborted transition, of which nothing was done.
    pub(crate) fn stop_awaiting(&mut self, index: usize) {
        if let Some(run) = self.execution.let_go(index)
            && let Some(operation) = run.operation()
            && let Some(assembly) = self.assemblies.get_mut(&run.assembly)
        {
            assembly.history_mut().settled(&operation.resource);
        }
    }

    /// Takes the result of an operation in, whoever did it.
    pub(crate) fn take_result(&mut self, now: Time, name: &AssemblyId, record: Record) {
        let operation = &record.operation;
        let run = self.execution.run_of(name, &operation.id);
        let Some(assembly) = self.assemblies.get_mut(name) else {
            return;
        };
        if run.is_some() {
            assembly.history_mut().settled(&operation.resource);
        }
        let news = assembly.history_mut().insert(record.clone());
        // A look says what is, not what became of what was done.
        let is_known = !record.is_unknown() && !record.is_probe();
        if is_known && self.store.failure(name, &operation.resource).was_unknown() {
            self.store
                .failure_mut(name, &operation.resource)
                .note_known();
        }
        if let Some(index) = run {
            self.confirm(index, &record);
        } else if news {
            self.world_changed(&format!(
                "{} of {} on {name} has a new result",
                operation.action, operation.resource
            ));
        }
        if news && record.failed() {
            self.failed_result(now, name, &record);
        }
        self.observe(now, name, &operation.resource);
        self.settle_doubt(name);
        self.settle_arrivals();
    }

    /// Services that nobody knows of run on after a lease, since their agent does not stop them. An
    /// assembly is in doubt until each service was seen to run there or not.
    fn settle_doubt(&mut self, name: &AssemblyId) {
        let facts = self.store.assemblies().get(name);
        let Some(facts) = facts.filter(|facts| facts.in_doubt) else {
            return;
        };
        let Some(own) = self.assemblies.get(name) else {
            return;
        };
        let services = self.document.services().iter();
        let mut services = services.map(|own| &own.id).chain(&facts.unseen);
        if services.all(|service| own.history().service_activity(service).is_some()) {
            let facts = self.store.assembly_mut(name);
            facts.in_doubt = false;
            facts.unseen.clear();
        }
    }

    /// Another document is to be in force. A service that leaves it may run where it was not looked
    /// for yet.
    pub(crate) fn keep_unseen(&mut self, spec: &Spec) {
        let services = self.document.services().iter();
        let leave = services.filter(|own| spec.service(&own.id).is_none());
        let leave: Vec<ServiceId> = leave.map(|own| own.id.clone()).collect();
        let in_doubt = self.store.assemblies().iter();
        let in_doubt = in_doubt.filter(|(_, facts)| facts.in_doubt);
        let in_doubt: Vec<AssemblyId> = in_doubt.map(|(name, _)| name.clone()).collect();
        for name in in_doubt {
            let own = self.assemblies.get(&name);
            let is_seen = |service: &ServiceId| {
                own.is_some_and(|own| own.history().service_activity(service).is_some())
            };
            let unseen = leave.iter().filter(|service| !is_seen(service)).cloned();
            let unseen: Vec<ServiceId> = unseen.collect();
            if !unseen.is_empty() {
                self.store.assembly_mut(&name).unseen.extend(unseen);
            }
        }
    }

    fn failed_result(&mut self, now: Time, name: &AssemblyId, record: &Record) {
        if record.is_debug() {
            return;
        }
        // A monitor of what has been stopped since says nothing.
        let operation = &record.operation;
        let records = self
            .assemblies
            .get(name)
            .and_then(|assembly| assembly.history().resource(&operation.resource));
        let stop = records.and_then(|records| records.get(&Slot::Of(Task::Stop, 0)));
        let stopped = stop.is_some_and(|stop| {
            stop.state == RecordState::Complete && stop.call_id > record.call_id
        });
        if record.is_unknown() && self.looks_instead(name, record) {
            return;
        }
        if operation.interval_ms == 0 || !stopped {
            self.count_failure(now, name, record);
        }
    }

    /// An agent was killed while it carried an operation out. The service has not failed by that:
    /// it is looked at, or stopped once more. `false`: it counts as a failure nevertheless.
    fn looks_instead(&mut self, name: &AssemblyId, record: &Record) -> bool {
        let operation = &record.operation;
        let resource = operation.resource.as_str();
        let stops = operation.action == Task::Stop;
        let is_meant = self.document.service(&ServiceId::of_resource(resource));
        let can_look = match operation.action {
            Task::Start | Task::Promote | Task::Demote => is_meant.is_some(),
            Task::Monitor => is_meant.is_some() && operation.interval_ms == 0,
            _ => stops,
        };
        if !can_look {
            return false;
        }
        let facts = self.store.failure(name, resource);
        if facts.disbelieved() >= Some(record.call_id) {
            return true;
        }
        let facts = self.store.failure_mut(name, resource);
        if !facts.note_unknown() {
            return false;
        }
        facts.disbelieve(Some(record.call_id));
        match stops {
            true => facts.believe_but_stops(),
            false => facts.look(),
        }
        self.world_changed(&format!(
            "what became of {} of {resource} on {name} is unknown",
            operation.action
        ));
        true
    }

    /// Ends an action with the result of its operation.
    fn confirm(&mut self, index: usize, record: &Record) {
        let failed = record.failed() && !record.operation.failure_is_ignored();
        self.end(index, !failed);
        if failed {
            let reason = format!("{} {}", record.operation.resource, record.describe());
            self.deciding.world_changed(&reason);
            self.execution.abort_after(index, &reason);
        }
    }

    pub(crate) fn cancelled(
        &mut self,
        name: &AssemblyId,
        resource: &str,
        action: &Task,
        interval_ms: u32,
    ) {
        if let Some(assembly) = self.assemblies.get_mut(name) {
            assembly
                .history_mut()
                .forget_operation(resource, action, interval_ms);
        }
        let cancels = |run: &Run| {
            run.assembly == *name
                && matches!(&run.work, Work::Cancel { resource: r, action: a, interval_ms: i }
                    if r == resource && a == action && *i == interval_ms)
        };
        let done = self.execution.synapses(cancels);
        for index in done {
            self.end(index, true);
        }
    }

    /// An agent will not do what it was asked: that is a failed operation.
    pub(crate) fn execute_refused(&mut self, now: Time, name: &AssemblyId, id: &str, reason: &str) {
        if self.debug_refused(now, name, id, reason) {
            return;
        }
        if let Some(index) = self.execution.run_of(name, id) {
            self.invent_failure(now, index, STATUS_ERROR, reason);
        }
    }

    /// Gives up actions whose result is long overdue.
    pub(crate) fn age_actions(&mut self, now: Time) {
        let overdue = self.execution.synapses(|run| {
            run.deadline_us
                .is_some_and(|deadline_us| deadline_us <= now.boottime_us)
        });
        for index in overdue {
            self.invent_failure(
                now,
                index,
                STATUS_TIMEOUT,
                "the agent did not tell a result in time",
            );
        }
    }

    /// Makes up a result that no agent reported.
    fn invent_failure(&mut self, now: Time, index: usize, status: i32, reason: &str) {
        let Some(run) = self.execution.run(index).cloned() else {
            return;
        };
        let (name, work) = (run.assembly, run.work);
        let Work::Operation(operation) = work else {
            self.end(index, false);
            self.world_changed(reason);
            return;
        };
        let mut record = Record {
            operation: Operation {
                configure: None,
                ..*operation
            },
            status,
            rc: 1,
            started: run.since_wall_us,
            completed: now.wall_us,
            last_rc_change: now.wall_us,
            exit_reason: reason.to_owned(),
            ..Record::default()
        };
        if let Some(assembly) = self.assemblies.get_mut(&name) {
            assembly.history_mut().settled(&record.operation.resource);
            record = assembly.history_mut().make_up(record);
        }
        self.confirm(index, &record);
        self.count_failure(now, &name, &record);
        self.world_changed(reason);
    }
}
