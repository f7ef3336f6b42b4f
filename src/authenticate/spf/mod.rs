//! SPF (RFC 7208): whether a client may send mail in the name of a domain.
//!
//! From the bottom up: `macros` is the text of a domain with its macros, `record` a record that was parsed, `check` the function
//! `check_host`. Without I/O: see [`super::dns`].
//!
//! Written here and not taken from mail-auth, whose evaluation takes the first of several records, knows no limit of void lookups,
//! and passes over mechanisms and prefix lengths that RFC 7208 calls errors.

pub mod check;
mod macros;
mod record;
