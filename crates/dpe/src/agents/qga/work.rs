//! What is under way in a guest, and what waits: one operation of a resource at a time, and the
//! turns of recurring ones. Nothing of this outlives a stream; the record in the guest does.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use controller::{
    CONFIGURE, Connect, Input, Operation, Record, RecordState, STATUS_CANCELLED, Task,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::stream::End;
use super::guest::{Begun, Guest};
use super::report::{self, Entry, Outcome, Page, State};

/// First and longest pause between two looks at what is under way.
const LOOKS: (Duration, Duration) = (Duration::from_millis(30), Duration::from_millis(500));
/// The most that one look asks for.
const LOOKED_AT: usize = 64;

/// One resource's operations.
#[derive(Debug, Default)]
struct Lane {
    running: Option<u32>,
    queue: VecDeque<Step>,
}

#[derive(Debug)]
enum Step {
    Begin(Box<Operation>),
    /// The next turn of a recurring operation, or the end of a delay.
    Turn(u32),
}

/// An operation of which the guest has a record that is not closed: under way, recurring, or
/// waiting for its delay.
#[derive(Debug)]
struct Open {
    operation: Operation,
    /// When it is to have its turn. `None`: it is in its lane.
    due: Option<Instant>,
    /// Status and exit code that the controller was told, of one that recurs.
    told: Option<(i32, i32)>,
}

pub(super) struct Work<'a> {
    connect: &'a Connect,
    inputs: &'a mpsc::Sender<Input>,
    lanes: BTreeMap<String, Lane>,
    open: BTreeMap<u32, Open>,
    next_look: Option<Instant>,
    pause: Duration,
}

fn is_recurring(operation: &Operation) -> bool {
    operation.interval_ms > 0
}

fn interval(operation: &Operation) -> Duration {
    Duration::from_millis(operation.interval_ms.into())
}

/// `number`: of its record in the guest, 0 where there is none.
fn cancelled(operation: Operation, number: u32) -> Record {
    Record {
        state: RecordState::Cancelled,
        status: STATUS_CANCELLED,
        ..report::record(operation, number, None, 0)
    }
}

impl<'a> Work<'a> {
    /// Takes up what the guest has recorded; returns its history for the controller too.
    pub(super) fn taken_up(
        connect: &'a Connect,
        inputs: &'a mpsc::Sender<Input>,
        page: Page,
    ) -> (Work<'a>, Vec<Record>) {
        let mut work = Work {
            connect,
            inputs,
            lanes: BTreeMap::new(),
            open: BTreeMap::new(),
            next_look: None,
            pause: LOOKS.0,
        };
        let entries = page.entries.into_iter();
        let history = entries.filter_map(|entry| work.take_up(entry)).collect();
        (work, history)
    }

    fn take_up(&mut self, entry: Entry) -> Option<Record> {
        let Entry {
            number,
            operation,
            outcome,
            state,
            since,
        } = entry;
        let operation = operation.filter(|_| state != State::Gone)?;
        let record = report::record(operation.clone(), number, outcome.as_ref(), since);
        let now = Instant::now();
        let lane = |work: &mut Work<'_>| {
            let lane = work.lanes.entry(operation.resource.clone()).or_default();
            lane.running = Some(number);
        };
        let due = match state {
            State::Waits | State::Runs => {
                lane(self);
                None
            }
            State::Later(hundredths) => Some(now + Duration::from_millis(hundredths * 10)),
            State::Lost | State::Ended if is_recurring(&operation) => Some(now),
            State::Lost | State::Ended | State::Gone => return Some(record),
        };
        let told = outcome.map(|outcome| (outcome.status, outcome.rc));
        self.open.insert(
            number,
            Open {
                operation,
                due,
                told,
            },
        );
        self.look_soon();
        Some(record)
    }

    /// When something is to be done next.
    pub(super) fn due(&self) -> Option<Instant> {
        let turns = self.open.values().filter_map(|open| open.due);
        turns.chain(self.next_look).min()
    }

    fn look_soon(&mut self) {
        self.pause = LOOKS.0;
        self.next_look = Some(Instant::now() + self.pause);
    }

    /// Does what is due.
    pub(super) async fn go_on(&mut self, guest: &mut Guest<'_>) -> Result<(), End> {
        let now = Instant::now();
        let mut ready = Vec::new();
        for (number, open) in &mut self.open {
            if open.due.is_some_and(|due| due <= now) {
                open.due = None;
                ready.push((*number, open.operation.resource.clone()));
            }
        }
        for (number, resource) in ready {
            let lane = self.lanes.entry(resource.clone()).or_default();
            lane.queue.push_back(Step::Turn(number));
            self.advance(guest, &resource).await?;
        }
        if self.next_look.is_some_and(|due| due <= Instant::now()) {
            self.look(guest).await?;
        }
        Ok(())
    }

    async fn look(&mut self, guest: &mut Guest<'_>) -> Result<(), End> {
        let running = self.lanes.values().filter_map(|lane| lane.running);
        let running: Vec<u32> = running.collect();
        let mut ended = false;
        for numbers in running.chunks(LOOKED_AT) {
            for entry in guest.look(numbers).await?.entries {
                ended |= self.see(guest, entry).await?;
            }
        }
        self.pause = match ended {
            true => LOOKS.0,
            false => (self.pause * 2).min(LOOKS.1),
        };
        let under_way = self.lanes.values().any(|lane| lane.running.is_some());
        self.next_look = under_way.then(|| Instant::now() + self.pause);
        Ok(())
    }

    /// Takes in what a record says; true if the operation has ended.
    async fn see(&mut self, guest: &mut Guest<'_>, entry: Entry) -> Result<bool, End> {
        let number = entry.number;
        let Some(open) = self.open.get_mut(&number) else {
            return Ok(false);
        };
        let resource = open.operation.resource.clone();
        match (entry.state, entry.outcome) {
            (State::Waits | State::Runs | State::Later(_), _) => return Ok(false),
            (State::Ended, Some(outcome)) => {
                let recurs = is_recurring(&open.operation);
                let result = (outcome.status, outcome.rc);
                let is_news = open.told != Some(result);
                open.told = Some(result);
                open.due = recurs.then(|| Instant::now() + interval(&open.operation));
                let operation = open.operation.clone();
                if !recurs {
                    self.open.remove(&number);
                }
                if is_news || !recurs {
                    self.completed(operation, number, &outcome).await;
                }
            }
            (State::Lost, _) if is_recurring(&open.operation) => {
                let again = interval(&open.operation).min(LOOKS.1);
                open.due = Some(Instant::now() + again);
            }
            // The history tells what there is.
            _ => return Err(End::because("a record is gone from its guest")),
        }
        let lane = self.lanes.entry(resource.clone()).or_default();
        lane.running = lane.running.filter(|running| *running != number);
        self.advance(guest, &resource).await?;
        Ok(true)
    }

    /// Begins what waits first for a resource, if nothing of it runs.
    async fn advance(&mut self, guest: &mut Guest<'_>, resource: &str) -> Result<(), End> {
        loop {
            let Some(lane) = self.lanes.get_mut(resource) else {
                return Ok(());
            };
            if lane.running.is_some() {
                return Ok(());
            }
            let Some(step) = lane.queue.pop_front() else {
                self.lanes.remove(resource);
                return Ok(());
            };
            let number = match step {
                Step::Turn(number) if !self.open.contains_key(&number) => continue,
                Step::Turn(number) => match guest.turn(number).await? {
                    true => Some(number),
                    false => return Err(End::because("a record is gone from its guest")),
                },
                Step::Begin(operation) => self.begin(guest, *operation).await?,
            };
            if let Some(lane) = self.lanes.get_mut(resource)
                && number.is_some()
            {
                lane.running = number;
                self.look_soon();
            }
        }
    }

    /// Whether an operation is under way that is the same but for its id: an earlier DPE, or an
    /// earlier stream, has begun it. Then that is the one.
    async fn adopt(&mut self, guest: &mut Guest<'_>, asked: &Operation) -> Result<bool, End> {
        let what = |of: &Operation| {
            let agent = (of.class.clone(), of.provider.clone(), of.kind.clone());
            let configure = of.annotations.get(CONFIGURE).cloned();
            (agent, of.action.clone(), of.parameters.clone(), configure)
        };
        let decides = matches!(
            asked.action,
            Task::Start | Task::Stop | Task::Promote | Task::Demote | Task::Monitor
        );
        let lane = self.lanes.get(&asked.resource);
        let lane = lane.filter(|lane| lane.queue.is_empty() && decides && !is_recurring(asked));
        let Some(number) = lane.and_then(|lane| lane.running) else {
            return Ok(false);
        };
        let open = self.open.get_mut(&number);
        let Some(open) = open.filter(|open| {
            let runs = &open.operation;
            !is_recurring(runs) && runs.id != asked.id && what(runs) == what(asked)
        }) else {
            return Ok(false);
        };
        if !guest.adopt(number, asked).await? {
            return Ok(false);
        }
        open.operation = asked.clone();
        Ok(true)
    }

    /// Has the guest record and begin an operation.
    async fn begin(
        &mut self,
        guest: &mut Guest<'_>,
        operation: Operation,
    ) -> Result<Option<u32>, End> {
        match guest.begin(&operation).await? {
            Begun::As(number) => {
                let open = Open {
                    operation,
                    due: None,
                    told: None,
                };
                self.open.insert(number, open);
                Ok(Some(number))
            }
            Begun::Refused(reason) => {
                let refused = Input::ExecuteRefused {
                    assembly: self.connect.assembly.clone(),
                    id: operation.id,
                    reason,
                };
                let _ = self.inputs.send(refused).await;
                Ok(None)
            }
        }
    }

    /// Takes an operation on.
    pub(super) async fn execute(
        &mut self,
        guest: &mut Guest<'_>,
        operation: Operation,
    ) -> Result<(), End> {
        self.take_back(guest, &operation).await?;
        let delay_ms = operation.start_delay_ms();
        if delay_ms == 0 && self.adopt(guest, &operation).await? {
            return Ok(());
        }
        if delay_ms > 0 {
            let resource = operation.resource.clone();
            let number = self.begin(guest, operation).await?;
            if let Some(number) = number
                && let Some(open) = self.open.get_mut(&number)
            {
                open.due = Some(Instant::now() + Duration::from_millis(delay_ms.into()));
                let record = report::record(open.operation.clone(), number, None, 0);
                self.report(record).await;
            }
            // What it has made obsolete holds nothing up any more.
            return self.advance(guest, &resource).await;
        }
        let resource = operation.resource.clone();
        let lane = self.lanes.entry(resource.clone()).or_default();
        lane.queue.push_back(Step::Begin(Box::new(operation)));
        self.advance(guest, &resource).await
    }

    /// Ends what a new operation makes obsolete: monitors, also while they run or wait to be begun,
    /// and what waits for its delay.
    async fn take_back(&mut self, guest: &mut Guest<'_>, by: &Operation) -> Result<(), End> {
        let ends_monitors = matches!(
            by.action,
            Task::Stop | Task::Promote | Task::Demote | Task::MigrateTo | Task::MigrateFrom
        );
        let changes_nothing = matches!(by.action.as_str(), "notify" | "meta-data" | "validate-all");
        let is_obsolete = |other: &Operation, waits: bool| {
            let same = (&other.action, other.interval_ms) == (&by.action, by.interval_ms);
            other.resource == by.resource
                && match is_recurring(other) {
                    true => ends_monitors || same,
                    false => waits && !is_recurring(by) && !changes_nothing,
                }
        };
        let is_open_obsolete = |open: &Open| is_obsolete(&open.operation, open.due.is_some());
        self.end(guest, is_open_obsolete).await?;
        let Some(lane) = self.lanes.get_mut(&by.resource) else {
            return Ok(());
        };
        // The guest has no record of these yet.
        let (mut kept, mut taken) = (VecDeque::new(), Vec::new());
        for step in lane.queue.drain(..) {
            match step {
                Step::Begin(operation) if is_obsolete(&operation, false) => taken.push(*operation),
                step => kept.push_back(step),
            }
        }
        lane.queue = kept;
        for operation in taken {
            self.report(cancelled(operation, 0)).await;
        }
        Ok(())
    }

    /// Ends all open operations that are meant.
    async fn end(
        &mut self,
        guest: &mut Guest<'_>,
        is_meant: impl Fn(&Open) -> bool,
    ) -> Result<(), End> {
        let meant = self.open.iter().filter(|(_, open)| is_meant(open));
        let meant: Vec<u32> = meant.map(|(number, _)| *number).collect();
        for number in meant {
            guest.drop_record(number).await?;
            let Some(open) = self.open.remove(&number) else {
                continue;
            };
            if let Some(lane) = self.lanes.get_mut(&open.operation.resource) {
                lane.running = lane.running.filter(|running| *running != number);
            }
            self.report(cancelled(open.operation, number)).await;
        }
        Ok(())
    }

    /// Ends a recurring operation, or takes a waiting one out of its lane.
    pub(super) async fn cancel(
        &mut self,
        guest: &mut Guest<'_>,
        resource: String,
        action: Task,
        interval_ms: u32,
    ) -> Result<(), End> {
        let is_it = |operation: &Operation| {
            (
                &operation.resource,
                &operation.action,
                operation.interval_ms,
            ) == (&resource, &action, interval_ms)
        };
        self.end(guest, |open| {
            is_it(&open.operation) && (interval_ms > 0 || open.due.is_some())
        })
        .await?;
        if let Some(lane) = self.lanes.get_mut(&resource) {
            lane.queue
                .retain(|step| !matches!(step, Step::Begin(operation) if is_it(operation)));
        }
        self.advance(guest, &resource).await?;
        let cancelled = Input::Cancelled {
            assembly: self.connect.assembly.clone(),
            resource,
            action,
            interval_ms,
        };
        let _ = self.inputs.send(cancelled).await;
        Ok(())
    }

    /// Has the guest forget a resource; what runs once goes on.
    pub(super) async fn forget(
        &mut self,
        guest: &mut Guest<'_>,
        resource: &str,
    ) -> Result<(), End> {
        guest.forget(resource).await?;
        let running = self.lanes.get(resource).and_then(|lane| lane.running);
        self.open.retain(|number, open| {
            let goes_on = Some(*number) == running && !is_recurring(&open.operation);
            open.operation.resource != resource || goes_on
        });
        if let Some(lane) = self.lanes.get_mut(resource) {
            lane.queue.clear();
            let open = &self.open;
            lane.running = lane.running.filter(|number| open.contains_key(number));
        }
        self.advance(guest, resource).await
    }

    /// Gives the guest up.
    pub(super) async fn release(
        &mut self,
        guest: &mut Guest<'_>,
        keep_services: bool,
    ) -> Result<bool, End> {
        self.open.clear();
        self.lanes.clear();
        self.next_look = None;
        guest.release(keep_services).await
    }

    async fn completed(&self, operation: Operation, number: u32, outcome: &Outcome) {
        let record = report::record(operation, number, Some(outcome), 0);
        tracing::info!(
            cpe_deployment = self.connect.deployment,
            cpe_assembly = self.connect.assembly.as_str(),
            cpe_service = record.operation.resource,
            status = record.status,
            rc = record.rc,
            exec_ms = record.exec_ms,
            reason = record.exit_reason,
            "{} of {} in the guest of {}: rc {}",
            record.operation.action,
            record.operation.resource,
            self.connect.assembly,
            record.rc
        );
        self.report(record).await;
    }

    async fn report(&self, record: Record) {
        let completed = Input::OperationCompleted {
            assembly: self.connect.assembly.clone(),
            record: Box::new(record),
        };
        let _ = self.inputs.send(completed).await;
    }
}
