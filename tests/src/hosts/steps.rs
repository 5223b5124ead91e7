//! What `make demo STAGE=hosts` shows and the tests claim: one trouble after another, and what must
//! hold after each.

use std::time::{Duration, Instant};

use super::{FRAIL, Hosts, NAME, NAMES, Reader};
use crate::document::Document;
use crate::system::System;

/// The unit of the deployment's DPE.
const UNIT: &str = "dpe@shop.service";
/// A deployment that is refused.
const LATE: &str = "late";
/// Until another host acts for the deployments of one that is gone, at most, in seconds. It is 13 s
/// where etcd's leader dies with the host (docs/dev/scale-out.md); machines that test are busy.
const TAKEOVER: u64 = 25;
/// Until a host that has come back is one of them again, in seconds.
const RETURN: u64 = 30;
/// How long etcd has no quorum.
const NO_QUORUM: Duration = Duration::from_secs(20);
/// How long a host stands still: until somebody else has taken over, and more.
const FROZEN: Duration = Duration::from_secs(15);

/// Who hears what holds, and what does not.
pub trait Telling {
    /// A sentence, and whether it is true.
    fn check(&mut self, what: &str, holds: bool);
    /// Something to know.
    fn tell(&mut self, what: &str);
}

/// Hosts with what has been seen of them.
pub struct Scene<'a> {
    pub hosts: &'a mut Hosts,
    pub reader: &'a mut Reader,
    pub to: &'a mut dyn Telling,
}

/// One trouble: what it is called, and what is done and looked at.
pub struct Step {
    pub title: &'static str,
    pub run: fn(&mut Scene<'_>),
}

/// All of them, in the order in which they are shown.
pub const STEPS: &[Step] = &[
    Step {
        title: "Deploy at h1: cpectl deploy --wait",
        run: deploy,
    },
    Step {
        title: "The power of the host that runs the deployment is cut",
        run: cut_power,
    },
    Step {
        title: "The host that runs it reaches etcd no more, but all guests",
        run: cut_from_store,
    },
    Step {
        title: "The cable of the host that runs it is pulled",
        run: pull_cable,
    },
    Step {
        title: "The host that runs it stands still for 15 s, and goes on",
        run: freeze,
    },
    Step {
        title: "kill -9 of etcd's leader",
        run: kill_leader,
    },
    Step {
        title: "No quorum in etcd for 20 s",
        run: lose_quorum,
    },
    Step {
        title: "A drain: cpectl host drain --wait, and back: cpectl host activate",
        run: drain,
    },
    Step {
        title: "An upgrade: cpe is restarted on one host after another",
        run: upgrade,
    },
    Step {
        title: "The power of a host with the deployment and etcd's leader is cut",
        run: cut_power_of_leader,
    },
    Step {
        title: "The event log, read by cursor at one host after another",
        run: events,
    },
    Step {
        title: "Destroy: cpectl destroy --wait",
        run: destroy,
    },
];

impl Scene<'_> {
    /// Waits for something, then says whether it came, and after what time.
    fn within(&mut self, what: &str, seconds: u64, mut holds: impl FnMut(&Hosts) -> bool) -> bool {
        let begin = Instant::now();
        let mut held = holds(self.hosts);
        while !held && begin.elapsed() < Duration::from_secs(seconds) {
            std::thread::sleep(Duration::from_millis(100));
            held = holds(self.hosts);
        }
        let took = begin.elapsed().as_secs_f64();
        self.to.check(&format!("{what} ({took:.1} s)"), held);
        held
    }

    /// The host that runs the deployment now.
    fn owner(&mut self) -> &'static str {
        let begin = Instant::now();
        loop {
            if let Some(host) = self.hosts.acting() {
                return host;
            }
            let units = self.hosts.units();
            assert!(
                begin.elapsed() < Duration::from_secs(TAKEOVER),
                "nobody acts for {NAME}: its DPE runs on {units:?}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Any host that has power, but that one.
    fn other(&self, than: &str) -> &'static str {
        let runs = |host: &&&'static str| self.hosts.running.contains_key(**host) && **host != than;
        NAMES
            .iter()
            .find(runs)
            .copied()
            .unwrap_or_else(|| panic!("no host but {than} has power"))
    }

    fn taken_over(&mut self, from: &str) {
        let what = format!("another host acts for {from}'s deployment");
        self.within(&what, TAKEOVER, |hosts| hosts.acting_but(from).is_some());
        if let Some(host) = self.hosts.acting_but(from) {
            self.reader.moves += 1;
            self.to.tell(&format!("{host} runs it now"));
            let counts = self.hosts.failures(host) == Some(1);
            let what = format!("the failure of {FRAIL} counts there too");
            self.to.check(&what, counts);
        }
    }

    fn returned(&mut self, host: &'static str) {
        self.within(
            &format!("{host} is one of the hosts again"),
            RETURN,
            |hosts| hosts.alive().iter().any(|it| it == host),
        );
        self.within("one DPE runs, and it acts", RETURN, |hosts| {
            hosts.units().len() == 1 && hosts.acting().is_some()
        });
    }

    /// What must hold after each trouble.
    fn untouched(&mut self) {
        let touched = self.hosts.touched();
        for fault in &touched {
            self.to.tell(fault);
        }
        let pause = self.hosts.longest_pause().as_millis();
        let what = format!(
            "the services run on: same processes, never twice, never still for more than {pause} ms"
        );
        self.to.check(&what, touched.is_empty());
        let ended = self.hosts.leases_ended();
        self.to
            .check("no guest's lease has ended", ended.is_empty());
    }

    /// The process of the deployment's DPE on a host.
    fn dpe(&self, host: &str) -> u32 {
        self.hosts.host(host).main_pid(UNIT)
    }

    /// Nothing has moved.
    fn same(&mut self, owner: &str, dpe: u32) {
        let what =
            format!("{owner} runs it as before: the same process of the DPE, and no other one");
        let holds = self.hosts.units() == [owner] && self.dpe(owner) == dpe;
        self.to.check(&what, holds);
    }

    /// The log is read on at some host.
    fn read_events(&mut self, host: &str) {
        let host = self.hosts.host(host);
        self.reader.read(host);
    }
}

fn deploy(scene: &mut Scene<'_>) {
    let host = scene.hosts.host(NAMES[0]);
    host.write("/srv/document.xml", &Hosts::document().xml());
    let begin = Instant::now();
    let output = host.cpectl(&["deploy", "--wait", "/srv/document.xml"]);
    let took = begin.elapsed().as_secs_f64();
    scene
        .to
        .check(&format!("all services run ({took:.1} s)"), output.code == 0);
    if output.code != 0 {
        scene.to.tell(&format!("{output:?}"));
    }
    let owner = scene.owner();
    scene.to.tell(&format!("{owner} runs its DPE"));
    scene
        .to
        .check("one host does", scene.hosts.units() == [owner]);
    for host in NAMES {
        let listed = scene.hosts.host(host).cpectl(&["list"]);
        scene
            .to
            .check(&format!("{host} lists it"), listed.stdout.contains(NAME));
    }
    let frail = format!("witness --serve {FRAIL}$");
    for (_, pid) in scene.hosts.cloud().processes(&frail) {
        scene.hosts.cloud().sh(&format!("kill -9 {pid}")).ok();
    }
    scene.within(
        &format!("{FRAIL} is killed, and recovered; that counts"),
        15,
        |hosts| hosts.failures(owner) == Some(1) && hosts.acting() == Some(owner),
    );
    // A host's death may cost the last second of what makes no guest less safe.
    std::thread::sleep(Duration::from_millis(1500));
    let other = scene.other(owner);
    let status = scene.hosts.host(other).cpectl(&["status", NAME]);
    let said = format!("{}{}", status.stdout, status.stderr);
    scene.to.check(
        &format!("asked for its status, {other} names {owner}"),
        said.contains(owner),
    );
    scene.untouched();
    scene.read_events(other);
}

fn cut_power(scene: &mut Scene<'_>) {
    let owner = scene.owner();
    die_and_return(scene, owner);
}

fn cut_power_of_leader(scene: &mut Scene<'_>) {
    let owner = scene.owner();
    let leader = scene.hosts.leader();
    // Who leads goes by chance: a member that is away for a while leads no more.
    if leader != owner {
        scene.hosts.kill_member(leader);
        let next = scene.hosts.leader();
        scene.hosts.start_member(leader);
        scene
            .to
            .tell(&format!("etcd was led by {leader}, and is by {next}"));
        if next != owner {
            scene.hosts.kill_member(next);
            let last = scene.hosts.leader();
            scene.hosts.start_member(next);
            scene.to.tell(&format!("and then by {last}"));
        }
    }
    let owner = scene.owner();
    scene.to.tell(&format!(
        "{owner} runs it, {} leads etcd",
        scene.hosts.leader()
    ));
    die_and_return(scene, owner);
}

fn die_and_return(scene: &mut Scene<'_>, owner: &'static str) {
    scene.hosts.cut_power(owner);
    scene.to.tell(&format!("{owner} is gone"));
    scene.taken_over(owner);
    scene.untouched();
    let other = scene.other(owner);
    scene.read_events(other);
    scene.hosts.switch_on(owner);
    scene.returned(owner);
    scene.untouched();
}

fn cut_from_store(scene: &mut Scene<'_>) {
    let owner = scene.owner();
    scene.hosts.cut_from_store(owner);
    scene.to.tell(&format!("{owner} is cut off"));
    scene.taken_over(owner);
    scene.hosts.heal_store(owner);
    scene.returned(owner);
    scene.untouched();
    scene.read_events(owner);
}

fn pull_cable(scene: &mut Scene<'_>) {
    let owner = scene.owner();
    scene.hosts.cable(owner, "down");
    scene.to.tell(&format!("{owner} is cut off"));
    scene.taken_over(owner);
    scene.hosts.cable(owner, "up");
    scene.returned(owner);
    scene.untouched();
    scene.read_events(owner);
}

fn freeze(scene: &mut Scene<'_>) {
    let owner = scene.owner();
    let begin = Instant::now();
    scene.hosts.freeze(owner);
    scene.to.tell(&format!("{owner} stands still"));
    scene.taken_over(owner);
    std::thread::sleep(FROZEN.saturating_sub(begin.elapsed()));
    scene.hosts.thaw(owner);
    scene.returned(owner);
    scene.untouched();
    scene.read_events(owner);
}

fn kill_leader(scene: &mut Scene<'_>) {
    let owner = scene.owner();
    let leader = scene.hosts.leader();
    let dpe = scene.dpe(owner);
    scene.hosts.kill_member(leader);
    let begin = Instant::now();
    let next = scene.hosts.leader();
    let took = begin.elapsed().as_secs_f64();
    scene.to.check(
        &format!("{next} leads instead of {leader} ({took:.1} s)"),
        next != leader,
    );
    // As long as a session lasts, and longer.
    std::thread::sleep(Duration::from_secs(6));
    scene.same(owner, dpe);
    scene.hosts.start_member(leader);
    scene.untouched();
    let other = scene.other(owner);
    scene.read_events(other);
}

fn lose_quorum(scene: &mut Scene<'_>) {
    let owner = scene.owner();
    let dpe = scene.dpe(owner);
    let lost = [NAMES[0], NAMES[1]];
    let begin = Instant::now();
    for host in lost {
        scene.hosts.kill_member(host);
    }
    std::thread::sleep(Duration::from_secs(4));
    let host = scene.hosts.host(NAMES[2]);
    host.write("/srv/late.xml", &Document::new(LATE, &[]).xml());
    let asked = Instant::now();
    let refused = host.cpectl(&["deploy", "/srv/late.xml"]);
    let took = asked.elapsed().as_secs_f64();
    let what = format!("a change is refused with a reason ({took:.1} s)");
    let is_refused = refused.stderr.contains("the store has not answered for");
    scene
        .to
        .check(&what, refused.code != 0 && is_refused && took < 10.0);
    scene.to.tell(refused.stderr.trim());
    std::thread::sleep(NO_QUORUM.saturating_sub(begin.elapsed()));
    for host in lost {
        scene.hosts.start_member(host);
    }
    scene.within("the same host acts again", RETURN, |hosts| {
        hosts.acting() == Some(owner)
    });
    scene.same(owner, dpe);
    let listed = scene.hosts.host(owner).cpectl(&["list"]).stdout;
    scene
        .to
        .check("what was refused was not done", !listed.contains(LATE));
    scene.untouched();
    scene.read_events(owner);
}

fn drain(scene: &mut Scene<'_>) {
    let owner = scene.owner();
    let other = scene.other(owner);
    let begin = Instant::now();
    let drained = scene
        .hosts
        .host(other)
        .cpectl(&["host", "drain", owner, "--wait"]);
    let took = begin.elapsed().as_secs_f64();
    scene.to.check(
        &format!("{owner} is drained ({took:.1} s)"),
        drained.code == 0,
    );
    if drained.code != 0 {
        scene.to.tell(&format!("{drained:?}"));
    }
    scene.taken_over(owner);
    let activated = scene.hosts.host(other).cpectl(&["host", "activate", owner]);
    scene.to.check(
        &format!("{owner} takes deployments again"),
        activated.code == 0,
    );
    scene.untouched();
    scene.read_events(other);
}

fn upgrade(scene: &mut Scene<'_>) {
    let owner = scene.owner();
    let dpe = scene.dpe(owner);
    for host in NAMES {
        let begin = Instant::now();
        let lab = scene.hosts.host(host);
        lab.manage(&["restart", "cpe.service"]).ok();
        let what = format!("cpe of {host} was restarted, and answers");
        scene.within(&what, RETURN, |hosts| {
            hosts.host(host).cpectl(&["list"]).code == 0
        });
        let took = begin.elapsed().as_secs_f64();
        scene.to.tell(&format!("after {took:.1} s in all"));
        scene.within(&format!("{host} is one of the hosts"), RETURN, |hosts| {
            hosts.alive().iter().any(|it| it == host)
        });
    }
    scene.within("the same host acts", RETURN, |hosts| {
        hosts.acting() == Some(owner)
    });
    scene.same(owner, dpe);
    scene.untouched();
    scene.read_events(owner);
}

fn events(scene: &mut Scene<'_>) {
    // What the last trouble has to tell is told.
    std::thread::sleep(Duration::from_secs(3));
    for host in NAMES {
        scene.read_events(host);
    }
    let count = scene.reader.count();
    for host in NAMES {
        let faults = scene.reader.faults(scene.hosts.host(host));
        for fault in &faults {
            scene.to.tell(fault);
        }
        let what = format!("{host} has the same {count} events, each once, in the same order");
        scene.to.check(&what, faults.is_empty());
    }
    let tales = scene.reader.tales();
    for tale in &tales {
        scene.to.tell(tale);
    }
    let moves = scene.reader.moves;
    let what = format!(
        "they tell of {moves} moves, of one start of each service and the one failure, and of no loss"
    );
    scene.to.check(&what, tales.is_empty());
}

fn destroy(scene: &mut Scene<'_>) {
    let owner = scene.owner();
    let output = scene.hosts.host(owner).cpectl(&["destroy", NAME, "--wait"]);
    scene.to.check("done", output.code == 0);
    if output.code != 0 {
        scene.to.tell(&format!("{output:?}"));
    }
    let pattern = format!("witness --serve {NAME}");
    let left = scene.hosts.cloud().processes(&pattern);
    scene
        .to
        .check("no process of it is left in any guest", left.is_empty());
    scene.within("no DPE is left on any host", 10, |hosts| {
        hosts.units().is_empty()
    });
    for host in NAMES {
        scene.within(&format!("{host} lists it no more"), 10, |hosts| {
            let listed = hosts.host(host).cpectl(&["list"]);
            listed.code == 0 && !listed.stdout.contains(NAME)
        });
    }
}
