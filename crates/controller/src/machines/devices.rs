//! Fencing devices that are in use on the shell's host: when each is asked next whether it is well,
//! and which questions are open.
//!
//! The policy engine counts a device in an assembly, as Pacemaker does with a node. That says only
//! which assembly's history it is in: the shell runs it, and it is used whether it counts as
//! started or not.

use std::collections::BTreeMap;

use crate::vocabulary::{AssemblyId, MS, Operation, Time};

/// A device by the assembly that it counts in, and its resource.
type Key = (AssemblyId, String);

/// Devices in use.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    /// Started ones, with their monitors by interval, milliseconds.
    started: BTreeMap<Key, BTreeMap<u32, Monitor>>,
    /// Questions that are not answered yet.
    asked: BTreeMap<u64, Question>,
    /// Questions and results so far, from which they have their numbers.
    questions: u64,
    calls: u32,
}

/// A monitor that comes again and again.
#[derive(Clone, Debug)]
struct Monitor {
    operation: Operation,
    call_id: u32,
    /// Boot time at which it is asked next, µs; `None`: it is being asked.
    next_us: Option<u64>,
}

/// What is asked of a device.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub assembly: AssemblyId,
    pub operation: Operation,
    /// Number of the result in the history.
    pub call_id: u32,
    /// Boot time after which there is no answer any more, µs.
    until_us: u64,
    /// Wall clock when it was asked, µs.
    pub asked_wall_us: u64,
}

impl Question {
    /// One that is answered as soon as it is asked.
    pub(crate) fn answered(
        assembly: &AssemblyId,
        operation: Operation,
        call_id: u32,
        now: Time,
    ) -> Question {
        Question {
            assembly: assembly.clone(),
            operation,
            call_id,
            until_us: now.boottime_us,
            asked_wall_us: now.wall_us,
        }
    }
}

impl Devices {
    /// A number for a result: higher than all before, also those of earlier starts, as the numbers
    /// of an agent are. `epoch` is higher with each start; one that was granted has too many bits
    /// for it, and says nothing. `noted` is the highest number that durable facts have of such a
    /// result: nothing else of an earlier start counts. No clock does: another host may have
    /// another time.
    pub(crate) fn number_call(&mut self, epoch: u64, noted: u32) -> u32 {
        let least = u32::try_from(epoch).unwrap_or(0);
        self.calls = self.calls.max(noted).saturating_add(1).max(least);
        self.calls
    }

    /// Notes a question. Gives its number.
    pub(crate) fn ask(
        &mut self,
        assembly: &AssemblyId,
        operation: Operation,
        call_id: u32,
        until_us: u64,
        asked_wall_us: u64,
    ) -> u64 {
        self.questions += 1;
        let question = Question {
            assembly: assembly.clone(),
            operation,
            call_id,
            until_us,
            asked_wall_us,
        };
        self.asked.insert(self.questions, question);
        self.questions
    }

    /// A question is answered. `None`: it was given up before.
    pub(crate) fn answered(&mut self, question: u64) -> Option<Question> {
        self.asked.remove(&question)
    }

    /// Questions whose time is over.
    pub(crate) fn overdue(&self, now_us: u64) -> Vec<u64> {
        let open = self.asked.iter();
        let overdue = open.filter(|(_, question)| question.until_us <= now_us);
        overdue.map(|(number, _)| *number).collect()
    }

    /// A device counts as started there.
    pub(crate) fn start(&mut self, assembly: &AssemblyId, resource: &str) {
        let key = (assembly.clone(), resource.to_owned());
        self.started.insert(key, BTreeMap::new());
    }

    pub(crate) fn stop(&mut self, assembly: &AssemblyId, resource: &str) {
        self.started
            .remove(&(assembly.clone(), resource.to_owned()));
    }

    pub(crate) fn is_started(&self, assembly: &AssemblyId, resource: &str) -> bool {
        let key = (assembly.clone(), resource.to_owned());
        self.started.contains_key(&key)
    }

    /// A started device is monitored from now on.
    pub(crate) fn watch(
        &mut self,
        assembly: &AssemblyId,
        operation: Operation,
        call_id: u32,
        now_us: u64,
    ) {
        let key = (assembly.clone(), operation.resource.clone());
        if let Some(monitors) = self.started.get_mut(&key) {
            let monitor = Monitor {
                call_id,
                next_us: Some(now_us),
                operation,
            };
            monitors.insert(monitor.operation.interval_ms, monitor);
        }
    }

    pub(crate) fn unwatch(&mut self, assembly: &AssemblyId, resource: &str, interval_ms: u32) {
        let key = (assembly.clone(), resource.to_owned());
        if let Some(monitors) = self.started.get_mut(&key) {
            monitors.remove(&interval_ms);
        }
    }

    /// Monitors whose time has come, each with its operation and its number in the history. They
    /// count as being asked from now on.
    pub(crate) fn due(&mut self, now_us: u64) -> Vec<(AssemblyId, Operation, u32)> {
        let mut due = Vec::new();
        for ((assembly, _), monitors) in &mut self.started {
            for monitor in monitors.values_mut() {
                if monitor.next_us.is_some_and(|next_us| next_us <= now_us) {
                    monitor.next_us = None;
                    due.push((assembly.clone(), monitor.operation.clone(), monitor.call_id));
                }
            }
        }
        due
    }

    /// A monitor has been answered. `false`: it was stopped meanwhile, or begun again.
    pub(crate) fn monitored(&mut self, question: &Question, now_us: u64) -> bool {
        let operation = &question.operation;
        let key = (question.assembly.clone(), operation.resource.clone());
        let monitors = self.started.get_mut(&key);
        let monitor = monitors.and_then(|monitors| monitors.get_mut(&operation.interval_ms));
        let monitor = monitor.filter(|monitor| monitor.call_id == question.call_id);
        let interval_us = u64::from(operation.interval_ms) * MS;
        monitor.is_some_and(|monitor| {
            monitor.next_us = Some(now_us + interval_us);
            true
        })
    }

    /// Lets go of devices that do not count as started any more.
    pub(crate) fn keep(&mut self, counts: impl Fn(&AssemblyId, &str) -> bool) {
        self.started
            .retain(|(assembly, resource), _| counts(assembly, resource));
    }

    /// Boot time at which it goes on by itself, µs.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let monitors = self.started.values().flat_map(BTreeMap::values);
        let next = monitors.filter_map(|monitor| monitor.next_us);
        let open = self.asked.values().map(|question| question.until_us);
        next.chain(open).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor() -> Operation {
        Operation {
            resource: "ipmi".into(),
            interval_ms: 10_000,
            ..Operation::default()
        }
    }

    #[test]
    fn numbers_of_results_grow_over_starts_whatever_the_clock_says() {
        let granted = (1 << 56) + (7 << 12);
        for epoch in [100, granted] {
            let mut devices = Devices::default();
            let first = devices.number_call(epoch, 0);
            let last = devices.number_call(epoch, 0);
            assert!(last > first);
            // What is durable of it is known to the next start, on whichever host that is.
            let mut restarted = Devices::default();
            assert!(restarted.number_call(epoch + 1, last) > last);
        }
    }

    #[test]
    fn a_granted_epoch_leaves_numbers_for_all_results() {
        let mut devices = Devices::default();
        let granted = (1 << 56) + (7 << 12);
        assert_eq!(devices.number_call(granted, 0), 1);
        assert_eq!(devices.number_call(granted, 90), 91);
        assert_eq!(devices.number_call(granted, 90), 92);
    }

    #[test]
    fn a_monitor_is_asked_again_after_its_interval_counted_from_the_answer() {
        let (mut devices, web1) = (Devices::default(), AssemblyId::from("web1"));
        devices.start(&web1, "ipmi");
        devices.watch(&web1, monitor(), 1, 5);
        assert_eq!(devices.deadline(), Some(5));
        let due = devices.due(5);
        assert_eq!(due.len(), 1);
        assert!(devices.due(5).is_empty(), "one question at a time");
        let (assembly, operation, call_id) = due.into_iter().next().unwrap();
        let number = devices.ask(&assembly, operation, call_id, 90, 0);
        assert_eq!(devices.deadline(), Some(90));
        assert!(devices.overdue(89).is_empty());
        assert_eq!(devices.overdue(90), [number]);
        let question = devices.answered(number).unwrap();
        assert!(devices.monitored(&question, 20));
        assert_eq!(devices.deadline(), Some(20 + 10_000 * MS));
    }

    #[test]
    fn an_answer_after_the_stop_says_nothing() {
        let (mut devices, web1) = (Devices::default(), AssemblyId::from("web1"));
        devices.start(&web1, "ipmi");
        devices.watch(&web1, monitor(), 1, 5);
        let (assembly, operation, call_id) = devices.due(5).into_iter().next().unwrap();
        let number = devices.ask(&assembly, operation, call_id, 90, 0);
        devices.stop(&web1, "ipmi");
        let question = devices.answered(number).unwrap();
        assert!(!devices.monitored(&question, 20));
        assert!(devices.answered(number).is_none());
        assert_eq!(devices.deadline(), None);
    }

    #[test]
    fn what_does_not_count_any_more_is_let_go_of() {
        let (mut devices, web1) = (Devices::default(), AssemblyId::from("web1"));
        devices.start(&web1, "ipmi");
        devices.keep(|_, resource| resource == "ipmi");
        assert!(devices.is_started(&web1, "ipmi"));
        devices.keep(|assembly, _| *assembly != web1);
        assert!(!devices.is_started(&web1, "ipmi"));
    }
}
