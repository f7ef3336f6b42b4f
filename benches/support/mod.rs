//! What the benches share: a policy, messages, and one transaction driven through a session as a server would.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::sync::Arc;
use std::time::Instant;

use ringpost_proto::smtp::policy::{Policy, Recipients};
use ringpost_proto::smtp::session::{Action, Session};

/// The group that a pipelining client sends in front of a message (RFC 2920).
pub const GROUP: &[u8] = b"MAIL FROM:<sender@example.com> SIZE=4096 BODY=8BITMIME\r\n\
    RCPT TO:<recipient@example.net>\r\nDATA\r\n";

/// What a session has to say to it and to the message behind it.
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

/// A session that has been greeted, nothing waiting to be sent.
pub fn greeted(replies: &mut Vec<u8>) -> Session {
    let now = Instant::now();
    let mut session = Session::new(policy(), now);
    let hello = b"EHLO client.example.com\r\n";
    assert_eq!(session.receive(hello, now), hello.len());
    session.events().for_each(drop);
    session.replies().swap(replies);
    assert!(replies.ends_with(b"250 LIMITS RCPTMAX=100\r\n"));
    replies.clear();
    session
}

/// One message, from the pipelined group to its 250; `replies` is emptied first. The data must not have stuffed
/// lines: it is decoded in place, and would not be the same the next time.
pub fn transaction(session: &mut Session, data: &mut [u8], replies: &mut Vec<u8>, now: Instant) {
    replies.clear();
    restore_end(data);
    let consumed = session.receive(GROUP, now);
    assert_eq!(consumed, GROUP.len());
    assert!(matches!(
        session.poll_action(),
        Some(Action::Admit {
            announced: Some(4096)
        })
    ));
    session.admit(Ok(()), now);
    let progress = session.receive_data(data, now);
    assert!(progress.ended && progress.consumed == data.len());
    assert!(matches!(session.poll_action(), Some(Action::Commit { .. })));
    session.resolve(Ok(ID), now);
    session.events().for_each(drop);
    session.replies().swap(replies);
}
