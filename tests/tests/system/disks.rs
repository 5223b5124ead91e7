//! Disks that cannot be written to.

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
}
