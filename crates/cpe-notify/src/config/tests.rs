//! Files of sinks: what is taken, what is refused, and which events fit.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use cpe_bus::EventKind;
use tempfile::TempDir;

use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n";
const HTTP: &str = "type = \"http\"\nurl = \"https://pager.example/cpe?key=1\"\n";
const EXEC: &str = "type = \"exec\"\ncommand = [\"/bin/true\"]\n";

struct Folder(TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Folder {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Folder(folder)
    }

    fn load(&self) -> Config {
        Config::load(&Places {
            folder: self.0.path().to_owned(),
            credentials: Some(self.0.path().join("credentials")),
        })
    }
}

fn one(text: &str) -> Sink {
    let mut config = Folder::with(&[("a.toml", text)]).load();
    assert_eq!(config.refused, []);
    config.sinks.remove(0)
}

#[track_caller]
fn refused(text: &str) -> String {
    let config = Folder::with(&[("a.toml", text)]).load();
    assert_eq!(config.sinks, []);
    config.refused[0].reason.clone()
}

#[test]
fn a_sink_has_defaults_for_all_but_its_type_and_where_to() {
    let sink = one(HTTP);
    assert_eq!(
        (sink.name.as_str(), sink.attempts, sink.after),
        ("a", 12, After::Now)
    );
    assert_eq!(
        (sink.kinds.len(), sink.timeout),
        (1, Duration::from_secs(10))
    );
    assert_eq!(sink.target.label(), "https://pager.example/cpe");
    let sink = one(&format!(
        "{EXEC}after = 7\nattempts = 3\ntimeout = \"1m\"\nconcurrency = 1\n"
    ));
    assert_eq!((sink.attempts, sink.after), (3, After::Cursor(7)));
    assert_eq!(sink.timeout, Duration::from_secs(60));
}

#[test]
fn a_mistake_is_refused_with_its_place_and_the_others_work() {
    let files = [
        ("a.toml", EXEC),
        ("b.toml", "type = \"exec\"\n\nkind = [\"*\"]\n"),
        ("Z_.toml", EXEC),
    ];
    let folder = Folder::with(&files);
    let config = folder.load();
    assert_eq!(config.sinks.len(), 1);
    let refused: Vec<String> = config.refused.iter().map(RefusedSink::to_string).collect();
    assert!(
        refused[0].contains("Z_.toml: the file's name"),
        "{refused:?}"
    );
    assert!(
        refused[1].contains("b.toml:3:1: unknown field `kind`"),
        "{refused:?}"
    );
}

#[test]
fn every_wrong_value_is_refused_with_line_and_column() {
    let http = |more: &str| format!("{HTTP}{more}");
    let exec = |more: &str| format!("{EXEC}{more}");
    for (text, expected) in [
        ("type = \"smtp\"\n".to_owned(), "1:8: `type` is"),
        ("url = \"https://a\"\n".to_owned(), "missing field `type`"),
        ("type = \"http\"\n".to_owned(), "1:8: `url` is missing"),
        ("type = \"exec\"\n".to_owned(), "1:8: `command` is missing"),
        (
            "type = \"http\"\nurl = \"ftp://a\"\n".to_owned(),
            "2:7: `url` must begin",
        ),
        (
            "type = \"http\"\nurl = \"https://a:b@c\"\n".to_owned(),
            "2:7: `url` must not hold",
        ),
        (
            "type = \"http\"\nurl = \"a b\"\n".to_owned(),
            "2:7: `url` is no URL",
        ),
        (
            "type = \"exec\"\ncommand = [\"alert\"]\n".to_owned(),
            "2:11: `command` begins",
        ),
        (
            "type = \"exec\"\ncommand = []\n".to_owned(),
            "2:11: `command` is empty",
        ),
        (http("format = \"xml\"\n"), "3:10: `format` is"),
        (http("all = true\n"), "3:7: `all` belongs to"),
        (http("attempts = 0\n"), "3:12: `attempts` is 1 to 100"),
        (http("attempts = \"x\"\n"), "3:12: invalid type"),
        (http("timeout = \"1h\"\n"), "3:11: `timeout` is"),
        (http("after = \"then\"\n"), "3:9: `after` is"),
        (http("concurrency = 4\n"), "3:15: `concurrency` can be 1"),
        (http("kinds = []\n"), "3:9: an empty list"),
        (
            http("kinds = [\"Service.*\"]\n"),
            "3:9: \"Service.*\" fits nothing",
        ),
        (http("secret_file = \"none\"\n"), "cannot be read"),
        (http("ca_file = \"a.toml\"\n"), "no certificate is in it"),
        (exec("url = \"https://a\"\n"), "3:7: `url` belongs to"),
        (
            exec("environment = { CRM_alert_node = \"a\" }\n"),
            "3:15: `environment` has",
        ),
        (
            exec("environment = { \"a b\" = \"a\" }\n"),
            "3:15: `environment` has",
        ),
        (exec("kinds = [\n"), "3:10: unclosed array"),
    ] {
        let found = refused(&text);
        assert!(found.contains(expected), "{text}: {found}");
    }
}

#[test]
fn a_secret_that_others_may_read_is_refused_and_a_credential_comes_first() {
    let folder = Folder::with(&[
        ("a.toml", &format!("{HTTP}secret_file = \"s\"\n")),
        ("s", SECRET),
    ]);
    let chmod = |mode| {
        let path = folder.0.path().join("s");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    for mode in [0o644, 0o620, 0o666] {
        chmod(mode);
        let reason = &folder.load().refused[0].reason;
        assert!(reason.contains("others may read or change it"), "{reason}");
        assert!(!reason.contains("MfKQ"));
    }
    for mode in [0o600, 0o640, 0o400] {
        chmod(mode);
        assert_eq!(folder.load().sinks.len(), 1);
    }
    fs::create_dir(folder.0.path().join("credentials")).unwrap();
    fs::write(
        folder.0.path().join("credentials/s"),
        format!("{SECRET}{SECRET}"),
    )
    .unwrap();
    let Target::Http(http) = &folder.load().sinks[0].target else {
        panic!("http")
    };
    assert_eq!(http.secrets.len(), 2);
}

#[test]
fn events_fit_by_kind_and_by_deployment() {
    let sink = one(&format!(
        "{HTTP}kinds = [\"*.failed\", \"assembly.lost\"]\ndeployments = [\"shop*\"]\n"
    ));
    for (kind, deployment, wanted) in [
        (EventKind::ServiceFailed, "shop", true),
        (EventKind::DeploymentFailed, "shop-2", true),
        (EventKind::AssemblyLost, "shop", true),
        (EventKind::AssemblyLost, "wiki", false),
        (EventKind::ServiceStarted, "shop", false),
    ] {
        assert_eq!(
            sink.wants(&Event::new(kind, deployment, 1)),
            wanted,
            "{kind}"
        );
    }
    let started = Event::new(EventKind::ServiceStarted, "shop", 1);
    let transition = Event::new(EventKind::TransitionStarted, "shop", 1);
    let known = one(EXEC);
    assert!(known.wants(&started) && !known.wants(&transition));
    assert!(one(&format!("{EXEC}all = true\n")).wants(&transition));
    let other = Event {
        kind: "billing.sent".into(),
        deployment: String::new(),
        ..transition
    };
    assert!(one(HTTP).wants(&other));
}

#[test]
fn a_folder_that_is_not_there_has_no_sinks() {
    let places = Places {
        folder: "/nonexistent/sinks.d".into(),
        credentials: None,
    };
    assert_eq!(Config::load(&places), Config::default());
}

#[test]
fn the_list_of_keys_is_that_of_the_reader_and_is_in_the_documents() {
    // What the reader says that it knows: expected one of `a`, `b`.
    let said = refused("unknown = 1\n");
    let (_, expected) = said.split_once("expected one of").unwrap();
    let expected: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let listed: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    assert_eq!(listed, expected);
    let page = include_str!("../../../../docs/notifications.md");
    for key in KEYS {
        let row = format!("| `{}` | {} | {} |", key.name, key.of, key.value);
        assert!(
            page.contains(&row),
            "docs/notifications.md has no row {row}"
        );
    }
}

#[test]
fn the_examples_are_sinks() {
    let examples = [
        (
            "pager.toml",
            include_str!("../../../../examples/sinks/pager.toml"),
        ),
        (
            "broker.toml",
            include_str!("../../../../examples/sinks/broker.toml"),
        ),
        (
            "alerts.toml",
            include_str!("../../../../examples/sinks/alerts.toml"),
        ),
        ("pager.secret", SECRET),
        (
            "broker-ca.pem",
            "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        ),
    ];
    let folder = Folder::with(&examples);
    let secret = folder.0.path().join("pager.secret");
    fs::set_permissions(secret, fs::Permissions::from_mode(0o640)).unwrap();
    let config = folder.load();
    assert_eq!(config.refused, []);
    assert_eq!(config.sinks.len(), 3);
}
