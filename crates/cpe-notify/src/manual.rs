//! cpe-sinks(5), made of the keys that the reader of sinks knows.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;
use cpe_notify::config::{FOLDER, KEYS};

const HEAD: &str = r#".TH cpe-sinks 5 "" "" "Cloud Policy Engine"
.SH NAME
cpe\-sinks \- sinks of the events of the Cloud Policy Engine
.SH SYNOPSIS
FOLDER/NAME.toml
.SH DESCRIPTION
Each file is a sink, to which cpe\-notify(8) delivers events: a webhook, or a program that is run for each event. NAME has a\-z, 0\-9 and \-.
Unknown keys and wrong values are refused, with line and column; the other sinks work all the same. \fBcpe\-notify \-\-check\-config\fR checks
the files, \fBsystemctl reload cpe\-notify\fR has them read again, \fBcpectl sinks\fR shows how each stands.
.PP
An event arrives at least once, in order, and always with the same id. HTTP status 408, 425, 429 and 5xx, silence, and a program that
fails are tried again, after a time by chance of up to 1 s, 2 s, 4 s and so on, at most 10 minutes, or when the server asks for it. All
else, and an event that was tried too often, is a dead letter, kept for 30 days and at most 10000 for each sink.
.SH KEYS
"#;
const TAIL: &str = r#".SH EXAMPLE
.nf
type = "http"
url = "https://pager.example/cpe"
secret_file = "pager.secret"
kinds = ["*.failed", "assembly.lost"]
.fi
.PP
.nf
type = "exec"
command = ["/usr/share/pacemaker/alerts/alert_file.sh.sample"]
recipient = "/var/log/cpe\-notify/alerts.log"
.fi
.SH SEE ALSO
cpe\-notify(8), cpectl\-sinks(1), systemd.exec(5)
"#;

/// Writes the page.
pub(crate) fn sinks(directory: &Path) -> anyhow::Result<()> {
    let path = directory.join("cpe-sinks.5");
    std::fs::write(&path, page()).with_context(|| format!("cannot write {}", path.display()))
}

fn page() -> String {
    let mut page = HEAD.replace("FOLDER", &roff(FOLDER));
    for key in KEYS {
        let _ = writeln!(
            page,
            ".TP\n\\fB{}\\fR = {}",
            roff(key.name),
            roff(key.value)
        );
        let _ = writeln!(page, "{}", roff(key.meaning));
        let of = match key.of {
            "" => String::new(),
            of => format!("Of type {of}. "),
        };
        let default = match key.default {
            "" => "It must be there.".to_owned(),
            default => format!("Without it: {default}."),
        };
        let _ = writeln!(page, "{}", roff(&format!("{of}{default}")));
    }
    page.push_str(TAIL);
    page
}

/// Text in which nothing is a command of roff.
fn roff(text: &str) -> String {
    text.replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('`', "'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_key() {
        let page = page();
        for key in KEYS {
            let line = format!("\n\\fB{}\\fR = ", roff(key.name));
            assert!(page.contains(&line), "{}", key.name);
        }
        assert!(!page.lines().any(|line| line.starts_with('\'')));
    }
}
