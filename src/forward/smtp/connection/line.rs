//! Lines to a server and replies from it.
//!
//! Owns: how long each may take, what a reply's text looks like. Must not know: what is said.

use std::io;
use std::time::Duration;

use ringpost_proto::client::reply::ReplyReader;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::forward::smtp::stream::{Stream, timely};

/// Characters of a receiver's text that are kept.
const TEXT_MOST: usize = 1000;

/// See the module.
pub(in crate::forward::smtp) struct Line {
    /// None while it is secured.
    pub stream: Option<Stream>,
    pub replies: ReplyReader,
}

/// A reply.
#[derive(Debug)]
pub(in crate::forward::smtp) struct Reply {
    pub code: u16,
    /// On one line.
    pub text: String,
}

impl Line {
    /// Over this stream.
    pub(in crate::forward::smtp) fn new(stream: Stream) -> Self {
        Self {
            stream: Some(stream),
            replies: ReplyReader::new(),
        }
    }

    /// What is below.
    ///
    /// # Panics
    /// While it is secured.
    pub(in crate::forward::smtp) fn stream(&mut self) -> &mut Stream {
        self.stream
            .as_mut()
            .expect("a stream, except while it is secured")
    }

    /// Writes all of it.
    pub(in crate::forward::smtp) async fn write(
        &mut self,
        bytes: &[u8],
        within: Duration,
    ) -> io::Result<()> {
        let stream = self.stream();
        let written = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        timely(within, written).await
    }

    /// The next reply.
    pub(in crate::forward::smtp) async fn reply(&mut self, within: Duration) -> io::Result<Reply> {
        let read = async {
            loop {
                match self.replies.next_reply() {
                    Ok(Some(code)) => {
                        let text = String::from_utf8_lossy(self.replies.text());
                        let text = one_line(&text);
                        return Ok(Reply { code, text });
                    }
                    Ok(None) => {}
                    Err(_) => {
                        let line = String::from_utf8_lossy(self.replies.unread_line());
                        let text = format!("not a reply: {}", one_line(&line));
                        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                    }
                }
                let mut buffer = self.replies.lend();
                let stream = self.stream.as_mut().expect("a stream");
                let read = stream.read_buf(&mut buffer).await;
                self.replies.give_back(buffer);
                if read? == 0 {
                    let text = "the receiver closed the connection";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
                }
            }
        };
        timely(within, read).await
    }

    /// Writes a line and waits for its reply.
    pub(in crate::forward::smtp) async fn command(
        &mut self,
        line: &str,
        within: Duration,
    ) -> io::Result<Reply> {
        self.write(format!("{line}\r\n").as_bytes(), within).await?;
        self.reply(within).await
    }
}

/// A text of the receiver's, for a log or a header.
fn one_line(text: &str) -> String {
    let shown = text.chars().map(|sign| match sign {
        '\n' | '\r' | '\t' => ' ',
        sign if sign.is_control() => '\u{FFFD}',
        sign => sign,
    });
    shown.take(TEXT_MOST).collect()
}
