//! A webhook: one request for each event, over a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use cpe_bus::Event;
use cpe_bus::cloudevents::to_cloudevent;
use cpe_daemon::now;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::Tls;
use crate::config::{Format, Http};
use crate::retry::{self, Outcome};
use crate::{signature, text};

/// Largest body, in bytes. Details of a larger event are left out.
const MAX_BODY: usize = 256 << 10;
/// How much of an answer is read, in bytes: for the reason of a refusal.
const MAX_ANSWER: usize = 4 << 10;
/// How long it is waited for an address of a host that has others.
const SILENCE: Duration = Duration::from_secs(2);
/// Longest head of an answer, in bytes.
const MAX_HEAD: usize = 64 << 10;

#[derive(Debug, Clone)]
pub(super) struct Client {
    to: Http,
    /// None for `http:`.
    tls: Option<Tls>,
}

impl Client {
    pub(super) fn new(to: &Http) -> anyhow::Result<Client> {
        let tls = match to.url.scheme_str() {
            Some("https") => Some(tls(to)?),
            _ => None,
        };
        Ok(Client {
            to: to.clone(),
            tls,
        })
    }

    pub(super) async fn send(&self, event: &Event) -> Outcome {
        let request = match request(&self.to, event) {
            Ok(request) => request,
            Err(error) => return Outcome::never(format!("{error:#}")),
        };
        match self.exchange(request).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::again(text::one_line(format!("{error:#}").as_bytes())),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Outcome> {
        let url = &self.to.url;
        let host = url.host().unwrap_or_default();
        // IPv6 addresses stand in brackets.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let usual = if self.tls.is_some() { 443 } else { 80 };
        let port = url.port_u16().unwrap_or(usual);
        let stream = connect(host, port).await;
        let stream = stream.with_context(|| format!("cannot connect to {host} port {port}"))?;
        let Some(tls) = &self.tls else {
            return over(stream, request).await;
        };
        let name = ServerName::try_from(host.to_owned()).context("no name of a server")?;
        let connector = TlsConnector::from(Arc::clone(tls));
        let stream = connector.connect(name, stream).await;
        over(stream.context("TLS")?, request).await
    }
}

/// Connects to the first address of a host that answers; one that is silent does not take the time
/// of the others.
async fn connect(host: &str, port: u16) -> anyhow::Result<TcpStream> {
    let addresses: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
    let (mut last, count) = (anyhow!("it has no address"), addresses.len());
    for (at, address) in addresses.into_iter().enumerate() {
        let connecting = TcpStream::connect(address);
        let connected = match at + 1 == count {
            true => Ok(connecting.await),
            false => timeout(SILENCE, connecting).await,
        };
        match connected {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error.into(),
            Err(_) => last = anyhow!("{address} is silent"),
        }
    }
    Err(last)
}

/// Sends a request and reads the answer, on a connection that ends with it.
async fn over<S>(stream: S, request: Request<Full<Bytes>>) -> anyhow::Result<Outcome>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let exchange = async move {
        let response = sender.send_request(request).await?;
        anyhow::Ok(outcome(response).await)
    };
    tokio::pin!(connection, exchange);
    tokio::select! {
        outcome = &mut exchange => outcome,
        // It may end with the answer in hand.
        ended = &mut connection => match exchange.await {
            Ok(outcome) => Ok(outcome),
            Err(error) => Err(ended.err().map_or(error, anyhow::Error::from)),
        },
    }
}

async fn outcome(response: Response<Incoming>) -> Outcome {
    let status = response.status();
    let after = response.headers().get(RETRY_AFTER);
    let after = after
        .and_then(|value| value.to_str().ok())
        .and_then(|value| retry::retry_after(value, now()));
    if status.is_success() {
        // It is taken; what it says besides is of no use.
        return Outcome::Delivered;
    }
    let said = beginning(response.into_body()).await;
    retry::of_status(status.as_u16(), after, &text::one_line(&said))
}

async fn beginning(mut body: Incoming) -> Vec<u8> {
    let mut said = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let room = MAX_ANSWER - said.len();
        said.extend_from_slice(&data[..data.len().min(room)]);
        if said.len() == MAX_ANSWER {
            break;
        }
    }
    said
}

fn request(to: &Http, event: &Event) -> anyhow::Result<Request<Full<Bytes>>> {
    let id = text::header_value(&event.id);
    let timestamp = now() / 1_000_000;
    let (headers, body) = content(to.format, event)?;
    let path = to.url.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::post(path)
        .header(HOST, authority(&to.url)?)
        .header(
            USER_AGENT,
            concat!("cpe-notify/", env!("CARGO_PKG_VERSION")),
        )
        .header("webhook-id", &id)
        .header("webhook-timestamp", timestamp);
    if !to.secrets.is_empty() {
        let signed = signature::header(&to.secrets, &id, timestamp, &body);
        request = request.header("webhook-signature", signed);
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    Ok(request.body(Full::new(Bytes::from(body)))?)
}

fn authority(url: &Uri) -> anyhow::Result<&str> {
    match url.authority() {
        Some(authority) => Ok(authority.as_str()),
        None => bail!("`url` names no host"),
    }
}

type Content = (Vec<(String, String)>, Vec<u8>);

/// The headers and the body of an event in a format.
fn content(format: Format, event: &Event) -> anyhow::Result<Content> {
    let whole = shaped(format, to_cloudevent(event))?;
    if whole.1.len() <= MAX_BODY {
        return Ok(whole);
    }
    let mut cloudevent = to_cloudevent(&Event {
        details: Default::default(),
        ..event.clone()
    });
    cloudevent["data"]["details_left_out"] = Value::Bool(true);
    let rest = shaped(format, cloudevent)?;
    match rest.1.len() <= MAX_BODY {
        true => Ok(rest),
        false => bail!("the event has more than {MAX_BODY} bytes also without its details"),
    }
}

fn shaped(format: Format, mut event: Value) -> anyhow::Result<Content> {
    let content_type = |value: &str| (CONTENT_TYPE.to_string(), value.to_owned());
    if format == Format::Structured {
        let headers = vec![content_type("application/cloudevents+json; charset=utf-8")];
        return Ok((headers, serde_json::to_vec(&event)?));
    }
    let data = event["data"].take();
    let mut headers = vec![content_type("application/json")];
    for (name, value) in event.as_object().into_iter().flatten() {
        if let Some(value) = value.as_str().filter(|_| name != "datacontenttype") {
            headers.push((format!("ce-{name}"), text::header_value(value)));
        }
    }
    Ok((headers, serde_json::to_vec(&data)?))
}

fn tls(to: &Http) -> anyhow::Result<Tls> {
    let mut roots = RootCertStore::empty();
    if to.authorities.is_empty() {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
    } else {
        roots.add_parsable_certificates(to.authorities.iter().cloned());
    }
    if roots.is_empty() {
        bail!(
            "there are no certificates to believe a server by: install the package ca-certificates, or set `ca_file`"
        );
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use cpe_bus::EventKind;
    use cpe_bus::cloudevents::from_cloudevent;

    use super::*;

    fn event() -> Event {
        Event {
            cursor: 7,
            service: "db".into(),
            ..Event::new(EventKind::ServiceMoved, "shop", 1_700_000_000_123_456)
        }
    }

    #[test]
    fn a_structured_event_is_the_body() {
        let (headers, body) = content(Format::Structured, &event()).unwrap();
        assert_eq!(headers[0].1, "application/cloudevents+json; charset=utf-8");
        let read = from_cloudevent(&serde_json::from_slice(&body).unwrap()).unwrap();
        assert_eq!((read.cursor, read.service.as_str()), (7, "db"));
    }

    #[test]
    fn a_binary_event_has_its_attributes_in_headers() {
        let (headers, body) = content(Format::Binary, &event()).unwrap();
        let header = |name: &str| {
            let mut found = headers.iter().filter(|(own, _)| own == name);
            found.next().map(|(_, value)| value.as_str())
        };
        assert_eq!(header("ce-specversion"), Some("1.0"));
        assert_eq!(header("ce-type"), Some("org.cloudpolicy.service.moved"));
        assert_eq!(header("ce-sequence"), Some("00000000000000000007"));
        assert_eq!(header("content-type"), Some("application/json"));
        assert_eq!(header("ce-datacontenttype"), None);
        assert_eq!(header("ce-data"), None);
        let data: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(data["deployment"], "shop");
    }

    #[test]
    fn details_of_an_enormous_event_are_left_out_and_that_is_said() {
        let mut large = event();
        for n in 0..512 {
            large.details.insert(format!("d{n}"), "x".repeat(16 << 10));
        }
        for format in [Format::Structured, Format::Binary] {
            let (_, body) = content(format, &large).unwrap();
            assert!(body.len() < MAX_BODY);
            let text = String::from_utf8(body).unwrap();
            assert!(text.contains("\"details_left_out\":true"), "{text}");
        }
    }
}
