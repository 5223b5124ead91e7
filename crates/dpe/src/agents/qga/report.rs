//! What the helper in a guest says: lines, each with its first word, some followed by as many bytes
//! as they announce.

use controller::{Operation, Record, RecordState, STATUS_TIMEOUT};
use cpe_bus::fields::bounded;
use cpe_bus::records::{MAX_OUTPUT, MAX_REASON, exit_reason, rc};
use cpe_daemon::Cut;

use crate::convert::secrets_of;

/// `op-status` of a pending operation.
const STATUS_PENDING: i32 = -1;

/// Of longer output the helper shows the end only (`guest.sh`), in bytes.
const SHOWN_OUTPUT: usize = 4000;

/// How far an operation is, by its record in the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It was begun, and its process is not there yet.
    Waits,
    Runs,
    /// It waits for its start delay, for so many hundredths of a second.
    Later(u64),
    Ended,
    /// A turn of a recurring one was cut short, with nothing to show for it.
    Lost,
    /// There is no record.
    Gone,
}

/// How an operation, or a turn of a recurring one, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub status: i32,
    pub rc: i32,
    /// Wall clock of the guest, µs.
    pub started: u64,
    pub completed: u64,
    pub changed: u64,
    pub exec_ms: u32,
    pub output: String,
}

/// One record of the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub number: u32,
    /// Where the whole history was asked for.
    pub operation: Option<Operation>,
    /// The last one that there is.
    pub outcome: Option<Outcome>,
    pub state: State,
    /// When it was begun, wall clock of the guest, µs.
    pub since: u64,
}

/// Records, and where those begin that did not fit.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub entries: Vec<Entry>,
    pub more: Option<u32>,
}

/// Reads a page; `Err` says what is wrong with it.
pub(super) fn page(mut text: &[u8]) -> Result<Page, String> {
    let mut page = Page::default();
    let (mut operation, mut outcome) = (None, None);
    loop {
        let line = line(&mut text)?;
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["op", _, size] => {
                let json = take(&mut text, size)?;
                let read = serde_json::from_slice(json).map_err(|error| error.to_string())?;
                check(&read)?;
                operation = Some(read);
            }
            [
                "result",
                _,
                status,
                rc,
                started,
                completed,
                from,
                to,
                changed,
                size,
            ] => {
                let lasted = number::<u64>(to)?.saturating_sub(number(from)?);
                outcome = Some(Outcome {
                    status: number(status)?,
                    rc: number(rc)?,
                    started: number(started)?,
                    completed: number(completed)?,
                    changed: number(changed)?,
                    exec_ms: u32::try_from(lasted * 10).unwrap_or(u32::MAX),
                    output: String::from_utf8_lossy(take(&mut text, size)?).into_owned(),
                });
            }
            ["state", of, state, value] => {
                let value = number(value)?;
                let (state, since) = match *state {
                    "waits" => (State::Waits, value),
                    "runs" => (State::Runs, value),
                    "later" => (State::Later(value), 0),
                    "ended" => (State::Ended, 0),
                    "lost" => (State::Lost, 0),
                    "gone" => (State::Gone, 0),
                    other => return Err(format!("a state `{}`", bounded(other, 40))),
                };
                page.entries.push(Entry {
                    number: number(of)?,
                    operation: operation.take(),
                    outcome: outcome.take(),
                    state,
                    since,
                });
            }
            ["more", next] => {
                page.more = Some(number(next)?);
                return Ok(page);
            }
            ["done", _] => return Ok(page),
            _ => return Err(format!("the line `{}`", bounded(line, 80))),
        }
    }
}

/// The same bounds as on the bus: names become parts of paths, and what a guest says is believed no
/// further than what an agent says.
pub(super) fn check(operation: &Operation) -> Result<(), String> {
    let fields = crate::convert::operation(operation.clone()).to_fields();
    let checked = cpe_bus::Operation::from_fields(&fields);
    checked.map(drop).map_err(|error| error.message())
}

fn line<'t>(text: &mut &'t [u8]) -> Result<&'t str, String> {
    let end = text.iter().position(|byte| *byte == b'\n');
    let end = end.ok_or("an answer without its end")?;
    let (line, rest) = text.split_at(end);
    *text = &rest[1..];
    std::str::from_utf8(line).map_err(|error| error.to_string())
}

fn take<'t>(text: &mut &'t [u8], size: &str) -> Result<&'t [u8], String> {
    let size: usize = number(size)?;
    let (taken, rest) = text
        .split_at_checked(size)
        .ok_or("an answer that is shorter than it says")?;
    *text = rest;
    Ok(taken)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("`{}` for a number", bounded(text, 40)))
}

/// The record of an operation for the controller: what its last outcome was, or that it has none.
pub(super) fn record(
    operation: Operation,
    number: u32,
    outcome: Option<&Outcome>,
    since: u64,
) -> Record {
    let Some(outcome) = outcome else {
        return Record {
            operation,
            state: RecordState::Pending,
            call_id: number,
            status: STATUS_PENDING,
            rc: rc::UNKNOWN,
            started: since,
            last_run: since,
            ..Record::default()
        };
    };
    let timeout_ms = operation.timeout_ms;
    // Our own agent takes them out in its guest.
    let cut = match outcome.output.len() < SHOWN_OUTPUT {
        true => Cut::No,
        false => Cut::Beginning,
    };
    let said = secrets_of(&operation).take_out(outcome.output.clone(), cut);
    let mut exit_reason = exit_reason(&said).unwrap_or_default();
    if outcome.status == STATUS_TIMEOUT && exit_reason.is_empty() {
        exit_reason = format!("did not end within {timeout_ms} ms and was killed");
    }
    Record {
        operation,
        state: RecordState::Complete,
        call_id: number,
        status: outcome.status,
        rc: outcome.rc,
        started: outcome.started,
        completed: outcome.completed,
        last_rc_change: outcome.changed,
        last_run: outcome.started,
        exec_ms: outcome.exec_ms,
        queue_ms: 0,
        exit_reason: bounded(&exit_reason, MAX_REASON),
        output: bounded(said.trim_end(), MAX_OUTPUT),
        said: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_the_helper_writes() {
        let json = r#"{"id":"1:1:0:u","resource":"web","class":"ocf","provider":"own","type":"Thing","action":"start","interval_ms":0,"timeout_ms":20000,"parameters":{},"meta":{},"annotations":{}}"#;
        let output = "state 9 gone 0\nocf-exit-reason:no disk\n";
        let text = format!(
            "op 7 {}\n{json}\nresult 7 0 1 10 30 200 212 10 {}\n{output}state 7 ended 0\nstate 8 later 150\nmore 12\n",
            json.len() + 1,
            output.len()
        );
        let page = page(text.as_bytes()).unwrap();
        assert_eq!(page.more, Some(12));
        assert_eq!(page.entries[1].state, State::Later(150));
        let entry = &page.entries[0];
        let operation = entry.operation.clone().unwrap();
        let record = record(operation, 7, entry.outcome.as_ref(), 0);
        assert_eq!((record.rc, record.exec_ms, record.call_id), (1, 120, 7));
        assert_eq!(record.exit_reason, "no disk");
    }

    #[test]
    fn what_was_written_is_told_without_secrets() {
        let operation = Operation {
            parameters: [("dsn", "canary"), ("port", "5432")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            annotations: [(cpe_bus::SECRET_NAMES.to_owned(), " dsn ".to_owned())].into(),
            ..Operation::default()
        };
        let said = |output: String| {
            let outcome = Outcome {
                status: 0,
                rc: 0,
                started: 0,
                completed: 0,
                changed: 0,
                exec_ms: 0,
                output,
            };
            record(operation.clone(), 1, Some(&outcome), 0).output
        };
        assert_eq!(said("canary at 5432".to_owned()), "*** at 5432");
        assert_eq!(said("nary at 5432".to_owned()), "nary at 5432");
        let cut = format!("nary at{:>1$}", "5432", SHOWN_OUTPUT - 7);
        assert!(said(cut).starts_with("*** at "));
    }

    #[test]
    fn what_it_does_not_write_is_refused() {
        let json = r#"{"id":"1","resource":"r","class":"ocf","provider":"..","type":"x","action":"start","interval_ms":0,"timeout_ms":0,"parameters":{},"meta":{},"annotations":{}}"#;
        let escapes = format!("op 1 {}\n{json}\ndone 0\n", json.len() + 1);
        for bad in [
            "",
            "state 1 ended 0",
            "state 1 flies 0\ndone 0\n",
            "state x ended 0\ndone 0\n",
            "op 1 99999999999999999999\ndone 0\n",
            "op 1 5\n{}\ndone 0\n",
            "result 1 0 0\ndone 0\n",
            "superseded\n",
            &escapes,
        ] {
            assert!(page(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
