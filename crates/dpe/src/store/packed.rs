//! Large values, as they are sent: compressed. etcd takes less at once than a document may have.

use std::io::{Error, ErrorKind, Read, Result, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

/// A value that is longer is compressed.
const LONG: usize = 64 << 10;
/// Bytes of the longest value: a document of 8 MiB in which everything is escaped, twice.
const LONGEST: u64 = 64 << 20;
/// So a compressed one begins. All values are JSON, which never begins so.
const MARK: char = '~';

/// A value as it is sent.
pub(super) fn pack(value: &str) -> Result<String> {
    if value.len() <= LONG {
        return Ok(value.to_owned());
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(value.as_bytes())?;
    let mut text = String::from(MARK);
    STANDARD.encode_string(encoder.finish()?, &mut text);
    Ok(text)
}

/// A value as it was.
pub(super) fn unpack(text: String) -> Result<String> {
    let Some(packed) = text.strip_prefix(MARK) else {
        return Ok(text);
    };
    let wrong = |error| Error::new(ErrorKind::InvalidData, error);
    let bytes = STANDARD.decode(packed).map_err(wrong)?;
    let mut value = String::new();
    let decoder = ZlibDecoder::new(bytes.as_slice());
    let read = decoder.take(LONGEST + 1).read_to_string(&mut value)?;
    match u64::try_from(read).is_ok_and(|read| read <= LONGEST) {
        true => Ok(value),
        false => Err(ErrorKind::FileTooLarge.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_unpacked_as_it_was() {
        for value in ["", "{\"safe\":true}", &"\"<a b='ä'/>\"".repeat(100_000)] {
            let packed = pack(value).unwrap();
            assert!(packed.len() <= LONG);
            assert_eq!(unpack(packed).unwrap(), value);
        }
    }

    #[test]
    fn what_is_damaged_or_too_long_is_an_error() {
        unpack("~%".to_owned()).unwrap_err();
        unpack("~AAAA".to_owned()).unwrap_err();
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        for _ in 0..=LONGEST >> 20 {
            encoder.write_all(&[b' '; 1 << 20]).unwrap();
        }
        let bomb = STANDARD.encode(encoder.finish().unwrap());
        let error = unpack(format!("~{bomb}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    }
}
