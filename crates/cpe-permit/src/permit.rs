//! The permit's file: written by the driver, read by each DPE immediately before it sends.
//!
//! It is one record of 40 bytes that is written in place. Who reads while it is written sees that
//! by its sum, and reads again; who cannot read it may not send.

use std::fs::{File, Permissions};
use std::io::Result;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ownership::{Grant, Permit, Session};

use crate::clock::now_us;
use crate::error;

/// Eight bytes that say what the file is, and how it is written.
const MAGIC: u64 = u64::from_be_bytes(*b"cpePermA");
const SIZE: usize = 40;

/// A writer needs far less than a microsecond.
const TRIES: usize = 16;

/// The writer's side.
#[derive(Debug)]
pub struct PermitFile(File);

impl PermitFile {
    /// Opens it, and leaves what stands in it: DPEs may go by it. They run as another user, so
    /// everybody may read it.
    ///
    /// # Errors
    /// If that cannot be done.
    pub fn open(path: &Path) -> Result<PermitFile> {
        let opened = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let readable = |file: File| {
            file.set_permissions(Permissions::from_mode(0o644))?;
            Ok(PermitFile(file))
        };
        let opened = opened.and_then(readable);
        opened.map_err(|error| error::of(path.display(), &error))
    }

    /// Writes it, for every DPE of the host.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, permit: Permit) -> Result<()> {
        let written = self.0.write_all_at(&record(permit), 0);
        written.map_err(|error| error::of("the permit", &error))
    }
}

/// What a DPE may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum May {
    /// Send, until that time, µs of CLOCK_BOOTTIME.
    Send(u64),
    /// Send nothing, listen, and look again.
    Wait,
    /// Its host has another session: it is to end.
    Exit,
}

/// The reader's side, of a DPE with a grant.
#[derive(Debug)]
pub struct Guard {
    path: PathBuf,
    /// Opened when it is read first, and again whenever it gives no right to send: another process
    /// may have made another file in its place.
    file: Mutex<Option<File>>,
    session: Session,
}

impl Guard {
    /// Of the permit in that file, which need not be there yet.
    pub fn new(path: &Path, grant: Grant) -> Guard {
        Guard {
            path: path.to_owned(),
            file: Mutex::new(None),
            session: grant.session,
        }
    }

    /// To be asked immediately before everything that is sent. A file that is missing, torn or
    /// something else gives no right to send, and takes none away for longer than it is so.
    pub fn may(&self) -> May {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(may) = file.as_ref().and_then(|file| self.read(file))
            && matches!(may, May::Send(_))
        {
            return may;
        }
        *file = File::open(&self.path).ok();
        let may = file.as_ref().and_then(|file| self.read(file));
        may.unwrap_or(May::Wait)
    }

    fn read(&self, file: &File) -> Option<May> {
        let mut bytes = [0; SIZE];
        for _ in 0..TRIES {
            file.read_exact_at(&mut bytes, 0).ok()?;
            if let Some(permit) = permit(&bytes) {
                return Some(self.judge(permit));
            }
            std::thread::yield_now();
        }
        None
    }

    fn judge(&self, permit: Permit) -> May {
        if permit.session != self.session {
            return May::Exit;
        }
        // The time is read after the permit: what is over when it is read is over.
        match now_us() < permit.until_us {
            true => May::Send(permit.until_us),
            false => May::Wait,
        }
    }
}

fn record(permit: Permit) -> [u8; SIZE] {
    let Session { boot, number } = permit.session;
    let words = [MAGIC, boot, u64::from(number), permit.until_us];
    let mut bytes = [0; SIZE];
    let all = words.into_iter().chain([sum(words)]);
    for (place, word) in bytes.chunks_exact_mut(8).zip(all) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

fn permit(bytes: &[u8; SIZE]) -> Option<Permit> {
    let mut words = [0; SIZE / 8];
    for (word, place) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_be_bytes(place.try_into().ok()?);
    }
    let [magic, boot, number, until_us, found] = words;
    let is_whole = magic == MAGIC && found == sum([magic, boot, number, until_us]);
    let number = u32::try_from(number).ok().filter(|_| is_whole)?;
    let session = Session { boot, number };
    Some(Permit { session, until_us })
}

/// FNV-1a over words, each mixed: permits that differ in one word have different sums.
fn sum(words: [u64; 4]) -> u64 {
    words.into_iter().fold(0xcbf2_9ce4_8422_2325, |sum, word| {
        let mixed = (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Session = Session { boot: 9, number: 3 };

    fn guard(folder: &Path) -> (PermitFile, Guard) {
        let path = folder.join("permit");
        let file = PermitFile::open(&path).expect("a file");
        let grant = Grant {
            session: SESSION,
            incarnation: 1,
            revision: 1,
        };
        (file, Guard::new(&path, grant))
    }

    fn until(until_us: u64) -> Permit {
        let session = SESSION;
        Permit { session, until_us }
    }

    #[test]
    fn a_permit_is_obeyed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, guard) = guard(folder.path());
        // An empty file, and one that is not a permit.
        assert_eq!(guard.may(), May::Wait);
        file.0.write_all_at(&[0xff; SIZE], 0).expect("written");
        assert_eq!(guard.may(), May::Wait);
        let later = now_us() + 60_000_000;
        file.write(until(later)).expect("written");
        assert_eq!(guard.may(), May::Send(later));
        file.write(until(now_us())).expect("written");
        assert_eq!(guard.may(), May::Wait);
        let mut other = until(later);
        other.session.number += 1;
        file.write(other).expect("written");
        assert_eq!(guard.may(), May::Exit);
        // It is opened again by the next process, and stays what it is meanwhile.
        file.write(until(later)).expect("written");
        drop(PermitFile::open(&folder.path().join("permit")).expect("a file"));
        assert_eq!(guard.may(), May::Send(later));
    }

    #[test]
    fn a_permit_that_is_missing_is_none_and_another_file_in_its_place_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("permit");
        let (file, guard) = guard(folder.path());
        let later = now_us() + 60_000_000;
        file.write(until(now_us())).expect("written");
        assert_eq!(guard.may(), May::Wait);
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(guard.may(), May::Wait);
        // A process that finds none makes one. The file before is nobody's any more.
        let other = PermitFile::open(&path).expect("a file");
        other.write(until(later)).expect("written");
        assert_eq!(guard.may(), May::Send(later));
        // One that is torn off in the middle.
        let cut = File::options().write(true).open(&path).expect("opened");
        cut.set_len(39).expect("cut");
        assert_eq!(guard.may(), May::Wait);
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let good = record(until(123_456_789));
        for bit in 0..SIZE * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(permit(&bad), None, "bit {bit}");
        }
    }

    #[test]
    fn who_reads_while_it_is_written_reads_what_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, guard) = guard(folder.path());
        let begin = now_us() + 600_000_000;
        file.write(until(begin)).expect("written");
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for more in 0..20_000 {
                    file.write(until(begin + more)).expect("written");
                }
            });
            let mut last = begin;
            while !writer.is_finished() {
                match guard.may() {
                    May::Send(until_us) => {
                        assert!((last..begin + 20_000).contains(&until_us));
                        last = until_us;
                    }
                    May::Wait => {}
                    May::Exit => unreachable!("there is one session only"),
                }
            }
        });
    }
}
