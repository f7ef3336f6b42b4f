//! The floor on epoll: an SMTP server on tokio that only answers. One thread, one task a connection, the message read whole
//! into one buffer, the replies of a group in one write.
//!
//! Usage: `floor-tokio [ADDRESS]`
//!
//! What ringpost's epoll engine costs beyond this is ringpost's. It has tokio's plain interface: a read is tried at once and
//! waits only where nothing is there, and one that does not fill the buffer is not followed by another that finds nothing.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use ringpost_floor::dialogue::{BANNER, Dialogue, INITIAL, ROOM};
use ringpost_floor::listen;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn main() -> ExitCode {
    let result = listen::address()
        .and_then(|address| run(address).map_err(|error| format!("{address}: {error}")));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("floor-tokio: {reason}");
            ExitCode::from(2)
        }
    }
}

fn run(address: SocketAddr) -> io::Result<()> {
    let listener = listen::listen(address)?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async { accept(TcpListener::from_std(listener)?).await })
}

async fn accept(listener: TcpListener) -> io::Result<()> {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream))),
            Err(error) => eprintln!("floor-tokio: accept: {error}"),
        }
    }
}

/// Until the client leaves or a write fails.
async fn serve(mut stream: TcpStream) {
    let mut dialogue = Dialogue::default();
    let mut input: Vec<u8> = Vec::with_capacity(INITIAL);
    let mut replies = BANNER.to_vec();
    loop {
        if !replies.is_empty() {
            if stream.write_all(&replies).await.is_err() || dialogue.is_closed() {
                return;
            }
            replies.clear();
        }
        if input.capacity() - input.len() < ROOM {
            input.reserve(input.capacity());
        }
        let received = stream.read_buf(&mut input).await;
        if !received.is_ok_and(|octets| octets > 0) {
            return;
        }
        let consumed = dialogue.receive(&input, &mut replies);
        input.drain(..consumed);
    }
}
