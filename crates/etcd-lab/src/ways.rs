//! What lies between a host and the members: it can be cut, one way or both.

use std::net::{IpAddr, SocketAddr};
use std::thread;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use crate::member::ports;

/// What does not get through.
#[derive(Clone, Copy, Debug, Default)]
struct Cut {
    requests: bool,
    answers: bool,
}

/// The ways of one host to all members. They end when it is dropped.
#[derive(Debug)]
pub struct Ways {
    endpoints: Vec<String>,
    cut: watch::Sender<Cut>,
    _end: oneshot::Sender<()>,
}

impl Ways {
    /// Of the host with this number, to so many members.
    pub(crate) fn new(address: IpAddr, host: usize, count: usize) -> Result<Ways> {
        let (cut, is_cut) = watch::channel(Cut::default());
        let (end, ended) = oneshot::channel();
        let mut listeners = Vec::new();
        let mut endpoints = Vec::new();
        for member in 0..count {
            let to = SocketAddr::new(address, u16::try_from(ports(member).0)?);
            let at = SocketAddr::new(address, u16::try_from(22_000 + host * 10 + member)?);
            let listener = std::net::TcpListener::bind(at)?;
            listener.set_nonblocking(true)?;
            endpoints.push(format!("https://{at}"));
            listeners.push((listener, to));
        }
        // A runtime of its own: hosts may be processes, and tests may block.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::spawn(move || {
            runtime.block_on(async move {
                for (listener, to) in listeners {
                    tokio::spawn(listen(listener, to, is_cut.clone()));
                }
                let _ = ended.await;
            });
        });
        Ok(Ways {
            endpoints,
            cut,
            _end: end,
        })
    }

    /// Where the host finds the members.
    pub fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// Nothing gets through. It is not lost: who waits long enough gets it.
    pub fn cut(&self) {
        self.cut.send_replace(Cut {
            requests: true,
            answers: true,
        });
    }

    /// Requests are carried out, and are not answered.
    pub fn cut_answers(&self) {
        self.cut.send_replace(Cut {
            requests: false,
            answers: true,
        });
    }

    /// Everything gets through again.
    pub fn heal(&self) {
        self.cut.send_replace(Cut::default());
    }
}

async fn listen(listener: std::net::TcpListener, to: SocketAddr, cut: watch::Receiver<Cut>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((host, _)) = listener.accept().await {
        tokio::spawn(carry(host, to, cut.clone()));
    }
}

async fn carry(host: TcpStream, to: SocketAddr, mut cut: watch::Receiver<Cut>) {
    let (requests, answers) = (cut.clone(), cut.clone());
    if cut.wait_for(|cut| !cut.requests).await.is_err() {
        return;
    }
    let Ok(member) = TcpStream::connect(to).await else {
        return;
    };
    let ((host_in, host_out), (member_in, member_out)) = (host.into_split(), member.into_split());
    tokio::select! {
        () = pour(host_in, member_out, requests, |cut| cut.requests) => {}
        () = pour(member_in, host_out, answers, |cut| cut.answers) => {}
    }
}

async fn pour(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut cut: watch::Receiver<Cut>,
    is_cut: fn(&Cut) -> bool,
) {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut bytes).await;
        if cut.wait_for(|cut| !is_cut(cut)).await.is_err() {
            return;
        }
        match read {
            Ok(length) if length > 0 => {
                if to.write_all(&bytes[..length]).await.is_err() {
                    return;
                }
            }
            // Also an end is heard of only where something gets through.
            _ => return,
        }
    }
}
