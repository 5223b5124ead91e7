//! Parts of Markdown pages.

use anyhow::Context;

/// What stands below a heading of level 2, up to the next one, without the heading.
pub(crate) fn section<'a>(page: &'a str, heading: &str) -> anyhow::Result<&'a str> {
    let begin = format!("\n## {heading}\n");
    let (_, rest) = page
        .split_once(&begin)
        .with_context(|| format!("no page has a heading `## {heading}` any more"))?;
    Ok(rest.split("\n## ").next().unwrap_or(rest))
}

/// A page without its title: what stands before the first heading of level 2 gets one.
pub(crate) fn body(page: &str) -> String {
    let text = page.split_once('\n').map_or("", |(_, text)| text);
    format!("## Description\n{text}")
}
