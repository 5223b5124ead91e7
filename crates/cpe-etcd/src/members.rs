//! Which member is asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::error::{Error, Result, whole};
use crate::settings::Settings;

/// All members, and the one that is asked now.
#[derive(Debug)]
pub(crate) struct Members {
    all: Vec<Member>,
    current: AtomicUsize,
}

/// A member.
pub(crate) struct Member {
    pub(crate) endpoint: String,
    client: etcd_client::Client,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Member({})", self.endpoint)
    }
}

impl Member {
    /// The library's client, to be used by one call.
    pub(crate) fn client(&self) -> etcd_client::Client {
        self.client.clone()
    }
}

impl Members {
    /// Connects when something is asked.
    pub(crate) async fn new(settings: &Settings) -> Result<Members> {
        let mut all = Vec::new();
        for endpoint in &settings.endpoints {
            // One client for each: with all in one the library chooses, also those that are dead.
            let options = Some(settings.options());
            let client = etcd_client::Client::connect([endpoint], options).await;
            let client = client.map_err(|error| {
                let text = whole(&error);
                Error::Invalid(format!("the endpoint {endpoint} cannot be used: {text}"))
            })?;
            all.push(Member {
                endpoint: endpoint.clone(),
                client,
            });
        }
        Ok(Members {
            all,
            current: AtomicUsize::new(0),
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.all.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The member that is asked now, by number.
    pub(crate) fn current(&self) -> (usize, &Member) {
        let number = self.current.load(Ordering::Relaxed);
        (number, &self.all[number])
    }

    /// Goes on to the next one, unless somebody else has done that.
    pub(crate) fn give_up(&self, number: usize) {
        let next = (number + 1) % self.all.len();
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        let _ = self.current.compare_exchange(number, next, set, fetch);
    }

    /// Asks one member after another, as long as it is certain that none has done anything. Gives
    /// the answer and the number of the member.
    pub(crate) async fn ask<T, F>(
        &self,
        within: Duration,
        call: impl Fn(etcd_client::Client) -> F,
    ) -> Result<(usize, T)>
    where
        F: Future<Output = std::result::Result<T, etcd_client::Error>>,
    {
        let until = Instant::now() + within;
        let mut last = Error::Unavailable("no member was asked".to_owned());
        for _ in 0..self.len() {
            let (number, member) = self.current();
            let Ok(answer) = timeout_at(until, call(member.client())).await else {
                self.give_up(number);
                let text = format!(
                    "{} was silent for {} ms",
                    member.endpoint,
                    within.as_millis()
                );
                return Err(Error::Unknown(text));
            };
            last = match answer.map_err(Error::from) {
                Ok(answer) => return Ok((number, answer)),
                Err(Error::Unavailable(text)) => {
                    Error::Unavailable(format!("{}: {text}", member.endpoint))
                }
                Err(Error::Unknown(text)) => Error::Unknown(format!("{}: {text}", member.endpoint)),
                Err(other) => return Err(other),
            };
            self.give_up(number);
            if !last.is_of_the_member() {
                break;
            }
        }
        Err(last)
    }
}
