//! What an administrator writes: a file for each sink, `/etc/cpe/sinks.d/NAME.toml`.
//!
//! Unknown keys are errors, with file, line and column. A file with a mistake is refused as a whole
//! and keeps no other sink from working.

mod files;
mod keys;
mod read;

use std::path::{Path, PathBuf};
use std::time::Duration;

use cpe_bus::Event;
use cpe_bus::events::kind_matches;
use cpe_bus::names::is_deployment_name;
use cpe_status::RefusedSink;
use hyper::Uri;
use tokio_rustls::rustls::pki_types::CertificateDer;

pub use self::keys::{KEYS, Key};
use crate::environment;
use crate::signature::Secret;

/// Where the files are.
pub const FOLDER: &str = "/etc/cpe/sinks.d";
/// Most sinks.
pub const MAX_SINKS: usize = 64;

/// One sink.
#[derive(Debug, Clone, PartialEq)]
pub struct Sink {
    /// The file's name without `.toml`.
    pub name: String,
    /// Where its events go.
    pub target: Target,
    /// Patterns of kinds; an event fits one of them.
    pub kinds: Vec<String>,
    /// Patterns of deployments; an event fits one of them.
    pub deployments: Vec<String>,
    /// Where a new sink begins.
    pub after: After,
    /// How often an event is tried before it is a dead letter.
    pub attempts: u32,
    /// How long one attempt may take.
    pub timeout: Duration,
}

/// Where events go.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A webhook.
    Http(Http),
    /// A program for each event.
    Exec(Exec),
}

/// A webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// `http` or `https`.
    pub url: Uri,
    /// How an event becomes a request.
    pub format: Format,
    /// What signs; nothing does if there is none.
    pub secrets: Vec<Secret>,
    /// Whom to believe about the server; empty: the system's authorities.
    pub authorities: Vec<CertificateDer<'static>>,
}

/// Content modes of CloudEvents over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The whole event is the body.
    Structured,
    /// The event's data are the body, the rest is in headers.
    Binary,
}

/// A program for each event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// The program's path, and its arguments.
    pub command: Vec<String>,
    /// `CRM_alert_recipient`.
    pub recipient: String,
    /// Further variables.
    pub environment: Vec<environment::Variable>,
    /// Also events that alert agents of Pacemaker's do not know.
    pub all: bool,
}

/// Where a new sink begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// With what is recorded from now on.
    Now,
    /// After this cursor; 0 is all that is kept.
    Cursor(u64),
}

/// All that a folder says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// By name.
    pub sinks: Vec<Sink>,
    /// Files that are not sinks.
    pub refused: Vec<RefusedSink>,
}

/// Where files are that sinks name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The folder of the sinks.
    pub folder: PathBuf,
    /// systemd's credentials of this service.
    pub credentials: Option<PathBuf>,
}

impl Places {
    /// A folder of sinks, and the credentials that systemd gave this process.
    pub fn of(folder: &Path) -> Places {
        Places {
            folder: folder.to_owned(),
            credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        }
    }
}

impl Config {
    /// Reads all `*.toml` of a folder. A folder that is not there has none.
    pub fn load(places: &Places) -> Config {
        let mut config = Config::default();
        let files = match files::sinks(&places.folder) {
            Ok(files) => files,
            Err(reason) => {
                config.refused.push(refused(&places.folder, reason));
                return config;
            }
        };
        for file in files {
            if config.sinks.len() == MAX_SINKS {
                let reason = format!("there are {MAX_SINKS} sinks already, which are the most");
                config.refused.push(refused(&file, reason));
                continue;
            }
            match load(&file, places) {
                Ok(sink) => config.sinks.push(sink),
                Err(reason) => config.refused.push(refused(&file, reason)),
            }
        }
        config
    }
}

/// What is said of a file that is not a sink.
pub(crate) fn refused(file: &Path, reason: String) -> RefusedSink {
    RefusedSink {
        file: file.display().to_string(),
        reason,
    }
}

fn load(file: &Path, places: &Places) -> Result<Sink, String> {
    let name = file.file_stem().and_then(|stem| stem.to_str());
    let name = name.filter(|name| is_deployment_name(name)).ok_or(
        "the file's name is the sink's: use 1 to 63 characters a-z, 0-9 and `-`, not starting or ending with `-`, and .toml",
    )?;
    let text = files::text(file)?;
    read::sink(name, &text, places)
}

impl Sink {
    /// Whether it wants an event.
    pub fn wants(&self, event: &Event) -> bool {
        let fits = |patterns: &[String], text: &str| {
            patterns.iter().any(|pattern| kind_matches(pattern, text))
        };
        let known = match &self.target {
            Target::Exec(exec) => exec.all || environment::is_known(event),
            Target::Http(_) => true,
        };
        known && fits(&self.kinds, &event.kind) && fits(&self.deployments, &event.deployment)
    }
}

impl Target {
    /// `http` or `exec`.
    pub fn word(&self) -> &'static str {
        match self {
            Target::Http(_) => "http",
            Target::Exec(_) => "exec",
        }
    }

    /// The address or the program, without what may be secret: queries and arguments.
    pub fn label(&self) -> String {
        match self {
            Target::Http(http) => {
                let (url, path) = (&http.url, http.url.path());
                let scheme = url.scheme_str().unwrap_or_default();
                let authority = url.authority().map_or("", |authority| authority.as_str());
                format!("{scheme}://{authority}{path}")
            }
            Target::Exec(exec) => exec.command.first().cloned().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
