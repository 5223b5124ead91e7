//! Whether a controller serves its deployment still.
//!
//! ```text
//!  ┌─────────┐ end ┌────────┐ finish ┌───────┐
//!  │ serving ├────▶│ ending ├───────▶│ ended │
//!  └─────────┘     └────────┘        └───────┘
//! ```

/// How far a controller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It keeps its deployment's services alive, or is about to stop them.
    Serving,
    /// Its guests are let go; the event log may still take the last events until then (boot time,
    /// µs).
    Ending {
        /// Boot time, µs.
        until_us: u64,
    },
    /// Nothing is left to do.
    Ended,
}

impl Phase {
    /// No operations any more: it is ending, or has ended.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Phase::Ending { .. } | Phase::Ended)
    }

    /// Nothing happens by itself any more.
    pub(crate) fn is_final(self) -> bool {
        self == Phase::Ended
    }

    /// Edge serving → ending.
    pub(crate) fn end(&mut self, until_us: u64) {
        assert_eq!(*self, Phase::Serving, "invariant: what serves can end");
        *self = Phase::Ending { until_us };
    }

    /// Edge ending → ended.
    pub(crate) fn finish(&mut self) {
        assert!(
            matches!(self, Phase::Ending { .. }),
            "invariant: guests are let go before the end, not in phase {self:?}"
        );
        *self = Phase::Ended;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_in_two_steps() {
        let mut phase = Phase::Serving;
        assert!(!phase.is_over() && !phase.is_final());
        phase.end(5);
        assert_eq!(phase, Phase::Ending { until_us: 5 });
        assert!(phase.is_over() && !phase.is_final());
        phase.finish();
        assert!(phase.is_over() && phase.is_final());
    }

    #[test]
    #[should_panic(expected = "before the end")]
    fn it_does_not_end_with_guests_held() {
        Phase::Serving.finish();
    }
}
