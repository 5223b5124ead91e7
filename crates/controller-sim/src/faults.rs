//! What can go wrong.

use controller::{DebugTask, Question, Request};

/// Something that goes wrong, or that people do at a bad time. Guests, assemblies and services are
/// given by index, times in microseconds.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The DPE is killed.
    KillDpe,
    /// The DPE dies after that many more effects.
    DieAtEffect(u64),
    /// The DPE does not run for a while, and does not know (SIGSTOP, a suspended or overloaded
    /// host).
    StopDpe(u64),
    /// A guest loses power, and comes back.
    PowerCut(usize),
    /// A guest stands still (not under lease, which cannot cover that), with or without its clock.
    Pause(usize, u64, bool),
    /// An agent is killed.
    KillAgent(usize),
    /// An agent hangs.
    HangAgent(usize, u64),
    /// Nothing passes between the DPE and a guest; it arrives later.
    Stall(usize, u64),
    /// Streams to a guest end, and cannot be made again for a while.
    Cut(usize, u64),
    /// A link is slow.
    Slow(usize, u64, u64),
    /// The processes of a service die.
    KillService(usize, usize),
    /// Operations fail, hang and are slow.
    BadOperations(usize, u64),
    /// The programs of resource agents are away: operations end at once, as not installed.
    ProgramsAway(usize, u64),
    /// Services do not let themselves be stopped.
    RefuseStop(usize, u64),
    /// Fence devices fail or are silent.
    BadDevices(u64),
    /// Fence devices lie: they switch and say that they failed, or they say it long afterwards,
    /// when it was another loss.
    LieDevices(u64),
    /// A device of the configuration is broken for a while: it says so, and switches nothing.
    BreakDevice(usize, u64),
    /// The device that lets guests in cannot do so for one of them for a while: the port of its
    /// switch is broken.
    BreakPort(usize, u64),
    /// The DPE dies when the next level of devices has failed.
    DieBetweenLevels,
    /// The event log is away.
    LogAway(u64),
    /// The DPE's disk is slow.
    SlowDisk(u64),
    /// The document is changed.
    Modify,
    /// A clean-up, a change of the document and, perhaps, the death of the DPE at the same time.
    Muddle(bool),
    /// The deployment is ended, after stopping the services or not.
    End(bool),
    /// Administration.
    Request(Request),
    /// A resource agent is had to do something once, with a service in an assembly.
    Debug(DebugTask, usize, usize),
    /// An assembly is given a new guest, with an address and a fence device of its own. The old
    /// guest runs on.
    MoveAddress(usize),
    /// The document names the fence device of an assembly otherwise.
    RenameDevice(usize),
    /// The document forgets an assembly's address, and the DPE restarts.
    DropAddress(usize),
    /// An assembly is renamed. Its guest stays.
    Rename(usize),
    /// Two assemblies exchange their guests.
    Swap(usize, usize),
    /// Another guest answers at an assembly's address. The old one runs on.
    Replace(usize),
    /// The document names a guest that belongs to another deployment.
    Foreign(usize),
    /// An agent dies and cannot be started for a while: a bad setting, a broken upgrade.
    BreakAgent(usize, u64),
    /// The file system under an agent's records is full.
    FillRun(usize, u64),
    /// An agent dies while it writes: the records of one service are lost.
    TearRecord(usize),
    /// The DPE's disk is full.
    FillDisk(u64),
    /// The DPE's state is lost.
    LoseState,
    /// A backup is made of the DPE's state.
    BackUp,
    /// The DPE's state is restored from the last backup.
    Restore,
    /// The wall clock jumps by this many microseconds.
    JumpClock(i64),
    /// A snapshot is made of a guest, and restored after a while (not under lease, which cannot
    /// cover that).
    Snapshot(usize, u64),
    /// The document names a fence device that does not exist.
    MistypeDevice(usize),
    /// The cloud manager acts and confirms late, and twice, while a guest is out of reach, comes
    /// back, and is out of reach again.
    ConfirmLate(usize, u64),
    /// A guest is shut down and boots again.
    ShutDown(usize),
    /// An agent says that a newer DPE exists, which is not so.
    SayStale(usize, u64),
    /// The deployment ends, its services run on, and it is created again while a guest is out of
    /// reach.
    Recreate(usize, u64),
    /// People set maintenance and stop the DPE for longer than a lease.
    Maintain(u64),
    /// A tool in a guest asks something.
    Ask(usize, Question),
    /// A guest has another address.
    Readdress(usize, u8),
    /// A tool in a guest sets values again and again for a while, twenty times a second.
    Chatter(usize, u64),
}

macro_rules! kinds {
    ($($kind:ident $name:literal)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = concat!("See [`Fault::", stringify!($kind), "`].")] $kind,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Kind] = &[$(Kind::$kind,)*];

            /// Its name, for people and on a command line.
            pub fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    KillDpe "kill-dpe"
    DieAtEffect "die-at-effect"
    StopDpe "stop-dpe"
    PowerCut "power-cut"
    Pause "pause"
    KillAgent "kill-agent"
    HangAgent "hang-agent"
    Stall "stall"
    Cut "cut"
    Slow "slow"
    KillService "kill-service"
    BadOperations "bad-operations"
    ProgramsAway "programs-away"
    RefuseStop "refuse-stop"
    BadDevices "bad-devices"
    BreakDevice "break-device"
    BreakPort "break-port"
    DieBetweenLevels "die-between-levels"
    LogAway "log-away"
    SlowDisk "slow-disk"
    Modify "modify"
    Muddle "muddle"
    End "end"
    Request "request"
    MoveAddress "move-address"
    RenameDevice "rename-device"
    DropAddress "drop-address"
    Rename "rename"
    Swap "swap"
    Replace "replace"
    Foreign "foreign"
    BreakAgent "break-agent"
    FillRun "fill-run"
    TearRecord "tear-record"
    FillDisk "fill-disk"
    LoseState "lose-state"
    Restore "restore"
    JumpClock "jump-clock"
    Snapshot "snapshot"
    MistypeDevice "mistype-device"
    ConfirmLate "confirm-late"
    ShutDown "shut-down"
    SayStale "say-stale"
    Recreate "recreate"
    Maintain "maintain"
    Ask "ask"
    Chatter "chatter"
    Readdress "readdress"
    LieDevices "lie-devices"
}

impl Kind {
    /// Those of the world around the deployment: what names lead to, disks, clocks, people. A seed
    /// has few of them.
    pub const WORLD: [Kind; 21] = [
        Kind::MoveAddress,
        Kind::RenameDevice,
        Kind::DropAddress,
        Kind::Rename,
        Kind::Swap,
        Kind::Replace,
        Kind::Foreign,
        Kind::BreakAgent,
        Kind::FillRun,
        Kind::TearRecord,
        Kind::FillDisk,
        Kind::LoseState,
        Kind::Restore,
        Kind::JumpClock,
        Kind::Snapshot,
        Kind::MistypeDevice,
        Kind::ConfirmLate,
        Kind::ShutDown,
        Kind::SayStale,
        Kind::Recreate,
        Kind::Maintain,
    ];
}

impl Kind {
    /// Those of fencing devices in `<configuration>`. Only seeds that have some have them.
    pub const DEVICES: [Kind; 3] = [Kind::BreakDevice, Kind::BreakPort, Kind::DieBetweenLevels];

    /// Those that can be asked for in every seed.
    pub fn selectable() -> impl Iterator<Item = Kind> {
        let others = Kind::DEVICES.into_iter().chain([Kind::LieDevices]);
        Kind::WORLD.into_iter().chain(others)
    }

    /// It concerns devices of the configuration.
    pub fn is_of_devices(self) -> bool {
        Kind::DEVICES.contains(&self)
    }
}

impl Fault {
    /// Its kind. `None`: the end or the preparation of another fault.
    pub fn kind(&self) -> Option<Kind> {
        Some(match self {
            Fault::KillDpe => Kind::KillDpe,
            Fault::DieAtEffect(_) => Kind::DieAtEffect,
            Fault::StopDpe(_) => Kind::StopDpe,
            Fault::PowerCut(_) => Kind::PowerCut,
            Fault::Pause(..) => Kind::Pause,
            Fault::KillAgent(_) => Kind::KillAgent,
            Fault::HangAgent(..) => Kind::HangAgent,
            Fault::Stall(..) => Kind::Stall,
            Fault::Cut(..) => Kind::Cut,
            Fault::Slow(_, _, 0) | Fault::BackUp => return None,
            Fault::Slow(..) => Kind::Slow,
            Fault::KillService(..) => Kind::KillService,
            Fault::BadOperations(..) => Kind::BadOperations,
            Fault::ProgramsAway(..) => Kind::ProgramsAway,
            Fault::RefuseStop(..) => Kind::RefuseStop,
            Fault::BadDevices(_) => Kind::BadDevices,
            Fault::LieDevices(_) => Kind::LieDevices,
            Fault::BreakDevice(..) => Kind::BreakDevice,
            Fault::BreakPort(..) => Kind::BreakPort,
            Fault::DieBetweenLevels => Kind::DieBetweenLevels,
            Fault::LogAway(_) => Kind::LogAway,
            Fault::SlowDisk(_) => Kind::SlowDisk,
            Fault::Modify => Kind::Modify,
            Fault::Muddle(_) => Kind::Muddle,
            Fault::End(_) => Kind::End,
            Fault::Request(_) | Fault::Debug(..) => Kind::Request,
            Fault::MoveAddress(_) => Kind::MoveAddress,
            Fault::RenameDevice(_) => Kind::RenameDevice,
            Fault::DropAddress(_) => Kind::DropAddress,
            Fault::Rename(_) => Kind::Rename,
            Fault::Swap(..) => Kind::Swap,
            Fault::Replace(_) => Kind::Replace,
            Fault::Foreign(_) => Kind::Foreign,
            Fault::BreakAgent(..) => Kind::BreakAgent,
            Fault::FillRun(..) => Kind::FillRun,
            Fault::TearRecord(_) => Kind::TearRecord,
            Fault::FillDisk(_) => Kind::FillDisk,
            Fault::LoseState => Kind::LoseState,
            Fault::Restore => Kind::Restore,
            Fault::JumpClock(_) => Kind::JumpClock,
            Fault::Snapshot(..) => Kind::Snapshot,
            Fault::MistypeDevice(_) => Kind::MistypeDevice,
            Fault::ConfirmLate(..) => Kind::ConfirmLate,
            Fault::ShutDown(_) => Kind::ShutDown,
            Fault::SayStale(..) => Kind::SayStale,
            Fault::Recreate(..) => Kind::Recreate,
            Fault::Maintain(_) => Kind::Maintain,
            Fault::Ask(..) => Kind::Ask,
            Fault::Readdress(..) => Kind::Readdress,
            Fault::Chatter(..) => Kind::Chatter,
        })
    }
}
