//! What a daemon tells systemd.

pub use sd_notify::NotifyState as State;

/// Tells systemd something. Without systemd nobody listens, and that is fine.
pub fn notify(states: &[State<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("systemd cannot be notified: {error}");
    }
}
