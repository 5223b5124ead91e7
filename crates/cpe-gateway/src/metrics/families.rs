//! Writing series: all of a name together, under a line that says what they are.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeMetric, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;

/// Where families are written to.
pub(super) struct Families<'e>(DescriptorEncoder<'e>);

/// Where series of one name are written to.
pub(super) struct Series<'s>(MetricEncoder<'s>);

impl<'e> Families<'e> {
    pub(super) fn new(encoder: DescriptorEncoder<'e>) -> Families<'e> {
        Families(encoder)
    }

    /// Gauges of a name, with what they mean.
    pub(super) fn gauges(
        &mut self,
        name: &str,
        help: &str,
        write: impl FnOnce(&mut Series<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let encoder = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        write(&mut Series(encoder))
    }

    /// A gauge without labels.
    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeGaugeValue,
    ) -> fmt::Result {
        let mut encoder = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        encoder.encode_gauge(&value)
    }

    /// Counters. The name is without the `_total` that is written behind it.
    pub(super) fn counters(
        &mut self,
        name: &str,
        help: &str,
        write: impl FnOnce(&mut Series<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let kind = MetricType::Counter;
        let encoder = self.0.encode_descriptor(name, help, None, kind)?;
        write(&mut Series(encoder))
    }

    /// What keeps itself.
    pub(super) fn kept(&mut self, name: &str, help: &str, it: &impl EncodeMetric) -> fmt::Result {
        let encoder = self
            .0
            .encode_descriptor(name, help, None, it.metric_type())?;
        it.encode(encoder)
    }
}

impl Series<'_> {
    /// A gauge with labels.
    pub(super) fn gauge<const N: usize>(
        &mut self,
        labels: [(&str, &str); N],
        value: impl EncodeGaugeValue,
    ) -> fmt::Result {
        self.0.encode_family(&labels)?.encode_gauge(&value)
    }

    /// A counter with labels.
    pub(super) fn counter<const N: usize>(
        &mut self,
        labels: [(&str, &str); N],
        value: u64,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_family(&labels)?;
        encoder.encode_counter::<NoLabelSet, u64, u64>(&value, None)
    }
}

/// A moment, as metrics have it: seconds since the Unix epoch.
pub(super) fn moment(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64()
}
