//! Guests with a resource agent that writes down what it is asked for, and keeps real processes.

use end_to_end::{Lab, System};

/// Boots two guests that have the agent, and deploys.
pub(crate) fn boot(name: &str, document: &str) -> Lab {
    let lab = Lab::boot(name).with_guests(&["a", "b"]);
    lab.write("/srv/shared/walker", include_str!("walker.sh"));
    lab.write("/srv/shared/count", include_str!("count.sh"));
    for guest in ["a", "b"] {
        lab.in_guest(guest, "mkdir -p /usr/lib/ocf/resource.d/test && install -m 755 /srv/shared/walker /usr/lib/ocf/resource.d/test/walker").ok();
    }
    lab.write("/srv/document.xml", document);
    lab.cpectl(&["deploy", "--wait", "/srv/document.xml"]).ok();
    lab
}
