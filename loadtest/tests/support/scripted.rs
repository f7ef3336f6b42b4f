//! Servers that a test writes line by line, and none at all.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where nobody listens.
pub fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
}

/// A server that treats each connection as it is told, with the connection's number from 1.
pub fn serve(treat: impl Fn(TcpStream, u64) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let (treat, count) = (Arc::new(treat), AtomicU64::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let treat = Arc::clone(&treat);
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            std::thread::spawn(move || treat(stream, number));
        }
    });
    address
}

/// Says a banner, then answers each line by what it begins with; a reply of 221 or 421 ends the connection.
pub fn dialogue(stream: TcpStream, banner: &str, answer: impl Fn(&str, u64) -> &'static str) {
    stream.set_nodelay(true).expect("a socket");
    let mut stream = BufReader::new(stream);
    let say = |stream: &mut BufReader<TcpStream>, text: &str| {
        let sent = stream.get_mut().write_all(format!("{text}\r\n").as_bytes());
        sent.is_ok()
            && !["221", "421", "554-"]
                .iter()
                .any(|end| text.starts_with(end))
    };
    let (mut go_on, mut lines, mut in_data) = (say(&mut stream, banner), 0, false);
    while go_on {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if in_data && line != ".\r\n" {
            continue;
        }
        lines += 1;
        let reply = answer(if in_data { "." } else { line.trim_end() }, lines);
        in_data = reply.starts_with("354");
        go_on = say(&mut stream, reply);
    }
}

/// Takes everything.
pub fn willing(line: &str) -> &'static str {
    match line.get(..4).unwrap_or(line) {
        "EHLO" => "250-mx.example\r\n250 PIPELINING",
        "DATA" => "354 Go on",
        "QUIT" => "221 2.0.0 Bye",
        _ => "250 2.0.0 Ok",
    }
}

/// Holds the connection until the client goes.
pub fn hold(stream: &TcpStream) {
    let mut line = String::new();
    let _ = BufReader::new(stream).read_line(&mut line);
}
