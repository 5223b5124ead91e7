//! For tests: a host that is real but for its DPEs, which only write down when they may act.
//!
//! `fake-host host CONFIG` is a driver that reads orders from its input, a line each.
//! `fake-host dpe CONFIG NAME` is a fake DPE, a process of its own: it goes on when the driver is
//! killed, as a unit does.

#![allow(clippy::print_stdout)]

mod config;
mod dpe;
mod orders;
mod runner;

use membership::Driver;
use tokio::sync::mpsc;

use crate::config::{Config, Result};
use crate::runner::FakeRunner;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["host", config] => host(Config::read(config)?),
        ["dpe", config, name] => dpe::run(&Config::read(config)?, name),
        _ => Err("usage: fake-host host CONFIG | fake-host dpe CONFIG NAME".into()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn host(config: Config) -> Result<()> {
    let (events, ends) = mpsc::channel(100);
    let runner = FakeRunner::new(config.clone(), events);
    runner.watch_what_runs()?;
    let (driver, handle) = Driver::new(config.cluster(), runner, ends).await?;
    tokio::spawn(orders::take(handle));
    match driver.run().await? {}
}
