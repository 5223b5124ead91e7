//! Errors as callers get them: RFC 9457, `application/problem+json`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cpe_bus::Error;
use cpe_bus::records::ProblemRecord;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What was wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Problem {
    /// Which kind of problem: `/problems/…`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind, in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What it was this time.
    pub detail: String,
    /// Each mistake of a document, with its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<Mistake>,
    /// Of `plan-outdated`: what would be done now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub plan: Option<Box<Value>>,
    /// Seconds after which trying again is sensible.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

/// A mistake of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Mistake {
    /// From 1; 0 where it is not at one place.
    pub line: u32,
    /// From 1, in characters; 0 where it is not at one place.
    pub column: u32,
    /// `error` or `warning`.
    pub severity: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl From<ProblemRecord> for Mistake {
    fn from(record: ProblemRecord) -> Mistake {
        Mistake {
            line: record.line,
            column: record.column,
            severity: record.severity,
            message: record.message,
        }
    }
}

impl Problem {
    /// A problem of a kind, which is the last part of its `type`.
    pub fn new(
        status: StatusCode,
        kind: &str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Problem {
        Problem {
            kind: format!("/problems/{kind}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            plan: None,
            retry_after: None,
        }
    }

    /// The request says something that means nothing.
    pub fn bad_request(detail: impl Into<String>) -> Problem {
        let status = StatusCode::BAD_REQUEST;
        Problem::new(status, "bad-request", "The request means nothing", detail)
    }

    /// The request is well written, and says what cannot be meant.
    pub fn unprocessable(detail: impl Into<String>) -> Problem {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Problem::new(status, "unprocessable", "It cannot be meant", detail)
    }

    /// The same problem, of a body that is written as the contract says: cpe finds no sense in it.
    pub fn of_sense(self) -> Problem {
        match self.status {
            400 => Problem::unprocessable(self.detail),
            _ => self,
        }
    }

    /// There is none, or none that the caller may see.
    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// The caller may see it, but not do that.
    pub fn forbidden(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    /// A change without the state that it was made from.
    pub fn precondition_required(detail: impl Into<String>) -> Problem {
        let status = StatusCode::PRECONDITION_REQUIRED;
        let title = "A precondition is required";
        Problem::new(status, "precondition-required", title, detail)
    }

    /// Somebody was faster.
    pub fn precondition_failed(detail: impl Into<String>) -> Problem {
        let status = StatusCode::PRECONDITION_FAILED;
        Problem::new(
            status,
            "precondition-failed",
            "It has changed meanwhile",
            detail,
        )
    }

    /// Too much, or too often.
    pub fn too_many(detail: impl Into<String>, retry_after: u64) -> Problem {
        let status = StatusCode::TOO_MANY_REQUESTS;
        Problem::new(status, "too-many-requests", "Too many requests", detail)
            .after(Some(retry_after))
    }

    /// A body that is too long.
    pub fn too_large(detail: impl Into<String>) -> Problem {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        Problem::new(status, "too-large", "Too large", detail)
    }

    /// It cannot be done now.
    pub fn unavailable(detail: impl Into<String>) -> Problem {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Problem::new(status, "unavailable", "Not now", detail).after(Some(RETRY))
    }

    /// A document that cannot be accepted.
    pub fn invalid_document(errors: Vec<Mistake>) -> Problem {
        let count = errors.iter().filter(|it| it.severity == "error").count();
        let detail = match count {
            1 => "1 error".to_owned(),
            count => format!("{count} errors"),
        };
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let title = "The document is invalid";
        let problem = Problem::new(status, "invalid-document", title, detail);
        Problem { errors, ..problem }
    }

    /// It was begun, and no answer says that it was not done.
    pub fn outcome_unknown(detail: impl Into<String>) -> Problem {
        let title = "Nobody knows whether it was done";
        Problem::new(StatusCode::CONFLICT, "unknown-outcome", title, detail)
    }

    /// Whether it says that.
    pub fn is_outcome_unknown(&self) -> bool {
        self.kind.ends_with("/unknown-outcome")
    }

    /// Whether an error says that there is no such deployment.
    pub fn is_absence(error: &Error) -> bool {
        let absent = Some("org.freedesktop.DBus.Error.UnknownObject");
        matches!(error, Error::NotFound(_)) || error.foreign_name().as_deref() == absent
    }

    fn after(self, retry_after: Option<u64>) -> Problem {
        Problem {
            retry_after,
            ..self
        }
    }
}

/// Seconds after which something that is away may be back.
const RETRY: u64 = 2;

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        let text = error.message();
        match &error {
            Error::InvalidDocument(text) => Problem::invalid_document(mistakes(text)),
            Error::InvalidArgument(_) => Problem::bad_request(text),
            Error::TooLarge(_) => Problem::too_large(text),
            Error::GenerationConflict(_) | Error::Exists(_) => Problem::precondition_failed(text),
            Error::Busy(_) => {
                let title = "Something excludes it now";
                Problem::new(StatusCode::CONFLICT, "busy", title, text).after(Some(RETRY))
            }
            Error::Refused(_) => {
                let title = "It would not hold";
                Problem::new(StatusCode::CONFLICT, "refused", title, text)
            }
            Error::NotFound(_) => Problem::not_found(text),
            Error::AccessDenied(_) => Problem::forbidden(text),
            Error::OtherLog(_) => {
                let status = StatusCode::NOT_FOUND;
                Problem::new(status, "other-log", "Another event log", text)
            }
            Error::NotReady(_) => Problem::unavailable(text),
            Error::OutcomeUnknown(_) => Problem::outcome_unknown(text),
            foreign => foreign_problem(foreign, text),
        }
    }
}

/// Of errors that have no name of ours.
fn foreign_problem(error: &Error, text: String) -> Problem {
    match error.foreign_name().as_deref() {
        Some("org.freedesktop.DBus.Error.AccessDenied") => Problem::forbidden(
            "the bus does not let the gateway do this: is org.cloudpolicy.conf installed?",
        ),
        Some("org.freedesktop.DBus.Error.UnknownObject") => {
            Problem::not_found("there is no such deployment on this host")
        }
        _ if error.is_temporary() => {
            Problem::unavailable("cpe does not answer now: ask again, which does nothing twice")
        }
        _ => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Problem::new(status, "failed", "It failed", text)
        }
    }
}

/// Mistakes as cpe lists them: `LINE:COLUMN: error: message` each, or only a text.
fn mistakes(text: &str) -> Vec<Mistake> {
    text.lines().map(mistake).collect()
}

fn mistake(line: &str) -> Mistake {
    let placed = || {
        let (row, rest) = line.split_once(':')?;
        let (column, rest) = rest.split_once(": ")?;
        let (severity, message) = rest.split_once(": ")?;
        Some(Mistake {
            line: row.parse().ok()?,
            column: column.parse().ok()?,
            severity: severity.to_owned(),
            message: message.to_owned(),
        })
    };
    placed().unwrap_or_else(|| Mistake {
        severity: "error".to_owned(),
        message: line.strip_prefix("error: ").unwrap_or(line).to_owned(),
        ..Mistake::default()
    })
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"cpe\"");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_keep_their_places() {
        let text = "6:27: error: <assembly> has no attribute 'adress'\nthe guest is in use";
        let problem = Problem::from(Error::InvalidDocument(text.into()));
        assert_eq!((problem.status, problem.detail.as_str()), (422, "2 errors"));
        assert_eq!((problem.errors[0].line, problem.errors[0].column), (6, 27));
        assert_eq!(
            problem.errors[0].message,
            "<assembly> has no attribute 'adress'"
        );
        assert_eq!(
            (problem.errors[1].line, problem.errors[1].severity.as_str()),
            (0, "error")
        );
    }

    #[test]
    fn errors_of_the_bus_have_their_status() {
        let status = |error: Error| Problem::from(error).status;
        assert_eq!(status(Error::InvalidArgument(String::new())), 400);
        assert_eq!(status(Error::AccessDenied(String::new())), 403);
        assert_eq!(status(Error::NotFound(String::new())), 404);
        assert_eq!(status(Error::Busy(String::new())), 409);
        assert_eq!(status(Error::Refused(String::new())), 409);
        assert_eq!(status(Error::Exists(String::new())), 412);
        assert_eq!(status(Error::GenerationConflict(String::new())), 412);
        assert_eq!(status(Error::TooLarge(String::new())), 413);
        assert_eq!(status(Error::Failed(String::new())), 500);
        assert_eq!(status(Error::NotReady(String::new())), 503);
        let gone = zbus::fdo::Error::ServiceUnknown(String::new());
        assert_eq!(status(Error::ZBus(zbus::Error::FDO(Box::new(gone)))), 503);
    }
}
