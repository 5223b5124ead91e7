//! What the client says on its standard error, and what that means.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cpe_status::PeerAddress;
use tokio::io::AsyncReadExt;
use tokio::process::ChildStderr;
use tokio::sync::watch;

use super::Login;
use super::files::Files;
use crate::Error;
use crate::fields::bounded;

/// How much of it is kept, in bytes: the end, which says why it ends.
const KEPT: usize = 4 << 10;
/// Lines that become part of a reason.
const LINES: usize = 2;
/// Longest part of a reason that is the client's, in bytes.
const SHOWN: usize = 500;
/// How long more is waited for once something has gone wrong: the client speaks before it ends, or
/// before it closes what it forwards.
const PATIENCE: Duration = Duration::from_millis(300);

/// The end of what a client has said, which goes on being read until it says no more.
#[derive(Debug, Clone)]
pub(in crate::peer) struct Words {
    said: Arc<Mutex<Vec<u8>>>,
    /// Its count goes up when there is more, and its sender is gone at the end.
    more: watch::Receiver<u64>,
    about: Option<About>,
}

/// What the words are about.
#[derive(Debug, Clone)]
struct About {
    address: PeerAddress,
    files: Files,
}

impl Words {
    pub(super) fn listen(stream: Option<ChildStderr>) -> Words {
        let said = Arc::new(Mutex::new(Vec::new()));
        let (count, more) = watch::channel(0);
        let words = Words {
            said: Arc::clone(&said),
            more,
            about: None,
        };
        let Some(mut stream) = stream else {
            return words;
        };
        tokio::spawn(async move {
            let mut part = [0; 512];
            while let Ok(read @ 1..) = stream.read(&mut part).await {
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                said.extend_from_slice(&part[..read]);
                let too_many = said.len().saturating_sub(KEPT);
                said.drain(..too_many);
                count.send_modify(|count| *count += 1);
            }
        });
        words
    }

    /// Those of the client of a stream.
    pub(super) fn about(self, login: &Login<'_>, files: Files) -> Words {
        let about = Some(About {
            address: login.address.clone(),
            files,
        });
        Words { about, ..self }
    }

    /// Why the client has ended, if it has said so.
    pub(super) async fn after_end(&self, login: &Login<'_>, files: &Files) -> Option<Error> {
        let mut more = self.more.clone();
        let end = async { while more.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(PATIENCE, end).await;
        explain(&self.text()?, login, files)
    }

    /// Why what it forwards was closed, if it has said so.
    pub(in crate::peer) async fn after_loss(&self) -> Option<Error> {
        let mut more = self.more.clone();
        let word = more.wait_for(|count| *count > 0);
        let _ = tokio::time::timeout(PATIENCE, word).await;
        let About { address, files } = self.about.as_ref()?;
        explain(&self.text()?, &Login::of(address)?, files)
    }

    /// The last lines, with nothing in them that means something to a terminal.
    fn text(&self) -> Option<String> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = String::from_utf8_lossy(&said).into_owned();
        let lines: Vec<&str> = said.lines().map(str::trim).collect();
        let mut last: Vec<&str> = lines
            .into_iter()
            .rev()
            .filter(|line| !line.is_empty() && !line.starts_with('@'))
            .take(LINES)
            .collect();
        last.reverse();
        let text = last.join(" ").replace(char::is_control, " ");
        (!text.is_empty()).then(|| bounded(&text, SHOWN))
    }
}

/// What went wrong by the client's words, and what mends it.
fn explain(said: &str, login: &Login<'_>, files: &Files) -> Option<Error> {
    let address = login.address;
    let has = |word: &str| said.contains(word);
    Some(if has("has changed") {
        let forget = files.how_to_forget(login);
        Error::IdentityRefused(format!(
            "the ssh server of {address} has another host key than the one that is known: {said} Somebody may be in its place; {forget}"
        ))
    } else if has("Host key verification failed") {
        let know = files.how_to_know(login);
        Error::IdentityRefused(format!(
            "the ssh server of {address} is not known: {said} {know}"
        ))
    } else if has("Permission denied") {
        let (keys, user) = (files.folder.display(), login.user.unwrap_or("its user"));
        Error::IdentityRefused(format!(
            "the ssh server of {address} refuses the keys in {keys}: put an id_….pub of them into the authorized_keys of {user} in the guest ({said})"
        ))
    } else if has("administratively prohibited") {
        Error::AccessDenied(format!(
            "the ssh server of {address} does not forward: it needs `AllowStreamLocalForwarding local` in its sshd_config, and `restrict,port-forwarding` before the key in authorized_keys ({said})"
        ))
    } else if has("open failed") {
        let socket = login.socket.display();
        Error::NotReady(format!(
            "no agent listens on {address}: the guest's ssh server cannot open {socket} for this user, or its sshd_config or authorized_keys do not allow it ({said})"
        ))
    } else {
        Error::NotReady(format!("{address}: ssh says: {said}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(said: &[u8]) -> Words {
        Words {
            said: Arc::new(Mutex::new(said.to_vec())),
            ..Words::listen(None)
        }
    }

    #[test]
    fn its_last_lines_are_shown_without_what_terminals_obey() {
        let long = format!("{}yes \x1b[31mred\r\n\n@@@@\nlast\r\n", "x\n".repeat(900));
        let text = words(long.as_bytes()).text().unwrap();
        assert_eq!(text, "yes  [31mred last");
        assert_eq!(words(b"\n\r\n").text(), None);
        let wide = words("ü".repeat(2000).as_bytes()).text().unwrap();
        assert!(wide.len() <= SHOWN);
    }

    #[test]
    fn each_way_to_fail_has_its_remedy() {
        let address = "ssh:cpe@web1".parse().unwrap();
        let login = Login::of(&address).unwrap();
        let files = Files {
            folder: "/etc/cpe/dpe/shop/ssh".into(),
            known_hosts: "/etc/cpe/dpe/shop/ssh/known_hosts".into(),
            keys: Vec::new(),
        };
        for (said, refused, remedy) in [
            (
                "No ED25519 host key is known for web1 and you have requested strict checking. Host key verification failed.",
                true,
                "ssh-keyscan",
            ),
            (
                "Host key for web1 has changed and you have requested strict checking. Host key verification failed.",
                true,
                "ssh-keygen -R 'web1'",
            ),
            (
                "cpe@web1: Permission denied (publickey).",
                true,
                "authorized_keys of cpe",
            ),
            (
                "channel 1: open failed: administratively prohibited: open failed",
                false,
                "AllowStreamLocalForwarding",
            ),
            (
                "channel 1: open failed: connect failed: open failed",
                false,
                "/run/cpe-agent/agent.sock",
            ),
            ("Connection reset by peer", false, "reset"),
        ] {
            let error = explain(said, &login, &files).unwrap();
            let text = error.message();
            assert_eq!(
                matches!(error, Error::IdentityRefused(_)),
                refused,
                "{text}"
            );
            assert!(text.contains(remedy), "{text}");
        }
    }
}
