#![doc = include_str!("../README.md")]
//!
//! ## Layers
//!
//! From the bottom up: [`limits`], [`smtp`], [`mail`]; [`proxy`] and [`client`] stand beside them. Nothing here may name a socket, a clock, a
//! random number, a log or a metric.

// `pub` says that other crates see it. Not for the tests, which include files of each other.
#![warn(unreachable_pub)]

pub mod client;
pub mod limits;
pub mod mail;
pub mod proxy;
pub mod smtp;
