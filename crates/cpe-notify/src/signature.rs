//! Signatures of webhooks, as Standard Webhooks has them: HMAC-SHA256 of `id.timestamp.body`.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;

/// Fewest bytes of a secret, as Standard Webhooks asks for.
pub const SHORTEST: usize = 24;
/// Most bytes of a secret.
pub const LONGEST: usize = 64;
/// Most secrets that are in force at a time: the new one and the old one.
pub const MOST: usize = 2;
/// What a secret's text begins with.
const PREFIX: &str = "whsec_";

/// What sender and receiver share. It is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A text that is not a secret. It does not repeat it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSecret {
    /// Not base64.
    #[error("a secret is `whsec_` and base64; make one: echo whsec_$(openssl rand -base64 32)")]
    Form,
    /// Too short or too long.
    #[error(
        "a secret has {SHORTEST} to {LONGEST} bytes, this one has {0}; make one: echo whsec_$(openssl rand -base64 32)"
    )]
    Length(usize),
    /// None, or too many.
    #[error(
        "expected one secret a line, one or {MOST} (the new one and the one that it replaces), found {0}"
    )]
    Count(usize),
}

impl Secret {
    /// Reads `whsec_` and base64; the prefix may be left out.
    ///
    /// # Errors
    /// [`NoSecret`]
    pub fn parse(text: &str) -> Result<Secret, NoSecret> {
        let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
        let bytes = BASE64_STANDARD
            .decode(encoded)
            .map_err(|_| NoSecret::Form)?;
        match bytes.len() {
            SHORTEST..=LONGEST => Ok(Secret(bytes)),
            length => Err(NoSecret::Length(length)),
        }
    }

    /// Reads a file's text: a secret a line, the newest first.
    ///
    /// # Errors
    /// [`NoSecret`]
    pub fn parse_all(text: &str) -> Result<Vec<Secret>, NoSecret> {
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .collect();
        if !(1..=MOST).contains(&lines.len()) {
            return Err(NoSecret::Count(lines.len()));
        }
        lines.into_iter().map(Secret::parse).collect()
    }

    /// `v1,` and the signature in base64.
    fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut signed = hmac::Context::with_key(&key);
        signed.update(format!("{id}.{timestamp}.").as_bytes());
        signed.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(signed.sign()))
    }
}

/// The header `webhook-signature`: one signature for each secret, parted by blanks.
pub fn header(secrets: &[Secret], id: &str, timestamp: u64, body: &[u8]) -> String {
    let signatures = secrets
        .iter()
        .map(|secret| secret.sign(id, timestamp, body));
    signatures.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    /// The example that libraries of Standard Webhooks are tested with.
    #[test]
    fn it_signs_as_others_do() {
        let secret = Secret::parse(SECRET).unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = header(
            &[secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            body,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn while_secrets_change_both_sign() {
        let old = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let secrets = Secret::parse_all(&format!("{SECRET}\n\n  {old}\n")).unwrap();
        let signed = header(&secrets, "a", 1, b"{}");
        let single = |secret: &Secret| header(std::slice::from_ref(secret), "a", 1, b"{}");
        assert_eq!(
            signed,
            format!("{} {}", single(&secrets[0]), single(&secrets[1]))
        );
        assert_ne!(single(&secrets[0]), single(&secrets[1]));
    }

    #[test]
    fn other_texts_are_refused_and_not_repeated() {
        for (text, error) in [
            ("whsec_not base64!", NoSecret::Form),
            ("whsec_c2hvcnQ=", NoSecret::Length(5)),
            ("", NoSecret::Count(0)),
            (&format!("{SECRET}\n{SECRET}\n{SECRET}"), NoSecret::Count(3)),
        ] {
            let found = Secret::parse_all(text).unwrap_err();
            assert_eq!(found, error);
            assert!(!found.to_string().contains("not base64!"));
        }
        let secret = Secret::parse(SECRET).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret");
    }
}
