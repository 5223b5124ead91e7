//! Characters on which a terminal acts instead of showing them, written as `\n` or `\u{1b}`.

use std::borrow::Cow;
use std::io::{self, Write};

/// Escapes what drives a terminal, line ends and tabs too: the result is one line.
pub fn escape_line(text: &str) -> Cow<'_, str> {
    escape(text, |_, _| false)
}

/// Escapes what drives a terminal, except line ends and tabs.
pub fn escape_text(text: &str) -> Cow<'_, str> {
    escape(text, |c, rest| match c {
        '\n' | '\t' => true,
        '\r' => rest.starts_with('\n'),
        _ => false,
    })
}

/// Control characters (Unicode's category Cc), and the marks that change the direction of the text
/// after them (Unicode Standard Annex 9, "Explicit Formatting Characters").
fn drives_a_terminal(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `stays` gets a character and the text after it.
fn escape(text: &str, stays: impl Fn(char, &str) -> bool) -> Cow<'_, str> {
    if !text.contains(drives_a_terminal) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if drives_a_terminal(c) && !stays(c, &text[at + c.len_utf8()..]) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// A writer that escapes as [`escape_text`] does; bytes that are not UTF-8 become U+FFFD.
#[derive(Debug)]
pub struct Escaped<W: Write> {
    inner: W,
    /// The first bytes of a character whose others have not come yet; up to three.
    begun: Vec<u8>,
}

impl<W: Write> Escaped<W> {
    /// Writes to `inner`.
    pub fn new(inner: W) -> Escaped<W> {
        Escaped {
            inner,
            begun: Vec::new(),
        }
    }
}

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        for chunk in all.utf8_chunks() {
            self.inner
                .write_all(escape_text(chunk.valid()).as_bytes())?;
            let wrong = chunk.invalid();
            let is_begun = std::str::from_utf8(wrong).is_err_and(|e| e.error_len().is_none());
            if is_begun && all.ends_with(wrong) {
                self.begun = wrong.to_vec();
            } else if !wrong.is_empty() {
                self.inner.write_all("\u{fffd}".as_bytes())?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_shown_instead() {
        assert_eq!(escape_line("plain ü 漢"), "plain ü 漢");
        assert_eq!(escape_line("a\x1b[2Jb\x07"), r"a\u{1b}[2Jb\u{7}");
        assert_eq!(escape_line("\u{9b}31m"), r"\u{9b}31m");
        assert_eq!(escape_line("one\ntwo\tthree\r"), r"one\ntwo\tthree\r");
        assert_eq!(escape_line("a\u{202e}b"), r"a\u{202e}b");
    }

    #[test]
    fn a_text_keeps_its_lines() {
        assert_eq!(escape_text("a\n\tb\r\nc"), "a\n\tb\r\nc");
        assert_eq!(escape_text("shown\rhidden\x1b"), r"shown\rhidden\u{1b}");
    }

    #[test]
    fn a_writer_escapes_also_when_characters_come_in_parts() {
        let text = "ü\u{9b}漢\x1b😀\n".as_bytes();
        for size in 1..=text.len() {
            let mut out = Vec::new();
            let mut writer = Escaped::new(&mut out);
            for part in text.chunks(size) {
                writer.write_all(part).unwrap();
            }
            let out = String::from_utf8(out).unwrap();
            assert_eq!(out, "ü\\u{9b}漢\\u{1b}😀\n", "in parts of {size}");
        }
    }

    #[test]
    fn a_writer_shows_bytes_that_are_not_utf_8() {
        let mut out = Vec::new();
        Escaped::new(&mut out).write_all(b"a\xffb\xe6z").unwrap();
        assert_eq!(out, "a\u{fffd}b\u{fffd}z".as_bytes());
    }
}
