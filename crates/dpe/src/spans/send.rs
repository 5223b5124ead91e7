//! The way of spans to a collector: a bounded queue and a thread of OpenTelemetry's SDK. Its
//! variables of the environment count, beside those of the exporter.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_otlp::{SpanExporter as Otlp, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, SdkTracerProvider, Span, SpanData, SpanExporter, SpanProcessor,
};

use super::client::Client;
use super::losses::Losses;
use super::open::Open;
use super::{endpoint, of_exporter, setting};

/// Spans that may wait to be sent, unless the environment says otherwise: what the SDK has, too.
const MOST_WAITING: u64 = 2048;
/// How long a process that ends waits for the last spans: its unit gives it 3 s, of which its disk
/// may have 2.
const LAST_SPANS: Duration = Duration::from_millis(500);
/// What this build speaks.
const PROTOCOL: &str = "http/protobuf";

/// Spans are sent.
pub(super) struct Sending {
    deployment: String,
    provider: SdkTracerProvider,
    losses: Arc<Losses>,
}

/// Begins to send spans of a deployment, if the environment says where to. It never fails: a DPE
/// that cannot tell what it does does it all the same.
pub(super) fn begin(deployment: &str) -> Option<Sending> {
    endpoint()?;
    if let Some(why) = unwanted() {
        tracing::info!(cpe_deployment = deployment, "no spans are sent: {why}");
        return None;
    }
    match started(deployment) {
        Ok(sending) => {
            tracing::info!(
                cpe_deployment = deployment,
                "spans of transitions are sent by OTLP"
            );
            Some(sending)
        }
        Err(error) => {
            tracing::warn!(
                cpe_deployment = deployment,
                "no spans are sent: {error:#}; see OTEL_EXPORTER_OTLP_ENDPOINT in the unit"
            );
            None
        }
    }
}

/// Why the environment wants none, although it says where to.
fn unwanted() -> Option<String> {
    let is = |name, value: &str| setting(name).is_some_and(|set| set.eq_ignore_ascii_case(value));
    if is("OTEL_SDK_DISABLED", "true") {
        return Some("OTEL_SDK_DISABLED is true".to_owned());
    }
    if is("OTEL_TRACES_EXPORTER", "none") {
        return Some("OTEL_TRACES_EXPORTER is none".to_owned());
    }
    let protocol = of_exporter("PROTOCOL")?;
    (protocol != PROTOCOL).then(|| {
        format!("they are to go by {protocol} (OTEL_EXPORTER_OTLP_PROTOCOL), and a dpe speaks {PROTOCOL} only")
    })
}

fn started(deployment: &str) -> anyhow::Result<Sending> {
    let losses = Arc::new(Losses::default());
    let otlp = Otlp::builder()
        .with_http()
        .with_http_client(Client::new(Arc::clone(&losses))?)
        .build()?;
    let exporter = Exporter {
        otlp,
        deployment: deployment.to_owned(),
        losses: Arc::clone(&losses),
    };
    // It panics where there can be no thread.
    Ok(cpe_daemon::confine(|| {
        Sending::by(exporter, losses, deployment)
    })?)
}

impl Sending {
    fn by(exporter: impl SpanExporter + 'static, losses: Arc<Losses>, deployment: &str) -> Sending {
        let most = setting("OTEL_BSP_MAX_QUEUE_SIZE").and_then(|text| text.parse().ok());
        let queue = Queue {
            batches: BatchSpanProcessor::builder(exporter).build(),
            losses: Arc::clone(&losses),
            most: most.unwrap_or(MOST_WAITING),
        };
        let provider = SdkTracerProvider::builder()
            .with_resource(resource(deployment))
            .with_span_processor(queue)
            .build();
        Sending {
            deployment: deployment.to_owned(),
            provider,
            losses,
        }
    }

    /// Spans that will be sent by this when they end.
    pub(super) fn open(&self) -> Open {
        Open::new(self.provider.tracer("dpe"), Arc::clone(&self.losses))
    }

    /// Sends what is left, and says what is lost.
    pub(super) fn finish(self) {
        let ended = self.provider.shutdown_with_timeout(LAST_SPANS);
        let lost = self.losses.lost();
        if lost > 0 || ended.is_err() {
            tracing::warn!(
                cpe_deployment = self.deployment,
                lost,
                "{lost} spans were not sent{}",
                match ended {
                    Ok(()) => String::new(),
                    Err(error) => format!(", and the last ones may be lost: {error}"),
                }
            );
        }
    }
}

/// Who tells this. What the environment says counts more.
fn resource(deployment: &str) -> Resource {
    let found = Resource::builder().build();
    let name = found.get(&Key::new("service.name"));
    let is_named = name.is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let own = [
        ("host.name", host),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("cpe.deployment", deployment.to_owned()),
    ];
    let own = own
        .into_iter()
        .map(|(key, value)| KeyValue::new(key, value));
    let missing = own.filter(|own| found.get(&own.key).is_none());
    let resource = Resource::builder().with_attributes(missing);
    match is_named {
        true => resource.build(),
        false => resource.with_service_name("dpe").build(),
    }
}

/// Spans that wait for the thread that sends them: no more than there is room for. Nobody waits
/// for that room.
#[derive(Debug)]
struct Queue {
    batches: BatchSpanProcessor,
    losses: Arc<Losses>,
    most: u64,
}

impl SpanProcessor for Queue {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        // Those that are not sampled never come to the exporter.
        if span.span_context.is_sampled() && self.losses.admit(self.most) {
            self.batches.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Sends, and counts what could not be sent. A panic of what it calls loses a batch, and does not
/// end this process.
#[derive(Debug)]
struct Exporter {
    otlp: Otlp,
    deployment: String,
    losses: Arc<Losses>,
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let mut sending = Box::pin(self.otlp.export(batch));
        let sent = std::future::poll_fn(|context| {
            cpe_daemon::confine(|| sending.as_mut().poll(context)).unwrap_or_else(|panicked| {
                Poll::Ready(Err(OTelSdkError::InternalFailure(panicked.to_string())))
            })
        })
        .await;
        let (is_new, trouble) = self.losses.sent(count, sent.is_err());
        let (cpe_deployment, lost) = (&self.deployment, self.losses.lost());
        match &sent {
            Ok(()) if is_new => {
                tracing::info!(
                    cpe_deployment,
                    lost,
                    "spans are sent again; {lost} are lost"
                );
            }
            Err(error) if is_new => tracing::warn!(
                cpe_deployment,
                lost,
                "spans cannot be sent: {}; until they can, they are lost",
                trouble.unwrap_or_else(|| error.to_string())
            ),
            _ => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.otlp.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.otlp.set_resource(resource);
    }
}
