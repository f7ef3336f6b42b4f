//! What the benches share: a policy, messages, and one transaction driven through a session as a server would.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::sync::Arc;
use std::time::Instant;

use ringpost_proto::smtp::policy::{Policy, Recipients};
use ringpost_proto::smtp::session::{Action, Output, Session};

/// The group that a pipelining client sends in front of a message (RFC 2920).
pub const GROUP: &[u8] = b"MAIL FROM:<sender@example.com> SIZE=4096 BODY=8BITMIME\r\n\
    RCPT TO:<recipient@example.net>\r\nDATA\r\n";

/// What a session has to reply to it and to the message after it.
pub const REPLIES: &[u8] = b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n\
    354 Start mail input; end with <CRLF>.<CRLF>\r\n250 2.0.0 01ARZ3NDEKTSV4RRFFQ69G5FAV\r\n";

/// The id that [`REPLIES`] names.
pub const ID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// A policy that takes mail for `example.net`.
pub fn policy() -> Arc<Policy> {
    let mut policy = Policy::new("mx.example.net");
    policy.message_size = 100 << 20;
    policy.taken = Arc::new(Recipients::everybody_at(["example.com", "example.net"]));
    Arc::new(policy)
}

/// A message of at least `octets` in lines of 72, then the end of the data. Every line is stuffed if `stuffed`, else none.
pub fn data(octets: usize, stuffed: bool) -> Vec<u8> {
    let mut data = Vec::with_capacity(octets + 80);
    while data.len() < octets {
        data.extend_from_slice(if stuffed { b".." } else { b"xx" });
        data.extend_from_slice(&[b'x'; 68]);
        data.extend_from_slice(b"\r\n");
    }
    data.extend_from_slice(b".\r\n");
    data
}

/// Puts the end of the data back, whose dot decoding in place has dropped. Without stuffed lines nothing else moves.
pub fn restore_end(data: &mut [u8]) {
    let end = data.len() - 3;
    data[end..].copy_from_slice(b".\r\n");
}

/// A session, and the memory that its output is in.
pub struct Driven {
    /// The session.
    pub session: Session,
    /// What it says.
    pub output: Output,
}

impl Driven {
    /// A session that has said its banner.
    pub fn begun(policy: Arc<Policy>, now: Instant) -> Self {
        let mut session = Session::new(policy, now);
        let mut output = Output::default();
        session.begin(false, now, &mut output);
        Self { session, output }
    }

    /// Takes what was said.
    pub fn take(&mut self, replies: &mut Vec<u8>) {
        self.output.events().for_each(drop);
        self.output.replies().swap(replies);
    }
}

/// A session that has been greeted, nothing waiting to be sent.
pub fn greeted(replies: &mut Vec<u8>) -> Driven {
    let now = Instant::now();
    let mut driven = Driven::begun(policy(), now);
    let hello = b"EHLO client.example.com\r\n";
    let consumed = driven.session.receive(hello, now, &mut driven.output);
    assert_eq!(consumed, hello.len());
    driven.take(replies);
    assert!(replies.ends_with(b"250 LIMITS RCPTMAX=100\r\n"));
    replies.clear();
    driven
}

/// One message, from the pipelined group to its 250; `replies` is emptied first. The data must not have stuffed
/// lines: it is decoded in place, and would not be the same the next time.
pub fn transaction(driven: &mut Driven, data: &mut [u8], replies: &mut Vec<u8>, now: Instant) {
    replies.clear();
    restore_end(data);
    let Driven { session, output } = driven;
    let consumed = session.receive(GROUP, now, output);
    assert_eq!(consumed, GROUP.len());
    let Some(Action::Admit(admission)) = session.poll_action() else {
        panic!("DATA asks for room")
    };
    assert_eq!(admission.announced(), Some(4096));
    session.admit(admission, Ok(()), now, output);
    let progress = session.receive_data(data, now, output);
    assert!(progress.ended && progress.consumed == data.len());
    let Some(Action::Commit(commit)) = session.poll_action() else {
        panic!("the message is complete")
    };
    session.resolve(commit, Ok(ID), now, output);
    driven.take(replies);
}
