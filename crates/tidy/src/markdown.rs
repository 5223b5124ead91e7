//! What the rules need of a Markdown document: its lines, headings and links.

/// A line of a document.
#[derive(Clone, Debug)]
pub(crate) struct Line<'a> {
    /// From 1.
    pub(crate) number: usize,
    /// As it is written.
    pub(crate) text: &'a str,
    /// Whether it belongs to a block of code.
    pub(crate) is_code: bool,
}

/// The lines of a document.
pub(crate) fn lines(text: &str) -> Vec<Line<'_>> {
    let mut is_code = false;
    let mut found = Vec::new();
    for (index, text) in text.lines().enumerate() {
        let is_fence = text.trim_start().starts_with("```");
        found.push(Line {
            number: index + 1,
            text,
            is_code: is_code || is_fence,
        });
        is_code ^= is_fence;
    }
    found
}

/// A heading.
#[derive(Clone, Debug)]
pub(crate) struct Heading<'a> {
    pub(crate) line: usize,
    /// Without its signs `#`.
    pub(crate) text: &'a str,
    /// What a link to it is called, as GitHub and others make it.
    pub(crate) anchor: String,
}

/// The headings of a document.
pub(crate) fn headings(text: &str) -> Vec<Heading<'_>> {
    let mut found: Vec<Heading<'_>> = Vec::new();
    for line in lines(text).iter().filter(|line| !line.is_code) {
        let title = line.text.trim_start_matches('#');
        if title.len() == line.text.len() || !title.starts_with(' ') {
            continue;
        }
        let base = anchor(title);
        let is_same = |heading: &&Heading<'_>| anchor(heading.text) == base;
        let anchor = match found.iter().filter(is_same).count() {
            0 => base,
            earlier => format!("{base}-{earlier}"),
        };
        found.push(Heading {
            line: line.number,
            text: title.trim(),
            anchor,
        });
    }
    found
}

fn anchor(title: &str) -> String {
    let keep = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let text: String = title.trim().chars().filter(keep).collect();
    text.to_lowercase().replace(' ', "-")
}

/// A link or an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link<'a> {
    pub(crate) line: usize,
    pub(crate) target: &'a str,
}

/// The links of a document.
pub(crate) fn links(text: &str) -> Vec<Link<'_>> {
    let mut found = Vec::new();
    for line in lines(text).iter().filter(|line| !line.is_code) {
        let plain = without_code(line.text);
        for (at, sign) in plain.match_indices("](") {
            let start = at + sign.len();
            if let Some(length) = plain[start..].find(')') {
                let target = &line.text[start..start + length];
                found.push(Link {
                    line: line.number,
                    target: target.split(' ').next().unwrap_or(target),
                });
            }
        }
    }
    found
}

/// The line with what stands between backticks blank. Bytes keep their places.
fn without_code(line: &str) -> String {
    let mut is_code = false;
    let bytes = line.bytes().map(|byte| {
        is_code ^= byte == b'`';
        if is_code { b' ' } else { byte }
    });
    // A backtick is ASCII, so no character is cut in two.
    String::from_utf8(bytes.collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_have_the_anchors_of_the_forge() {
        let text = "# What `it` does: 14.2\n```\n# no\n```\n## Twice\n## Twice\n#no\n";
        let anchors: Vec<_> = headings(text).into_iter().map(|it| it.anchor).collect();
        assert_eq!(anchors, ["what-it-does-142", "twice", "twice-1"]);
    }

    #[test]
    fn links_are_found_outside_code() {
        let text = "[`a`](b.md#c \"title\") `[d](e)` ![](f.svg)\n```\n[g](h)\n```\n";
        let targets: Vec<_> = links(text).into_iter().map(|link| link.target).collect();
        assert_eq!(targets, ["b.md#c", "f.svg"]);
    }
}
