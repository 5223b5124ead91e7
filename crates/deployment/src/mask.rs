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

/// Takes out the values of parameters and of attributes, comments, and the digests by which
/// parameters could be guessed. Options, meta attributes, and what is used of capacities stay,
/// unless their names say that they are secrets.
///
/// # Errors
/// What is wrong with the text: then nothing can be said about what is in it.
pub fn mask(text: &str) -> Result<Masked, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = decode(text.as_bytes()).and_then(parse);
    let root = root.map_err(|fault| fault.message)?;
    let mut hidden = Vec::new();
    collect(&root, false, text, &mut hidden);
    let values = hidden.len();
    comments(text, &mut hidden);
    let comments = hidden.len() - values;
    hidden.sort_unstable();
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for (begin, end) in hidden {
        // A comment cannot lie in a value, nor a value in a comment.
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
        let begin = attribute.value_offset;
        // The quote before it is the one that ends it.
        let quote = text
            .get(..begin)
            .and_then(|before| before.chars().next_back());
        let length = quote.and_then(|quote| text.get(begin..)?.find(quote));
        if let (true, Some(length)) = (hide, length) {
            hidden.push((begin, begin + length));
        }
    }
    if let Some(own) = element.text.as_ref().filter(|_| is_value) {
        let begin = own.offset;
        let length = text.get(begin..).and_then(|rest| rest.find('<'));
        if let Some(length) = length {
            hidden.push((begin, begin + length));
        }
    }
    for child in &element.children {
        collect(child, open, text, hidden);
    }
}

/// What is inside of comments and of sections that are not looked into.
fn comments(text: &str, hidden: &mut Vec<(usize, usize)>) {
    let mut done = 0;
    while let Some(found) = text.get(done..).and_then(|rest| rest.find("<!")) {
        let begin = done + found;
        let rest = text.get(begin..).unwrap_or_default();
        let marks = [("<!--", "-->"), ("<![CDATA[", "]]>")];
        let mark = marks.iter().find(|(opens, _)| rest.starts_with(opens));
        let Some((opens, closes)) = mark else {
            done = begin + 2;
            continue;
        };
        let inner = begin + opens.len();
        let length = text.get(inner..).and_then(|rest| rest.find(closes));
        let end = length.map_or(text.len(), |length| inner + length);
        if !hidden
            .iter()
            .any(|(from, to)| *from <= inner && inner < *to)
        {
            hidden.push((inner, end));
        }
        done = end;
    }
}

/// Digests of parameters in the history of a CIB (scheduler-spec/02): whoever guesses a password
/// could tell by them.
fn is_digest(name: &str) -> bool {
    matches!(name, "op-digest" | "op-restart-digest" | "op-secure-digest")
}
