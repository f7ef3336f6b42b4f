//! The signature of a POST, as the Standard Webhooks specification 1.0.0 has it, and the secrets that make it.
//!
//! Owns: the form of a secret, and what is signed. Must not know: where secrets come from, what is posted.
//!
//! What is signed is the id, the time and the body, with dots in between. With several secrets there are several signatures, so
//! that a receiver can change from one secret to the next without losing a mail.
//!
//! Invariant: no text and no Debug output has anything of a secret in it.
//!
//! BUGS: the envelope is not signed, as the specification signs no other header field.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use thiserror::Error;

use crate::limits::{
    WEBHOOK_SECRET_OCTETS_LEAST, WEBHOOK_SECRET_OCTETS_MOST, WEBHOOK_SECRETS_MOST,
};

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// The secrets that sign; the receiver has to know one of them.
#[derive(Clone, Default)]
pub struct Secrets(Vec<hmac::Key>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

/// What is wrong with the secrets.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum SecretFault {
    /// There is none.
    #[error("has no secret; {}", form())]
    None,
    /// More than a receiver would try.
    #[error(
        "has more than {WEBHOOK_SECRETS_MOST} secrets; remove those that no receiver knows any more"
    )]
    TooMany,
    /// One that is not written as one.
    #[error("secret {number} does not begin with {PREFIX}; {}", form())]
    NoPrefix {
        /// Counted from 1.
        number: usize,
    },
    /// One that cannot be decoded.
    #[error("secret {number} is not in base64 after {PREFIX}; {}", form())]
    NotBase64 {
        /// Counted from 1.
        number: usize,
    },
    /// One that is too short to be safe, or longer than the specification allows.
    #[error("secret {number} has {octets} bytes; {}", form())]
    Length {
        /// Counted from 1.
        number: usize,
        /// How long it is.
        octets: usize,
    },
}

fn form() -> String {
    format!(
        "a secret is {PREFIX} and {WEBHOOK_SECRET_OCTETS_LEAST} to {WEBHOOK_SECRET_OCTETS_MOST} bytes in base64, made with: \
         echo \"{PREFIX}$(openssl rand -base64 32)\""
    )
}

impl Secrets {
    /// Reads secrets that spaces, commas or ends of lines separate; a line that begins with `#` is a comment.
    ///
    /// # Errors
    /// The first thing that is wrong, without the text.
    pub fn parse(text: &str) -> Result<Self, SecretFault> {
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        let words = lines.flat_map(|line| line.split([' ', '\t', ',']));
        let mut keys = Vec::new();
        for (index, word) in words.filter(|word| !word.is_empty()).enumerate() {
            if index == WEBHOOK_SECRETS_MOST {
                return Err(SecretFault::TooMany);
            }
            keys.push(key(index + 1, word)?);
        }
        match keys.is_empty() {
            true => Err(SecretFault::None),
            false => Ok(Self(keys)),
        }
    }

    /// Whether nothing is signed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The signatures of a message, separated by spaces, in the order of the secrets.
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let head = format!("{id}.{seconds}.");
        let signatures = self.0.iter().map(|key| {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            format!("v1,{}", STANDARD.encode(context.sign()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

fn key(number: usize, word: &str) -> Result<hmac::Key, SecretFault> {
    let encoded = word
        .strip_prefix(PREFIX)
        .ok_or(SecretFault::NoPrefix { number })?;
    let decoded = STANDARD.decode(encoded);
    let secret = decoded.map_err(|_| SecretFault::NotBase64 { number })?;
    let octets = secret.len();
    if !(WEBHOOK_SECRET_OCTETS_LEAST..=WEBHOOK_SECRET_OCTETS_MOST).contains(&octets) {
        return Err(SecretFault::Length { number, octets });
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own implementations are tested with this one.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SECONDS: i64 = 1_614_265_330;
    const BODY: &[u8] = b"{\"test\": 2432232314}";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_specifications_vector_is_signed_as_it_says() {
        let secrets = Secrets::parse(SECRET).unwrap();
        assert_eq!(secrets.sign(ID, SECONDS, BODY), SIGNATURE);
        assert_ne!(secrets.sign(ID, SECONDS + 1, BODY), SIGNATURE);
        assert_ne!(secrets.sign("msg", SECONDS, BODY), SIGNATURE);
        assert_ne!(secrets.sign(ID, SECONDS, b""), SIGNATURE);
    }

    #[test]
    fn each_secret_signs_in_its_order() {
        let other = format!("whsec_{}", STANDARD.encode([7; 64]));
        let alone = Secrets::parse(&other).unwrap().sign(ID, SECONDS, BODY);
        for text in [
            format!("{other} {SECRET}"),
            format!("{other},{SECRET}\n"),
            format!("# new\n{other}\r\n\n  # old, until May\n\t{SECRET}\n"),
        ] {
            let secrets = Secrets::parse(&text).unwrap();
            let signed = secrets.sign(ID, SECONDS, BODY);
            assert_eq!(signed, format!("{alone} {SIGNATURE}"));
            assert_eq!(format!("{secrets:?}"), "Secrets(2)");
        }
    }

    #[test]
    fn a_mistake_is_named_by_its_number_and_not_shown() {
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        let octets = |octets| SecretFault::Length { number: 2, octets };
        for (text, fault) in [
            (
                "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                SecretFault::NoPrefix { number: 2 },
            ),
            ("whsec_hunter2", SecretFault::NotBase64 { number: 2 }),
            ("whsec_", octets(0)),
            (&short, octets(23)),
            (&long, octets(65)),
        ] {
            let found = Secrets::parse(&format!("{SECRET}\n{text}")).unwrap_err();
            let said = found.to_string();
            assert_eq!(found, fault);
            assert!(
                !said.contains("hunter2") && !said.contains("MfKQ"),
                "{said}"
            );
            assert!(said.contains("openssl rand"), "{said}");
        }
        assert_eq!(Secrets::parse("# no\n\n").unwrap_err(), SecretFault::None);
        let many = [SECRET; WEBHOOK_SECRETS_MOST].join(" ");
        assert!(Secrets::parse(&many).is_ok());
        let many = [SECRET; WEBHOOK_SECRETS_MOST + 1].join(" ");
        assert_eq!(Secrets::parse(&many).unwrap_err(), SecretFault::TooMany);
    }
}
