//! SASL OAUTHBEARER with client credentials (RFC 6749 4.4): tokens for librdkafka, which is built without libcurl and so cannot
//! fetch any.
//!
//! `settings` is what of librdkafka's own properties is ours, `endpoint` asks for a token, `token` reads the answer, `keeper`
//! sees that a client has a token as long as it lives. Must not know: producers, consumers, mail.
//!
//! Invariant: neither the client's secret nor a token gets into a text or a debug print.

pub mod endpoint;
pub mod keeper;
pub mod settings;
pub mod token;
