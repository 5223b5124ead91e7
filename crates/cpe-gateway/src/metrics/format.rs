//! The two formats of Prometheus, and which of them a scraper takes.

use std::fmt;

use axum::http::{HeaderMap, header};
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// In the order in which they are given to who takes both. What they are called by, the most exact
/// first: only who names OpenMetrics knows what it is.
const FORMATS: [(Format, &[&str]); 2] = [
    (Format::OpenMetrics, &["application/openmetrics-text"]),
    (Format::Text, &["text/plain", "text/*", "*/*"]),
];

impl Format {
    /// The one that the headers ask for; `None`: neither.
    pub fn wanted(headers: &HeaderMap) -> Option<Format> {
        let mut asked = headers.get_all(header::ACCEPT).iter().peekable();
        if asked.peek().is_none() {
            return Some(Format::Text);
        }
        let texts: Vec<&str> = asked.filter_map(|value| value.to_str().ok()).collect();
        let ranges = || texts.iter().flat_map(|text| text.split(',')).map(range);
        let mut best: Option<(Format, f32)> = None;
        for (format, names) in FORMATS {
            // What is said more exactly counts.
            let quality = names.iter().find_map(|wanted| {
                let fitting = ranges().filter(|(name, _)| name == wanted);
                fitting.map(|(_, quality)| quality).reduce(f32::max)
            });
            if let Some(quality) = quality.filter(|quality| *quality > 0.0)
                && best.is_none_or(|(_, before)| quality > before)
            {
                best = Some((format, quality));
            }
        }
        best.map(|(format, _)| format)
    }

    /// Its `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => prometheus_text::CONTENT_TYPE,
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    pub(super) fn write(self, to: &mut String, registry: &Registry) -> fmt::Result {
        match self {
            Format::Text => prometheus_text::encode(to, registry),
            Format::OpenMetrics => text::encode(to, registry),
        }
    }
}

/// A range of `Accept`, and how much it is wanted.
fn range(text: &str) -> (String, f32) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let quality = parts.find_map(|part| part.strip_prefix("q="));
    let quality = quality.map_or(Some(1.0), |quality| quality.parse().ok());
    (name, quality.unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scraper_gets_what_it_takes_best() {
        let wanted = |accept: &'static str| {
            let value = accept.parse().unwrap();
            Format::wanted(&[(header::ACCEPT, value)].into_iter().collect())
        };
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(wanted(prometheus), Some(Format::OpenMetrics));
        for accept in [
            "*/*",
            "text/*",
            "text/plain",
            "text/html, */*;q=0.8",
            "application/*, */*;q=0.1",
            "text/plain;version=0.0.4, application/openmetrics-text;q=0.5",
        ] {
            assert_eq!(wanted(accept), Some(Format::Text), "{accept}");
        }
        for accept in [
            "text/html",
            "application/json",
            "*/*;q=0",
            "text/plain;q=0, */*",
        ] {
            assert_eq!(wanted(accept), None, "{accept}");
        }
        assert_eq!(Format::wanted(&HeaderMap::new()), Some(Format::Text));
    }
}
