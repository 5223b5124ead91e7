//! From Markdown to roff.
//!
//! A row of a table becomes a paragraph with its first cell as the tag: tables with long cells do
//! not fit a terminal. Links to other pages of the documentation are named at the end.

use std::collections::BTreeSet;

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use roff::{Inline, Roff, bold, italic, line_break, roman};

use crate::pages::Page;

/// A place where a long word may be broken; [`BREAK`] in roff.
const MAY_BREAK: char = '\u{200b}';
const BREAK: &str = "\\:";
/// Words with more characters than that may be broken.
const LONG: usize = 24;
/// Heads of columns that need no name in front of each cell.
const SELF_EVIDENT: &[&str] = &["", "meaning", "what it means"];

/// A whole page.
pub(crate) fn page(page: &Page) -> String {
    let section = page.section.to_string();
    let mut roff = Roff::new();
    // The library quotes what has a space, not what is empty.
    roff.control(
        "TH",
        [page.name, &section, "\"\"", "\"\"", "Cloud Policy Engine"],
    );
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{} - {}", page.name, page.about))]);
    if !page.file.is_empty() {
        roff.control("SH", ["SYNOPSIS"]);
        roff.text([italic(page.file)]);
    }
    let mut writer = Writer {
        roff,
        ..Writer::default()
    };
    let options = Options::ENABLE_TABLES;
    for event in Parser::new_ext(&page.text, options) {
        writer.event(event);
    }
    let Writer {
        mut roff, linked, ..
    } = writer;
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman(page.see)]);
    for file in linked {
        roff.control("br", []);
        roff.text([italic(breakable(&format!(
            "/usr/share/doc/cpe/docs/{file}"
        )))]);
    }
    roff.render().replace(MAY_BREAK, BREAK)
}

#[derive(Default)]
struct Writer {
    roff: Roff,
    /// The paragraph that is being read.
    line: Vec<Inline>,
    is_bold: bool,
    is_italic: bool,
    /// Of the lists around: the next number, none of bullets.
    lists: Vec<Option<u64>>,
    /// Whether a paragraph is the first of its item.
    is_item_new: bool,
    heading: Option<String>,
    /// Nothing was written since the heading, which begins a paragraph itself.
    is_begun: bool,
    code: Option<String>,
    table: Table,
    /// Pages of the documentation that are linked.
    linked: BTreeSet<String>,
    link: Option<String>,
}

#[derive(Default)]
struct Table {
    head: Vec<String>,
    row: Vec<Vec<Inline>>,
}

impl Writer {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.text(&text),
            Event::Code(text) => self.inline(&text, bold),
            Event::SoftBreak => self.line.push(roman(" ")),
            Event::HardBreak => self.line.push(line_break()),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { .. } => self.heading = Some(String::new()),
            Tag::CodeBlock(_) => {
                self.paragraph();
                self.code = Some(String::new());
            }
            Tag::List(first) => {
                self.paragraph();
                if !self.lists.is_empty() {
                    self.roff.control("RS", ["4"]);
                }
                self.lists.push(first);
            }
            Tag::Item => self.is_item_new = true,
            Tag::Strong => self.is_bold = true,
            Tag::Emphasis => self.is_italic = true,
            Tag::Link { dest_url, .. } => self.link(&dest_url),
            Tag::Table(_) => self.table = Table::default(),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => self.end_of_heading(level),
            TagEnd::Paragraph | TagEnd::Item => self.paragraph(),
            TagEnd::CodeBlock => self.end_of_code(),
            TagEnd::List(_) => {
                self.lists.pop();
                if !self.lists.is_empty() {
                    self.roff.control("RE", []);
                }
            }
            TagEnd::Strong => self.is_bold = false,
            TagEnd::Emphasis => self.is_italic = false,
            TagEnd::Link => {
                if let Some(url) = self.link.take() {
                    self.line.push(roman(breakable(&format!(" <{url}>"))));
                }
            }
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.line);
                self.table.row.push(cell);
            }
            TagEnd::TableHead => {
                let head = std::mem::take(&mut self.table.row);
                self.table.head = head.iter().map(|cell| plain(cell)).collect();
            }
            TagEnd::TableRow => self.end_of_row(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        match (&mut self.code, self.is_bold, self.is_italic) {
            (Some(code), ..) => code.push_str(text),
            (None, true, _) => self.inline(text, bold),
            (None, _, true) => self.inline(text, italic),
            _ => self.inline(text, roman),
        }
    }

    fn inline(&mut self, text: &str, font: fn(String) -> Inline) {
        match &mut self.heading {
            Some(heading) => heading.push_str(text),
            None => self.line.push(font(breakable(text))),
        }
    }

    /// Those to elsewhere are shown behind their text, those to other pages at the end.
    fn link(&mut self, target: &CowStr<'_>) {
        let file = target.split('#').next().unwrap_or_default();
        if target.starts_with("http") {
            self.link = Some(target.to_string());
        } else if file.ends_with(".md") && !file.contains('/') {
            self.linked.insert(file.to_owned());
        }
    }

    fn paragraph(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return;
        }
        match self.lists.last_mut() {
            Some(Some(number)) if self.is_item_new => {
                let tag = format!("{number}.");
                *number += 1;
                self.roff.control("IP", [tag.as_str(), "4"]);
            }
            Some(None) if self.is_item_new => {
                self.roff.control("IP", ["\\(bu", "2"]);
            }
            Some(_) => {
                self.roff.control("IP", ["\"\"", "2"]);
            }
            None => self.break_paragraph(),
        }
        self.is_item_new = false;
        self.is_begun = false;
        self.roff.text(line);
    }

    fn break_paragraph(&mut self) {
        if !self.is_begun {
            self.roff.control("PP", []);
        }
        self.is_begun = false;
    }

    fn end_of_heading(&mut self, level: HeadingLevel) {
        let heading = self.heading.take().unwrap_or_default().replace('"', "");
        match level {
            HeadingLevel::H1 | HeadingLevel::H2 => {
                let is_name = heading.contains('<');
                let upper = if is_name {
                    heading
                } else {
                    heading.to_uppercase()
                };
                self.roff.control("SH", [upper.as_str()]);
                self.is_begun = true;
            }
            HeadingLevel::H3 => {
                self.roff.control("SS", [heading.as_str()]);
                self.is_begun = true;
            }
            _ => {
                self.break_paragraph();
                self.roff.text([bold(heading)]);
            }
        }
    }

    fn end_of_code(&mut self) {
        let code = self.code.take().unwrap_or_default();
        self.break_paragraph();
        self.roff.control("RS", ["4"]);
        self.roff.control("nf", []);
        for line in code.lines() {
            self.roff.text([roman(line)]);
        }
        self.roff.control("fi", []);
        self.roff.control("RE", []);
    }

    fn end_of_row(&mut self) {
        let mut row = std::mem::take(&mut self.table.row).into_iter();
        let tag = row.next().unwrap_or_default();
        self.roff.control("TP", []);
        self.is_begun = false;
        self.roff.text(match tag.is_empty() {
            true => vec![roman("\u{2022}")],
            false => tag,
        });
        let mut is_first = true;
        for (head, mut cell) in self.table.head.iter().skip(1).zip(row) {
            if cell.is_empty() {
                continue;
            }
            if !std::mem::take(&mut is_first) {
                self.roff.control("br", []);
            }
            let is_named = self.table.head.len() > 2 && !SELF_EVIDENT.contains(&head.as_str());
            if is_named {
                cell.insert(0, italic(format!("{head}:")));
                cell.insert(1, roman(" "));
            }
            self.roff.text(cell);
        }
    }
}

fn plain(cell: &[Inline]) -> String {
    let text = |inline: &Inline| match inline {
        Inline::Roman(text) | Inline::Bold(text) | Inline::Italic(text) => text.clone(),
        Inline::LineBreak => " ".to_owned(),
    };
    cell.iter().map(text).collect()
}

/// A text whose long words may be broken behind a mark.
fn breakable(text: &str) -> String {
    let word = |word: &str| match word.chars().count() > LONG {
        true => word
            .chars()
            .flat_map(|c| [Some(c), "/._=,:&?".contains(c).then_some(MAY_BREAK)])
            .flatten()
            .collect(),
        false => word.to_owned(),
    };
    let words: Vec<String> = text.split(' ').map(word).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(text: &str) -> String {
        let all = page(&Page {
            name: "it",
            section: 7,
            about: "what it is",
            file: "",
            text: text.to_owned(),
            see: "that(1)",
        });
        let (_, rest) = all.split_once("what it is\n").unwrap();
        rest.to_owned()
    }

    #[test]
    fn lists_code_and_links_become_macros() {
        let text =
            "## Ways\n\nSee [there](other.md#x) or `-x`.\n\n- one\n- two\n\n```\n.dot 'a'\n```\n";
        let expected = ".SH WAYS\nSee there or \\fB\\-x\\fR.\n.IP \\(bu 2\none\n.IP \\(bu 2\ntwo\n.PP\n.RS 4\n.nf\n\\&.dot \\*(Aqa\\*(Aq\n.fi\n.RE\n\
            .SH \"SEE ALSO\"\nthat(1)\n.br\n\\fI/\\:usr/\\:share/\\:doc/\\:cpe/\\:docs/\\:other.\\:md\\fR\n";
        assert_eq!(translated(text), expected);
    }

    #[test]
    fn a_row_becomes_a_paragraph_with_a_tag() {
        let text = "| key | what it means | default |\n| --- | --- | --- |\n| `a` | the *first* | 1 |\n| `b` | | 2 |\n";
        let found = translated(text);
        let expected = ".TP\n\\fBa\\fR\nthe \\fIfirst\\fR\n.br\n\\fIdefault:\\fR 1\n.TP\n\\fBb\\fR\n\\fIdefault:\\fR 2\n";
        assert!(found.starts_with(expected), "{found}");
    }
}
