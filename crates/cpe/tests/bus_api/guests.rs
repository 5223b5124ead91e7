//! Real guest agents in this process, with one resource agent whose service is a file.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use cpe_agent::classes::Classes;
use cpe_agent::engine::{Engine, commands};
use cpe_agent::reset::Reset;
use cpe_agent::server::Entrance;
use cpe_agent::store::StateFolder;
use cpe_bus::peer::{Access, Credentials, Door, Side};
use cpe_bus::{BusSelection, PeerAddress};

const FILE_AGENT: &str = r#"#!/bin/sh
file="$HA_RSCTMP/$OCF_RESOURCE_INSTANCE"
case "$1" in
start) touch "$file" ;;
stop) rm -f "$file" ;;
monitor) [ -f "$file" ] || exit 7 ;;
meta-data) echo '<?xml version="1.0"?><resource-agent name="File"><version>1.1</version></resource-agent>' ;;
*) exit 3 ;;
esac
"#;

/// Starts the agent of an assembly, with everything it has in a folder of that name; returns its
/// address.
pub(crate) async fn start(folder: &Path, assembly: &str) -> String {
    let folder = folder.join(assembly);
    let programs = folder.join("ocf/resource.d/test");
    let temporary = folder.join("tmp");
    for made in [&programs, &temporary] {
        std::fs::create_dir_all(made).expect("a folder");
    }
    std::fs::write(programs.join("File"), FILE_AGENT).expect("the resource agent");
    std::fs::set_permissions(
        programs.join("File"),
        std::fs::Permissions::from_mode(0o755),
    )
    .expect("permissions");
    // There is no systemd in this guest.
    let no_bus = BusSelection::Address(format!("unix:path={}/no-bus", folder.display()));
    let classes = Arc::new(Classes::new(
        folder.join("ocf"),
        temporary,
        folder.join("init.d"),
        folder.join("state"),
        no_bus,
    ));
    let reset = Reset {
        command: Some(format!("touch {}/rebooted", folder.display())),
        kernel_too: false,
    };
    let (store, found) =
        StateFolder::open(&folder.join("state"), assembly).expect("the agent's store");
    let engine = Engine::new(Arc::clone(&classes), reset, "machine".into(), store, found);
    let socket = folder.join("agent.sock");
    let credentials = Credentials::new(&folder, Side::Agent);
    let address = PeerAddress::Unix(socket.clone());
    let door = Door::open(&address, &Access::default(), &credentials)
        .await
        .expect("a socket");
    let (commands, requests) = commands::queue();
    tokio::spawn(engine.run(requests, std::future::pending()));
    let entrance = Entrance::new(commands, classes, credentials);
    tokio::spawn(cpe_agent::server::serve(door, entrance));
    format!("unix:{}", socket.display())
}
