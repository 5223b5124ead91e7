//! A lab: a private, real systemd system with its own bus, journal and `cpe`, and booted guests
//! that run `cpe-agent`. Everything is real; nothing touches the machine's own systemd, bus, /run
//! or /tmp, and nothing outlives the process that asked for it.
//!
//! ```no_run
//! use end_to_end::{Document, Lab};
//! let lab = Lab::boot("my-test").with_guests(&["web1", "web2"]);
//! lab.deploy(&Document::new("shop", &["web1", "web2"]).sleeper("httpd", 100_001));
//! assert!(lab.status("shop").assembly_of("httpd").is_some());
//! ```

mod document;
mod guests;
mod lab;
mod status;

pub use document::Document;
pub use lab::{Lab, Output, missing_prerequisite, project_dir};
pub use status::{Event, Status};
