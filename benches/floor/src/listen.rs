//! The listening socket of the floors that answer SMTP, with ringpost's options, and the line that says where it is.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

/// As ringpost's: connections that the kernel completed and that are not accepted yet.
const BACKLOG: i32 = 4096;

/// Listens on `address` and says so on standard output, in the form of ringpost's own ready line.
///
/// # Errors
/// If the address is not available.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from(socket);
    let mut out = io::stdout();
    writeln!(out, "ready smtp={}", listener.local_addr()?)?;
    out.flush()?;
    Ok(listener)
}

/// The address that a floor is started with: its only argument, or a free port of loopback.
///
/// # Errors
/// The text for the user who typed it.
pub fn address() -> Result<SocketAddr, String> {
    let text = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:0".to_owned());
    text.parse()
        .map_err(|error| format!("{text}: {error}; give an address such as 127.0.0.1:2526"))
}
