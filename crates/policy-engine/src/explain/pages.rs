//! The documentation of all codes, `docs/explanations.md`.

use super::codes::{CHAPTERS, Code};

const HEAD: &str = "# Explanations

`cpectl explain` and `policy-simulate explain` say why it was decided so. Each reason has a code that stays the same in all versions:
`--json` has the code, the parameters and the sentence. This page lists all codes. It is made from the code of the policy engine;
`UPDATE_EXPLANATIONS=1 cargo test -p policy-engine --test explanations` writes it.

`{name}` stands for a parameter. `{NODE}`, `{RESOURCE}` and `{CLUSTER}` are *node*, *resource* and *cluster* in `policy-simulate`, and *assembly*, *service*
and *deployment* in `cpectl`; `{NAME}` is the deployment. What stands in brackets is said where it is known.
";

/// The page, as Markdown.
pub fn documentation() -> String {
    let mut page = HEAD.to_owned();
    for (title, codes) in CHAPTERS {
        page.push_str(&format!("\n## {title}\n"));
        codes.iter().for_each(|code| entry(code, &mut page));
    }
    page
}

fn entry(code: &Code, page: &mut String) {
    page.push_str(&format!(
        "\n### {}\n\n> {}\n\n",
        code.name,
        quoted(code.sentence)
    ));
    page.push_str(&format!("Cause: {}\n", quoted(code.meaning)));
    for (whom, remedy) in [
        ("in a cluster", code.in_cluster),
        ("in a deployment", code.in_deployment),
    ] {
        if !remedy.is_empty() {
            page.push_str(&format!("\nRemedy {whom}: {}.\n", quoted(remedy)));
        }
    }
}

/// Markdown takes angle brackets for HTML.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    let mut in_code = false;
    for character in text.chars() {
        match character {
            '`' => {
                in_code = !in_code;
                quoted.push('`');
            }
            '<' if !in_code => quoted.push_str("&lt;"),
            '[' if !in_code => quoted.push_str("\\["),
            ']' if !in_code => quoted.push_str("\\]"),
            character => quoted.push(character),
        }
    }
    quoted
}
