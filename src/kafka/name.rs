//! Kafka's names of errors, such as `TOPIC_AUTHORIZATION_FAILED`.
//!
//! Owns: the names, and the one call of librdkafka that knows them. Must not know: what an error means.

#![allow(unsafe_code)]

use std::ffi::CStr;

use rdkafka::bindings as ffi;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

/// Kafka's own name of an error; those of librdkafka itself begin with `_`.
pub fn error_name(code: RDKafkaErrorCode) -> String {
    let Ok(code) = RDKafkaRespErr::try_from(code as i32) else {
        return format!("{code:?}");
    };
    // SAFETY: takes a number that librdkafka knows, and gives a static text that ends with NUL.
    let name = unsafe { CStr::from_ptr(ffi::rd_kafka_err2name(code)) };
    name.to_string_lossy().into_owned()
}

/// Kafka's name of an error, and what it says of it.
pub fn named(code: RDKafkaErrorCode) -> String {
    let words = code.to_string();
    // The crate's own name in front of the words in parentheses adds nothing to Kafka's.
    let words = words.split_once('(').map_or("", |(_, words)| words);
    format!("{} ({words}", error_name(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_kafkas_name_and_its_words() {
        let code = RDKafkaErrorCode::TopicAuthorizationFailed;
        assert_eq!(error_name(code), "TOPIC_AUTHORIZATION_FAILED");
        assert_eq!(
            named(code),
            "TOPIC_AUTHORIZATION_FAILED (Broker: Topic authorization failed)"
        );
        assert_eq!(error_name(RDKafkaErrorCode::Resolve), "_RESOLVE");
    }
}
