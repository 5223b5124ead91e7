//! No spans: this build has none.

use controller::{Effect, Input};

use super::endpoint;

/// Nothing.
pub(crate) struct Spans;

impl Spans {
    /// Says so to who wants some.
    pub(crate) fn of(deployment: &str) -> Spans {
        if endpoint().is_some() {
            tracing::warn!(
                cpe_deployment = deployment,
                "the environment says where spans are to go (OTEL_EXPORTER_OTLP_ENDPOINT), and this dpe is built without them: none are sent; build it with `--features otlp`"
            );
        }
        Spans
    }

    pub(crate) fn begun(&mut self, _: &Effect) {}

    pub(crate) fn told(&mut self, _: &Input) {}

    pub(crate) fn finish(&mut self) {}
}
