//! Where a daemon's log goes.

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

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
