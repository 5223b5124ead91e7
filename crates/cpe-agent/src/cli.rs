//! The command line, and the settings made of it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use cpe_bus::{BusSelection, PeerAddress};

use crate::attributes::{DEFAULT_STATE_DIR, STATE_DIR_VARIABLE};
use crate::device::{Choice, Settings};
use crate::reset::Reset;

/// Guest agent of the Cloud Policy Engine
///
/// Runs in an assembly (a virtual machine or container), executes resource agents for the DPE that
/// connects to its socket, watches the services with recurring monitors, and sends heartbeats. With
/// a lease, it stops its services by itself when it has not heard from its DPE for that long, and
/// resets the guest if they do not stop.
#[derive(Debug, Clone, Parser)]
#[command(name = "cpe-agent", version)]
pub struct Arguments {
    /// Where the DPE connects: unix:PATH, a socket that the guest shares with its host or that its
    /// ssh server leads to; tcp:HOST, tcp:HOST:PORT, vsock:any or vsock:any:PORT, with certificates
    /// (several between commas, or the option several times)
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "unix:/run/cpe-agent/agent.sock",
        value_delimiter = ',',
        value_parser = PeerAddress::listening,
        env = "CPE_AGENT_LISTEN"
    )]
    pub listen: Vec<PeerAddress>,

    /// What the agent shows on networks and whom it believes there: identity.pem, ca.pem,
    /// revoked.pem. Without a certificate it listens at socket files only
    #[arg(
        long,
        value_name = "DIRECTORY",
        default_value = "/etc/cpe/agent",
        env = "CPE_AGENT_CERTIFICATES"
    )]
    pub certificates: PathBuf,

    /// Permissions of the socket, octal
    #[arg(long, value_name = "MODE", default_value = "0600", value_parser = octal_mode, env = "CPE_AGENT_SOCKET_MODE")]
    pub socket_mode: u32,

    /// Group of the socket, as a number
    #[arg(long, value_name = "GID", env = "CPE_AGENT_SOCKET_GROUP")]
    pub socket_group: Option<u32>,

    /// Accept connections of this user id only, as seen from the guest (several between commas, or
    /// the option several times)
    #[arg(
        long,
        value_name = "UID",
        value_delimiter = ',',
        env = "CPE_AGENT_ALLOW_UID"
    )]
    pub allow_uid: Vec<u32>,

    /// Where history, epoch and lease are kept, for agents that are run by hand; must not outlive
    /// the guest's boot. With --kernel-reset it is /run/cpe-agent: an agent or a guard that looked
    /// elsewhere after a restart would find no lease to enforce
    #[arg(long, value_name = "DIRECTORY", default_value = DEFAULT_STATE_DIR)]
    pub state_dir: PathBuf,

    /// OCF_ROOT: resource agents are in its resource.d/PROVIDER/
    #[arg(
        long,
        value_name = "DIRECTORY",
        default_value = "/usr/lib/ocf",
        env = "CPE_AGENT_RESOURCE_AGENTS"
    )]
    pub resource_agents: PathBuf,

    /// HA_RSCTMP: where resource agents keep their state
    #[arg(long, value_name = "DIRECTORY", default_value = "/run/resource-agents")]
    pub resource_tmp: PathBuf,

    /// Where the init scripts of class lsb are
    #[arg(long, value_name = "DIRECTORY", default_value = "/etc/init.d")]
    pub init_scripts: PathBuf,

    /// The bus on which the guest's systemd is reached: system, user or an address
    #[arg(long, value_name = "BUS", default_value = "system")]
    pub systemd_bus: BusSelection,

    /// Shell command that takes the guest down at once when services do not stop after the lease;
    /// it is repeated until the guest is down. Without it, the kernel does it: reboot(2), then
    /// SysRq
    #[arg(long, value_name = "COMMAND", env = "CPE_AGENT_REBOOT_COMMAND")]
    pub reboot_command: Option<String>,

    /// Have the kernel reset the guest too where the reboot command has not done so within a
    /// second. The unit sets this; an agent that is run by hand would take its machine down
    #[arg(long)]
    pub kernel_reset: bool,

    /// The watchdog device that resets the guest when no agent feeds it under a lease: a path,
    /// `auto` (/dev/watchdog0 where there is one and nobody else has it open; only with
    /// --kernel-reset, and not in containers), or `none`
    #[arg(
        long,
        value_name = "DEVICE",
        default_value = "auto",
        env = "CPE_AGENT_WATCHDOG_DEVICE"
    )]
    pub watchdog_device: Choice,

    /// Where the kernel says what watchdog devices are
    #[arg(
        long,
        value_name = "DIRECTORY",
        default_value = "/sys/class/watchdog",
        hide = true
    )]
    pub watchdog_properties: PathBuf,

    /// File with the id of the guest's boot
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/proc/sys/kernel/random/boot_id",
        hide = true
    )]
    pub boot_id_file: PathBuf,

    /// File with the id of this guest over its boots
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/machine-id",
        hide = true
    )]
    pub machine_id_file: PathBuf,

    /// Where an id of this guest is made and kept if the system has none
    #[arg(
        long,
        value_name = "DIRECTORY",
        default_value = "/var/lib/cpe-agent",
        hide = true
    )]
    pub persistent_dir: PathBuf,

    /// What to do instead of running
    #[command(subcommand)]
    pub task: Option<Task>,
}

/// What the program can do beside running.
#[derive(Debug, Clone, Subcommand)]
pub enum Task {
    /// Watch the lease beside the agent, and reset the guest when it has ended and no agent did
    /// anything about it
    Guard,
    /// Write the manual page into a directory
    #[command(hide = true)]
    Man {
        /// The directory
        directory: PathBuf,
    },
    /// Write the manual page of /etc/cpe/agent.conf into a directory
    #[command(hide = true)]
    ManConf {
        /// The directory
        directory: PathBuf,
    },
    /// Print shell completions
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Nobody sets it: arguments whose variable is wrong are read from it instead.
const NO_VARIABLE: &str = "CPE_AGENT_LEFT_OUT";

impl Arguments {
    /// Reads the command line and the environment. A setting of the environment that is wrong does
    /// not end the agent, which may have a lease to enforce: it is left out, and said in the second
    /// part.
    ///
    /// # Errors
    /// If the command line itself is wrong.
    pub fn read(
        command_line: impl IntoIterator<Item = OsString>,
    ) -> Result<(Arguments, Vec<String>), clap::Error> {
        let words: Vec<OsString> = command_line.into_iter().collect();
        let (mut arguments, mut mistakes) = Arguments::read_right(&words)?;
        mistakes.extend(arguments.fix_state_dir());
        Ok((arguments, mistakes))
    }

    /// Has the agent of a guest and its guard keep their state in one place, whatever the settings
    /// say, and says which of these is left out.
    fn fix_state_dir(&mut self) -> Vec<String> {
        let mut left_out = Vec::new();
        if std::env::var_os(STATE_DIR_VARIABLE).is_some() {
            left_out.push(format!(
                "{STATE_DIR_VARIABLE} is left out: it is no setting any more"
            ));
        }
        if self.kernel_reset && self.state_dir != Path::new(DEFAULT_STATE_DIR) {
            left_out.push(format!(
                "--state-dir {} is left out: with --kernel-reset, the state is in {DEFAULT_STATE_DIR}",
                self.state_dir.display()
            ));
            self.state_dir = DEFAULT_STATE_DIR.into();
        }
        left_out
    }

    /// Where a former version may have kept its state.
    pub fn former_state_dir(&self) -> Option<PathBuf> {
        std::env::var_os(STATE_DIR_VARIABLE).map(PathBuf::from)
    }

    /// Reads without the settings that are wrong.
    fn read_right(words: &[OsString]) -> Result<(Arguments, Vec<String>), clap::Error> {
        let mut without = BTreeSet::new();
        let mut mistakes = Vec::new();
        loop {
            let command = Arguments::command().mut_args(|argument| {
                if without.contains(argument.get_id().as_str()) {
                    argument.env(NO_VARIABLE)
                } else {
                    argument
                }
            });
            let error = match command.try_get_matches_from(words) {
                Ok(matches) => {
                    let mut arguments = Arguments::from_arg_matches(&matches)?;
                    if without.contains("allow_uid") {
                        mistakes.extend(arguments.keep_strangers_out());
                    }
                    return Ok((arguments, mistakes));
                }
                Err(error) => error,
            };
            let Some((id, variable)) = setting_at_fault(&error, &without) else {
                return Err(error);
            };
            mistakes.push(format!("{variable} is left out: {}", plain(&error)));
            without.insert(id);
        }
    }

    /// Where the setting that says who may connect is wrong, and so left out, the socket's mode
    /// keeps strangers out. It was chosen for a socket that the setting guards.
    fn keep_strangers_out(&mut self) -> Option<String> {
        let wider = self.socket_mode;
        self.socket_mode &= 0o770;
        (self.socket_mode != wider).then(|| {
            format!(
                "CPE_AGENT_SOCKET_MODE is {:04o} instead of {wider:04o}: without CPE_AGENT_ALLOW_UID everybody could connect",
                self.socket_mode
            )
        })
    }

    /// How the guest is taken down.
    pub fn reset(&self) -> Reset {
        Reset {
            command: self.reboot_command.clone(),
            kernel_too: self.kernel_reset,
        }
    }

    /// Which watchdog device is fed.
    pub fn device(&self) -> Settings {
        Settings {
            choice: self.watchdog_device.clone(),
            properties: self.watchdog_properties.clone(),
            kernel_too: self.kernel_reset,
        }
    }
}

/// The argument that an error is about and the variable that it was read from, if it was.
fn setting_at_fault(error: &clap::Error, without: &BTreeSet<String>) -> Option<(String, String)> {
    let named = match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(name) => name.clone(),
        _ => return None,
    };
    let option = named.split_whitespace().next()?.strip_prefix("--")?;
    let command = Arguments::command();
    let argument = command
        .get_arguments()
        .find(|argument| argument.get_long() == Some(option))?;
    let id = argument.get_id().as_str().to_owned();
    let variable = argument.get_env()?.to_string_lossy().into_owned();
    (std::env::var_os(&variable).is_some() && !without.contains(&id)).then_some((id, variable))
}

/// An error of the command line in one line.
fn plain(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    first.trim_start_matches("error: ").to_owned()
}

fn octal_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if (1..=0o777).contains(&mode) => Ok(mode),
        _ => Err(format!(
            "permissions must be octal between 1 and 777, as 0660; found `{text}`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_a_consistent_command_line() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn it_takes_several_user_ids() {
        let read = |words: &[&str]| Arguments::try_parse_from(words).unwrap().allow_uid;
        assert_eq!(read(&["cpe-agent", "--allow-uid", "0,989"]), [0, 989]);
        let twice = ["cpe-agent", "--allow-uid", "0", "--allow-uid", "989"];
        assert_eq!(read(&twice), [0, 989]);
    }

    #[test]
    fn it_listens_where_an_agent_can() {
        for address in ["ssh:web1", "qemu-ga:/run/web1.qga"] {
            let words = ["cpe-agent", "--listen", address];
            let error = Arguments::try_parse_from(words).unwrap_err().to_string();
            assert!(error.contains("unix:PATH"), "{error}");
        }
    }

    #[test]
    fn it_listens_at_several_addresses() {
        let read = |words: &[&str]| Arguments::try_parse_from(words).unwrap().listen;
        let both = ["unix:/run/a.sock", "tcp:[::]:7430"].map(|text| text.parse().unwrap());
        let words = ["cpe-agent", "--listen", "unix:/run/a.sock,tcp:[::]:7430"];
        assert_eq!(read(&words), both);
        let words = [
            "cpe-agent",
            "--listen",
            "unix:/run/a.sock",
            "--listen",
            "tcp:[::]:7430",
        ];
        assert_eq!(read(&words), both);
    }

    #[test]
    fn it_takes_a_watchdog_device_by_itself_or_by_its_path() {
        let read =
            |words: &[&str]| Arguments::try_parse_from(words).map(|read| read.watchdog_device);
        assert_eq!(read(&["cpe-agent"]).unwrap(), Choice::Auto);
        let given = |device| read(&["cpe-agent", "--watchdog-device", device]);
        assert_eq!(given("none").unwrap(), Choice::None);
        let path = "/dev/watchdog1";
        assert_eq!(given(path).unwrap(), Choice::Device(path.into()));
        let error = given("watchdog1").unwrap_err().to_string();
        assert!(error.contains("/dev/watchdog1"), "{error}");
    }

    #[test]
    fn the_state_of_a_guest_is_in_one_place_whatever_is_set() {
        let read = |words: &[&str]| {
            Arguments::read(words.iter().map(OsString::from)).expect("the command line is right")
        };
        let by_hand = ["cpe-agent", "--state-dir", "/tmp/state"];
        let (arguments, mistakes) = read(&by_hand);
        assert_eq!(arguments.state_dir, Path::new("/tmp/state"));
        assert!(mistakes.is_empty(), "{mistakes:?}");
        for task in [&[][..], &["guard"]] {
            let of_a_guest = [&by_hand[..], &["--kernel-reset"], task].concat();
            let (arguments, mistakes) = read(&of_a_guest);
            assert_eq!(arguments.state_dir, Path::new("/run/cpe-agent"));
            let said = "--state-dir /tmp/state is left out: with --kernel-reset, the state is in /run/cpe-agent";
            assert_eq!(mistakes, [said]);
        }
    }

    #[test]
    fn without_the_users_who_may_connect_the_mode_keeps_strangers_out() {
        for (mode, narrowed) in [("0666", 0o660), ("0660", 0o660), ("0600", 0o600)] {
            let words = ["cpe-agent", "--socket-mode", mode];
            let mut arguments = Arguments::try_parse_from(words).unwrap();
            let wider = arguments.socket_mode;
            let said = arguments.keep_strangers_out();
            assert_eq!(arguments.socket_mode, narrowed);
            assert_eq!(said.is_some(), wider != narrowed, "{said:?}");
        }
    }

    #[test]
    fn it_says_what_is_wrong_with_an_argument() {
        for (wrong, right) in [("ssh:web1", "unix:PATH"), ("tcp:::1", "brackets")] {
            let error = Arguments::try_parse_from(["cpe-agent", "--listen", wrong]);
            let error = error.unwrap_err().to_string();
            assert!(error.contains(right), "{error}");
        }
        let error = Arguments::try_parse_from(["cpe-agent", "--socket-mode", "999"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("octal"), "{error}");
    }
}
