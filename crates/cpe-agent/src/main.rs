//! The program `cpe-agent`: puts the parts together and runs them. See the library's documentation.

use std::os::unix::fs::DirBuilderExt;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{CommandFactory, Parser};
use cpe_agent::attributes::tools::Tool;
use cpe_agent::attributes::{install, socket};
use cpe_agent::classes::Classes;
use cpe_agent::cli::{Arguments, Task};
use cpe_agent::engine::{Engine, Reboot, commands};
use cpe_agent::machine::machine_id;
use cpe_agent::store::StateFolder;
use cpe_agent::{clock, ending, server};
use cpe_bus::peer::{Access, PeerListener};

fn main() -> anyhow::Result<ExitCode> {
    let mut command_line = std::env::args_os();
    if let Some(tool) = Tool::called(command_line.next()) {
        return Ok(tool.run(std::env::args_os()).into());
    }
    let arguments = Arguments::parse();
    match &arguments.task {
        Some(Task::Man { directory }) => {
            cpe_daemon::man_page(Arguments::command(), "8", MAN_SECTIONS, directory)?;
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
        None => {}
    }
    cpe_daemon::start_log();
    cpe_daemon::abort_on_panic();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(run(arguments))?;
    Ok(ExitCode::SUCCESS)
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let systemd_bus = arguments.systemd_bus.clone();
    let boot_id = clock::boot_id(&arguments.boot_id_file)?;
    // It becomes part of the search path of operations.
    let state_dir = std::path::absolute(&arguments.state_dir)?;
    let (store, found) = StateFolder::open(&state_dir, &boot_id)?;
    install::install(&state_dir)?;
    let attributes = socket::bind(&state_dir).await?;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&arguments.resource_tmp)
        .with_context(|| format!("cannot create {}", arguments.resource_tmp.display()))?;
    let classes = Arc::new(Classes::new(
        arguments.resource_agents,
        arguments.resource_tmp,
        arguments.init_scripts,
        state_dir,
        arguments.systemd_bus.clone(),
    ));
    let reboot = Reboot {
        command: arguments.reboot_command,
        systemd_bus: arguments.systemd_bus,
    };
    let machine_id = machine_id(
        &arguments.machine_id_file,
        &arguments.persistent_dir,
        &boot_id,
    );
    let engine = Engine::new(Arc::clone(&classes), reboot, machine_id, store, found)?;
    let access = Access {
        mode: arguments.socket_mode,
        group: arguments.socket_group,
        allowed_uids: arguments.allow_uid,
    };
    let listener = PeerListener::bind(&arguments.listen, &access)
        .await
        .map_err(|e| anyhow::anyhow!(e.message()))?;
    let (commands, requests) = commands::queue();
    let asked_to_end = ending::asked_to_end(systemd_bus)?;
    tracing::info!(listen = %arguments.listen, boot_id, version = env!("CARGO_PKG_VERSION"), "ready");
    cpe_daemon::notify(&[cpe_daemon::State::Ready]);
    tokio::select! {
        () = engine.run(requests, asked_to_end) => Ok(()),
        failed = server::serve(listener, commands.clone(), classes) => failed.context("the socket cannot be served any more"),
        failed = socket::serve(attributes, commands) => failed.context("the socket for node attributes cannot be served any more"),
    }
}

/// What the options do not say.
const MAN_SECTIONS: &str = r".SH NODE ATTRIBUTES
Resource agents tell the scheduler with
.BR crm_attribute ,
.B crm_master
and
.B attrd_updater
how well their instance is suited for promotion, and what else it should know about this guest. The agent brings these tools: links to
itself in
.IR /run/cpe\-agent/bin ,
which only operations have in their search path. Each of them has
.BR \-\-help .
Values last until the guest is rebooted; what is to last forever belongs in the deployment document.
.SH FILES
.TP
.I /etc/cpe/agent.conf
Environment of cpe\-agent.service, as CPE_AGENT_LISTEN=unix:/run/cpe\-channel/agent.sock.
.TP
.I /run/cpe\-agent
Operation history, node attributes, epoch and lease. Gone with the guest\(aqs boot, as it must be.
.SH SIGNALS
.TP
SIGTERM
Ends the agent. When systemd restarts its unit, services go on running and the next agent takes them up. When it is ended for good while
a lease is in force, it stops the services first, because its DPE will count on that. Operations that run may take 10 seconds to end.
.SH SEE ALSO
.BR cpe (8),
.BR dpe (8),
.BR cpectl (1)
";
