//! One file's text: its keys, and what their values may be.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use hyper::Uri;
use jiff::{Span, SpanRelativeTo};
use serde::Deserialize;
use toml::Spanned;

use super::{After, Exec, Format, Http, Places, Sink, Target, files};

/// Most patterns of a list, and most bytes of one.
const MAX_PATTERNS: usize = 64;
const MAX_PATTERN: usize = 255;
/// Most arguments and variables of a program, and most bytes of one.
const MAX_ARGUMENTS: usize = 64;
const MAX_ARGUMENT: usize = 4096;
/// Most attempts for an event.
const MAX_ATTEMPTS: i64 = 100;
/// Attempts, if the file does not say: with their pauses, about a quarter of an hour.
const ATTEMPTS: u32 = 12;
/// Time of one attempt, if the file does not say, and its bounds.
const TIMEOUT: Duration = Duration::from_secs(10);
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(100);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);

/// The keys of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    r#type: Spanned<String>,
    url: Option<Spanned<String>>,
    format: Option<Spanned<String>>,
    secret_file: Option<Spanned<String>>,
    ca_file: Option<Spanned<String>>,
    command: Option<Spanned<Vec<String>>>,
    recipient: Option<Spanned<String>>,
    environment: Option<Spanned<BTreeMap<String, String>>>,
    all: Option<Spanned<bool>>,
    kinds: Option<Spanned<Vec<String>>>,
    deployments: Option<Spanned<Vec<String>>>,
    after: Option<Spanned<AfterValue>>,
    attempts: Option<Spanned<i64>>,
    timeout: Option<Spanned<String>>,
    concurrency: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AfterValue {
    Cursor(u64),
    Word(String),
}

/// What is wrong, and where.
struct Mistake {
    at: Option<Range<usize>>,
    what: String,
}

impl<T> From<(&Spanned<T>, String)> for Mistake {
    fn from((value, what): (&Spanned<T>, String)) -> Mistake {
        Mistake {
            at: Some(value.span()),
            what,
        }
    }
}

type Read<T> = Result<T, Mistake>;

/// Reads a file's text.
pub(super) fn sink(name: &str, text: &str, places: &Places) -> Result<Sink, String> {
    let keys: Result<Keys, _> = toml::from_str(text);
    let read = keys
        .map_err(|error| Mistake {
            at: error.span(),
            what: error.message().trim().replace('\n', "; "),
        })
        .and_then(|keys| of_keys(name, keys, places));
    read.map_err(|mistake| match mistake.at {
        Some(at) => {
            let (line, column) = place(text, at.start);
            format!("{line}:{column}: {}", mistake.what)
        }
        None => mistake.what,
    })
}

fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    (line, column)
}

fn of_keys(name: &str, keys: Keys, places: &Places) -> Read<Sink> {
    let target = match keys.r#type.as_ref().as_str() {
        "http" => Target::Http(http(&keys, places)?),
        "exec" => Target::Exec(exec(&keys)?),
        other => {
            let what = format!("`type` is \"http\" or \"exec\", not \"{other}\"");
            return Err((&keys.r#type, what).into());
        }
    };
    if let Some(value) = keys.concurrency.as_ref().filter(|it| *it.as_ref() != 1) {
        let what = "`concurrency` can be 1 only, which keeps the order of events: leave it out";
        return Err((value, what.to_owned()).into());
    }
    Ok(Sink {
        name: name.to_owned(),
        target,
        kinds: patterns(keys.kinds.as_ref())?,
        deployments: patterns(keys.deployments.as_ref())?,
        after: after(keys.after.as_ref())?,
        attempts: attempts(keys.attempts.as_ref())?,
        timeout: timeout(keys.timeout.as_ref())?,
    })
}

/// Refuses a key of the other type.
fn foreign<T>(key: Option<&Spanned<T>>, name: &str, of: &str) -> Read<()> {
    key.map_or(Ok(()), |value| {
        let what = format!("`{name}` belongs to type = \"{of}\": remove it");
        Err((value, what).into())
    })
}

/// A key that must be there.
fn required<'a, T>(
    key: Option<&'a Spanned<T>>,
    r#type: &Spanned<String>,
    what: &str,
) -> Read<&'a Spanned<T>> {
    key.ok_or_else(|| (r#type, what.to_owned()).into())
}

fn http(keys: &Keys, places: &Places) -> Read<Http> {
    foreign(keys.command.as_ref(), "command", "exec")?;
    foreign(keys.recipient.as_ref(), "recipient", "exec")?;
    foreign(keys.environment.as_ref(), "environment", "exec")?;
    foreign(keys.all.as_ref(), "all", "exec")?;
    let missing =
        "`url` is missing: type = \"http\" needs one, as url = \"https://pager.example/cpe\"";
    let url = url(required(keys.url.as_ref(), &keys.r#type, missing)?)?;
    let format = match keys.format.as_ref().map(|it| (it, it.as_ref().as_str())) {
        None | Some((_, "structured")) => Format::Structured,
        Some((_, "binary")) => Format::Binary,
        Some((value, other)) => {
            let what = format!("`format` is \"structured\" or \"binary\", not \"{other}\"");
            return Err((value, what).into());
        }
    };
    let secrets = keys.secret_file.as_ref().map(|value| {
        files::secrets(value.as_ref(), places).map_err(|what| Mistake::from((value, what)))
    });
    let authorities = keys.ca_file.as_ref().map(|value| {
        files::authorities(value.as_ref(), places).map_err(|what| Mistake::from((value, what)))
    });
    Ok(Http {
        url,
        format,
        secrets: secrets.transpose()?.unwrap_or_default(),
        authorities: authorities.transpose()?.unwrap_or_default(),
    })
}

fn url(value: &Spanned<String>) -> Read<Uri> {
    let wrong = |what: &str| Err((value, format!("`url` {what}")).into());
    let Ok(url) = value.as_ref().parse::<Uri>() else {
        return wrong("is no URL: write one as https://pager.example/cpe");
    };
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return wrong("must begin with https:// or http://");
    }
    if url.host().is_none_or(str::is_empty) {
        return wrong("names no host");
    }
    // It would be seen in lists and logs.
    if url.authority().is_some_and(|it| it.as_str().contains('@')) {
        return wrong("must not hold a user or a password: use `secret_file`");
    }
    Ok(url)
}

fn exec(keys: &Keys) -> Read<Exec> {
    foreign(keys.url.as_ref(), "url", "http")?;
    foreign(keys.format.as_ref(), "format", "http")?;
    foreign(keys.secret_file.as_ref(), "secret_file", "http")?;
    foreign(keys.ca_file.as_ref(), "ca_file", "http")?;
    let missing =
        "`command` is missing: type = \"exec\" needs one, as command = [\"/usr/local/bin/alert\"]";
    let command = required(keys.command.as_ref(), &keys.r#type, missing)?;
    let wrong = |what: String| Err((command, format!("`command` {what}")).into());
    match command.as_ref().first() {
        Some(program) if program.starts_with('/') => {}
        Some(program) => return wrong(format!("begins with a whole path, not with \"{program}\"")),
        None => return wrong("is empty: name a program".to_owned()),
    }
    if command.as_ref().len() > MAX_ARGUMENTS {
        return wrong(format!("has more than {MAX_ARGUMENTS} words"));
    }
    if command.as_ref().iter().any(|word| !is_argument(word)) {
        return wrong(format!(
            "has a word of more than {MAX_ARGUMENT} bytes, or with a zero byte"
        ));
    }
    Ok(Exec {
        command: command.as_ref().clone(),
        recipient: recipient(keys.recipient.as_ref())?,
        environment: variables(keys.environment.as_ref())?,
        all: keys.all.as_ref().is_some_and(|all| *all.as_ref()),
    })
}

fn is_argument(text: &str) -> bool {
    text.len() <= MAX_ARGUMENT && !text.contains('\0')
}

fn recipient(value: Option<&Spanned<String>>) -> Read<String> {
    match value {
        Some(value) if !is_argument(value.as_ref()) => {
            let what = format!("`recipient` has more than {MAX_ARGUMENT} bytes, or a zero byte");
            Err((value, what).into())
        }
        value => Ok(value.map(|it| it.as_ref().clone()).unwrap_or_default()),
    }
}

fn variables(value: Option<&Spanned<BTreeMap<String, String>>>) -> Read<Vec<(String, String)>> {
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    let wrong = |what: String| Err((value, format!("`environment` {what}")).into());
    if value.as_ref().len() > MAX_ARGUMENTS {
        return wrong(format!("has more than {MAX_ARGUMENTS} variables"));
    }
    for (name, text) in value.as_ref() {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty()
            || !name.chars().all(plain)
            || name.starts_with(|c: char| c.is_ascii_digit())
        {
            return wrong(format!(
                "has `{name}`: a variable's name has letters, digits and `_`"
            ));
        }
        if name.starts_with("CRM_alert_") || name.starts_with("CPE_") {
            return wrong(format!("has `{name}`, which events set"));
        }
        if !is_argument(text) {
            return wrong(format!(
                "has a value of `{name}` that is too long, or has a zero byte"
            ));
        }
    }
    let pairs = value.as_ref().iter();
    Ok(pairs
        .map(|(name, text)| (name.clone(), text.clone()))
        .collect())
}

/// Everything, if there are none.
fn patterns(value: Option<&Spanned<Vec<String>>>) -> Read<Vec<String>> {
    let Some(value) = value else {
        return Ok(vec!["*".to_owned()]);
    };
    let patterns = value.as_ref();
    let wrong = |what: String| Err((value, what).into());
    if patterns.is_empty() {
        return wrong("an empty list fits nothing: leave the key out for everything".to_owned());
    }
    if patterns.len() > MAX_PATTERNS {
        return wrong(format!("more than {MAX_PATTERNS} patterns"));
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.*".contains(c);
    let is_wrong = |it: &&String| it.is_empty() || it.len() > MAX_PATTERN || !it.chars().all(plain);
    match patterns.iter().find(is_wrong) {
        Some(pattern) => wrong(format!(
            "\"{pattern}\" fits nothing: a pattern has a-z, 0-9, `-`, `.`, and `*` for any text"
        )),
        None => Ok(patterns.clone()),
    }
}

fn after(value: Option<&Spanned<AfterValue>>) -> Read<After> {
    let Some(value) = value else {
        return Ok(After::Now);
    };
    match value.as_ref() {
        AfterValue::Cursor(cursor) => Ok(After::Cursor(*cursor)),
        AfterValue::Word(word) if word == "now" => Ok(After::Now),
        AfterValue::Word(word) => {
            let what = format!("`after` is \"now\" or a cursor, as after = 1200, not \"{word}\"");
            Err((value, what).into())
        }
    }
}

fn attempts(value: Option<&Spanned<i64>>) -> Read<u32> {
    let Some(value) = value else {
        return Ok(ATTEMPTS);
    };
    let found = *value.as_ref();
    u32::try_from(found)
        .ok()
        .filter(|_| (1..=MAX_ATTEMPTS).contains(&found))
        .ok_or_else(|| {
            (
                value,
                format!("`attempts` is 1 to {MAX_ATTEMPTS}, not {found}"),
            )
                .into()
        })
}

fn timeout(value: Option<&Spanned<String>>) -> Read<Duration> {
    let Some(value) = value else {
        return Ok(TIMEOUT);
    };
    let span = value.as_ref().parse::<Span>().ok();
    span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok())
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|it| (SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(it))
        .ok_or_else(|| {
            let found = value.as_ref();
            (
                value,
                format!("`timeout` is \"100ms\" to \"5m\", not \"{found}\""),
            )
                .into()
        })
}
