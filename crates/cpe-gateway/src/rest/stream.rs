//! Events as they happen: server-sent events, each cursor once, also over broken connections.
//!
//! Each stream is a task that reads on from its cursor: out of the mirror, or what is older from
//! cpe. It is as fast as its reader; one that stays a megabyte behind is let go, and can resume.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout};
use utoipa::IntoParams;

use super::events::{Filter, some_after};
use crate::app::App;
use crate::http::{AsStream, Asked, Caller};
use crate::identity::Principal;
use crate::limits::Place;
use crate::problem::Problem;
use crate::rights::Rights;

/// Pause after which a silent stream says that it lives.
const COMMENT: Duration = Duration::from_secs(5);
/// Bytes of one piece.
const PIECE: usize = 16 * 1024;
/// Bytes that a reader may be behind.
const BEHIND: usize = 1 << 20;
/// A reader that is that far behind, and takes nothing for so long, is let go.
const PATIENCE: Duration = Duration::from_secs(10);
/// A stream ends after so long, and the caller resumes it: what was taken away counts then.
const LIFE: Duration = Duration::from_secs(600);
/// What the caller may see is looked at again so often.
const RIGHTS: Duration = Duration::from_secs(5);
/// Pause before a cpe that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// Events that are taken at once.
const BATCH: u32 = 200;

/// From where, and which.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct From {
    /// `now` (the default), or a cursor: only events after it. `Last-Event-ID` is stronger.
    from: Option<String>,
    /// Only those of this deployment.
    deployment: Option<String>,
    /// Only those of this assembly.
    assembly: Option<String>,
    /// Only those of this service.
    service: Option<String>,
    /// Only those of this kind, in which `*` stands for any text.
    kind: Option<String>,
}

/// Events as they happen.
///
/// `id` is the cursor, `data` a CloudEvent; `event: gap` has the first cursor that is kept where
/// older ones are gone.
#[utoipa::path(get, path = "/v1/events/stream", operation_id = "follow_events", tag = "events",
    params(From, ("Last-Event-ID" = Option<u64>, Header, description = "Goes on after this cursor")),
    responses((status = 200, description = "Server-sent events, without an end", body = String, content_type = "text/event-stream")))]
pub(super) async fn follow(
    _: AsStream,
    Caller(who): Caller,
    Asked(asked): Asked<From>,
    headers: HeaderMap,
    State(app): State<Arc<App>>,
) -> Result<Response, Problem> {
    let session = app.sessions.of(&who.name).await?;
    let cursor = begin(&asked, &headers)?;
    let (log, end) = app.mirror.log()?;
    let cursor = cursor.unwrap_or(end);
    let place = app
        .streams
        .enter(&who.name)
        .ok_or_else(|| Problem::too_many("too many streams are open: close some, or wait", 5))?;
    let (pieces, mut taken) = mpsc::unbounded_channel::<String>();
    let room = Arc::new(Semaphore::new(BEHIND));
    let free = Arc::clone(&room);
    let stream = Stream {
        app,
        who,
        rights: session.rights.clone(),
        filter: Filter {
            deployment: asked.deployment,
            assembly: asked.assembly,
            service: asked.service,
            kind: asked.kind,
        },
        log,
        cursor,
        pieces,
        room,
        _place: place,
    };
    tokio::spawn(stream.run());
    let body = futures_util::stream::poll_fn(move |context| {
        taken.poll_recv(context).map(|piece| {
            let piece = piece?;
            free.add_permits(size(&piece) as usize);
            Some(Ok::<_, Infallible>(piece))
        })
    });
    let mut response = Body::from_stream(body).into_response();
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// After which cursor; `None`: after the newest.
fn begin(asked: &From, headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let last = headers.get("last-event-id");
    let last = last.and_then(|last| last.to_str().ok());
    let text = match (last, asked.from.as_deref()) {
        (Some(last), _) if !last.is_empty() => last,
        (_, None | Some("now")) => return Ok(None),
        (_, Some(from)) => from,
    };
    let cursor = text.parse().map(Some);
    cursor
        .map_err(|_| Problem::bad_request("from: `now` or a cursor, and Last-Event-ID is a cursor"))
}

struct Stream {
    app: Arc<App>,
    who: Principal,
    rights: Rights,
    filter: Filter,
    /// The log that the cursor is of.
    log: String,
    cursor: u64,
    pieces: mpsc::UnboundedSender<String>,
    /// Bytes that may still wait for the reader.
    room: Arc<Semaphore>,
    _place: Place,
}

/// The reader is gone, or was let go.
struct Gone;

impl Stream {
    async fn run(mut self) {
        let mut newest = self.app.mirror.subscribe();
        let end = Instant::now() + LIFE;
        let mut checked = Instant::now();
        let mut said = Instant::now();
        // At once, so that the reader sees that it is connected.
        if self.put(": hello\n\n".to_owned()).await.is_err() {
            return;
        }
        while Instant::now() < end {
            if checked.elapsed() >= RIGHTS {
                let Ok(session) = self.app.sessions.of(&self.who.name).await else {
                    return;
                };
                self.rights = session.rights.clone();
                checked = Instant::now();
            }
            newest.mark_unchanged();
            match self.advance().await {
                Ok(Step::Said) => said = Instant::now(),
                Ok(Step::Silent) => {}
                Ok(Step::AtEnd) => {
                    let wait = COMMENT.saturating_sub(said.elapsed());
                    tokio::select! {
                        _ = newest.changed() => {}
                        _ = tokio::time::sleep(wait) => {
                            if self.put(": \n\n".to_owned()).await.is_err() {
                                return;
                            }
                            said = Instant::now();
                        }
                        () = self.pieces.closed() => return,
                    }
                }
                Err(Gone) => return,
            }
        }
    }

    /// Says what follows.
    async fn advance(&mut self) -> Result<Step, Gone> {
        let Ok((log, end)) = self.app.mirror.log() else {
            return Ok(Step::AtEnd);
        };
        if self.cursor > end || log != self.log {
            // Of a log that is lost: the present one is read from its beginning.
            (self.log, self.cursor) = (log, 0);
            return self.gap(1).await;
        }
        let batch = match some_after(&self.app, self.cursor, BATCH).await {
            Ok(batch) => batch,
            Err(_) => {
                tokio::time::sleep(AGAIN).await;
                return Ok(Step::AtEnd);
            }
        };
        if batch.next == self.cursor {
            return Ok(Step::AtEnd);
        }
        // Without a filter only what was removed is left out.
        let first = batch.events.first().map(|it| it.event.cursor);
        let first = first.or(Some(batch.next + 1));
        if let Some(first) = first.filter(|first| *first > self.cursor + 1) {
            self.cursor = first - 1;
            return self.gap(first).await;
        }
        let mut piece = String::new();
        let mut step = Step::Silent;
        for logged in &batch.events {
            if !self.filter.fits(&logged.event, &self.rights) {
                continue;
            }
            step = Step::Said;
            piece.push_str(&format!(
                "id: {}\ndata: {}\n\n",
                logged.event.cursor, logged.json
            ));
            if piece.len() >= PIECE {
                self.put(std::mem::take(&mut piece)).await?;
            }
        }
        if !piece.is_empty() {
            self.put(piece).await?;
        }
        self.cursor = batch.next;
        Ok(step)
    }

    /// Says that what is before a cursor is gone.
    async fn gap(&mut self, first: u64) -> Result<Step, Gone> {
        let before = first - 1;
        let said = format!("event: gap\nid: {before}\ndata: {{\"first\": {first}}}\n\n");
        self.put(said).await.map(|()| Step::Said)
    }

    async fn put(&self, piece: String) -> Result<(), Gone> {
        tokio::select! {
            room = timeout(PATIENCE, self.room.acquire_many(size(&piece))) => match room {
                Ok(Ok(room)) => room.forget(),
                _ => return Err(Gone),
            },
            () = self.pieces.closed() => return Err(Gone),
        }
        self.pieces.send(piece).map_err(|_| Gone)
    }
}

/// What a piece counts; none counts more than there is room.
fn size(piece: &str) -> u32 {
    u32::try_from(piece.len().min(BEHIND)).unwrap_or(u32::MAX)
}

enum Step {
    /// Something was said.
    Said,
    /// Nothing of it was for the reader.
    Silent,
    /// There is nothing more for now.
    AtEnd,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_event_is_stronger_than_where_it_began() {
        let at = |from: Option<&str>, last: Option<&'static str>| {
            let asked = From {
                from: from.map(str::to_owned),
                ..From::default()
            };
            let mut headers = HeaderMap::new();
            if let Some(last) = last {
                headers.insert("last-event-id", HeaderValue::from_static(last));
            }
            begin(&asked, &headers).map_err(|problem| problem.status)
        };
        assert_eq!(at(None, None), Ok(None));
        assert_eq!(at(Some("now"), None), Ok(None));
        assert_eq!(at(Some("7"), None), Ok(Some(7)));
        assert_eq!(at(Some("now"), Some("9")), Ok(Some(9)));
        assert_eq!(at(Some("7"), Some("")), Ok(Some(7)));
        assert_eq!(at(Some("soon"), None), Err(400));
        assert_eq!(at(None, Some("x")), Err(400));
    }
}
