//! What a collector of spans learns of transitions and their actions, over real HTTP; and that
//! nobody waits for a collector that does not answer.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cpe_bus::Fields;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;

use crate::harness::{World, eventually};

/// How long the fake agents' operations take.
const TAKES: Duration = Duration::from_millis(200);
/// How long a DPE may take to end: what its unit gives it.
const LAST: Duration = Duration::from_secs(3);

/// A collector: it takes what arrives.
struct Collector {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

impl Collector {
    fn new() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&taken);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || {
                    let stream = BufReader::new(stream);
                    serve(stream, &kept);
                });
            }
        });
        Collector { address, taken }
    }

    /// All spans so far, and of which resource each is.
    fn spans(&self) -> Vec<(BTreeMap<String, String>, Span)> {
        let taken = self.taken.lock().unwrap();
        let resources = taken.iter().flat_map(|request| &request.resource_spans);
        let spans = resources.flat_map(|resource| {
            let who = texts(&resource.resource.as_ref().unwrap().attributes);
            let spans = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
            spans.map(move |span| (who.clone(), span.clone()))
        });
        spans.collect()
    }

    fn named(&self, name: &str) -> Vec<Span> {
        let spans = self.spans().into_iter().map(|(_, span)| span);
        spans.filter(|span| span.name == name).collect()
    }
}

/// Answers the requests of one connection.
fn serve(mut stream: BufReader<TcpStream>, kept: &Mutex<Vec<ExportTraceServiceRequest>>) {
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            match stream.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if line == "\r\n" => break,
                Ok(_) => head.push(line.trim_end().to_ascii_lowercase()),
            }
        }
        assert_eq!(head[0], "post /v1/traces http/1.1");
        assert!(head.contains(&"content-type: application/x-protobuf".to_owned()));
        assert!(head.contains(&"x-key: secret".to_owned()), "{head:?}");
        let length = head
            .iter()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        stream.read_exact(&mut body).unwrap();
        let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
        kept.lock().unwrap().push(request);
        let answer =
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        stream.get_mut().write_all(answer.as_bytes()).unwrap();
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    };
    let all = attributes.iter();
    all.map(|attribute| (attribute.key.clone(), text(attribute).unwrap()))
        .collect()
}

fn is_error(span: &Span) -> bool {
    span.status
        .as_ref()
        .is_some_and(|status| status.code == StatusCode::Error as i32)
}

/// Two guests, and a DPE that tells that collector.
fn watched(collector: SocketAddr, more: &[(&'static str, &str)]) -> World {
    let mut world = World::new();
    for guest in [&world.web1, &world.web2] {
        let takes_ms = u64::try_from(TAKES.as_millis()).unwrap();
        guest.takes_ms.store(takes_ms, Ordering::Relaxed);
    }
    let own = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}")),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret".to_owned()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()),
    ];
    let more = more
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    world.variables = own.into_iter().chain(more).collect();
    world.start_bus();
    world.start_dpe();
    world
}

fn document(world: &World, services: &str) -> String {
    let services = format!("<services>{services}</services></deployable>");
    world.document().replace("</deployable>", &services)
}

#[tokio::test]
async fn a_collector_learns_of_transitions_and_of_their_actions() {
    let collector = Collector::new();
    let mut world = watched(collector.address, &[]);
    let dpe = world.proxy().await;
    let services = r#"<service name="web" class="ocf" provider="heartbeat" type="Dummy"/>
        <service name="sick" class="ocf" provider="heartbeat" type="Dummy"/>"#;
    dpe.load(&document(&world, services), 2, Fields::new())
        .await
        .unwrap();
    eventually("the failed start arrives", async || {
        collector.named("start sick").iter().any(is_error)
    })
    .await;
    // Its transition, and whatever was under way.
    world.stop_dpe();

    let transitions = collector.named("transition");
    a_start_is_in_its_transition(&collector.named("start web")[0], &transitions);
    a_failure_is_an_error(&collector.named("start sick")[0], &transitions);
    // A look that finds nothing is no failure.
    let looks = collector.named("monitor web");
    let is_well = |look: &Span| {
        let told = texts(&look.attributes);
        told["cpe.rc"] == "7" && told["cpe.outcome"] == "done" && !is_error(look)
    };
    assert!(looks.iter().any(is_well), "{looks:?}");
    let all = collector.spans();
    let (who, _) = &all[0];
    assert_eq!(who["service.name"], "dpe");
    assert_eq!(who["cpe.deployment"], "shop");
    // Each is there, and once.
    let ids: BTreeSet<_> = all.iter().map(|(_, span)| &span.span_id).collect();
    assert_eq!(ids.len(), all.len());
    let executed = [&world.web1, &world.web2].map(|it| it.executed.load(Ordering::Relaxed));
    let actions = all.iter().filter(|(_, span)| span.name != "transition");
    assert!(actions.count() >= usize::try_from(executed.iter().sum::<u64>()).unwrap());
}

fn a_start_is_in_its_transition(start: &Span, transitions: &[Span]) {
    let is_its = |span: &&Span| span.span_id == start.parent_span_id;
    let transition = transitions.iter().find(is_its).unwrap();
    assert!(transition.parent_span_id.is_empty());
    assert_eq!(start.trace_id, transition.trace_id);
    assert!(start.start_time_unix_nano >= transition.start_time_unix_nano);
    assert!(start.end_time_unix_nano <= transition.end_time_unix_nano);
    let lasts = Duration::from_nanos(start.end_time_unix_nano - start.start_time_unix_nano);
    assert!(lasts >= TAKES && lasts < TAKES * 50, "{lasts:?}");
    let told = texts(&start.attributes);
    let of = |key: &str| told.get(key).map_or("", String::as_str);
    assert_eq!(of("cpe.outcome"), "done");
    assert_eq!((of("cpe.rc"), of("cpe.exec_ms")), ("0", "42"));
    assert_eq!(of("cpe.agent"), "ocf:heartbeat:Dummy");
    assert!(["web1", "web2"].contains(&of("cpe.assembly")));
    assert!(!is_error(start));
}

fn a_failure_is_an_error(sick: &Span, transitions: &[Span]) {
    assert_eq!(texts(&sick.attributes)["cpe.outcome"], "failed");
    let why = &sick.status.as_ref().unwrap().message;
    assert!(why.contains("it is sick"), "{why}");
    let failed = transitions.iter().filter(|span| is_error(span));
    assert!(
        failed
            .map(|span| &span.span_id)
            .any(|id| *id == sick.parent_span_id)
    );
}

#[tokio::test]
async fn a_collector_that_does_not_answer_keeps_nobody_waiting() {
    // Connections are taken by the kernel, and nobody reads them; then there are none.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    everything_goes_on_without(address).await;
    drop(silent);
    everything_goes_on_without(address).await;
}

async fn everything_goes_on_without(collector: SocketAddr) {
    let queue = [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "2"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1"),
    ];
    let mut world = watched(collector, &queue);
    let dpe = world.proxy().await;
    let services: String = (0..20)
        .map(|n| format!(r#"<service name="s{n}" class="ocf" provider="heartbeat" type="Dummy"/>"#))
        .collect();
    dpe.load(&document(&world, &services), 2, Fields::new())
        .await
        .unwrap();
    eventually("everything runs", async || {
        dpe.get_status().await.unwrap().contains("\"active\"")
    })
    .await;
    world.web1.renewed(20).await;
    world.web2.renewed(1).await;
    let since = Instant::now();
    world.stop_dpe();
    assert!(since.elapsed() < LAST, "{:?}", since.elapsed());
}
