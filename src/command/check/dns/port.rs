//! A visit at port 25, as a sender makes it: the banner, EHLO, STARTTLS and the certificate. No mail.
//!
//! Owns: the dialogue with its ends, and what the banner says. Must not know: what a certificate is worth.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ringpost_proto::client::offers::Offers;
use ringpost_proto::client::reply::ReplyReader;
use rustls::ProtocolVersion;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::ask::Dns;
use super::records::{bad, good, is_same};
use crate::command::check::report::Answer;
use crate::forward::tls;
use crate::verdict::Verdict;

/// The port of SMTP between servers. Senders use no other.
const PORT: u16 = 25;
/// How long a connection may take.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// How long the server has for all that it says, a delay of its greeting included.
const TALK_WAIT: Duration = Duration::from_secs(10);
/// Characters of a banner that are shown.
const BANNER_MOST: usize = 120;

/// What was found at an address.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing listens there.
    Refused,
    /// Nothing answers, for this reason.
    Away(String),
    /// Something answers, which does not speak SMTP to its end.
    Odd(String),
    /// A server with this code and text in its banner.
    Server {
        code: u16,
        banner: String,
        /// None where the banner was no welcome.
        tls: Option<Tls>,
    },
}

/// What is known of encryption.
#[derive(Debug)]
pub(super) enum Tls {
    /// STARTTLS is not offered.
    None,
    /// It failed.
    Failed(String),
    /// The version, and the certificates that were shown.
    Shown(String, Vec<CertificateDer<'static>>),
}

/// Visits an address.
pub(super) async fn visit(address: IpAddr, hostname: &str, dns: &Dns<'_>) -> Found {
    let what = format!("port {PORT} of {address}");
    let connecting = TcpStream::connect(SocketAddr::new(address, PORT));
    let stream = match dns.within(CONNECT_WAIT, &what, connecting).await {
        Some(Ok(stream)) => stream,
        Some(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return Found::Refused;
        }
        Some(Err(error)) => return Found::Away(error.to_string()),
        None => return Found::Away(format!("no answer within {} s", CONNECT_WAIT.as_secs())),
    };
    match dns.within(TALK_WAIT, &what, talk(stream, hostname)).await {
        Some(Ok(found)) => found,
        Some(Err(error)) => Found::Odd(error.to_string()),
        None => Found::Odd(format!(
            "no end of the dialogue within {} s",
            TALK_WAIT.as_secs()
        )),
    }
}

async fn talk(mut stream: TcpStream, hostname: &str) -> io::Result<Found> {
    let mut replies = ReplyReader::new();
    let code = reply(&mut stream, &mut replies).await?;
    let banner = shown(replies.text());
    if code != 220 {
        let tls = None;
        return Ok(Found::Server { code, banner, tls });
    }
    stream
        .write_all(format!("EHLO {hostname}\r\n").as_bytes())
        .await?;
    let hello = reply(&mut stream, &mut replies).await?;
    let offers = Offers::read(replies.text());
    let tls = match hello == 250 && offers.starttls {
        false => Tls::None,
        true => {
            stream.write_all(b"STARTTLS\r\n").await?;
            match reply(&mut stream, &mut replies).await? {
                220 => secure(stream, hostname).await,
                other => Tls::Failed(format!("{other} {}", shown(replies.text()))),
            }
        }
    };
    let tls = Some(tls);
    Ok(Found::Server { code, banner, tls })
}

/// The code of the next reply; the reader has its text.
async fn reply(stream: &mut TcpStream, replies: &mut ReplyReader) -> io::Result<u16> {
    loop {
        match replies.next_reply() {
            Ok(Some(code)) => return Ok(code),
            Ok(None) => {}
            Err(_) => {
                let line = shown(replies.unread_line());
                return Err(io::Error::other(format!("{line:?} is no reply of SMTP")));
            }
        }
        let mut buffer = replies.lend();
        let read = stream.read_buf(&mut buffer).await;
        replies.give_back(buffer);
        if read? == 0 {
            return Err(io::Error::other("the connection was closed"));
        }
    }
}

async fn secure(stream: TcpStream, hostname: &str) -> Tls {
    let Ok(name) = ServerName::try_from(hostname.to_owned()) else {
        return Tls::Failed(format!("{hostname:?} is no name for a certificate"));
    };
    let connector = TlsConnector::from(tls::unverified());
    match connector.connect(name, stream).await {
        Err(error) => Tls::Failed(error.to_string()),
        Ok(mut secured) => {
            let (_, connection) = secured.get_ref();
            let version = label(connection.protocol_version());
            let chain = connection.peer_certificates().unwrap_or_default();
            let shown = Tls::Shown(version.to_owned(), chain.to_vec());
            // Only politeness: what the server says to it changes nothing.
            let _ = secured.write_all(b"QUIT\r\n").await;
            let _ = secured.shutdown().await;
            shown
        }
    }
}

/// A version as the log writes it.
fn label(version: Option<ProtocolVersion>) -> &'static str {
    match version {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        // No other is offered.
        Some(_) | None => "TLS",
    }
}

/// A text of the server's on one line.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let shown = text.chars().map(|sign| match sign {
        sign if sign.is_control() => ' ',
        sign => sign,
    });
    shown.take(BANNER_MOST).collect()
}

/// Whether a ringpost of this name answers there.
pub(super) fn judge(address: IpAddr, hostname: &str, found: &Found) -> Answer {
    const NAME: &str = "port 25";
    let blocked = "from here; a provider may block port 25 until it is asked to open it, and a firewall may stop only \
                   connections from this machine";
    match found {
        Found::Refused => bad(
            Verdict::Failed,
            NAME,
            format!("nothing listens on port {PORT} of {address}"),
            format!("start ringpost, let server.listen have port {PORT}, and forward the port to it where it has another"),
        ),
        Found::Away(why) => bad(
            Verdict::Warning,
            NAME,
            format!("port {PORT} of {address} cannot be reached {blocked}: {why}"),
            format!("open port {PORT} in each firewall in front of {address}, and try it from another network"),
        ),
        Found::Odd(why) => bad(
            Verdict::Failed,
            NAME,
            format!("what listens on port {PORT} of {address} does not speak SMTP with us: {why}"),
            "look which program or proxy has the port; ringpost behind a proxy needs server.listen_proxy".to_owned(),
        ),
        Found::Server { code, banner, .. } => of_banner(address, hostname, *code, banner),
    }
}

fn of_banner(address: IpAddr, hostname: &str, code: u16, banner: &str) -> Answer {
    const NAME: &str = "port 25";
    let mut words = banner.split(' ');
    let name = words.next().unwrap_or_default();
    let is_ringpost = words.any(|word| word == "ringpost");
    let said = format!(
        "port {PORT} of {address} says {:?}",
        format!("{code} {banner}")
    );
    if code != 220 {
        return bad(
            Verdict::Warning,
            NAME,
            format!("{said} to this machine"),
            "if others get it too, its text says why; /readyz and the log of that server say more"
                .to_owned(),
        );
    }
    match (is_same(name, hostname), is_ringpost) {
        (true, true) => good(Verdict::Ok, NAME, format!("a ringpost answers on {address}: {banner}")),
        (false, true) => bad(
            Verdict::Warning,
            NAME,
            format!("{said}: a ringpost of another name than server.hostname = {hostname:?}"),
            "give all servers behind this address the same server.hostname, or publish the name of that one".to_owned(),
        ),
        (_, false) => bad(
            Verdict::Failed,
            NAME,
            format!("{said}: it is no ringpost"),
            "stop that server, or publish the address of this one".to_owned(),
        ),
    }
}

/// Shared with the tests of what follows from a visit.
#[cfg(test)]
pub(super) fn visited(tls: Tls) -> Found {
    Found::Server {
        code: 220,
        banner: "mx.example ESMTP ringpost".to_owned(),
        tls: Some(tls),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: u16, banner: &str) -> Found {
        let banner = banner.to_owned();
        let tls = None;
        Found::Server { code, banner, tls }
    }

    #[test]
    fn a_version_is_written_as_in_the_log() {
        assert_eq!(label(Some(ProtocolVersion::TLSv1_3)), "TLSv1.3");
        assert_eq!(label(Some(ProtocolVersion::TLSv1_2)), "TLSv1.2");
        assert_eq!(label(None), "TLS");
    }

    #[test]
    fn a_ringpost_of_this_name_has_to_answer() {
        let address = "192.0.2.1".parse().unwrap();
        for (found, verdict, words) in [
            (
                server(220, "MX.example ESMTP ringpost"),
                Verdict::Ok,
                "a ringpost answers",
            ),
            (
                server(220, "b.example ESMTP ringpost"),
                Verdict::Warning,
                "another name",
            ),
            (
                server(220, "mx.example ESMTP Postfix"),
                Verdict::Failed,
                "no ringpost",
            ),
            (
                server(421, "4.3.2 mx.example not now"),
                Verdict::Warning,
                "421 4.3.2",
            ),
            (Found::Refused, Verdict::Failed, "nothing listens"),
            (
                Found::Away("timeout".to_owned()),
                Verdict::Warning,
                "a provider may block port 25",
            ),
            (
                Found::Odd("x".to_owned()),
                Verdict::Failed,
                "does not speak SMTP",
            ),
        ] {
            let answer = judge(address, "mx.example", &found);
            assert_eq!(answer.verdict, verdict, "{answer:?}");
            assert!(answer.text.contains(words), "{answer:?}");
            assert_eq!(answer.fix.is_none(), verdict == Verdict::Ok, "{answer:?}");
        }
    }

    #[test]
    fn a_banner_is_one_line() {
        assert_eq!(shown(b"a\r\nb\x1b[1m"), "a  b [1m");
        assert_eq!(shown(&[b'x'; 500]).len(), BANNER_MOST);
    }
}
