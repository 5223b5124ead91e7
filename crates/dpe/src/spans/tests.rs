//! Which span ends how, with the SDK's own spans.

use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use controller::{
    AssemblyId, Effect, Event, EventKind, FenceDevice, FenceRequest, Input, Operation, Record,
    RecordState, Task, Time, dispatcher_uuid,
};
use opentelemetry::Context;
use opentelemetry::trace::{SpanId, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};

use super::losses::Losses;
use super::open::Open;

/// Keeps what has ended.
#[derive(Clone, Debug, Default)]
struct Ended(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Ended {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Ended {
    fn span(&self, name: &str) -> SpanData {
        let all = self.0.lock().unwrap();
        let named: Vec<&SpanData> = all.iter().filter(|span| span.name == name).collect();
        assert_eq!(named.len(), 1, "{name}: {named:?}");
        named[0].clone()
    }

    fn outcome(&self, name: &str) -> String {
        let span = self.span(name);
        let mut all = span.attributes.iter();
        let outcome = all.find(|own| own.key.as_str() == "cpe.outcome");
        outcome.unwrap().value.to_string()
    }
}

fn open() -> (Open, Ended) {
    let ended = Ended::default();
    let provider = SdkTracerProvider::builder().with_span_processor(ended.clone());
    let tracer = provider.build().tracer("test");
    (Open::new(tracer, Arc::new(Losses::default())), ended)
}

fn at(seconds: u64) -> Time {
    Time {
        boottime_us: seconds * 1_000_000,
        wall_us: (1_000 + seconds) * 1_000_000,
    }
}

fn event(kind: EventKind, assembly: &str, details: &[(&str, &str)]) -> Effect {
    let details = details.iter();
    Effect::Event(Event {
        id: "e".into(),
        time: 0,
        kind,
        deployment: "shop".into(),
        assembly: (!assembly.is_empty()).then(|| AssemblyId::from(assembly)),
        service: None,
        state: "lost".into(),
        reason: "a reason".into(),
        details: details
            .map(|(key, text)| ((*key).into(), (*text).into()))
            .collect(),
    })
}

fn start(transition: u64, resource: &str, assembly: &str) -> (Effect, Record) {
    let operation = Operation {
        id: format!("1:{transition}:0:{}", dispatcher_uuid(7)) + resource,
        resource: resource.into(),
        action: Task::Start,
        timeout_ms: 20_000,
        ..Operation::default()
    };
    let effect = Effect::Execute {
        assembly: assembly.into(),
        operation: Box::new(operation.clone()),
    };
    let record = Record {
        operation,
        ..Record::default()
    };
    (effect, record)
}

fn completed(assembly: &str, record: Record) -> Input {
    Input::OperationCompleted {
        assembly: assembly.into(),
        record: Box::new(record),
    }
}

fn history(assembly: &str, history: Vec<Record>) -> Input {
    Input::AgentConnected {
        assembly: assembly.into(),
        number: 1,
        hello: Default::default(),
        history,
        attributes: Default::default(),
    }
}

#[test]
fn an_action_that_is_taken_over_belongs_to_the_transition_that_began_it() {
    let (mut open, ended) = open();
    let began = |number| event(EventKind::TransitionStarted, "", &[("transition", number)]);
    let (web, record) = start(3, "web", "a");
    open.begun(at(1), &began("3"));
    open.begun(at(2), &web);
    open.begun(
        at(3),
        &event(EventKind::TransitionAborted, "", &[("failed", "0")]),
    );
    let first = ended.span("transition");
    open.begun(at(3), &began("4"));
    let pending = Record {
        state: RecordState::Pending,
        ..record.clone()
    };
    open.told(at(4), &completed("a", pending));
    // Somebody sets the clock back meanwhile.
    let now = Time {
        wall_us: 5,
        ..at(7)
    };
    open.told(now, &completed("a", record.clone()));
    open.told(now, &completed("a", record));
    let web = ended.span("start web");
    assert_eq!(web.parent_span_id, first.span_context.span_id());
    assert_eq!(web.start_time, UNIX_EPOCH + Duration::from_secs(1_002));
    assert_eq!(web.end_time, UNIX_EPOCH + Duration::from_secs(1_007));
    assert_eq!(ended.outcome("start web"), "done");
    open.finish(at(8));
    assert_eq!(
        ended.0.lock().unwrap().len(),
        3,
        "the second transition ends, too"
    );
}

#[test]
fn what_has_no_result_ends_when_that_is_known() {
    let (mut open, ended) = open();
    let (gone, _) = start(1, "gone", "a");
    let (kept, record) = start(1, "kept", "b");
    let (dropped, _) = start(1, "dropped", "b");
    let (silent, _) = start(1, "silent", "c");
    for effect in [&gone, &kept, &dropped, &silent] {
        open.begun(at(1), effect);
    }
    open.begun(at(2), &event(EventKind::AssemblyLost, "a", &[]));
    assert_eq!(ended.outcome("start gone"), "lost");
    // It was done while the stream was away; the other one has never arrived.
    open.told(at(3), &history("b", vec![record]));
    assert_eq!(ended.outcome("start kept"), "done");
    assert_eq!(ended.outcome("start dropped"), "lost");
    let completed = event(EventKind::TransitionCompleted, "", &[]);
    open.begun(at(100), &completed);
    assert_eq!(ended.0.lock().unwrap().len(), 3);
    open.begun(at(142), &completed);
    assert_eq!(ended.outcome("start silent"), "unanswered");
}

#[test]
fn fencing_between_transitions_stands_alone() {
    let (mut open, ended) = open();
    let fence = |attempt| {
        Effect::Fence(FenceRequest {
            assembly: "a".into(),
            attempt,
            device: FenceDevice::Agent {
                agent: "fence_fake".into(),
                parameters: vec![("password".into(), "secret".into())],
                marked: std::collections::BTreeSet::new(),
            },
            unit_seen: false,
            reboot: true,
            timeout_ms: 1000,
            delay_ms: 0,
        })
    };
    open.begun(at(1), &fence(1));
    let failed = Input::FencingResult {
        assembly: "a".into(),
        attempt: 1,
        result: Err("no answer".into()),
    };
    open.told(at(2), &failed);
    let span = ended.span("fence a");
    assert_eq!(span.parent_span_id, SpanId::INVALID);
    assert_eq!(ended.outcome("fence a"), "failed");
    assert!(!format!("{span:?}").contains("secret"));
    open.begun(at(3), &fence(2));
    open.finish(at(4));
    assert_eq!(ended.0.lock().unwrap().len(), 2);
}
