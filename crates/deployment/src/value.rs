//! The scalars of a document: names, durations, scores, addresses. Each parser gives the value or
//! what would be right.

use std::time::Duration;

use cpe_status::AddressError;
use uuid::fmt::Hyphenated;

use crate::model::{Address, Score};

/// The longest duration accepted: longer than any timeout, and far from every overflow.
const MAX_DURATION: Duration = Duration::from_secs(366 * 24 * 3600);

/// Bounds utilization values, so that sums over all services of a document stay exact.
pub(crate) const MAX_CAPACITY: u32 = 1_000_000_000;

/// The classes of resource agents that guests run.
pub(crate) const CLASSES: [&str; 4] = ["ocf", "lsb", "systemd", "service"];

type Parsed<T> = Result<T, String>;

/// `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`: names of deployments, assemblies.
pub(crate) fn name(text: &str) -> Parsed<String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let valid = (1..=63).contains(&bytes.len())
        && bytes.iter().all(|&byte| inner(byte) || byte == b'-')
        && inner(bytes[0])
        && inner(bytes[bytes.len() - 1]);
    if valid {
        return Ok(text.to_owned());
    }
    let proposal = proposed_name(text);
    let rule = "a name has 1 to 63 characters a-z, 0-9 and -, and neither begins nor ends with -";
    Err(if proposal.is_empty() {
        rule.to_owned()
    } else {
        format!("{rule}: for example '{proposal}'")
    })
}

/// The name that somebody may have meant with an invalid one.
pub(crate) fn proposed_name(text: &str) -> String {
    let mapped: String = text
        .chars()
        .take(63)
        .map(|c| c.to_ascii_lowercase())
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                c
            } else {
                '-'
            }
        })
        .collect();
    mapped.trim_matches('-').to_owned()
}

/// As [`name`], beginning with a letter: names of services and groups, which become XML ids in the
/// configuration.
pub(crate) fn service_name(text: &str) -> Parsed<String> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(
            "the name of a service begins with a letter, because it becomes an XML id".to_owned(),
        );
    }
    name(text)
}

/// Names of parameters, attributes and capacities: what can be part of an environment variable and
/// of an XML id.
pub(crate) fn key(text: &str) -> Parsed<String> {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let valid = |c: char| first(c) || matches!(c, '-' | '.');
    if (1..=128).contains(&text.len()) && text.starts_with(first) && text.chars().all(valid) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 128 characters A-Z, a-z, 0-9, _, - and ., beginning with a letter, a digit or _".to_owned())
    }
}

/// As [`key`], also with a `#` before it, as in `#health…` of Pacemaker's node health.
pub(crate) fn attribute_key(text: &str) -> Parsed<String> {
    key(text.strip_prefix('#').unwrap_or(text)).map(|_| text.to_owned())
}

/// One part of a resource agent's name: class, provider, type. It becomes a file name, so neither
/// a path nor a hidden file.
pub(crate) fn agent_part(text: &str) -> Parsed<String> {
    let valid =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | ':' | '\\');
    if (1..=128).contains(&text.len()) && !text.starts_with('.') && text.chars().all(valid) {
        Ok(text.to_owned())
    } else {
        Err(
            "expected the name of an installed resource agent or unit: letters, digits, _, -, ., @"
                .to_owned(),
        )
    }
}

/// Parameters of a fence agent that say what it is to do, and how. The DPE says the first, and the
/// others would have a fencing succeed that did nothing, or did not look.
const FENCE_ACTIONS: [&str; 5] = ["action", "option", "method", "help", "version"];

/// Whether a parameter of a fence agent names a program to run, or a file to write: on the host, as
/// the user of the DPE.
fn reaches_the_host(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    key.ends_with("_path")
        || key.ends_with("_script")
        || key.starts_with("debug")
        || key.ends_with("ssh_options")
}

/// The name of a parameter that a document may give a fence agent.
pub(crate) fn fence_key(text: &str) -> Parsed<String> {
    let key = key(text)?;
    let bare = key.trim_start_matches(['-', '_']);
    if FENCE_ACTIONS
        .iter()
        .any(|word| bare.eq_ignore_ascii_case(word))
    {
        return Err("the DPE says itself what the fence agent is to do: remove it".to_owned());
    }
    if bare.eq_ignore_ascii_case("missing_as_off") || bare.eq_ignore_ascii_case("missing-as-off") {
        return Err(
            "a machine that the device does not know would be taken for one that is off: remove it"
                .to_owned(),
        );
    }
    if reaches_the_host(bare) {
        return Err(
            "it would have the fence agent run a program or write a file on the host: remove it"
                .to_owned(),
        );
    }
    Ok(key)
}

/// As [`fence_key`], in the `<fencing>` of an assembly, which has words of its own for what fencing
/// devices of a cluster say in parameters.
pub(crate) fn own_fence_key(text: &str) -> Parsed<String> {
    if text.starts_with("pcmk_") {
        return Err(
            "only devices of <configuration> have such parameters: the agent is told the assembly's name, unless \
             'plug' or 'port' gives another; timeout=\"…\" of <fencing> bounds it"
                .to_owned(),
        );
    }
    fence_key(text)
}

/// The name of a ClusterLabs fence agent.
pub(crate) fn fence_agent(text: &str) -> Parsed<String> {
    match agent_part(text) {
        Ok(agent) if agent.starts_with("fence_") => Ok(agent),
        _ => Err(
            "expected the name of an installed fence agent, such as 'fence_openstack'".to_owned(),
        ),
    }
}

/// Fence agents that cut guests off their disks or their network, and leave them running:
/// `fabric_fencing` in their source, no action "reboot" in their metadata.
pub(crate) const CUT_OFF_ONLY: [&str; 6] = [
    "fence_brocade",
    "fence_cisco_mds",
    "fence_ifmib",
    "fence_mpath",
    "fence_sanbox2",
    "fence_scsi",
];

/// As [`fence_agent`], in the `<fencing>` of an assembly: one that leaves nothing running.
pub(crate) fn own_fence_agent(text: &str) -> Parsed<String> {
    let agent = fence_agent(text)?;
    match CUT_OFF_ONLY.contains(&agent.as_str()) {
        false => Ok(agent),
        true => Err(
            "expected an agent that switches guests off: this one cuts them off, and they run on; it can be a device of \
             <configuration> with provides=\"unfencing\" if the DPE's host can run its action \"on\""
                .to_owned(),
        ),
    }
}

/// RFC 4122 text form, with hyphens; returned in lower case.
pub(crate) fn uuid(text: &str) -> Parsed<String> {
    text.parse::<Hyphenated>()
        .map(|uuid| uuid.to_string())
        .map_err(|_| {
            "expected a UUID such as '7c1f0e52-9b1d-4a55-8f0e-2f4f6f0c9d11'; the attribute may also be left out"
                .to_owned()
        })
}

/// The name of a host, as the cloud manager says it.
pub(crate) fn host(text: &str) -> Parsed<String> {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    match (1..=253).contains(&text.len()) && text.chars().all(valid) {
        true => Ok(text.to_owned()),
        false => Err("expected the name of a host as the cloud manager says it, such as 'compute-7.example.org'".to_owned()),
    }
}

/// What identifies something to the cloud manager: a UUID, in lower case; or another text of
/// bounded length, as it is.
pub(crate) fn identity(text: &str) -> Parsed<String> {
    if let Ok(uuid) = uuid(text) {
        return Ok(uuid);
    }
    let valid = (1..=128).contains(&text.len()) && !text.contains(char::is_control);
    match valid && text.trim() == text {
        true => Ok(text.to_owned()),
        false => Err(
            "expected a UUID such as '7c1f0e52-9b1d-4a55-8f0e-2f4f6f0c9d11', or another text of 1 to 128 bytes in one line"
                .to_owned(),
        ),
    }
}

/// `500ms`, `10s`, `5m` or `5min`, `2h`, `1d`: a whole number with a unit; `10`: seconds.
pub(crate) fn duration(text: &str) -> Parsed<Duration> {
    const EXPECTED: &str = "expected a duration such as '500ms', '10s', '5m', '2h' or '1d'";
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let milliseconds: u64 = match &text[digits..] {
        "ms" | "msec" => 1,
        "" | "s" | "sec" => 1_000,
        "m" | "min" => 60_000,
        "h" | "hr" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(EXPECTED.to_owned()),
    };
    if digits == 0 {
        return Err(EXPECTED.to_owned());
    }
    text[..digits]
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(milliseconds))
        .map(Duration::from_millis)
        .filter(|duration| *duration <= MAX_DURATION)
        .ok_or_else(|| "expected a duration of at most '366d'".to_owned())
}

/// A duration that is not zero.
pub(crate) fn positive_duration(text: &str) -> Parsed<Duration> {
    match duration(text)? {
        Duration::ZERO => Err("expected a duration greater than zero, such as '10s'".to_owned()),
        duration => Ok(duration),
    }
}

/// A duration as the configuration writes it.
pub(crate) fn duration_text(duration: Duration) -> String {
    match duration.as_millis() {
        whole if whole % 1000 == 0 => format!("{}s", whole / 1000),
        milliseconds => format!("{milliseconds}ms"),
    }
}

/// Pacemaker's score: an integer, `INFINITY`, `+INFINITY` or `-INFINITY`. Larger integers are
/// infinite too.
pub(crate) fn score(text: &str) -> Parsed<Score> {
    match text {
        "INFINITY" | "+INFINITY" => return Ok(Score::INFINITY),
        "-INFINITY" => return Ok(Score::NEG_INFINITY),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("expected an integer, 'INFINITY' or '-INFINITY'".to_owned());
    }
    let limit = i64::from(Score::INFINITY.0);
    let magnitude = digits.parse::<i64>().unwrap_or(limit).min(limit) as i32;
    Ok(Score(if text.starts_with('-') {
        -magnitude
    } else {
        magnitude
    }))
}

/// A whole number between the bounds.
pub(crate) fn integer(text: &str, least: u32, most: u32) -> Parsed<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse::<u32>()
        .ok()
        .filter(|number| digits && (least..=most).contains(number))
        .ok_or_else(|| format!("expected a whole number from {least} to {most}"))
}

/// Pacemaker's booleans, ignoring case.
pub(crate) fn boolean(text: &str) -> Parsed<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "y" | "1" => Ok(true),
        "false" | "off" | "no" | "n" | "0" => Ok(false),
        _ => Err("expected 'true' or 'false'".to_owned()),
    }
}

/// An address of any kind, also of one that no agent can be reached at yet.
pub(crate) fn address(text: &str) -> Parsed<Address> {
    // The agent's settings know an older way of writing.
    match text.strip_prefix("unix:path=") {
        Some(_) => Err("expected an absolute path after 'unix:'".to_owned()),
        None => text
            .parse()
            .map_err(|error: AddressError| error.to_string()),
    }
}

/// The name of a systemd unit with its suffix, of the types that can be a guest.
pub(crate) fn unit(text: &str) -> Parsed<String> {
    let valid =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '\\' | '@');
    let (stem, suffix) = text.rsplit_once('.').unwrap_or(("", ""));
    let complete =
        !stem.is_empty() && !stem.ends_with('@') && matches!(suffix, "service" | "scope");
    if complete && text.len() <= 255 && text.chars().all(valid) {
        Ok(text.to_owned())
    } else {
        Err("expected the full name of a unit, such as 'systemd-nspawn@web1.service'".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_durations_with_units_and_refuses_the_rest() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("1d"), Ok(Duration::from_secs(86_400)));
        for bad in [
            "",
            "s",
            "-1s",
            "1.5s",
            "10 s",
            "10 Minuten",
            "99999999999999999999",
            "18446744073709551615d",
            "367d",
            "é",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn it_writes_durations_so_that_they_read_the_same() {
        for text in ["1ms", "1500ms", "0s", "3600s"] {
            assert_eq!(duration_text(duration(text).unwrap()), text);
        }
    }

    #[test]
    fn it_reads_scores_with_their_infinities() {
        assert_eq!(score("-INFINITY"), Ok(Score::NEG_INFINITY));
        assert_eq!(score("+INFINITY"), Ok(Score::INFINITY));
        assert_eq!(score("99999999999999999999999"), Ok(Score::INFINITY));
        assert_eq!(score("-5"), Ok(Score(-5)));
        for bad in ["", "-", "infinity", "1.0", "--5", "5 "] {
            assert!(score(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn it_reads_addresses() {
        for text in ["unix:/run/a.sock", "tcp:[::1]:5", "vsock:3", "ssh:u@h:22/a"] {
            assert_eq!(address(text).unwrap().to_string(), text);
        }
        for bad in ["", "unix:a", "unix:path=/a", "tcp:2001:db8::1", "http://h"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn it_proposes_a_valid_name_for_an_invalid_one() {
        assert!(
            name("Web_Server")
                .unwrap_err()
                .ends_with("for example 'web-server'")
        );
        for good in ["a", "0", "a-b", &"x".repeat(63)] {
            assert!(name(good).is_ok(), "{good}");
        }
        for bad in ["", "-", "a-", "-a", "ä", "a b", "a.b", "A", &"x".repeat(64)] {
            assert!(name(bad).is_err(), "{bad}");
        }
        assert!(service_name("3proxy").is_err());
    }
}
