//! A terminal of 80 columns and 24 lines for a command that hears keys.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use vt100::{Parser, Screen};

use crate::pty;

/// What is waited for comes by then, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// It is looked again after this time.
const PAUSE: Duration = Duration::from_millis(20);

/// A command, the screen that it has drawn, and keys for it.
pub(crate) struct Typing {
    child: Child,
    keys: File,
    screen: Arc<Mutex<Parser>>,
}

impl Typing {
    pub(crate) fn start(mut command: Command) -> Typing {
        let (master, terminal) = pty::open(80);
        let child = command
            .stdin(terminal.try_clone().unwrap())
            .stdout(terminal.try_clone().unwrap())
            .stderr(terminal)
            .spawn()
            .unwrap();
        drop(command);
        let keys = File::from(master);
        let mut printed = keys.try_clone().unwrap();
        let [lines, columns] = [24, 80].map(|count| NonZero::new(count).unwrap());
        let screen = Arc::new(Mutex::new(Parser::new(lines, columns, 0)));
        let drawn = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(count @ 1..) = printed.read(&mut some) {
                drawn.lock().unwrap().process(&some[..count]);
            }
        });
        Typing {
            child,
            keys,
            screen,
        }
    }

    /// Waits until the screen is like this.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Screen) -> bool) {
        let begin = Instant::now();
        loop {
            let screen = self.screen.lock().unwrap().screen().clone();
            if is_so(&screen) {
                return;
            }
            let shown = screen.contents();
            assert!(begin.elapsed() < PATIENCE, "not {what}:\n{shown}");
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until this can be read on the screen.
    pub(crate) fn shows(&self, text: &str) {
        self.until(text, |screen| screen.contents().contains(text));
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Typing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
