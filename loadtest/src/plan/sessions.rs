//! The TLS sessions that connections resume: as many tickets as there may be connections at once.
//!
//! Owns: the tickets of TLS 1.3, each used once. rustls's own store keeps the rest, and of tickets only eight for a server, so that
//! of 50 connections at once most could not resume.
//!
//! Invariant: a server has at most [`MOST`] tickets here; beyond them the oldest goes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::NamedGroup;
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;

/// Tickets of one server. More than connections that the load tester opens at once on one machine would use up its memory first.
const MOST: usize = 10_000;

/// Servers of which rustls keeps sessions.
const SERVERS: usize = 256;

type Tickets = HashMap<ServerName<'static>, VecDeque<Tls13ClientSessionValue>>;

/// See the module.
#[derive(Debug)]
pub(super) struct Sessions {
    tickets: Mutex<Tickets>,
    rest: ClientSessionMemoryCache,
}

impl Sessions {
    pub(super) fn new() -> Self {
        Self {
            tickets: Mutex::default(),
            rest: ClientSessionMemoryCache::new(SERVERS),
        }
    }

    fn tickets(&self) -> MutexGuard<'_, Tickets> {
        // What a thread left when it panicked is still a set of tickets.
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, server: ServerName<'static>, group: NamedGroup) {
        self.rest.set_kx_hint(server, group);
    }

    fn kx_hint(&self, server: &ServerName<'_>) -> Option<NamedGroup> {
        self.rest.kx_hint(server)
    }

    fn set_tls12_session(&self, server: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.rest.set_tls12_session(server, session);
    }

    fn tls12_session(&self, server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.rest.tls12_session(server)
    }

    fn remove_tls12_session(&self, server: &ServerName<'static>) {
        self.rest.remove_tls12_session(server);
    }

    fn insert_tls13_ticket(&self, server: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let mut tickets = self.tickets();
        let of_server = tickets.entry(server).or_default();
        if of_server.len() == MOST {
            of_server.pop_front();
        }
        of_server.push_back(ticket);
    }

    fn take_tls13_ticket(&self, server: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.tickets().get_mut(server)?.pop_back()
    }
}
