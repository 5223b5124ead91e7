//! The addresses of hosts, by their names.
//!
//! A name is looked up at every attempt to connect, which may hang for half a minute. So each
//! lookup has a thread of its own, some run at a time, and what was found last is used while one
//! takes long or fails: certificates say who is there, not the name. One that hangs gives its turn
//! up, so that names that nobody answers for do not hold up the others.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};

/// Most addresses of a name that are kept.
const MAX_ADDRESSES: usize = 8;
/// How long a lookup is waited for where there are addresses from before. A resolver that is well
/// answers sooner.
const PATIENCE: Duration = Duration::from_secs(1);
/// Lookups at a time; each is a thread.
const AT_A_TIME: usize = 8;
/// Of these, those of names that took longer than [`PATIENCE`] the last time: so they leave room
/// for the others.
const SLOW_AT_A_TIME: usize = 4;
/// Lookups that hang without holding a turn.
const HANGING: usize = 64;
/// Names of which something is kept: as many as a DPE has guests, and more.
const MAX_NAMES: usize = 4096;

/// What a lookup comes to: addresses, or why there are none.
type Found = Result<Vec<SocketAddr>, String>;

/// What is known of a name.
#[derive(Default)]
struct Known {
    /// As they were last found.
    addresses: Vec<SocketAddr>,
    is_slow: bool,
    under_way: Option<watch::Receiver<Option<Found>>>,
}

/// The names that this process looks up.
pub(super) struct Hosts {
    ask: fn(&str) -> io::Result<Vec<SocketAddr>>,
    known: Mutex<BTreeMap<String, Known>>,
    turns: Semaphore,
    slow_turns: Semaphore,
    hanging: Semaphore,
}

static HOSTS: LazyLock<Arc<Hosts>> = LazyLock::new(|| Hosts::new(ask_system));

/// The addresses of a name, without a port.
///
/// # Errors
/// Why they are not known, for people.
pub(super) async fn addresses(name: &str) -> Found {
    HOSTS.addresses(name).await
}

fn ask_system(name: &str) -> io::Result<Vec<SocketAddr>> {
    Ok((name, 0).to_socket_addrs()?.collect())
}

impl Hosts {
    fn new(ask: fn(&str) -> io::Result<Vec<SocketAddr>>) -> Arc<Hosts> {
        Arc::new(Hosts {
            ask,
            known: Mutex::default(),
            turns: Semaphore::new(AT_A_TIME),
            slow_turns: Semaphore::new(SLOW_AT_A_TIME),
            hanging: Semaphore::new(HANGING),
        })
    }

    async fn addresses(self: &Arc<Self>, name: &str) -> Found {
        let (mut answer, before) = self.begin(name);
        let answered = answer.wait_for(Option::is_some);
        let found = match before.is_empty() {
            true => answered.await,
            false => match tokio::time::timeout(PATIENCE, answered).await {
                Ok(found) => found,
                Err(_) => return Ok(before),
            },
        };
        let lost = || Err("nobody could be asked".to_owned());
        let found = found.map_or_else(|_| lost(), |found| found.clone().unwrap_or_else(lost));
        match found {
            Err(_) if !before.is_empty() => Ok(before),
            other => other,
        }
    }

    /// Has a name looked up, unless that is under way; with what is known from before.
    fn begin(self: &Arc<Self>, name: &str) -> (watch::Receiver<Option<Found>>, Vec<SocketAddr>) {
        let mut names = self.names();
        if names.len() >= MAX_NAMES && !names.contains_key(name) {
            names.retain(|_, known| known.is_asked());
        }
        let known = names.entry(name.to_owned()).or_default();
        let before = known.addresses.clone();
        if let Some(under_way) = known.under_way.as_ref().filter(|_| known.is_asked()) {
            return (under_way.clone(), before);
        }
        let (tell, answer) = watch::channel(None);
        known.under_way = Some(answer.clone());
        let (this, name, is_slow) = (Arc::clone(self), name.to_owned(), known.is_slow);
        tokio::spawn(async move {
            let begun = this.look_up(&name, is_slow).await;
            tell.send_replace(Some(begun));
        });
        (answer, before)
    }

    /// Waits for its turn, asks, and keeps what was found. It goes on when nobody waits for it any
    /// more: else a name that waits long would never have its turn.
    async fn look_up(&self, name: &str, is_slow: bool) -> Found {
        let _slow_turn = match is_slow {
            true => self.slow_turns.acquire().await.ok(),
            false => None,
        };
        let turn = self.turns.acquire().await;
        let (give, mut take) = tokio::sync::oneshot::channel();
        let (ask, asked) = (self.ask, name.to_owned());
        let begun = Instant::now();
        let thread = std::thread::Builder::new().name("lookup".to_owned());
        let started = thread.spawn(move || give.send(ask(&asked)));
        let found = match started {
            Ok(_) => {
                let answered = match tokio::time::timeout(PATIENCE, &mut take).await {
                    Ok(answered) => answered,
                    Err(_) => {
                        let hangs = self.hanging.try_acquire();
                        let _turn = hangs.is_err().then_some(turn);
                        take.await
                    }
                };
                answered.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
            }
            Err(error) => Err(error),
        };
        let found = match found {
            Ok(found) if found.is_empty() => Err("it has no address".to_owned()),
            Ok(found) => Ok(found.into_iter().take(MAX_ADDRESSES).collect::<Vec<_>>()),
            Err(error) => Err(error.to_string()),
        };
        let mut names = self.names();
        let known = names.entry(name.to_owned()).or_default();
        known.is_slow = begun.elapsed() > PATIENCE;
        if let Ok(found) = &found {
            known.addresses.clone_from(found);
        }
        found
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether somebody is asked for it just now.
    fn is_asked(&self) -> bool {
        let under_way = self.under_way.as_ref();
        under_way.is_some_and(|it| it.borrow().is_none() && it.has_changed().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Longer than a test takes: who waits for it, hangs.
    const HANGS: Duration = Duration::from_secs(30);

    fn ip(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 0))
    }

    #[tokio::test]
    async fn a_name_whose_lookup_hangs_keeps_its_last_addresses_and_no_other_waits() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let hosts = Hosts::new(|name| {
            if name.starts_with("hangs") && ASKED.fetch_add(1, Ordering::SeqCst) > 0 {
                std::thread::sleep(HANGS);
            }
            Ok(vec![ip(1)])
        });
        assert_eq!(hosts.addresses("hangs").await, Ok(vec![ip(1)]));
        // Again and again, as a DPE does that connects: it is one lookup.
        for _ in 0..5 {
            let begun = Instant::now();
            assert_eq!(hosts.addresses("hangs").await, Ok(vec![ip(1)]));
            assert!(begun.elapsed() < PATIENCE * 3);
        }
        assert_eq!(ASKED.load(Ordering::SeqCst), 2);
        let begun = Instant::now();
        assert_eq!(hosts.addresses("well").await, Ok(vec![ip(1)]));
        assert!(begun.elapsed() < PATIENCE, "it has waited for another one");
    }

    #[tokio::test]
    async fn names_that_are_known_to_hang_leave_room_for_others() {
        let hosts = Hosts::new(|name| {
            if name.starts_with("hangs") {
                std::thread::sleep(HANGS);
            }
            Ok(vec![ip(2)])
        });
        for number in 0..100 {
            let name = format!("hangs{number}");
            hosts.names().entry(name.clone()).or_default().is_slow = true;
            drop(hosts.begin(&name));
        }
        let found = tokio::time::timeout(HANGS / 3, hosts.addresses("well")).await;
        assert_eq!(found, Ok(Ok(vec![ip(2)])));
    }

    #[tokio::test]
    async fn names_that_turn_out_to_hang_leave_room_for_others() {
        let hosts = Hosts::new(|name| {
            if name.starts_with("hangs") {
                std::thread::sleep(HANGS);
            }
            Ok(vec![ip(2)])
        });
        for number in 0..3 * AT_A_TIME {
            drop(hosts.begin(&format!("hangs{number}")));
        }
        let found = tokio::time::timeout(HANGS / 3, hosts.addresses("well")).await;
        assert_eq!(found, Ok(Ok(vec![ip(2)])));
    }

    #[tokio::test]
    async fn a_lookup_that_fails_leaves_what_was_and_a_new_one_counts() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let hosts = Hosts::new(|_| match ASKED.fetch_add(1, Ordering::SeqCst) {
            0 | 2 => Err(io::Error::other("no resolver")),
            1 => Ok(vec![ip(3)]),
            3 => Ok(Vec::new()),
            _ => Ok(vec![ip(4); 100]),
        });
        let first = hosts.addresses("web1").await;
        assert_eq!(first, Err("no resolver".to_owned()));
        for _ in 1..4 {
            assert_eq!(hosts.addresses("web1").await, Ok(vec![ip(3)]));
        }
        assert_eq!(hosts.addresses("web1").await, Ok(vec![ip(4); 8]));
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let hosts = Hosts::new(|_| Ok(vec![ip(5)]));
        for number in 0..MAX_NAMES + 10 {
            let mut names = hosts.names();
            names.entry(format!("old{number}")).or_default();
        }
        hosts.addresses("new").await.unwrap();
        assert!(hosts.names().len() <= MAX_NAMES);
    }
}
