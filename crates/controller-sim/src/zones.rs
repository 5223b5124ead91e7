//! The time zones of simulated hosts: as data, whatever the host of the simulation knows.

use controller::Zone;
use jiff::tz::TimeZone;

/// Five and a half hours ahead of UTC: what is written in minutes tells it from UTC.
pub const KOLKATA: &str = "Asia/Kolkata";

/// Minutes by which the clocks of [`KOLKATA`] are ahead.
pub const KOLKATA_MINUTES: i64 = 330;

/// The rules of a zone.
pub fn find(name: &str) -> Option<Zone> {
    let rules = match name {
        KOLKATA => "IST-5:30",
        "Europe/Berlin" => "CET-1CEST,M3.5.0,M10.5.0/3",
        _ => return None,
    };
    TimeZone::posix(rules).ok().map(Zone::from)
}
