//! Where the log goes: to the journal with structured fields under systemd, else to standard error. `CPE_LOG` sets the level
//! (`debug`, or a filter of tracing-subscriber).

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Sets the log up for the whole process.
pub fn init() {
    let filter = EnvFilter::try_from_env("CPE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    if std::env::var_os("JOURNAL_STREAM").is_some()
        && let Ok(journal) = tracing_journald::layer()
    {
        registry
            .with(
                journal
                    .with_field_prefix(None)
                    .with_syslog_identifier("cpe-agent".to_owned()),
            )
            .init();
        return;
    }
    let stderr = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    registry.with(stderr).init();
}
