//! The way out for lines of the log, at which nobody ever waits.
//!
//! A journal that is stopped, or a terminal that nobody reads, takes nothing after a while. Whoever
//! writes then would hang, with leases to renew. So lines that are not taken wait here, up to a
//! bound; those beyond it are lost, and counted. Both is made good as soon as lines are taken
//! again: what waits goes out in its order, and a line says how many are missing.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Lines that may wait.
const LINES: usize = 4096;
/// Bytes of the lines that may wait.
const BYTES: usize = 1 << 20;
/// Pause before what waits is tried again, while something is taken; doubled while nothing is.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// How late a sink that takes lines again is noticed.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Where lines go.
pub(crate) trait Sink: Send + 'static {
    /// Writes what is taken at once; tells how many bytes that were.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if nothing is taken now. After any other error the line is given
    /// up.
    fn write(&mut self, line: &[u8]) -> io::Result<usize>;

    /// The line that says how many are missing.
    fn missing(&self, lines: u64) -> Vec<u8>;
}

/// The way out to one sink.
#[derive(Clone)]
pub(crate) struct Outlet(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    waiting: Condvar,
}

struct Queue {
    sink: Box<dyn Sink>,
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    lost: u64,
}

impl Outlet {
    /// The way to that sink.
    pub(crate) fn new(sink: impl Sink) -> Outlet {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                sink: Box::new(sink),
                lines: VecDeque::new(),
                bytes: 0,
                lost: 0,
            }),
            waiting: Condvar::new(),
        });
        let late = Arc::clone(&shared);
        let name = std::thread::Builder::new().name("log".to_owned());
        // Without that thread what waits goes out with the next line.
        let _ = name.spawn(move || late.write_late_lines());
        Outlet(shared)
    }

    /// Writes a line, now or later. Never waits for the sink.
    pub(crate) fn put(&self, line: Vec<u8>) {
        if line.is_empty() {
            return;
        }
        let mut queue = self.0.lock();
        queue.put(line);
        if !queue.is_done() {
            self.0.waiting.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_late_lines(&self) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let queue = self.lock();
            let waits = self.waiting.wait_while(queue, |queue| queue.is_done());
            let mut queue = waits.unwrap_or_else(PoisonError::into_inner);
            let before = queue.bytes;
            queue.write();
            pause = match queue.bytes < before {
                true => SHORTEST_PAUSE,
                false => LONGEST_PAUSE.min(pause * 2),
            };
            drop(queue);
            std::thread::sleep(pause);
        }
    }
}

impl Queue {
    fn is_done(&self) -> bool {
        self.lines.is_empty() && self.lost == 0
    }

    fn put(&mut self, line: Vec<u8>) {
        self.write();
        if self.lines.len() >= LINES || self.bytes + line.len() > BYTES {
            self.lost += 1;
            return;
        }
        self.tell_missing();
        self.push(line);
        self.write();
    }

    fn push(&mut self, line: Vec<u8>) {
        self.bytes += line.len();
        self.lines.push_back(line);
    }

    fn tell_missing(&mut self) {
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            let line = self.sink.missing(lost);
            self.push(line);
        }
    }

    /// Writes what is taken at once.
    fn write(&mut self) {
        loop {
            let Some(line) = self.lines.front_mut() else {
                if self.lost == 0 {
                    return;
                }
                self.tell_missing();
                continue;
            };
            match self.sink.write(line) {
                Ok(0) => return,
                Ok(bytes) if bytes < line.len() => {
                    line.drain(..bytes);
                    self.bytes -= bytes;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => {
                    self.bytes -= line.len();
                    self.lines.pop_front();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Takes that many bytes, a few at a time.
    #[derive(Clone, Default)]
    struct Narrow(Arc<Mutex<(usize, Vec<u8>)>>);

    impl Narrow {
        fn open(&self, bytes: usize) {
            self.0.lock().unwrap().0 = bytes;
        }

        fn taken(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().1.clone()).unwrap()
        }
    }

    impl Sink for Narrow {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let (room, taken) = &mut *self.0.lock().unwrap();
            let bytes = line.len().min(*room).min(3);
            if bytes == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            *room -= bytes;
            taken.extend_from_slice(&line[..bytes]);
            Ok(bytes)
        }

        fn missing(&self, lines: u64) -> Vec<u8> {
            format!("{lines} are missing\n").into_bytes()
        }
    }

    fn eventually(what: &str, condition: impl Fn() -> bool) {
        let since = Instant::now();
        while !condition() {
            assert!(since.elapsed() < Duration::from_secs(30), "not: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn lines_that_are_taken_are_out_at_once() {
        let sink = Narrow::default();
        sink.open(usize::MAX);
        let outlet = Outlet::new(sink.clone());
        outlet.put(b"a line\n".to_vec());
        assert_eq!(sink.taken(), "a line\n");
    }

    #[test]
    fn lines_that_are_not_taken_wait_in_order_and_those_beyond_the_bound_are_counted() {
        let sink = Narrow::default();
        sink.open(4);
        let outlet = Outlet::new(sink.clone());
        for number in 0..LINES + 10 {
            outlet.put(format!("line {number}\n").into_bytes());
        }
        assert_eq!(sink.taken(), "line");
        sink.open(usize::MAX);
        eventually("the rest goes out by itself", || {
            sink.taken().ends_with("10 are missing\n")
        });
        let taken = sink.taken();
        let lines: Vec<&str> = taken.lines().collect();
        assert_eq!(lines.len(), LINES + 1);
        let numbered = |(number, line): (usize, &&str)| *line == format!("line {number}");
        assert!(lines[..LINES].iter().enumerate().all(numbered));
    }

    #[test]
    fn large_lines_do_not_fill_the_memory() {
        let outlet = Outlet::new(Narrow::default());
        for _ in 0..100 {
            outlet.put(vec![b'x'; BYTES / 10]);
        }
        let queue = outlet.0.lock();
        assert!(queue.bytes <= BYTES && queue.lost >= 90);
    }
}
