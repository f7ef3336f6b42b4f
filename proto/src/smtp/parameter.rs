//! The parameters of MAIL and RCPT (RFC 5321 4.1.2, esmtp-param): SIZE (RFC 1870), BODY (RFC 6152, RFC 3030), SMTPUTF8
//! (RFC 6531); and the argument of BDAT.
//!
//! Owns: which are known, which are passed over, and their values. Must not know: the limits that a value is held against.
//!
//! Parameters of DSN (RFC 3461) and AUTH (RFC 4954 5) are passed over whatever their value: real senders give them to servers
//! that offer neither, and nothing that ringpost does depends on them. What a sender could rely on (REQUIRETLS, HOLDFOR, BY) is
//! refused.

use super::refusal::Refusal;

/// What BODY= said of the message (RFC 6152).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Body {
    /// `7BIT`, or nothing said.
    #[default]
    SevenBit,
    /// `8BITMIME`.
    EightBitMime,
    /// `BINARYMIME` (RFC 3030): any octets, so it comes by BDAT alone.
    BinaryMime,
}

impl Body {
    /// The keyword, as in the record's header `ce_smtpbody`.
    pub fn keyword(self) -> &'static str {
        match self {
            Body::SevenBit => "7BIT",
            Body::EightBitMime => "8BITMIME",
            Body::BinaryMime => "BINARYMIME",
        }
    }

    /// The body of which this is the keyword.
    pub fn of_keyword(keyword: &str) -> Option<Self> {
        let all = [Body::SevenBit, Body::EightBitMime, Body::BinaryMime];
        all.into_iter().find(|body| body.keyword() == keyword)
    }
}

/// The parameters of one MAIL command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MailParameters {
    /// SIZE=, in octets.
    pub size: Option<u64>,
    /// BODY=.
    pub body: Option<Body>,
    /// SMTPUTF8.
    pub smtputf8: bool,
}

/// A chunk of BDAT (RFC 3030).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Octets still to come.
    pub left: u64,
    /// Whether the message ends with it.
    pub last: bool,
}

/// What MAIL and RCPT may carry although nothing here offers it.
const PASSED_OVER: [&[u8]; 5] = [b"RET", b"ENVID", b"AUTH", b"NOTIFY", b"ORCPT"];

fn is_passed_over(keyword: &[u8]) -> bool {
    PASSED_OVER
        .iter()
        .any(|known| known.eq_ignore_ascii_case(keyword))
}

/// Parses what follows the path of MAIL.
///
/// # Errors
/// The refusal of the first parameter that is unknown, malformed or there twice.
pub fn mail(input: &[u8]) -> Result<MailParameters, Refusal> {
    let mut parameters = MailParameters::default();
    for parameter in split(input)? {
        let (keyword, value) = parameter?;
        let repeated = if keyword.eq_ignore_ascii_case(b"SIZE") {
            parameters.size.replace(size(value)?).is_some()
        } else if keyword.eq_ignore_ascii_case(b"BODY") {
            parameters.body.replace(body(value)?).is_some()
        } else if keyword.eq_ignore_ascii_case(b"SMTPUTF8") {
            if value.is_some() {
                return Err(Refusal::ParameterValue);
            }
            std::mem::replace(&mut parameters.smtputf8, true)
        } else if is_passed_over(keyword) {
            false
        } else {
            return Err(Refusal::UnknownParameter);
        };
        if repeated {
            return Err(Refusal::ParameterValue);
        }
    }
    Ok(parameters)
}

/// Checks what follows the path of RCPT.
///
/// # Errors
/// The refusal of the first parameter that is unknown or malformed.
pub fn rcpt(input: &[u8]) -> Result<(), Refusal> {
    for parameter in split(input)? {
        if !is_passed_over(parameter?.0) {
            return Err(Refusal::UnknownParameter);
        }
    }
    Ok(())
}

type Parameter<'a> = (&'a [u8], Option<&'a [u8]>);

fn split(input: &[u8]) -> Result<impl Iterator<Item = Result<Parameter<'_>, Refusal>>, Refusal> {
    let is_blank = |octet: &u8| *octet == b' ' || *octet == b'\t';
    if !input.first().is_none_or(is_blank) {
        return Err(Refusal::Syntax);
    }
    let words = input
        .split(move |octet| is_blank(octet))
        .filter(|word| !word.is_empty());
    Ok(words.map(parameter))
}

/// `keyword["=" value]`. The value of one that is passed over may be anything.
fn parameter(word: &[u8]) -> Result<Parameter<'_>, Refusal> {
    let (keyword, value) = match memchr::memchr(b'=', word) {
        Some(at) => (&word[..at], Some(&word[at + 1..])),
        None => (word, None),
    };
    let starts = keyword.first().is_some_and(u8::is_ascii_alphanumeric);
    let keyword_fits = starts
        && keyword
            .iter()
            .all(|&octet| octet.is_ascii_alphanumeric() || octet == b'-');
    let is_value =
        |v: &[u8]| !v.is_empty() && v.iter().all(|&o| (33..=126).contains(&o) && o != b'=');
    let value_fits = value.is_none_or(is_value) || is_passed_over(keyword);
    if keyword_fits && value_fits {
        Ok((keyword, value))
    } else {
        Err(Refusal::Syntax)
    }
}

fn size(value: Option<&[u8]>) -> Result<u64, Refusal> {
    value.and_then(number).ok_or(Refusal::ParameterValue)
}

/// RFC 3030 2: one digit or more, of a number that can be counted.
pub fn exact_number(digits: &[u8]) -> Option<u64> {
    let plain = digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
}

/// RFC 1870 3: one to twenty digits. A number beyond u64 is a size beyond every limit.
fn number(digits: &[u8]) -> Option<u64> {
    let fits = (1..=20).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    fits.then(|| {
        digits.iter().fold(0_u64, |sum, digit| {
            sum.saturating_mul(10)
                .saturating_add(u64::from(digit - b'0'))
        })
    })
}

fn body(value: Option<&[u8]>) -> Result<Body, Refusal> {
    match value {
        Some(v) if v.eq_ignore_ascii_case(b"7BIT") => Ok(Body::SevenBit),
        Some(v) if v.eq_ignore_ascii_case(b"8BITMIME") => Ok(Body::EightBitMime),
        Some(v) if v.eq_ignore_ascii_case(b"BINARYMIME") => Ok(Body::BinaryMime),
        Some(_) | None => Err(Refusal::ParameterValue),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_parameters_in_any_case_and_order() {
        let expected = MailParameters {
            size: Some(100),
            body: Some(Body::EightBitMime),
            smtputf8: true,
        };
        assert_eq!(mail(b" size=100 BODY=8bitmime  SMTPUTF8"), Ok(expected));
        assert_eq!(mail(b""), Ok(MailParameters::default()));
        assert_eq!(
            mail(b" SIZE=99999999999999999999").map(|p| p.size),
            Ok(Some(u64::MAX))
        );
    }

    #[test]
    fn refused_parameters() {
        for (text, refusal) in [
            (" BY=1;R", Refusal::UnknownParameter),
            (" RRVS=1", Refusal::UnknownParameter),
            (" RETX=FULL", Refusal::UnknownParameter),
            (" REQUIRETLS", Refusal::UnknownParameter),
            (" SIZE", Refusal::ParameterValue),
            (" SIZE=x", Refusal::ParameterValue),
            (" SIZE=-1", Refusal::ParameterValue),
            (" SIZE=123456789012345678901", Refusal::ParameterValue),
            (" SIZE=1 SIZE=1", Refusal::ParameterValue),
            (" BODY=9BIT", Refusal::ParameterValue),
            (" SMTPUTF8=1", Refusal::ParameterValue),
            (" SMTPUTF8 SMTPUTF8", Refusal::ParameterValue),
            ("SIZE=1", Refusal::Syntax),
            (" =1", Refusal::Syntax),
            (" SIZE=", Refusal::Syntax),
            (" A=b=c", Refusal::Syntax),
        ] {
            assert_eq!(mail(text.as_bytes()), Err(refusal), "{text}");
        }
        assert_eq!(rcpt(b" SIZE=1"), Err(Refusal::UnknownParameter));
        assert_eq!(
            rcpt(b" NOTIFY=NEVER RRVS=1"),
            Err(Refusal::UnknownParameter)
        );
        assert_eq!(rcpt(b"NOTIFY=NEVER"), Err(Refusal::Syntax));
        assert_eq!(rcpt(b" "), Ok(()));
    }

    #[test]
    fn parameters_of_dsn_and_auth_are_passed_over() {
        let all = b" RET=HDRS ENVID=QQ314159 SIZE=7\tAUTH=<> ret=HDRS RET ENVID=a=b";
        assert_eq!(mail(all).map(|parameters| parameters.size), Ok(Some(7)));
        for text in [
            " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob@example.com",
            " notify=never NOTIFY",
            " ORCPT=utf-8;b\u{fc}cher@example.com",
            " ORCPT=rfc822;a=b@example.com",
            " RET=FULL",
        ] {
            assert_eq!(rcpt(text.as_bytes()), Ok(()), "{text}");
        }
    }
}
