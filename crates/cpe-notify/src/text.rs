//! Texts of others, so that they fit where they go.

/// Longest reason that is kept of a failed attempt, in bytes.
pub(crate) const MAX_REASON: usize = 512;

/// The beginning of what a server or a program said, in one line.
pub(crate) fn one_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<&str> = text.split_whitespace().collect();
    cpe_status::limits::bounded(&words.join(" "), MAX_REASON)
}

/// As the value of an HTTP header: what is not printable ASCII, `"` and `%` are percent-encoded
/// (CloudEvents 1.0.2, "HTTP Protocol Binding", 3.1.3.2).
pub(crate) fn header_value(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'%' => value.push_str(&format!("%{byte:02X}")),
            b'!'..=b'~' => value.push(char::from(byte)),
            _ => value.push_str(&format!("%{byte:02X}")),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_holds_any_text() {
        assert_eq!(
            header_value("Euro € \"1%\""),
            "Euro%20%E2%82%AC%20%221%25%22"
        );
        assert_eq!(header_value("a\r\nb: c"), "a%0D%0Ab:%20c");
    }

    #[test]
    fn what_others_say_becomes_one_bounded_line() {
        assert_eq!(
            one_line(b"  no\n\tsuch \xff page\n"),
            "no such \u{fffd} page"
        );
        assert!(one_line(&[b'x'; 10_000]).len() <= MAX_REASON);
    }
}
