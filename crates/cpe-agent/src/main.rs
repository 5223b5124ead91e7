//! The program `cpe-agent`: puts the parts together and runs them. See the library's documentation.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::CommandFactory;
use cpe_agent::attributes::socket;
use cpe_agent::attributes::tools::Tool;
use cpe_agent::classes::Classes;
use cpe_agent::cli::{Arguments, Task};
use cpe_agent::device::WatchdogDevice;
use cpe_agent::engine::{Engine, commands};
use cpe_agent::machine::MachineId;
use cpe_agent::server::Entrance;
use cpe_agent::store::StateFolder;
use cpe_agent::{clock, ending, former, guard, network, server, standing};
use cpe_bus::peer::{Access, Credentials, Side};

fn main() -> anyhow::Result<ExitCode> {
    let mut command_line = std::env::args_os();
    if let Some(tool) = Tool::called(command_line.next()) {
        return Ok(tool.run(std::env::args_os()).into());
    }
    let (arguments, mistakes) =
        Arguments::read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    match &arguments.task {
        Some(Task::Man { directory }) => {
            cpe_daemon::man_page(Arguments::command(), "8", MAN_SECTIONS, directory)?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Task::ManConf { directory }) => {
            let about = "settings of the guest agent of the Cloud Policy Engine";
            cpe_daemon::variables_page(
                &Arguments::command(),
                "cpe-agent.conf",
                "/etc/cpe/agent.conf",
                about,
                directory,
            )?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Task::Completions { shell }) => {
            clap_complete::generate(
                *shell,
                &mut Arguments::command(),
                "cpe-agent",
                &mut std::io::stdout(),
            );
            return Ok(ExitCode::SUCCESS);
        }
        Some(Task::Guard) | None => {}
    }
    cpe_daemon::start_log();
    cpe_daemon::abort_on_panic();
    for mistake in mistakes {
        tracing::error!("{mistake}");
    }
    standing::stay_in_memory();
    if let Some(Task::Guard) = arguments.task {
        let former = arguments.former_state_dir();
        guard::run(
            &arguments.state_dir,
            former.as_deref(),
            &arguments.boot_id_file,
            &arguments.reset(),
        );
    }
    standing::be_spared();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(run(arguments))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the agent. The engine comes first, and nothing else that fails ends it: there may be a
/// lease to enforce.
async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let reset = arguments.reset();
    let boot_id = clock::boot_id(&arguments.boot_id_file).unwrap_or_else(|error| {
        tracing::error!("no DPE can be obeyed: {error:#}");
        String::new()
    });
    // It becomes part of the search path of operations.
    let state_dir = find_state(&arguments, &boot_id)?;
    let (store, found) = StateFolder::open(&state_dir, &boot_id)?;
    let device = WatchdogDevice::start(arguments.device(), &state_dir);
    if let Err(error) = make_folder(&arguments.resource_tmp) {
        tracing::error!("resource agents have no folder for their state: {error:#}");
    }
    let classes = Arc::new(Classes::new(
        arguments.resource_agents,
        arguments.resource_tmp,
        arguments.init_scripts,
        state_dir.clone(),
        arguments.systemd_bus.clone(),
    ));
    let machine_id = MachineId::find_out(
        arguments.machine_id_file,
        arguments.persistent_dir,
        boot_id.clone(),
    );
    let known = machine_id.clone();
    let engine = Engine::new(Arc::clone(&classes), reset, machine_id, store, found)
        .with_device(device)
        .with_facts(network::watch());
    let access = Access {
        mode: arguments.socket_mode,
        group: arguments.socket_group,
        allowed_uids: arguments.allow_uid,
    };
    let (commands, requests) = commands::queue();
    let credentials = Credentials::new(&arguments.certificates, Side::Agent);
    let entrance = Entrance::new(commands.clone(), classes, credentials);
    let connections = async {
        known.known().await;
        server::keep_serving(arguments.listen, access, entrance).await;
    };
    let tools = socket::keep_serving(state_dir, commands);
    let asked_to_end = ending::asked_to_end(arguments.systemd_bus);
    tracing::info!(boot_id, version = env!("CARGO_PKG_VERSION"), "ready");
    cpe_daemon::notify(&[cpe_daemon::State::Ready]);
    // The sockets are served for ever.
    tokio::select! {
        () = engine.run(requests, asked_to_end) => {}
        () = connections => {}
        () = tools => {}
    }
    Ok(())
}

/// The folder of the state, which may be where a former version had it.
fn find_state(arguments: &Arguments, boot_id: &str) -> anyhow::Result<PathBuf> {
    let own = std::path::absolute(&arguments.state_dir)?;
    let former = arguments.former_state_dir();
    let place = former::place(&own, former.as_deref(), boot_id);
    if place != own {
        tracing::warn!(
            "the state of this boot is in {}, where a setting of a former version had it; it stays there until this guest is booted again",
            place.display()
        );
        if let Err(error) = former::note(&own, &place) {
            tracing::error!("that is not known any more when the setting is gone: {error:#}");
        }
    }
    Ok(place)
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .with_context(|| format!("cannot create {}", path.display()))
}

/// What the options do not say.
const MAN_SECTIONS: &str = r".SH NODE ATTRIBUTES
Resource agents tell the scheduler with
.BR crm_attribute ,
.B crm_master
and
.B attrd_updater
how well their instance is suited for promotion, and what else it should know about this guest; with
.BR crm_node ,
.B crm_resource
and
.B crm_mon
they ask about others. The agent brings these tools: links to itself in
.IR /run/cpe\-agent/bin ,
which only operations have in their search path. Each of them has
.BR \-\-help .
Values of a boot last until the guest is rebooted; permanent ones, and options of the deployment, are kept by its DPE.
.SH FILES
.TP
.I /etc/cpe/agent.conf
Environment of cpe\-agent.service, as CPE_AGENT_LISTEN=unix:/run/cpe\-channel/agent.sock: see cpe\-agent.conf(5).
.TP
.I /etc/cpe/agent
What an agent needs that listens on a network: identity.pem (certificate and key), ca.pem (whom it believes), revoked.pem (whom it does
not believe any more). New files count without a restart.
.TP
.I /run/cpe\-agent
Operation history, node attributes, epoch and lease. Gone with the guest\(aqs boot, as it must be.
.SH SIGNALS
.TP
SIGTERM
Ends the agent. When systemd restarts its unit, services go on running and the next agent takes them up. When the guest goes down, or
when the agent is ended for good while a lease is in force, it tells its DPE, which moves the services; what the DPE leaves, the agent
stops. Operations that run may take 10 seconds to end.
.SH GUARD
.B cpe\-agent guard
is a second process, in cpe\-agent\-guard.service. It resets the guest when a lease and its grace are over and no agent has ended the
lease, whatever has become of the agent.
.SH SEE ALSO
.BR cpe (8),
.BR dpe (8),
.BR cpectl (1)
";
