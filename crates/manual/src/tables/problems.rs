//! Every kind of problem that the gateway answers. That none is missing, a test finds out in the
//! gateway's sources.

use super::Table;

/// The end of `type`, the status, what it means, what to do.
const PROBLEMS: &[[&str; 4]] = &[
    [
        "bad-request",
        "400",
        "The request means nothing",
        "Correct what the detail names",
    ],
    [
        "unauthorized",
        "401",
        "Nobody knows who calls",
        "Send a token (`cpectl token new`) or a certificate. Is it expired, or revoked?",
    ],
    [
        "forbidden",
        "403",
        "The caller may see it, but not do that; or a page of a browser asks behind somebody's back",
        "Have the role granted in cpe-access(5); the detail says if it is a missing header",
    ],
    [
        "not-found",
        "404",
        "There is none, or none that the caller may see",
        "`GET /v1/deployments` has the names",
    ],
    [
        "other-log",
        "404",
        "The cursor is of another event log",
        "Read the log from its beginning",
    ],
    [
        "method-not-allowed",
        "405",
        "There is no such method here",
        "`/openapi.json` has what there is; `Allow` says what is taken",
    ],
    [
        "not-acceptable",
        "406",
        "What `Accept` asks for is not made here",
        "Ask for what `/openapi.json` says, or leave `Accept` out",
    ],
    [
        "timeout",
        "408",
        "The body did not come in time",
        "Send it again, faster: it is waited for 30 s",
    ],
    [
        "no-session-needed",
        "409",
        "The caller is known already, by the socket or by a certificate",
        "Go on without a login",
    ],
    [
        "busy",
        "409",
        "Something that excludes it is being done",
        "Try again after `Retry-After`",
    ],
    [
        "unknown-outcome",
        "409",
        "The order was begun, and nobody knows whether it was done, or still will be",
        "Look before you give another one: `GET D`, `GET /v1/events`",
    ],
    [
        "plan-outdated",
        "409",
        "Something else would be done by now than the plan says; nothing was",
        "Look at the new plan, which the answer has, and apply that",
    ],
    [
        "refused",
        "409",
        "It would not hold, or would take others down; nothing was changed",
        "Do what the detail proposes",
    ],
    [
        "precondition-failed",
        "412",
        "It has changed since the ETag that `If-Match` names; nothing was stored",
        "Get it again, and make the change from there",
    ],
    [
        "too-large",
        "413",
        "The body is too long",
        "Make it smaller, or raise `limits.document` in `gateway.toml` and `cpe.toml`",
    ],
    [
        "unsupported-media-type",
        "415",
        "The body is of another type than expected",
        "Set `Content-Type` to what the detail names",
    ],
    [
        "key-reused",
        "422",
        "Another order was given with that `Idempotency-Key`",
        "Take a new key, a UUID, for each order",
    ],
    [
        "unprocessable",
        "422",
        "The request is written as the contract says, and cannot be meant",
        "Correct what the detail names",
    ],
    [
        "invalid-document",
        "422",
        "The document has errors; nothing was stored",
        "Correct what `errors` lists, with line and column",
    ],
    [
        "precondition-required",
        "428",
        "A change that does not say what it was made from",
        "Send `If-Match` with the ETag, or `If-None-Match: *` to create",
    ],
    [
        "too-many-requests",
        "429",
        "Too much at once, or too often",
        "Wait for `Retry-After`. One client of many may need a principal of its own",
    ],
    [
        "failed",
        "500",
        "It could not be done",
        "The detail says why; `journalctl -u cpe-gateway -u cpe` has more",
    ],
    [
        "unavailable",
        "503",
        "`cpe` or the DPE does not answer now",
        "Look whether it was done, then try again after `Retry-After`. `systemctl status cpe`",
    ],
];

pub(super) fn table() -> Table {
    let rows = PROBLEMS.iter().map(|row| row.map(str::to_owned));
    Table::new(
        "problems",
        ["problem", "status", "what it means", "what to do"],
        rows.collect(),
    )
}
