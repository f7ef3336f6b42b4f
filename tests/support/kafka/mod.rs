//! Real Apache Kafka for the integration tests: a cluster of one or more brokers, each a JVM on this machine.
//!
//! Owns the life of the cluster: its folder, its addresses, when it counts as ready, and its end. The recipe (which
//! jars, which settings, which JVM options) is in the script `brokers` beside this file, and only there; people start
//! the same cluster by hand with it. [`wire`] asks brokers what they know, [`change`] changes it, [`broker`] holds the
//! processes.
//!
//! ```ignore
//! let Some(mut cluster) = kafka::start_or_skip(3) else { return };
//! cluster.create_topic("mail", 8, 3, &[("max.message.bytes", "1048576")]);
//! let leader = cluster.leader("mail", 0);
//! cluster.kill_broker(leader);
//! cluster.start_broker(leader);
//! cluster.wait_in_sync("mail");
//! ```
//!
//! A broker costs seconds and 210 to 270 MB of memory. Tests that leave the brokers alone should share one cluster of
//! their binary, in a `static` [`Shared`]: [`Cluster::create_topic`] needs no `&mut`, and its own
//! topic is all that such a test wants. A static has no destructor; the guard process ends its brokers.
//!
//! Must not know: ringpost, or any Kafka client. Reading and writing records is the tests' own business.
//!
//! Invariants:
//! - Brokers are numbered from 0, and the number is their Kafka node id.
//! - Every wait asks for a condition and has a deadline; a deadline that passes is a panic that says what was awaited,
//!   and a panicking test prints the end of every broker's log.
//! - However a test ends (returned, panicked, aborted, killed), its JVMs end and its folder goes; no other process is
//!   signalled.
//! - Without Java 17 or the jars there is no cluster but a [`Skip`]; `RINGPOST_REQUIRE_KAFKA=1` makes that a panic, so
//!   that a CI run cannot pass by skipping.
//!
//! BUGS: Linux only. Every broker is a controller too, so with more than half of them down there is no controller: no
//! new leader is elected, and [`Cluster::start_broker`] waits in vain for the first of them; bring them back together
//! with [`Cluster::start_brokers`]. No listener behind a proxy yet.

// Every test binary compiles its own copy of this module and uses the part that it needs.
#![allow(dead_code)]

mod broker;
mod change;
mod wire;

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use broker::{Broker, Guard};
pub use change::Operation;
use tempfile::TempDir;

/// For a cluster to answer after its start, on a machine that is busy with other tests. Idle, it takes 2 to 6 seconds.
const START_DEADLINE: Duration = Duration::from_secs(120);
/// For everything else; longer than a controlled shutdown, and than an election after `broker.session.timeout.ms`.
const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks at a condition.
const POLL: Duration = Duration::from_millis(20);
/// Clusters that are tried when another process takes a port between its choice and its use.
const START_ATTEMPTS: u32 = 3;
/// Lines of each broker's log that a failing test prints.
const LOG_LINES: usize = 25;

/// Kafka's own tools, and the class of each.
const TOOLS: [(&str, &str); 4] = [
    ("kafka-acls.sh", "org.apache.kafka.tools.AclCommand"),
    ("kafka-configs.sh", "kafka.admin.ConfigCommand"),
    (
        "kafka-reassign-partitions.sh",
        "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    ),
    ("kafka-topics.sh", "org.apache.kafka.tools.TopicCommand"),
];

/// Error codes of the Kafka protocol guide.
const REQUEST_TIMED_OUT: i16 = 7;
const TOPIC_ALREADY_EXISTS: i16 = 36;
const NOT_CONTROLLER: i16 = 41;

/// Why this machine cannot run Kafka.
#[derive(Debug, Clone)]
pub struct Skip(String);

impl fmt::Display for Skip {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Starts a cluster, or prints `skipped: <reason>` to standard error, where the test harness cannot swallow it.
pub fn start_or_skip(brokers: usize) -> Option<Cluster> {
    or_skip(Cluster::start(brokers))
}

/// A cluster of one broker that several tests share, or why there is none.
pub type Shared = OnceLock<Result<Cluster, Skip>>;

/// The same for a cluster that the first test of a file starts, with lines that are added to its broker's configuration; of two
/// that set the same, the later one counts. Where there is none, each test says so.
pub fn shared_or_skip(shared: &'static Shared, lines: &str) -> Option<&'static Cluster> {
    let cluster = shared.get_or_init(|| Cluster::start_configured(1, lines));
    or_skip(cluster.as_ref().map_err(Skip::clone))
}

fn or_skip<C>(cluster: Result<C, Skip>) -> Option<C> {
    cluster
        .map_err(|skip| super::skips::say(&skip.to_string()))
        .ok()
}

/// A listener of a secure cluster, beside the one in clear that every cluster has; the script `brokers` says what each wants.
#[derive(Debug, Clone, Copy)]
pub enum Listener {
    /// TLS.
    Tls = 2,
    /// TLS with a certificate of the client's.
    MutualTls = 3,
    /// A login, in TLS.
    SaslTls = 4,
    /// A login, in clear.
    Sasl = 5,
    /// TLS with a certificate for another host.
    Stranger = 6,
}

/// Ports of a broker: of its clients and of its controller; with those of the secure listeners.
const PORTS: usize = 2;
const SECURE_PORTS: usize = 7;

/// A running cluster. Dropping it kills its brokers and removes their data.
#[derive(Debug)]
pub struct Cluster {
    brokers: Vec<Broker>,
    guard: Guard,
    folder: TempDir,
    address: Ipv4Addr,
    /// Of each broker.
    ports: Vec<Vec<u16>>,
}

/// What a cluster is started with.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    brokers: usize,
    /// Added to each broker's configuration.
    lines: &'a str,
    /// Whether it has the secure listeners.
    secure: bool,
    /// The keys that tokens are signed with.
    keys: Option<&'a Path>,
}

/// Another process listens where a broker should.
struct AddressTaken;

impl Cluster {
    /// Starts `brokers` brokers and waits until each of them answers and knows all others.
    ///
    /// # Panics
    /// When they do not, and with `RINGPOST_REQUIRE_KAFKA=1` in place of every [`Skip`].
    pub fn start(brokers: usize) -> Result<Self, Skip> {
        Self::start_configured(brokers, "")
    }

    /// As [`Cluster::start`], with lines that are added to each broker's configuration.
    ///
    /// # Panics
    /// As it does.
    pub fn start_configured(brokers: usize, lines: &str) -> Result<Self, Skip> {
        Self::start_wanted(Wanted {
            brokers,
            lines,
            secure: false,
            keys: None,
        })
    }

    /// As [`Cluster::start`], with a listener of each kind of [`Listener`], an authorizer, and the lines. OAUTHBEARER is taken
    /// where there is a file of the keys that tokens are signed with.
    ///
    /// # Panics
    /// As it does.
    pub fn start_secure(brokers: usize, keys: Option<&Path>, lines: &str) -> Result<Self, Skip> {
        if Command::new("openssl").arg("version").output().is_err() {
            return Err(Skip("openssl is not installed".to_owned()));
        }
        Self::start_wanted(Wanted {
            brokers,
            lines,
            secure: true,
            keys,
        })
    }

    fn start_wanted(wanted: Wanted<'_>) -> Result<Self, Skip> {
        assert!(wanted.brokers > 0, "a cluster has a broker");
        if let Err(skip) = jars() {
            let required = std::env::var("RINGPOST_REQUIRE_KAFKA").is_ok_and(|value| value == "1");
            assert!(
                !required,
                "RINGPOST_REQUIRE_KAFKA=1, but Kafka cannot run: {skip}"
            );
            return Err(skip);
        }
        for _ in 0..START_ATTEMPTS {
            if let Ok(cluster) = Self::attempt(wanted) {
                return Ok(cluster);
            }
        }
        panic!("a port was taken by another process in each of {START_ATTEMPTS} attempts");
    }

    fn attempt(wanted: Wanted<'_>) -> Result<Self, AddressTaken> {
        let Wanted { brokers, lines, .. } = wanted;
        let each = if wanted.secure { SECURE_PORTS } else { PORTS };
        let folder = tempfile::Builder::new()
            .prefix("ringpost-kafka-")
            .tempdir()
            .expect("a temporary folder");
        let (address, ports) = free_ports(each * brokers);
        let ports: Vec<Vec<u16>> = ports.chunks(each).map(<[u16]>::to_vec).collect();
        prepare(folder.path(), address, &ports, wanted.keys);
        for node in 0..brokers {
            let path = folder
                .path()
                .join(node.to_string())
                .join("server.properties");
            let mut file = std::fs::OpenOptions::new()
                .append(true)
                .open(path)
                .expect("a broker's configuration");
            writeln!(file, "{lines}").expect("a line is written");
        }
        let brokers = ports
            .iter()
            .enumerate()
            .map(|(node, ports)| {
                Broker::new(node, SocketAddr::from((address, ports[0])), folder.path())
            })
            .collect();
        let guard = Guard::new(folder.path());
        let mut cluster = Self {
            brokers,
            guard,
            folder,
            address,
            ports,
        };
        let all: Vec<usize> = (0..cluster.brokers.len()).collect();
        cluster.launch(&all)?;
        Ok(cluster)
    }

    /// `host:port` of every broker, for `bootstrap.servers`; those that are down are named too.
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<String> = self
            .brokers
            .iter()
            .map(|broker| broker.address.to_string())
            .collect();
        addresses.join(",")
    }

    /// Where clients reach one broker.
    pub fn address(&self, broker: usize) -> SocketAddr {
        self.brokers[broker].address
    }

    /// Where clients reach one of the secure listeners of a broker.
    pub fn listener(&self, broker: usize, listener: Listener) -> String {
        format!("{}:{}", self.address, self.ports[broker][listener as usize])
    }

    /// A file of a secure cluster's certificates, such as `ca.pem`.
    pub fn tls_file(&self, name: &str) -> PathBuf {
        self.folder.path().join("tls").join(name)
    }

    /// Makes a certificate again, `broker` or `client`, valid for this many seconds from now. Brokers read theirs when they start.
    pub fn certificate(&self, name: &str, seconds: i64) {
        let output = broker::script("certificate")
            .arg(self.folder.path())
            .args([name, &seconds.to_string()])
            .output()
            .expect("/bin/sh runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "brokers certificate: {errors}");
    }

    /// Grants a user operations on a topic.
    pub fn grant(&self, topic: &str, user: &str, operations: &[Operation]) {
        change::grant(self.any(), topic, &format!("User:{user}"), operations)
            .expect("rules are set");
    }

    /// Creates a topic and waits until every broker that runs knows a leader for each of its partitions.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        replication: i16,
        configs: &[(&str, &str)],
    ) {
        let topic = wire::NewTopic {
            name,
            partitions,
            replication,
            configs,
        };
        let mut asked_before = false;
        wait_until(&format!("topic {name} to be created"), DEADLINE, || {
            let created = wire::create_topic(self.answering().next()?.address, &topic);
            let repeated = std::mem::replace(&mut asked_before, true);
            match created {
                Ok(Ok(())) => Some(()),
                Ok(Err(refusal)) if repeated && refusal.code == TOPIC_ALREADY_EXISTS => Some(()),
                Ok(Err(refusal)) if [REQUEST_TIMED_OUT, NOT_CONTROLLER].contains(&refusal.code) => {
                    None
                }
                Ok(Err(refusal)) => panic!("topic {name} was refused: {refusal:?}"),
                Err(_) => None,
            }
        });
        self.wait_for_topic(name, "to have leaders", |topic| {
            topic.partitions.len() == usize::try_from(partitions).expect("a count")
                && topic.partitions.iter().all(wire::Partition::has_leader)
        });
    }

    /// Deletes a topic, and waits until no broker that runs names it.
    pub fn delete_topic(&self, name: &str) {
        change::delete_topic(self.any(), name).expect("the topic is deleted");
        wait_until(&format!("topic {name} to be gone"), DEADLINE, || {
            let gone = |broker: &Broker| {
                wire::topics(broker.address)
                    .is_ok_and(|topics| !topics.iter().any(|topic| topic == name))
            };
            self.answering().all(gone).then_some(())
        });
    }

    /// The names of all topics, asked for in a way that creates none.
    pub fn topics(&self) -> Vec<String> {
        wire::topics(self.any()).expect("a broker answers")
    }

    /// Sets an entry of a topic's configuration.
    pub fn set_config(&self, topic: &str, name: &str, value: &str) {
        change::set_config(self.any(), topic, name, value).expect("the topic is changed");
    }

    /// Denies everybody to write to a topic; needs an authorizer in the brokers' configuration.
    pub fn deny_writing(&self, topic: &str) {
        change::deny_writing(self.any(), topic).expect("rules are set");
    }

    /// Denies everybody to read as a group.
    pub fn deny_group(&self, group: &str) {
        change::deny_group(self.any(), group).expect("a rule is set");
    }

    /// Denies everybody to read a topic.
    pub fn deny_reading(&self, topic: &str) {
        change::deny_reading(self.any(), topic).expect("rules are set");
    }

    /// Denies everybody to read a topic's configuration.
    pub fn deny_describing_configs(&self, topic: &str) {
        change::deny_describing_configs(self.any(), topic).expect("rules are set");
    }

    /// Takes that back.
    pub fn allow_describing_configs(&self, topic: &str) {
        change::allow_describing_configs(self.any(), topic).expect("a rule is removed");
    }

    /// Denies everybody to create a topic.
    pub fn deny_creating(&self, topic: &str) {
        change::deny_creating(self.any(), topic).expect("rules are set");
    }

    /// Takes that back.
    pub fn allow_writing(&self, topic: &str) {
        change::allow_writing(self.any(), topic).expect("a rule is removed");
    }

    fn any(&self) -> SocketAddr {
        self.answering().next().expect("a broker runs").address
    }

    /// Waits until every replica of every partition of a topic is in sync again, as all brokers that run see it.
    pub fn wait_in_sync(&self, topic: &str) {
        self.wait_for_topic(topic, "to be in sync", |topic| {
            topic.partitions.iter().all(|partition| {
                partition.has_leader() && partition.in_sync.len() == partition.replicas.len()
            })
        });
    }

    /// The broker that leads a partition now; waits while there is none, or while the brokers that run disagree.
    pub fn leader(&self, topic: &str, partition: i32) -> usize {
        wait_until(
            &format!("a leader of {topic}/{partition}"),
            DEADLINE,
            || {
                let mut leaders = BTreeSet::new();
                for broker in self.answering() {
                    let answer = wire::metadata(broker.address, &[topic]).ok()?;
                    let found = answer.topics.first()?.partitions.iter();
                    leaders.insert(found.into_iter().find(|p| p.index == partition)?.leader);
                }
                let leader = usize::try_from(*leaders.first()?).ok()?;
                (leaders.len() == 1 && self.brokers[leader].answers()).then_some(leader)
            },
        )
    }

    /// Asks a broker to end (SIGTERM: it hands its partitions over first) and waits until it has.
    pub fn stop_broker(&mut self, broker: usize) {
        let paused = self.brokers[broker].paused;
        assert!(
            !paused,
            "a paused broker cannot stop: resume it, or kill it"
        );
        self.brokers[broker].signal("TERM");
        wait_until(&format!("broker {broker} to stop"), DEADLINE, || {
            self.brokers[broker]
                .reap_if_ended(&mut self.guard)
                .then_some(())
        });
    }

    /// Ends a broker as a power cut would (SIGKILL), except that what it wrote stays in the kernel's page cache.
    pub fn kill_broker(&mut self, broker: usize) {
        self.brokers[broker].kill(&mut self.guard);
    }

    /// Takes the disk of a broker that is down: all that it has stored, its own identity included.
    pub fn lose_disk(&mut self, broker: usize) {
        assert!(
            !self.brokers[broker].runs(),
            "a disk is taken from a broker that is down"
        );
        let data = self.folder.path().join(broker.to_string()).join("data");
        std::fs::remove_dir_all(data).expect("the broker had data");
    }

    /// Runs a shell command in which Kafka's own tools have their usual names, in a folder of its own; what it prints.
    ///
    /// # Panics
    /// When it fails.
    pub fn shell(&self, command: &str) -> String {
        let folder = self.folder.path().join("tools");
        std::fs::create_dir_all(&folder).expect("a folder in ours");
        for (name, class) in TOOLS {
            let path = folder.join(name);
            let script = broker::script("tool");
            let words: Vec<_> = script
                .get_args()
                .map(|word| word.to_string_lossy())
                .collect();
            let text = format!(
                "#!/bin/sh\nexec /bin/sh {} {class} \"$@\"\n",
                words.join(" ")
            );
            std::fs::write(&path, text).expect("a script is written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
                .expect("it may be run");
        }
        let path = std::env::var("PATH").expect("a PATH");
        let output = std::process::Command::new("/bin/sh")
            .args(["-c", command])
            .current_dir(&folder)
            .env("PATH", format!("{}:{path}", folder.display()))
            .stdin(Stdio::null())
            .output()
            .expect("/bin/sh runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {text}{errors}");
        text
    }

    /// Starts a stopped or killed broker at its old address with its old data, and waits as [`Cluster::start`] does.
    pub fn start_broker(&mut self, broker: usize) {
        self.start_brokers(&[broker]);
    }

    /// The same for several at once, for a cluster that lost its majority.
    pub fn start_brokers(&mut self, brokers: &[usize]) {
        if self.launch(brokers).is_err() {
            panic!("another process listens at the address of one of the brokers {brokers:?}");
        }
    }

    /// Freezes a broker (SIGSTOP): its connections stay open and nothing answers. Returns once it is stopped.
    pub fn pause_broker(&mut self, broker: usize) {
        self.brokers[broker].signal("STOP");
        wait_until(&format!("broker {broker} to stop"), DEADLINE, || {
            self.brokers[broker].stands_still().then_some(())
        });
        self.brokers[broker].paused = true;
    }

    /// Lets a frozen broker go on (SIGCONT). After a pause of seconds the others have dropped it;
    /// [`Cluster::wait_in_sync`] waits until it has come back.
    pub fn resume_broker(&mut self, broker: usize) {
        self.brokers[broker].signal("CONT");
        self.brokers[broker].paused = false;
    }

    /// Starts JVMs and waits until all brokers that run know each other.
    fn launch(&mut self, nodes: &[usize]) -> Result<(), AddressTaken> {
        for &node in nodes {
            self.brokers[node].spawn(self.folder.path(), &mut self.guard);
        }
        wait_until(
            &format!("brokers {nodes:?} to answer"),
            START_DEADLINE,
            || {
                for &node in nodes {
                    if self.brokers[node].reap_if_ended(&mut self.guard) {
                        let log = self.brokers[node].log_of_this_start();
                        assert!(
                            log.contains("Address already in use"),
                            "broker {node} ended while it started"
                        );
                        return Some(Err(AddressTaken));
                    }
                }
                self.know_each_other().then_some(Ok(()))
            },
        )
    }

    fn know_each_other(&self) -> bool {
        self.answering().all(|asked| {
            wire::metadata(asked.address, &[]).is_ok_and(|answer| {
                self.answering()
                    .all(|other| answer.brokers.contains(&other.node_id()))
            })
        })
    }

    fn wait_for_topic(&self, name: &str, what: &str, holds: impl Fn(&wire::Topic) -> bool) {
        assert!(
            self.answering().next().is_some(),
            "no broker runs that could know topic {name}"
        );
        wait_until(&format!("topic {name} {what}"), DEADLINE, || {
            self.answering()
                .all(|broker| {
                    let answer = wire::metadata(broker.address, &[name]);
                    answer.is_ok_and(|answer| {
                        let [topic] = answer.topics.as_slice() else {
                            return false;
                        };
                        topic.error == 0 && holds(topic)
                    })
                })
                .then_some(())
        });
    }

    fn answering(&self) -> impl Iterator<Item = &Broker> {
        self.brokers.iter().filter(|broker| broker.answers())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for broker in &mut self.brokers {
            if broker.runs() {
                broker.kill(&mut self.guard);
            }
        }
        if thread::panicking() {
            for broker in &self.brokers {
                let log = broker.log();
                let lines: Vec<&str> = log.lines().collect();
                let tail = &lines[lines.len().saturating_sub(LOG_LINES)..];
                eprintln!(
                    "--- the end of the log of broker {} ---\n{}",
                    broker.node,
                    tail.join("\n")
                );
            }
        }
    }
}

/// Fetches the jars, once a process; the script does so once a workspace.
fn jars() -> Result<(), Skip> {
    static FETCHED: OnceLock<Result<(), Skip>> = OnceLock::new();
    const CANNOT_RUN: i32 = 3;
    FETCHED
        .get_or_init(|| {
            let output = broker::script("jars")
                .stdin(Stdio::null())
                .output()
                .expect("/bin/sh runs");
            let errors = String::from_utf8_lossy(&output.stderr);
            match output.status.code() {
                Some(0) => Ok(()),
                Some(CANNOT_RUN) => Err(Skip(errors.trim().to_owned())),
                _ => panic!("brokers jars: {}: {errors}", output.status),
            }
        })
        .clone()
}

fn prepare(folder: &Path, address: Ipv4Addr, ports: &[Vec<u16>], keys: Option<&Path>) {
    let joined = ports.iter().map(|ports| {
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        ports.join(":")
    });
    let mut script = broker::script("prepare");
    if let Some(keys) = keys {
        script.env("RINGPOST_KAFKA_JWKS", format!("file://{}", keys.display()));
    }
    let output = script
        .arg(folder)
        .arg(address.to_string())
        .args(joined)
        .output()
        .expect("/bin/sh runs");
    assert!(
        output.status.success(),
        "brokers prepare: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Free ports of a loopback address that is this cluster's own.
///
/// On 127.0.0.1 the port of a broker that is down can be taken by the near end of any outgoing connection, even by that
/// of a client that tries to reach the broker and so reaches itself. Nothing connects from another address of
/// 127.0.0.0/8 but what talks to this cluster.
fn free_ports(count: usize) -> (Ipv4Addr, Vec<u16>) {
    let random = RandomState::new()
        .hash_one(std::process::id())
        .to_be_bytes();
    // Not 127.0.x.x, and no last octet that is a network's or a broadcast's by habit.
    let address = Ipv4Addr::new(127, random[0].max(1), random[1], random[2].clamp(1, 254));
    // All are held until all are known, so that they differ.
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind((address, 0)).expect("a loopback address has free ports"))
        .collect();
    let ports = listeners
        .iter()
        .map(|listener| listener.local_addr().expect("a bound socket").port());
    (address, ports.collect())
}

/// Looks until there is an answer.
///
/// # Panics
/// When there is none by the deadline.
fn wait_until<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            start.elapsed() < deadline,
            "waited {deadline:?} for {what}, in vain"
        );
        thread::sleep(POLL);
    }
}
