//! `cpectl edit`: the document in an editor, checked and planned when it is saved.
//!
//! The text is in a file that only its owner reads. Whatever goes wrong after the first change, the
//! file stays, and the message says where.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use cpe_bus::Error;
use deployment::{Problem, Severity};
use serde_json::json;

use crate::client::{Client, read_document};
use crate::commands::change::Change;
use crate::commands::{confirm, deploy, history};
use crate::failure::Failure;
use crate::options::Edit;
use crate::output::Output;

/// Begins the comment with what is wrong, which is taken off again.
const HEAD: &str = "<!-- cpectl edit: correct this, or leave the text as it is to give up.\n";
const HEAD_END: &str = "-->\n";

pub(crate) async fn run(client: &Client, arguments: &Edit, output: &Output) -> Result<(), Failure> {
    confirm::possible(arguments.change.yes, output)?;
    let name = &arguments.name;
    let (original, from) = history::document(client, name, 0).await?;
    let draft = Draft::new(name, &original)?;
    let edited = edited(client, arguments, &original, from, &draft, output).await;
    match edited {
        Ok(Done::Well) => draft.remove(),
        Ok(Done::NotAfter(wait)) => {
            draft.remove()?;
            Err(wait)
        }
        // What was not changed is not worth a file.
        Err(failure) if draft.is(&original) => {
            draft.remove()?;
            Err(failure)
        }
        Err(failure) => Err(Failure {
            message: format!(
                "{}\nyour text is kept in {}",
                failure.message,
                draft.path.display()
            ),
            ..failure
        }),
    }
}

/// The file is no longer needed.
enum Done {
    Well,
    /// What it says is stored, and did not become what it should in time.
    NotAfter(Failure),
}

async fn edited(
    client: &Client,
    arguments: &Edit,
    original: &str,
    from: u64,
    draft: &Draft,
    output: &Output,
) -> Result<Done, Failure> {
    let name = &arguments.name;
    let after_conflict =
        format!("nothing was changed. `cpectl diff {name} {from}` shows what others changed");
    let mut refused: Option<String> = None;
    loop {
        draft.open_editor()?;
        let text = draft.read()?;
        if text == original {
            return nothing(name, from, output).map(|()| Done::Well);
        }
        let change = Change {
            name,
            from,
            document: &text,
            label: &draft.path,
            after_conflict: &after_conflict,
            how: &arguments.change,
        };
        let checked = check(&text);
        let planned = match checked {
            Ok(()) => change.plan(client, output).await,
            Err(problems) => Err(Error::InvalidDocument(problems)),
        };
        let plan = match planned {
            Ok(plan) => plan,
            Err(Error::InvalidDocument(problems)) => {
                let failure =
                    deploy::in_file(Error::InvalidDocument(problems.clone()), &draft.path);
                if refused.as_ref() == Some(&text) {
                    draft.write(&text)?;
                    return Err(failure);
                }
                output.failure(&failure);
                draft.write(&with_problems(&problems, &text))?;
                refused = Some(text);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        // Without the comment, in which places of problems would be wrong.
        draft.write(&text)?;
        let stored = change.apply(client, plan.as_ref(), output).await?;
        change.report(plan.as_ref(), Some(stored), output)?;
        return Ok(match change.wait(client, stored, output).await {
            Ok(()) => Done::Well,
            Err(wait) => Done::NotAfter(wait),
        });
    }
}

fn nothing(name: &str, from: u64, output: &Output) -> Result<(), Failure> {
    if output.json {
        return output.json(&json!({ "name": name, "result": "same", "generation": from }));
    }
    output.line(format!("{name} is left as it is: nothing was edited"));
    Ok(())
}

/// The errors of a text, a line each.
fn check(text: &str) -> Result<(), String> {
    let outcome = deployment::read_with_warnings(text.as_bytes());
    if outcome.deployment.is_some() {
        return Ok(());
    }
    let is_error = |problem: &&Problem| problem.severity == Severity::Error;
    let errors = outcome.problems.iter().filter(is_error);
    let errors: Vec<String> = errors.map(Problem::to_string).collect();
    Err(errors.join("\n"))
}

/// The text below a comment with its problems. Their places are those of the text without the
/// comment.
fn with_problems(problems: &str, text: &str) -> String {
    let mut head = HEAD.to_owned();
    let lines = 2 + problems.lines().count();
    let _ = writeln!(
        head,
        "Lines are counted from below this comment, which is taken off: line 1 is line {} here.",
        lines + 2
    );
    for line in problems.lines() {
        // A comment may not have two hyphens.
        let _ = writeln!(head, "  {}", line.replace("--", "- -").replace("--", "- -"));
    }
    head.push_str(HEAD_END);
    head + text
}

/// The text without the comment that [`with_problems`] put above it.
fn without_problems(text: &str) -> &str {
    let below = text
        .strip_prefix(HEAD)
        .and_then(|rest| rest.split_once(HEAD_END));
    below.map_or(text, |(_, text)| text)
}

/// The file that is edited.
struct Draft {
    path: PathBuf,
}

impl Draft {
    /// In memory if possible: a document may hold passwords.
    fn new(name: &str, text: &str) -> Result<Draft, Failure> {
        let folder = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let folder = folder.filter(|folder| folder.is_dir());
        let folder = folder.unwrap_or_else(std::env::temp_dir);
        let file = tempfile::Builder::new()
            .prefix(&format!("cpectl-{name}-"))
            .suffix(".xml")
            .tempfile_in(&folder);
        let kept = file.and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            Ok(file.into_temp_path().keep()?)
        });
        let path = kept.map_err(|error| {
            Failure::failed(format!(
                "cannot write a file in {}: {error}",
                folder.display()
            ))
        })?;
        Ok(Draft { path })
    }

    fn open_editor(&self) -> Result<(), Failure> {
        let (mut command, called) = editor();
        let status = command.arg(&self.path).status().map_err(|error| {
            Failure::failed(format!(
                "cannot run the editor `{called}`: {error}; set VISUAL or EDITOR"
            ))
        })?;
        match status.success() {
            true => Ok(()),
            false => Err(Failure::failed(format!(
                "the editor `{called}` failed ({status}); nothing was changed"
            ))),
        }
    }

    fn read(&self) -> Result<String, Failure> {
        let text = read_document(&self.path)?;
        Ok(without_problems(&text).to_owned())
    }

    /// Editors may have put another file in its place: that one is written.
    fn write(&self, text: &str) -> Result<(), Failure> {
        std::fs::write(&self.path, text).map_err(|error| {
            Failure::failed(format!("cannot write {}: {error}", self.path.display()))
        })
    }

    /// Whether it has that text.
    fn is(&self, text: &str) -> bool {
        let own = std::fs::read_to_string(&self.path);
        own.is_ok_and(|own| without_problems(&own) == text)
    }

    fn remove(&self) -> Result<(), Failure> {
        std::fs::remove_file(&self.path).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(Failure::failed(format!(
                "cannot remove {}: {error}",
                self.path.display()
            ))),
        })
    }
}

/// What `VISUAL` or `EDITOR` say, which may have arguments; else the system's editor.
fn editor() -> (Command, String) {
    let said = ["VISUAL", "EDITOR"].into_iter().find_map(|variable| {
        std::env::var(variable)
            .ok()
            .filter(|text| !text.trim().is_empty())
    });
    let usual = Path::new("/usr/bin/sensible-editor");
    let called = said.unwrap_or_else(|| match usual.exists() {
        true => usual.display().to_string(),
        false => "vi".to_owned(),
    });
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("exec {called} \"$@\""))
        .arg(&called);
    if !std::io::stdout().is_terminal() {
        // What the editor says is not the answer of this program.
        command.stdout(std::io::stderr());
    }
    (command, called)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comment_with_problems_is_taken_off_again_and_can_be_read() {
        let text = "<?xml version=\"1.0\"?>\n<deployable/>\n";
        let shown = with_problems("1:1: error: --a---b", text);
        assert_eq!(without_problems(&shown), text);
        let comment = shown.strip_suffix(text).unwrap();
        let inner = comment.strip_prefix("<!--").unwrap();
        let inner = inner.strip_suffix("-->\n").unwrap();
        assert!(!inner.contains("--"), "{inner}");
        let line = shown.lines().position(|line| line.starts_with("<?xml"));
        let said = format!("line 1 is line {} here", line.unwrap() + 1);
        assert!(shown.contains(&said), "{shown}");
        assert_eq!(without_problems(text), text);
    }
}
