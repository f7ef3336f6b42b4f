//! What the supervisor is told: the protocol of sd_notify(3), one datagram a message, to the socket that `NOTIFY_SOCKET` names.
//!
//! Owns: the messages, and how often the watchdog is fed. Must not know: systemd's settings, when a server is ready, why it stops.
//!
//! Invariants: without `NOTIFY_SOCKET` nothing is sent; a message that cannot be delivered is dropped, since mail needs no supervisor;
//! the watchdog is fed while every worker makes progress, and by the thread of signals, so that a hang of either lets it fire.
//!
//! BUGS: a socket of another family than Unix (vsock, for virtual machines) is not supported.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Notify;

use crate::net::shared::Shared;

/// Beyond the drain: the end of the sink's threads, and of the process.
const AFTER_DRAIN: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Supervisor(Arc<Connection>);

#[derive(Debug)]
struct Connection {
    socket: Option<UnixDatagram>,
    /// How often the watchdog is fed.
    feed: Option<Duration>,
}

impl Supervisor {
    /// The one that the environment names, or none.
    pub(super) fn of(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let socket = variable("NOTIFY_SOCKET").and_then(|name| match connect(name.as_bytes()) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(
                    "NOTIFY_SOCKET = {}: {error}: the supervisor does not learn that ringpost is ready",
                    name.display()
                );
                None
            }
        });
        let number = |name: &str| variable(name)?.to_str()?.parse::<u64>().ok();
        let is_own = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|_| is_own && socket.is_some());
        Self(Arc::new(Connection {
            socket,
            feed: watchdog.map(|micros| Duration::from_micros(micros / 2)),
        }))
    }

    /// Everything is served from now on; `status` says what.
    pub(super) fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// This process serves now, in place of the one that the supervisor knows.
    pub(super) fn succeeds(&self) {
        self.send(&format!("MAINPID={}", std::process::id()));
    }

    /// A reload has begun; [`Self::reloaded`] ends it.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The reload is over, whatever it came to.
    pub(super) fn reloaded(&self) {
        self.send("READY=1");
    }

    /// The drain has begun, which may take this long.
    pub(super) fn stopping(&self, longest: Duration) {
        let micros = (longest + AFTER_DRAIN).as_micros();
        self.send(&format!(
            "STOPPING=1\nSTATUS=Draining: transactions end, records are confirmed\nEXTEND_TIMEOUT_USEC={micros}"
        ));
    }

    /// Feeds the watchdog, if there is one, while every worker makes progress. Never ends.
    pub(super) async fn watch(self, shared: Arc<Shared>, wakers: Vec<Arc<Notify>>) {
        let Some(feed) = self.0.feed else {
            return std::future::pending().await;
        };
        let mut hangs = None;
        loop {
            let silent = shared.pulse.silent();
            match silent {
                None => self.send("WATCHDOG=1"),
                Some(worker) if hangs.is_none() => {
                    tracing::error!(
                        worker,
                        "a worker makes no progress: the watchdog is not fed until it does"
                    );
                    self.send(&format!("STATUS=Worker {worker} makes no progress"));
                }
                Some(_) => {}
            }
            if hangs.is_some() && silent.is_none() {
                tracing::warn!("every worker makes progress again");
                self.send("STATUS=Every worker makes progress again");
            }
            hangs = silent;
            if silent.is_none() {
                shared.pulse.ask();
            }
            wakers.iter().for_each(|waker| waker.notify_one());
            tokio::time::sleep(feed).await;
        }
    }

    fn send(&self, message: &str) {
        if let Some(socket) = &self.0.socket {
            // A supervisor that is gone, or whose queue is full, misses it.
            let _ = socket.send(message.as_bytes());
        }
    }
}

fn connect(name: &[u8]) -> std::io::Result<UnixDatagram> {
    let address = match name {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        [b'/', ..] => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
        _ => return Err(std::io::Error::other("neither a path nor @name")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn told(say: impl FnOnce(&Supervisor)) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let named = |name: &str| (name == "NOTIFY_SOCKET").then(|| path.clone().into_os_string());
        say(&Supervisor::of(named));
        let mut messages = Vec::new();
        let mut room = [0; 1024];
        while let Ok(length) = socket.recv(&mut room) {
            messages.push(String::from_utf8(room[..length].to_vec()).unwrap());
        }
        messages
    }

    #[test]
    fn each_moment_has_its_message() {
        let messages = told(|supervisor| {
            supervisor.ready("SMTP on 127.0.0.1:25");
            supervisor.reloading();
            supervisor.reloaded();
            supervisor.stopping(Duration::from_secs(35));
        });
        assert_eq!(messages[0], "READY=1\nSTATUS=SMTP on 127.0.0.1:25");
        let since_boot = messages[1].strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        assert!(since_boot.unwrap().parse::<u64>().unwrap() > 0);
        assert_eq!(messages[2], "READY=1");
        assert!(messages[3].starts_with("STOPPING=1\nSTATUS="));
        assert!(messages[3].ends_with("\nEXTEND_TIMEOUT_USEC=45000000"));
        assert_eq!(messages.len(), 4);
    }

    #[test]
    fn without_a_socket_nothing_is_sent_and_a_watchdog_of_another_is_not_fed() {
        let silent = Supervisor::of(|_| None);
        silent.ready("nobody hears it");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _socket = UnixDatagram::bind(&path).unwrap();
        let feed = |pid: u32| {
            let variable = |name: &str| match name {
                "NOTIFY_SOCKET" => Some(path.clone().into_os_string()),
                "WATCHDOG_USEC" => Some(OsString::from("3000000")),
                "WATCHDOG_PID" => Some(OsString::from(pid.to_string())),
                _ => None,
            };
            Supervisor::of(variable).0.feed
        };
        assert_eq!(feed(1), None);
        let own = feed(std::process::id());
        assert_eq!(own, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn an_abstract_name_is_one() {
        let name = format!("ringpost-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let variable =
            |asked: &str| (asked == "NOTIFY_SOCKET").then(|| OsString::from(format!("@{name}")));
        Supervisor::of(variable).reloaded();
        let mut room = [0; 64];
        let length = socket.recv(&mut room).unwrap();
        assert_eq!(&room[..length], b"READY=1");
    }
}
