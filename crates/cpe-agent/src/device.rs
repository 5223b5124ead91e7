//! The watchdog device of the guest: it resets the guest when it was not fed for its timeout,
//! whatever has become of the agent and of the guest's kernel.
//!
//! The engine feeds it, the loop that also enforces the lease, and only while the lease allows
//! ([`Lease::feed_device_until_us`]): an engine that hangs feeds nothing. A thread of its own has
//! the device open and does what may take long, so that a driver does not hold up the engine.
//!
//! | | |
//! | --- | --- |
//! | a lease begins | the timeout is set and the device opened, which arms it |
//! | the lease is gone, in order | it is disarmed: `V`, the "magic close" |
//! | the agent ends otherwise, or is restarted | it goes on, for the next agent to feed |
//!
//! A file in the state folder says that it was armed, so that an agent that was killed between the
//! end of a lease and `V` is followed by one that disarms it.
//!
//! Its timeout is set by `wdctl` of util-linux: that is an ioctl, and there is no safe function for
//! it. What a driver is and can do stands under `/sys/class/watchdog`.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::clock::boottime_us;
use crate::lease::Lease;
use crate::reset::is_own_kernel;
use crate::store::WATCHDOG;

/// What `auto` uses.
const FIRST_DEVICE: &str = "/dev/watchdog0";
/// How often it is fed at most.
const FEED: Duration = Duration::from_millis(250);
/// How often a device that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(30);
/// How long `wdctl` may take.
const WDCTL: Duration = Duration::from_secs(2);
/// How long the agent waits at its end until the device is disarmed.
const DISARM: Duration = Duration::from_secs(1);
/// The driver's option "raises an alarm, resets nothing" (WDIOF_ALARMONLY).
const ALARM_ONLY: u32 = 0x0400;
/// The driver's option "goes on when it is closed without V" (WDIOF_MAGICCLOSE).
const MAGIC_CLOSE: u32 = 0x0100;

/// Which device is fed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The guest's first one, if it has one.
    Auto,
    /// This one.
    Device(PathBuf),
    /// None.
    None,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Choice, String> {
        match text {
            "auto" => Ok(Choice::Auto),
            "none" => Ok(Choice::None),
            path if path.starts_with('/') => Ok(Choice::Device(path.into())),
            other => Err(format!(
                "a watchdog device is auto, none, or a path as /dev/watchdog1; found `{other}`"
            )),
        }
    }
}

/// Which device is fed, and what is known of it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which one.
    pub choice: Choice,
    /// Where the kernel says what devices are: `/sys/class/watchdog`.
    pub properties: PathBuf,
    /// Whether this agent may take the machine down without being told by which device.
    pub kernel_too: bool,
}

/// The engine's side of it.
#[derive(Debug)]
pub struct WatchdogDevice {
    orders: Option<SyncSender<Order>>,
    /// A device was opened, and not disarmed since.
    armed: Arc<AtomicBool>,
    /// Whether there was a lease when the thread took the last order.
    given: Option<bool>,
    /// The thread was busy when it was to take one.
    busy: bool,
    /// When the next one is to be given, if nothing changes.
    next: Instant,
}

#[derive(Debug)]
enum Order {
    /// This lease is in force, and the engine turns.
    Feed(Lease),
    /// There is none any more. It is answered when the device is disarmed.
    Disarm(Option<Sender<()>>),
}

impl WatchdogDevice {
    /// No device.
    pub fn none() -> WatchdogDevice {
        WatchdogDevice {
            orders: None,
            armed: Arc::default(),
            given: None,
            busy: false,
            next: Instant::now(),
        }
    }

    /// Begins with what an earlier agent has left in its state folder.
    pub fn start(settings: Settings, state_dir: &Path) -> WatchdogDevice {
        let armed = Arc::new(AtomicBool::new(false));
        // What an engine gives while the device does not answer is worth nothing later.
        let (orders, queue) = sync_channel(1);
        let mut keeper = Keeper {
            settings,
            marker: state_dir.join(WATCHDOG),
            armed: Arc::clone(&armed),
            held: None,
            complaint: String::new(),
            next_try: None,
        };
        let mut device = WatchdogDevice {
            armed,
            ..WatchdogDevice::none()
        };
        if !keeper.may_have_one() && keeper.marked().is_none() {
            return device;
        }
        let spawned = thread::Builder::new()
            .name("watchdog".into())
            .spawn(move || keeper.keep(&queue));
        match spawned {
            Ok(_) => device.orders = Some(orders),
            Err(error) => {
                tracing::warn!(%error, "no thread for the watchdog device; none is used");
            }
        }
        device
    }

    /// To be called whenever the engine has turned.
    pub fn turn(&mut self, lease: &Lease) {
        let Some(orders) = &self.orders else { return };
        let leased = lease.end_us().is_some();
        let armed = self.armed.load(Ordering::SeqCst);
        let now = Instant::now();
        let changed = self.given != Some(leased) && !self.busy;
        let again = (leased || armed || self.busy) && now >= self.next;
        if !changed && !again {
            return;
        }
        let order = if leased {
            Order::Feed(*lease)
        } else {
            Order::Disarm(None)
        };
        self.busy = orders.try_send(order).is_err();
        if !self.busy {
            self.given = Some(leased);
        }
        self.next = now + FEED;
    }

    /// When the engine must turn at the latest, for the device.
    pub fn due(&self) -> Option<Instant> {
        let armed = self.armed.load(Ordering::SeqCst);
        (armed || self.busy).then_some(self.next)
    }

    /// The agent ends. Without a lease the device is disarmed; else it goes on without us.
    pub fn finish(&mut self, lease: &Lease) {
        let Some(orders) = self.orders.take() else {
            return;
        };
        if lease.end_us().is_some() {
            return;
        }
        let (done, answer) = channel();
        let mut order = Order::Disarm(Some(done));
        let begin = Instant::now();
        while let Err(TrySendError::Full(back)) = orders.try_send(order) {
            if begin.elapsed() >= DISARM {
                break;
            }
            order = back;
            thread::sleep(Duration::from_millis(5));
        }
        let _ = answer.recv_timeout(DISARM);
        if self.armed.load(Ordering::SeqCst) {
            tracing::warn!(
                "the watchdog device is not disarmed: unless something else feeds it, it resets this guest"
            );
        }
    }
}

/// The thread's side.
struct Keeper {
    settings: Settings,
    marker: PathBuf,
    armed: Arc<AtomicBool>,
    held: Option<Held>,
    /// What was said last about why there is none, so that it is said once.
    complaint: String,
    next_try: Option<Instant>,
}

/// A device that this process has open.
struct Held {
    path: PathBuf,
    file: File,
    /// What the driver says; `None` if it does not.
    timeout_s: Option<u64>,
    /// What it was to be.
    wanted_s: u64,
    /// The driver does not stop once it has begun.
    nowayout: bool,
}

impl Keeper {
    fn keep(&mut self, orders: &Receiver<Order>) {
        self.disarm_former();
        while let Ok(order) = orders.recv() {
            match order {
                Order::Feed(lease) => self.feed(&lease),
                Order::Disarm(done) => {
                    self.disarm();
                    let _ = done.map(|done| done.send(()));
                }
            }
        }
        // The process ends: the device is closed as it is.
    }

    /// Whether a device may be used, now or later. By itself only one of the machine's own kernel
    /// (a container's would be its host's), and only by an agent that may take it down.
    fn may_have_one(&self) -> bool {
        match &self.settings.choice {
            Choice::None => false,
            Choice::Device(_) => true,
            Choice::Auto => self.settings.kernel_too && is_own_kernel(),
        }
    }

    /// The device to use now.
    fn device(&self) -> Option<PathBuf> {
        match &self.settings.choice {
            _ if !self.may_have_one() => None,
            Choice::Device(path) => Some(path.clone()),
            Choice::None | Choice::Auto => {
                let path = Path::new(FIRST_DEVICE);
                let found = fs::metadata(path).ok()?.file_type();
                found.is_char_device().then(|| path.to_owned())
            }
        }
    }

    fn feed(&mut self, lease: &Lease) {
        let Some(wanted_s) = lease.device_timeout_s() else {
            return;
        };
        let may = |timeout_s| {
            lease
                .feed_device_until_us(timeout_s)
                .is_some_and(|until| boottime_us() <= until)
        };
        // To open it is to feed it, and to set its timeout too.
        if self
            .held
            .as_ref()
            .is_none_or(|held| held.wanted_s != wanted_s)
            && may(Some(wanted_s))
        {
            self.arm(wanted_s);
        }
        let Some(held) = &mut self.held else { return };
        if !may(held.timeout_s) {
            return;
        }
        if let Err(error) = held.file.write_all(b"1") {
            let text = format!("{} cannot be fed: {error}", held.path.display());
            self.held = None;
            self.complain(text);
        }
    }

    /// Sets the timeout and opens the device, which arms it.
    fn arm(&mut self, wanted_s: u64) {
        if self.next_try.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.next_try = Some(Instant::now() + RETRY);
        let Some(path) = self.device() else { return };
        if let Some(held) = self.held.take() {
            // Another timeout. The driver takes it only from who has it open.
            let _ = held.release();
        }
        let driver = Driver::of(&path, &self.settings.properties);
        if driver.has(ALARM_ONLY) {
            return self.complain(format!(
                "{} ({driver}) only raises an alarm; it is not used",
                path.display()
            ));
        }
        let (wanted, refused) = driver.set_timeout(&path, wanted_s);
        if let Err(error) = fs::write(&self.marker, path.as_os_str().as_encoded_bytes()) {
            tracing::warn!(%error, "that the watchdog device is armed cannot be recorded");
        }
        let file = match open(&path) {
            Ok(file) => file,
            Err(error) => {
                let _ = fs::remove_file(&self.marker);
                return self.complain(why_not(&path, &error));
            }
        };
        self.armed.store(true, Ordering::SeqCst);
        self.next_try = None;
        self.complaint.clear();
        let timeout_s = driver.timeout_s().or(refused.is_none().then_some(wanted));
        self.held = Some(Held {
            path,
            file,
            timeout_s,
            wanted_s,
            nowayout: driver.number("nowayout") == Some(1),
        });
        self.say_armed(&driver, refused);
    }

    fn say_armed(&self, driver: &Driver, refused: Option<String>) {
        let Some(held) = &self.held else { return };
        let device = held.path.display();
        let timeout = held
            .timeout_s
            .map_or_else(|| "unknown".to_owned(), |seconds| format!("{seconds} s"));
        tracing::info!(%device, %driver, timeout, "a watchdog device guards the lease");
        if held.timeout_s.is_none_or(|timeout| timeout > held.wanted_s) {
            let refused = refused.unwrap_or_else(|| "the driver has taken another one".to_owned());
            tracing::warn!(
                %device,
                "the timeout of the watchdog device is {timeout}, not {} s ({refused}): where nothing but the device can \
                 reset this guest, that is later than its DPE expects",
                held.wanted_s
            );
        }
        if held.nowayout {
            tracing::warn!(
                %device,
                "this watchdog device cannot be disarmed (nowayout): it resets the guest when this agent is stopped for good"
            );
        }
        if driver.options().is_some() && !driver.has(MAGIC_CLOSE) {
            tracing::warn!(
                %device,
                "this watchdog device stops when it is closed: it does not outlive an agent that is killed"
            );
        }
    }

    /// Disarms the device, also one that an earlier agent has left armed.
    fn disarm(&mut self) {
        self.next_try = None;
        match self.held.take() {
            Some(mut held) if held.nowayout => {
                // The only way to keep the guest up.
                if let Err(error) = held.file.write_all(b"1") {
                    self.complain_of_reset(&held.path, &error);
                }
                self.held = Some(held);
            }
            Some(held) => {
                let device = held.path.display().to_string();
                match held.release() {
                    Ok(()) => tracing::info!(device, "the watchdog device is disarmed"),
                    Err(error) => {
                        tracing::error!(device, %error, "the watchdog device cannot be disarmed");
                        return;
                    }
                }
                let _ = fs::remove_file(&self.marker);
                self.armed.store(false, Ordering::SeqCst);
            }
            None => self.disarm_marked(),
        }
    }

    /// Disarms the device of an agent with other settings.
    fn disarm_former(&mut self) {
        if self
            .marked()
            .is_some_and(|path| Some(path) != self.device())
        {
            self.disarm_marked();
        }
    }

    fn disarm_marked(&mut self) {
        let Some(path) = self.marked() else { return };
        let released = match open(&path) {
            Ok(mut file) => file.write_all(b"V"),
            // It is not there, or somebody else feeds it.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ResourceBusy) => {
                self.complain(why_not(&path, &error));
                Ok(())
            }
            Err(error) => Err(error),
        };
        match released {
            Ok(()) => {
                let device = path.display();
                tracing::info!(%device, "the watchdog device that was left armed is ours no more");
                let _ = fs::remove_file(&self.marker);
                self.armed.store(false, Ordering::SeqCst);
            }
            Err(error) => self.complain_of_reset(&path, &error),
        }
    }

    /// The device that was armed by an agent of this boot, and not disarmed.
    fn marked(&self) -> Option<PathBuf> {
        fs::read_to_string(&self.marker).ok().map(PathBuf::from)
    }

    fn complain(&mut self, text: String) {
        if self.complaint != text {
            tracing::warn!("{text}; the lease is enforced without a watchdog device");
            self.complaint = text;
        }
    }

    fn complain_of_reset(&mut self, path: &Path, error: &std::io::Error) {
        let text = format!(
            "the watchdog device {} is armed and can be neither fed nor disarmed: {error}; it resets this guest",
            path.display()
        );
        if self.complaint != text {
            tracing::error!("{text}");
            self.complaint = text;
        }
    }
}

impl Held {
    /// The magic close.
    fn release(mut self) -> std::io::Result<()> {
        self.file.write_all(b"V")
    }
}

/// Opens a device. Without waiting, in case that it is no device.
fn open(path: &Path) -> std::io::Result<File> {
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    OpenOptions::new()
        .write(true)
        .custom_flags(nonblocking)
        .open(path)
}

fn why_not(path: &Path, error: &std::io::Error) -> String {
    let because = match error.kind() {
        ErrorKind::ResourceBusy => {
            "somebody else feeds it (systemd does with RuntimeWatchdogSec=)".to_owned()
        }
        _ => error.to_string(),
    };
    format!("{} cannot be opened: {because}", path.display())
}

/// What the kernel says of a device.
struct Driver {
    folder: PathBuf,
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identity = self.text("identity");
        f.write_str(identity.as_deref().unwrap_or("unknown driver"))
    }
}

impl Driver {
    /// `/dev/watchdog` is the old name of the first one.
    fn of(device: &Path, properties: &Path) -> Driver {
        let name = match device.file_name() {
            Some(name) if name != "watchdog" => name,
            _ => "watchdog0".as_ref(),
        };
        Driver {
            folder: properties.join(name),
        }
    }

    fn text(&self, property: &str) -> Option<String> {
        let text = fs::read_to_string(self.folder.join(property)).ok()?;
        Some(text.trim().to_owned())
    }

    fn number(&self, property: &str) -> Option<u64> {
        self.text(property)?.parse().ok()
    }

    fn timeout_s(&self) -> Option<u64> {
        self.number("timeout")
    }

    fn options(&self) -> Option<u32> {
        let text = self.text("options")?;
        u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
    }

    fn has(&self, option: u32) -> bool {
        self.options().is_some_and(|options| options & option != 0)
    }

    /// Has the timeout be this, or the nearest that the driver can: which that is, and why it could
    /// not be set.
    fn set_timeout(&self, device: &Path, wanted_s: u64) -> (u64, Option<String>) {
        let limit = |property| self.number(property).filter(|&limit| limit > 0);
        let most = limit("max_timeout").unwrap_or(u64::MAX);
        let wanted = wanted_s.max(limit("min_timeout").unwrap_or(1)).min(most);
        if self.timeout_s() == Some(wanted) {
            return (wanted, None);
        }
        (wanted, wdctl(device, wanted).err())
    }
}

/// Has `wdctl` set the timeout of a device that nobody has open.
fn wdctl(device: &Path, seconds: u64) -> Result<(), String> {
    let mut child = Command::new("wdctl")
        .arg("--settimeout")
        .arg(seconds.to_string())
        .arg(device)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("wdctl of util-linux cannot be run: {error}"))?;
    let begin = Instant::now();
    while begin.elapsed() < WDCTL {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("wdctl: {status}")),
            Ok(None) => thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(format!("wdctl: {error}")),
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    Err("wdctl does not end".to_owned())
}
