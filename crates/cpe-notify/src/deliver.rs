//! One attempt to deliver one event.

mod exec;
mod http;
pub mod program;

use std::sync::Arc;
use std::time::Duration;

use cpe_bus::Event;
use tokio_rustls::rustls::ClientConfig;

use crate::config::{Sink, Target};
use crate::retry::Outcome;

pub use exec::Confinement;

/// What delivers the events of a sink.
#[derive(Debug, Clone)]
pub struct Deliverer {
    way: Way,
    timeout: Duration,
}

#[derive(Debug, Clone)]
enum Way {
    Http(http::Client),
    Exec(exec::Runner),
}

impl Deliverer {
    /// `confinement`: how programs are kept together.
    ///
    /// # Errors
    /// If the system has no certificates to believe a server by.
    pub fn new(sink: &Sink, confinement: &Confinement) -> anyhow::Result<Deliverer> {
        let way = match &sink.target {
            Target::Http(http) => Way::Http(http::Client::new(http)?),
            Target::Exec(exec) => Way::Exec(exec::Runner::new(&sink.name, exec, confinement)),
        };
        Ok(Deliverer {
            way,
            timeout: sink.timeout,
        })
    }

    /// Tries once. It takes a little longer than the sink's timeout at most.
    pub async fn attempt(&self, event: &Event) -> Outcome {
        match &self.way {
            Way::Exec(runner) => runner.run(event, self.timeout).await,
            Way::Http(client) => {
                let sent = tokio::time::timeout(self.timeout, client.send(event));
                sent.await.unwrap_or_else(|_| {
                    let limit = self.timeout.as_millis();
                    Outcome::again(format!("no answer within {limit} ms"))
                })
            }
        }
    }
}

/// The TLS of a sink: its own authorities, else the system's.
type Tls = Arc<ClientConfig>;
