//! A lab: a private, real systemd system with its own bus, journal and `cpe`, and booted guests
//! that run `cpe-agent`. Everything is real; nothing touches the machine's own systemd, bus, /run
//! or /tmp, and nothing outlives the process that asked for it.
//!
//! ```no_run
//! let lab = end_to_end::Lab::boot("my-test").with_guests(&["web1", "web2"]);
//! lab.deploy("three-tier.xml");
//! lab.wait("httpd runs", 20, || lab.status("shop").assembly_of("httpd").is_some());
//! ```

mod guests;
mod lab;
mod status;

pub use lab::{Lab, Output, missing_prerequisite, project_dir};
pub use status::{Event, Status};
