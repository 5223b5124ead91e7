//! A bus, a double of cpe on it, and a gateway that is asked without sockets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use cpe_gateway::identity::Peer;
use cpe_gateway::{App, Settings, page, rest};
use cpe_tokens::Tokens;
use serde_json::Value;
use tower::ServiceExt;
use zbus::Connection;

use crate::bus::Bus;
use crate::double::{CpeDouble, document};

/// All of it.
pub(crate) struct Setting {
    pub bus: Bus,
    pub double: CpeDouble,
    /// The double's connection; `None`: it is away.
    pub cpe: Option<Connection>,
    pub app: Arc<App>,
    pub router: Router,
    /// Tokens, by their roles.
    tokens: Vec<(&'static str, String)>,
    _folder: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// Its body.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// It is a problem of that status and kind.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, kind: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["type"], format!("/problems/{kind}"), "{problem}");
        assert_eq!(problem["status"], status);
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{problem}");
    }
}

/// A request under construction.
pub(crate) struct Asking {
    pub request: axum::http::request::Builder,
    peer: Peer,
    body: String,
}

impl Asking {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Asking {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn xml(self, body: &str) -> Asking {
        let asking = self.header("content-type", "application/xml");
        Asking {
            body: body.to_owned(),
            ..asking
        }
    }

    pub(crate) fn json(self, body: &Value) -> Asking {
        let asking = self.header("content-type", "application/json");
        Asking {
            body: body.to_string(),
            ..asking
        }
    }

    pub(crate) fn form(self, body: &str) -> Asking {
        let asking = self.header("content-type", "application/x-www-form-urlencoded");
        Asking {
            body: body.to_owned(),
            ..asking
        }
    }

    pub(crate) fn from(self, peer: Peer) -> Asking {
        Asking { peer, ..self }
    }

    /// Sends it; the response, whose body is not read yet.
    pub(crate) async fn begin(self, setting: &Setting) -> axum::response::Response {
        let mut request: Request<Body> = self.request.body(self.body.into()).unwrap();
        request.extensions_mut().insert(self.peer);
        let router = setting.router.clone();
        router.oneshot(request).await.unwrap()
    }

    /// Sends it.
    pub(crate) async fn send(self, setting: &Setting) -> Answer {
        let (head, body) = self.begin(setting).await.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }
}

impl Setting {
    /// Deployments `shop` and `mail`; tokens `viewer`, `operator` and `owner` of `shop`, `admin` of
    /// all, and `nobody`.
    pub(crate) async fn new() -> Setting {
        Setting::of(CpeDouble::default()).await
    }

    pub(crate) async fn of(double: CpeDouble) -> Setting {
        let bus = Bus::start();
        {
            let mut known = double.lock();
            known.log = "log-1".into();
            known.action = "start".into();
            for name in ["mail", "shop"] {
                let documents = vec![document(name, "first")];
                known.documents.insert(name.to_owned(), documents);
            }
            for role in ["viewer", "operator", "owner"] {
                let grant = (role.to_owned(), "shop*".to_owned());
                known.roles.insert(format!("token:{role}"), vec![grant]);
            }
            for who in ["token:admin", "user:root"] {
                let grant = ("admin".to_owned(), "*".to_owned());
                known.roles.insert(who.to_owned(), vec![grant]);
            }
        }
        double.note("deployment.created", "shop");
        let cpe = double.serve(&bus.address()).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        let mut tokens = Tokens::default();
        let now = jiff::Timestamp::now();
        let ids = ["viewer", "operator", "owner", "admin", "nobody"];
        let made = ids.map(|id| (id, tokens.add(id, now, None, "").unwrap()));
        tokens.save(&path, None).unwrap();
        let settings = Settings {
            tokens: path,
            allow_root: true,
            ..Settings::default()
        };
        let app = App::start(settings, bus.selection());
        let setting = Setting {
            bus,
            double,
            cpe: Some(cpe),
            router: page::router(Arc::clone(&app), rest::router(Arc::clone(&app))),
            app,
            tokens: made.into(),
            _folder: folder,
        };
        let ready = || async { setting.get("admin", "/readyz").send(&setting).await.status == 200 };
        until("the gateway is ready", ready).await;
        setting
    }

    /// A request of a token's owner.
    pub(crate) fn ask(&self, who: &str, method: &str, path: &str) -> Asking {
        let token = self.token(who);
        let local = Peer::User(0);
        let asking = Asking {
            request: Request::builder().method(method).uri(path),
            peer: local,
            body: String::new(),
        };
        let asking = asking.header("host", "localhost");
        match who {
            // Whoever the connection says.
            "" => asking,
            _ => asking.header("authorization", &format!("Bearer {token}")),
        }
    }

    /// The token of somebody.
    pub(crate) fn token(&self, who: &str) -> &str {
        let token = self.tokens.iter().find(|(id, _)| *id == who);
        token.map_or("cpe_no_token", |(_, token)| token.as_str())
    }

    pub(crate) fn get(&self, who: &str, path: &str) -> Asking {
        self.ask(who, "GET", path)
    }
}

/// Waits until something holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let begin = Instant::now();
    while !holds().await {
        assert!(begin.elapsed() < Duration::from_secs(60), "not yet: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
