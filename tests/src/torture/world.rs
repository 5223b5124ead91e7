//! The system under torture: a lab with two deployments in four guests, and how each fault is made.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use end_to_end::{Lab, System};

use crate::marks::Marks;
use crate::plan::{DEPLOYMENTS, Fault, Kind, LEASED, POWERED, SERVICES};

/// How long a command of the administrator may be refused because of a fault.
const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(200);

/// The running system.
pub(crate) struct World {
    pub(crate) lab: Lab,
    /// How often the document of each deployment was changed.
    rounds: [u32; DEPLOYMENTS.len()],
    /// How often the database of the host was lost: the log then begins again.
    pub(crate) databases_lost: u32,
    /// The faults in force, with the moments at which they end.
    in_force: Vec<(Instant, Fault)>,
}

impl World {
    /// Boots it and deploys the documents.
    ///
    /// # Errors
    /// Something does not come up; the error says what.
    pub(crate) fn boot() -> anyhow::Result<World> {
        let lab = Lab::boot("torture").with_guests(&[LEASED, POWERED].concat());
        // File systems of their own, so that each can be full by itself. A guest that reboots
        // starts again also when machined still knows its former instance: nspawn then ends with 1.
        run(
            &lab,
            "systemctl stop cpe; \
             for user in cpe dpe; do mkdir -p /var/lib/$user; mount -t tmpfs -o size=24m,mode=0755 torture /var/lib/$user; done; \
             chown cpe:cpe /var/lib/cpe; chmod 0700 /var/lib/cpe; mkdir -p /srv/shared/witness; chmod 0777 /srv/shared/witness; \
             printf '[Service]\\nRestartForceExitStatus=1 133\\n' > /etc/systemd/system/systemd-nspawn@.service.d/torture.conf; systemctl daemon-reload; \
             cp /usr/share/doc/cpe/60-dpe-unit-fencing.rules /etc/polkit-1/rules.d/; sleep 1.5; systemctl start cpe",
        )?;
        let mut world = World {
            lab,
            rounds: [0; DEPLOYMENTS.len()],
            databases_lost: 0,
            in_force: Vec::new(),
        };
        world.install_witness()?;
        for index in 0..DEPLOYMENTS.len() {
            world.deploy(index)?;
        }
        world.wait_healthy(Duration::from_secs(60))?;
        Ok(world)
    }

    fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.lab.pid1()))
    }

    /// What the witnesses wrote.
    pub(crate) fn marks(&self) -> Marks {
        Marks::new(&self.path("/srv/shared/witness"))
    }

    fn install_witness(&self) -> anyhow::Result<()> {
        let program = std::env::current_exe()?.with_file_name("witness");
        let to = self.path("/srv/shared/witness-program");
        std::fs::copy(&program, &to).with_context(|| program.display().to_string())?;
        for guest in [LEASED, POWERED].concat() {
            let folder = "/usr/lib/ocf/resource.d/torture";
            let script = format!(
                "mkdir -p {folder} && install -m 755 /srv/shared/witness-program {folder}/witness"
            );
            let output = self.lab.in_guest(guest, &script);
            ensure!(
                output.code == 0,
                "the witness cannot be installed: {output:?}"
            );
        }
        Ok(())
    }

    /// Sends the document of a deployment, again and again while a fault keeps it from being taken.
    fn deploy(&mut self, index: usize) -> anyhow::Result<()> {
        let name = DEPLOYMENTS[index].0;
        let file = format!("/srv/{name}.xml");
        self.lab.write(&file, &document(index, self.rounds[index]));
        self.eventually(&format!("cpectl deploy {file}"))
    }

    /// Runs a command until it succeeds. Faults end meanwhile, when their time is over.
    fn eventually(&mut self, script: &str) -> anyhow::Result<()> {
        let begin = Instant::now();
        loop {
            let output = self.lab.sh(script);
            if output.code == 0 {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                bail!("{script}: refused for {} s: {output:?}", PATIENCE.as_secs());
            }
            self.pass(POLL)?;
        }
    }

    /// Lets time pass, and ends the faults whose time is over.
    ///
    /// # Errors
    /// A fault cannot be ended.
    pub(crate) fn pass(&mut self, time: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + time;
        loop {
            let now = Instant::now();
            if let Some(due) = self.in_force.iter().position(|(end, _)| *end <= now) {
                let (_, fault) = self.in_force.swap_remove(due);
                if let Some(script) = end_script(&fault) {
                    self.eventually(&script)
                        .with_context(|| format!("the end of {fault}"))?;
                }
            } else if now >= until {
                return Ok(());
            } else {
                std::thread::sleep(POLL.min(until - now));
            }
        }
    }

    /// Lets time pass until no fault is in force.
    ///
    /// # Errors
    /// A fault cannot be ended.
    pub(crate) fn end_all(&mut self) -> anyhow::Result<()> {
        while !self.in_force.is_empty() {
            self.pass(POLL)?;
        }
        Ok(())
    }

    /// What is not as it should be; empty when all deployments run and nothing is being done.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for (name, guests) in DEPLOYMENTS {
            let status = self.lab.status(name);
            if !status.is_settled() || status.services().len() != SERVICES {
                complaints.push(format!("{name} is {:?}, not settled", status.state()));
            }
            let offline = guests
                .iter()
                .filter(|guest| status.assembly_state(guest) != "online");
            complaints.extend(offline.map(|guest| format!("{guest} is not online")));
            for service in (0..SERVICES).map(|n| format!("{name}-{n}")) {
                let processes = self.lab.processes(&format!("witness --serve {service}$"));
                if processes.len() != 1 {
                    complaints.push(format!("{service} has these processes: {processes:?}"));
                }
            }
        }
        complaints
    }

    /// Waits until everything is healthy.
    ///
    /// # Errors
    /// It is not within `patience`; the error has the complaints.
    pub(crate) fn wait_healthy(&self, patience: Duration) -> anyhow::Result<()> {
        let begin = Instant::now();
        loop {
            let complaints = self.complaints();
            if complaints.is_empty() {
                return Ok(());
            }
            ensure!(
                begin.elapsed() < patience,
                "not healthy within {} s: {}",
                patience.as_secs(),
                complaints.join("; ")
            );
            std::thread::sleep(POLL);
        }
    }

    /// Makes a fault. One that lasts ends when its time is over; see [`World::pass`].
    ///
    /// # Errors
    /// The fault could not be made, or a command that must work in spite of it did not.
    pub(crate) fn begin(&mut self, fault: &Fault) -> anyhow::Result<()> {
        self.make(fault)?;
        if !fault.lasts.is_zero() {
            let end = Instant::now() + fault.lasts;
            self.in_force.push((end, fault.clone()));
        }
        Ok(())
    }

    fn make(&mut self, fault: &Fault) -> anyhow::Result<()> {
        let Fault {
            deployment, guest, ..
        } = fault;
        if !fault.lasts.is_zero() {
            self.in_force
                .push((Instant::now() + fault.lasts, fault.clone()));
        }
        match fault.kind {
            Kind::LoseDatabase => self.databases_lost += 1,
            Kind::ChangeDocument => {
                let index = DEPLOYMENTS
                    .iter()
                    .position(|d| d.0 == *deployment)
                    .unwrap_or(0);
                self.rounds[index] += 1;
                return self.deploy(index);
            }
            Kind::Standby => {
                return self.eventually(&format!("cpectl standby {deployment} {guest}"));
            }
            Kind::KillService => {
                for (_, pid) in self
                    .lab
                    .processes(&format!("witness --serve {}$", fault.service))
                {
                    self.lab.sh(&format!("kill -9 {pid} || :"));
                }
                return Ok(());
            }
            _ => {}
        }
        run(&self.lab, &begin_script(fault))
    }
}

fn run(lab: &Lab, script: &str) -> anyhow::Result<()> {
    let output = lab.sh(script);
    ensure!(output.code == 0, "{script}: {output:?}");
    Ok(())
}

/// A script that runs in a guest. It works with a full /run, where a transient unit could not be
/// made.
fn in_guest(guest: &str, script: &str) -> String {
    format!(
        "nsenter -t $(machinectl show -p Leader --value {guest}) -a -- /bin/bash -euo pipefail -c '{script}'"
    )
}

/// The same for the begin of a fault: a guest that is down has nothing that could be hit.
fn in_running_guest(guest: &str, script: &str) -> String {
    format!(
        "{} || ! machinectl show {guest} > /dev/null 2>&1",
        in_guest(guest, script)
    )
}

fn begin_script(fault: &Fault) -> String {
    let Fault {
        deployment, guest, ..
    } = fault;
    match fault.kind {
        Kind::KillCpe => "systemctl kill -s KILL cpe.service || :".into(),
        Kind::StopCpe => "systemctl kill -s STOP cpe.service || :".into(),
        Kind::RestartCpe => "systemctl restart cpe.service".into(),
        Kind::LoseDatabase => {
            "systemctl stop cpe.service; rm -f /var/lib/cpe/cpe.db*; systemctl start cpe.service"
                .into()
        }
        Kind::FillCpeDisk => {
            "dd if=/dev/zero of=/var/lib/cpe/filler bs=64k 2>/dev/null || :".into()
        }
        Kind::KillDpe => format!("systemctl kill -s KILL dpe@{deployment}.service || :"),
        Kind::StopDpe => format!("systemctl kill -s STOP dpe@{deployment}.service || :"),
        Kind::RestartDpe => format!("systemctl restart dpe@{deployment}.service"),
        Kind::FillDpeDisk => {
            "dd if=/dev/zero of=/var/lib/dpe/filler bs=64k 2>/dev/null || :".into()
        }
        Kind::RestartBus => "systemctl restart dbus.service".into(),
        Kind::ReexecManager => "systemctl daemon-reexec".into(),
        Kind::CutPower => format!(
            "systemctl kill --kill-who=all --signal=KILL systemd-nspawn@{guest}.service || :"
        ),
        Kind::RebootGuest => format!("systemctl -M {guest} reboot || :"),
        Kind::PauseGuest => format!("/srv/lab/guests.sh pause {guest} || :"),
        Kind::KillAgent => in_running_guest(guest, "pkill -9 -x cpe-agent || :"),
        Kind::StopAgent => in_running_guest(guest, "pkill -STOP -x cpe-agent || :"),
        Kind::BreakAgentSettings => in_running_guest(
            guest,
            "echo CPE_AGENT_LISTEN=unix:/nonexistent/agent.sock >> /etc/cpe/agent.conf; pkill -9 -x cpe-agent || :",
        ),
        // The connection that stands is cut with the DPE; a new one finds no socket.
        Kind::HideAgent => format!(
            "mv /run/cpe/guests/{guest}/agent.sock /run/cpe/guests/{guest}/hidden || :; systemctl kill -s KILL dpe@{deployment}.service || :"
        ),
        Kind::FillGuestRun => in_running_guest(
            guest,
            "mount -o remount,size=$(df --output=used -k /run | tail -1 | tr -d \" \")k /run",
        ),
        Kind::KillService | Kind::ChangeDocument | Kind::Standby => ":".into(),
    }
}

fn end_script(fault: &Fault) -> Option<String> {
    let Fault {
        deployment, guest, ..
    } = fault;
    let script = match fault.kind {
        Kind::StopCpe => "systemctl kill -s CONT cpe.service || :".into(),
        Kind::FillCpeDisk => "rm -f /var/lib/cpe/filler".into(),
        Kind::StopDpe => format!("systemctl kill -s CONT dpe@{deployment}.service || :"),
        Kind::FillDpeDisk => "rm -f /var/lib/dpe/filler".into(),
        Kind::CutPower => format!("/srv/lab/guests.sh start {guest}"),
        Kind::PauseGuest => {
            format!("/srv/lab/guests.sh resume {guest} || :; /srv/lab/guests.sh start {guest}")
        }
        Kind::BreakAgentSettings => in_guest(
            guest,
            "sed -i /nonexistent/d /etc/cpe/agent.conf; systemctl reset-failed cpe-agent; systemctl restart --no-block cpe-agent",
        ),
        // An agent that was restarted meanwhile has made a new socket.
        Kind::HideAgent => format!(
            "cd /run/cpe/guests/{guest}; [ -e agent.sock ] || mv hidden agent.sock; rm -f hidden"
        ),
        Kind::FillGuestRun => in_guest(guest, "mount -o remount,size=20% /run"),
        Kind::Standby => format!("cpectl unstandby {deployment} {guest}"),
        _ => return None,
    };
    Some(script)
}

/// The document of a deployment. `round` is a parameter of one service: another one restarts it.
fn document(index: usize, round: u32) -> String {
    let (name, guests) = DEPLOYMENTS[index];
    let fencing = |guest: &str| match index {
        0 => r#"<fencing mode="lease"/>"#.to_owned(),
        _ => format!(r#"<fencing mode="unit" unit="systemd-nspawn@{guest}.service"/>"#),
    };
    let assemblies: String = guests
        .iter()
        .map(|guest| {
            format!(
                "    <assembly name=\"{guest}\" address=\"unix:/run/cpe/guests/{guest}/agent.sock\">{}</assembly>\n",
                fencing(guest)
            )
        })
        .collect();
    let services: String = (0..SERVICES)
        .map(|n| {
            let round = if n == 0 { round } else { 0 };
            format!(
                "    <service name=\"{name}-{n}\" class=\"ocf\" provider=\"torture\" type=\"witness\" monitor_interval=\"1s\">\n      \
                 <parameters><parameter name=\"round\"><value>{round}</value></parameter></parameters></service>\n"
            )
        })
        .collect();
    format!(
        "<deployable name=\"{name}\" uuid=\"6f6d7f6a-54a6-4c4b-9d70-0a4f0c3c6a1{index}\" heartbeat_interval=\"500ms\" heartbeat_timeout=\"3s\">\n  \
         <assemblies>\n{assemblies}  </assemblies>\n  <services>\n{services}  </services>\n</deployable>\n"
    )
}
