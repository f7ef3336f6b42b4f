//! The floor: an SMTP server on tokio-uring that only answers. One thread, one ring with the flags of ringpost's own, one
//! task a connection, the message read whole into one buffer, the replies of a group in one write.
//!
//! Usage: `floor-tokio-uring [ADDRESS]`
//!
//! What ringpost costs beyond this is ringpost's; what this costs beyond `floor-ring` is the runtime's.

use std::process::ExitCode;
use std::rc::Rc;

use ringpost_floor::dialogue::{BANNER, Dialogue, INITIAL, ROOM};
use ringpost_floor::listen;
use tokio_uring::buf::BoundedBuf;
use tokio_uring::net::{TcpListener, TcpStream};

/// Entries of the submission and of the completion queue.
const SUBMISSIONS: u32 = 1024;
const COMPLETIONS: u32 = 8192;
/// Accepts in flight.
const ACCEPTS: usize = 4;

fn main() -> ExitCode {
    let started = listen::address()
        .and_then(|address| listen::listen(address).map_err(|error| format!("{address}: {error}")));
    let listener = match started {
        Ok(listener) => listener,
        Err(reason) => {
            eprintln!("floor-tokio-uring: {reason}");
            return ExitCode::from(2);
        }
    };
    let mut ring = tokio_uring::uring_builder();
    ring.setup_coop_taskrun()
        .setup_taskrun_flag()
        .setup_single_issuer()
        .setup_cqsize(COMPLETIONS);
    tokio_uring::builder()
        .entries(SUBMISSIONS)
        .uring_builder(&ring)
        .start(async move {
            let listener = Rc::new(TcpListener::from_std(listener));
            for _ in 1..ACCEPTS {
                tokio_uring::spawn(accept(Rc::clone(&listener)));
            }
            accept(listener).await;
        });
    ExitCode::SUCCESS
}

async fn accept(listener: Rc<TcpListener>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio_uring::spawn(serve(stream))),
            Err(error) => eprintln!("floor-tokio-uring: accept: {error}"),
        }
    }
}

/// Until the client leaves or a write fails.
async fn serve(stream: TcpStream) {
    let mut dialogue = Dialogue::default();
    let mut input: Vec<u8> = Vec::with_capacity(INITIAL);
    let mut replies = BANNER.to_vec();
    loop {
        if !replies.is_empty() {
            let (result, written) = stream.write_all(replies).await;
            if result.is_err() || dialogue.is_closed() {
                return;
            }
            replies = written;
            replies.clear();
        }
        if input.capacity() - input.len() < ROOM {
            input.reserve(input.capacity());
        }
        let (from, to) = (input.len(), input.capacity());
        let (result, slice) = stream.read(input.slice(from..to)).await;
        input = slice.into_inner();
        if !result.is_ok_and(|octets| octets > 0) {
            return;
        }
        let consumed = dialogue.receive(&input, &mut replies);
        input.drain(..consumed);
    }
}
