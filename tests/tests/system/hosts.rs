//! Three hosts that share deployments through a real etcd: whatever happens to one of them, or to
//! the store, no guest notices.

use std::path::Path;

use end_to_end::hosts::{Hosts, Reader, STEPS, Scene, Telling};

/// What did not hold, and all that was said before.
#[derive(Default)]
struct Told {
    said: String,
    failed: bool,
}

impl Telling for Told {
    fn check(&mut self, what: &str, holds: bool) {
        self.failed |= !holds;
        self.tell(&format!("{} {what}", if holds { "✓" } else { "✗" }));
    }

    fn tell(&mut self, what: &str) {
        eprintln!("  {what}");
        self.said += &format!("{what}\n");
    }
}

#[test]
fn no_trouble_of_hosts_or_of_their_store_reaches_a_service() {
    let witness = Path::new(env!("CARGO_BIN_EXE_witness"));
    let mut hosts = Hosts::boot("hosts", witness);
    let mut reader = Reader::default();
    for step in STEPS {
        let mut told = Told::default();
        eprintln!("{}", step.title);
        (step.run)(&mut Scene {
            hosts: &mut hosts,
            reader: &mut reader,
            to: &mut told,
        });
        assert!(!told.failed, "{}:\n{}", step.title, told.said);
    }
}
