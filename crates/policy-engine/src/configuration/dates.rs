//! Dates, times and durations (scheduler-spec/01 §6).

/// Parses a date/time text (§6.1) to epoch seconds; `today` gives the date for texts that are only a time.
pub fn parse_instant(_text: &str, _today: i64) -> Option<i64> {
    None
}

/// Parses an interval specification (§3.5) to ms, capped at 2^32-1; `None` = invalid or negative.
pub fn parse_interval(_text: &str) -> Option<u32> {
    None
}
