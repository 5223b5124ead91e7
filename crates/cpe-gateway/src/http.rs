//! What requests consist of, checked on the way in. Whatever is wrong is a [`Problem`].

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::identity::Principal;
use crate::problem::Problem;

/// Bytes of a body that is not a document.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// A body that is not there by then is not waited for.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Who a request is from; the guard has found out.
pub(crate) struct Caller(pub(crate) Principal);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let found = parts.extensions.get::<Principal>().cloned();
        found.map(Caller).ok_or_else(unauthorized)
    }
}

/// Nobody knows who this is.
pub(crate) fn unauthorized() -> Problem {
    let status = StatusCode::UNAUTHORIZED;
    let detail = "show a token (`Authorization: Bearer …`, made by `cpectl token new`) or a certificate of a CA that the gateway knows";
    Problem::new(status, "unauthorized", "Who is it?", detail)
}

/// Parts of the path.
pub(crate) struct Place<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Place<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        let read = read.map_err(|error: PathRejection| Problem::bad_request(error.body_text()));
        read.map(|Path(place)| Place(place))
    }
}

/// What follows the `?`.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::<T>::from_request_parts(parts, state).await;
        let read = read.map_err(|error: QueryRejection| Problem::bad_request(error.body_text()));
        read.map(|Query(asked)| Asked(asked))
    }
}

/// The caller takes an answer of that type.
macro_rules! answers {
    ($name:ident, $kind:literal) => {
        #[doc = concat!("The caller takes ", $kind, ".")]
        pub(crate) struct $name;

        impl<S: Sync> FromRequestParts<S> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
                accepts(&parts.headers, $kind).map(|()| $name)
            }
        }
    };
}

answers!(AsJson, "application/json");
answers!(AsXml, "application/xml");
answers!(AsStream, "text/event-stream");

fn accepts(headers: &HeaderMap, kind: &str) -> Result<(), Problem> {
    let (family, _) = kind.split_once('/').unwrap_or((kind, ""));
    let mut asked = headers.get_all(header::ACCEPT).iter().peekable();
    if asked.peek().is_none() {
        return Ok(());
    }
    let fits = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let is_refused = parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        !is_refused && (name == "*/*" || name == kind || name == format!("{family}/*"))
    };
    let ranges = asked.filter_map(|value| value.to_str().ok());
    if ranges.flat_map(|value| value.split(',')).any(fits) {
        return Ok(());
    }
    let detail = format!("this is answered in {kind} only");
    let status = StatusCode::NOT_ACCEPTABLE;
    Err(Problem::new(
        status,
        "not-acceptable",
        "Not in that form",
        detail,
    ))
}

/// A document: the body, in UTF-8. Some are in memory at a time, each with its place.
pub(crate) struct Document(pub(crate) String, pub(crate) crate::limits::Place);

impl FromRequest<std::sync::Arc<crate::app::App>> for Document {
    type Rejection = Problem;

    async fn from_request(
        request: Request,
        app: &std::sync::Arc<crate::app::App>,
    ) -> Result<Self, Problem> {
        is_sent_as(request.headers(), &["application/xml", "text/xml"])?;
        let who = request.extensions().get::<Principal>();
        let who = who.ok_or_else(unauthorized)?;
        let place = app.documents.enter(&who.name);
        let place = place.ok_or_else(|| {
            Problem::too_many("too many documents are being sent: one after another", 1)
        })?;
        let bytes = body(request, app.settings.limits.document).await?;
        if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
            return Err(Problem::bad_request(format!(
                "byte {at} of the document is zero, which XML does not have"
            )));
        }
        let text = String::from_utf8(bytes);
        let text = text.map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Problem::bad_request(format!("byte {at} of the document is not UTF-8"))
        })?;
        Ok(Document(text, place))
    }
}

/// A body of JSON.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        is_sent_as(request.headers(), &["application/json"])?;
        let bytes = body(request, MAX_BODY).await?;
        let wrong = |error| Problem::bad_request(format!("the body: {error}"));
        let mut read: serde_json::Value = serde_json::from_slice(&bytes).map_err(wrong)?;
        if has_zero(&read) {
            // The bus carries none: whoever sends one is cut off there.
            return Err(Problem::bad_request("the body: a text has a zero byte"));
        }
        match make_whole(&mut read) {
            true => serde_json::from_value(read),
            // This knows the line and the column.
            false => serde_json::from_slice(&bytes),
        }
        .map(Json)
        .map_err(wrong)
    }
}

/// Whole numbers are written as `7`, or as `7.0` by those who know only one kind: makes them the
/// former, and says whether there was one.
fn make_whole(value: &mut serde_json::Value) -> bool {
    /// From here on not all whole numbers are among them.
    const MOST: f64 = 9_007_199_254_740_992.0;
    match value {
        serde_json::Value::Number(number) if number.is_f64() => {
            let found = number.as_f64().unwrap_or(0.5);
            if found.fract() != 0.0 || found.abs() >= MOST {
                return false;
            }
            let whole = format!("{found:.0}").parse::<i64>();
            *value = whole.unwrap_or(0).into();
            true
        }
        serde_json::Value::Array(values) => values
            .iter_mut()
            .fold(false, |any, it| make_whole(it) | any),
        serde_json::Value::Object(fields) => fields
            .values_mut()
            .fold(false, |any, it| make_whole(it) | any),
        _ => false,
    }
}

fn has_zero(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(text) => text.contains('\0'),
        serde_json::Value::Array(values) => values.iter().any(has_zero),
        serde_json::Value::Object(fields) => {
            let mut fields = fields.iter();
            fields.any(|(key, value)| key.contains('\0') || has_zero(value))
        }
        _ => false,
    }
}

/// Whether a body is sent as one of those types.
pub(crate) fn is_sent_as(headers: &HeaderMap, kinds: &[&str]) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let (name, parameters) = kind.split_once(';').unwrap_or((kind, ""));
    let name = name.trim().to_ascii_lowercase();
    let parameters = parameters.to_ascii_lowercase();
    let is_utf8 = !parameters.contains("charset") || parameters.contains("utf-8");
    if kinds.contains(&name.as_str()) && is_utf8 {
        return Ok(());
    }
    let detail = format!(
        "send it as `Content-Type: {}`, in UTF-8",
        kinds.join("` or `")
    );
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let title = "Not of that type";
    Err(Problem::new(
        status,
        "unsupported-media-type",
        title,
        detail,
    ))
}

/// The body, of at most so many bytes.
pub(crate) async fn body(request: Request<Body>, most: usize) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::too_large(format!("at most {most} bytes are taken"));
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > most) {
        return Err(too_large());
    }
    // One more is read to see that there is one.
    let read = to_bytes(request.into_body(), most);
    match tokio::time::timeout(BODY_TIMEOUT, read).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(error)) if is_too_long(&error) => Err(too_large()),
        Ok(Err(error)) => Err(Problem::bad_request(format!(
            "the body ended early: {error}"
        ))),
        Err(_) => {
            let status = StatusCode::REQUEST_TIMEOUT;
            let detail = format!("the body was not there within {} s", BODY_TIMEOUT.as_secs());
            Err(Problem::new(status, "timeout", "Too slow", detail))
        }
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// The state that a change is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// There is none yet: `If-None-Match: *`.
    Absent,
    /// It is of that generation: `If-Match: "g7"`.
    Generation(u64),
}

/// What the headers say of it.
pub(crate) fn precondition(headers: &HeaderMap) -> Result<Precondition, Problem> {
    let text = |name: &HeaderName| -> Result<Option<String>, Problem> {
        let mut values = headers.get_all(name).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let single = values.next().is_none();
        let value = value.to_str().ok().filter(|_| single);
        let value = value.ok_or_else(|| Problem::bad_request(format!("{name} must be one ETag")));
        value.map(|value| Some(value.trim().to_owned()))
    };
    match (text(&header::IF_MATCH)?, text(&header::IF_NONE_MATCH)?) {
        (None, Some(star)) if star == "*" => Ok(Precondition::Absent),
        (Some(tag), None) => match generation_of(&tag) {
            Some(generation) => Ok(Precondition::Generation(generation)),
            None if tag.starts_with('"') || tag.starts_with("W/\"") => {
                Err(Problem::precondition_failed(format!(
                    "{tag} is no ETag of a document; they are such as \"g7\""
                )))
            }
            None => Err(Problem::precondition_required(
                "If-Match must have the ETag of the document that the change was made from, such as \"g7\"",
            )),
        },
        (None, None) => Err(Problem::precondition_required(
            "say what the change was made from: If-Match with the ETag of the document, or If-None-Match: * for a new deployment",
        )),
        (Some(_), Some(star)) if star == "*" => Err(Problem::precondition_failed(
            "what has an ETag exists: say either If-Match with it, or If-None-Match: *",
        )),
        _ => Err(Problem::bad_request(
            "say either If-Match with an ETag, or If-None-Match: *",
        )),
    }
}

/// The generation of an ETag.
fn generation_of(tag: &str) -> Option<u64> {
    let number = tag.strip_prefix("\"g")?.strip_suffix('"')?;
    let generation: u64 = number.parse().ok()?;
    // One spelling each: `"g07"` is no ETag.
    (generation > 0 && number == generation.to_string()).then_some(generation)
}

/// The ETag of a generation.
pub(crate) fn etag(generation: u64) -> String {
    format!("\"g{generation}\"")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&HeaderName, &'static str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).clone(), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn a_precondition_is_one_etag_or_that_there_is_none() {
        let of = |pairs: &[(&HeaderName, &'static str)]| {
            precondition(&headers(pairs)).map_err(|problem| problem.status)
        };
        let (matches, none) = (&header::IF_MATCH, &header::IF_NONE_MATCH);
        assert_eq!(of(&[(matches, "\"g7\"")]), Ok(Precondition::Generation(7)));
        assert_eq!(of(&[(none, "*")]), Ok(Precondition::Absent));
        assert_eq!(of(&[]), Err(428));
        assert_eq!(of(&[(matches, "*")]), Err(428));
        assert_eq!(of(&[(matches, "\"g0\"")]), Err(412));
        assert_eq!(of(&[(matches, "W/\"g7\"")]), Err(412));
        assert_eq!(of(&[(matches, "\"g07\"")]), Err(412));
        assert_eq!(of(&[(matches, "\"g7\""), (none, "*")]), Err(412));
        assert_eq!(of(&[(none, "\"g7\"")]), Err(400));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        let request = Request::new(Body::from_stream(never));
        let begin = tokio::time::Instant::now();
        let problem = body(request, MAX_BODY).await.unwrap_err();
        assert_eq!(problem.status, 408);
        assert!(begin.elapsed() >= BODY_TIMEOUT);
    }

    #[test]
    fn whole_numbers_may_have_a_point() {
        let whole = |text: &str| {
            let mut value = serde_json::from_str(text).unwrap();
            (make_whole(&mut value), value.to_string())
        };
        assert_eq!(
            whole(r#"{"a":[7.0,-3e2]}"#),
            (true, r#"{"a":[7,-300]}"#.into())
        );
        for text in ["7", "7.5", "1e300", r#"{"a":"7.0"}"#] {
            assert!(!whole(text).0, "{text}");
        }
    }

    #[test]
    fn what_the_caller_takes_is_honoured() {
        let takes = |accept: &'static str| {
            accepts(&headers(&[(&header::ACCEPT, accept)]), "application/json").is_ok()
        };
        for accept in ["*/*", "text/html, application/*;q=0.8", "application/JSON"] {
            assert!(takes(accept), "{accept}");
        }
        for accept in ["text/html", "application/json;q=0", "application/xml"] {
            assert!(!takes(accept), "{accept}");
        }
        assert!(accepts(&HeaderMap::new(), "application/json").is_ok());
    }
}
