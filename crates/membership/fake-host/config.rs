//! What a test gives a host.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use cpe_etcd::{CALL, Settings, Tls};
use membership::{Cluster, now_us};
use serde::Deserialize;

/// What most functions return: it is told to the test's log.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// See above.
#[derive(Clone, Deserialize)]
pub(crate) struct Config {
    /// This file.
    #[serde(skip)]
    pub(crate) path: String,
    name: String,
    boot: u64,
    /// As of `/run`.
    run: PathBuf,
    /// Where all hosts write down what they do.
    marks: PathBuf,
    endpoints: Vec<String>,
    authority: String,
    certificate: String,
    key: String,
    /// The test's process: without it everything ends.
    test: u32,
}

impl Config {
    pub(crate) fn read(path: &str) -> Result<Config> {
        let text = std::fs::read_to_string(path)?;
        let mut config: Config = serde_json::from_str(&text)?;
        path.clone_into(&mut config.path);
        Ok(config)
    }

    pub(crate) fn cluster(&self) -> Cluster {
        Cluster {
            host: self.name.clone(),
            version: 1,
            address: String::new(),
            capacity: 100,
            labels: Default::default(),
            boot: self.boot,
            store: Settings {
                endpoints: self.endpoints.clone(),
                tls: Tls {
                    authority: self.authority.clone(),
                    certificate: self.certificate.clone(),
                    key: self.key.clone(),
                },
                call: CALL,
            },
            folder: self.folder(),
        }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.run.join("cluster")
    }

    /// What the fake DPE of a deployment holds while it runs; its process' number stands in it.
    pub(crate) fn lock(&self, deployment: &str) -> PathBuf {
        self.run.join("dpe").join(deployment)
    }

    pub(crate) fn locks(&self) -> PathBuf {
        self.run.join("dpe")
    }

    pub(crate) fn test_runs(&self) -> bool {
        Path::new("/proc").join(self.test.to_string()).exists()
    }

    /// Where this process writes down what it does.
    pub(crate) fn marks(&self) -> Result<Marks> {
        let file = File::options()
            .append(true)
            .create(true)
            .open(&self.marks)?;
        let host = self.name.clone();
        Ok(Marks { file, host })
    }
}

/// Lines: when (µs of CLOCK_BOOTTIME), which host, what, which deployment, under which revision.
pub(crate) struct Marks {
    file: File,
    host: String,
}

impl Marks {
    pub(crate) fn mark(&mut self, what: &str, deployment: &str, revision: u64) -> Result<()> {
        self.mark_at(now_us(), what, deployment, revision)
    }

    pub(crate) fn mark_at(
        &mut self,
        at_us: u64,
        what: &str,
        deployment: &str,
        revision: u64,
    ) -> Result<()> {
        let host = &self.host;
        let line = format!("{at_us} {host} {what} {deployment} {revision}\n");
        Ok(self.file.write_all(line.as_bytes())?)
    }
}
