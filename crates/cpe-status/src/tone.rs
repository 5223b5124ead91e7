//! What kinds of events mean to whoever looks: the terminal and the page mark them alike.

/// How an event is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventTone {
    /// Something is told, and that is all.
    Plain,
    /// Something is well, or well again.
    Good,
    /// Something is another way than before, as it was meant to be.
    Busy,
    /// Something is not as it should be, and is being seen to.
    Warn,
    /// Something has failed.
    Bad,
}

impl EventTone {
    /// Of a kind of events, also one of a later version: its last word says it, as `failed` in
    /// `assembly.fencing-failed`.
    pub fn of(kind: &str) -> EventTone {
        match kind.rsplit(['.', '-']).next().unwrap_or_default() {
            "failed" | "lost" | "died" | "unrecoverable" | "refused" | "unusable" => EventTone::Bad,
            "degraded" | "missed" | "missing" | "requested" | "aborted" | "leaving" => {
                EventTone::Warn
            }
            "recovered" | "online" | "completed" | "succeeded" | "regained" => EventTone::Good,
            "moved" => EventTone::Busy,
            _ => EventTone::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_says_how_an_event_is_to_be_taken() {
        for (kind, tone) in [
            ("assembly.fencing-failed", EventTone::Bad),
            ("assembly.unfencing-failed", EventTone::Bad),
            ("assembly.heartbeat-missed", EventTone::Warn),
            ("deployment.room-missing", EventTone::Warn),
            ("dpe.storage-recovered", EventTone::Good),
            ("service.moved", EventTone::Busy),
            ("service.started", EventTone::Plain),
            ("later.kind", EventTone::Plain),
            ("", EventTone::Plain),
        ] {
            assert_eq!(EventTone::of(kind), tone, "{kind}");
        }
    }
}
