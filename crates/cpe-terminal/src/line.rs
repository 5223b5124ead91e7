//! One line of text whose parts have styles.

use std::fmt;
use std::ops::Range;

use anstyle::Style;

use crate::escape_line;

/// One line. All text that is added is escaped. [`fmt::Display`] writes it with its styles as ANSI
/// escape sequences, [`Line::as_str`] is the text without them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    text: String,
    /// Parts of the text that have a style, in their order.
    styles: Vec<(Range<usize>, Style)>,
}

impl Line {
    /// An empty line.
    pub fn new() -> Line {
        Line::default()
    }

    /// The line with a text without style after it.
    #[must_use]
    pub fn plain(self, text: impl AsRef<str>) -> Line {
        self.styled(text, Style::new())
    }

    /// The line with a text in a style after it.
    #[must_use]
    pub fn styled(mut self, text: impl AsRef<str>, style: Style) -> Line {
        let from = self.text.len();
        self.text.push_str(&escape_line(text.as_ref()));
        if !style.is_plain() && self.text.len() > from {
            self.styles.push((from..self.text.len(), style));
        }
        self
    }

    /// The text without styles.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The line in lines that are not wider than `width` cells. It breaks at blanks where it can;
    /// all lines but the first begin with `indent` blanks.
    pub fn wrapped(&self, width: usize, indent: usize) -> Vec<Line> {
        let blanks = " ".repeat(indent);
        let options = wrapping(width).subsequent_indent(&blanks);
        let mut lines = Vec::new();
        let mut at = 0;
        for wrapped in textwrap::wrap(&self.text, options) {
            let skipped = if lines.is_empty() { 0 } else { indent };
            let part = &wrapped[skipped.min(wrapped.len())..];
            // Between two lines only blanks are left out.
            let rest = &self.text[at..];
            let from = at + rest.find(part).unwrap_or(0);
            at = (from + part.len()).min(self.text.len());
            lines.push(self.part(from..at, &blanks[..skipped]));
        }
        lines
    }

    /// A part of the line, with `before` before it.
    fn part(&self, range: Range<usize>, before: &str) -> Line {
        let moved = |at: usize| at.clamp(range.start, range.end) - range.start + before.len();
        let styles = self.styles.iter().filter_map(|(styled, style)| {
            let part = moved(styled.start)..moved(styled.end);
            (!part.is_empty()).then_some((part, *style))
        });
        Line {
            styles: styles.collect(),
            text: format!("{before}{}", &self.text[range.clone()]),
        }
    }
}

/// How texts wrap, in lines and in cells of tables: at blanks, and inside of words that are wider
/// than a line; no hyphens are added.
pub(crate) fn wrapping<'a>(width: usize) -> textwrap::Options<'a> {
    textwrap::Options::new(width)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit)
        .break_words(true)
}

impl From<&str> for Line {
    fn from(text: &str) -> Line {
        Line::new().plain(text)
    }
}

impl From<String> for Line {
    fn from(text: String) -> Line {
        Line::new().plain(text)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut at = 0;
        for (range, style) in &self.styles {
            let (before, styled) = (&self.text[at..range.start], &self.text[range.clone()]);
            write!(f, "{before}{style}{styled}{style:#}")?;
            at = range.end;
        }
        f.write_str(&self.text[at..])
    }
}

#[cfg(test)]
mod tests {
    use anstyle::AnsiColor;

    use super::*;

    const RED: Style = AnsiColor::Red.on_default();

    #[test]
    fn styles_are_written_around_their_parts_only() {
        let line = Line::new().plain("a ").styled("b", RED).plain(" c");
        assert_eq!(line.as_str(), "a b c");
        assert_eq!(line.to_string(), "a \x1b[31mb\x1b[0m c");
        assert_eq!(Line::new().styled("", RED).to_string(), "");
    }

    #[test]
    fn text_that_is_added_cannot_drive_the_terminal() {
        let line = Line::from("a").styled("\x1b[2J\n", RED);
        assert_eq!(line.as_str(), r"a\u{1b}[2J\n");
    }

    #[test]
    fn a_line_wraps_at_blanks_and_keeps_its_styles() {
        let line = Line::new()
            .plain("one two ")
            .styled("three four", RED)
            .plain(" five");
        let lines = line.wrapped(14, 2);
        let texts: Vec<&str> = lines.iter().map(Line::as_str).collect();
        assert_eq!(texts, ["one two three", "  four five"]);
        assert_eq!(lines[0].to_string(), "one two \x1b[31mthree\x1b[0m");
        assert_eq!(lines[1].to_string(), "  \x1b[31mfour\x1b[0m five");
        assert_eq!(line.wrapped(80, 2), std::slice::from_ref(&line));
        assert_eq!(Line::new().wrapped(80, 2), [Line::new()]);
    }

    #[test]
    fn words_and_wide_characters_break_where_the_line_is_full() {
        let texts = |text: &str, width| -> Vec<String> {
            let lines = Line::from(text).wrapped(width, 1);
            lines.iter().map(|line| line.as_str().to_owned()).collect()
        };
        assert_eq!(texts("abcdefgh", 4), ["abc", " def", " gh"]);
        assert_eq!(texts("漢字漢字漢", 5), ["漢字", " 漢字", " 漢"]);
        assert_eq!(texts("  indented text", 10), ["  indented", " text"]);
    }
}
