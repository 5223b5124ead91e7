//! What is under way, as if it had ended as expected: what a plan compares is where things are in
//! the end, and the policy engine leaves alone what waits for an operation.

use std::borrow::Cow;

use policy_engine::Cib;

use crate::vocabulary::TransitionKey;

/// How an operation that is under way is written.
const UNDER_WAY: &str = "op-status=\"-1\"";
/// Above every number of a call: what is under way is the latest.
const LATEST: u32 = 2_000_000_000;

/// The policy engine's input with nothing under way in it.
pub(super) fn settled(input: &str) -> Result<Cow<'_, str>, policy_engine::Error> {
    if !input.contains(UNDER_WAY) {
        return Ok(Cow::Borrowed(input));
    }
    let mut cib = Cib::parse_accepted(input)?;
    let entries = cib
        .document()
        .root()
        .descendants()
        .filter(|entry| entry.name() == "lrm_rsc_op" && entry.get("op-status") == Some("-1"));
    let entries: Vec<_> = entries
        .map(|entry| {
            let key = entry.get("transition-key").unwrap_or_default();
            let expected = TransitionKey::parse(key).map_or(0, |key| key.expected_rc);
            (entry.id(), key.to_owned(), expected)
        })
        .collect();
    let document = cib.document_mut();
    for ((id, key, expected), call) in entries.into_iter().zip(LATEST..) {
        document.set(id, "op-status", "0");
        document.set(id, "rc-code", &expected.to_string());
        document.set(id, "call-id", &call.to_string());
        document.set(id, "transition-magic", &format!("0:{expected};{key}"));
    }
    Ok(Cow::Owned(cib.to_xml()))
}
