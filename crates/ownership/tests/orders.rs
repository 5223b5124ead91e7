//! A host hears of others, and is told what people want of them.

use ownership::{
    ChangeId, Changed, DeploymentId, DeploymentRecord, Effect, Entry, Host, HostId, HostRecord,
    HostState, Input, Kept, Key, Needs, Order, Origin, Outcome, OwnerRecord, Reply, Request,
    RequestId, Session, Settings, Txn, Value, WatchEvent,
};

const SECOND: u64 = 1_000_000;

/// The host `a`, and what it has asked the store for.
struct World {
    host: Host,
    now_us: u64,
    lists: Vec<RequestId>,
    watches: Vec<RequestId>,
    txns: Vec<Txn>,
    outcomes: Vec<Outcome>,
}

fn record(state: HostState) -> HostRecord {
    HostRecord {
        version: 1,
        address: String::new(),
        capacity: 10,
        labels: Default::default(),
        state,
        session: session(),
        confirmed_lost: None,
    }
}

fn session() -> Session {
    Session { boot: 1, number: 1 }
}

fn entry(key: Key, value: Value) -> Entry {
    Entry {
        key,
        value,
        revision: 1,
        lease: None,
    }
}

/// What the store says of hosts; those with `true` are alive.
fn hosts(all: &[(&str, HostState, bool)]) -> Vec<Entry> {
    let entries = all.iter().flat_map(|(name, state, is_alive)| {
        let name = HostId::new(name);
        let own = entry(Key::Host(name.clone()), Value::Host(record(*state).into()));
        let alive = is_alive.then(|| entry(Key::Alive(name), Value::Alive(session())));
        std::iter::once(own).chain(alive)
    });
    entries.collect()
}

impl World {
    fn new() -> World {
        let settings = Settings {
            host: HostId::new("a"),
            record: record(HostState::Active),
            boot: 2,
            entropy: 7,
        };
        let mut world = World {
            host: Host::new(settings, Kept::default(), SECOND),
            now_us: SECOND,
            lists: Vec::new(),
            watches: Vec::new(),
            txns: Vec::new(),
            outcomes: Vec::new(),
        };
        world.collect();
        world
    }

    fn listed(revision: u64, all: &[(&str, HostState, bool)]) -> World {
        let mut world = World::new();
        world.list(revision, all);
        world
    }

    /// The store answers with everything.
    fn list(&mut self, revision: u64, all: &[(&str, HostState, bool)]) {
        let id = self.lists.pop().expect("it has asked for a list");
        self.give(Input::Answer(id, Ok(Reply::Listed(revision, hosts(all)))));
    }

    /// The watch says something.
    fn watched(&mut self, event: WatchEvent) {
        let id = *self.watches.last().expect("it watches");
        self.give(Input::Watched(id, event));
    }

    fn order(&mut self, order: Order) {
        self.give(Input::Order(order));
    }

    fn give(&mut self, input: Input) {
        self.now_us += 1_000;
        self.host.handle(self.now_us, input);
        self.collect();
    }

    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds * 10 {
            self.now_us += SECOND / 10;
            self.host.handle(self.now_us, Input::Tick);
            self.collect();
        }
    }

    fn collect(&mut self) {
        while let Some(effect) = self.host.poll_effect() {
            match effect {
                Effect::Send(id, Request::List) => self.lists.push(id),
                Effect::Send(id, Request::Watch(_)) => self.watches.push(id),
                Effect::Send(_, Request::Txn(txn)) => self.txns.push(txn),
                Effect::Ordered(_, outcome) => self.outcomes.push(outcome),
                _ => {}
            }
        }
    }

    fn guard_holds(&self) -> bool {
        self.host.status(self.now_us).guard_holds
    }
}

#[test]
fn a_list_tells_the_guard_of_others_that_take_deployments_only() {
    use HostState::{Active, Draining};
    let mut world = World::listed(
        5,
        &[
            ("a", Active, true),
            ("b", Draining, true),
            ("c", Active, true),
        ],
    );
    world.watched(WatchEvent::Compacted);
    world.list(
        9,
        &[
            ("a", Active, false),
            ("b", Draining, false),
            ("c", Active, true),
        ],
    );
    assert!(
        !world.guard_holds(),
        "it is there itself, and one that drains may go"
    );
    world.watched(WatchEvent::Compacted);
    world.list(
        11,
        &[
            ("a", Active, false),
            ("b", Draining, false),
            ("c", Active, false),
        ],
    );
    assert!(!world.guard_holds(), "one is gone");
    let all = [
        ("a", Active, true),
        ("b", Active, true),
        ("c", Active, true),
    ];
    let mut world = World::listed(5, &all);
    world.watched(WatchEvent::Compacted);
    world.list(
        9,
        &[
            ("a", Active, true),
            ("b", Active, false),
            ("c", Active, false),
        ],
    );
    assert!(world.guard_holds(), "two of three are");
}

#[test]
fn an_order_waits_until_everything_was_listed() {
    let mut world = World::new();
    world.order(Order::Drain(HostId::new("b")));
    assert_eq!((world.outcomes.len(), world.txns.len()), (0, 0));
    world.list(5, &[("b", HostState::Active, true)]);
    world.wait(1);
    let drained = Value::Host(record(HostState::Draining).into());
    let is_sent = |txn: &Txn| format!("{:?}", txn.then).contains(&format!("{drained:?}"));
    assert!(world.txns.iter().any(is_sent), "{:?}", world.txns);
    assert_eq!(world.outcomes, [], "the store has not said so");
    let key = Key::Host(HostId::new("b"));
    world.watched(WatchEvent::Changes(
        6,
        vec![Changed {
            key,
            value: Some(drained),
            revision: 6,
            lease: None,
        }],
    ));
    world.wait(1);
    assert_eq!(world.outcomes, [Outcome::Done]);
}

#[test]
fn a_move_is_not_missing_before_everything_was_listed() {
    let mut world = World::new();
    let (shop, b) = (DeploymentId::new("shop"), HostId::new("b"));
    world.order(Order::Move(shop.clone(), b.clone()));
    assert_eq!(world.outcomes, [], "nobody knows yet");
    let record = DeploymentRecord {
        generation: 1,
        change: ChangeId(1),
        needs: Needs::default(),
        lease_ms: 30_000,
        destroying: false,
    };
    let known = entry(Key::Deployment(shop), Value::Deployment(record.into()));
    let id = world.lists.pop().expect("it has asked for a list");
    let mut all = hosts(&[("b", HostState::Active, true)]);
    all.push(known);
    world.give(Input::Answer(id, Ok(Reply::Listed(5, all))));
    world.wait(1);
    assert_eq!(
        world.outcomes,
        [Outcome::NotHere],
        "another host may run it"
    );

    // Without a store it is not known, and that is said.
    let mut world = World::new();
    world.order(Order::Move(DeploymentId::new("shop"), b));
    world.wait(12);
    assert_eq!(world.outcomes, [Outcome::Unknown]);
}

#[test]
fn an_order_that_cannot_be_carried_out_is_answered() {
    let all = [("b", HostState::Active, true)];
    let (b, nobody) = (HostId::new("b"), HostId::new("nobody"));
    let shop = DeploymentId::new("shop");
    for (order, outcome) in [
        (Order::Activate(b.clone()), Outcome::Done),
        (Order::Drain(nobody.clone()), Outcome::Missing),
        (Order::ConfirmLost(nobody), Outcome::Missing),
        (Order::ConfirmLost(b.clone()), Outcome::Alive),
        (Order::Move(shop, b.clone()), Outcome::Missing),
    ] {
        let mut world = World::listed(5, &all);
        world.order(order.clone());
        assert_eq!(world.outcomes, [outcome], "{order:?}");
    }
    // Nothing comes of it, however often it is tried.
    let mut world = World::listed(5, &all);
    world.order(Order::Drain(b));
    world.wait(12);
    assert_eq!(world.outcomes, [Outcome::Unknown]);
}

#[test]
fn one_that_drains_and_is_gone_can_be_confirmed_to_be_lost() {
    let mut world = World::listed(5, &[("b", HostState::Draining, false)]);
    world.order(Order::ConfirmLost(HostId::new("b")));
    let confirmed = HostRecord {
        confirmed_lost: Some(session()),
        ..record(HostState::Draining)
    };
    let confirmed = format!("{confirmed:?}");
    let is_sent = |txn: &Txn| format!("{:?}", txn.then).contains(&confirmed);
    assert!(world.txns.iter().any(is_sent), "{:?}", world.txns);
}

#[test]
fn it_tells_who_has_got_what_and_what_nobody_has_any_more() {
    let name = DeploymentId::new("shop");
    let owned = || {
        let owner = OwnerRecord {
            host: HostId::new("b"),
            session: session(),
            origin: Origin::New,
        };
        entry(Key::Owner(name.clone()), Value::Owner(owner.into()))
    };
    let mut world = World::new();
    let is_synced = |world: &World| world.host.status(world.now_us).is_synced;
    assert!(!is_synced(&world));
    let id = world.lists.pop().expect("it has asked for a list");
    world.give(Input::Answer(id, Ok(Reply::Listed(5, vec![owned()]))));
    let moved = world.host.take_moved();
    assert_eq!(moved, [(name.clone(), Some(HostId::new("b")))]);
    assert_eq!(world.host.take_moved(), []);
    assert!(is_synced(&world) && world.host.status(world.now_us).granted.is_empty());
    // A list that does not have it any more says so too.
    world.watched(WatchEvent::Compacted);
    world.list(9, &[]);
    assert_eq!(world.host.take_moved(), [(name, None)]);
}

/// What the store says of a deployment that this host has.
fn owned(name: &str, host: &str) -> [Entry; 2] {
    let name = DeploymentId::new(name);
    let record = DeploymentRecord {
        generation: 1,
        change: ChangeId(1),
        needs: Needs::default(),
        lease_ms: 30_000,
        destroying: false,
    };
    let owner = OwnerRecord {
        host: HostId::new(host),
        session: session(),
        origin: Origin::New,
    };
    [
        entry(
            Key::Deployment(name.clone()),
            Value::Deployment(record.into()),
        ),
        entry(Key::Owner(name), Value::Owner(owner.into())),
    ]
}

impl World {
    /// As [`World::list`], with deployments and who has them.
    fn list_with(&mut self, all: &[(&str, HostState, bool)], of: &[(&str, &str)]) {
        let mut entries = hosts(all);
        entries.extend(of.iter().flat_map(|(name, host)| owned(name, host)));
        let id = self.lists.pop().expect("it has asked for a list");
        self.give(Input::Answer(id, Ok(Reply::Listed(5, entries))));
    }

    fn changed(&mut self, revision: u64, key: Key, value: Option<Value>) {
        let change = Changed {
            key,
            value,
            revision,
            lease: None,
        };
        self.watched(WatchEvent::Changes(revision, vec![change]));
    }
}

#[test]
fn only_a_host_that_is_gone_and_has_nothing_is_removed() {
    use HostState::Active;
    let (b, c) = (HostId::new("b"), HostId::new("c"));
    let all = [
        ("a", Active, false),
        ("b", Active, true),
        ("c", Active, false),
    ];
    for (order, outcome) in [
        (Order::Remove(b.clone()), Outcome::Alive),
        (Order::Remove(c.clone()), Outcome::Owns),
        (Order::Remove(HostId::new("nobody")), Outcome::Missing),
    ] {
        let mut world = World::new();
        world.list_with(&all, &[("shop", "c")]);
        world.order(order.clone());
        assert_eq!(world.outcomes, [outcome], "{order:?}");
    }

    let mut world = World::new();
    world.list_with(&all, &[("shop", "b")]);
    world.order(Order::Remove(c.clone()));
    let (key, alive) = (Key::Host(c.clone()), Key::Alive(c.clone()));
    let removes = |txn: &Txn| txn.then == [ownership::Operation::Delete(key.clone())];
    let found = world.txns.iter().find(|txn| removes(txn));
    let found = found.expect("it is sent").compare.clone();
    let compares = [
        ownership::Compare::Revision(key.clone(), 1),
        ownership::Compare::Absent(alive),
    ];
    assert_eq!(found, compares);
    assert_eq!(world.outcomes, [], "the store has not said so");
    world.changed(6, key, None);
    world.wait(1);
    assert_eq!(world.outcomes, [Outcome::Done]);
    assert!(world.host.overview(world.now_us).host(&c).is_none());
}

#[test]
fn people_see_all_hosts_and_since_when_they_are_so() {
    use HostState::{Active, Draining};
    let mut world = World::new();
    assert!(!world.host.overview(world.now_us).is_complete);
    let all = [("b", Active, true), ("c", Draining, false)];
    world.list_with(&all, &[("shop", "b"), ("wiki", "former")]);
    let (b, shop) = (HostId::new("b"), DeploymentId::new("shop"));
    let seen = world.host.overview(world.now_us);
    assert!(seen.is_complete && seen.revision == 5);
    let told: Vec<_> = seen
        .hosts
        .iter()
        .map(|it| (it.host.as_str(), it.is_alive, it.since_us, it.owned.len()))
        .collect();
    let expected = [
        ("b", true, None, 1),
        ("c", false, None, 0),
        ("former", false, None, 1),
    ];
    assert_eq!(told, expected, "before it looked, nobody knows since when");
    let (owner, owned) = seen.owner(&shop).expect("an owner");
    assert_eq!((&owner.host, owned.since_us), (&b, None));

    world.changed(6, Key::Alive(b.clone()), None);
    let gone_us = world.now_us;
    world.wait(1);
    let owner = OwnerRecord {
        host: HostId::new("c"),
        session: session(),
        origin: Origin::Taken(b.clone()),
    };
    let value = Some(Value::Owner(owner.into()));
    world.changed(7, Key::Owner(shop.clone()), value);
    let taken_us = world.now_us;
    world.wait(1);
    let seen = world.host.overview(world.now_us);
    let lost = seen.host(&b).expect("it is known");
    assert_eq!((lost.is_alive, lost.since_us), (false, Some(gone_us)));
    let (owner, owned) = seen.owner(&shop).expect("an owner");
    assert_eq!(owner.host.as_str(), "c");
    assert_eq!(owned.since_us, Some(taken_us));
    let owner = world.host.owner(world.now_us, &shop).expect("an owner");
    let told = (owner.host.as_str(), owner.since_us);
    assert_eq!(told, ("c", Some(taken_us)));
    // A list tells the same.
    world.watched(WatchEvent::Compacted);
    world.list_with(&all, &[("shop", "c")]);
    let seen = world.host.overview(world.now_us);
    let (_, owned) = seen.owner(&shop).expect("an owner");
    assert_eq!(owned.since_us, Some(taken_us));
    let back = seen.host(&b).expect("it is known");
    assert_eq!((back.is_alive, back.since_us), (true, Some(world.now_us)));
}

#[test]
fn what_a_drain_moves_is_known_before() {
    use HostState::{Active, Draining};
    let mut world = World::new();
    let names: Vec<String> = (0..12).map(|number| format!("shop{number}")).collect();
    let mut of: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "b")).collect();
    of.extend([("own", "c"), ("other", "d")]);
    // Of ten places each, c has nine left; d drains, and e is gone.
    world.list_with(
        &[
            ("b", Active, true),
            ("c", Active, true),
            ("d", Draining, true),
            ("e", Active, false),
        ],
        &of,
    );
    let moves = world.host.overview(world.now_us);
    let moves = moves.drained(&HostId::new("b"));
    assert_eq!(moves.len(), 12);
    let to = |host: Option<&str>| {
        let is_there =
            |it: &&(DeploymentId, Option<HostId>)| it.1.as_ref().map(HostId::as_str) == host;
        moves.iter().filter(is_there).count()
    };
    assert_eq!((to(Some("c")), to(None)), (9, 3), "{moves:?}");
}
