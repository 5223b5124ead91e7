//! Documents: uploads in chunks, and what is read back of them.

use std::io::{Read as _, Write as _};

use cluster_keys as keys;
use cpe_daemon::now;
use cpe_etcd::{Compare, Operation, Txn};
use cpe_store::{Details, Document, Error, Result};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::calls::Calls;
use crate::records::GenerationText;

/// Bytes of a chunk: a request has 1.5 MiB.
const CHUNK: usize = 512 << 10;
/// Bytes of a document, which `limits.document` in `cpe.toml` bounds far below.
const MOST: usize = 64 << 20;
/// Chunks that are read at a time: an answer has 8 MiB.
const AT_ONCE: usize = 8;

/// A document that is there, and that nothing names yet.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) record: GenerationText,
    /// That it is there.
    pub(crate) chunks: Vec<Compare>,
}

/// A text's SHA-256.
pub(crate) fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a document where nothing names it.
pub(crate) async fn upload(
    calls: &Calls,
    name: &str,
    document: &Document,
    (who, remark): (&Details, &str),
) -> Result<Upload> {
    let bytes = document.text.len();
    if bytes > MOST {
        return Err(Error::Refused(format!(
            "a document has at most {MOST} bytes, this one has {bytes}"
        )));
    }
    let packed = pack(document.text.as_bytes())?;
    // Sweeps read its time in it.
    let id = Uuid::now_v7().to_string();
    let mut chunks = Vec::new();
    for (number, part) in packed.chunks(CHUNK).enumerate() {
        let key = keys::chunk(name, &id, number);
        let txn = Txn {
            compare: vec![Compare::Absent(key.clone())],
            then: vec![Operation::Put(key.clone(), part.to_vec(), None)],
            otherwise: vec![Operation::Get(key.clone())],
        };
        let reply = calls.decide_patiently(txn).await?.reply;
        // Nobody else has that id.
        let earlier = reply.found.first().map(|entry| entry.revision);
        let revision = earlier.unwrap_or(reply.revision);
        chunks.push(Compare::Revision(key, revision));
    }
    Ok(Upload {
        record: GenerationText {
            upload: id,
            chunks: chunks.len(),
            hash: hash(&document.text),
            bytes: bytes as u64,
            accepted: now(),
            who: who.clone(),
            remark: remark.to_owned(),
            claims: document.claims.clone(),
            rest: Default::default(),
        },
        chunks,
    })
}

/// The text of a generation. `None`: it is gone meanwhile.
pub(crate) async fn download(
    calls: &Calls,
    name: &str,
    record: &GenerationText,
) -> Result<Option<String>> {
    let all: Vec<String> = (0..record.chunks)
        .map(|number| keys::chunk(name, &record.upload, number))
        .collect();
    let mut packed = Vec::new();
    for some in all.chunks(AT_ONCE) {
        let found = calls.read(some.to_vec()).await?.found;
        if found.len() < some.len() {
            return Ok(None);
        }
        for entry in found {
            packed.extend(entry.value);
        }
    }
    let broken = |what: &str| {
        Error::Refused(format!(
            "the document of {name} in the store cannot be read: {what}"
        ))
    };
    let text = unpack(&packed, record.bytes).map_err(|error| broken(&error.to_string()))?;
    let text = String::from_utf8(text).map_err(|_| broken("it is no text"))?;
    match hash(&text) == record.hash {
        true => Ok(Some(text)),
        false => Err(broken("it is not what was stored")),
    }
}

fn pack(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// At most as long as it is to be.
fn unpack(packed: &[u8], bytes: u64) -> std::io::Result<Vec<u8>> {
    let too_long = || std::io::Error::other("it is longer than it is said to be");
    if bytes > MOST as u64 {
        return Err(too_long());
    }
    let mut text = Vec::new();
    let mut decoder = ZlibDecoder::new(packed).take(bytes + 1);
    decoder.read_to_end(&mut text)?;
    match text.len() as u64 > bytes {
        true => Err(too_long()),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unpacked_is_bounded() {
        let long = vec![b'a'; 10 << 20];
        let packed = pack(&long).expect("packed");
        assert!(packed.len() < 64 << 10, "{}", packed.len());
        assert_eq!(unpack(&packed, 10 << 20).expect("unpacked"), long);
        let error = unpack(&packed, 1 << 20).expect_err("too long");
        assert!(error.to_string().contains("longer"), "{error}");
        assert!(unpack(&packed, u64::MAX).is_err());
        assert!(unpack(b"rubbish", 10).is_err());
    }
}
