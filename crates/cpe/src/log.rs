//! Where the log goes: the journal with structured fields when systemd started us, else standard error.

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// MESSAGE_ID of the line that tells of a database that was kept aside.
pub const DATABASE_KEPT_ASIDE: &str = "5c6f0d1f2b9d4c0fb6a3c1a7c7a4e0d9";
/// MESSAGE_ID of the line that tells of a DPE without a deployment being stopped.
pub const GHOST_STOPPED: &str = "0c1b9a3f7f6e4d52a9d8b7e31f20c6a4";

/// Sets the process' logger up; `CPE_LOG` filters (`debug`, `cpe=debug,zbus=warn`), by default from info on.
pub fn start() {
    let filter =
        EnvFilter::try_from_env("CPE_LOG").unwrap_or_else(|_| EnvFilter::new("info,zbus=warn"));
    let registry = tracing_subscriber::registry();
    if std::env::var_os("JOURNAL_STREAM").is_some()
        && let Ok(journal) = tracing_journald::layer()
    {
        // Without a prefix `cpe_deployment` becomes CPE_DEPLOYMENT and `message_id` becomes MESSAGE_ID.
        registry
            .with(journal.with_field_prefix(None).with_filter(filter))
            .init();
        return;
    }
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let plain = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(terminal);
    registry.with(plain.with_filter(filter)).init();
}
