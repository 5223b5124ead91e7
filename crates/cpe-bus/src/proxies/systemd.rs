//! Client of the parts of `org.freedesktop.systemd1` that we use. Documented in
//! `org.freedesktop.systemd1(5)`.
//!
//! Two habits that callers need: systemd sends hardly any signal before
//! [`SystemdManagerProxy::subscribe`] was called on the same connection, and JobRemoved reports
//! every unit's jobs, so match it by the job path that StartUnit or StopUnit returned.

use zbus::OwnedObjectPath;

/// One row of ListUnits: name, description, load state, active state, sub state, followed unit,
/// object path, job id, job type, job path.
pub type UnitRow = (
    String,
    String,
    String,
    String,
    String,
    String,
    OwnedObjectPath,
    u32,
    String,
    OwnedObjectPath,
);

/// The service manager.
#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1",
    async_name = "SystemdManagerProxy"
)]
pub trait SystemdManager {
    /// Asks for signals on this connection.
    fn subscribe(&self) -> zbus::Result<()>;
    /// Ends [`Self::subscribe`].
    fn unsubscribe(&self) -> zbus::Result<()>;
    /// Queues a start job; mode `replace` is the usual one.
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    /// Queues a stop job.
    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    /// Queues a restart job.
    fn restart_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    /// Queues a reload job.
    fn reload_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    /// Sends a signal; `whom` is `main`, `control` or `all`.
    fn kill_unit(&self, name: &str, whom: &str, signal: i32) -> zbus::Result<()>;
    /// Clears the failed state and the restart counter.
    fn reset_failed_unit(&self, name: &str) -> zbus::Result<()>;
    /// The object of a loaded unit; NoSuchUnit otherwise.
    fn get_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
    /// The object of a unit, loaded if need be (also for units that do not exist: see its
    /// LoadState).
    fn load_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
    /// The object of the unit that a process belongs to.
    #[zbus(name = "GetUnitByPID")]
    fn get_unit_by_pid(&self, pid: u32) -> zbus::Result<OwnedObjectPath>;
    /// Loaded units by state (empty: any) and name pattern.
    fn list_units_by_patterns(
        &self,
        states: &[&str],
        patterns: &[&str],
    ) -> zbus::Result<Vec<UnitRow>>;
    /// Unit files by state (empty: any) and name pattern: path and state.
    fn list_unit_files_by_patterns(
        &self,
        states: &[&str],
        patterns: &[&str],
    ) -> zbus::Result<Vec<(String, String)>>;
    /// `enabled`, `disabled`, …; an error if the file does not exist.
    fn get_unit_file_state(&self, file: &str) -> zbus::Result<String>;
    /// Reads all unit files again.
    fn reload(&self) -> zbus::Result<()>;
    /// Reboots the machine, stopping its units in order.
    fn reboot(&self) -> zbus::Result<()>;
    /// systemd's version.
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> zbus::Result<String>;

    /// A unit was loaded.
    #[zbus(signal)]
    fn unit_new(&self, id: &str, unit: OwnedObjectPath) -> zbus::Result<()>;
    /// A unit was unloaded.
    #[zbus(signal)]
    fn unit_removed(&self, id: &str, unit: OwnedObjectPath) -> zbus::Result<()>;
    /// A job was queued.
    #[zbus(signal)]
    fn job_new(&self, id: u32, job: OwnedObjectPath, unit: &str) -> zbus::Result<()>;
    /// A job ended: `done`, `canceled`, `timeout`, `failed`, `dependency`, `skipped`, …
    #[zbus(signal)]
    fn job_removed(
        &self,
        id: u32,
        job: OwnedObjectPath,
        unit: &str,
        result: &str,
    ) -> zbus::Result<()>;
    /// Unit files are being read (true), or have been (false).
    #[zbus(signal)]
    fn reloading(&self, active: bool) -> zbus::Result<()>;
}

/// One unit.
#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Unit",
    default_service = "org.freedesktop.systemd1",
    async_name = "SystemdUnitProxy"
)]
pub trait SystemdUnit {
    /// Its primary name.
    #[zbus(property(emits_changed_signal = "const"))]
    fn id(&self) -> zbus::Result<String>;
    /// Its description.
    #[zbus(property(emits_changed_signal = "const"))]
    fn description(&self) -> zbus::Result<String>;
    /// `loaded`, `not-found`, `bad-setting`, `error`, `masked`.
    #[zbus(property(emits_changed_signal = "false"))]
    fn load_state(&self) -> zbus::Result<String>;
    /// `active`, `reloading`, `inactive`, `failed`, `activating`, `deactivating`.
    #[zbus(property)]
    fn active_state(&self) -> zbus::Result<String>;
    /// The state in the words of the unit's type.
    #[zbus(property)]
    fn sub_state(&self) -> zbus::Result<String>;
    /// The file it was read from; empty if there is none.
    #[zbus(property(emits_changed_signal = "false"))]
    fn fragment_path(&self) -> zbus::Result<String>;
    /// When it last ceased to be active, µs of CLOCK_MONOTONIC; 0: not since systemd knows the
    /// unit.
    #[zbus(property)]
    fn inactive_enter_timestamp_monotonic(&self) -> zbus::Result<u64>;
    /// Id of its current or last run; empty before the first.
    #[zbus(property, name = "InvocationID")]
    fn invocation_id(&self) -> zbus::Result<Vec<u8>>;
}

/// The service-specific part of a unit.
#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Service",
    default_service = "org.freedesktop.systemd1",
    async_name = "SystemdServiceProxy"
)]
pub trait SystemdService {
    /// The main process; 0 if there is none.
    #[zbus(property, name = "MainPID")]
    fn main_pid(&self) -> zbus::Result<u32>;
    /// `success`, or why the last run ended: `exit-code`, `signal`, `watchdog`, `start-limit-hit`,
    /// …
    #[zbus(property)]
    fn result(&self) -> zbus::Result<String>;
    /// How often systemd has restarted it by itself.
    #[zbus(property, name = "NRestarts")]
    fn n_restarts(&self) -> zbus::Result<u32>;
    /// Exit status or signal of the main process's last end.
    #[zbus(property)]
    fn exec_main_status(&self) -> zbus::Result<i32>;
}
