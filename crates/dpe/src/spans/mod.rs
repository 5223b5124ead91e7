//! Spans of transitions and their actions, for OpenTelemetry: what took how long, and what came of
//! it.
//!
//! They are made of what goes into the controller and comes out of it: nothing is asked for them,
//! and nothing waits for them but the end of the process, for a moment. There are some only in a
//! build with the feature `otlp`, and only where the environment says to whom they go:
//!
//! ```text
//! event transition.started       ──▶ open: the transition ◀── its completed, or aborted
//! Effect::Execute, Cancel, Fence ──▶ open: its actions    ◀── their results
//!                                      │ ended
//!                                      ▼
//!                                    send: a bounded queue ──▶ a thread ──▶ OTLP over HTTP
//! ```

#[cfg(feature = "otlp")]
mod client;
#[cfg(feature = "otlp")]
mod losses;
#[cfg(not(feature = "otlp"))]
mod none;
#[cfg(feature = "otlp")]
mod open;
#[cfg(feature = "otlp")]
mod outcome;
#[cfg(feature = "otlp")]
mod send;
#[cfg(feature = "otlp")]
#[cfg(test)]
mod tests;

#[cfg(not(feature = "otlp"))]
pub(crate) use none::Spans;
#[cfg(feature = "otlp")]
pub(crate) use wanted::Spans;

/// A variable of the environment; an empty one is none.
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What the environment says of OpenTelemetry's exporter: of spans alone, else of all that is told.
fn of_exporter(what: &str) -> Option<String> {
    let own = setting(&format!("OTEL_EXPORTER_OTLP_TRACES_{what}"));
    own.or_else(|| setting(&format!("OTEL_EXPORTER_OTLP_{what}")))
}

/// Where the spans are to go. `None`: nowhere.
fn endpoint() -> Option<String> {
    of_exporter("ENDPOINT")
}

#[cfg(feature = "otlp")]
mod wanted {
    use controller::{Effect, Input};

    use super::open::Open;
    use super::send::{self, Sending};
    use crate::clock::now;

    /// The spans of a deployment, if somebody wants them.
    pub(crate) struct Spans(Option<(Open, Sending)>);

    impl Spans {
        /// Those of a deployment, as the environment says.
        pub(crate) fn of(deployment: &str) -> Spans {
            let sending = send::begin(deployment);
            Spans(sending.map(|sending| (sending.open(), sending)))
        }

        /// An effect is carried out.
        pub(crate) fn begun(&mut self, effect: &Effect) {
            if let Some((open, _)) = &mut self.0 {
                open.begun(now(), effect);
            }
        }

        /// The controller is told something.
        pub(crate) fn told(&mut self, input: &Input) {
            if let Some((open, _)) = &mut self.0 {
                open.told(now(), input);
            }
        }

        /// Ends what is under way, since this process ends, and sends what is left: not for long.
        pub(crate) fn finish(&mut self) {
            if let Some((mut open, sending)) = self.0.take() {
                open.finish(now());
                sending.finish();
            }
        }
    }
}
