//! The parameters of MAIL and RCPT (RFC 5321 4.1.2, esmtp-param): SIZE (RFC 1870), BODY (RFC 6152, RFC 3030), SMTPUTF8
//! (RFC 6531); and the size of a chunk.
//!
//! Owns: which are known, and their values. Must not know: the limits that a value is held against.
//!
//! BUGS: RCPT has no parameters here, since no extension that is offered defines one (no DSN).

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
    /// The keyword, as in the record's header `smtp_body`.
    pub fn keyword(self) -> &'static str {
        match self {
            Body::SevenBit => "7BIT",
            Body::EightBitMime => "8BITMIME",
            Body::BinaryMime => "BINARYMIME",
        }
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

/// Parses what follows the path of MAIL.
pub fn mail(input: &[u8]) -> Result<MailParameters, Refusal> {
    let mut parameters = MailParameters::default();
    for (keyword, value) in split(input)? {
        let repeated = if keyword.eq_ignore_ascii_case(b"SIZE") {
            parameters.size.replace(size(value)?).is_some()
        } else if keyword.eq_ignore_ascii_case(b"BODY") {
            parameters.body.replace(body(value)?).is_some()
        } else if keyword.eq_ignore_ascii_case(b"SMTPUTF8") {
            if value.is_some() {
                return Err(Refusal::ParameterValue);
            }
            std::mem::replace(&mut parameters.smtputf8, true)
        } else {
            return Err(Refusal::UnknownParameter);
        };
        if repeated {
            return Err(Refusal::ParameterValue);
        }
    }
    Ok(parameters)
}

/// Checks what follows the path of RCPT: no parameter is known.
pub fn rcpt(input: &[u8]) -> Result<(), Refusal> {
    if split(input)?.is_empty() {
        Ok(())
    } else {
        Err(Refusal::UnknownParameter)
    }
}

type Parameter<'a> = (&'a [u8], Option<&'a [u8]>);

fn split(input: &[u8]) -> Result<Vec<Parameter<'_>>, Refusal> {
    if !input.is_empty() && input[0] != b' ' {
        return Err(Refusal::Syntax);
    }
    input
        .split(|&octet| octet == b' ')
        .filter(|word| !word.is_empty())
        .map(parameter)
        .collect()
}

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
    let value_fits = value
        .is_none_or(|v| !v.is_empty() && v.iter().all(|&o| (33..=126).contains(&o) && o != b'='));
    if keyword_fits && value_fits {
        Ok((keyword, value))
    } else {
        Err(Refusal::Syntax)
    }
}

fn size(value: Option<&[u8]>) -> Result<u64, Refusal> {
    value.and_then(number).ok_or(Refusal::ParameterValue)
}

/// RFC 1870 3, RFC 3030 2: one to twenty digits. A number beyond u64 is a size beyond every limit.
pub fn number(digits: &[u8]) -> Option<u64> {
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
            (" RET=FULL", Refusal::UnknownParameter),
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
        assert_eq!(rcpt(b" NOTIFY=NEVER"), Err(Refusal::UnknownParameter));
        assert_eq!(rcpt(b" "), Ok(()));
    }
}
