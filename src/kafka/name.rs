//! Kafka's names of errors, such as `TOPIC_AUTHORIZATION_FAILED`, and what librdkafka says of each.
//!
//! Owns: the names, and the calls of librdkafka that know them. Must not know: what an error means.

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

/// What librdkafka says of an error, such as `Broker: Topic authorization failed`.
pub fn meaning(code: RDKafkaErrorCode) -> String {
    let Ok(code) = RDKafkaRespErr::try_from(code as i32) else {
        return format!("{code:?}");
    };
    // SAFETY: as above.
    let words = unsafe { CStr::from_ptr(ffi::rd_kafka_err2str(code)) };
    words.to_string_lossy().into_owned()
}

/// Kafka's name of an error, and what librdkafka says of it.
pub fn named(code: RDKafkaErrorCode) -> String {
    format!("{} ({})", error_name(code), meaning(code))
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
