//! What a token endpoint answers.
//!
//! Owns: which answer is a token, when it ends, and whose it is. Must not know: HTTP, librdkafka; the time comes in as an argument.
//!
//! Invariant: no text and no debug print has anything of a token in it.
//!
//! BUGS: a token's signature is the brokers' business, and not checked.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use thiserror::Error;

/// A token that a client may log in with.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// What brokers get.
    pub value: String,
    /// Whose it is.
    pub principal: String,
    /// When it ends, in milliseconds since 1970.
    pub ends: i64,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, until {})", self.principal, self.ends)
    }
}

/// Why an answer is no token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unusable {
    /// Not what RFC 6749 5.1 says.
    #[error("its answer is not JSON with an access_token (RFC 6749 5.1)")]
    NotAToken,
    /// Nothing says when it ends.
    #[error("its answer has no expires_in, and its token no exp")]
    Endless,
    /// It has ended.
    #[error(
        "its token has expired already: correct the clock of this machine, or have the endpoint's tokens live longer"
    )]
    Ended,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<serde_json::Value>,
}

/// Of a JSON Web Token (RFC 7519 4.1).
#[derive(Deserialize, Default)]
struct Claims {
    exp: Option<f64>,
    sub: Option<String>,
}

/// Reads an answer that came at `now`, in milliseconds since 1970. `client` is whose a token is that does not say it.
///
/// # Errors
/// Why it is no token.
pub fn read(answer: &[u8], client: &str, now: i64) -> Result<Token, Unusable> {
    let answer: Answer = serde_json::from_slice(answer).map_err(|_| Unusable::NotAToken)?;
    let value = answer.access_token;
    if value.is_empty() || !value.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(Unusable::NotAToken);
    }
    let claims = claims(&value).unwrap_or_default();
    let seconds = answer.expires_in.as_ref().and_then(number);
    let ends = [
        seconds.map(|seconds| now.saturating_add(milliseconds(seconds))),
        claims.exp.map(milliseconds),
    ];
    let ends = ends.into_iter().flatten().min().ok_or(Unusable::Endless)?;
    if ends <= now {
        return Err(Unusable::Ended);
    }
    Ok(Token {
        value,
        principal: claims.sub.unwrap_or_else(|| client.to_owned()),
        ends,
    })
}

/// A number, or a text that is one: some endpoints write it so.
fn number(value: &serde_json::Value) -> Option<f64> {
    match value {
        serde_json::Value::Number(number) => number.as_f64(),
        serde_json::Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// What is beyond 64 bits is as good as the largest number.
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0) as i64
}

fn claims(token: &str) -> Option<Claims> {
    let claims = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&claims).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    fn jwt(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn the_earlier_of_two_ends_counts() {
        for (token, expires, ends, principal) in [
            (jwt(r#"{"exp":1500,"sub":"s"}"#), "300", 1_300_000, "s"),
            (jwt(r#"{"exp":1200.5}"#), "300", 1_200_500, "mail"),
            (jwt(r#"{"exp":1500}"#), "null", 1_500_000, "mail"),
            ("opaque".to_owned(), "\"60\"", 1_060_000, "mail"),
        ] {
            let answer = format!(
                r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{expires}}}"#
            );
            let read = read(answer.as_bytes(), "mail", NOW).unwrap();
            assert_eq!((read.ends, read.principal.as_str()), (ends, principal));
            assert_eq!(read.value, token);
            assert!(!format!("{read:?}").contains(&token));
        }
    }

    #[test]
    fn what_is_no_token_is_told_without_it() {
        for (answer, why) in [
            ("hunter2", Unusable::NotAToken),
            (r#"{"token":"hunter2"}"#, Unusable::NotAToken),
            (r#"{"access_token":""}"#, Unusable::NotAToken),
            (r#"{"access_token":"hunter 2"}"#, Unusable::NotAToken),
            (r#"{"access_token":"hunter2"}"#, Unusable::Endless),
            (
                r#"{"access_token":"hunter2","expires_in":0}"#,
                Unusable::Ended,
            ),
        ] {
            let unusable = read(answer.as_bytes(), "mail", NOW).unwrap_err();
            assert_eq!(unusable, why);
            assert!(!unusable.to_string().contains("hunter"));
        }
    }
}
