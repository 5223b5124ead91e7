//! Stylesheet and scripts: part of the program, under an address that changes when they do.

use std::sync::OnceLock;

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::problem::Problem;

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, type, content.
const FILES: &[(&str, &str, &str)] = &[
    (
        "style.css",
        "text/css; charset=utf-8",
        include_str!("../../assets/style.css"),
    ),
    (
        "icon.svg",
        "image/svg+xml",
        include_str!("../../assets/icon.svg"),
    ),
    ("main.js", SCRIPT, include_str!("../../assets/main.js")),
    ("live.js", SCRIPT, include_str!("../../assets/live.js")),
    ("morph.js", SCRIPT, include_str!("../../assets/morph.js")),
    ("keys.js", SCRIPT, include_str!("../../assets/keys.js")),
    ("ask.js", SCRIPT, include_str!("../../assets/ask.js")),
    ("act.js", SCRIPT, include_str!("../../assets/act.js")),
    ("mean.js", SCRIPT, include_str!("../../assets/mean.js")),
    ("deploy.js", SCRIPT, include_str!("../../assets/deploy.js")),
];

/// Names all of them: scripts name each other without it.
pub(super) fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let mut hash = Sha256::new();
        for (name, _, content) in FILES {
            hash.update(name);
            hash.update([0]);
            hash.update(content);
        }
        let hash = hash.finalize();
        hash.iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    })
}

/// The address of a file.
pub(super) fn address(name: &str) -> String {
    format!("/assets/{}/{name}", version())
}

/// A file; one of another version is there no more, and the page that wants it neither.
pub(super) async fn file(
    Path((wanted, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let file = FILES.iter().find(|file| file.0 == name);
    let file = file.filter(|_| wanted == version());
    let (_, kind, content) =
        file.ok_or_else(|| Problem::not_found("this version of the page has no such file"))?;
    let headers = [
        (header::CONTENT_TYPE, *kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, *content).into_response())
}

#[cfg(test)]
mod tests {
    use cpe_status::PlanAction;

    use super::*;

    #[test]
    fn all_that_a_plan_can_do_has_a_mark() {
        let asking = FILES.iter().find(|file| file.0 == "ask.js").unwrap().2;
        let marks = asking.lines().find(|line| line.starts_with("const MARKS"));
        for action in PlanAction::ACTIONS {
            assert!(marks.unwrap().contains(&format!(" {action}: ")), "{action}");
        }
    }

    #[test]
    fn all_together_are_small_and_ask_nobody_else() {
        let bytes: usize = FILES.iter().map(|file| file.2.len()).sum();
        assert!(bytes < 60 * 1024, "{bytes} bytes");
        for (name, _, content) in FILES {
            let foreign = content.replace("http://www.w3.org/2000/svg", "");
            assert!(!foreign.contains("://"), "{name} names another place");
            for sink in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
            ] {
                assert!(
                    !content.contains(sink),
                    "{name} makes text to markup: {sink}"
                );
            }
        }
    }
}
