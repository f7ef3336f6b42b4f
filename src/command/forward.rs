//! `ringpost forward`: gives each mail of the topic to a receiver.
//!
//! `webhook` has the flags that only an application has, which mail is posted to.

pub mod webhook;
