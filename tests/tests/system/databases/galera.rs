//! `examples/galera.xml`: a client writes to one member while another one loses its power and
//! comes back; then all lose it.

use std::collections::BTreeSet;

use end_to_end::{Lab, System, now};

use super::{boot, missing, promoted, stop_writing, write, written};

const GUESTS: [&str; 3] = ["sql1", "sql2", "sql3"];
/// Rows that are written before, meanwhile and after.
const SOME: usize = 50;

/// The result of a query in a guest's server; empty if it does not answer.
fn query(lab: &Lab, guest: &str, sql: &str) -> String {
    lab.in_guest(
        guest,
        &format!("mysql --skip-column-names --batch -e \"{sql}\""),
    )
    .stdout
}

/// How many members a server sees; empty if it does not answer.
fn members(lab: &Lab, guest: &str) -> String {
    let sql = "select variable_value from information_schema.global_status where variable_name = 'wsrep_cluster_size'";
    query(lab, guest, sql).trim().to_owned()
}

fn rows(lab: &Lab, guest: &str) -> BTreeSet<u64> {
    let rows = query(lab, guest, "select n from shop.orders");
    rows.lines().filter_map(|line| line.parse().ok()).collect()
}

fn all_three(lab: &Lab) -> bool {
    promoted(lab, "orders", "galera").len() == 3 && GUESTS.iter().all(|it| members(lab, it) == "3")
}

fn nothing_is_missing(lab: &Lab, written: &[(u64, f64)]) {
    for guest in GUESTS {
        lab.wait(&format!("{guest} has every acknowledged row"), 20, || {
            missing(written, &rows(lab, guest)).is_empty()
        });
    }
}

#[test]
fn a_member_of_galera_comes_back_with_what_was_written_meanwhile() {
    let lab = boot("galera", &GUESTS, "galera.cnf", "/etc/mysql/galera.cnf");
    lab.cpectl(&["deploy", "/srv/document.xml"]).ok();
    let ready = lab.wait("all three are promoted", 120, || all_three(&lab));
    let schema = "create database shop; create table shop.orders (n bigint primary key); create user shop@'%'; grant all on shop.* to shop@'%'";
    query(&lab, "sql1", schema);
    write(&lab, "galera", "10.77.0.12");
    lab.wait("the client writes", 30, || written(&lab).len() > SOME);

    let cut_at = now();
    lab.cut("sql1");
    lab.wait("the others go on", 60, || {
        written(&lab)
            .iter()
            .filter(|(_, at)| *at > cut_at + 1.0)
            .count()
            > SOME
    });
    let pause = written(&lab)
        .windows(2)
        .filter(|pair| pair[1].1 > cut_at)
        .map(|pair| pair[1].1 - pair[0].1)
        .fold(0.0, f64::max);
    lab.wait("the third is back", 120, || all_three(&lab));
    let back = now() - cut_at;
    stop_writing(&lab);
    let written = written(&lab);
    nothing_is_missing(&lab, &written);

    // All at once: the agents find out which guest has the most, and begin with it.
    let cut_at = now();
    for guest in GUESTS {
        lab.cut(guest);
    }
    lab.wait("no server is left", 10, || members(&lab, "sql2").is_empty());
    lab.wait("all three are promoted again", 120, || all_three(&lab));
    let again = now() - cut_at;
    nothing_is_missing(&lab, &written);
    eprintln!(
        "galera: promoted {:.1} s after its deployment; {} rows; no acknowledgement for {pause:.1} s; three members again after {back:.1} s; all lost, and again after {again:.1} s",
        ready.as_secs_f64(),
        written.len()
    );
}
