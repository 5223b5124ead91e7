//! `<configure>` of a service: what its guest runs before it starts.

use cpe_status::Configure;
use cpe_status::limits::MAX_CONFIGURE;

use super::form::Form;
use crate::configure::{CONFIGURE_PARAMETER, SHELL};
use crate::problem::{Problems, quote};
use crate::report;
use crate::tree::Element;

/// The element of a service.
pub(super) const CONFIGURE: &str = "configure";

/// The longest path, and the longest interpreter with its arguments, in bytes.
const MAX_PATH: usize = 1024;

/// Reads `<configure path="…"/>`, or `<configure interpreter="…">content</configure>`. `None`: it
/// is neither, which is reported.
pub(super) fn read(element: &Element<'_>, problems: &mut Problems) -> Option<Configure> {
    let mut form = Form { element, problems };
    form.attributes(&["path", "interpreter"]);
    for child in &element.children {
        let hint = "write the content as text: '<' as '&lt;' and '&' as '&amp;', or all of it in <![CDATA[…]]>";
        report::misplaced(element, child, Some(hint.to_owned()), form.problems);
    }
    let named = element.has("path");
    let path = form.optional("path", path);
    let given = form.optional("interpreter", interpreter);
    match (named, &element.text) {
        (true, None) => {
            if let Some(attribute) = element.attribute("interpreter") {
                let message = "<configure> has 'interpreter' beside 'path'";
                let hint = "a program of the guest says itself what runs it: remove it".to_owned();
                problems.error(attribute.offset, message, hint);
            }
            path.map(Configure::Path)
        }
        (true, Some(text)) => {
            let message = "<configure> has content beside 'path'";
            let hint = "remove one of them".to_owned();
            problems.error(text.offset, message, hint);
            None
        }
        (false, None) => {
            if element.children.is_empty() {
                let message = "<configure> has neither 'path' nor content";
                let hint = "add path=\"/…\", a program of the guest, or write a script as its text";
                problems.error(element.offset, message, hint.to_owned());
            }
            None
        }
        (false, Some(text)) => {
            let content = text.value.trim();
            if content.len() > MAX_CONFIGURE {
                let message = format!("the content of <configure> has {} bytes", content.len());
                let hint = format!(
                    "at most {MAX_CONFIGURE} go to a guest with each start: put the program into the guest, and write path=\"/…\""
                );
                problems.error(text.offset, message, hint);
                return None;
            }
            let script = format!("{content}\n");
            let wrong = element.has("interpreter") && given.is_none();
            let interpreter = match given {
                Some(given) => Some(given),
                None => by_first_line(&script, text.offset, problems),
            };
            let interpreter = interpreter.filter(|_| !wrong)?;
            Some(Configure::Content {
                interpreter,
                text: script,
            })
        }
    }
}

/// What the first line of a script says that it is run by.
fn by_first_line(script: &str, offset: usize, problems: &mut Problems) -> Option<String> {
    let first = script.lines().next().unwrap_or_default();
    let Some(said) = first.strip_prefix("#!") else {
        return Some(SHELL.to_owned());
    };
    interpreter(said)
        .map_err(|expected| {
            let message = format!("{} does not say what runs the script", quote(first));
            problems.error(offset, message, expected);
        })
        .ok()
}

/// The absolute path of a program, and its arguments.
fn interpreter(text: &str) -> Result<String, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let program = words.first().copied().unwrap_or_default();
    let plain =
        text.len() <= MAX_PATH && !words.iter().any(|word| word.chars().any(char::is_control));
    match plain && path(program).is_ok() {
        true => Ok(words.join(" ")),
        false => Err(format!(
            "expected the absolute path of a program in the guest and arguments, {MAX_PATH} bytes together: /bin/sh, /usr/bin/env python3"
        )),
    }
}

/// The absolute path of a file in a guest.
pub(super) fn path(text: &str) -> Result<String, String> {
    let valid = text.starts_with('/')
        && text.len() <= MAX_PATH
        && !text.chars().any(char::is_control)
        && text[1..]
            .split('/')
            .all(|part| !matches!(part, "" | "." | ".."));
    match valid {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "expected the absolute path of a program in the guest, at most {MAX_PATH} bytes, without '//', '.' and '..'"
        )),
    }
}

/// The name by which the policy engine knows the executable is not free for a parameter beside it.
pub(super) fn check_parameters(parameters: &Element<'_>, problems: &mut Problems) {
    let children = parameters.children.iter();
    for child in children.filter(|child| child.value("name") == Some(CONFIGURE_PARAMETER)) {
        let message = format!(
            "the parameter {} stands for <configure>",
            quote(CONFIGURE_PARAMETER)
        );
        let hint = "give it another name".to_owned();
        problems.error(child.place("name"), message, hint);
    }
}
