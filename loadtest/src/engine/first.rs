//! The first connection, opened before the run: whether the server can be talked to at all.
//!
//! A run against nobody, against a server that speaks no SMTP, that refuses everyone or lacks what the run needs, ends here
//! with one line, instead of counting the same error for minutes. Once a connection was open nothing of the kind ends a
//! run: a server that goes away in the middle is counted and shown, because tests that kill it need that.
//!
//! Owns how often it is tried, and the line. The connection is handed to the first session of its shape, so that the server
//! sees no connection more than without this.
//!
//! # BUGS
//! - A server that greets and then never answers a message is not found here, but by the errors of the run
//!   ([`crate::tally::Live::count_fruitless`]).

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::client::Connection;
use crate::engine::session::{Context, missing};
use crate::fault::trouble::Troubles;
use crate::fault::{ErrorKind, Fault, Step, harmless, one_line};
use crate::options::shape::{ProxyHeader, TlsMode};
use crate::plan::{Plan, Profile};
use crate::report::Reason;
use crate::units::grouped;

/// How often it is tried, for each shape.
const TRIES: u32 = 3;
/// Between two tries.
const WAIT: Duration = Duration::from_millis(300);
/// Silence that is worth a line.
const SILENCE: Duration = Duration::from_secs(2);
/// Between two looks whether a signal came.
const LOOK: Duration = Duration::from_millis(50);

/// An open connection that waits for its first message.
pub struct First {
    /// A sender whose shape it has.
    pub place: u64,
    /// The connection.
    pub connection: Connection,
}

/// Opens it. With a mixture, one shape that the server serves is enough. The error is a line for the operator.
pub async fn open(context: &Rc<Context>) -> Result<First, String> {
    let plan = &context.plan;
    let mut places: Vec<u64> = Vec::new();
    for place in 0..u64::from(plan.options.connections) {
        let profile = plan.profile(place);
        if !places
            .iter()
            .any(|other| std::ptr::eq(plan.profile(*other), profile))
        {
            places.push(place);
        }
        if places.len() == plan.profiles.len() {
            break;
        }
    }
    let mut why = None;
    for place in places {
        match open_shape(context, plan.profile(place)).await {
            Ok(connection) => return Ok(First { place, connection }),
            Err(fault) => {
                why.get_or_insert_with(|| line(plan, plan.profile(place), &fault));
            }
        }
        if crate::signals::stopped() {
            break;
        }
    }
    if crate::signals::stopped() {
        return Err("stopped by a signal before a connection was open".to_owned());
    }
    Err(why.expect("there is a connection, so a shape was tried"))
}

async fn open_shape(context: &Rc<Context>, profile: &Profile) -> Result<Connection, Fault> {
    for attempt in 1.. {
        let fault = match try_once(context, profile).await {
            Ok(connection) => return Ok(connection),
            Err(fault) => fault,
        };
        context.note_error(&fault);
        if attempt == TRIES || !may_pass(fault.kind) || crate::signals::stopped() {
            return Err(fault);
        }
        tokio::time::sleep(WAIT).await;
    }
    unreachable!("the last attempt returns")
}

/// Whether the next try may find what this one did not.
fn may_pass(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Connect
        | ErrorKind::Greeting
        | ErrorKind::Closed
        | ErrorKind::Reply421
        | ErrorKind::Io => true,
        ErrorKind::Tls | ErrorKind::Unsupported | ErrorKind::Timeout | ErrorKind::Protocol => false,
    }
}

async fn try_once(context: &Rc<Context>, profile: &Profile) -> Result<Connection, Fault> {
    let options = &context.plan.options;
    let slot = context.slots.add();
    let mut dial = context.dial(profile, context.next_session());
    dial.timeout = options.first_time();
    let (quiet, address) = (options.quiet, dial.address);
    let watched = Rc::clone(&slot);
    let begun = Instant::now();
    let watch = tokio_uring::spawn(async move {
        let mut said = quiet;
        loop {
            tokio::time::sleep(LOOK).await;
            if crate::signals::stopped() {
                watched.shut_down();
            }
            if !said && begun.elapsed() >= SILENCE {
                eprintln!("waiting for {address}");
                said = true;
            }
        }
    });
    let opened = Connection::open(&dial, slot, Rc::clone(&context.tally)).await;
    watch.abort();
    let mut connection = opened?;
    connection.set_timeout(options.step_time());
    // Sizes and bodies of a shape's messages need the same of the server.
    if let Some(extension) = missing(connection.offers(), profile.content.template(1)) {
        let fault = connection.unsupported(extension);
        connection.quit(false).await;
        return Err(fault);
    }
    if let Some(most) = connection.offers().size
        && profile.content.largest_octets() > most
        && !options.quiet
    {
        eprintln!(
            "messages of up to {} bytes are larger than this server takes (SIZE {}): it will refuse those",
            grouped(profile.content.largest_octets()),
            grouped(most)
        );
    }
    connection.rest();
    Ok(connection)
}

/// What is wrong, and what to do, in one line.
fn line(plan: &Plan, profile: &Profile, fault: &Fault) -> String {
    let address = plan.address;
    let words = said(fault);
    match (fault.kind, fault.step) {
        (ErrorKind::Connect, _) if words == "connection refused" => {
            let other = match &plan.other_addresses[..] {
                [] => String::new(),
                [other, ..] => format!(
                    ", or does it listen at {other} alone, which {} is, too?",
                    plan.options.target
                ),
            };
            let running = if other.is_empty() {
                "running?"
            } else {
                "running"
            };
            format!("connection refused by {address}: is the server {running}{other}")
        }
        (ErrorKind::Connect, _) => format!("no connection to {address}: {words}"),
        (ErrorKind::Timeout, Step::Connect) => {
            format!("no connection to {address}: {words}; is there a firewall in between?")
        }
        (ErrorKind::Timeout, Step::Banner) => format!(
            "{address} takes connections and sends no banner: {words} (--timeout){}",
            silence_hint(profile)
        ),
        (ErrorKind::Closed, Step::Banner) => format!(
            "{address} sends no banner: {words}{}",
            silence_hint(profile)
        ),
        (ErrorKind::Protocol, Step::Banner) => {
            format!("{address} does not speak SMTP: it said \"{words}\"")
        }
        (ErrorKind::Greeting, _) if profile.proxy != ProxyHeader::None => {
            format!("{address} does not take the PROXY header: {words}; leave --proxy out")
        }
        (ErrorKind::Greeting | ErrorKind::Reply421, Step::Banner) => {
            format!(
                "{address} refuses every connection: {words}{}",
                hint(plan, fault)
            )
        }
        (ErrorKind::Greeting, _) => format!(
            "{address} refuses EHLO and HELO: {words}; give a name that it takes with --helo"
        ),
        (ErrorKind::Unsupported, _) => format!("{address}: {words}{}", offer_hint(profile, &words)),
        (ErrorKind::Tls, Step::Tls) if profile.tls == TlsMode::Implicit => format!(
            "the TLS handshake with {address} failed: {words}; a listener that begins in clear needs --tls starttls"
        ),
        (ErrorKind::Tls | ErrorKind::Closed | ErrorKind::Timeout, Step::Tls) => format!(
            "the TLS handshake with {address} failed: {words}; the server's log may say why (its certificate, its versions)"
        ),
        (ErrorKind::Tls, _) => {
            format!("{address} refuses STARTTLS: {words}{}", hint(plan, fault))
        }
        (ErrorKind::Reply421, step) => {
            format!(
                "{address} ends the connection {}: {words}{}",
                step.place(),
                hint(plan, fault)
            )
        }
        (ErrorKind::Timeout, step) => {
            format!(
                "{address} does not answer {}: {words} (--timeout)",
                step.place()
            )
        }
        (_, step) => format!("{address} cannot be used, {}: {words}", step.place()),
    }
}

/// What a report says to do about the same.
fn hint(plan: &Plan, fault: &Fault) -> String {
    let mut troubles = Troubles::default();
    troubles.count_fault(fault);
    let reason = Reason::new(troubles.kinds()[0], &plan.options);
    reason
        .hint
        .map_or(String::new(), |hint| format!("; {hint}"))
}

/// The server's reply, or this program's words.
fn said(fault: &Fault) -> String {
    match fault.code {
        None => harmless(&fault.words),
        Some(code) => {
            let (enhanced, text) = one_line(&fault.words);
            let parts = [Some(code.to_string()), enhanced, Some(text)];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            parts.join(" ").trim_end().to_owned()
        }
    }
}

fn silence_hint(profile: &Profile) -> &'static str {
    match (profile.tls, profile.proxy) {
        (TlsMode::Implicit, _) => "; is it an SMTP server?",
        (_, ProxyHeader::None) => {
            "; a listener with TLS from the first octet needs --tls implicit, one behind a load balancer --proxy v1 or v2"
        }
        _ => "; a listener without the PROXY protocol needs --proxy none",
    }
}

fn offer_hint(profile: &Profile, words: &str) -> &'static str {
    if words.ends_with("STARTTLS") {
        "; give it a certificate, or leave --tls out"
    } else if words.ends_with("8BITMIME") {
        "; take another --body"
    } else if profile.transfer == crate::options::shape::Transfer::Bdat {
        "; leave --transfer bdat out"
    } else {
        ""
    }
}
