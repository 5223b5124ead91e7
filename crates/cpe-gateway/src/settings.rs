//! What an administrator may set, with the defaults that hold without any file.
//!
//! The reference is `/etc/cpe/gateway.toml` as installed. Unknown keys are errors.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `system`, `user` or a D-Bus address; the command line wins.
    pub bus: String,
    /// The file of tokens.
    pub tokens: PathBuf,
    /// Whether root may use the Unix socket, as `user:root`.
    pub allow_root: bool,
    /// Names by which callers reach the gateway, without a port.
    pub hosts: Vec<String>,
    /// For the TLS socket.
    pub tls: Tls,
    /// Bounds on what callers may have the gateway do.
    pub limits: Limits,
    /// For scrapers.
    pub metrics: Metrics,
}

/// Metrics.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Series of single services and assemblies on a page at most.
    pub max_series: usize,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics { max_series: 20_000 }
    }
}

/// Certificates of the TLS socket.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The gateway's own certificate, with those between it and its CA: PEM.
    pub certificate: PathBuf,
    /// Its key: PEM.
    pub key: PathBuf,
    /// CAs of callers' certificates: PEM. Without them callers need tokens.
    pub client_ca: Option<PathBuf>,
    /// What those CAs have revoked: PEM.
    pub client_crl: Option<PathBuf>,
}

/// Bounds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest document in bytes.
    pub document: usize,
    /// Requests of one principal in a second, for long.
    pub requests_per_second: u32,
    /// Requests of one principal at once.
    pub burst: u32,
    /// Connections in all.
    pub connections: usize,
    /// Connections of one user, or of one address.
    pub connections_per_peer: usize,
    /// Wrong tokens from one address in a minute.
    pub wrong_tokens_per_minute: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            bus: "system".into(),
            tokens: cpe_tokens::FILE.into(),
            allow_root: false,
            hosts: ["localhost", "127.0.0.1", "[::1]"]
                .map(str::to_owned)
                .into(),
            tls: Tls::default(),
            limits: Limits::default(),
            metrics: Metrics::default(),
        }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Tls {
            certificate: "/etc/cpe/gateway/certificate.pem".into(),
            key: "/etc/cpe/gateway/key.pem".into(),
            client_ca: None,
            client_crl: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            document: 8 << 20,
            requests_per_second: 20,
            burst: 60,
            connections: 512,
            connections_per_peer: 32,
            wrong_tokens_per_minute: 5,
        }
    }
}

impl Settings {
    /// Reads `path`; without one, `/etc/cpe/gateway.toml` if it exists, else the defaults.
    ///
    /// # Errors
    /// If it cannot be read, or says what means nothing: with the line.
    pub fn load(path: Option<&Path>) -> anyhow::Result<Settings> {
        const USUAL: &str = "/etc/cpe/gateway.toml";
        let (path, is_required) = match path {
            Some(path) => (path, true),
            None => (Path::new(USUAL), false),
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if !is_required && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Settings::default());
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read settings {}", path.display()));
            }
        };
        Settings::parse(&text).with_context(|| format!("settings {}", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Settings> {
        let settings: Settings = toml::from_str(text)?;
        let limits = &settings.limits;
        let bounds = [
            ("requests_per_second", limits.requests_per_second as usize),
            ("burst", limits.burst as usize),
            ("connections", limits.connections),
            ("connections_per_peer", limits.connections_per_peer),
            ("document", limits.document),
            (
                "wrong_tokens_per_minute",
                limits.wrong_tokens_per_minute as usize,
            ),
        ];
        if let Some((key, _)) = bounds.iter().find(|(_, value)| *value == 0) {
            bail!("limits.{key} must be at least 1");
        }
        if let Some(host) = settings.hosts.iter().find(|host| !is_host(host)) {
            bail!("hosts: `{host}` must be a name or an address without a port");
        }
        if settings.tls.client_crl.is_some() && settings.tls.client_ca.is_none() {
            bail!("tls.client_crl says what tls.client_ca has revoked: set that, too");
        }
        Ok(settings)
    }
}

fn is_host(host: &str) -> bool {
    let is_address = host.starts_with('[') && host.ends_with(']');
    !host.is_empty() && (is_address || !host.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_installed_file_shows_exactly_the_defaults() {
        let installed = include_str!("../../../systemd/etc/cpe/gateway.toml");
        assert_eq!(Settings::parse(installed).unwrap(), Settings::default());
        let uncommented: Vec<_> = installed
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.starts_with('[') || line.contains(" = "))
            .filter(|line| !line.contains("client_"))
            .collect();
        assert_eq!(
            Settings::parse(&uncommented.join("\n")).unwrap(),
            Settings::default()
        );
    }

    /// Every key that the type knows, as its reader lists them for one that it does not know.
    fn keys(section: &str) -> Vec<String> {
        let text = format!("{section}\nno_such_key = 1\n");
        let error = toml::from_str::<Settings>(&text).unwrap_err();
        let (_, list) = error.message().split_once("expected ").unwrap();
        list.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_installed_file_and_so_its_man_page_shows_every_key() {
        let installed = include_str!("../../../systemd/etc/cpe/gateway.toml");
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
    fn what_means_nothing_is_refused_with_its_line() {
        let text = "hosts = []\n[limits]\nburts = 3\n";
        let text = Settings::parse(text).unwrap_err().to_string();
        assert!(text.contains("burts") && text.contains("line 3"), "{text}");
        for (text, what) in [
            ("hosts = [\"a:80\"]", "without a port"),
            ("[limits]\nburst = 0", "limits.burst"),
            ("[tls]\nclient_crl = \"/x\"", "client_ca"),
        ] {
            let error = Settings::parse(text).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
