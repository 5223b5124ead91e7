//! What a tool in a guest asks of the whole deployment, and the answer.
//!
//! The agent sends the question to its DPE (signal `Question`), which answers (method `Answer`)
//! when what was asked for is durable. The DPE passes on what concerns the boot of another guest to
//! that guest's agent, in the same words (method `Ask`).

use serde::{Deserialize, Serialize};

use super::attribute::{MAX_ATTRIBUTE_VALUE, MAX_DAMPENING_MS, NodeAttribute, check};
use super::{MAX_ID, MAX_VALUE};
use crate::fields::{Fields, Reader, bounded, put, put_text};
use crate::{Error, Result};

pub use cpe_status::limits::{MAX_VALUES, MAX_VALUES_SIZE};

/// Longest text of a refusal, in bytes.
pub const MAX_TEXT: usize = 2048;

/// Declares an enum whose variants have names on the wire.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$inner])* $variant,)*
        }

        impl $name {
            /// Its name on the wire.
            pub fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)*
                }
            }

            fn read(reader: &Reader<'_>, key: &str) -> Result<$name> {
                let word = reader.text(key, MAX_ID)?;
                match word.as_str() {
                    $($word => Ok($name::$variant),)*
                    _ => Err(reader.invalid(key, concat!("one of" $(, " ", $word)*), format_args!("{word:?}"))),
                }
            }
        }
    };
}

words! {
    /// What is asked for.
    What {
        /// The value of an attribute or an option, or all.
        Get = "get",
        /// That it has a value.
        Set = "set",
        /// That it has none.
        Delete = "delete",
        /// The assemblies, and whether they are online.
        Nodes = "nodes",
        /// Where a service runs.
        Locate = "locate",
        /// The assemblies with their states, and what every service is there.
        Overview = "overview",
        /// That a service does not run in an assembly any more.
        Ban = "ban",
        /// That such bans end.
        Clear = "clear",
    }
}

words! {
    /// What a value belongs to.
    Place {
        /// A boot of a guest.
        Boot = "boot",
        /// The same, of every assembly.
        EveryBoot = "every-boot",
        /// An assembly, over all boots of its guest.
        Assembly = "assembly",
        /// The deployment.
        Deployment = "deployment",
    }
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// What is asked for.
    pub what: What,
    /// Of [`What::Get`], [`What::Set`] and [`What::Delete`]: where.
    pub place: Place,
    /// Which assembly; empty: that of the guest that asks.
    #[serde(default)]
    pub node: String,
    /// The attribute, the option, or the service; empty: all.
    #[serde(default)]
    pub name: String,
    /// The new value.
    #[serde(default)]
    pub value: String,
    /// Of a boot's attribute: how long changes of it wait for further ones.
    #[serde(default)]
    pub dampening_ms: Option<u32>,
    /// Of a boot's attribute: change the dampening of one that exists.
    #[serde(default)]
    pub redampen: bool,
    /// Of a boot's attribute: if it is new, keep it in its guest.
    #[serde(default)]
    pub private: bool,
    /// Of [`What::Ban`] and [`What::Clear`]: only the promoted role.
    #[serde(default)]
    pub promoted: bool,
}

impl Question {
    /// A question about a place, without anything else.
    pub fn new(what: What, place: Place) -> Question {
        Question {
            what,
            place,
            node: String::new(),
            name: String::new(),
            value: String::new(),
            dampening_ms: None,
            redampen: false,
            private: false,
            promoted: false,
        }
    }

    /// The question as `a{sv}`.
    pub fn to_fields(&self) -> Fields {
        let mut fields = Fields::new();
        put(&mut fields, "what", self.what.word());
        put(&mut fields, "place", self.place.word());
        put_text(&mut fields, "node", &self.node);
        put_text(&mut fields, "name", &self.name);
        put_text(&mut fields, "value", &self.value);
        if let Some(dampening_ms) = self.dampening_ms {
            put(&mut fields, "dampening_ms", dampening_ms);
        }
        for (key, on) in [
            ("redampen", self.redampen),
            ("private", self.private),
            ("promoted", self.promoted),
        ] {
            if on {
                put(&mut fields, key, true);
            }
        }
        fields
    }

    /// Reads a question.
    ///
    /// # Errors
    /// As [`Question::check`], and [`Error::InvalidArgument`] naming the key.
    pub fn from_fields(fields: &Fields) -> Result<Question> {
        let reader = Reader::new("question", fields);
        let dampening_ms = match fields.contains_key("dampening_ms") {
            true => Some(reader.u32("dampening_ms")?),
            false => None,
        };
        let question = Question {
            what: What::read(&reader, "what")?,
            place: Place::read(&reader, "place")?,
            node: reader.text("node", MAX_ID)?,
            name: reader.text("name", MAX_ID)?,
            value: reader.text("value", MAX_ATTRIBUTE_VALUE)?,
            dampening_ms,
            redampen: reader.boolean("redampen")?,
            private: reader.boolean("private")?,
            promoted: reader.boolean("promoted")?,
        };
        question.check()?;
        Ok(question)
    }

    /// Whether it can be asked: names and values are in bounds, and not the DPE's own.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] or [`Error::TooLarge`] that says what would be right.
    pub fn check(&self) -> Result<()> {
        let invalid = |text: String| Err(Error::InvalidArgument(text));
        for (what, text) in [("assembly", &self.node), ("name", &self.name)] {
            if text.len() > MAX_ID {
                let length = text.len();
                return invalid(format!(
                    "a question's {what} has at most {MAX_ID} bytes; this one has {length}"
                ));
            }
        }
        if self.dampening_ms.is_some_and(|ms| ms > MAX_DAMPENING_MS) {
            return invalid(format!(
                "a change may be held back for at most {MAX_DAMPENING_MS} ms"
            ));
        }
        match self.what {
            What::Set => check(
                &self.name,
                &NodeAttribute {
                    value: self.value.clone(),
                    dampening_ms: self.dampening_ms.unwrap_or(0),
                },
            ),
            What::Delete | What::Locate | What::Ban if self.name.is_empty() => {
                invalid(format!("`{}` needs a name", self.what.word()))
            }
            _ => Ok(()),
        }
    }
}

/// One value of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// The assembly that it is about; empty: the deployment.
    #[serde(default)]
    pub node: String,
    /// The attribute, the option or the service.
    #[serde(default)]
    pub name: String,
    /// The value: of an assembly its state; of a service its role, and in an overview its agent
    /// and what is wrong.
    #[serde(default)]
    pub value: String,
}

words! {
    /// Why nothing was done, or nothing can be said.
    Why {
        /// There is no such assembly.
        NoNode = "no-node",
        /// There is no such attribute, option or service.
        NoSuch = "no-such",
        /// It is not allowed, or makes no sense.
        Invalid = "invalid",
        /// Not now: try again.
        NotNow = "not-now",
    }
}

/// What is answered to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is done, and durable.
    Done,
    /// What was asked for.
    Values(Vec<Value>),
    /// Nothing was done.
    Refused(Why, String),
}

impl Reply {
    /// The answer as `a{sv}`, and its values as `aa{sv}`.
    pub fn to_fields(&self) -> (Fields, Vec<Fields>) {
        let (mut fields, mut rows) = (Fields::new(), Vec::new());
        match self {
            Reply::Done => put(&mut fields, "result", "done"),
            Reply::Values(values) => {
                put(&mut fields, "result", "values");
                rows.extend(values.iter().take(MAX_VALUES).map(Value::to_fields));
            }
            Reply::Refused(why, text) => {
                put(&mut fields, "result", "refused");
                put(&mut fields, "why", why.word());
                put(&mut fields, "text", bounded(text, MAX_TEXT));
            }
        }
        (fields, rows)
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the key, [`Error::TooLarge`] beyond [`MAX_VALUES`].
    pub fn from_fields(fields: &Fields, rows: &[Fields]) -> Result<Reply> {
        let reader = Reader::new("answer", fields);
        match reader.text("result", MAX_ID)?.as_str() {
            "done" => Ok(Reply::Done),
            "values" if rows.len() > MAX_VALUES => Err(Error::TooLarge(format!(
                "an answer has at most {MAX_VALUES} values; this one has {}",
                rows.len()
            ))),
            "values" => rows
                .iter()
                .map(Value::from_fields)
                .collect::<Result<_>>()
                .map(Reply::Values),
            "refused" => {
                let why = Why::read(&reader, "why")?;
                Ok(Reply::Refused(why, reader.text("text", MAX_TEXT)?))
            }
            other => Err(reader.invalid("result", "done, values or refused", other)),
        }
    }

    /// Whether a guest's agent may answer that for another guest: attributes that a guest may have,
    /// of [`MAX_VALUES`] and [`MAX_VALUES_SIZE`] at most.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] or [`Error::TooLarge`] that says what would be right.
    pub fn check_guests(&self) -> Result<()> {
        let Reply::Values(values) = self else {
            return Ok(());
        };
        let size = |known: &Value| known.node.len() + known.name.len() + known.value.len();
        let size: usize = values.iter().map(size).sum();
        if values.len() > MAX_VALUES || size > MAX_VALUES_SIZE {
            return Err(Error::TooLarge(format!(
                "an answer of {} values and {size} bytes; at most {MAX_VALUES} of {MAX_VALUES_SIZE} bytes are passed on: ask for one by its name",
                values.len()
            )));
        }
        values.iter().try_for_each(|known| {
            let attribute = NodeAttribute {
                value: known.value.clone(),
                dampening_ms: 0,
            };
            check(&known.name, &attribute)
        })
    }
}

impl Value {
    fn to_fields(&self) -> Fields {
        let mut fields = Fields::new();
        put_text(&mut fields, "node", &self.node);
        put_text(&mut fields, "name", &self.name);
        put_text(&mut fields, "value", &self.value);
        fields
    }

    fn from_fields(fields: &Fields) -> Result<Value> {
        let reader = Reader::new("value of an answer", fields);
        Ok(Value {
            node: reader.text("node", MAX_ID)?,
            name: reader.text("name", MAX_ID)?,
            // Those of documents may be longer than what guests may set.
            value: reader.text("value", MAX_VALUE)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> Question {
        Question {
            name: name.into(),
            value: value.into(),
            ..Question::new(What::Set, Place::Assembly)
        }
    }

    #[test]
    fn it_reads_what_it_wrote() {
        let mut question = set("db-status", "LATEST");
        assert_eq!(
            Question::from_fields(&question.to_fields()).unwrap(),
            question
        );
        question.node = "web1".into();
        question.dampening_ms = Some(5000);
        question.private = true;
        assert_eq!(
            Question::from_fields(&question.to_fields()).unwrap(),
            question
        );
        let value = Value {
            node: "web1".into(),
            name: "db-status".into(),
            value: "LATEST".into(),
        };
        for reply in [
            Reply::Done,
            Reply::Values(vec![value, Value::default()]),
            Reply::Refused(Why::NoNode, "there is no web9".into()),
        ] {
            let (fields, rows) = reply.to_fields();
            assert_eq!(Reply::from_fields(&fields, &rows).unwrap(), reply);
        }
    }

    #[test]
    fn it_refuses_what_is_out_of_bounds_or_not_a_guests_to_say() {
        for (question, advice) in [
            (set("standby", "on"), "cpectl standby"),
            (set("", "1"), "1 to 255"),
            (set(&"x".repeat(256), "1"), "255"),
            (set("a", &"x".repeat(MAX_ATTRIBUTE_VALUE + 1)), "4096"),
            (Question::new(What::Delete, Place::Deployment), "name"),
        ] {
            let error = question.check().unwrap_err().to_string();
            assert!(error.contains(advice), "{error}");
            assert!(Question::from_fields(&question.to_fields()).is_err());
        }
        let mut fields = set("a", "1").to_fields();
        put(&mut fields, "place", "moon");
        let error = Question::from_fields(&fields).unwrap_err().to_string();
        assert!(error.contains("every-boot"), "{error}");
        assert!(Question::new(What::Get, Place::Boot).check().is_ok());
    }

    #[test]
    fn what_a_guest_answers_for_another_is_what_a_guest_may_have() {
        let of = |count: usize, name: &str, value: &str| {
            let value = Value {
                node: "web1".into(),
                name: name.into(),
                value: value.into(),
            };
            Reply::Values(vec![value; count])
        };
        for (reply, advice) in [
            (of(1, "a\u{1b}[2J", "1"), "control characters"),
            (of(1, "a", "\u{1b}]0;mine\u{7}"), "control characters"),
            (of(1, "a", &"x".repeat(MAX_ATTRIBUTE_VALUE + 1)), "4096"),
            (of(MAX_VALUES + 1, "a", "1"), "2048"),
            (of(MAX_VALUES, "a", &"x".repeat(128)), "262144"),
        ] {
            let error = reply.check_guests().unwrap_err().to_string();
            assert!(error.contains(advice), "{error}");
        }
        assert!(of(MAX_VALUES, "a", "LATEST").check_guests().is_ok());
        assert!(Reply::Done.check_guests().is_ok());
    }

    #[test]
    fn an_answer_has_a_bound() {
        let rows = vec![Value::default().to_fields(); MAX_VALUES + 1];
        let (fields, _) = Reply::Values(Vec::new()).to_fields();
        assert!(Reply::from_fields(&fields, &rows).is_err());
        assert!(Reply::from_fields(&fields, &rows[1..]).is_ok());
    }
}
