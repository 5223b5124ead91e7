//! The watchdog device: fed under a lease, disarmed when it is gone, and never otherwise. A named
//! pipe is the device; files that say what the kernel would, and a `wdctl`, are beside it.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use cpe_bus::HelloSettings;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::process::Signal;

use crate::guest::{Dpe, Guest, holds, operation, until, with, write_program};

/// As if the kernel had reset the guest long before a test of a second has ended.
const LEASE: HelloSettings = HelloSettings {
    heartbeat_interval_ms: 50,
    lease_ms: 1000,
    grace_ms: 500,
    stop_timeout_ms: 10_000,
    answers: false,
    number: 0,
    process: 0,
};

/// A guest with a device.
struct Equipped {
    guest: Guest,
    device: File,
    /// All that was written.
    written: Vec<u8>,
}

impl Equipped {
    /// `properties`: name and value of what the kernel says of the device.
    fn start(properties: &[(&str, &str)]) -> Equipped {
        let mut guest = Guest::start();
        guest.kill_agent();
        let path = guest.path("watchdog7");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap();
        // Also for writing: it is there although no agent has it open.
        let device = File::options()
            .read(true)
            .write(true)
            .custom_flags(nonblocking)
            .open(path)
            .unwrap();
        fs::create_dir_all(guest.path("properties/watchdog7")).unwrap();
        for (name, value) in properties {
            fs::write(guest.path("properties/watchdog7").join(name), value).unwrap();
        }
        fs::create_dir(guest.path("bin")).unwrap();
        let timeout = guest.path("properties/watchdog7/timeout");
        let wdctl = format!(
            "#!/bin/sh\n[ \"$1\" = --settimeout ] && echo \"$2\" > {}\n",
            timeout.display()
        );
        write_program(&guest.path("bin/wdctl"), &wdctl);
        let mut equipped = Equipped {
            guest,
            device,
            written: Vec::new(),
        };
        equipped.start_agent();
        equipped
    }

    fn start_agent(&mut self) {
        let path = self.guest.path("watchdog7");
        self.start_agent_with(path);
    }

    fn start_agent_with(&mut self, device: PathBuf) {
        let properties = self.guest.path("properties");
        let programs = self.guest.path("bin").display().to_string();
        let change = |agent: &mut Command| {
            let usual = std::env::var("PATH").unwrap();
            agent.env("PATH", format!("{programs}:{usual}"));
            agent.arg("--watchdog-device").arg(device);
            agent.arg("--watchdog-properties").arg(properties);
        };
        self.guest.start_agent_without("--watchdog-device", change);
    }

    fn timeout(&self) -> String {
        let path = self.guest.path("properties/watchdog7/timeout");
        fs::read_to_string(path).unwrap().trim().to_owned()
    }

    /// Reads what has been written since.
    fn read(&mut self) -> String {
        let mut all = [0; 1 << 12];
        let length = self.device.read(&mut all).unwrap_or(0);
        self.written.extend(&all[..length]);
        String::from_utf8_lossy(&all[..length]).into_owned()
    }

    /// How often it was fed, and disarmed.
    fn fed_and_disarmed(&mut self) -> (usize, usize) {
        self.read();
        let disarmed = self.written.iter().filter(|byte| **byte == b'V').count();
        (self.written.len() - disarmed, disarmed)
    }

    async fn is_disarmed(&mut self) {
        let begin = Instant::now();
        while self.fed_and_disarmed().1 == 0 {
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "{}",
                self.guest.log()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(
            self.written.pop(),
            Some(b'V'),
            "nothing is written after it"
        );
    }

    async fn leased(&self) -> Dpe {
        let mut dpe = self.guest.connect().await;
        dpe.hello(1, LEASE).await.unwrap();
        dpe.run(&operation("db", "start")).await;
        dpe
    }
}

async fn renew_for(dpe: &mut Dpe, time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        let stamp = dpe.heartbeat().await.unwrap();
        dpe.agent.renew(dpe.epoch, stamp).await.unwrap();
    }
}

#[tokio::test]
async fn it_is_fed_while_the_lease_is_renewed_and_disarmed_when_the_guest_leaves() {
    let mut equipped = Equipped::start(&[("timeout", "60"), ("identity", "Test driver")]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(equipped.read(), "", "without a lease it is not touched");
    let mut dpe = equipped.leased().await;
    renew_for(&mut dpe, Duration::from_secs(3)).await;
    let (fed, disarmed) = equipped.fed_and_disarmed();
    assert!(fed >= 4 && disarmed == 0, "{fed} {disarmed}");
    // Half of the lease, the grace, and one second, in whole seconds.
    assert_eq!(equipped.timeout(), "2");
    assert!(equipped.guest.log().contains("Test driver"));
    dpe.run(&operation("db", "stop")).await;
    equipped.guest.signal(Signal::TERM);
    assert!(equipped.guest.agent_ended().await.success());
    equipped.is_disarmed().await;
    assert!(!equipped.guest.path("state/watchdog").exists());
}

#[tokio::test]
async fn a_lease_that_is_taken_back_disarms_it() {
    let mut equipped = Equipped::start(&[("timeout", "60")]);
    let mut dpe = equipped.leased().await;
    dpe.hello(1, HelloSettings::default()).await.unwrap();
    equipped.is_disarmed().await;
}

#[tokio::test]
async fn a_lease_that_ends_in_order_disarms_it() {
    let mut equipped = Equipped::start(&[("timeout", "60")]);
    let _dpe = equipped.leased().await;
    equipped.is_disarmed().await;
    assert_eq!(equipped.guest.count("stop db"), 1);
    assert!(!equipped.guest.path("rebooted").exists());
}

#[tokio::test]
async fn it_goes_on_when_the_agent_is_killed_and_the_next_one_feeds_it() {
    let mut equipped = Equipped::start(&[("timeout", "60")]);
    let mut dpe = equipped.leased().await;
    renew_for(&mut dpe, Duration::from_millis(300)).await;
    equipped.guest.kill_agent();
    let (before, disarmed) = equipped.fed_and_disarmed();
    assert!(before > 0 && disarmed == 0);
    equipped.start_agent();
    let mut dpe = equipped.guest.connect().await;
    dpe.hello(2, LEASE).await.unwrap();
    renew_for(&mut dpe, Duration::from_millis(1500)).await;
    let (after, disarmed) = equipped.fed_and_disarmed();
    assert!(after > before && disarmed == 0);
}

#[tokio::test]
async fn an_agent_that_hangs_does_not_feed_it() {
    let mut equipped = Equipped::start(&[("timeout", "60")]);
    let mut dpe = equipped.leased().await;
    renew_for(&mut dpe, Duration::from_millis(600)).await;
    equipped.guest.signal(Signal::STOP);
    tokio::time::sleep(Duration::from_millis(50)).await;
    equipped.read();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(equipped.read(), "");
    // Its lease ended meanwhile: it neither feeds nor disarms the device any more.
    equipped.guest.signal(Signal::CONT);
    let guest = &equipped.guest;
    until("the guest is reset", || {
        holds(guest.path("rebooted").exists())
    })
    .await;
    assert_eq!(equipped.fed_and_disarmed().1, 0);
}

#[tokio::test]
async fn a_guest_whose_services_do_not_stop_is_neither_fed_nor_disarmed() {
    let mut equipped = Equipped::start(&[("timeout", "60")]);
    let mut dpe = equipped.guest.connect().await;
    dpe.hello(1, LEASE).await.unwrap();
    dpe.run(&with(operation("db", "start"), "stubborn", "1000"))
        .await;
    let guest = &equipped.guest;
    until("the guest is reset", || {
        holds(guest.path("rebooted").exists())
    })
    .await;
    equipped.read();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(equipped.read(), "");
    assert_eq!(equipped.fed_and_disarmed().1, 0);
}

#[tokio::test]
async fn what_a_killed_agent_left_armed_without_a_lease_is_disarmed() {
    let mut equipped = Equipped::start(&[("timeout", "60")]);
    drop(equipped.guest.connect().await);
    equipped.guest.kill_agent();
    let path = equipped.guest.path("watchdog7").display().to_string();
    fs::write(equipped.guest.path("state/watchdog"), path).unwrap();
    equipped.start_agent();
    equipped.is_disarmed().await;
}

#[tokio::test]
async fn an_agent_that_is_to_use_none_disarms_the_one_of_the_agent_before() {
    let mut equipped = Equipped::start(&[("timeout", "60")]);
    let mut dpe = equipped.leased().await;
    renew_for(&mut dpe, Duration::from_millis(300)).await;
    equipped.guest.kill_agent();
    equipped.start_agent_with("none".into());
    equipped.is_disarmed().await;
}

#[tokio::test]
async fn one_that_cannot_be_disarmed_is_fed_on() {
    let mut equipped = Equipped::start(&[("timeout", "60"), ("nowayout", "1")]);
    let mut dpe = equipped.leased().await;
    dpe.hello(1, HelloSettings::default()).await.unwrap();
    renew_for(&mut dpe, Duration::from_millis(100)).await;
    let (before, _) = equipped.fed_and_disarmed();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let (after, disarmed) = equipped.fed_and_disarmed();
    assert!(after >= before + 3 && disarmed == 0, "{before} {after}");
    assert!(equipped.guest.log().contains("nowayout"));
    equipped.guest.signal(Signal::TERM);
    assert!(equipped.guest.agent_ended().await.success());
    assert!(equipped.guest.log().contains("is not disarmed"));
}

#[tokio::test]
async fn it_says_why_a_timeout_is_not_the_one_that_the_lease_needs() {
    let mut equipped = Equipped::start(&[("timeout", "60"), ("min_timeout", "30")]);
    let mut dpe = equipped.leased().await;
    renew_for(&mut dpe, Duration::from_millis(400)).await;
    assert_eq!(equipped.timeout(), "30");
    let said = "the timeout of the watchdog device is 30 s, not 2 s";
    assert!(equipped.guest.log().contains(said));
    assert!(
        equipped.fed_and_disarmed().0 > 0,
        "late is better than never"
    );
}

#[tokio::test]
async fn one_that_resets_nothing_or_cannot_be_opened_is_not_used_and_said_once() {
    let mut equipped = Equipped::start(&[("timeout", "60"), ("options", "0x8580")]);
    let mut dpe = equipped.leased().await;
    renew_for(&mut dpe, Duration::from_millis(400)).await;
    assert_eq!(equipped.read(), "");
    assert!(equipped.guest.log().contains("only raises an alarm"));
    equipped.guest.kill_agent();
    equipped.start_agent_with("/nonexistent/watchdog0".into());
    let mut dpe = equipped.guest.connect().await;
    dpe.hello(2, LEASE).await.unwrap();
    renew_for(&mut dpe, Duration::from_millis(800)).await;
    let log = equipped.guest.log();
    let said = "/nonexistent/watchdog0 cannot be opened";
    assert_eq!(log.matches(said).count(), 1, "{log}");
    assert_eq!(equipped.guest.count("stop db"), 0);
}
