//! What holds of every request before it is looked at: it is meant for this host, somebody is known
//! to ask, not too often, and no page in a browser asks behind somebody's back.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::http::unauthorized;
use crate::identity::{CertificateEnd, Peer, Principal, Via, cookie};
use crate::problem::Problem;

/// What anybody may ask.
const OPEN: &[&str] = &["/openapi.json", "/healthz", "/readyz"];
/// What anybody may ask who sends it from no page, or from one of ours: to log in and out.
const LOGIN: &[&str] = &["/v1/session", "/v1/session/end"];
/// Stylesheet and scripts of the page: of the login, too.
const ASSETS: &str = "/assets/";
/// What a page of another site cannot add to a request.
const OWN: &str = "x-cpe-request";

/// In every answer: what a browser may do with it.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; require-trusted-types-for 'script'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

/// Lets requests through, or says why not.
pub(crate) async fn guard(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<Peer>().cloned();
    let is_remote = matches!(peer, Some(Peer::Remote(..)));
    let mut response = match admit(&app, peer, &mut request).await {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers
            .entry(*name)
            .or_insert(HeaderValue::from_static(value));
    }
    if is_remote {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

async fn admit(app: &App, peer: Option<Peer>, request: &mut Request) -> Result<(), Problem> {
    let peer = peer.ok_or_else(unauthorized)?;
    let host = host(request.uri(), request.headers())?;
    is_for_us(&app.settings.hosts, &host)?;
    // The bus carries no zero bytes: whoever sends one is cut off there.
    let place = request.uri().path_and_query();
    if place.is_some_and(|place| place.as_str().contains("%00")) {
        return Err(Problem::bad_request("the address has a zero byte"));
    }
    let path = request.uri().path();
    if OPEN.contains(&path) || path.starts_with(ASSETS) {
        return often(app, &peer.key());
    }
    if request.method() == Method::POST && LOGIN.contains(&path) {
        often(app, &peer.key())?;
        return is_of_own_page(&host, request.headers());
    }
    let end = request.extensions().get::<CertificateEnd>().copied();
    let principal = match identify(app, &peer, end, request.headers()).await {
        Ok(principal) => principal,
        // Who is refused must not ask without end either.
        Err(problem) => {
            often(app, &peer.key())?;
            return Err(problem);
        }
    };
    often(app, &principal.name)?;
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    if principal.is_ambient() && !is_safe {
        is_own(&host, request.headers())?;
    }
    request.extensions_mut().insert(principal);
    Ok(())
}

fn often(app: &App, who: &str) -> Result<(), Problem> {
    app.requests.take(who).map_err(|seconds| {
        let limits = &app.settings.limits;
        let detail = format!(
            "at most {} requests a second are answered, and {} at once",
            limits.requests_per_second, limits.burst
        );
        Problem::too_many(detail, seconds)
    })
}

/// By which name we were reached, with its port.
fn host(uri: &Uri, headers: &HeaderMap) -> Result<String, Problem> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let of_header = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    };
    let host = uri.authority().map(|it| it.as_str()).or(of_header);
    let host = host.ok_or_else(|| Problem::bad_request("the request has no Host"))?;
    Ok(host.to_ascii_lowercase())
}

/// Another name for our address is a page's trick to be our own (DNS rebinding).
fn is_for_us(known: &[String], host: &str) -> Result<(), Problem> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    if known.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    Err(Problem::forbidden(
        "the gateway is not known by this name (`hosts` of gateway.toml)",
    ))
}

async fn identify(
    app: &App,
    peer: &Peer,
    end: Option<CertificateEnd>,
    headers: &HeaderMap,
) -> Result<Principal, Problem> {
    if let Some(shown) = headers.get(header::AUTHORIZATION) {
        return match bearer(shown).and_then(|token| app.tokens.check(token)) {
            Some(token) => Ok(Principal {
                name: format!("token:{}", token.id),
                via: Via::Token,
                until: token.expires,
            }),
            None => Err(wrong_token(app, peer)),
        };
    }
    if let (Peer::Remote(..), Some(secret)) = (peer, cookie(headers))
        && let Some(principal) = logged_in(app, secret)
    {
        return Ok(principal);
    }
    match peer {
        Peer::User(0) if !app.settings.allow_root => Err(Problem::forbidden(
            "root is not let in (`allow_root` of gateway.toml): call as the user who you are",
        )),
        Peer::User(uid) => match app.users.name(*uid).await {
            Some(name) => Ok(Principal {
                name: format!("user:{name}"),
                via: Via::Socket,
                until: None,
            }),
            None => Err(Problem::forbidden(format!("user {uid} has no name"))),
        },
        Peer::Remote(_, Some(name)) => Ok(Principal {
            name: format!("cert:{name}"),
            via: Via::Certificate,
            until: end.map(|end| end.0),
        }),
        Peer::Remote(_, None) => Err(unauthorized()),
    }
}

/// Whom a cookie stands for. It ends when its token does; one that stands for nobody is as none.
fn logged_in(app: &App, secret: &str) -> Option<Principal> {
    let login = app.logins.find(secret)?;
    if !app.tokens.has(&login.token) {
        app.logins.end(secret);
        return None;
    }
    Some(Principal {
        name: format!("token:{}", login.token.id),
        via: Via::Session,
        until: Some(login.until),
    })
}

fn bearer(header: &HeaderValue) -> Option<&str> {
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A token that is none; not many are tried from one address.
pub(crate) fn wrong_token(app: &App, peer: &Peer) -> Problem {
    match app.wrong_tokens.take(&peer.key()) {
        Ok(()) => {
            let problem = unauthorized();
            let detail = format!("this token is not accepted; {}", problem.detail);
            Problem { detail, ..problem }
        }
        Err(seconds) => Problem::too_many("too many wrong tokens from there", seconds),
    }
}

/// A browser says of which page a change comes. A page that says nothing of itself to others
/// (`Referrer-Policy: no-referrer`) has the origin `null`: the browser says then whose it is.
fn is_of_own_page(host: &str, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &str| {
        let value = headers.get(name)?;
        Some(value.to_str().unwrap_or_default().to_ascii_lowercase())
    };
    let site = text("sec-fetch-site");
    let is_own = match text("origin") {
        _ if matches!(site.as_deref(), Some("cross-site" | "same-site")) => false,
        None => true,
        Some(origin) if origin == "null" => site.as_deref() == Some("same-origin"),
        Some(origin) => origin.split_once("://").map(|(_, of)| of) == Some(host),
    };
    match is_own {
        true => Ok(()),
        false => Err(Problem::forbidden("a page of another site asks for this")),
    }
}

/// A page of another site can have a browser send a request, but not with a header of its own
/// choice, and not without saying where it comes from.
fn is_own(host: &str, headers: &HeaderMap) -> Result<(), Problem> {
    is_of_own_page(host, headers)?;
    match headers.get(OWN) {
        Some(value) if value == "1" => Ok(()),
        _ => Err(Problem::forbidden(
            "without a token, all requests but GET and HEAD need the header `X-CPE-Request: 1`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_are_ours() {
        let known = ["localhost".to_owned(), "[::1]".to_owned()];
        for host in ["localhost", "localhost:8080", "[::1]:443", "[::1]"] {
            assert!(is_for_us(&known, host).is_ok(), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1",
            "",
            ":80",
        ] {
            assert!(is_for_us(&known, host).is_err(), "{host}");
        }
    }

    #[test]
    fn a_change_comes_from_our_own_page_or_from_no_page() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            is_own("localhost:8080", &headers).is_ok()
        };
        assert!(of(&[(OWN, "1")]));
        assert!(of(&[(OWN, "1"), ("origin", "http://localhost:8080")]));
        assert!(!of(&[]));
        assert!(!of(&[(OWN, "0")]));
        assert!(!of(&[("origin", "http://localhost:8080")]));
        for origin in ["http://localhost", "https://evil.example", "null"] {
            assert!(!of(&[(OWN, "1"), ("origin", origin)]), "{origin}");
        }
        let site = |site| of(&[(OWN, "1"), ("origin", "null"), ("sec-fetch-site", site)]);
        assert!(site("same-origin"));
        assert!(!site("same-site") && !site("cross-site") && !site("none"));
        assert!(!of(&[(OWN, "1"), ("sec-fetch-site", "cross-site")]));
        assert!(of(&[(OWN, "1"), ("sec-fetch-site", "none")]));
    }
}
