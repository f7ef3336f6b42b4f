//! The other side: what a client needs to understand a server, without I/O. `reply` makes codes and texts of the server's bytes,
//! `offers` is what it offers in its reply to EHLO or LHLO.

pub mod offers;
pub mod reply;
