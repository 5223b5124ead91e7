//! The replicated PostgreSQL of `examples/postgresql.xml` in a lab: its guests, a client that
//! writes without end, somebody who watches who is a primary, and what an operator does after a
//! failover.

use std::collections::{BTreeMap, BTreeSet};

use crate::lab::{Lab, project_dir};
use crate::system::System;

/// The deployment's name.
const NAME: &str = "ledger";
/// Where the clients and the standbys find the primary.
const ADDRESS: &str = "10.77.0.110";
/// Of the database's users, in this lab only.
const PASSWORD: &str = "PASSWORD=of-this-lab";
/// Two looks (10 a second) that are further apart are not of one time as a primary, in seconds.
const GAP: f64 = 1.0;

/// A lab in which it runs.
pub struct Ledger {
    pub lab: Lab,
}

/// A row whose commit was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    pub number: u64,
    /// When, in seconds.
    pub at: f64,
}

/// A time in which a guest's server was a primary whenever it was asked, in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Reign {
    pub guest: String,
    pub from: f64,
    pub to: f64,
}

impl Ledger {
    /// The assemblies.
    pub const GUESTS: [&'static str; 3] = ["db1", "db2", "db3"];

    /// Boots the guests and another one for the client, and gives the three their data.
    #[track_caller]
    pub fn boot(name: &str) -> Ledger {
        let lab = Lab::boot(name).with_guests(&["db1", "db2", "db3", "client"]);
        lab.sh("cp /usr/share/doc/cpe/60-dpe-unit-fencing.rules /etc/polkit-1/rules.d/; cp /srv/lab/ledger.sh /srv/shared/").ok();
        let prepare = "/srv/examples/postgresql/prepare";
        // The server that is left running is not part of the unit that runs this.
        let first =
            format!("systemd-run --quiet --scope --setenv={PASSWORD} /bin/bash {prepare} first");
        lab.in_guest("db1", &first).ok();
        lab.sh(&format!(
            "for g in db2 db3; do /srv/lab/guests.sh run $g /usr/bin/env {PASSWORD} /bin/bash {prepare} standby 10.77.0.11 & copies+=\" $!\"; done
             for copy in $copies; do wait $copy; done
             /srv/lab/guests.sh run db1 /bin/bash {prepare} done"
        ))
        .ok();
        Ledger { lab }
    }

    /// Writes the example's document, for the guests' version of PostgreSQL. Gives its path.
    #[track_caller]
    pub fn document(&self) -> &'static str {
        let example = project_dir().join("examples/postgresql.xml");
        let text = std::fs::read_to_string(example).expect("the example can be read");
        let version = self.lab.sh("ls /srv/guest/usr/lib/postgresql").ok();
        let bin = format!("/postgresql/{}/bin/", version.trim());
        self.lab.write(
            "/srv/document.xml",
            &text.replace("/postgresql/15/bin/", &bin),
        );
        "/srv/document.xml"
    }

    /// The assembly in which the database is promoted, by the DPE's word.
    pub fn primary(&self) -> Option<String> {
        let status = self.lab.status(NAME);
        let services = status.0["services"].as_array().cloned().unwrap_or_default();
        let promoted =
            |it: &&serde_json::Value| it["service"] == "database" && it["state"] == "promoted";
        let found = services.iter().find(promoted)?;
        found["assembly"].as_str().map(str::to_owned)
    }

    /// Whether the status says that a server was not started because of its agent's lock.
    pub fn is_locked(&self) -> bool {
        let status = self.lab.cpectl(&["status", NAME]).stdout;
        status.contains("PGSQL.lock")
    }

    /// The result of a query in the server of a guest; empty if it does not answer.
    pub fn query(&self, guest: &str, sql: &str) -> String {
        let psql = "$(ls -d /usr/lib/postgresql/*/bin/psql | tail -n 1)";
        let script = format!(
            "cd /; runuser -u postgres -- {psql} -qAtX -h /run/postgresql {NAME} -c \"{sql}\""
        );
        self.lab.in_guest(guest, &script).stdout
    }

    /// The standbys of a primary: by guest, whether it waits for them (`sync`) or not.
    pub fn standbys(&self, primary: &str) -> BTreeMap<String, String> {
        let sql = "select application_name, sync_state from pg_stat_replication where state = 'streaming'";
        let rows = self.query(primary, sql);
        rows.lines()
            .filter_map(|line| line.split_once('|'))
            .map(|(guest, state)| (guest.to_owned(), state.to_owned()))
            .collect()
    }

    /// A primary and two standbys, one of which it waits for; and nothing is under way.
    pub fn is_complete(&self) -> bool {
        let Some(primary) = self.primary() else {
            return false;
        };
        let standbys = self.standbys(&primary);
        let waits = standbys.values().any(|state| state == "sync");
        standbys.len() == 2 && waits && self.lab.status(NAME).is_settled()
    }

    /// Makes the table, and lets the client write and the servers be watched from now on.
    #[track_caller]
    pub fn use_it(&self) {
        let primary = self.primary().expect("a primary");
        self.query(
            &primary,
            "create table ledger (n bigint primary key); alter table ledger owner to ledger",
        );
        let write = format!(
            "PG{PASSWORD} exec /bin/bash /srv/shared/ledger.sh write {ADDRESS} /srv/shared/written"
        );
        let mut script = format!(
            "systemd-run --quiet --unit=ledger-client /srv/lab/guests.sh run client /bin/bash -c '{write}'\n"
        );
        for guest in Ledger::GUESTS {
            // Again when the guest is back.
            script += &format!(
                "systemd-run --quiet --unit=ledger-watch-{guest} /bin/bash -c 'while :; do /srv/lab/guests.sh run {guest} /bin/bash /srv/shared/ledger.sh watch /srv/shared/watched-{guest}; sleep 0.2; done'\n"
            );
        }
        self.lab.sh(&script).ok();
    }

    /// Ends the client.
    #[track_caller]
    pub fn stop_client(&self) {
        let stop = "systemctl stop ledger-client.service; machinectl terminate client";
        self.lab.sh(stop).ok();
    }

    /// The rows that the client knows to be committed, in its order.
    pub fn written(&self) -> Vec<Row> {
        let text = self.lab.sh("cat /srv/shared/written || :").stdout;
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().filter_map(read_row).collect()
    }

    /// The numbers of the rows that a guest's server has.
    pub fn kept(&self, guest: &str) -> BTreeSet<u64> {
        let rows = self.query(guest, "select n from ledger");
        rows.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// The times as primaries that were seen, in their order.
    pub fn reigns(&self) -> Vec<Reign> {
        let mut reigns = Vec::new();
        for guest in Ledger::GUESTS {
            let text = self
                .lab
                .sh(&format!("cat /srv/shared/watched-{guest} || :"));
            reigns.extend(reigns_of(guest, &text.stdout));
        }
        reigns.sort_by(|a, b| a.from.total_cmp(&b.from));
        reigns
    }

    /// What an operator does with a guest whose data cannot be used any more: copies them from the
    /// primary, and has the DPE forget what failed.
    #[track_caller]
    pub fn rejoin(&self, guest: &str) {
        let prepare =
            format!("{PASSWORD} /bin/bash /srv/examples/postgresql/prepare rejoin {ADDRESS}");
        self.lab.in_guest(guest, &prepare).ok();
        self.lab
            .cpectl(&["cleanup", NAME, "database", "--assembly", guest])
            .ok();
    }
}

/// The present, in seconds.
pub fn now() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

fn read_row(line: &str) -> Option<Row> {
    let (number, at) = line.split_once(' ')?;
    Some(Row {
        number: number.parse().ok()?,
        at: at.parse().ok()?,
    })
}

/// Looks at one guest (`SECONDS t|f` a line), to times as a primary.
fn reigns_of(guest: &str, looks: &str) -> Vec<Reign> {
    let mut reigns: Vec<Reign> = Vec::new();
    let mut reigns_on = false;
    for (at, primary) in looks.lines().filter_map(|line| line.split_once(' ')) {
        let Ok(at) = at.parse::<f64>() else {
            continue;
        };
        match reigns.last_mut() {
            _ if primary != "f" => reigns_on = false,
            Some(last) if reigns_on && at - last.to < GAP => last.to = at,
            _ => {
                reigns.push(Reign {
                    guest: guest.to_owned(),
                    from: at,
                    to: at,
                });
                reigns_on = true;
            }
        }
    }
    reigns
}

/// Two guests that were primaries at one time, if there are.
pub fn two_at_once(reigns: &[Reign]) -> Option<(&Reign, &Reign)> {
    let pairs = reigns
        .iter()
        .flat_map(|a| reigns.iter().map(move |b| (a, b)));
    pairs
        .into_iter()
        .find(|(a, b)| a.guest < b.guest && a.from <= b.to && b.from <= a.to)
}

/// The longest time without an acknowledged row after a moment, in seconds.
pub fn longest_pause(rows: &[Row], after: f64) -> f64 {
    let pairs = rows.windows(2).filter(|pair| pair[1].at > after);
    pairs
        .map(|pair| pair[1].at - pair[0].at)
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sees_two_primaries_at_one_time() {
        let first = reigns_of("db1", "1.0 t\n2.0 f\n2.1 f\n2.2 f\n9.0 f\n9.1 t\n");
        let spans: Vec<(f64, f64)> = first.iter().map(|it| (it.from, it.to)).collect();
        assert_eq!(spans, [(2.0, 2.2), (9.0, 9.0)]);
        let after = reigns_of("db2", "2.0 t\n2.3 f\n8.0 f\n8.5 f\n");
        let both = [first.clone(), after].concat();
        assert_eq!(two_at_once(&both), None);
        let beside = reigns_of("db2", "2.1 f\n2.3 f\n");
        assert!(two_at_once(&[first, beside].concat()).is_some());
    }

    #[test]
    fn it_finds_the_pause() {
        let row = |at| Row { number: 1, at };
        let rows = [row(0.0), row(5.0), row(5.1), row(8.1), row(8.2)];
        assert!((longest_pause(&rows, 5.05) - 3.0).abs() < 0.001);
        assert_eq!(
            read_row("17 8.5"),
            Some(Row {
                number: 17,
                at: 8.5
            })
        );
        assert_eq!(read_row("17"), None);
    }
}
