//! What DPEs share through their hosts' cpe. cpe and the store behind it are played, by a real
//! socket: facts are kept in memory, and written in a line, as etcd does.

use std::collections::BTreeMap;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cpe_bus::Fields;
use cpe_facts::{Reply, Request, Row, receive, send, socket_in};
use ownership::Grant;

use crate::harness::{PATIENCE, World, eventually};
use crate::permit::{Cluster, GRANT, exit_status};

/// What all hosts share, as one of them reaches it.
#[derive(Clone, Default)]
pub(crate) struct Store {
    kept: Arc<Mutex<Kept>>,
    /// Its cpe does not answer.
    is_away: Arc<AtomicBool>,
}

#[derive(Default)]
struct Kept {
    /// Revision of who owns the deployment.
    owner: u64,
    rows: BTreeMap<String, String>,
    at: u64,
    writer: String,
}

impl Kept {
    fn answer(&mut self, request: Request) -> Reply {
        let Request::Write {
            grant,
            after,
            writer,
            rows,
        } = request
        else {
            let rows = self.rows.iter().map(|(key, value)| Row {
                key: key.clone(),
                value: Some(value.clone()),
            });
            return Reply::Rows {
                rows: rows.collect(),
                more: false,
                at: self.at,
            };
        };
        if grant != self.owner {
            return Reply::NotOwner;
        }
        if after != self.at {
            return Reply::Overtaken {
                at: self.at,
                writer: self.writer.clone(),
            };
        }
        for Row { key, value } in rows {
            match value {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
        self.at += 1;
        self.writer = writer;
        Reply::Written { at: self.at }
    }
}

impl Store {
    /// Serves it in the folder of a host.
    pub(crate) fn serve(&self, folder: &Path) -> Store {
        let own = Store {
            kept: Arc::clone(&self.kept),
            is_away: Arc::default(),
        };
        let listener = UnixListener::bind(socket_in(folder)).unwrap();
        let served = own.clone();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if !served.is_away.load(Ordering::Relaxed) {
                    served.exchange(stream);
                }
            }
        });
        own
    }

    fn exchange(&self, mut stream: UnixStream) {
        if let Ok(request) = receive(&mut stream) {
            let reply = self.kept.lock().unwrap().answer(request);
            // Who has asked may have gone.
            let _ = send(&mut stream, &reply);
        }
    }

    /// The deployment is owned under this grant.
    pub(crate) fn own(&self, grant: u64) {
        self.kept.lock().unwrap().owner = grant;
    }

    /// This host's cpe answers nothing, or goes on.
    fn is_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }

    fn rows(&self, begin: &str) -> BTreeMap<String, String> {
        let kept = self.kept.lock().unwrap();
        let all = kept.rows.iter().filter(|(key, _)| key.starts_with(begin));
        all.map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    fn row(&self, key: &str) -> String {
        self.rows(key).remove(key).unwrap_or_default()
    }
}

const SERVICES: &str = r#"<service name="web" class="ocf" provider="heartbeat" type="Dummy"/>
    <service name="sick" class="ocf" provider="heartbeat" type="Dummy"/>"#;

fn document(world: &World, services: &str) -> String {
    let services = format!("<services>{services}</services></deployable>");
    world.document().replace("</deployable>", &services)
}

/// Two guests, a fence agent, a store, and what a DPE knows on a first host: a service that starts
/// nowhere, and web1 fenced.
async fn known() -> (World, Store, Cluster) {
    let mut world = World::fenced(r#"<fencing mode="agent" agent="fence_fake"/>"#);
    world.serve_fence_agent(
        "case $(cat) in *action=metadata) echo '<action name=\"off\"/><action name=\"status\"/><action name=\"on\"/></resource-agent>' ;;
         *action=off) echo off >> begun ;; *action=status) test ! -e begun || exit 2 ;; esac",
    );
    for guest in [&world.web1, &world.web2] {
        guest.takes_ms.store(20, Ordering::Relaxed);
    }
    let store = Store::default();
    let cluster = Cluster::new(&mut world, "first", &store, GRANT);
    world.start_bus();
    world.start_dpe();
    let dpe = world.proxy().await;
    let text = document(&world, SERVICES);
    dpe.load(&text, 1, Fields::new()).await.unwrap();
    eventually("it has failed everywhere", async || {
        store.rows("failures/").len() == 2
    })
    .await;
    // From now on it is not heard, and does not answer either.
    world.web1.highest.store(u64::MAX, Ordering::Relaxed);
    world.web1.silent.store(true, Ordering::Relaxed);
    let is_safe = async || store.row("assembly/web1").contains(r#""safe":true"#);
    eventually("web1 is fenced, and others know it", is_safe).await;
    (world, store, cluster)
}

fn fencings(world: &World) -> usize {
    let text = std::fs::read_to_string(world.path("begun")).unwrap_or_default();
    text.lines().count()
}

#[tokio::test]
async fn another_host_goes_on_with_what_was_shared_and_the_former_one_writes_nothing() {
    let (mut world, store, first) = known().await;
    let fenced = fencings(&world);
    let failures = store.rows("failures/");
    // The first host is cut off: its permit ends, and its DPE stands still.
    first.end();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let told = store.rows("event/");

    world.go_to("second");
    let revision = GRANT.revision + 1;
    let grant = Grant { revision, ..GRANT };
    let _second = Cluster::new(&mut world, "next", &store, grant);
    world.start_bus();
    world.start_dpe();
    let dpe = world.proxy().await;
    // Nobody gives it a document.
    world.web2.renewed(20).await;
    let epoch = world.web2.epoch.load(Ordering::Relaxed);
    assert_eq!(epoch, grant.epoch(0).unwrap());
    let (known, generation) = dpe.get_document().await.unwrap();
    assert_eq!((known, generation), (document(&world, SERVICES), 1));
    // What has failed has failed, who is safe is safe, and nobody is lost.
    assert_eq!(store.rows("failures/"), failures);
    for (key, value) in failures {
        assert_eq!(world.saved(&key), Some(value));
    }
    let web1 = world.saved("assembly/web1").unwrap();
    assert!(web1.contains(r#""safe":true"#), "{web1}");
    assert_eq!(world.all_saved("fencing/%").len(), fenced);
    assert_eq!(fencings(&world), fenced, "it is not fenced again");
    let new = store.rows("event/");
    let new: Vec<_> = new
        .iter()
        .filter(|(key, _)| !told.contains_key(*key))
        .collect();
    for kind in ["lost", "heartbeat-missed", "assembly.online", "fencing"] {
        let is_told = new.iter().any(|(_, text)| text.contains(kind));
        assert!(!is_told, "{kind} is told again: {new:?}");
    }

    // A permit that goes on by mistake: the former one's writes fail, and it ends.
    world.stop_dpe();
    let written = store.rows("");
    world.dpe = world.former.pop();
    world.web2.silent.store(true, Ordering::Relaxed);
    first.allow();
    assert_eq!(exit_status(&mut world).await, Some(75));
    assert_eq!(store.rows(""), written);
}

#[tokio::test]
async fn a_cpe_that_is_away_ends_no_lease_and_only_what_must_be_shared_waits_for_it() {
    let mut world = World::new();
    let store = Store::default();
    let here = Cluster::new(&mut world, "first", &store, GRANT).store;
    world.start_bus();
    world.start_dpe();
    let dpe = world.proxy().await;
    let text = world.document();
    dpe.load(&text, 1, Fields::new()).await.unwrap();
    world.web1.renewed(1).await;

    here.is_away(true);
    let error = dpe.set_standby("web1", true, Fields::new()).await;
    let error = error.unwrap_err();
    assert!(error.message().contains("cannot be saved"), "{error:?}");
    world.web1.renewed(20).await;
    world.web2.renewed(1).await;
    here.is_away(false);
    eventually("everything goes on", async || {
        dpe.set_standby("web2", true, Fields::new()).await.is_ok()
    })
    .await;
    for name in ["web1", "web2"] {
        let row = store.row(&format!("assembly/{name}"));
        assert!(row.contains(r#""standby":true"#), "{name}: {row}");
    }

    // One that starts meanwhile goes on from its own disk, before leases end.
    world.stop_dpe();
    here.is_away(true);
    let since = Instant::now();
    world.start_dpe();
    world.web1.renewed(20).await;
    assert!(since.elapsed() < PATIENCE / 3, "{:?}", since.elapsed());
    here.is_away(false);
    let saves = async || {
        !dpe.get_status()
            .await
            .is_ok_and(|it| it.contains("cannot be saved"))
    };
    eventually("everything goes on", saves).await;

    // One that has lost its disk knows nothing, and says nothing before it does.
    world.stop_dpe();
    std::fs::remove_dir_all(world.state()).unwrap();
    here.is_away(true);
    world.web1.epoch.store(0, Ordering::Relaxed);
    world.start_dpe();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.web1.epoch.load(Ordering::Relaxed), 0, "no Hello");
    here.is_away(false);
    let status = exit_status(&mut world).await;
    assert!(status.is_some_and(|status| status != 75), "it reads again");
    world.start_dpe();
    world.web1.renewed(1).await;
    let row = world.saved("assembly/web1").unwrap();
    assert!(row.contains(r#""standby":true"#), "{row}");
}
