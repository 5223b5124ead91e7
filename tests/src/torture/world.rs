//! The system under torture: three deployments in six guests, and how each fault is made.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use end_to_end::marks::Marks;
use end_to_end::{Event, Lab, System};

use crate::plan::{DEPLOYMENTS, Fault, Kind, LEASED, NETWORKED, POWERED, SERVICES};

/// How long a command of the administrator may be refused because of a fault.
const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(200);

/// What a document says that can change.
#[derive(Clone, Copy, Debug)]
struct Document {
    /// Which of the deployments it is.
    index: usize,
    /// A parameter of one service: another one restarts it.
    round: u32,
    /// The two assemblies have each other's guest.
    swapped: bool,
    /// Only the first assembly is there, and it has the other one's guest.
    moved: bool,
}

/// The running system.
pub(crate) struct World {
    pub(crate) lab: Lab,
    /// What the document of each deployment says at present.
    documents: [Document; DEPLOYMENTS.len()],
    /// How often the database of the host was lost: the log then begins again.
    databases_lost: u32,
    /// The faults in force, with the moments at which they end.
    in_force: Vec<(Instant, Fault)>,
}

impl World {
    /// Boots it and deploys the documents. It is tortured for `minutes`, then has to recover, and
    /// is looked at.
    ///
    /// # Errors
    /// Something does not come up; the error says what.
    pub(crate) fn boot(minutes: Duration) -> anyhow::Result<World> {
        let lifetime = minutes * 2 + Duration::from_secs(900);
        let lab = Lab::boot_for("torture", lifetime).with_guests(&guests());
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
            documents: std::array::from_fn(Document::of),
            databases_lost: 0,
            in_force: Vec::new(),
        };
        world.install_witness()?;
        world.connect_network()?;
        for index in 0..DEPLOYMENTS.len() {
            world.deploy(index)?;
        }
        world.wait_healthy(Duration::from_secs(60))?;
        Ok(world)
    }

    /// The document of a deployment, to be changed.
    fn document(&mut self, deployment: &str) -> &mut Document {
        let index = DEPLOYMENTS.iter().position(|own| own.0 == deployment);
        &mut self.documents[index.unwrap_or(0)]
    }

    /// Changes the document of a deployment and sends it.
    fn change(
        &mut self,
        deployment: &str,
        change: impl FnOnce(&mut Document),
    ) -> anyhow::Result<()> {
        let document = self.document(deployment);
        change(document);
        let index = document.index;
        self.deploy(index)
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
        for guest in guests() {
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

    /// Gives the guests on the network certificates, and has their agents listen there too.
    fn connect_network(&self) -> anyhow::Result<()> {
        run(&self.lab, "cpectl pki init")?;
        for guest in NETWORKED {
            let folder = format!("/var/lib/machines/{guest}/etc/cpe/agent");
            run(
                &self.lab,
                &format!("cpectl pki issue mill {guest} --output {folder}"),
            )?;
            let listen = "echo CPE_AGENT_LISTEN=unix:/run/cpe-channel/agent.sock,tcp:0.0.0.0 > /etc/cpe/agent.conf; \
                          systemctl restart cpe-agent.service";
            run(&self.lab, &in_guest(guest, listen))?;
        }
        Ok(())
    }

    /// The event logs: of each database that was lost, and of the present one.
    pub(crate) fn logs(&self) -> Vec<Vec<Event>> {
        let lost = (0..self.databases_lost).map(|number| {
            let text = self.lab.sh(&format!("cat {}", lost_log(number)));
            Event::parse_all(&text.ok())
        });
        lost.chain([self.lab.events()]).collect()
    }

    /// Sends the document of a deployment, again and again while a fault keeps it from being taken.
    fn deploy(&mut self, index: usize) -> anyhow::Result<()> {
        let name = DEPLOYMENTS[index].0;
        let file = format!("/srv/{name}.xml");
        self.lab.write(&file, &self.documents[index].xml());
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
                self.end(&fault)
                    .with_context(|| format!("the end of {fault}"))?;
            } else if now >= until {
                return Ok(());
            } else {
                std::thread::sleep(POLL.min(until - now));
            }
        }
    }

    fn end(&mut self, fault: &Fault) -> anyhow::Result<()> {
        if fault.kind == Kind::MoveAssembly {
            return self.change(fault.deployment, |document| document.moved = false);
        }
        end_script(fault).map_or(Ok(()), |script| self.eventually(&script))
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
        match fault.kind {
            Kind::LoseDatabase => {
                let log = lost_log(self.databases_lost);
                self.eventually(&format!("cpectl events --json > {log}"))?;
                self.databases_lost += 1;
            }
            Kind::ChangeDocument => {
                return self.change(deployment, |document| document.round += 1);
            }
            Kind::SwapAddresses => {
                return self.change(deployment, |document| document.swapped ^= true);
            }
            Kind::MoveAssembly => {
                return self.change(deployment, |document| document.moved = true);
            }
            Kind::Recreate => {
                // 4: it has gone, by an attempt whose answer was lost.
                self.eventually(&format!("cpectl destroy {deployment} || [ $? = 4 ]"))?;
                return self.change(deployment, |_| ());
            }
            Kind::Maintain => {
                self.eventually(&format!("cpectl maintenance {deployment} on --force"))?;
                // The agents hear of it.
                std::thread::sleep(Duration::from_secs(2));
            }
            Kind::Standby => {
                return self.eventually(&format!("cpectl standby {deployment} {guest} --force"));
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

fn guests() -> Vec<&'static str> {
    [LEASED, POWERED, NETWORKED].concat()
}

/// Where the log of a database is kept that was lost.
fn lost_log(number: u32) -> String {
    format!("/srv/events-{number}.json")
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
            // The guard reads them too, and is killed by the same name.
            "printf 'CPE_AGENT_%s\\n' LISTEN=unix:/nonexistent/agent.sock STATE_DIR=/run/nowhere >> /etc/cpe/agent.conf; \
             pkill -9 -x cpe-agent || :",
        ),
        // The connection that stands is cut with the DPE, which may make no other one.
        Kind::HideAgent => format!(
            "chmod 0 /run/cpe/guests/{guest}/agent.sock || :; systemctl kill -s KILL dpe@{deployment}.service || :"
        ),
        Kind::RemoveSocket => format!(
            "rm -f /run/cpe/guests/{guest}/agent.sock; systemctl kill -s KILL dpe@{deployment}.service || :"
        ),
        // The smallest file system that holds what is there; then what is left of it is used, and
        // nothing can be written any more.
        Kind::FillGuestRun => in_running_guest(
            guest,
            "mount -o remount,size=$(df --output=used -k /run | tail -1 | tr -d \" \")k /run; \
             for attempt in 1 2 3 4 5; do \
             dd if=/dev/zero of=/run/filler bs=4k oflag=append conv=notrunc 2>/dev/null || :; \
             dd if=/dev/zero of=/run/probe bs=4k count=1 2>/dev/null || exit 0; rm /run/probe; done; exit 1",
        ),
        Kind::ShutDownGuest => format!("systemctl -M {guest} poweroff || :"),
        Kind::CutCable => format!("/srv/lab/guests.sh link {guest} down || :"),
        Kind::DropPackets => format!("/srv/lab/guests.sh drop {guest} 33"),
        // cpe would start the DPE again.
        Kind::Maintain => format!("systemctl stop cpe.service dpe@{deployment}.service"),
        Kind::KillService
        | Kind::ChangeDocument
        | Kind::Standby
        | Kind::SwapAddresses
        | Kind::MoveAssembly
        | Kind::Recreate => ":".into(),
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
        // It may still be on its way down, or fencing may have switched it on.
        Kind::ShutDownGuest => format!(
            "if systemctl is-active -q systemd-nspawn@{guest}; then timeout 5 systemctl -M {guest} is-active -q multi-user.target; \
             else /srv/lab/guests.sh start {guest}; fi"
        ),
        Kind::Maintain => format!(
            "systemctl start dpe@{deployment}.service cpe.service; cpectl maintenance {deployment} off --force"
        ),
        Kind::PauseGuest => {
            format!("/srv/lab/guests.sh resume {guest} || :; /srv/lab/guests.sh start {guest}")
        }
        Kind::BreakAgentSettings => in_guest(
            guest,
            "sed -i -e /nonexistent/d -e /nowhere/d /etc/cpe/agent.conf; systemctl reset-failed cpe-agent; systemctl restart --no-block cpe-agent",
        ),
        // A guest that is down has none: its agent makes one with the usual permissions.
        Kind::HideAgent => format!("chmod 0666 /run/cpe/guests/{guest}/agent.sock || :"),
        Kind::FillGuestRun => in_guest(
            guest,
            "rm -f /run/filler /run/probe; mount -o remount,size=20% /run",
        ),
        Kind::Standby => format!("cpectl unstandby {deployment} {guest}"),
        // One that has booted meanwhile has a new one, which is up.
        Kind::CutCable => format!("/srv/lab/guests.sh link {guest} up || :"),
        Kind::DropPackets => format!("/srv/lab/guests.sh drop {guest} 0"),
        _ => return None,
    };
    Some(script)
}

impl Document {
    fn of(index: usize) -> Document {
        Document {
            index,
            round: 0,
            swapped: false,
            moved: false,
        }
    }

    /// The assemblies, each with its guest.
    fn homes(&self) -> Vec<(&'static str, &'static str)> {
        let [first, second] = DEPLOYMENTS[self.index].1;
        let (own, other) = if self.swapped {
            (second, first)
        } else {
            (first, second)
        };
        if self.moved {
            vec![(first, other)]
        } else {
            vec![(first, own), (second, other)]
        }
    }

    fn xml(&self) -> String {
        let index = self.index;
        let name = DEPLOYMENTS[index].0;
        let fencing = |guest: &str| match index {
            1 => format!(r#"<fencing mode="unit" unit="systemd-nspawn@{guest}.service"/>"#),
            _ => r#"<fencing mode="lease"/>"#.to_owned(),
        };
        let address = |guest: &str| match guests().iter().position(|own| *own == guest) {
            Some(number) if index == 2 => format!("tcp:10.77.0.{}", 11 + number),
            _ => format!("unix:/run/cpe/guests/{guest}/agent.sock"),
        };
        let assemblies: String = self
            .homes()
            .iter()
            .map(|(assembly, guest)| {
                format!(
                    "    <assembly name=\"{assembly}\" address=\"{}\">{}</assembly>\n",
                    address(guest),
                    fencing(guest)
                )
            })
            .collect();
        let services: String = (0..SERVICES)
            .map(|n| {
                let round = if n == 0 { self.round } else { 0 };
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
}
