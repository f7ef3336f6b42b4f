//! A session driven over a `Vec`: one mail comes in, and its record is what would go to Kafka.

use std::sync::Arc;
use std::time::Instant;

use ringpost_proto::smtp::policy::Policy;
use ringpost_proto::smtp::session::{Action, Expects, Output, Session};

/// Drives a session from its banner to its end.
pub fn main() {
    let (now, mut output) = (Instant::now(), Output::default());
    let mut session = Session::new(Arc::new(Policy::new("mx.example.com")), now);
    session.begin(false, now, &mut output);

    // What a client sends, in one packet; a server reads it from a socket.
    let mut input = b"EHLO client.example.org\r\n\
        MAIL FROM:<joe@example.org>\r\nRCPT TO:<ann@example.com>\r\nDATA\r\n\
        Subject: hello\r\n\r\n..dots\r\n.\r\nQUIT\r\n"
        .to_vec();
    let mut body = Vec::new();
    while session.expects() != Expects::Nothing {
        match session.expects() {
            Expects::Commands => {
                let consumed = session.receive(&input, now, &mut output);
                input.drain(..consumed);
            }
            Expects::Data => {
                let progress = session.receive_data(&mut input, now, &mut output);
                body.extend_from_slice(&input[..progress.kept]);
                body.truncate(body.len() - progress.retracted);
                input.drain(..progress.consumed);
            }
            Expects::Driver | Expects::Nothing => {}
        }
        while let Some(action) = session.poll_action() {
            match action {
                // There is room for every message here.
                Action::Admit(admission) => session.admit(admission, Ok(()), now, &mut output),
                Action::Commit(commit) => {
                    let recipients = &commit.transaction().recipients;
                    println!("{} bytes for {}", body.len(), recipients[0].as_str());
                    // Only now may the client be told that its message is safe.
                    session.resolve(commit, Ok("queued as 1"), now, &mut output);
                }
                Action::Discard => body.clear(),
                Action::StartTls | Action::Close => {}
            }
        }
    }
    print!("{}", String::from_utf8_lossy(output.replies().waiting()));
    assert_eq!(body, b"Subject: hello\r\n\r\n.dots\r\n");
}
