//! What the gateway is asked, and how long it takes.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

/// Bounds, seconds.
const BOUNDS: [f64; 9] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Labels: each has few values, whatever is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Asked {
    route: String,
    method: &'static str,
    status_class: &'static str,
}

/// How long requests took. All copies are one.
#[derive(Debug, Clone)]
pub struct Requests {
    durations: Family<Asked, Histogram>,
}

impl Default for Requests {
    fn default() -> Requests {
        Requests {
            durations: Family::new_with_constructor(|| Histogram::new(BOUNDS)),
        }
    }
}

impl Requests {
    /// Notes a request. `route`: as the contract has it; `None`: there is no such route.
    pub fn note(&self, route: Option<&str>, method: &Method, status: StatusCode, took: Duration) {
        let asked = Asked {
            route: route.unwrap_or("other").to_owned(),
            method: ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"]
                .into_iter()
                .find(|known| *known == method.as_str())
                .unwrap_or("other"),
            status_class: match status.as_u16() / 100 {
                1 => "1xx",
                2 => "2xx",
                3 => "3xx",
                4 => "4xx",
                _ => "5xx",
            },
        };
        self.durations
            .get_or_create(&asked)
            .observe(took.as_secs_f64());
    }

    /// For a page.
    pub(super) fn durations(&self) -> &Family<Asked, Histogram> {
        &self.durations
    }
}
