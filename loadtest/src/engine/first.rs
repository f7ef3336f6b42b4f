//! The first connection, opened before the run: whether the server can be talked to at all.
//!
//! A run ends here if nobody listens, if the server does not speak SMTP, if it refuses every client or lacks what the run needs,
//! with one line, instead of counting the same error for minutes. Once a connection was open nothing of the kind ends a
//! run: a server that goes away in the middle is counted and shown, because tests that kill it need that.
//!
//! Owns how often it is tried, and the line. The connection is handed to the first session of its shape, so that the server
//! sees no connection more than without this.
//!
//! # BUGS
//! - A server that greets and then never answers a message is not found here, but by the errors of the run
//!   ([`crate::tally::Live::count_fruitless`]).

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::context::{Context, First};
use super::error::NotBegun;
use super::refusal::line;
use super::silent::{self, Listener};
use crate::client::deadline::Slot;
use crate::client::{Connection, Dial, missing};
use crate::fault::{Cause, ErrorKind, Fault, Step};
use crate::options::shape::{ProxyHeader, TlsMode};
use crate::plan::{Plan, Profile};
use crate::signals;
use crate::tally::Greeting;
use crate::units::grouped;

/// The number of tries for each shape.
const TRIES: u32 = 3;
/// Between two tries.
const WAIT: Duration = Duration::from_millis(300);
/// Silence after which a line is printed.
const SILENCE: Duration = Duration::from_secs(2);
/// Between two looks whether a signal came.
const LOOK: Duration = Duration::from_millis(50);

/// Opens it; what the server said to it. With a mixture, one shape that the server serves is enough.
pub(super) async fn open(context: &Rc<Context>) -> Result<(First, Greeting), NotBegun> {
    let plan = &context.plan;
    let mut refusal = None;
    for place in one_of_each(plan) {
        let profile = plan.profile(place);
        match open_shape(context, profile).await {
            Ok((connection, greeting)) => return Ok((First { place, connection }, greeting)),
            Err(fault) => {
                refusal.get_or_insert_with(|| NotBegun::Unusable {
                    line: line(plan, profile, &fault, what_is_silent(plan, profile, &fault)),
                    fault,
                });
            }
        }
        if signals::stopped() {
            return Err(NotBegun::Stopped);
        }
    }
    Err(refusal.expect("there is a connection, so a shape was tried"))
}

/// A sender of each shape that a sender has.
fn one_of_each(plan: &Plan) -> Vec<u64> {
    let mut places: Vec<u64> = Vec::new();
    for place in 0..u64::from(plan.options.connections) {
        let index = plan.profile(place).index;
        if !places
            .iter()
            .any(|other| plan.profile(*other).index == index)
        {
            places.push(place);
        }
        if places.len() == plan.profiles.len() {
            break;
        }
    }
    places
}

/// What a listener without a banner is, where the first byte is the server's.
fn what_is_silent(plan: &Plan, profile: &Profile, fault: &Fault) -> Option<Listener> {
    let is_silent = matches!(
        (fault.kind, fault.step),
        (ErrorKind::Timeout | ErrorKind::Closed, Step::Banner)
    );
    let server_begins = profile.tls != TlsMode::Implicit && profile.proxy == ProxyHeader::None;
    (is_silent && server_begins && !signals::stopped())
        .then(|| silent::ask(plan.address))
        .flatten()
}

async fn open_shape(
    context: &Rc<Context>,
    profile: &Profile,
) -> Result<(Connection, Greeting), Fault> {
    for attempt in 1.. {
        let fault = match try_once(context, profile).await {
            Ok(opened) => return Ok(opened),
            Err(fault) => fault,
        };
        context.note_error(&fault);
        if attempt == TRIES || !may_pass(&fault) || signals::stopped() {
            return Err(fault);
        }
        tokio::time::sleep(WAIT).await;
    }
    unreachable!("the last attempt returns")
}

/// Whether the next try may find what this one did not.
fn may_pass(fault: &Fault) -> bool {
    match fault.kind {
        ErrorKind::Connect if fault.cause == Cause::NoRoute => false,
        ErrorKind::Connect
        | ErrorKind::Greeting
        | ErrorKind::Closed
        | ErrorKind::Reply421
        | ErrorKind::Io => true,
        ErrorKind::Tls | ErrorKind::Unsupported | ErrorKind::Timeout | ErrorKind::Protocol => false,
    }
}

async fn try_once(
    context: &Rc<Context>,
    profile: &Profile,
) -> Result<(Connection, Greeting), Fault> {
    let options = &context.plan.options;
    let slot = context.slots.add();
    let mut dial = context.dial(profile, context.next_session());
    dial.timeout = options.first_time();
    let watch = tokio::task::spawn_local(watch(
        Rc::clone(&slot),
        dial.address,
        dial.timeout,
        options.quiet,
    ));
    let opened = greeted(context, &dial, slot).await;
    watch.abort();
    let (mut connection, greeting) = opened?;
    connection.set_timeout(options.step_time());
    // Sizes and bodies of a shape's messages need the same of the server.
    let needs = profile.content.template(1).needs;
    if let Some(extension) = missing(&connection.offers(), needs) {
        let fault = connection.unsupported(extension);
        connection.quit(false).await;
        return Err(fault);
    }
    let largest = profile.content.largest_size();
    if let Some(most) = connection.offers().size_limit
        && largest > most
        && !options.quiet
    {
        eprintln!(
            "messages of up to {} bytes are larger than this server takes (SIZE {}): it will refuse those",
            grouped(largest),
            grouped(most)
        );
    }
    connection.rest();
    Ok((connection, greeting))
}

/// A connection, with what the server said to it.
async fn greeted(
    context: &Rc<Context>,
    dial: &Dial<'_>,
    slot: Rc<Slot>,
) -> Result<(Connection, Greeting), Fault> {
    let mut connection = Connection::connect(dial, slot, Rc::clone(&context.tally)).await?;
    connection.banner().await?;
    let banner = connection.reply_text().to_vec();
    connection.greet(dial).await?;
    let greeting = Greeting::new(&banner, connection.reply_text());
    Ok((connection, greeting))
}

/// Ends the try when a signal comes, and says that it waits where it waits long.
async fn watch(slot: Rc<Slot>, address: SocketAddr, most: Duration, quiet: bool) {
    let begun = Instant::now();
    let mut said = quiet;
    loop {
        tokio::time::sleep(LOOK).await;
        if signals::stopped() {
            slot.shut_down();
        }
        if !said && begun.elapsed() >= SILENCE {
            eprintln!(
                "waiting for {address}, at most {} s (--timeout)",
                most.as_secs_f64()
            );
            said = true;
        }
    }
}
