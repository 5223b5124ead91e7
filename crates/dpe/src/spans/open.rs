//! What is under way: the transition, and actions.
//!
//! An action belongs to the transition that began it, also when another one takes it over, or when
//! its result comes later. Fencing, and what administrators have done once, may be under way
//! without a transition: these spans stand alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use controller::{
    AssemblyId, DEBUG, Effect, Event, EventKind, FenceDevice, FenceRequest, Input, Operation,
    Record, Task, Time, TransitionKey,
};
use opentelemetry::trace::{Span as _, SpanBuilder, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};

use super::losses::Losses;
use super::outcome::Outcome;

/// Actions that are under way at a time, of which there are spans. A transition may have more only
/// if its limits were set beyond all measure.
const MOST: usize = 10_000;
/// An agent has this much longer than the operation's own timeout. The controller gives up before.
const GRACE_MS: u64 = 120_000;

/// Which action.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// By its id.
    Operation(AssemblyId, String),
    /// Resource, action, interval.
    Cancel(AssemblyId, String, String, u32),
    /// The attempt.
    Fence(AssemblyId, u64),
}

impl Key {
    /// Done by that assembly's agent.
    fn is_done_by(&self, assembly: &AssemblyId) -> bool {
        match self {
            Key::Operation(of, _) | Key::Cancel(of, ..) => of == assembly,
            Key::Fence(..) => false,
        }
    }
}

/// A span that has not ended.
struct Begun {
    span: Span,
    since: Time,
}

impl Begun {
    fn end(&mut self, now: Time, outcome: Outcome) {
        let attributes = outcome.attributes.into_iter();
        let word = KeyValue::new("cpe.outcome", outcome.word);
        self.span.set_attributes(attributes.chain([word]));
        self.span.set_status(outcome.status);
        // The wall clock may have been set meanwhile.
        let took_us = now.boottime_us.saturating_sub(self.since.boottime_us);
        let end_us = self.since.wall_us.saturating_add(took_us);
        self.span.end_with_timestamp(moment(end_us));
    }
}

struct Transition {
    number: u64,
    begun: Begun,
}

struct Action {
    begun: Begun,
    /// On the boot-time clock: no answer is awaited after that.
    until_us: u64,
}

/// What is under way.
pub(super) struct Open {
    tracer: SdkTracer,
    transition: Option<Transition>,
    actions: BTreeMap<Key, Action>,
    losses: Arc<Losses>,
}

impl Open {
    /// Nothing, yet.
    pub(super) fn new(tracer: SdkTracer, losses: Arc<Losses>) -> Open {
        Open {
            tracer,
            losses,
            transition: None,
            actions: BTreeMap::new(),
        }
    }

    /// An effect is carried out.
    pub(super) fn begun(&mut self, now: Time, effect: &Effect) {
        match effect {
            Effect::Event(event) => self.event(now, event),
            Effect::Execute {
                assembly,
                operation,
            } => self.execute(now, assembly, operation),
            Effect::Cancel {
                assembly,
                resource,
                action,
                interval_ms,
            } => self.cancel(now, assembly, resource, action, *interval_ms),
            Effect::Fence(request) => self.fence(now, request),
            _ => {}
        }
    }

    /// The controller is told something.
    pub(super) fn told(&mut self, now: Time, input: &Input) {
        match input {
            Input::OperationCompleted { assembly, record } => self.result(now, assembly, record),
            Input::AgentConnected {
                assembly, history, ..
            } => self.history(now, assembly, history),
            Input::ExecuteRefused {
                assembly,
                id,
                reason,
            } => {
                let key = Key::Operation(assembly.clone(), id.clone());
                self.end(now, &key, Outcome::wrong("refused", reason));
            }
            Input::Cancelled {
                assembly,
                resource,
                action,
                interval_ms,
            } => {
                let key = of_cancel(assembly, resource, action, *interval_ms);
                self.end(now, &key, Outcome::well("done"));
            }
            Input::FencingResult {
                assembly,
                attempt,
                result,
            } => {
                let outcome = match result {
                    Ok(()) => Outcome::well("done"),
                    Err(why) => Outcome::wrong("failed", why),
                };
                self.end(now, &Key::Fence(assembly.clone(), *attempt), outcome);
            }
            _ => {}
        }
    }

    /// This process ends: nobody will see how anything ends.
    pub(super) fn finish(&mut self, now: Time) {
        self.end_all(now, |_, _| true, || Outcome::well("interrupted"));
        self.end_transition(now, Outcome::well("interrupted"));
    }

    fn event(&mut self, now: Time, event: &Event) {
        let outcome = |word| Outcome::of_transition(word, &event.reason, &event.details);
        match event.kind {
            EventKind::TransitionStarted => {
                // Its end was no event: it had nothing left to do.
                self.end_transition(now, Outcome::well("interrupted"));
                self.begin_transition(now, event);
            }
            EventKind::TransitionCompleted => self.end_transition(now, outcome("completed")),
            EventKind::TransitionAborted => self.end_transition(now, outcome("aborted")),
            EventKind::AssemblyLost
            | EventKind::AssemblyLeft
            | EventKind::AssemblyFencingSucceeded => {
                let gone = event.assembly.as_ref();
                let is_there = |key: &Key, _: &Action| gone.is_some_and(|it| key.is_done_by(it));
                let why = format!("its assembly is {}", event.state);
                self.end_all(now, is_there, || Outcome::wrong("lost", why.as_str()));
            }
            _ => return,
        }
        let is_over = |_: &Key, action: &Action| action.until_us < now.boottime_us;
        self.end_all(now, is_over, || {
            Outcome::wrong("unanswered", "its agent has not answered in time")
        });
    }

    fn begin_transition(&mut self, now: Time, event: &Event) {
        let count = |name: &str| event.details.get(name)?.parse::<u64>().ok();
        let Some(own) = count("transition") else {
            return;
        };
        let mut attributes = vec![
            number("cpe.transition", own),
            KeyValue::new("cpe.reason", event.reason.clone()),
            KeyValue::new("cpe.event", event.id.clone()),
        ];
        for (key, name) in [("cpe.actions", "actions"), ("cpe.taken_over", "taken_over")] {
            attributes.extend(count(name).map(|count| number(key, count)));
        }
        let span = self.tracer.span_builder("transition");
        let begun = self.begin(now, span.with_attributes(attributes), &Context::new());
        self.transition = Some(Transition { number: own, begun });
    }

    fn end_transition(&mut self, now: Time, outcome: Outcome) {
        if let Some(mut transition) = self.transition.take() {
            transition.begun.end(now, outcome);
        }
    }

    fn execute(&mut self, now: Time, assembly: &AssemblyId, operation: &Operation) {
        let agent = [&operation.class, &operation.provider, &operation.kind];
        let agent: Vec<&str> = agent
            .into_iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        let (action, resource) = (operation.action.as_str(), operation.resource.as_str());
        let mut attributes = vec![
            text("cpe.action", action),
            text("cpe.assembly", assembly.as_str()),
            text("cpe.resource", resource),
            KeyValue::new("cpe.agent", agent.join(":")),
            number("cpe.interval_ms", operation.interval_ms.into()),
            number("cpe.timeout_ms", operation.timeout_ms.into()),
        ];
        if let Some(who) = operation.annotations.get(DEBUG) {
            attributes.push(KeyValue::new("cpe.debugged_by", who.clone()));
        }
        let of = TransitionKey::parse(&operation.id).map(|key| key.transition);
        let parent = match operation.annotations.get(DEBUG) {
            Some(_) => Context::new(),
            None => self.parent(of),
        };
        let within_ms = u64::from(operation.timeout_ms) + u64::from(operation.start_delay_ms());
        let (key, name) = (
            Key::Operation(assembly.clone(), operation.id.clone()),
            format!("{action} {resource}"),
        );
        self.act(now, key, name, attributes, &parent, within_ms);
    }

    fn cancel(
        &mut self,
        now: Time,
        assembly: &AssemblyId,
        resource: &str,
        action: &Task,
        interval_ms: u32,
    ) {
        let attributes = vec![
            text("cpe.action", "cancel"),
            text("cpe.assembly", assembly.as_str()),
            text("cpe.resource", resource),
            text("cpe.cancelled", action.as_str()),
            number("cpe.interval_ms", interval_ms.into()),
        ];
        let key = of_cancel(assembly, resource, action, interval_ms);
        let (name, parent) = (format!("cancel {resource}"), self.parent(None));
        self.act(now, key, name, attributes, &parent, 0);
    }

    fn fence(&mut self, now: Time, request: &FenceRequest) {
        let device = match &request.device {
            FenceDevice::Unit { unit } => unit.clone(),
            FenceDevice::Agent { agent, .. } => agent.clone(),
            FenceDevice::Level(devices) => format!("{} devices", devices.len()),
        };
        let order = if request.reboot { "reboot" } else { "off" };
        let attributes = vec![
            text("cpe.action", "fence"),
            text("cpe.assembly", request.assembly.as_str()),
            KeyValue::new("cpe.device", device),
            text("cpe.order", order),
            number("cpe.attempt", request.attempt),
            number("cpe.timeout_ms", request.timeout_ms.into()),
        ];
        let key = Key::Fence(request.assembly.clone(), request.attempt);
        let (name, parent) = (format!("fence {}", request.assembly), self.parent(None));
        self.act(
            now,
            key,
            name,
            attributes,
            &parent,
            request.timeout_ms.into(),
        );
    }

    /// The transition that is under way, if it is the one with that number, or whatever it is.
    fn parent(&self, number: Option<u64>) -> Context {
        let own = self.transition.as_ref();
        let own = own.filter(|own| number.is_none_or(|number| number == own.number));
        own.map_or_else(Context::new, |own| {
            let context = own.begun.span.span_context().clone();
            Context::new().with_remote_span_context(context)
        })
    }

    /// Begins the span of an action.
    fn act(
        &mut self,
        now: Time,
        key: Key,
        name: String,
        attributes: Vec<KeyValue>,
        parent: &Context,
        within_ms: u64,
    ) {
        if self.actions.len() >= MOST {
            self.losses.lose(1);
            return;
        }
        let span = self.tracer.span_builder(name);
        let begun = self.begin(now, span.with_attributes(attributes), parent);
        let within_us = within_ms.saturating_add(GRACE_MS).saturating_mul(1000);
        let until_us = now.boottime_us.saturating_add(within_us);
        let again = self.actions.insert(key, Action { begun, until_us });
        if let Some(mut former) = again {
            let outcome = Outcome::wrong("lost", "it was asked for again");
            former.begun.end(now, outcome);
        }
    }

    fn begin(&self, now: Time, span: SpanBuilder, parent: &Context) -> Begun {
        let span = span.with_start_time(moment(now.wall_us));
        Begun {
            span: self.tracer.build_with_context(span, parent),
            since: now,
        }
    }

    fn result(&mut self, now: Time, assembly: &AssemblyId, record: &Record) {
        if let Some(outcome) = Outcome::of(record) {
            let key = Key::Operation(assembly.clone(), record.operation.id.clone());
            self.end(now, &key, outcome);
        }
    }

    /// What an agent tells of all that it has done: what it does not know, it was not asked for.
    fn history(&mut self, now: Time, assembly: &AssemblyId, history: &[Record]) {
        for record in history {
            self.result(now, assembly, record);
        }
        let is_missing = |key: &Key, _: &Action| {
            key.is_done_by(assembly)
                && !matches!(key, Key::Operation(_, id) if history.iter().any(|record| record.operation.id == *id))
        };
        self.end_all(now, is_missing, || {
            Outcome::wrong("lost", "its agent does not know of it")
        });
    }

    fn end(&mut self, now: Time, key: &Key, outcome: Outcome) {
        if let Some(mut action) = self.actions.remove(key) {
            action.begun.end(now, outcome);
        }
    }

    fn end_all(
        &mut self,
        now: Time,
        which: impl Fn(&Key, &Action) -> bool,
        outcome: impl Fn() -> Outcome,
    ) {
        self.actions.retain(|key, action| {
            let ends = which(key, action);
            if ends {
                action.begun.end(now, outcome());
            }
            !ends
        });
    }
}

fn of_cancel(assembly: &AssemblyId, resource: &str, action: &Task, interval_ms: u32) -> Key {
    let action = action.as_str().to_owned();
    Key::Cancel(assembly.clone(), resource.to_owned(), action, interval_ms)
}

fn text(key: &'static str, value: &str) -> KeyValue {
    KeyValue::new(key, value.to_owned())
}

fn number(key: &'static str, value: u64) -> KeyValue {
    KeyValue::new(key, i64::try_from(value).unwrap_or(i64::MAX))
}

fn moment(wall_us: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(wall_us)
}
