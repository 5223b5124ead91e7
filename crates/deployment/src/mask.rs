//! A document, or a CIB, without what may be secret: for who is to look at it from outside.

use crate::secret::is_secret;
use crate::tree::{Element, decode, parse};

/// Stands for what is not shown.
const MASK: &str = "***";

/// A text without what may be secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked {
    /// The text.
    pub text: String,
    /// How many values are not shown.
    pub values: usize,
    /// How many comments are not shown.
    pub comments: usize,
}

/// Takes out the values of parameters and of attributes, all text, comments, and the digests by
/// which parameters could be guessed. Options, meta attributes, and what is used of capacities
/// stay, unless their names say that they are secrets.
///
/// # Errors
/// What is wrong with the text: then nothing can be said about what is in it.
pub fn mask(text: &str) -> Result<Masked, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = decode(text.as_bytes()).and_then(parse);
    let root = root.map_err(|fault| fault.message)?;
    let mut hidden = Vec::new();
    collect(&root, false, text, &mut hidden);
    let comments = between(text, &mut hidden);
    let values = hidden.len() - comments;
    hidden.sort_unstable();
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for (begin, end) in hidden {
        // None lies in another: values are in tags, and the rest is between these.
        masked.push_str(text.get(done..begin).unwrap_or_default());
        masked.push_str(MASK);
        done = end;
    }
    masked.push_str(text.get(done..).unwrap_or_default());
    Ok(Masked {
        text: masked,
        values,
        comments,
    })
}

/// Where values stand that are not shown. `open`: the pairs here are options, unless their names
/// say otherwise.
fn collect(element: &Element<'_>, open: bool, text: &str, hidden: &mut Vec<(usize, usize)>) {
    let open = match element.name {
        "cluster_property_set" | "meta_attributes" | "utilization" | "capacity" => true,
        "instance_attributes" | "attributes" | "parameters" | "node_attributes" => false,
        _ => open,
    };
    let is_pair = matches!(
        element.name,
        "nvpair" | "parameter" | "attribute" | "option"
    );
    let is_value = is_pair && (!open || element.value("name").is_some_and(is_secret));
    for attribute in &element.attributes {
        let hide = match attribute.name {
            "value" => is_value,
            name => is_digest(name) || (!is_pair && is_secret(name)),
        };
        if hide {
            hidden.extend(attribute.place(text));
        }
    }
    for child in &element.children {
        collect(child, open, text, hidden);
    }
}

/// What stands between elements, as `<value>`s do, and inside of comments. Gives how many of it are
/// comments.
fn between(text: &str, hidden: &mut Vec<(usize, usize)>) -> usize {
    let mut comments = 0;
    let mut done = 0;
    while let Some(rest) = text.get(done..).filter(|rest| !rest.is_empty()) {
        let Some(length) = inside(rest) else {
            let length = rest.find('<').unwrap_or(rest.len());
            let own = rest.get(..length).unwrap_or_default();
            let begin = done + own.len() - own.trim_start().len();
            if !own.trim().is_empty() {
                hidden.push((begin, begin + own.trim().len()));
            }
            done += length;
            continue;
        };
        for (opens, closes) in [("<!--", "-->"), ("<![CDATA[", "]]>")] {
            if rest.starts_with(opens) && length >= opens.len() + closes.len() {
                comments += usize::from(opens == "<!--");
                hidden.push((done + opens.len(), done + length - closes.len()));
            }
        }
        done += length;
    }
    comments
}

/// Length of the comment, the section, the instruction or the tag that begins here; `None` if a
/// text does.
fn inside(rest: &str) -> Option<usize> {
    if !rest.starts_with('<') {
        return None;
    }
    for (opens, closes) in [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")] {
        if let Some(inner) = rest.strip_prefix(opens) {
            let length = inner.find(closes);
            return Some(length.map_or(rest.len(), |it| opens.len() + it + closes.len()));
        }
    }
    let mut quote = None;
    let end = rest.find(|c: char| {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(own), c) if own == c => quote = None,
            (None, '>') => return true,
            _ => {}
        }
        false
    });
    Some(end.map_or(rest.len(), |end| end + 1))
}

/// Digests of parameters in the history of a CIB (scheduler-spec/02): whoever guesses a password
/// could tell by them.
fn is_digest(name: &str) -> bool {
    matches!(name, "op-digest" | "op-restart-digest" | "op-secure-digest")
}
