//! Reading and writing records that travel as `a{sv}`.
//!
//! Such a record can grow without a new interface version: a reader ignores keys that it does not
//! know. The keys that it does know are checked strictly (type, range, length), because the sender
//! may be anything that can open a socket. Integers of any D-Bus width are accepted where the value
//! fits, so that `busctl` and dynamic languages need not get the width right.

use std::collections::BTreeMap;

pub use cpe_status::limits::bounded;
use zbus::{OwnedVariant, Variant};

use crate::{Error, Result};

/// A record on the bus, D-Bus signature `a{sv}`.
pub type Fields = BTreeMap<String, OwnedVariant>;

/// Puts one value under a key. Values of the types used here (numbers, texts, maps of texts) always
/// convert.
pub fn put<'a>(fields: &mut Fields, key: &str, value: impl Into<Variant<'a>>) {
    // Only a file descriptor can fail to become owned, and no record of ours holds one.
    if let Ok(value) = value.into().try_into_owned() {
        fields.insert(key.to_owned(), value);
    }
}

/// Puts a text unless it is empty: an absent text reads as empty, and heartbeats stay small.
pub(crate) fn put_text(fields: &mut Fields, key: &str, value: &str) {
    if !value.is_empty() {
        put(fields, key, value.to_owned());
    }
}

/// Puts a map of texts unless it is empty.
pub(crate) fn put_map(fields: &mut Fields, key: &str, map: &BTreeMap<String, String>) {
    if !map.is_empty() {
        put(fields, key, map.clone());
    }
}

/// Typed, bounded access to a received record. Every error names the record, the key, what was
/// expected and what was found.
pub struct Reader<'a> {
    record: &'static str,
    fields: &'a Fields,
}

impl<'a> Reader<'a> {
    /// Reads `fields`, which are called `record` in error messages.
    pub fn new(record: &'static str, fields: &'a Fields) -> Self {
        Reader { record, fields }
    }

    fn get(&self, key: &str) -> Option<&'a Variant<'static>> {
        let mut value: &Variant<'static> = self.fields.get(key)?;
        while let Variant::Variant(inner) = value {
            value = inner;
        }
        Some(value)
    }

    /// An error about one key.
    pub fn invalid(&self, key: &str, expected: &str, found: impl std::fmt::Display) -> Error {
        Error::InvalidArgument(format!(
            "{}: `{key}` must be {expected}, found {found}",
            self.record
        ))
    }

    fn wrong_type(&self, key: &str, expected: &str, value: &Variant<'_>) -> Error {
        self.invalid(
            key,
            expected,
            format_args!("type {}", value.value_signature()),
        )
    }

    /// A text of at most `max` bytes; empty if the key is absent.
    pub fn text(&self, key: &str, max: usize) -> Result<String> {
        let Some(value) = self.get(key) else {
            return Ok(String::new());
        };
        match value {
            Variant::Str(text) if text.len() <= max => Ok(text.as_str().to_owned()),
            Variant::Str(text) => Err(self.invalid(
                key,
                &format!("at most {max} bytes long"),
                format_args!("{} bytes", text.len()),
            )),
            Variant::ObjectPath(path) if path.len() <= max => Ok(path.as_str().to_owned()),
            other => Err(self.wrong_type(key, "a string (s)", other)),
        }
    }

    /// A text of 1 to `max` bytes.
    pub fn required_text(&self, key: &str, max: usize) -> Result<String> {
        let text = self.text(key, max)?;
        if text.is_empty() {
            return Err(self.invalid(key, "a string that is not empty", "nothing"));
        }
        Ok(text)
    }

    /// An integer of any width; `None` if the key is absent.
    fn integer(&self, key: &str) -> Result<Option<i128>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        Ok(Some(match value {
            Variant::U8(n) => i128::from(*n),
            Variant::I16(n) => i128::from(*n),
            Variant::U16(n) => i128::from(*n),
            Variant::I32(n) => i128::from(*n),
            Variant::U32(n) => i128::from(*n),
            Variant::I64(n) => i128::from(*n),
            Variant::U64(n) => i128::from(*n),
            other => return Err(self.wrong_type(key, "an integer", other)),
        }))
    }

    fn ranged<T: TryFrom<i128>>(&self, key: &str, expected: &str) -> Result<Option<T>> {
        match self.integer(key)? {
            None => Ok(None),
            Some(n) => T::try_from(n)
                .map(Some)
                .map_err(|_| self.invalid(key, expected, n)),
        }
    }

    /// An unsigned 64-bit number; 0 if absent.
    pub fn u64(&self, key: &str) -> Result<u64> {
        Ok(self
            .ranged(key, "an unsigned 64-bit integer (t)")?
            .unwrap_or(0))
    }

    /// An unsigned 64-bit number; `None` if absent.
    pub fn optional_u64(&self, key: &str) -> Result<Option<u64>> {
        self.ranged(key, "an unsigned 64-bit integer (t)")
    }

    /// An unsigned 32-bit number; 0 if absent.
    pub fn u32(&self, key: &str) -> Result<u32> {
        Ok(self
            .ranged(key, "an unsigned 32-bit integer (u)")?
            .unwrap_or(0))
    }

    /// A signed 32-bit number; 0 if absent.
    pub fn i32(&self, key: &str) -> Result<i32> {
        Ok(self
            .ranged(key, "a signed 32-bit integer (i)")?
            .unwrap_or(0))
    }

    /// A boolean; false if absent.
    pub fn boolean(&self, key: &str) -> Result<bool> {
        match self.get(key) {
            None => Ok(false),
            Some(Variant::Bool(b)) => Ok(*b),
            Some(other) => Err(self.wrong_type(key, "a boolean (b)", other)),
        }
    }

    /// A map of texts (`a{ss}`, or `a{sv}` holding texts) with at most `entries` keys of 255 bytes
    /// and values of `max` bytes; empty if absent.
    pub fn map(&self, key: &str, entries: usize, max: usize) -> Result<BTreeMap<String, String>> {
        let Some(value) = self.get(key) else {
            return Ok(BTreeMap::new());
        };
        let Variant::Dict(dict) = value else {
            return Err(self.wrong_type(key, "a map of strings (a{ss})", value));
        };
        let mut map = BTreeMap::new();
        for (name, mut text) in dict.iter() {
            while let Variant::Variant(inner) = text {
                text = inner;
            }
            let (Variant::Str(name), Variant::Str(text)) = (name, text) else {
                return Err(self.wrong_type(key, "a map of strings (a{ss})", value));
            };
            if name.len() > 255 || text.len() > max {
                return Err(self.invalid(
                    key,
                    &format!("a map with keys of at most 255 and values of at most {max} bytes"),
                    format_args!(
                        "a key of {} and a value of {} bytes",
                        name.len(),
                        text.len()
                    ),
                ));
            }
            map.insert(name.as_str().to_owned(), text.as_str().to_owned());
            if map.len() > entries {
                return Err(self.invalid(
                    key,
                    &format!("a map with at most {entries} entries"),
                    "more",
                ));
            }
        }
        Ok(map)
    }

    /// A list of texts (`as`) with at most `entries` items of `max` bytes; empty if absent.
    pub fn list(&self, key: &str, entries: usize, max: usize) -> Result<Vec<String>> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        let Variant::Array(array) = value else {
            return Err(self.wrong_type(key, "an array of strings (as)", value));
        };
        if array.len() > entries {
            return Err(self.invalid(key, &format!("at most {entries} strings"), array.len()));
        }
        let mut list = Vec::with_capacity(array.len());
        for item in array.iter() {
            match item {
                Variant::Str(text) if text.len() <= max => list.push(text.as_str().to_owned()),
                Variant::Str(text) => {
                    return Err(self.invalid(
                        key,
                        &format!("strings of at most {max} bytes"),
                        text.len(),
                    ));
                }
                other => return Err(self.wrong_type(key, "an array of strings (as)", other)),
            }
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: Vec<(&str, Variant<'static>)>) -> Fields {
        let mut fields = Fields::new();
        for (key, value) in pairs {
            put(&mut fields, key, value);
        }
        fields
    }

    #[test]
    fn it_accepts_any_integer_width_that_fits_and_refuses_the_rest_by_name() {
        let f = fields(vec![
            ("a", 7u8.into()),
            ("b", (-1i32).into()),
            ("c", "7".into()),
        ]);
        let reader = Reader::new("operation", &f);
        assert_eq!(reader.u32("a").unwrap(), 7);
        assert_eq!(reader.i32("b").unwrap(), -1);
        assert_eq!(reader.u32("absent").unwrap(), 0);
        let text = reader.u32("b").unwrap_err().message();
        assert_eq!(
            text,
            "operation: `b` must be an unsigned 32-bit integer (u), found -1"
        );
        let text = reader.u64("c").unwrap_err().message();
        assert_eq!(text, "operation: `c` must be an integer, found type s");
    }

    #[test]
    fn it_bounds_texts_maps_and_lists() {
        let map: BTreeMap<String, String> =
            (0..5).map(|n| (format!("k{n}"), "v".repeat(10))).collect();
        let f = fields(vec![
            ("t", "x".repeat(10).into()),
            ("m", map.clone().into()),
            ("l", vec!["a", "b", "c"].into()),
        ]);
        let reader = Reader::new("record", &f);
        assert_eq!(reader.text("t", 10).unwrap().len(), 10);
        assert!(reader.text("t", 9).is_err());
        assert_eq!(reader.map("m", 5, 10).unwrap(), map);
        assert!(reader.map("m", 4, 10).is_err());
        assert!(reader.map("m", 5, 9).is_err());
        assert_eq!(reader.list("l", 3, 1).unwrap(), ["a", "b", "c"]);
        assert!(reader.list("l", 2, 1).is_err());
    }
}
