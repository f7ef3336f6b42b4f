//! A restart and a takeover without a refused connection: sockets of a supervisor, sockets of the process before, and what a supervisor
//! is told meanwhile.

mod support;

#[path = "upgrade/instance.rs"]
mod instance;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use instance::{Folder, Instance};
use support::ringpost::{Client, promised};
use support::tools;

const LISTEN: &str = "listen = [\"127.0.0.1:0\"]";

fn bound() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn copy(listener: &TcpListener) -> OwnedFd {
    listener.try_clone().unwrap().into()
}

/// A client whose connection waits in the queue of its socket until somebody accepts it.
fn waiting(address: SocketAddr) -> std::net::TcpStream {
    std::net::TcpStream::connect(address).unwrap()
}

/// The first line that the server says to it.
fn banner(client: &std::net::TcpStream) -> String {
    let mut line = String::new();
    BufReader::new(client).read_line(&mut line).unwrap();
    line
}

fn delivers(client: &mut Client) {
    client.deliver(b"Subject: upgrade\r\n").unwrap();
}

/// Exit code and standard error of a start that fails.
fn fails(folder: &Folder, command: Command) -> (Option<i32>, String) {
    let mut instance = folder.launch("failed", command);
    let code = instance.ended().code();
    (code, instance.log())
}

// ---- sockets of a supervisor ----

#[test]
fn clients_that_come_while_nobody_serves_are_served_by_the_next_process() {
    let (listener, address) = bound();
    let folder = Folder::new("");
    let before = waiting(address);
    let start = |name: &str| {
        let command = folder.activated(vec![copy(&listener)], Some("smtp"), &[]);
        folder.start(name, command)
    };
    let mut first = start("first");
    assert_eq!(first.smtp(), [address.to_string()]);
    assert!(banner(&before).starts_with("220 "));
    delivers(&mut first.client());
    first.signal("TERM");
    first.log_with("draining");
    let meanwhile = waiting(address);
    first.drains();
    let later = waiting(address);
    let mut second = start("second");
    assert!(banner(&meanwhile).starts_with("220 "));
    assert!(banner(&later).starts_with("220 "));
    second.signal("TERM");
    second.drains();
}

#[test]
fn workers_share_a_socket_and_a_worker_serves_several() {
    let (one, address) = bound();
    let (tls_like, other) = bound();
    let folder = Folder::new("proxy_networks = [\"127.0.0.0/8\"]");
    let sockets = vec![copy(&one), copy(&one), copy(&one), copy(&tls_like)];
    let command = folder.activated(sockets, Some("smtp:smtp:smtp:smtp-proxy"), &[]);
    let mut instance = folder.start("log", command);
    assert_eq!(instance.smtp(), [address.to_string(), other.to_string()]);
    let mut clients: Vec<Client> = (0..20).map(|_| instance.client()).collect();
    clients.iter_mut().for_each(delivers);
    let mut proxied = std::net::TcpStream::connect(other).unwrap();
    proxied
        .write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 25\r\n")
        .unwrap();
    assert!(banner(&proxied).starts_with("220 "));
    drop(clients);
    drop(proxied);
    instance.signal("TERM");
    instance.drains();
}

/// systemd passes sockets that block unless the unit says otherwise, and with that changes them for a process that has them already.
#[test]
fn a_socket_that_others_make_block_hangs_no_worker() {
    let (listener, _) = bound();
    let folder = Folder::new("");
    let command = folder.activated(vec![copy(&listener)], Some("smtp"), &[]);
    let mut instance = folder.start("log", command);
    listener.set_nonblocking(false).unwrap();
    // Both workers wake up for each, and one of them finds nothing.
    for _ in 0..20 {
        delivers(&mut instance.client());
    }
    instance.signal("TERM");
    instance.drains();
}

#[test]
fn the_admin_listener_is_a_socket_of_the_supervisor_too() {
    let ((smtp, _), (admin, address)) = (bound(), bound());
    let folder = Folder::new("");
    let config = std::fs::read_to_string(folder.path("ringpost.toml")).unwrap();
    let config = config.replace("[admin]\nlisten = \"127.0.0.1:0\"\n", "");
    std::fs::write(folder.path("ringpost.toml"), config).unwrap();
    let sockets = vec![copy(&smtp), copy(&admin)];
    let instance = folder.start("log", folder.activated(sockets, Some("smtp:admin"), &[]));
    assert!(instance.ready.contains(&format!(" admin={address} ")));
    assert!(instance.asked("/readyz").starts_with("HTTP/1.1 200"));
}

#[test]
fn sockets_of_another_process_are_left_alone_with_a_warning() {
    let folder = Folder::new(LISTEN);
    let mut command = folder.command(&[]);
    command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let instance = folder.start("log", command);
    delivers(&mut instance.client());
    let log = instance.log_with("LISTEN_FDS is set");
    assert!(log.contains("for process \"1\" (LISTEN_PID)"), "{log}");
}

#[test]
fn sockets_that_cannot_be_served_are_errors_that_say_what_to_change() {
    let folder = Folder::new("");
    let tcp = || vec![copy(&bound().0)];
    let failed = |command: Command, words: &[&str]| {
        let (code, log) = fails(&folder, command);
        assert_eq!(code, Some(2), "{log}");
        assert_eq!(log.lines().count(), 1, "{log}");
        for word in words {
            assert!(log.contains(word), "{word}: {log}");
        }
    };
    let udp: OwnedFd = UdpSocket::bind("127.0.0.1:0").unwrap().into();
    let datagrams = folder.activated(vec![udp], Some("smtp"), &[]);
    failed(
        datagrams,
        &["descriptor 3", "a UDP socket", "ListenStream="],
    );
    let unknown = folder.activated(tcp(), Some("ringpost.socket"), &[]);
    failed(
        unknown,
        &[
            "\"ringpost.socket\"",
            "smtp-proxy",
            "FileDescriptorName=smtp",
        ],
    );
    let mut few = folder.activated(tcp(), Some("smtp:smtp"), &[]);
    few.env("LISTEN_FDS", "2");
    failed(few, &["LISTEN_FDS = 2", "descriptor 4 is not open"]);
    let unnamed = folder.activated(tcp(), Some("smtp:smtp"), &[]);
    failed(unnamed, &["LISTEN_FDNAMES", "2 names for 1 sockets"]);
    let elsewhere = folder.activated(tcp(), Some("smtp"), &["--listen", "127.0.0.1:2599"]);
    failed(
        elsewhere,
        &["server.listen: 127.0.0.1:2599", "remove the address"],
    );
    let both = folder.activated(tcp(), Some("smtp"), &["--takeover"]);
    failed(both, &["--takeover", "LISTEN_FDS"]);
}

// ---- sockets of the process before ----

#[test]
fn a_takeover_keeps_addresses_queues_and_transactions() {
    let folder = Folder::new("listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]");
    let mut first = folder.start("first", folder.command(&[]));
    let mut silent = first.client();
    let mut sending = first.client();
    sending.open_data().unwrap();
    let mut begins = first.client();
    let mut second = folder.start("second", folder.command(&["--takeover"]));
    assert_eq!(second.smtp(), first.smtp());
    let admin = |it: &Instance| it.ready.split(" admin=").nth(1).map(str::to_owned);
    assert_eq!(admin(&second), admin(&first));
    first.log_with("another process has taken over");
    // A client that has brought nothing yet may, and one inside of a transaction ends it.
    delivers(&mut begins);
    assert!(begins.say("MAIL FROM:<>").unwrap().starts_with("421 4.3.2"));
    sending.write(b"Subject: x\r\n\r\nx\r\n.\r\n").unwrap();
    assert!(promised(&sending.reply().unwrap()).is_some());
    assert!(sending.say("QUIT").unwrap().starts_with("221"));
    assert!(silent.reply().unwrap().starts_with("421 4.3.2"));
    first.drains();
    delivers(&mut second.client());
    assert!(second.asked("/readyz").starts_with("HTTP/1.1 200"));
    second.signal("TERM");
    second.drains();
}

#[test]
fn the_new_process_may_have_more_workers_or_fewer() {
    let folder = Folder::new(LISTEN);
    let of = |workers: &str, flags: &[&str]| {
        let mut command = folder.command(flags);
        command.env("RINGPOST_SERVER_WORKERS", workers);
        command
    };
    let mut before = folder.start("3", of("3", &[]));
    for workers in ["1", "4"] {
        let next = folder.start(workers, of(workers, &["--takeover"]));
        before.drains();
        let mut clients: Vec<Client> = (0..30).map(|_| next.client()).collect();
        clients.iter_mut().for_each(delivers);
        drop(clients);
        before = next;
    }
}

/// Each client brings one mail on its own connection, while one process after the other takes over.
#[test]
fn nobody_is_refused_while_processes_take_over() {
    const CLIENTS: usize = 6;
    let folder = Folder::new(LISTEN);
    let mut running = folder.start("0", folder.command(&[]));
    let address = running.smtp().remove(0);
    let (over, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let mut client = Client::connect(&address).unwrap();
                    assert!(client.say("EHLO c").unwrap().starts_with("250"));
                    delivers(&mut client);
                    assert!(client.say("QUIT").unwrap().starts_with("221"));
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for number in ["1", "2", "3"] {
            let next = folder.start(number, folder.command(&["--takeover"]));
            running.drains();
            running = next;
            let seen = sent.load(Ordering::Relaxed);
            while sent.load(Ordering::Relaxed) < seen + CLIENTS {
                std::thread::yield_now();
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(sent.into_inner() > 3 * CLIENTS);
}

#[test]
fn two_that_take_over_at_once_do_so_one_after_the_other() {
    let folder = Folder::new(LISTEN);
    let mut first = folder.start("first", folder.command(&[]));
    let mut both =
        ["second", "third"].map(|name| folder.launch(name, folder.command(&["--takeover"])));
    both.iter_mut().for_each(Instance::wait_until_ready);
    first.drains();
    // One of the two has taken over from the other; a signal ends the last.
    let [second, third] = &mut both;
    let is_over = |it: &mut Instance| it.child.try_wait().unwrap().is_some();
    while !is_over(second) && !is_over(third) {
        std::thread::yield_now();
    }
    let (ended, last) = if is_over(second) {
        (second, third)
    } else {
        (third, second)
    };
    ended.drains();
    delivers(&mut last.client());
    last.signal("TERM");
    last.drains();
}

#[test]
fn without_a_running_process_a_takeover_is_a_start() {
    let folder = Folder::new(LISTEN);
    // A file that a process has left behind is no process.
    drop(std::os::unix::net::UnixListener::bind(folder.path("takeover.sock")).unwrap());
    let mut first = folder.start("first", folder.command(&["--takeover"]));
    first.log_with("--takeover: no instance runs at ");
    delivers(&mut first.client());
    let second = folder.start("second", folder.command(&["--takeover"]));
    first.drains();
    delivers(&mut second.client());
}

#[test]
fn a_takeover_that_comes_to_nothing_changes_nothing() {
    let folder = Folder::new(LISTEN);
    let first = folder.start("first", folder.command(&[]));
    let meet = || UnixStream::connect(folder.path("takeover.sock")).unwrap();
    let say = |hello: &str| {
        let mut stream = meet();
        stream.write_all(hello.as_bytes()).unwrap();
        let mut line = String::new();
        let _ = BufReader::new(stream).read_line(&mut line);
        line
    };
    // One that only asks, one of another version, one that ends half way, one that says something else.
    drop(meet());
    let newer = say("{\"protocol\":99,\"version\":\"9.9\",\"process\":1}\n");
    assert!(
        newer.contains("refused") && newer.contains("version 99"),
        "{newer}"
    );
    let half_way = say("{\"protocol\":1,\"version\":\"0.1\",\"process\":1,\"newer\":[1]}\n");
    assert!(half_way.contains("\"sockets\""), "{half_way}");
    say("QUIT\r\n");
    let told = first.log_with("another process takes over");
    assert!(!told.contains("has taken over"), "{told}");
    delivers(&mut first.client());
    // A process that would not be ready takes over nothing, and can be ended.
    let mut never = folder.command(&["--takeover"]);
    never.env("RINGPOST_KAFKA_BROKERS", "127.0.0.1:9");
    let mut never = folder.launch("never", never);
    never.log_with("starting");
    never.signal("KILL");
    never.ended();
    delivers(&mut first.client());
    let second = folder.start("second", folder.command(&["--takeover"]));
    delivers(&mut second.client());
}

#[test]
fn what_the_new_configuration_does_not_have_is_closed_and_what_it_adds_is_opened() {
    let folder = Folder::new("listen = [\"127.0.0.1:0\"]\nlisten_proxy = [\"127.0.0.1:0\"]");
    let mut first = folder.start("first", folder.command(&[]));
    let path = folder.path("ringpost.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let added = bound().1;
    let config = config.replace("listen_proxy = [\"127.0.0.1:0\"]", "");
    let config = config.replace(LISTEN, &format!("listen = [\"127.0.0.1:0\", \"{added}\"]"));
    std::fs::write(path, config).unwrap();
    let second = folder.start("second", folder.command(&["--takeover"]));
    assert_eq!(second.smtp(), [first.smtp()[0].clone(), added.to_string()]);
    second.log_with("does not have server.listen_proxy");
    first.log_with("another process has taken over");
    first.drains();
    let gone = std::net::TcpStream::connect(&first.smtp()[1]);
    assert!(gone.is_err(), "nobody listens there");
}

#[test]
fn a_process_of_another_user_takes_nothing() {
    if !rustix::process::geteuid().is_root() {
        return tools::say_skipped("another user needs root");
    }
    let Some(setpriv) = tools::find_or_skip("setpriv") else {
        return;
    };
    let folder = Folder::new(LISTEN);
    // The other user can read the configuration and reach the socket; the kernel's word alone keeps it away.
    let first = folder.start("first", folder.command(&[]));
    for path in [".", "takeover.sock"] {
        use std::os::unix::fs::PermissionsExt;
        let all = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(folder.path(path), all).unwrap();
    }
    let ringpost = folder.command(&["--takeover"]);
    let mut other = Command::new(setpriv);
    other.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    other.arg(ringpost.get_program()).args(ringpost.get_args());
    let (code, log) = fails(&folder, other);
    if log.contains("Permission denied") {
        return tools::say_skipped("another user cannot read the binary");
    }
    assert_eq!(code, Some(2), "{log}");
    assert!(
        log.contains("a process of the user with the number 0"),
        "{log}"
    );
    first.log_with("it belongs to the user with the number 65534");
    delivers(&mut first.client());
}

// ---- what a supervisor is told ----

/// A supervisor that listens.
struct Supervisor(UnixDatagram);

impl Supervisor {
    fn of(folder: &Folder) -> Self {
        Self(UnixDatagram::bind(folder.path("notify")).unwrap())
    }

    fn watching(folder: &Folder, flags: &[&str]) -> Command {
        let mut command = folder.command(flags);
        command.env("NOTIFY_SOCKET", folder.path("notify"));
        command
    }

    fn next(&self) -> String {
        let mut room = [0; 4096];
        let length = self.0.recv(&mut room).unwrap();
        String::from_utf8(room[..length].to_vec()).unwrap()
    }

    /// The next message that has this.
    fn next_with(&self, part: &str) -> String {
        loop {
            let message = self.next();
            if message.contains(part) {
                return message;
            }
        }
    }
}

#[test]
fn a_supervisor_learns_of_the_start_of_reloads_and_of_the_end() {
    let folder = Folder::new(LISTEN);
    let supervisor = Supervisor::of(&folder);
    let mut first = folder.start("first", Supervisor::watching(&folder, &[]));
    let ready = supervisor.next();
    let smtp = &first.smtp()[0];
    assert!(
        ready.starts_with("READY=1\nSTATUS=Serving SMTP on "),
        "{ready}"
    );
    assert!(ready.contains(smtp), "{ready}");
    first.signal("HUP");
    assert!(
        supervisor
            .next()
            .starts_with("RELOADING=1\nMONOTONIC_USEC=")
    );
    assert_eq!(supervisor.next(), "READY=1");
    let flags = ["--takeover"];
    let mut second = folder.start("second", Supervisor::watching(&folder, &flags));
    let main = supervisor.next();
    assert_eq!(main, format!("MAINPID={}", second.child.id()));
    assert!(supervisor.next().starts_with("READY=1\n"));
    first.drains();
    second.signal("TERM");
    let stopping = supervisor.next();
    assert!(
        stopping.starts_with("STOPPING=1\n"),
        "the first said nothing: {stopping}"
    );
    second.drains();
}

/// A debugger stops one thread of a process, which the test does with Python's ctypes.
const STOP_A_THREAD: &str = "
import ctypes, os, sys
thread, libc = int(sys.argv[1]), ctypes.CDLL(None, use_errno=True)
ATTACH, DETACH = 16, 17
if libc.ptrace(ATTACH, thread, 0, 0) != 0:
    sys.exit(f'ptrace: {os.strerror(ctypes.get_errno())}')
os.waitpid(thread, 0x40000000)
print('stopped', flush=True)
sys.stdin.read()
libc.ptrace(DETACH, thread, 0, 0)
";

#[test]
fn the_watchdog_is_not_fed_while_a_worker_hangs() {
    let Some(python) = tools::find_or_skip("python3") else {
        return;
    };
    let folder = Folder::new(LISTEN);
    let supervisor = Supervisor::of(&folder);
    let mut command = Supervisor::watching(&folder, &[]);
    command.env("WATCHDOG_USEC", "1000000");
    let mut instance = folder.start("log", command);
    (0..2).for_each(|_| drop(supervisor.next_with("WATCHDOG=1")));
    let tasks = std::fs::read_dir(format!("/proc/{}/task", instance.child.id())).unwrap();
    let worker = tasks.map(|task| task.unwrap().path()).find(|task| {
        let name = std::fs::read_to_string(task.join("comm"));
        name.is_ok_and(|name| name.trim() == "worker-1")
    });
    let worker = worker.expect("a thread is called worker-1");
    let mut debugger = Command::new(python)
        .args([
            "-c",
            STOP_A_THREAD,
            worker.file_name().unwrap().to_str().unwrap(),
        ])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(debugger.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    if said.is_empty() {
        let _ = debugger.wait();
        return tools::say_skipped("this process may not stop a thread of another one");
    }
    supervisor.next_with("STATUS=Worker 1 makes no progress");
    drop(debugger.stdin.take());
    debugger.wait().unwrap();
    // Nothing was said meanwhile, and the watchdog is fed again.
    assert_eq!(supervisor.next(), "WATCHDOG=1");
    assert!(supervisor.next().contains("makes progress again"));
    supervisor.next_with("WATCHDOG=1");
    instance.signal("TERM");
    supervisor.next_with("STOPPING=1");
    instance.drains();
    let log = instance.log();
    assert!(log.contains("a worker makes no progress"), "{log}");
}
