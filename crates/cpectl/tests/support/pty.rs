//! A terminal for one command.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A terminal of 24 lines: the side of who sits there, and the side of the command.
pub(crate) fn open(columns: u16) -> (OwnedFd, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&master, size).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap());
    (master, terminal.unwrap())
}

/// What a command prints to a terminal of this width.
pub(crate) fn on_terminal(mut command: Command, columns: u16) -> String {
    let (master, terminal) = open(columns);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(terminal.try_clone().unwrap())
        .stderr(terminal)
        .spawn()
        .unwrap();
    // The command keeps the terminal open until it is dropped.
    drop(command);
    let mut printed = Vec::new();
    // Linux ends the reading of a terminal that nobody has open with EIO.
    if let Err(error) = File::from(master).read_to_end(&mut printed) {
        assert_eq!(error.raw_os_error(), Some(Errno::IO.raw_os_error()));
    }
    child.wait().unwrap();
    String::from_utf8(printed).unwrap().replace("\r\n", "\n")
}
