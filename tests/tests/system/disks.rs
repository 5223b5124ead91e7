//! Disks that cannot be written to, and a journal that reads nothing.

use end_to_end::{Document, Lab, System};

#[test]
fn a_cpe_whose_disk_is_read_only_starts_and_keeps_dpes_running() {
    let lab = Lab::boot("read-only").with_guests(&["a"]);
    lab.deploy(&Document::new("shop", &["a"]).sleeper("db", 230_001));
    // A file system of its own, which then takes nothing.
    lab.sh("systemctl stop cpe.service
            cp -a /var/lib/cpe /srv/cpe && mount -t tmpfs -o mode=0700 disk /var/lib/cpe && cp -a /srv/cpe/. /var/lib/cpe/
            chown --reference=/srv/cpe /var/lib/cpe && mount -o remount,ro /var/lib/cpe
            systemctl start cpe.service")
        .ok();
    lab.wait("the status is shown", 20, || {
        lab.status("shop").all_running()
    });
    let journal = lab.sh("journalctl -u cpe.service --no-pager -o cat").ok();
    assert!(
        journal.contains("is read-only: DPEs are kept running"),
        "{journal}"
    );

    let old = lab.main_pid("dpe@shop.service");
    lab.sh("systemctl kill -s KILL dpe@shop.service").ok();
    lab.wait("another DPE manages", 30, || {
        let pid = lab.main_pid("dpe@shop.service");
        pid != 0 && pid != old && lab.status("shop").all_running()
    });
    assert_eq!(lab.sleepers(230_001).len(), 1);
    lab.write("/srv/other.xml", &Document::new("other", &["b"]).xml());
    let refused = lab.cpectl(&["deploy", "/srv/other.xml"]);
    assert_ne!(refused.code, 0, "{refused:?}");

    lab.sh("mount -o remount,rw /var/lib/cpe && systemctl restart cpe.service")
        .ok();
    lab.wait("a deployment can be created", 20, || {
        lab.cpectl(&["deploy", "/srv/other.xml"]).code == 0
    });
    let died = |event: &end_to_end::Event| event.kind() == "dpe.died";
    lab.wait("the death of the DPE is recorded", 20, || {
        lab.events().iter().any(died)
    });
    says_whose_the_database_must_be(&lab);
    assert_eq!(lab.sleepers(230_001).len(), 1);
}

/// As root leaves it that has put back a copy.
fn says_whose_the_database_must_be(lab: &Lab) {
    lab.sh("systemctl stop cpe.service; chown root:root /var/lib/cpe/cpe.db; systemctl start --no-block cpe.service")
        .ok();
    lab.wait("what to do is said", 20, || {
        let journal = lab.sh("journalctl -u cpe.service --no-pager -o cat").ok();
        journal.contains("chown --reference=/var/lib/cpe/lock /var/lib/cpe/cpe.db*")
    });
    lab.sh("chown --reference=/var/lib/cpe/lock /var/lib/cpe/cpe.db*")
        .ok();
    lab.wait("the status is shown again", 20, || {
        lab.status("shop").all_running()
    });
}

#[test]
fn a_journal_that_is_stopped_stops_no_daemon() {
    let lab = Lab::boot("stopped-journal").with_guests(&["a", "b"]);
    lab.deploy(&Document::new("shop", &["a", "b"]).sleeper("db", 230_101));
    let home = lab.sleepers(230_101)[0].0.clone();
    let dpe = lab.main_pid("dpe@shop.service");
    // One socket alone can send less than the journal's queue holds.
    let fill = "import socket
full = False
sockets = []
while not full:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.setblocking(False)
    sockets.append(s)
    full = True
    try:
        while True:
            s.sendto(b'MESSAGE=filled', '/run/systemd/journal/socket')
            full = False
    except BlockingIOError: pass";
    lab.write("/srv/fill.py", fill);
    lab.sh("systemctl kill -s STOP systemd-journald.service && python3 /srv/fill.py")
        .ok();
    // Its DPE has much to say about that.
    lab.cut(&home);
    lab.wait("the service runs elsewhere", 60, || {
        let running = lab.sleepers(230_101);
        running.iter().any(|(guest, _)| *guest != home)
    });
    assert_eq!(lab.main_pid("dpe@shop.service"), dpe);
    lab.sh("systemctl kill -s CONT systemd-journald.service")
        .ok();
    lab.wait("what was said is in the journal", 20, || {
        let journal = lab.sh("journalctl -u dpe@shop.service --no-pager -o cat");
        journal.stdout.contains(&format!("assembly {home} is lost"))
    });
}
