//! The way of requests to the store and of its answers, elections, leases and watches.

use ownership::{Changed, Input, Key, Operation, Origin, Request, RequestId, Value, WatchEvent};
use sim_kit::{MS, SECOND};

use crate::scenario::Style;
use crate::world::{Call, SimEvent, Stream, World};

/// When a client gives an endpoint up that owes it an answer.
const OWED_US: u64 = 250 * MS;
/// When a client sees that a stream is broken: HTTP/2 asks every second.
const BROKEN_US: u64 = 1_500 * MS;
/// Proofs, keepalives, claims one after another, hand-overs and changes: far fewer are needed.
const MOST_A_SECOND: u64 = 100;

impl World {
    /// How long something takes between a host and a member.
    fn way_us(&mut self, host: usize) -> u64 {
        let slow_us = self.hosts[host].slow_us;
        let more_us = self.random.between(0, slow_us);
        self.random.between(200, 2_000) + more_us
    }

    /// How often, and how late, something arrives.
    fn arrivals(&mut self, host: usize) -> Vec<u64> {
        let way_us = self.way_us(host);
        if self.unruly == 0 || !self.random.percent(self.unruly) {
            return vec![self.now_us + way_us];
        }
        let late_us = self.random.between(0, 4_000) * MS;
        match self.random.index(3) {
            0 => Vec::new(),
            1 => vec![self.now_us + way_us, self.now_us + way_us + late_us],
            _ => vec![self.now_us + way_us + late_us],
        }
    }

    /// A host's client sends a request.
    pub(crate) fn request(&mut self, host: usize, id: RequestId, request: Request) {
        self.check_claim(host, id, &request);
        self.check_rate(host);
        let count = self.members.all.len();
        let now_us = self.now_us;
        let it = &mut self.hosts[host];
        if it
            .owed_us
            .is_some_and(|since_us| now_us > since_us + OWED_US)
        {
            it.endpoint = (it.endpoint + 1) % count;
            it.owed_us = None;
        }
        if !matches!(request, Request::Watch(_)) {
            it.owed_us.get_or_insert(now_us);
        }
        let (life, member) = (it.life, it.endpoint);
        let call = Call {
            host,
            life,
            id,
            request,
            member,
        };
        if let Request::Watch(from) = call.request {
            self.streams.push(Stream {
                host,
                life,
                id,
                member,
                next: from,
                planned: false,
                dead: false,
            });
            let stream = self.streams.len() - 1;
            self.live.push(stream);
            self.plan_delivery(stream);
            return;
        }
        if it.store_cut & 1 != 0 {
            return;
        }
        for at_us in self.arrivals(host) {
            self.queue
                .push(at_us, SimEvent::Arrives(Box::new(call.clone())));
        }
    }

    /// A request is at its member.
    pub(crate) fn arrives(&mut self, call: Call) {
        let member = call.member;
        if self.members.all[member].down {
            return;
        }
        if self.members.all[member].paused {
            self.waiting.push(call);
            return;
        }
        if self.members.leader_for(member).is_some() {
            self.applied(&call);
            return;
        }
        let Some(memory) = &self.members.all[member].memory else {
            return;
        };
        // It takes itself for the leader.
        match &call.request {
            Request::LeaseKeepAlive(lease) if memory.contains(lease) => {
                self.answer(&call, Ok(ownership::Reply::KeptAlive));
            }
            Request::Txn(_) => self.limbo.push(call),
            _ => {}
        }
    }

    /// The leader and a quorum have taken a request.
    fn applied(&mut self, call: &Call) {
        let (answer, changes) = self.outcome(&call.request);
        self.committed(&changes);
        self.answer(call, answer);
    }

    fn answer(&mut self, call: &Call, answer: Result<ownership::Reply, ownership::StoreError>) {
        let (host, life) = (call.host, call.life);
        if self.hosts[host].store_cut & 2 != 0 {
            return;
        }
        let input = Input::Answer(call.id, answer);
        let commit_us = self.random.between(300, 3_000) + self.disk_us;
        for at_us in self.arrivals(host) {
            let event = SimEvent::ToHost(host, life, Box::new(input.clone()));
            self.queue.push(at_us + commit_us, event);
        }
    }

    /// The store has changed: it is checked, and watches hear of it.
    pub(crate) fn committed(&mut self, changes: &[Changed]) {
        if changes.is_empty() {
            return;
        }
        for change in changes {
            self.note(|| {
                format!(
                    "store {} {:?} = {:?}",
                    change.revision, change.key, change.value
                )
            });
            self.check_commit(change);
        }
        self.live.retain(|stream| !self.streams[*stream].dead);
        for index in 0..self.live.len() {
            if !self.streams[self.live[index]].planned {
                self.plan_delivery(self.live[index]);
            }
        }
    }

    fn plan_delivery(&mut self, stream: usize) {
        self.streams[stream].planned = true;
        let lag_us = match self.random.index(40) {
            // From a rank's delay less the jitter on, hosts with worse lots may come first.
            0 if self.scenario.style == Style::Chaos => self.random.between(0, 800) * MS,
            0 => self.random.between(0, 250) * MS,
            _ => self.random.between(0, 3_000),
        };
        let at_us = self.now_us + self.way_us(self.streams[stream].host) + lag_us;
        self.queue.push(at_us, SimEvent::Deliver(stream));
    }

    /// A watch tells what is new.
    pub(crate) fn deliver(&mut self, index: usize) {
        let stream = self.streams[index].clone();
        self.streams[index].planned = false;
        let host = &self.hosts[stream.host];
        if host.life != stream.life || host.cpe.is_none() {
            self.streams[index].dead = true;
        }
        if self.streams[index].dead {
            return;
        }
        let is_broken = host.store_cut != 0 || self.members.leader_for(stream.member).is_none();
        if is_broken {
            self.break_stream(index);
            return;
        }
        let Some(changes) = self.store.since(stream.next) else {
            self.watch_ends(index, WatchEvent::Compacted);
            return;
        };
        let revision = self.store.revision();
        if revision < stream.next {
            return;
        }
        self.streams[index].next = revision + 1;
        self.note_heard(stream.host, &changes);
        let event = WatchEvent::Changes(revision, changes);
        if self.unruly > 0 && self.random.percent(self.unruly) {
            let again = Box::new(Input::Watched(stream.id, event.clone()));
            let at_us = self.now_us + self.random.between(1, 500) * MS;
            let doubled = SimEvent::ToHost(stream.host, stream.life, again);
            self.queue.push(at_us, doubled);
        }
        self.reaches_host(stream.host, stream.life, Input::Watched(stream.id, event));
    }

    /// A host hears of others that are gone.
    fn note_heard(&mut self, host: usize, changes: &[Changed]) {
        for change in changes {
            if let (Key::Alive(gone), None) = (&change.key, &change.value) {
                let heard = (host, gone.clone());
                self.checker.heard_us.insert(heard, self.now_us);
            }
        }
    }

    /// A stream carries nothing more, which its client sees later.
    pub(crate) fn break_stream(&mut self, stream: usize) {
        if !std::mem::replace(&mut self.streams[stream].dead, true) {
            let at_us = self.now_us + BROKEN_US;
            self.queue.push(at_us, SimEvent::WatchEnds(stream));
        }
    }

    pub(crate) fn watch_ends(&mut self, index: usize, event: WatchEvent) {
        let stream = self.streams[index].clone();
        self.streams[index].dead = true;
        // Another member is asked next.
        let count = self.members.all.len();
        if self.hosts[stream.host].endpoint == stream.member {
            self.hosts[stream.host].endpoint = (stream.member + 1) % count;
        }
        self.reaches_host(stream.host, stream.life, Input::Watched(stream.id, event));
    }

    /// Follows what has become of the members.
    pub(crate) fn reassess(&mut self) {
        if let Some(leader) = self.members.leader
            && !self.members.has_quorum(leader)
        {
            // It knows nothing of that.
            let known = self.known_leases();
            if !self.members.all[leader].down {
                self.members.all[leader].memory = Some(known);
            }
            self.members.leader = None;
        }
        if self.members.leader.is_none() && !self.members.electing {
            self.members.electing = true;
            let at_us = self.now_us + self.random.between(1_000, 2_000) * MS;
            self.queue.push(at_us, SimEvent::Election);
        }
        for member in 0..self.members.all.len() {
            if self.members.leader_for(member).is_some() {
                self.learns_of_the_leader(member);
            }
        }
        for stream in self.live.clone() {
            let member = self.streams[stream].member;
            if !self.streams[stream].dead && self.members.leader_for(member).is_none() {
                self.break_stream(stream);
            }
        }
    }

    /// A former leader hears that it is none. What it took for expired it may have revoked.
    fn learns_of_the_leader(&mut self, member: usize) {
        let Some(memory) = self.members.all[member].memory.take() else {
            return;
        };
        if self.members.leader != Some(member) && self.random.percent(10) {
            self.note(|| format!("member{member} revokes leases that live"));
            self.disturbed();
            for lease in memory {
                if self.random.percent(30) {
                    let changes = self.store.revoke(lease);
                    self.committed(&changes);
                }
            }
        }
    }

    pub(crate) fn elect(&mut self) {
        self.members.electing = false;
        let able = self.members.can_lead();
        if self.members.leader.is_some() || able.is_empty() {
            return;
        }
        let leader = able[self.random.index(able.len())];
        self.note(|| format!("member{leader} leads"));
        self.members.leader = Some(leader);
        self.members.all[leader].memory = None;
        self.store.restart_leases(self.now_us);
        // What a former leader has taken is lost, or applied now.
        for call in std::mem::take(&mut self.limbo) {
            if self.random.percent(50) {
                let (_, changes) = self.outcome(&call.request);
                self.committed(&changes);
            }
        }
        self.reassess();
    }

    pub(crate) fn scan_leases(&mut self) {
        self.queue
            .push(self.now_us + SECOND / 2, SimEvent::LeaseScan);
        if self.members.leading().is_none() {
            return;
        }
        for lease in self.store.expired(self.now_us) {
            let changes = self.store.revoke(lease);
            self.committed(&changes);
        }
    }

    /// A host does not flood the store.
    fn check_rate(&mut self, host: usize) {
        let second = self.now_us / SECOND;
        let (of, count) = &mut self.hosts[host].requests;
        if *of != second {
            (*of, *count) = (second, 0);
        }
        *count += 1;
        if *count > MOST_A_SECOND {
            self.violation(format!(
                "host {host} sends more than {MOST_A_SECOND} requests a second"
            ));
        }
    }

    /// Claims are few at a time, and no larger than the store takes.
    fn check_claim(&mut self, host: usize, id: RequestId, request: &Request) {
        let Request::Txn(txn) = request else {
            return;
        };
        let is_claim = |it: &&Operation| match it {
            Operation::Put(Key::Owner(_), Value::Owner(owner), _) => {
                !matches!(owner.origin, Origin::Handed(_))
            }
            _ => false,
        };
        let claimed = txn.then.iter().filter(is_claim).count();
        let most = txn
            .compare
            .len()
            .max(txn.then.len())
            .max(txn.otherwise.len());
        if most > ownership::MOST_OPERATIONS || claimed > ownership::timing::MOST_CLAIMED {
            self.violation(format!(
                "a transaction of {most} operations claims {claimed}"
            ));
        }
        if claimed == 0 {
            return;
        }
        let local_us = self.hosts[host].clock.at(self.now_us);
        let claims = &mut self.hosts[host].claims;
        claims.retain(|_, sent_us| *sent_us + ownership::timing::CALL_US > local_us);
        claims.insert(id, local_us);
        if claims.len() > 1 {
            self.violation(format!("host {host} has several claims under way: a herd"));
        }
    }
}
