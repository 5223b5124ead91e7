//! How it is written: four bytes that say how long it is, highest first, and so much JSON.

use std::io::{Error, ErrorKind, Read, Result, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of the longest message: rows of [`MOST_BYTES`](crate::MOST_BYTES), with every quotation
/// mark escaped, and as much again.
pub const LONGEST: usize = 4 << 20;

fn wrong(text: String) -> Error {
    Error::new(ErrorKind::InvalidData, text)
}

/// A message as it is sent.
///
/// # Errors
/// If it is too long.
pub fn frame(message: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let long = bytes.len() - 4;
    let length = u32::try_from(long).ok().filter(|_| long <= LONGEST);
    let length = length.ok_or_else(|| too_long(long))?;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

fn too_long(long: usize) -> Error {
    wrong(format!(
        "a message of {long} bytes is too long: {LONGEST} are allowed"
    ))
}

/// How long the message is that begins so.
///
/// # Errors
/// If it is too long. No memory was taken for it.
pub fn length(head: [u8; 4]) -> Result<usize> {
    let long = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
    match long <= LONGEST {
        true => Ok(long),
        false => Err(too_long(long)),
    }
}

/// The message that these bytes are, which follow the length.
///
/// # Errors
/// If they are none.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| wrong(format!("it cannot be read: {error}")))
}

/// Sends a message, and waits until it is sent.
///
/// # Errors
/// If it is not, or not as a whole.
pub fn send(to: &mut impl Write, message: &impl Serialize) -> Result<()> {
    to.write_all(&frame(message)?)
}

/// Waits for a message. Memory is taken as it arrives.
///
/// # Errors
/// If none comes, or none that can be read.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> Result<T> {
    let mut head = [0; 4];
    from.read_exact(&mut head)?;
    let long = length(head)?;
    let mut bytes = Vec::new();
    let most = u64::try_from(long).unwrap_or(u64::MAX);
    from.take(most).read_to_end(&mut bytes)?;
    match bytes.len() == long {
        true => read(&bytes),
        false => Err(ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MOST_BYTES, Reply, Request, Row};

    fn write(value: &str) -> Request {
        Request::Write {
            grant: 7,
            after: 1 << 60,
            writer: "1".to_owned(),
            rows: vec![Row {
                key: "assembly/a".to_owned(),
                value: Some(value.to_owned()),
            }],
        }
    }

    #[test]
    fn what_is_sent_is_received() {
        let mut way = Vec::new();
        send(&mut way, &write("{\"safe\":true}")).expect("sent");
        send(&mut way, &Request::Read).expect("sent");
        let mut way = way.as_slice();
        let first: Request = receive(&mut way).expect("received");
        assert_eq!(first, write("{\"safe\":true}"));
        let second: Request = receive(&mut way).expect("received");
        assert_eq!(second, Request::Read);
        receive::<Request>(&mut way).expect_err("nothing more");
    }

    #[test]
    fn the_most_that_is_allowed_fits() {
        let bytes = frame(&write(&"\"".repeat(MOST_BYTES))).expect("a message");
        assert!(bytes.len() > 2 * MOST_BYTES);
        let error = frame(&write(&"\"".repeat(2 * MOST_BYTES))).expect_err("too much");
        assert!(error.to_string().contains("too long"), "{error}");
    }

    #[test]
    fn what_is_too_long_torn_or_something_else_is_an_error() {
        let huge = [0xff; 8];
        let error = receive::<Reply>(&mut huge.as_slice()).expect_err("too long");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let whole = frame(&Reply::Written { at: 5 }).expect("a message");
        for end in 0..whole.len() {
            receive::<Reply>(&mut &whole[..end]).expect_err("torn");
        }
        let other = frame(&"something else").expect("a message");
        receive::<Reply>(&mut other.as_slice()).expect_err("no reply");
    }
}
