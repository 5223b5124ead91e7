//! A lab: a private, real systemd system with its own bus, journal and `cpe`, and booted guests
//! that run `cpe-agent`. Everything is real; nothing touches the machine's own systemd, bus, /run
//! or /tmp, and nothing outlives the process that asked for it. Where no private system can be
//! booted, [`Processes`] is the same with plain processes under a user's own service manager.
//!
//! ```no_run
//! use end_to_end::{Document, Lab, System};
//! let lab = Lab::boot("my-test").with_guests(&["web1", "web2"]);
//! lab.deploy(&Document::new("shop", &["web1", "web2"]).sleeper("httpd", 100_001));
//! assert!(lab.status("shop").assembly_of("httpd").is_some());
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod crowd;
mod document;
pub mod domains;
pub mod gateway;
mod guests;
pub mod hosts;
mod lab;
mod ledger;
pub mod marks;
pub mod packages;
mod processes;
pub mod sinks;
mod status;
mod system;

pub use crowd::Crowd;
pub use document::Document;
pub use lab::{
    Lab, layer, missing_for_browsers, missing_for_hosts, missing_for_machines,
    missing_prerequisite, no_machines, prepared, project_dir,
};
pub use ledger::{Ledger, Reign, Row, longest_pause, now, two_at_once};
pub use processes::Processes;
pub use status::{Event, Status};
pub use system::{Output, System};
