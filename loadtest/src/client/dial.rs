//! How a connection comes about: the socket, its source address, the PROXY header.
//!
//! Must not know SMTP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use socket2::{Domain, Protocol, Socket, Type};

use crate::net::choice::Io;
use crate::net::stream::Stream;
use crate::options::shape::ProxyHeader;

/// Starts to connect; whether it is done. Where it is not, [`Stream::connected`] waits for it under the watchdog's eyes, since
/// tokio-uring's own connect cannot be given a deadline.
pub(crate) fn start(
    io: Io,
    address: SocketAddr,
    source: Option<IpAddr>,
) -> io::Result<(Stream, bool)> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    match socket.connect(&address.into()) {
        Ok(()) => {}
        // EINPROGRESS, for which there is no kind of error.
        Err(error)
            if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    // Over loopback the handshake is usually done by now.
    let done = socket.peer_addr().is_ok();
    socket.set_tcp_nodelay(true)?;
    Ok((Stream::new(io, socket.into())?, done))
}

/// The PROXY header of session `number`: a client of 198.51.100.0/24 (RFC 5737), another one for each of many sessions.
pub(crate) fn proxy_header(version: ProxyHeader, number: u64) -> Vec<u8> {
    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    /// Version 2, command PROXY; AF_INET, SOCK_STREAM; 12 bytes of addresses.
    const PROXY_TCP4: [u8; 4] = [0x21, 0x11, 0, 12];
    let host = 1 + (number % 254) as u8;
    let port = 1024 + (number / 254 % 60_000) as u16;
    let client = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, host), port);
    let server = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 25), 25);
    match version {
        ProxyHeader::None => Vec::new(),
        ProxyHeader::V1 => format!(
            "PROXY TCP4 {} {} {} {}\r\n",
            client.ip(),
            server.ip(),
            client.port(),
            server.port()
        )
        .into_bytes(),
        ProxyHeader::V2 => [
            SIGNATURE,
            &PROXY_TCP4,
            &client.ip().octets(),
            &server.ip().octets(),
            &client.port().to_be_bytes(),
            &server.port().to_be_bytes(),
        ]
        .concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_headers_are_those_of_the_specification() {
        assert_eq!(
            proxy_header(ProxyHeader::V1, 1),
            b"PROXY TCP4 198.51.100.2 203.0.113.25 1024 25\r\n"
        );
        let header = proxy_header(ProxyHeader::V2, 254);
        assert_eq!(header.len(), 28);
        assert_eq!(
            &header[..12],
            b"\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A"
        );
        assert_eq!(
            &header[12..],
            [
                0x21, 0x11, 0, 12, 198, 51, 100, 1, 203, 0, 113, 25, 4, 1, 0, 25
            ]
        );
        assert!(proxy_header(ProxyHeader::None, 7).is_empty());
    }
}
