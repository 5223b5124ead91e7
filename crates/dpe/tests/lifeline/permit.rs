//! A DPE of a host that shares deployments with others: it has a grant, and sends only while its
//! host's permit lasts. cpe is played: it writes both.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cpe_bus::Fields;
use cpe_bus::proxies::DpeProxy;
use cpe_permit::{PermitFile, grant_in, grant_text, now_us, permit_in};
use ownership::{Grant, MOST_RESTARTS, Permit, Session};

use crate::harness::{World, eventually};
use crate::shared::Store;

const SESSION: Session = Session { boot: 1, number: 1 };
pub(crate) const GRANT: Grant = Grant {
    session: SESSION,
    incarnation: 1,
    revision: 7,
};
const HOUR_US: u64 = 3_600_000_000;
/// What is sent just before a permit is over may still be under way.
const UNDER_WAY: Duration = Duration::from_millis(300);

/// The folder of the host's part in its cluster.
pub(crate) struct Cluster {
    folder: PathBuf,
    permit: PermitFile,
    /// What it shares with others.
    pub(crate) store: Store,
}

impl Cluster {
    /// With a grant, and a permit that lasts. The DPE is to look there.
    fn of(world: &mut World) -> Cluster {
        Cluster::new(world, "cluster", &Store::default(), GRANT)
    }

    /// The same, of a host that shares that with others.
    pub(crate) fn new(world: &mut World, name: &str, store: &Store, grant: Grant) -> Cluster {
        let folder = world.path(name);
        std::fs::create_dir_all(folder.join("grant")).unwrap();
        let permit = PermitFile::open(&permit_in(&folder)).unwrap();
        let store = store.serve(&folder);
        let cluster = Cluster {
            folder,
            permit,
            store,
        };
        cluster.grant(grant);
        cluster.allow();
        let folder = cluster.folder.display().to_string();
        world.variables.retain(|(name, _)| *name != "CPE_CLUSTER");
        world.variables.push(("CPE_CLUSTER", folder));
        cluster
    }

    fn grant(&self, grant: Grant) {
        self.store.own(grant.revision);
        std::fs::write(grant_in(&self.folder, "shop"), grant_text(grant)).unwrap();
    }

    fn publish(&self, session: Session, until_us: u64) {
        self.permit.write(Permit { session, until_us }).unwrap();
    }

    pub(crate) fn allow(&self) {
        self.publish(SESSION, now_us() + HOUR_US);
    }

    pub(crate) fn end(&self) {
        self.publish(SESSION, now_us());
    }
}

/// A DPE of such a host, which renews leases. It was given the document, as by cpe: what was saved
/// before this grant is dropped.
async fn begun() -> (World, Cluster, DpeProxy<'static>) {
    let mut world = World::new();
    let cluster = Cluster::of(&mut world);
    world.start_bus();
    world.start_dpe();
    let dpe = world.proxy().await;
    let document = world.document();
    dpe.load(&document, 1, Fields::new()).await.unwrap();
    world.web1.renewed(1).await;
    world.web2.renewed(1).await;
    (world, cluster, dpe)
}

/// Events that say that a guest was silent. Nobody takes events here, so that all are saved.
fn silences(world: &World) -> usize {
    let events = world.all_saved("event/%");
    let of = |kind: &str| events.iter().filter(|event| event.contains(kind)).count();
    assert!(of("assembly.online") >= 2, "{events:?}");
    of("assembly.heartbeat-missed") + of("assembly.lost")
}

pub(crate) async fn has_name(dpe: &DpeProxy<'_>) {
    let answers = async || dpe.get_status().await.is_ok();
    eventually("it has its name on the bus", answers).await;
}

fn first() -> u64 {
    GRANT.epoch(0).unwrap()
}

/// Waits for the DPE to end, and gives its exit status.
pub(crate) async fn exit_status(world: &mut World) -> Option<i32> {
    eventually("it ends", async || !world.lives()).await;
    let mut dpe = world.dpe.take().unwrap();
    dpe.wait().unwrap().code()
}

/// It renews no lease and has nothing done for that time.
async fn is_silent(world: &World, time: Duration) {
    let sent = || {
        let fakes = [&world.web1, &world.web2];
        fakes.map(|fake| {
            let executed = fake.executed.load(Ordering::Relaxed);
            (fake.renewals.load(Ordering::Relaxed), executed)
        })
    };
    tokio::time::sleep(UNDER_WAY).await;
    let before = sent();
    tokio::time::sleep(time).await;
    assert_eq!(sent(), before);
}

#[tokio::test]
async fn without_a_permit_nothing_is_sent_and_nothing_is_held_against_its_guests() {
    let (mut world, cluster, dpe) = begun().await;
    assert_eq!(world.web1.epoch.load(Ordering::Relaxed), first());

    let before = silences(&world);
    cluster.end();
    // Longer than a guest may be silent.
    is_silent(&world, Duration::from_secs(3)).await;
    let status = dpe.get_status().await.unwrap();
    assert!(status.contains("this host may not act now"), "{status}");
    let error = dpe.set_standby("web1", true, Fields::new()).await;
    let error = error.unwrap_err();
    assert!(error.message().contains("may not act now"), "{error:?}");

    cluster.allow();
    world.web1.renewed(5).await;
    world.web2.renewed(5).await;
    assert_eq!(silences(&world), before);
    let status = dpe.get_status().await.unwrap();
    assert!(!status.contains("may not act"), "{status}");
    assert!(world.lives());
}

#[tokio::test]
async fn a_permit_that_is_missing_or_torn_is_as_if_it_were_over() {
    let (mut world, cluster, dpe) = begun().await;
    let path = permit_in(&cluster.folder);
    world.stop_dpe();
    world.web1.epoch.store(0, Ordering::Relaxed);
    std::fs::remove_file(&path).unwrap();
    world.start_dpe();
    has_name(&dpe).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let said = || world.web1.epoch.load(Ordering::Relaxed);
    assert_eq!(said(), 0, "no Hello");

    // cpe makes another file.
    let permit = PermitFile::open(&path).unwrap();
    let until_us = now_us() + HOUR_US;
    let session = SESSION;
    permit.write(Permit { session, until_us }).unwrap();
    world.web1.renewed(3).await;

    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(17)
        .unwrap();
    is_silent(&world, Duration::from_secs(1)).await;
    permit.write(Permit { session, until_us }).unwrap();
    world.web1.renewed(3).await;
    assert!(world.lives());
}

#[tokio::test]
async fn who_has_lost_the_right_for_ever_ends() {
    let (mut world, cluster, _dpe) = begun().await;
    cluster.end();
    let number = SESSION.number + 1;
    let other = Session { number, ..SESSION };
    cluster.publish(other, now_us() + HOUR_US);
    assert_eq!(exit_status(&mut world).await, Some(75));
    let renewals = || world.web1.renewals.load(Ordering::Relaxed);
    let before = renewals();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(renewals(), before);

    // Its grant is of the former session.
    world.start_dpe();
    assert_eq!(exit_status(&mut world).await, Some(75));
    // And without one it does not begin.
    for spoil in ["{\"session\":", ""] {
        let grant = grant_in(&cluster.folder, "shop");
        match spoil {
            "" => std::fs::remove_file(grant).unwrap(),
            torn => std::fs::write(grant, torn).unwrap(),
        }
        world.start_dpe();
        assert_eq!(exit_status(&mut world).await, Some(75), "{spoil}");
    }
}

#[tokio::test]
async fn epochs_come_from_the_grant_whatever_guests_and_clocks_say() {
    let (mut world, cluster, dpe) = begun().await;
    world.stop_dpe();
    for start in 1..3 {
        world.start_dpe();
        world.web1.renewed(1).await;
        let epoch = world.web1.epoch.load(Ordering::Relaxed);
        assert_eq!(epoch, first() + start);
        world.stop_dpe();
    }
    // A guest that obeys another host's DPE since, and one that obeys a later start of this one.
    let last = GRANT.epoch(MOST_RESTARTS).unwrap();
    world.web1.highest.store(last + 7, Ordering::Relaxed);
    world.web2.highest.store(first() + 20, Ordering::Relaxed);
    world.start_dpe();
    has_name(&dpe).await;
    world.web2.renewed(1).await;
    let epoch = |fake: &crate::harness::Fake| fake.epoch.load(Ordering::Relaxed);
    assert_eq!(epoch(&world.web2), first() + 21);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(epoch(&world.web1) <= last, "{}", epoch(&world.web1));
    world.stop_dpe();
    world.web1.highest.store(0, Ordering::Relaxed);
    // The next grant is above all that. The document is known from the shared store.
    let revision = GRANT.revision + 1;
    cluster.grant(Grant { revision, ..GRANT });
    world.start_dpe();
    world.web1.renewed(1).await;
    assert!(epoch(&world.web1) > last);
}
