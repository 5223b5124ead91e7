//! What an administrator may set, with the defaults that hold without any file.
//!
//! The reference is `/etc/cpe/cpe.toml` as installed, which shows every key with its default.
//! Unknown keys are errors: a misspelt limit that is silently ignored is no limit.

mod hosts;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use jiff::{Span, SpanRelativeTo};
use serde::{Deserialize, Deserializer};
use toml::de::{DeTable, DeValue};

use self::hosts::{Cluster, Store, Wrong};

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// `system`, `user` or a D-Bus address; the command line wins.
    pub bus: Option<String>,
    /// Where the database lies; the command line wins.
    pub state_directory: Option<PathBuf>,
    pub access: Access,
    pub admission: Admission,
    pub events: Events,
    pub limits: Limits,
    pub dpe: Dpe,
    pub cluster: Cluster,
    pub store: Store,
}

/// Who may do what, besides root and the daemon's own user.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Access {
    /// Roles of others; it need not exist.
    pub file: PathBuf,
    /// Members administer everything.
    pub group: String,
    /// Members may record events.
    pub recorder_group: String,
}

/// What documents are taken.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Admission {
    pub room: Room,
}

/// What becomes of a document with which one loss would leave services out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Room {
    /// It is taken, and said.
    #[default]
    Warn,
    /// It is refused, unless it is forced.
    Refuse,
}

/// Retention of the event log.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Events {
    #[serde(deserialize_with = "duration")]
    pub keep_for: Duration,
    pub keep_count: u64,
}

/// Bounds on what callers may make this daemon hold.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// Largest document in bytes.
    #[serde(deserialize_with = "size")]
    pub document: usize,
    /// Most services × assemblies of a document, instances of clones included (see
    /// [`deployment::Deployment::placements`]).
    pub placements: u64,
    pub deployments: usize,
    /// Documents kept per deployment, the current one included.
    pub generations: u64,
    /// Bytes of all documents kept per deployment; the current one is kept in any case.
    #[serde(deserialize_with = "size")]
    pub generations_size: usize,
}

/// How patient the CPE is with its DPEs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Dpe {
    #[serde(deserialize_with = "duration")]
    pub name_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub unload_timeout: Duration,
    #[serde(deserialize_with = "duration")]
    pub backoff_initial: Duration,
    #[serde(deserialize_with = "duration")]
    pub backoff_maximum: Duration,
    pub concurrent_starts: usize,
}

impl Default for Access {
    fn default() -> Self {
        Access {
            file: "/etc/cpe/access.toml".into(),
            group: "cpe".into(),
            recorder_group: "dpe".into(),
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        Events {
            keep_for: Duration::from_secs(90 * 24 * 3600),
            keep_count: 1_000_000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            document: 8 << 20,
            // 750 MB at 2.5 kB each, measured with docs/scheduler-growth.csv: three quarters of
            // what `MemoryMax=` of dpe@.service allows.
            placements: 300_000,
            deployments: 1000,
            generations: 100,
            generations_size: 32 << 20,
        }
    }
}

impl Default for Dpe {
    fn default() -> Self {
        Dpe {
            name_timeout: Duration::from_secs(30),
            unload_timeout: Duration::from_secs(600),
            backoff_initial: Duration::from_millis(100),
            backoff_maximum: Duration::from_secs(2),
            concurrent_starts: 16,
        }
    }
}

impl Config {
    /// Reads `path`; without one, `/etc/cpe/cpe.toml` if it exists, else the defaults.
    pub(crate) fn load(path: Option<&Path>) -> anyhow::Result<Config> {
        const USUAL: &str = "/etc/cpe/cpe.toml";
        let (path, required) = match path {
            Some(path) => (path, true),
            None => (Path::new(USUAL), false),
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if !required && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Config::default());
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read configuration {}", path.display()));
            }
        };
        Config::parse(&text).with_context(|| format!("configuration {}", path.display()))
    }

    /// Whether this host has deployments in common with others.
    pub(crate) fn shares_deployments(&self) -> bool {
        !self.cluster.name.is_empty()
    }

    fn parse(text: &str) -> anyhow::Result<Config> {
        let config: Config = toml::from_str(text)?;
        hosts::check(&config.cluster, &config.store).map_err(|wrong| placed(text, &wrong))?;
        if config.limits.generations == 0 {
            bail!("limits.generations must be at least 1: the current document is always kept");
        }
        if config.dpe.concurrent_starts == 0 {
            bail!("dpe.concurrent_starts must be at least 1");
        }
        if config.dpe.backoff_initial.is_zero()
            || config.dpe.backoff_maximum < config.dpe.backoff_initial
        {
            bail!("dpe.backoff_initial must be above 0 and not above dpe.backoff_maximum");
        }
        Ok(config)
    }
}

/// What is wrong, and where: at its key, or at its section if the key is missing.
fn placed(text: &str, wrong: &Wrong) -> anyhow::Error {
    let Wrong {
        section,
        key,
        text: what,
    } = wrong;
    let place = offset(text, section, key).map(|offset| {
        let before = &text[..offset];
        let line_begin = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        let column = before[line_begin..].chars().count() + 1;
        format!(" at line {line}, column {column}")
    });
    anyhow!("{section}.{key}{}: {what}", place.unwrap_or_default())
}

/// Where a key of a section begins, in bytes; or the section, if it has no such key.
fn offset(text: &str, section: &str, key: &str) -> Option<usize> {
    let all = DeTable::parse(text).ok()?;
    let mut sections = all.get_ref().iter();
    let (name, found) = sections.find(|(name, _)| &**name.get_ref() == section)?;
    let DeValue::Table(table) = found.get_ref() else {
        return Some(name.span().start);
    };
    let own = table.keys().find(|name| &**name.get_ref() == key);
    Some(own.unwrap_or(name).span().start)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(serde::de::Error::custom)
}

/// A text that is not a duration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a duration such as \"500ms\", \"10s\", \"1h 30m\" or \"90d\", found \"{0}\"")]
struct NotADuration(String);

/// A text that is not a size.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a size (bytes, or a whole number and KiB, MiB or GiB), found \"{0}\"")]
struct NotASize(String);

/// `500ms`, `10s`, `5m`, `1h 30m`, `90d`; a day has 24 hours.
fn parse_duration(text: &str) -> Result<Duration, NotADuration> {
    text.parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| NotADuration(text.to_owned()))
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Bytes(usize),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Bytes(bytes) => Ok(bytes),
        Either::Text(text) => parse_size(&text).map_err(serde::de::Error::custom),
    }
}

/// `8MiB`, `64KiB`, `4096`.
fn parse_size(text: &str) -> Result<usize, NotASize> {
    let (number, unit) = split_number(text);
    let bytes = number.parse::<usize>().ok().and_then(|n| {
        let factor = match unit {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        n.checked_mul(factor)
    });
    bytes.ok_or_else(|| NotASize(text.to_owned()))
}

fn split_number(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_installed_file_shows_exactly_the_defaults() {
        let installed = include_str!("../../../systemd/etc/cpe/cpe.toml");
        assert_eq!(Config::parse(installed).unwrap(), Config::default());
        let uncommented: String = installed
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if rest.starts_with('[') || rest.contains(" = ") => rest,
                _ => "",
            })
            .collect::<Vec<_>>()
            .join("\n");
        let mut config = Config::parse(&uncommented).unwrap();
        assert_eq!(config.bus.take().as_deref(), Some("system"));
        assert_eq!(
            config.state_directory.take().as_deref(),
            Some(Path::new("/var/lib/cpe"))
        );
        assert_eq!(config, Config::default());
    }

    /// Every key that the type knows, as its reader lists them for one that it does not know.
    fn keys(section: &str) -> Vec<String> {
        let text = format!("{section}\nno_such_key = 1\n");
        let error = toml::from_str::<Config>(&text).unwrap_err();
        let (_, list) = error.message().split_once("expected ").unwrap();
        list.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_installed_file_and_so_its_man_page_shows_every_key() {
        let installed = include_str!("../../../systemd/etc/cpe/cpe.toml");
        let mut sections = 0;
        for key in keys("") {
            let section = format!("# [{key}]\n");
            let Some((_, rest)) = installed.split_once(&section) else {
                assert!(installed.contains(&format!("\n# {key} = ")), "no {key}");
                continue;
            };
            sections += 1;
            let keys_of_section = rest.split("\n# [").next().unwrap();
            for inner in keys(&format!("[{key}]")) {
                let line = format!("# {inner} = ");
                assert!(
                    keys_of_section.lines().any(|it| it.starts_with(&line)),
                    "no {key}.{inner}"
                );
            }
        }
        assert_eq!(sections, installed.matches("\n# [").count());
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let text = Config::parse("[limits]\ndocumnet = 3\n")
            .unwrap_err()
            .to_string();
        assert!(text.contains("documnet"), "{text}");
    }

    #[test]
    fn what_is_done_without_room_is_one_of_two() {
        let read = |text: &str| Config::parse(text).map(|config| config.admission.room);
        assert_eq!(read("").unwrap(), Room::Warn);
        let refuse = read("[admission]\nroom = \"refuse\"\n");
        assert_eq!(refuse.unwrap(), Room::Refuse);
        let error = read("[admission]\nroom = \"no\"\n").unwrap_err();
        assert!(
            format!("{error:#}").contains("`warn` or `refuse`"),
            "{error:#}"
        );
    }

    #[test]
    fn a_host_shares_deployments_through_etcd() {
        let text = r#"
[cluster]
name = "host-1"
address = "[2001:db8::1]:7400"
labels = ["zone=a", "ssd"]
capacity = 200

[store]
kind = "etcd"
endpoints = ["https://10.0.0.1:2379", "https://etcd-2.example:2379"]
ca = "/etc/cpe/etcd/ca.pem"
cert = "/etc/cpe/etcd/host.pem"
key = "/etc/cpe/etcd/host.key"
"#;
        let config = Config::parse(text).unwrap();
        let labels: Vec<&str> = config.cluster.labels.iter().map(String::as_str).collect();
        assert_eq!(
            (labels, config.cluster.capacity),
            (vec!["ssd", "zone=a"], 200)
        );
        assert_eq!(config.store.endpoints.len(), 2);
        assert!(config.shares_deployments());
    }

    #[test]
    fn what_does_not_go_together_is_said_with_its_place() {
        let etcd = "[cluster]\nname = \"h\"\n[store]\nkind = \"etcd\"\n";
        let with = |more: &str| format!("{etcd}{more}");
        for (text, place, word) in [
            (
                "[store]\nkind = \"etcd\"\n".to_owned(),
                "store.kind at line 2, column 1: ",
                "names",
            ),
            (
                "[cluster]\n  name = \"h\"\n".to_owned(),
                "cluster.name at line 2, column 3: ",
                "etcd only",
            ),
            (
                "[cluster]\ncapacity = 7\n".to_owned(),
                "cluster.capacity at line 2, column 1: ",
                "no meaning",
            ),
            (
                "[store]\nca = \"/ca\"\n".to_owned(),
                "store.ca at line 2, column 1: ",
                "sqlite",
            ),
            (
                with(""),
                "store.endpoints at line 3, column 2: ",
                "its members",
            ),
            (
                with("endpoints = [\"https://a:1\"]\nca = \"/ca\"\n"),
                "store.cert at line 3, column 2: ",
                "`cert`",
            ),
        ] {
            let error = Config::parse(&text).unwrap_err().to_string();
            assert!(error.starts_with(place) && error.contains(word), "{error}");
        }
    }

    #[test]
    fn what_is_not_a_name_an_address_or_a_member_is_said_with_its_place() {
        for (line, word) in [
            ("[cluster]\nname = \"a b\"\n", "not a host's name"),
            ("[cluster]\nname = \".a\"\n", "not a host's name"),
            ("[cluster]\naddress = \"host\"\n", "HOST:PORT"),
            ("[cluster]\naddress = \"host:0\"\n", "HOST:PORT"),
            ("[cluster]\nlabels = [\"ä\"]\n", "is no label"),
            ("[cluster]\ncapacity = 0\n", "1 to 10000"),
            ("[store]\nkind = \"redis\"\n", "`sqlite` or `etcd`"),
            (
                "[store]\nendpoints = [\"http://a:1\"]\n",
                "https://ADDRESS:PORT",
            ),
            (
                "[store]\nendpoints = [\"https://a:1\", \"https://a:1\"]\n",
                "twice",
            ),
            ("[store]\nkey = \"host.key\"\n", "whole path"),
        ] {
            let error = format!("{:#}", Config::parse(line).unwrap_err());
            assert!(error.contains("line 2, column "), "{error}");
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn durations_and_sizes_say_what_they_expected() {
        assert_eq!(
            parse_duration("90d").unwrap(),
            Duration::from_secs(90 * 86400)
        );
        assert_eq!(parse_size("8MiB").unwrap(), 8 << 20);
        for bad in [
            "",
            "10",
            "s",
            "-1s",
            "1s ago",
            "99999999999999999999d",
            "18446744073709551615d",
        ] {
            let error = parse_duration(bad).unwrap_err().to_string();
            assert!(error.contains("expected a duration"), "{bad}");
        }
        assert_eq!(parse_duration("1h 30m").unwrap(), Duration::from_secs(5400));
        assert_eq!(parse_size("8MB"), Err(NotASize("8MB".into())));
    }
}
