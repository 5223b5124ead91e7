//! Orders about single services beside the document, on real guests: they hold, end by themselves,
//! and outlive the death of the DPE and changes of the document.

use end_to_end::{Document, Lab, System};

const DB: u32 = 310_001;
const WEB: u32 = 310_002;

fn document() -> Document {
    Document::new("shop", &["a", "b"])
        .sleeper("db", DB)
        .sleeper("web", WEB)
}

fn home(lab: &Lab, service: &str) -> String {
    lab.status("shop").assembly_of(service).unwrap_or_default()
}

fn other(assembly: &str) -> &'static str {
    if assembly == "a" { "b" } else { "a" }
}

fn wait_for(lab: &Lab, service: &str, assembly: &str, why: &str) {
    lab.wait(why, 90, || home(lab, service) == assembly);
}

fn entries(lab: &Lab) -> usize {
    let status = lab.status("shop");
    status.0["overlay"].as_array().map_or(0, Vec::len)
}

fn kill_dpe(lab: &Lab) {
    lab.sh("systemctl kill -s KILL dpe@shop.service").ok();
}

fn runs_again(lab: &Lab) {
    lab.wait("another DPE manages the deployment", 60, || {
        let status = lab.status("shop");
        status.is_settled() && status.all_running()
    });
}

#[test]
fn a_service_is_moved_and_back_and_banned_for_a_time_that_ends_without_a_dpe() {
    let lab = Lab::boot("moves").with_guests(&["a", "b"]);
    lab.deploy(&document());
    let first = home(&lab, "db");
    let second = other(&first);
    let dry = lab
        .cpectl(&["move", "shop", "db", second, "--dry-run"])
        .ok();
    assert!(dry.contains("nothing was changed"), "{dry}");
    assert_eq!(home(&lab, "db"), first);
    lab.cpectl(&["move", "shop", "db", second, "--wait"]).ok();
    wait_for(&lab, "db", second, "db has moved");
    assert_eq!(lab.sleepers(DB).len(), 1, "and runs once");
    lab.wait("nothing is left of the move", 60, || entries(&lab) == 0);
    lab.cpectl(&["move", "shop", "db", "--wait"]).ok();
    wait_for(&lab, "db", &first, "db is back");
    lab.wait("nothing is left of this move either", 60, || {
        entries(&lab) == 0
    });

    lab.cpectl(&["ban", "shop", "db", &first, "--for", "12s"])
        .ok();
    wait_for(&lab, "db", second, "db has left where it is banned");
    let told = lab.cpectl(&["explain", "shop", "db"]).ok();
    assert!(
        told.contains(&format!("db is banned from {first} by root until")),
        "{told}"
    );
    let last = lab.cpectl(&["ban", "shop", "db", second]);
    assert!(
        last.code == 5 && last.stderr.contains("db could run nowhere then"),
        "{last:?}"
    );
    // Nobody is there when its time is over.
    lab.sh("systemctl stop cpe.service").ok();
    lab.sh("systemctl kill -s KILL dpe@shop.service; systemctl stop dpe@shop.service")
        .ok();
    std::thread::sleep(std::time::Duration::from_secs(13));
    lab.sh("systemctl start cpe.service").ok();
    lab.wait("the ban has ended", 90, || {
        let ended = lab.events();
        let mut ended = ended.iter().map(end_to_end::Event::kind);
        ended.any(|kind| kind == "overlay.expired") && entries(&lab) == 0
    });
    let input = lab.cpectl(&["input", "shop"]).ok();
    assert!(!input.contains("cli-ban"), "{input}");
    assert_eq!(lab.sleepers(DB).len(), 1);
}

#[test]
fn a_restart_is_finished_by_the_next_dpe_and_a_disabled_service_outlives_a_document() {
    let lab = Lab::boot("restarts").with_guests(&["a", "b"]);
    lab.deploy(&document().constraint(r#"<service_dependency first="db" then="web"/>"#));
    let before = lab.sleepers(DB);
    let web = lab.sleepers(WEB);
    lab.cpectl(&["restart", "shop", "db"]).ok();
    kill_dpe(&lab);
    lab.wait("db and what depends on it were restarted", 90, || {
        let (now, dependent) = (lab.sleepers(DB), lab.sleepers(WEB));
        now.len() == 1 && dependent.len() == 1 && now != before && dependent != web
    });
    runs_again(&lab);
    assert_eq!(entries(&lab), 0);

    let refused = lab.cpectl(&["disable", "shop", "db"]);
    assert!(
        refused.code == 5 && refused.stderr.contains("web would stop too"),
        "{refused:?}"
    );
    assert_eq!(lab.sleepers(DB).len(), 1);
    lab.cpectl(&["disable", "shop", "web", "--wait"]).ok();
    lab.wait("web is stopped", 60, || lab.sleepers(WEB).is_empty());
    lab.deploy(&document().constraint(r#"<location service="db" assembly="a" score="5"/>"#));
    kill_dpe(&lab);
    lab.wait("another DPE knows what is wanted", 60, || {
        let status = lab.status("shop");
        let known = status.state() == "active" && status.0["generation"] == 2;
        known && entries(&lab) == 1
    });
    assert_eq!(lab.sleepers(WEB), [], "it stays stopped");
    let shown = lab.cpectl(&["status", "shop"]).ok();
    assert!(shown.contains("cpectl enable shop web"), "{shown}");
    lab.cpectl(&["enable", "shop", "web", "--wait"]).ok();
    lab.wait("web runs again", 60, || lab.sleepers(WEB).len() == 1);

    let kept = lab.sleepers(WEB);
    lab.cpectl(&["unmanage", "shop", "web", "--wait"]).ok();
    lab.sh(&format!("kill {}", kept[0].1)).ok();
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(lab.sleepers(WEB), [], "it is left alone");
    lab.cpectl(&["manage", "shop", "web", "--wait"]).ok();
    lab.wait("web is recovered", 60, || lab.sleepers(WEB).len() == 1);
}
