//! Who asked for what: every order of an administrator is an event that names its caller.

use std::collections::BTreeMap;

use cpe_bus::{Event, EventKind, Result};
use cpe_store::{CALLER_PRINCIPAL, new_event as event};
use jiff::SignedDuration;

use crate::authorisation::Caller;
use crate::host::Host;

/// Something that an administrator asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Order<'a> {
    /// `destroy`, `standby`, `standby-of-all`, `maintenance`, `cleanup`, `cleanup-operation`,
    /// `refresh`, `confirm-fenced`, `fence`, `host-failed`, `grant-ticket`, `revoke-ticket`,
    /// `ticket-standby`, `set-attribute`, `delete-attribute`, `set-owner`, `debug-monitor`,
    /// `debug-start`, `debug-stop`, `host-drain`, `host-activate`, `host-remove`,
    /// `host-confirm-lost`, `host-move`, `store-backup`, and the verbs of orders about services.
    pub action: &'static str,
    pub deployment: &'a str,
    pub assembly: &'a str,
    pub service: &'a str,
    /// Further details, by name.
    pub more: &'a [(&'static str, &'a str)],
}

/// The caller as details of an event: `caller_principal` (`user:alice`, or for whom a delegate
/// speaks), `caller_delegate` (the user who speaks for it), and of the process that called
/// `caller_uid`, `caller_user`, `caller_pid`, `caller_program`,
/// `caller_unit` and `caller_sender`; what is not known is left out.
pub(crate) async fn details(host: &Host, caller: &Caller) -> BTreeMap<String, String> {
    let unit = match caller.pid {
        0 => None,
        pid => host.systemd.unit_of_process(pid).await.ok(),
    };
    // The name that the process gives itself.
    let program = std::fs::read_to_string(format!("/proc/{}/comm", caller.pid)).ok();
    let known = [
        (CALLER_PRINCIPAL, Some(caller.who.principal.clone())),
        ("caller_delegate", caller.delegate().map(str::to_owned)),
        ("caller_uid", Some(caller.uid.to_string())),
        ("caller_user", Some(caller.user.clone())),
        ("caller_pid", Some(caller.pid.to_string())),
        ("caller_program", program.map(|name| name.trim().to_owned())),
        ("caller_unit", unit),
        ("caller_sender", Some(caller.sender.clone())),
    ];
    let known = known
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    known.collect()
}

/// Has the event log tell of an order, and of what came of it. An order that was carried out is
/// not taken back because the disk is full: then the journal has it alone. What a caller wrote at
/// any length is cut.
pub(crate) async fn record<T>(host: &Host, caller: &Caller, order: Order<'_>, outcome: &Result<T>) {
    record_by(host, &details(host, caller).await, order, outcome).await;
}

/// [`record`] for whom [`details`] have told of before.
pub(crate) async fn record_by<T>(
    host: &Host,
    who: &BTreeMap<String, String>,
    order: Order<'_>,
    outcome: &Result<T>,
) {
    let by = by(who);
    let mut details = who.clone();
    details.insert("action".into(), order.action.into());
    for (key, value) in order.more {
        details.insert((*key).into(), (*value).into());
    }
    let more = order.more.iter().map(|(key, value)| in_words(key, value));
    let words: Vec<String> = std::iter::once(order.action.to_owned())
        .chain(more)
        .collect();
    let words = words.join(" ");
    let (state, reason) = match outcome {
        Ok(_) => ("done", format!("{words}, asked for by {by}")),
        Err(error) if error.leaves_it_open() => (
            "unknown",
            format!(
                "{words}, asked for by {by}: nobody knows whether it was done: {}",
                error.message()
            ),
        ),
        Err(error) => (
            "refused",
            format!("{words}, asked for by {by}: {}", error.message()),
        ),
    };
    let event = Event {
        assembly: order.assembly.into(),
        service: order.service.into(),
        state: state.into(),
        reason,
        details,
        ..event(EventKind::DeploymentAdministered, order.deployment)
    }
    .within_limits();
    let line = format!("{}: {}", order.deployment, event.reason);
    let recorded = host.core.store.record(event).await;
    if let Err(error) = recorded {
        tracing::warn!(
            cpe_deployment = order.deployment,
            "{line} (not in the event log: {error})"
        );
    }
}

/// Has the event log tell that somebody wanted what it may not, once in a while.
pub(crate) async fn refused(host: &Host, caller: &Caller, method: &str, deployment: &str) {
    if !host.core.refusals.is_news(&caller.who.principal, method) {
        return;
    }
    let mut details = details(host, caller).await;
    let reason = format!(
        "{method}, asked for by {}, who has no right to; the same is not told again for 10 minutes",
        by(&details)
    );
    details.insert("action".into(), method.into());
    let event = Event {
        state: "denied".into(),
        reason,
        details,
        ..event(EventKind::DeploymentAdministered, deployment)
    }
    .within_limits();
    let recorded = host.core.store.record(event).await;
    if let Err(error) = recorded {
        tracing::warn!("a refusal is not in the event log: {error}");
    }
}

/// A detail of an order in words.
fn in_words(key: &str, value: &str) -> String {
    let ms: Option<i64> = value.parse().ok();
    let time = ms.map(|ms| format!("{:#}", SignedDuration::from_millis(ms)));
    match (key, value, time) {
        ("for_ms", _, Some(time)) => format!("for {time}"),
        ("interval_ms", "any", _) => "of any interval".to_owned(),
        ("interval_ms", "0", _) => "without an interval".to_owned(),
        ("interval_ms", _, Some(time)) => format!("every {time}"),
        ("lifetime", "cleared", _) => "until it is cleared".to_owned(),
        ("lifetime", "placed", _) => "until it is placed".to_owned(),
        ("role", role, _) => format!("in role {role}"),
        ("force", _, _) => "by force".to_owned(),
        (_, value, _) => value.to_owned(),
    }
}

/// The caller in words, as [`record`] has it.
pub(crate) async fn name(host: &Host, caller: &Caller) -> String {
    by(&details(host, caller).await)
}

/// The caller in words: `alice (uid 1000), process 4711 cpectl of session-3.scope`, or `token:ci by
/// cpe-gateway (uid 990), process …`.
pub(crate) fn by(details: &BTreeMap<String, String>) -> String {
    let of = |key: &str| details.get(key).map_or("", String::as_str);
    let mut words = String::new();
    if !of("caller_delegate").is_empty() {
        words = format!("{} by ", of(CALLER_PRINCIPAL));
    }
    words.push_str(&format!("{} (uid {})", of("caller_user"), of("caller_uid")));
    for (before, key) in [
        (", process ", "caller_pid"),
        (" ", "caller_program"),
        (" of ", "caller_unit"),
    ] {
        if !of(key).is_empty() {
            words.push_str(before);
            words.push_str(of(key));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_units_that_people_read() {
        for (key, value, words) in [
            ("for_ms", "7200000", "for 2h"),
            ("for_ms", "90000", "for 1m 30s"),
            ("interval_ms", "10000", "every 10s"),
            ("interval_ms", "0", "without an interval"),
            ("interval_ms", "any", "of any interval"),
            ("lifetime", "cleared", "until it is cleared"),
            ("ticket", "7200000", "7200000"),
        ] {
            assert_eq!(in_words(key, value), words, "{key} {value}");
        }
    }
}
