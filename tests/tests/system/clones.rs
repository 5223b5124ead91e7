//! Clones whose instances are told apart: where they run, how the status shows them, and what
//! becomes of each when it dies or its guest is lost.

use end_to_end::{Lab, System};

/// Seconds that each instance sleeps.
const SECONDS: u32 = 320_001;

const DOCUMENT: &str = r#"<deployable name="shop" uuid="6f6d7f6a-54a6-4c4b-9d70-0a4f0c3c6a14" heartbeat_interval="500ms"
  heartbeat_timeout="2s" lease="3s">
  <assemblies>
    <assembly name="a" address="unix:/run/cpe/guests/a/agent.sock"><fencing mode="lease"/></assembly>
    <assembly name="b" address="unix:/run/cpe/guests/b/agent.sock"><fencing mode="lease"/></assembly>
  </assemblies>
  <configuration>
    <resources><clone id="many-clone">
      <meta_attributes id="many-options">
        <nvpair id="many-unique" name="globally-unique" value="true"/>
        <nvpair id="many-max" name="clone-max" value="3"/>
        <nvpair id="many-node-max" name="clone-node-max" value="2"/>
      </meta_attributes>
      <primitive id="many" class="ocf" provider="heartbeat" type="anything">
        <instance_attributes id="many-parameters">
          <nvpair id="many-binfile" name="binfile" value="/usr/bin/sleep"/>
          <nvpair id="many-options-of-it" name="cmdline_options" value="320001"/>
        </instance_attributes>
        <operations><op id="many-monitor" name="monitor" interval="1s" timeout="20s"/></operations>
      </primitive>
    </clone></resources>
  </configuration>
</deployable>"#;

const INSTANCES: [&str; 3] = ["many:0", "many:1", "many:2"];

/// How many instances run in a guest.
fn count(lab: &Lab, guest: &str) -> usize {
    let found = lab.sleepers(SECONDS);
    found.iter().filter(|(own, _)| own == guest).count()
}

/// Where the instances run, by the status; empty: nowhere.
fn places(lab: &Lab) -> Vec<String> {
    let status = lab.status("shop");
    let services = status.0["services"].as_array().cloned().unwrap_or_default();
    let place = |instance: &str| {
        let mut services = services.iter();
        let own = services.find(|service| service["name"] == instance);
        let running = own.filter(|service| service["state"] == "started");
        let assembly = running.and_then(|service| service["assembly"].as_str());
        assembly.unwrap_or_default().to_owned()
    };
    INSTANCES.map(place).to_vec()
}

/// The lines of the status that are about the clone, without white space at their ends.
fn shown(lab: &Lab, option: Option<&str>) -> Vec<String> {
    let words = ["status", "shop"].into_iter().chain(option);
    let text = lab.cpectl(&words.collect::<Vec<_>>()).ok();
    let own = text
        .lines()
        .filter(|line| line.trim_start().starts_with("many"));
    own.map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn instances_that_are_told_apart_run_die_and_move_one_by_one() {
    let lab = Lab::boot("unique").with_guests(&["a", "b"]);
    lab.write("/srv/document.xml", DOCUMENT);
    lab.cpectl(&["deploy", "--wait", "/srv/document.xml"]).ok();
    let before = lab.sleepers(SECONDS);
    assert_eq!(before.len(), 3, "{before:?}");
    let homes = places(&lab);
    for guest in ["a", "b"] {
        let here = homes.iter().filter(|home| *home == guest).count();
        assert_eq!(count(&lab, guest), here, "{homes:?}");
        assert!((1..=2).contains(&here), "{homes:?}");
    }

    let tree = shown(&lab, None);
    assert!(tree[0].starts_with("many-clone  3/3"), "{tree:?}");
    assert!(tree[0].contains("clone of 3, unique"), "{tree:?}");
    let flat = shown(&lab, Some("--flat"));
    assert_eq!((tree.len(), flat.len()), (4, 3), "{tree:?} {flat:?}");
    for (index, instance) in INSTANCES.into_iter().enumerate() {
        assert!(
            tree[index + 1].starts_with(&format!("  {instance}  ")),
            "{tree:?}"
        );
        assert!(flat[index].starts_with(&format!("{instance} ")), "{flat:?}");
        assert!(
            flat[index].contains(&format!("started  {}", homes[index])),
            "{flat:?}"
        );
    }

    // One dies: it is started again, and the others run on.
    let (home, pid) = before[0].clone();
    lab.sh(&format!("kill -KILL {pid}")).ok();
    lab.wait("it was started again", 60, || {
        let now = lab.sleepers(SECONDS);
        now.len() == 3 && now.iter().all(|(_, own)| *own != pid)
    });
    let now = lab.sleepers(SECONDS);
    assert!(
        before[1..].iter().all(|own| now.contains(own)),
        "{before:?} {now:?}"
    );
    assert_eq!(
        now.iter().filter(|(own, _)| *own == home).count(),
        count(&lab, &home)
    );
    lab.wait("its failure counts for it alone", 60, || {
        let status = lab.status("shop");
        let failures = status.0["failures"].as_array().cloned().unwrap_or_default();
        status.is_settled() && failures.len() == 1
    });

    // A guest is lost: as many as may run in the other one do.
    let (lost, stays) = match count(&lab, "a") {
        2 => ("a", "b"),
        _ => ("b", "a"),
    };
    lab.cut(lost);
    lab.wait("the other guest has two", 120, || {
        let homes = places(&lab);
        count(&lab, stays) == 2
            && count(&lab, lost) == 0
            && homes.iter().filter(|home| *home == stays).count() == 2
    });
    assert_eq!(shown(&lab, None).len(), 4, "the third is shown, too");
    lab.guest("start", lost);
    lab.wait("all run again", 120, || {
        lab.status("shop").is_settled() && lab.sleepers(SECONDS).len() == 3
    });
}
