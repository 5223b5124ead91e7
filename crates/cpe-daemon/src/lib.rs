//! What the daemons have in common: where their log goes, what they tell systemd, how long they
//! wait before they try again, how their man pages are written.

#![warn(missing_docs)]

mod panics;
mod pauses;
mod watchdog;

use std::path::Path;

use anyhow::Context;
use sd_notify::NotifyState;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use panics::{Panicked, abort_on_panic, confine};
pub use pauses::Pauses;
pub use sd_notify::NotifyState as State;
pub use watchdog::Watchdog;

/// Sets the process' logger up: the journal with structured fields when systemd started us, else
/// standard error.
///
/// The environment variable `CPE_LOG` filters (`debug`, or `dpe=debug,zbus=warn`), by default from
/// info on.
pub fn start_log() {
    let wanted = std::env::var("CPE_LOG").ok();
    let parsed = wanted.as_deref().map(str::parse::<Targets>);
    let (filter, mistake) = match parsed {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (default_filter(), Some(error)),
        None => (default_filter(), None),
    };
    let registry = tracing_subscriber::registry();
    if std::env::var_os("JOURNAL_STREAM").is_some()
        && let Ok(journal) = tracing_journald::layer()
    {
        // Without a prefix `cpe_deployment` becomes CPE_DEPLOYMENT and `message_id` becomes
        // MESSAGE_ID.
        registry
            .with(journal.with_field_prefix(None).with_filter(filter))
            .init();
    } else {
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let plain = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_target(false)
            .with_ansi(terminal);
        registry.with(plain.with_filter(filter)).init();
    }
    if let Some(mistake) = mistake {
        tracing::warn!(
            "CPE_LOG is ignored ({mistake}); expected a level or TARGET=LEVEL,…, such as dpe=debug,zbus=warn"
        );
    }
}

fn default_filter() -> Targets {
    Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("zbus", LevelFilter::WARN)
}

/// Tells systemd something. Without systemd nobody listens, and that is fine.
pub fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("systemd cannot be notified: {error}");
    }
}

/// Writes a program's man page, `NAME.SECTION`, to a directory; `more` is what the options do not
/// say, in roff.
///
/// # Errors
/// If the file cannot be written.
pub fn man_page(
    command: clap::Command,
    section: &str,
    more: &str,
    directory: &Path,
) -> anyhow::Result<()> {
    let path = directory.join(format!("{}.{section}", command.get_name()));
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .section(section)
        .manual("Cloud Policy Engine")
        .render(&mut page)?;
    page.extend_from_slice(more.as_bytes());
    std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
}
