//! A receiver that speaks SMTP or LMTP and does what a test says: what it is given, byte for byte, and how it answers.
//!
//! Owns: the dialogue of a server, as simple as possible. Must not know: ringpost.
//!
//! Invariant: a mail is kept before its reply goes out, and only if that is a 250.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A mail as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// What MAIL said after the brackets.
    pub parameters: String,
    /// The sender.
    pub from: String,
    /// The recipients that were accepted.
    pub to: Vec<String>,
    /// The message without transparency dots.
    pub message: Vec<u8>,
}

/// A reply for a recipient of a message.
pub type Answer = Box<dyn Fn(&str, &[u8]) -> String + Send + Sync>;

/// How it answers. Each gives a reply for a text: a path, or a message.
pub struct Manner {
    /// Lines of the reply to EHLO or LHLO.
    pub offers: &'static [&'static str],
    /// The reply to RCPT.
    pub recipient: Box<dyn Fn(&str) -> String + Send + Sync>,
    /// The reply to a message for this recipient; in SMTP, for the first.
    pub message: Answer,
    /// Each recipient has its own reply after the message.
    pub lmtp: bool,
    /// The banner.
    pub banner: Box<dyn Fn() -> String + Send + Sync>,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            offers: &["PIPELINING", "SIZE 50000000", "8BITMIME", "SMTPUTF8"],
            recipient: Box::new(|_| "250 2.1.5 Ok".to_owned()),
            message: Box::new(|_, _| "250 2.0.0 Ok".to_owned()),
            lmtp: false,
            banner: Box::new(|| "220 receiver.example".to_owned()),
        }
    }
}

#[derive(Default)]
struct Kept {
    mails: Mutex<Vec<Mail>>,
    changed: Condvar,
    connections: AtomicU64,
    transactions: AtomicU64,
    logins: Mutex<Vec<String>>,
}

/// A running receiver; it lives as long as the test's process.
pub struct Receiver {
    /// What `--to` says.
    pub url: String,
    kept: Arc<Kept>,
    /// The folder of its socket.
    _folder: Option<tempfile::TempDir>,
}

impl Receiver {
    /// On a port of this machine.
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        Self::on(listener, &address.to_string(), manner)
    }

    /// On this listener.
    pub fn on(listener: TcpListener, address: &str, manner: Manner) -> Self {
        let scheme = if manner.lmtp { "lmtp" } else { "smtp" };
        let (kept, manner) = (Arc::new(Kept::default()), Arc::new(manner));
        let shared = Arc::clone(&kept);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, manner) = (Arc::clone(&shared), Arc::clone(&manner));
                std::thread::spawn(move || {
                    let _ = stream.set_nodelay(true);
                    let writer = stream.try_clone().unwrap();
                    let _ = serve(&mut BufReader::new(stream), writer, &manner, &kept);
                });
            }
        });
        Self {
            url: format!("{scheme}://{address}"),
            kept,
            _folder: None,
        }
    }

    /// On a socket in LMTP.
    pub fn on_socket(manner: Manner) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join("lmtp");
        let listener = UnixListener::bind(&path).unwrap();
        let (kept, manner) = (Arc::new(Kept::default()), Arc::new(manner));
        let shared = Arc::clone(&kept);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, manner) = (Arc::clone(&shared), Arc::clone(&manner));
                std::thread::spawn(move || {
                    let writer = stream.try_clone().unwrap();
                    let _ = serve(&mut BufReader::new(stream), writer, &manner, &kept);
                });
            }
        });
        Self {
            url: format!("lmtp://{}", path.display()),
            kept,
            _folder: Some(folder),
        }
    }

    /// What it was given so far.
    pub fn mails(&self) -> Vec<Mail> {
        self.kept.mails.lock().unwrap().clone()
    }

    /// Connections so far.
    pub fn connections(&self) -> u64 {
        self.kept.connections.load(Ordering::SeqCst)
    }

    /// AUTH commands so far.
    pub fn logins(&self) -> Vec<String> {
        self.kept.logins.lock().unwrap().clone()
    }

    /// MAIL commands so far.
    pub fn transactions(&self) -> u64 {
        self.kept.transactions.load(Ordering::SeqCst)
    }

    /// Waits for what it is given to be so.
    pub fn wait(&self, mut holds: impl FnMut(&[Mail]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut mails = self.kept.mails.lock().unwrap();
        while !holds(&mails) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the receiver has {} mails", mails.len());
            (mails, _) = self.kept.changed.wait_timeout(mails, left).unwrap();
        }
    }
}

fn say(writer: &mut impl Write, line: &str) -> std::io::Result<()> {
    writer.write_all(format!("{line}\r\n").as_bytes())
}

/// What is between the brackets, and what follows.
fn path(line: &str) -> (String, String) {
    let (_, rest) = line.split_once('<').expect("a path");
    let (path, parameters) = rest.rsplit_once('>').expect("a path");
    (path.to_owned(), parameters.to_owned())
}

fn serve(
    reader: &mut impl BufRead,
    mut writer: impl Write,
    manner: &Manner,
    kept: &Kept,
) -> std::io::Result<()> {
    kept.connections.fetch_add(1, Ordering::SeqCst);
    let banner = (manner.banner)();
    say(&mut writer, &banner)?;
    if !banner.starts_with("220") {
        return Ok(());
    }
    let (mut from, mut parameters, mut to) = (String::new(), String::new(), Vec::new());
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let line = String::from_utf8(line).expect("commands are text");
        let line = line.strip_suffix("\r\n").expect("a command ends with CRLF");
        let verb = line.split(' ').next().unwrap().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "LHLO" => {
                say(&mut writer, "250-receiver.example")?;
                for offer in manner.offers {
                    say(&mut writer, &format!("250-{offer}"))?;
                }
                say(&mut writer, "250 HELP")?;
            }
            "MAIL" => {
                kept.transactions.fetch_add(1, Ordering::SeqCst);
                (from, parameters) = path(line);
                to.clear();
                say(&mut writer, "250 2.1.0 Ok")?;
            }
            "RCPT" => {
                let (recipient, _) = path(line);
                let reply = (manner.recipient)(&recipient);
                if reply.is_empty() {
                    return Ok(());
                }
                say(&mut writer, &reply)?;
                if reply.starts_with('2') {
                    to.push(recipient);
                }
            }
            "DATA" if to.is_empty() => say(&mut writer, "503 5.5.1 No recipients")?,
            "DATA" => {
                say(&mut writer, "354 Go")?;
                let message = read_message(reader)?;
                let mail = (from.clone(), parameters.clone(), to.clone(), message);
                answer(&mut writer, manner, kept, mail)?;
                to.clear();
            }
            "BDAT" => {
                let size: usize = line.split(' ').nth(1).unwrap().parse().unwrap();
                assert!(line.ends_with(" LAST"), "{line}");
                let mut message = vec![0; size];
                reader.read_exact(&mut message)?;
                let mail = (from.clone(), parameters.clone(), to.clone(), message);
                answer(&mut writer, manner, kept, mail)?;
                to.clear();
            }
            "AUTH" => {
                kept.logins.lock().unwrap().push(line.to_owned());
                say(&mut writer, "235 2.7.0 Ok")?;
            }
            "RSET" | "NOOP" => say(&mut writer, "250 2.0.0 Ok")?,
            "QUIT" => return say(&mut writer, "221 2.0.0 Bye"),
            other => say(&mut writer, &format!("500 5.5.1 {other}?"))?,
        }
    }
}

fn read_message(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        assert!(
            line.ends_with(b"\r\n"),
            "a line of a message ends with CRLF"
        );
        if line == b".\r\n" {
            return Ok(message);
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}

fn answer(
    writer: &mut impl Write,
    manner: &Manner,
    kept: &Kept,
    (from, parameters, to, message): (String, String, Vec<String>, Vec<u8>),
) -> std::io::Result<()> {
    let asked = if manner.lmtp { &to[..] } else { &to[..1] };
    let replies: Vec<String> = asked
        .iter()
        .map(|recipient| (manner.message)(recipient, &message))
        .collect();
    // An empty reply closes the connection.
    if replies.iter().any(String::is_empty) {
        return Err(std::io::ErrorKind::ConnectionAborted.into());
    }
    let taken: Vec<String> = match manner.lmtp {
        true => {
            let both = to.iter().zip(&replies);
            let taken = both.filter(|(_, reply)| reply.starts_with('2'));
            taken.map(|(recipient, _)| recipient.clone()).collect()
        }
        false if replies[0].starts_with('2') => to,
        false => Vec::new(),
    };
    if !taken.is_empty() {
        kept.mails.lock().unwrap().push(Mail {
            parameters,
            from,
            to: taken,
            message,
        });
        kept.changed.notify_all();
    }
    replies.iter().try_for_each(|reply| say(writer, reply))
}
