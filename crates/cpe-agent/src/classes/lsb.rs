//! Class `lsb`: init scripts. Their exit codes are those of the Linux Standard Base 5.0, "Init
//! Script Actions"; for `status` they mean something else than for the other actions.

use std::path::PathBuf;
use std::time::Duration;

use cpe_bus::Operation;
use cpe_bus::records::rc;
use cpe_daemon::Hidden;
use tokio::sync::oneshot;

use super::{Classes, OperationOutcome, PATH, kept, run_program};
use crate::process::Program;

/// Where the init script of that name is, if there is one.
pub(super) fn script(classes: &Classes, name: &str) -> Option<PathBuf> {
    let path = classes.init_scripts.join(name);
    path.is_file().then_some(path)
}

impl Classes {
    pub(super) async fn run_lsb(
        &self,
        operation: &Operation,
        mark: String,
        timeout: Duration,
        cancel: &mut oneshot::Receiver<()>,
    ) -> OperationOutcome {
        let (argument, code): (_, fn(i32) -> i32) = match operation.action.as_str() {
            "monitor" | "status" => ("status", status_code),
            action @ ("start" | "stop" | "restart" | "reload" | "force-reload") => {
                (action, action_code)
            }
            _ => return OperationOutcome::not_supported(operation),
        };
        let Some(path) = script(self, &operation.agent) else {
            return OperationOutcome::not_installed(format!(
                "there is no init script {}",
                self.init_scripts.join(&operation.agent).display()
            ));
        };
        let program = Program {
            path,
            arguments: vec![argument.to_owned()],
            environment: vec![
                ("PATH".into(), PATH.into()),
                ("LANG".into(), "C.UTF-8".into()),
                ("HOME".into(), "/root".into()),
                // Debian's init functions would hand the action to systemd; use class systemd for
                // that.
                ("_SYSTEMCTL_SKIP_REDIRECT".into(), "true".into()),
                ("SYSTEMCTL_SKIP_REDIRECT".into(), "true".into()),
            ],
            mark,
            timeout,
            keep: kept(operation, cpe_bus::records::MAX_OUTPUT),
            most: None,
            hidden: Hidden::default(),
        };
        run_program(program, cancel, code).await
    }
}

/// LSB's exit code of `status` as OCF's of `monitor`.
fn status_code(code: i32) -> i32 {
    match code {
        0 => rc::OK,
        // Dead with a pid file, dead with a lock file, not running.
        1..=3 => rc::NOT_RUNNING,
        // Unknown, reserved, or the script's own.
        _ => rc::GENERIC,
    }
}

/// LSB's exit code of the other actions as OCF's: the same up to 7.
fn action_code(code: i32) -> i32 {
    match code {
        0..=7 => code,
        _ => rc::GENERIC,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_maps_status_codes_to_those_of_a_monitor() {
        let mapped: Vec<i32> = [0, 1, 2, 3, 4, 5, 150, 255]
            .into_iter()
            .map(status_code)
            .collect();
        assert_eq!(mapped, [0, 7, 7, 7, 1, 1, 1, 1]);
        let mapped: Vec<i32> = [0, 1, 5, 7, 8, 255].into_iter().map(action_code).collect();
        assert_eq!(mapped, [0, 1, 5, 7, 1, 1]);
    }
}
