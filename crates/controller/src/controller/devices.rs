//! Fencing devices of the configuration: the shell runs them on its own host, never a guest.
//!
//! The policy engine places them in assemblies, as Pacemaker does in nodes; whichever it chooses,
//! the operation is done here. To start one is to ask it whether it is well, and from then on its
//! monitors ask again; to stop one is to ask no more. Their results are in the history of the
//! assembly that they count in, so that fail counts, events and status are those of any service.
//!
//! Fencing does not go by any of this: a device that is stopped for its failures is still tried
//! when an assembly has to be made safe.

use super::Controller;
use crate::machines::devices::Question;
use crate::machines::run::Work;
use crate::vocabulary::{
    AssemblyId, DeviceCheck, Effect, Input, MS, Operation, Record, ServiceId, Task, Time, pending,
};

/// Exit code: it runs.
const RC_OK: i32 = 0;
/// Exit code: it does not do what it should.
const RC_ERROR: i32 = 1;
/// Exit code: it does not run.
const RC_NOT_RUNNING: i32 = 7;
/// The shell has this much longer than the question's own timeout to answer. Milliseconds.
const ANSWER_DELAY_MS: u32 = 5_000;

impl Controller {
    /// Does an operation that a graph wants of a device. It is under way.
    pub(crate) fn begin_device_operation(
        &mut self,
        now: Time,
        name: &AssemblyId,
        operation: Operation,
    ) {
        let resource = operation.resource.clone();
        let started = self.execution.devices().is_started(name, &resource);
        let noted = self.store.failure(name, &resource).highest_number();
        let epoch = self.store.epoch();
        let call_id = self.execution.devices_mut().number_call(epoch, noted);
        let rc = match operation.action {
            Task::Start | Task::MigrateFrom => {
                self.ask_device(now, name, operation, call_id);
                return;
            }
            Task::Monitor if operation.interval_ms > 0 && started => {
                let delay_us = u64::from(operation.start_delay_ms()) * MS;
                let first_us = now.boottime_us + delay_us;
                let devices = self.execution.devices_mut();
                devices.watch(name, operation.clone(), call_id, first_us);
                self.delay_device_monitor(name, operation, call_id);
                return;
            }
            Task::Monitor if started => RC_OK,
            Task::Monitor => RC_NOT_RUNNING,
            Task::Stop | Task::MigrateTo => {
                self.execution.devices_mut().stop(name, &resource);
                RC_OK
            }
            _ => RC_OK,
        };
        let question = Question::answered(name, operation, call_id, now);
        self.take_result(now, name, record(question, now, rc, ""));
    }

    /// Nothing waits for the first turn of a monitor that its start delay puts off.
    fn delay_device_monitor(&mut self, name: &AssemblyId, operation: Operation, call_id: u32) {
        if operation.start_delay_ms() == 0 {
            return;
        }
        let run = self.execution.run_of(name, &operation.id);
        let record = Record {
            call_id,
            ..pending(&operation)
        };
        if let Some(assembly) = self.assemblies.get_mut(name) {
            assembly.history_mut().insert(record);
        }
        if let Some(index) = run {
            self.end(index, true);
        }
    }

    /// A monitor of a device is not wanted any more.
    pub(crate) fn cancel_device_monitor(&mut self, name: &AssemblyId, work: &Work) {
        let Work::Cancel {
            resource,
            action,
            interval_ms,
        } = work
        else {
            return;
        };
        self.execution
            .devices_mut()
            .unwatch(name, resource, *interval_ms);
        if let Some(assembly) = self.assemblies.get_mut(name) {
            assembly
                .history_mut()
                .forget_operation(resource, action, *interval_ms);
        }
    }

    /// Asks a device whether it is well.
    fn ask_device(&mut self, now: Time, name: &AssemblyId, operation: Operation, call_id: u32) {
        let id = ServiceId::of_resource(&operation.resource);
        let spec = self.document.spec();
        let Some(device) = spec.and_then(|spec| spec.device(&id)).cloned() else {
            let question = Question::answered(name, operation, call_id, now);
            let reason = "the document has no such device";
            self.device_answered(now, question, Err(reason.to_owned()));
            return;
        };
        let own_timeout = operation.parameters.contains_key("pcmk_monitor_timeout");
        let timeout_ms = match own_timeout {
            true => device.monitor.timeout_ms,
            false => operation.timeout_ms,
        };
        let within_us = u64::from(timeout_ms.saturating_add(ANSWER_DELAY_MS)) * MS;
        let until_us = now.boottime_us + within_us;
        let question =
            self.execution
                .devices_mut()
                .ask(name, operation, call_id, until_us, now.wall_us);
        let check = DeviceCheck {
            question,
            device,
            timeout_ms,
        };
        self.effects.push(Effect::CheckDevice(Box::new(check)));
    }

    /// What the shell tells of devices: that they have made safe, let in, or are well.
    pub(crate) fn devices_answer(&mut self, now: Time, answer: Input) {
        match answer {
            Input::FencingResult {
                assembly,
                attempt,
                result,
            } => self.fencing_result(now, &assembly, attempt, result),
            Input::UnfencingResult {
                assembly,
                attempt,
                result,
            } => self.unfencing_result(now, &assembly, attempt, result),
            Input::DeviceChecked { question, result } => self.device_checked(now, question, result),
            _ => {}
        }
    }

    /// The shell's answer.
    pub(crate) fn device_checked(&mut self, now: Time, question: u64, result: Result<(), String>) {
        if let Some(question) = self.execution.devices_mut().answered(question) {
            self.device_answered(now, question, result);
        }
    }

    fn device_answered(&mut self, now: Time, question: Question, result: Result<(), String>) {
        let (name, operation) = (question.assembly.clone(), question.operation.clone());
        let recurring = operation.interval_ms > 0;
        if recurring
            && !self
                .execution
                .devices_mut()
                .monitored(&question, now.boottime_us)
        {
            return;
        }
        let awaited = self.execution.run_of(&name, &operation.id).is_some();
        let heard = self.assemblies.get(&name);
        // What a device says is kept with an assembly that is there. While that is lost, and after
        // a start that nobody waits for any more, the policy engine asks again.
        if !heard.is_some_and(|assembly| assembly.is_heard()) || !(recurring || awaited) {
            return;
        }
        let (rc, reason) = match result {
            Ok(()) => (RC_OK, String::new()),
            Err(reason) => (RC_ERROR, reason),
        };
        if !recurring && rc == RC_OK {
            self.execution
                .devices_mut()
                .start(&name, &operation.resource);
        }
        // A monitor tells what has changed.
        let known = self.assemblies.get(&name).and_then(|assembly| {
            let same = |record: &&Record| {
                record.operation.id == operation.id && record.call_id == question.call_id
            };
            assembly.history().records().find(same)
        });
        if recurring && known.is_some_and(|known| known.rc == rc) {
            return;
        }
        self.take_result(now, &name, record(question, now, rc, &reason));
    }

    /// Asks what is due, and gives up what is not answered.
    pub(crate) fn age_devices(&mut self, now: Time) {
        let assemblies = &self.assemblies;
        self.execution.devices_mut().keep(|name, resource| {
            let own = assemblies.get(name);
            own.is_some_and(|own| own.history().resource(resource).is_some())
        });
        for question in self.execution.devices_mut().overdue(now.boottime_us) {
            self.device_checked(
                now,
                question,
                Err("the device was not asked in time".into()),
            );
        }
        for (name, operation, call_id) in self.execution.devices_mut().due(now.boottime_us) {
            self.ask_device(now, &name, operation, call_id);
        }
    }
}

/// A result as an agent would report it.
fn record(question: Question, now: Time, rc: i32, reason: &str) -> Record {
    Record {
        call_id: question.call_id,
        rc,
        started: question.asked_wall_us,
        completed: now.wall_us,
        last_rc_change: now.wall_us,
        last_run: question.asked_wall_us,
        exec_ms: u32::try_from(now.wall_us.saturating_sub(question.asked_wall_us) / MS)
            .unwrap_or(u32::MAX),
        exit_reason: reason.to_owned(),
        operation: question.operation,
        ..Record::default()
    }
}
