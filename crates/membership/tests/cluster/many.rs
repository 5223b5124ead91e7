//! Many deployments: drivers in this process, whose fake runners only remember what runs.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cpe_etcd::{Client, Operation, Txn};
use etcd_lab::{Lab, Rights};
use membership::{Cluster, Driver, OWN, READ, Runner, WRITE};
use ownership::{DeploymentId, Grant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// More than there are in one claim, or in one page of a list.
const COUNT: usize = 1_500;

/// Of one transaction.
const AT_ONCE: usize = 100;

/// The same as for few: units take no time here.
const TAKEN_OVER: Duration = Duration::from_millis(12_800 + 15_000);

const HOSTS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Default)]
struct FakeRunner(Arc<Mutex<BTreeSet<DeploymentId>>>);

impl Runner for FakeRunner {
    async fn running(&self) -> Result<Vec<DeploymentId>, String> {
        Ok(Vec::new())
    }

    async fn start(&self, deployment: &DeploymentId, _grant: Grant) -> Result<(), String> {
        let is_new = self.0.lock().expect("no panic").insert(deployment.clone());
        is_new.then_some(()).ok_or_else(|| "it runs".to_owned())
    }

    async fn stop(&self, deployment: &DeploymentId) -> Result<(), String> {
        self.0.lock().expect("no panic").remove(deployment);
        Ok(())
    }
}

struct Host {
    runner: FakeRunner,
    task: JoinHandle<membership::Result<Infallible>>,
    _ends: mpsc::Sender<membership::Event>,
}

impl Host {
    async fn start(lab: &Lab, folder: &Path, number: usize) -> Host {
        let runner = FakeRunner::default();
        let (ends, events) = mpsc::channel(1);
        let cluster = Cluster {
            host: HOSTS[number].to_owned(),
            version: 1,
            address: String::new(),
            capacity: 10_000,
            labels: BTreeSet::new(),
            boot: number as u64,
            store: lab.settings(HOSTS[number]).expect("settings"),
            folder: folder.join(HOSTS[number]),
        };
        let driver = Driver::new(cluster, runner.clone(), events).await;
        let (driver, _) = driver.expect("a driver");
        Host {
            runner,
            task: tokio::spawn(driver.run()),
            _ends: ends,
        }
    }

    fn count(&self) -> usize {
        self.runner.0.lock().expect("no panic").len()
    }
}

/// Writes their records, as a change would.
async fn create_all(root: &Client) {
    let put = |number: usize| {
        let key = format!("/cpe/v1/cluster/dep/n{number}");
        let change = format!("{number:032x}");
        let record = serde_json::json!({
            "generation": 1, "change": change, "labels": [], "version": 0,
            "lease_ms": 30_000, "destroying": false,
        });
        Operation::Put(key, record.to_string().into_bytes(), None)
    };
    for first in (0..COUNT).step_by(AT_ONCE) {
        let then = (first..COUNT.min(first + AT_ONCE)).map(put).collect();
        let txn = Txn {
            then,
            ..Txn::default()
        };
        root.txn(txn).await.expect("written");
    }
}

/// Waits until each runs somewhere, and says how many run where.
async fn until_all_run(hosts: &[Host]) -> (Duration, Vec<usize>) {
    let begin = Instant::now();
    loop {
        let counts: Vec<usize> = hosts.iter().map(Host::count).collect();
        if counts.iter().sum::<usize>() == COUNT {
            return (begin.elapsed(), counts);
        }
        assert!(begin.elapsed() < TAKEN_OVER, "{counts:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn many_deployments_are_shared_and_taken_over() {
    let rights = Rights {
        read: READ,
        write: WRITE,
        own: OWN,
    };
    let lab = Lab::start(3, &HOSTS, rights).await.expect("a store");
    let mut settings = lab.settings("root").expect("settings");
    settings.call = Duration::from_secs(10);
    let root = Client::new(&settings).await.expect("a client");
    create_all(&root).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut hosts = Vec::new();
    for number in 0..HOSTS.len() {
        hosts.push(Host::start(&lab, folder.path(), number).await);
    }
    let (took, counts) = until_all_run(&hosts).await;
    println!("{counts:?} run after {took:?}");
    assert!(counts.iter().all(|count| *count > COUNT / 6), "{counts:?}");
    // It is gone, with what it runs.
    let lost = hosts.remove(0);
    lost.task.abort();
    let (took, counts) = until_all_run(&hosts).await;
    println!("{counts:?} run after {took:?}, {} are taken", lost.count());
}
