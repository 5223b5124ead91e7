//! All hosts, the store, and what is asked of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use cpe_etcd::Client;
use etcd_lab::{Lab, Rights, Ways};
use membership::{OWN, READ, WRITE};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::hosts::HostProcess;
use crate::marks::{self, Mark};

/// Who has acted so lately holds a deployment. A fake DPE looks 40 times a second, on a machine
/// that has time for it.
const LATELY_US: u64 = 1_500_000;

pub(crate) struct World {
    hosts: BTreeMap<String, HostProcess>,
    pub(crate) lab: Lab,
    folder: TempDir,
    changes: u64,
    created: usize,
}

impl World {
    pub(crate) async fn start(names: &[&str]) -> Result<World> {
        let rights = Rights {
            read: READ,
            write: WRITE,
            own: OWN,
        };
        let lab = Lab::start(3, names, rights).await?;
        let folder = tempfile::tempdir()?;
        let mut hosts = BTreeMap::new();
        for name in names {
            let mut host = HostProcess::new(&lab, folder.path(), name)?;
            host.boot(&lab)?;
            hosts.insert((*name).to_owned(), host);
        }
        let mut world = World {
            hosts,
            lab,
            folder,
            changes: 0,
            created: 0,
        };
        for name in names {
            world.until_open(name).await;
        }
        Ok(world)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("marks")
    }

    fn host(&mut self, name: &str) -> &mut HostProcess {
        self.hosts.get_mut(name).expect("there is such a host")
    }

    fn marks(&self) -> Vec<Mark> {
        marks::read(&self.path())
    }

    pub(crate) fn now_us(&self) -> u64 {
        membership::now_us()
    }

    pub(crate) fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }

    pub(crate) fn ways(&mut self, name: &str) -> &Ways {
        &self.host(name).ways
    }

    pub(crate) async fn say(&mut self, name: &str, line: &str) -> String {
        let answer = self.host(name).say(line);
        answer.unwrap_or_else(|error| error.to_string())
    }

    /// A change of its own id.
    pub(crate) async fn change(&mut self, name: &str, line: &str) -> String {
        self.changes += 1;
        let answer = self.say(name, &format!("{line} {}", self.changes)).await;
        if line.starts_with("create") && answer.starts_with("Done") {
            self.created += 1;
        }
        answer
    }

    /// Deployments that were created.
    pub(crate) fn count(&self) -> usize {
        self.created
    }

    /// Whether all is judged so within that time.
    pub(crate) fn until(&self, within: Duration, is_so: impl Fn(&World) -> bool) {
        let begin = Instant::now();
        while !is_so(self) {
            if begin.elapsed() > within {
                for (name, host) in &self.hosts {
                    let log = host.log();
                    println!("{name}: {}", &log[log.len().saturating_sub(2_000)..]);
                }
                unreachable!("it is not so after {within:?}: {:?}", self.holders());
            }
            self.pause(Duration::from_millis(50));
        }
    }

    pub(crate) async fn until_all_act(&mut self, count: usize, within: Duration) {
        self.until(within, |world| world.held().len() == count);
    }

    pub(crate) async fn until_open(&mut self, name: &str) {
        let begin = Instant::now();
        loop {
            let status = self.say(name, "status").await;
            let is_open = status.contains("session: Some") && status.contains("may_act: true");
            if is_open {
                return;
            }
            let log = self.host(name).log();
            assert!(begin.elapsed() < Duration::from_secs(30), "{status} {log}");
            self.pause(Duration::from_millis(50));
        }
    }

    /// Deployments that somebody acts for, and who.
    pub(crate) fn held(&self) -> BTreeMap<String, Mark> {
        let marks = self.marks();
        let since_us = self.now_us().saturating_sub(LATELY_US);
        let acts = marks
            .into_iter()
            .filter(|it| it.what == "acts" && it.at_us > since_us);
        acts.map(|mark| (mark.deployment.clone(), mark)).collect()
    }

    pub(crate) fn holders(&self) -> BTreeMap<String, String> {
        let held = self.held().into_iter();
        held.map(|(name, mark)| (name, mark.host)).collect()
    }

    pub(crate) fn held_by(&self, host: &str) -> Vec<String> {
        let holders = self.holders().into_iter();
        let mut names: Vec<String> = holders
            .filter(|(_, it)| it == host)
            .map(|(name, _)| name)
            .collect();
        names.sort();
        names
    }

    /// How long after that time the last one of these had somebody else who acts.
    pub(crate) fn last_first_act(&self, names: &[String], from_us: u64) -> Duration {
        let marks = self.marks();
        let first = |name: &String| {
            let acts = marks
                .iter()
                .filter(|it| it.what == "acts" && it.deployment == *name);
            let mut newer = acts.skip_while(|it| it.at_us < from_us);
            let before = marks
                .iter()
                .rev()
                .find(|it| it.what == "acts" && it.deployment == *name && it.at_us < from_us);
            let before = before.map_or(0, |it| it.revision);
            newer.find(|it| it.revision > before).map(|it| it.at_us)
        };
        let last = names.iter().filter_map(first).max().unwrap_or(from_us);
        Duration::from_micros(last - from_us)
    }

    pub(crate) fn started_since(&self, from_us: u64) -> BTreeSet<String> {
        let marks = self.marks().into_iter();
        marks
            .filter(|it| it.what == "starts" && it.at_us >= from_us)
            .map(|it| it.deployment)
            .collect()
    }

    pub(crate) fn said_since(&self, from_us: u64, what: &str) -> usize {
        let marks = self.marks().into_iter();
        marks
            .filter(|it| it.what == what && it.at_us >= from_us)
            .count()
    }

    /// The longest time in which nobody acted for a deployment.
    pub(crate) fn longest_silence(&self, from_us: u64) -> Duration {
        let mut last: BTreeMap<String, u64> = BTreeMap::new();
        let mut longest_us = 0;
        for mark in self.marks() {
            if mark.what == "acts" && mark.at_us >= from_us {
                let before_us = last.insert(mark.deployment, mark.at_us);
                let silent_us = mark.at_us - before_us.unwrap_or(from_us);
                longest_us = silent_us.max(longest_us);
            }
        }
        Duration::from_micros(longest_us)
    }

    pub(crate) fn cut_power(&mut self, name: &str) -> u64 {
        self.host(name).cut_power().expect("it dies");
        self.now_us()
    }

    pub(crate) async fn boot(&mut self, name: &str) {
        let host = self.hosts.get_mut(name).expect("there is such a host");
        host.boot(&self.lab).expect("it boots");
        self.until_open(name).await;
    }

    pub(crate) fn freeze(&mut self, name: &str) -> u64 {
        self.host(name).signal(Signal::STOP).expect("it stops");
        self.now_us()
    }

    pub(crate) fn thaw(&mut self, name: &str) {
        self.host(name).signal(Signal::CONT).expect("it goes on");
    }

    pub(crate) fn kill_cpe(&mut self, name: &str) {
        self.host(name).kill_cpe().expect("it is killed");
    }

    pub(crate) async fn start_cpe(&mut self, name: &str) {
        self.host(name).start_cpe().expect("it starts");
    }

    /// A client that may do everything, and waits longer than a host.
    pub(crate) async fn root(&self) -> Client {
        let mut settings = self.lab.settings("root").expect("settings");
        settings.call = Duration::from_secs(10);
        Client::new(&settings).await.expect("a client")
    }

    pub(crate) fn judge(&self) {
        marks::judge(&self.marks());
    }
}
