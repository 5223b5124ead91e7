//! The keys of a file, for people: cpe-sinks(5) is made of them. Tests hold the list complete.

/// A key of a sink's file.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// Of which type of sink; empty: of all.
    pub of: &'static str,
    /// What may stand there.
    pub value: &'static str,
    /// What holds without it; empty: it must be there.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

const fn key(
    name: &'static str,
    of: &'static str,
    value: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Key {
    Key {
        name,
        of,
        value,
        default,
        meaning,
    }
}

/// All keys, as one would write them.
pub const KEYS: &[Key] = &[
    key(
        "type",
        "",
        "\"http\" or \"exec\"",
        "",
        "A webhook, or a program for each event.",
    ),
    key(
        "url",
        "http",
        "an address with https: or http:",
        "",
        "Where events are posted to. Redirects are not followed. With http: everybody on the way can read events.",
    ),
    key(
        "format",
        "http",
        "\"structured\" or \"binary\"",
        "\"structured\"",
        "The content mode of CloudEvents 1.0: the whole event in the body, or its data there and the rest in headers.",
    ),
    key(
        "secret_file",
        "http",
        "a file",
        "no signatures",
        "Signs requests as Standard Webhooks has it. Each line is a secret, `whsec_` and base64; two lines while one replaces the other, the new one first. A name without a slash is first looked for among systemd's credentials of the unit (LoadCredential=), then beside the sink's file. Others must not be able to read the file.",
    ),
    key(
        "ca_file",
        "http",
        "a file",
        "the system's authorities",
        "Certificates in PEM: the authorities by which the server is believed, instead of the system's.",
    ),
    key(
        "command",
        "exec",
        "a list: program and arguments",
        "",
        "The program that is run for each event, without a shell. Status 0 says that the event has arrived.",
    ),
    key(
        "recipient",
        "exec",
        "a text",
        "\"\"",
        "The variable CRM_alert_recipient: for alert_file.sh the file, for alert_smtp.sh the address.",
    ),
    key(
        "environment",
        "exec",
        "a table of texts",
        "none",
        "Further variables, as alert agents take their settings. Nothing of the daemon's own environment is passed on.",
    ),
    key(
        "all",
        "exec",
        "true or false",
        "false",
        "Also events that Pacemaker's alert agents do not know.",
    ),
    key(
        "kinds",
        "",
        "a list of patterns",
        "all",
        "Only events of these kinds, as [\"*.failed\", \"assembly.lost\"]; * stands for any text.",
    ),
    key(
        "deployments",
        "",
        "a list of patterns",
        "all",
        "Only events of these deployments, as [\"shop*\"].",
    ),
    key(
        "after",
        "",
        "\"now\" or a cursor",
        "\"now\"",
        "Where a new sink begins; 0 is all that the log still has. A sink that is known goes on where it was.",
    ),
    key(
        "attempts",
        "",
        "1 to 100",
        "12",
        "How often an event is tried before it is a dead letter.",
    ),
    key(
        "timeout",
        "",
        "\"100ms\" to \"5m\"",
        "\"10s\"",
        "How long one attempt may take. A program is killed then, with all that it has begun.",
    ),
    key(
        "concurrency",
        "",
        "1",
        "1",
        "Events are delivered one after the other, which keeps their order.",
    ),
];
