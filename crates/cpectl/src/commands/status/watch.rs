//! `cpectl status --watch`: the status again whenever something happens, until Ctrl-C.
//!
//! On a terminal it stays in place: each line is written over the former one, so that nothing
//! flickers. Elsewhere each change is a block of its own, with `--json` a line.

use std::io::{self, Write};
use std::time::Duration;

use cpe_terminal::Line;
use tokio::signal::unix::{SignalKind, signal};

use super::Seen;
use crate::cells::time;
use crate::client::Client;
use crate::commands::wait;
use crate::failure::{Failure, Kind};
use crate::follow::{Filter, Follower};
use crate::options::Status;
use crate::output::Output;

/// It is shown again after this time although no event came: ages go on, and so does a transition.
const PAUSE: Duration = Duration::from_secs(2);
/// Events within this time are shown together.
const TOGETHER: Duration = Duration::from_millis(100);

pub(super) async fn run(
    mut client: Client,
    arguments: &Status,
    output: &Output,
) -> Result<(), Failure> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let filter = Filter {
        deployment: arguments.name.clone().unwrap_or_default(),
        ..Filter::default()
    };
    let cursor = wait::newest_cursor(&client).await?;
    let mut follower = Follower::new(&client, filter, cursor).await?;
    let mut last = Seen::ask(&client, arguments).await?;
    let mut shown = Shown::new(output);
    shown.show(&last, arguments, None)?;
    loop {
        tokio::select! {
            _ = interrupted.recv() => return Ok(()),
            _ = terminated.recv() => return Ok(()),
            event = follower.next_within(PAUSE) => if event.is_some() {
                while follower.next_within(TOGETHER).await.is_some() {}
            },
        }
        let asked = tokio::select! {
            _ = interrupted.recv() => return Ok(()),
            _ = terminated.recv() => return Ok(()),
            asked = Seen::ask(&client, arguments) => asked,
        };
        match asked {
            Ok(seen) => {
                last = seen;
                shown.show(&last, arguments, None)?;
            }
            Err(failure) if failure.kind == Kind::Unreachable => {
                shown.show(&last, arguments, Some(&failure.message))?;
                if let Ok(again) = Client::connect(&client.bus).await {
                    client = again;
                }
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// Where it is shown, and what was.
struct Shown<'a> {
    output: &'a Output,
    /// The other screen of the terminal, while it lives.
    place: Option<OtherScreen>,
    /// What was shown last, without what changes by itself.
    before: Option<(Seen, Option<String>)>,
}

impl Shown<'_> {
    fn new(output: &Output) -> Shown<'_> {
        let in_place = output.is_terminal() && !output.json;
        Shown {
            output,
            place: in_place.then(OtherScreen::enter),
            before: None,
        }
    }

    /// `trouble`: why it is the last status that is known, and not the present one.
    fn show(
        &mut self,
        seen: &Seen,
        arguments: &Status,
        trouble: Option<&str>,
    ) -> Result<(), Failure> {
        if self.place.is_some() {
            let stdout = io::stdout();
            let mut lines = seen.lines(arguments, cpe_terminal::columns(&stdout));
            if let Some(trouble) = trouble {
                lines.insert(0, Line::from(format!("{trouble}; this is the last status")));
            }
            let height = cpe_terminal::rows(&stdout).unwrap_or(usize::MAX);
            return Ok(draw(&lines, height, self.output.is_colored())?);
        }
        let now = Some((settled(seen), trouble.map(str::to_owned)));
        if self.before == now {
            return Ok(());
        }
        let is_first = self.before.is_none();
        self.before = now;
        if let Some(trouble) = trouble {
            self.output.note(trouble);
            return Ok(());
        }
        if self.output.json {
            return self.output.json_line(&seen.json()?);
        }
        if !is_first {
            self.output.line("");
        }
        let asked = seen.statuses().iter().map(|status| status.time).max();
        self.output.line(format!("at {}", time(asked.unwrap_or(0))));
        self.output.lines(&seen.lines(arguments, None));
        Ok(())
    }
}

/// The status without what changes by itself: times, heartbeats, and how long is waited still. A
/// reason is part of it.
fn settled(seen: &Seen) -> Seen {
    let mut seen = seen.clone();
    let statuses = match &mut seen {
        Seen::One(status, _) => std::slice::from_mut(&mut **status),
        Seen::All(statuses) => statuses,
    };
    for status in statuses {
        status.time = 0;
        for assembly in &mut status.assemblies {
            assembly.last_heartbeat = 0;
            assembly.reason = without_countdown(&assembly.reason);
        }
    }
    seen
}

/// A text without the seconds in it (`12 s`), which count down.
fn without_countdown(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let counts = |at: usize| {
        let is_number = words[at].parse::<u64>().is_ok();
        is_number && words.get(at + 1).is_some_and(|unit| *unit == "s")
    };
    let rest = (0..words.len()).filter(|at| !counts(*at));
    rest.map(|at| words[at]).collect::<Vec<_>>().join(" ")
}

/// Writes lines over those that were there. What has no room is said in the last one.
fn draw(lines: &[Line], height: usize, colored: bool) -> io::Result<()> {
    let mut text = String::from("\x1b[H");
    let room = match lines.len() > height {
        true => height.saturating_sub(1),
        false => lines.len(),
    };
    let mut rows: Vec<String> = lines[..room]
        .iter()
        .map(|line| match colored {
            true => line.to_string(),
            false => line.as_str().to_owned(),
        })
        .collect();
    if room < lines.len() {
        rows.push(format!("… {} more lines", lines.len() - room));
    }
    // Each is cleared behind its end, and so is what is below the last one.
    text += &rows.join("\x1b[K\r\n");
    text += "\x1b[K\x1b[J";
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The terminal's other screen, without a cursor. When it is dropped, all is as before.
struct OtherScreen;

impl OtherScreen {
    fn enter() -> OtherScreen {
        write("\x1b[?1049h\x1b[?25l");
        OtherScreen
    }
}

impl Drop for OtherScreen {
    fn drop(&mut self) {
        write("\x1b[?25h\x1b[?1049l");
    }
}

fn write(text: &str) {
    let mut out = io::stdout().lock();
    // A terminal that is gone needs none of it.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use cpe_status::{AssemblyStatus, DeploymentStatus};

    use super::*;

    fn seen(heartbeat: u64, summary: &str, reason: &str) -> Seen {
        let assembly = AssemblyStatus {
            last_heartbeat: heartbeat,
            reason: reason.into(),
            ..AssemblyStatus::default()
        };
        let status = Box::new(DeploymentStatus {
            time: heartbeat,
            summary: summary.into(),
            assemblies: vec![assembly],
            ..DeploymentStatus::default()
        });
        Seen::One(status, None)
    }

    #[test]
    fn heartbeats_and_times_are_no_change() {
        assert_eq!(settled(&seen(1, "a", "")), settled(&seen(2, "a", "")));
        assert_ne!(settled(&seen(1, "a", "")), settled(&seen(1, "b", "")));
    }

    #[test]
    fn another_reason_is_a_change_and_how_long_is_waited_still_is_none() {
        let because = |reason: &str| settled(&seen(1, "a", reason));
        let waits =
            |seconds: u32| because(&format!("waiting {seconds} s for the end of its lease"));
        assert_eq!(waits(12), waits(3));
        assert_ne!(waits(12), because("2 attempts failed, the next in 12 s"));
        let failed = |times: u32| because(&format!("{times} attempts failed, the next in 12 s"));
        assert_ne!(failed(1), failed(2));
        assert_ne!(because("level 1 of 2"), because("level 2 of 2"));
        assert_ne!(because("its heartbeats are late"), because(""));
    }
}
