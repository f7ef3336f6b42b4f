//! Why the first connection could not be opened, in one line: what is wrong, and what to do.
//!
//! Must not know how often it was tried.

use super::silent::{self, Listener};
use crate::fault::{Cause, ErrorKind, Extension, Fault, Reason, Step, Trouble, harmless, one_line};
use crate::options::shape::{ProxyHeader, TlsMode, Transfer};
use crate::plan::{Plan, Profile};

/// The line for the operator; a listener that stayed silent may be known.
pub(super) fn line(
    plan: &Plan,
    profile: &Profile,
    fault: &Fault,
    silent: Option<Listener>,
) -> String {
    let address = plan.address;
    let words = said(fault);
    match (fault.kind, fault.step) {
        (_, Step::Connect) => unconnected(plan, fault, &words),
        (_, Step::Banner) => match silent.or_else(|| silent::listener(&fault.words)) {
            Some(Listener::Http) => no_smtp(plan),
            Some(Listener::Tls) => format!(
                "{address} sends no banner: it expects TLS from the first byte; add --tls implicit"
            ),
            None => no_banner(plan, profile, fault, &words),
        },
        (_, Step::Tls) => no_handshake(plan, profile, fault, &words),
        (ErrorKind::Connect, _) => unconnected(plan, fault, &words),
        (ErrorKind::Greeting, _) if profile.proxy != ProxyHeader::None => no_proxy(plan, &words),
        (ErrorKind::Greeting, _) => format!(
            "{address} refuses EHLO and HELO: {words}; give a name that it takes with --helo"
        ),
        (ErrorKind::Unsupported, _) => {
            format!("{address}: {words}{}", offer_hint(profile, fault.cause))
        }
        (ErrorKind::Tls, _) => {
            format!("{address} refuses STARTTLS: {words}{}", hint(plan, fault))
        }
        _ => broken_off(plan, fault, &words),
    }
}

/// TCP.
fn unconnected(plan: &Plan, fault: &Fault, words: &str) -> String {
    let address = plan.address;
    match (fault.kind, fault.cause) {
        (_, Cause::Refused) => {
            let target = &plan.options.target;
            let question = match &plan.other_addresses[..] {
                [] => "running?".to_owned(),
                [other, ..] => {
                    format!("running, or does it listen at {other} alone, which {target} is, too?")
                }
            };
            format!(
                "connection refused by {address}: nobody listens there; is the server {question}"
            )
        }
        (ErrorKind::Timeout, _) => {
            format!(
                "no connection to {address}: {words} (--timeout); is there a firewall in between?"
            )
        }
        (_, Cause::NoRoute) => format!(
            "no connection to {address}: {words}; this machine has no way there: check the address and its network"
        ),
        _ => format!("no connection to {address}: {words}"),
    }
}

/// What comes, or does not, where the banner should.
fn no_banner(plan: &Plan, profile: &Profile, fault: &Fault, words: &str) -> String {
    let address = plan.address;
    match fault.kind {
        ErrorKind::Timeout => format!(
            "{address} takes connections and sends no banner: {words} (--timeout){}",
            silence_hint(profile)
        ),
        ErrorKind::Closed => {
            let hint = silence_hint(profile);
            format!("{address} sends no banner: {words}{hint}")
        }
        ErrorKind::Protocol => format!(
            "{address} does not speak SMTP: it said \"{words}\"; give the host and the port of an SMTP server"
        ),
        ErrorKind::Greeting if profile.proxy != ProxyHeader::None => no_proxy(plan, words),
        ErrorKind::Greeting | ErrorKind::Reply421 => {
            let hint = hint(plan, fault);
            format!("{address} refuses every connection: {words}{hint}")
        }
        ErrorKind::Connect | ErrorKind::Tls | ErrorKind::Unsupported | ErrorKind::Io => {
            broken_off(plan, fault, words)
        }
    }
}

fn no_smtp(plan: &Plan) -> String {
    let address = plan.address;
    format!(
        "{address} does not speak SMTP: it is an HTTP server; give the host and the port of an SMTP server, usually 25, 587 \
         or 2525"
    )
}

fn no_proxy(plan: &Plan, words: &str) -> String {
    let address = plan.address;
    format!("{address} does not take the PROXY header: {words}; leave --proxy out")
}

/// The handshake itself.
fn no_handshake(plan: &Plan, profile: &Profile, fault: &Fault, words: &str) -> String {
    let address = plan.address;
    let hint = match fault.kind {
        ErrorKind::Tls if profile.tls == TlsMode::Implicit => {
            "a listener that begins in clear needs --tls starttls"
        }
        ErrorKind::Tls | ErrorKind::Closed | ErrorKind::Timeout => {
            "the server's log may say why (its certificate, its versions)"
        }
        ErrorKind::Connect
        | ErrorKind::Greeting
        | ErrorKind::Unsupported
        | ErrorKind::Reply421
        | ErrorKind::Protocol
        | ErrorKind::Io => return broken_off(plan, fault, words),
    };
    format!("the TLS handshake with {address} failed: {words}; {hint}")
}

/// The dialogue ends before a message can be sent.
fn broken_off(plan: &Plan, fault: &Fault, words: &str) -> String {
    let (address, place) = (plan.address, fault.step.place());
    match fault.kind {
        ErrorKind::Reply421 => {
            let hint = hint(plan, fault);
            format!("{address} ends the connection {place}: {words}{hint}")
        }
        ErrorKind::Timeout => format!("{address} does not answer {place}: {words} (--timeout)"),
        ErrorKind::Connect
        | ErrorKind::Greeting
        | ErrorKind::Tls
        | ErrorKind::Unsupported
        | ErrorKind::Closed
        | ErrorKind::Protocol
        | ErrorKind::Io => format!("{address} cannot be used, {place}: {words}"),
    }
}

/// What a report says to do about the same.
fn hint(plan: &Plan, fault: &Fault) -> String {
    let reason = Reason::new(&Trouble::of_fault(fault), plan.options.addresses());
    reason
        .hint
        .map_or(String::new(), |hint| format!("; {hint}"))
}

/// The server's reply, or this program's words.
fn said(fault: &Fault) -> String {
    let Some(code) = fault.code else {
        return harmless(&fault.words);
    };
    let (enhanced, text) = one_line(&fault.words);
    let parts = [Some(code.to_string()), enhanced, Some(text)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(" ").trim_end().to_owned()
}

fn silence_hint(profile: &Profile) -> &'static str {
    match (profile.tls, profile.proxy) {
        (TlsMode::Implicit, _) => "; is it an SMTP server?",
        (_, ProxyHeader::None) => {
            "; a listener with TLS from the first byte needs --tls implicit, one behind a load balancer --proxy v1 or v2"
        }
        _ => "; a listener without the PROXY protocol needs --proxy none",
    }
}

fn offer_hint(profile: &Profile, cause: Cause) -> &'static str {
    match cause {
        Cause::Missing(Extension::Starttls) => "; give it a certificate, or leave --tls out",
        Cause::Missing(Extension::EightBitMime) => "; take another --body",
        Cause::Missing(Extension::Chunking | Extension::BinaryMime)
            if profile.transfer == Transfer::Bdat =>
        {
            "; leave --transfer bdat out"
        }
        Cause::Missing(_)
        | Cause::Unnamed
        | Cause::Refused
        | Cause::NoRoute
        | Cause::NoFiles
        | Cause::NoPort => "",
    }
}
