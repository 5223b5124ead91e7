//! End-to-end tests: real systemd, D-Bus, journald, guests and resource agents, each test in a
//! private system of its own. The modules are the user-visible behaviours.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod addresses;
mod agents;
mod assemblies;
mod attributes;
mod bus;
mod clients;
mod clones;
mod clouds;
mod compromised;
mod configure;
mod crashes;
mod databases;
mod debug;
mod devices;
mod disks;
mod escalation;
mod explanations;
mod fencing;
mod flows;
mod gateway;
mod gateway_orders;
mod granted;
mod history;
mod hosts;
mod installation;
mod killed_agents;
mod metrics;
mod neighbours;
mod networks;
mod notifications;
mod operators;
mod orders;
mod overlap;
mod packages;
mod page;
mod power;
mod promotion;
mod rights;
mod room;
mod seconds;
mod secrets;
mod service_orders;
mod shutdowns;
mod size;
mod ssh;
mod tickets;
mod time;
mod unfencing;
mod walker;
mod watchdog;
mod without_agent;
