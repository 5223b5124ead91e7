//! Whether a controller serves its deployment still.
//!
//! ```text
//!  ┌─────────┐ end ┌────────┐ finish ┌───────┐
//!  │ serving ├────▶│ ending ├───────▶│ ended │
//!  └─────────┘◀────┴────────┘        └───────┘
//!           serve_again
//! ```

/// How far a controller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It keeps its deployment's services alive, or is about to stop them.
    Serving,
    /// Nothing is begun any more, and guests are let go of if their services were stopped; the
    /// event log may still take the last events until then (boot time, µs).
    Ending {
        /// Boot time, µs.
        until_us: u64,
    },
    /// Nothing is left to do.
    Ended {
        /// Its services were left running.
        left: bool,
    },
}

impl Phase {
    /// No operations any more: it is ending, or has ended.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Phase::Ending { .. } | Phase::Ended { .. })
    }

    /// Nothing happens by itself any more.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Phase::Ended { .. })
    }

    /// Edge serving → ending.
    pub(crate) fn end(&mut self, until_us: u64) {
        assert_eq!(*self, Phase::Serving, "invariant: what serves can end");
        *self = Phase::Ending { until_us };
    }

    /// Edge ending → serving: services are to be stopped after all, and no guest was let go of.
    pub(crate) fn serve_again(&mut self) {
        assert!(!self.is_final(), "invariant: what has ended does not serve");
        *self = Phase::Serving;
    }

    /// Edge ending → ended. `left`: its services were left running.
    pub(crate) fn finish(&mut self, left: bool) {
        assert!(
            matches!(self, Phase::Ending { .. }),
            "invariant: guests are let go before the end, not in phase {self:?}"
        );
        *self = Phase::Ended { left };
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
        phase.finish(true);
        assert!(phase.is_over() && phase.is_final());
        assert_eq!(phase, Phase::Ended { left: true });
    }

    #[test]
    fn it_serves_again_before_it_has_ended() {
        let mut phase = Phase::Ending { until_us: 5 };
        phase.serve_again();
        assert_eq!(phase, Phase::Serving);
    }

    #[test]
    #[should_panic(expected = "before the end")]
    fn it_does_not_end_with_guests_held() {
        Phase::Serving.finish(false);
    }
}
