//! Limits of what crosses the bus and is decided about, once for all that hold to them.

/// Longest name of a value, in bytes: of an attribute, of an option.
pub const MAX_VALUE_NAME: usize = 255;
/// Most attributes of one guest's boot; most values that are kept of one holder over all boots.
pub const MAX_ATTRIBUTES: usize = 512;
/// Longest value of an attribute or an option, in bytes.
pub const MAX_ATTRIBUTE_VALUE: usize = 4096;
/// Most bytes of all names and values of one guest's boot, or of one holder, together.
pub const MAX_ATTRIBUTES_SIZE: usize = 64 * 1024;
/// Longest value of a parameter of a service, in bytes, that an operation carries.
pub const MAX_PARAMETER: usize = 64 * 1024;
/// Most parameters of a service.
pub const MAX_PARAMETERS: usize = 400;
/// Most bytes of the names and values of a service's parameters together. With the longest content
/// of a configure executable they still go to every kind of guest, however they have to be quoted.
pub const MAX_PARAMETERS_SIZE: usize = 96 * 1024;
/// Longest content of a configure executable, in bytes, without the line feed at its end: it goes
/// to the guest with each start.
pub const MAX_CONFIGURE: usize = 64 * 1024;
/// Most values of one answer to a tool: all attributes of an assembly, and one of each of many
/// assemblies.
pub const MAX_VALUES: usize = 2048;
/// Most bytes of an answer's values with their names together: all attributes of an assembly fit.
pub const MAX_VALUES_SIZE: usize = 256 * 1024;

/// Cuts a text to at most `max` bytes at a character boundary, and says so at its end: in 6 bytes,
/// which are the least.
pub fn bounded(text: &str, max: usize) -> String {
    const MARK: &str = " […]";
    if text.len() <= max {
        return text.to_owned();
    }
    let mut end = max.saturating_sub(MARK.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{MARK}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_cuts_long_texts_at_a_character() {
        assert_eq!(bounded("abc", 3), "abc");
        let cut = bounded(&"ä".repeat(20), 21);
        assert!(
            cut.len() <= 21 && cut.starts_with('ä') && cut.ends_with("[…]"),
            "{cut}"
        );
    }
}
