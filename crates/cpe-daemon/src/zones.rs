//! The time zones that the host knows: the rules of its own database (`tzdata`), else those that
//! are built in.

use jiff::tz::TimeZone;

/// The zone of that name in the IANA database.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// The name of the host's own zone (`TZ`, `/etc/localtime`). `None`: UTC, or one without a name.
pub fn host_time_zone() -> Option<String> {
    let zone = TimeZone::try_system().ok()?;
    let name = zone.iana_name()?;
    let is_utc = zone == TimeZone::UTC || matches!(name, "UTC" | "Etc/UTC");
    let known = !is_utc && time_zone(name).is_some();
    known.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_known_by_the_names_of_the_database() {
        let berlin = time_zone("Europe/Berlin").unwrap();
        let summer = jiff::Timestamp::from_second(1_782_900_000).unwrap();
        assert_eq!(berlin.to_offset(summer).seconds(), 7200);
        assert!(time_zone("Europe/Nowhere").is_none());
        assert!(time_zone("../../etc/passwd").is_none());
    }
}
