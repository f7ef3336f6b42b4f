//! What one worker of ringpost is started with.
//!
//! Owns: the settings that a seed draws, and the hub made from them.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use ringpost::net::admission::{Admission, Limits};
use ringpost::net::census::Census;
use ringpost::net::hub::{Hub, Share};
use ringpost::net::loads::Loads;
use ringpost::net::pulse::Pulse;
use ringpost::net::rules::Rules;
use ringpost::net::shared::Shared;
use ringpost::objects::{Claims, Lent, Store};
use ringpost::sink::routing::Routing;
use ringpost::telemetry::log;
use ringpost::telemetry::message_log::MessageLog;
use ringpost::telemetry::metrics::Metrics;
use ringpost_proto::mail::id::Generator;
use ringpost_proto::mail::record::RecordKey;
use ringpost_proto::smtp::access::{Access, Network, Networks};
use ringpost_proto::smtp::directory::Directory;
use ringpost_proto::smtp::policy::{BareNewlinePolicy, Policy, Recipients};

use crate::clock::Time;
use crate::kafka::Kafka;
use crate::mail::LARGEST;
use crate::objects::Objects;
use crate::random::Random;
use crate::sharing::{DOMAINS, Sharing};
use crate::tls;

/// Counters cost more to make than a seed to run, and nothing here reads them.
static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics::new(1).0);

/// Takes the lines of traces; messages and refusals have none.
static LOG: LazyLock<MessageLog> = LazyLock::new(|| {
    let lines = log::lines_to(std::io::sink()).expect("a thread starts");
    MessageLog::new(lines, false)
});

/// See the module.
pub struct Settings {
    policy: Arc<Policy>,
    /// Whether a Received field is put in front.
    pub trace: bool,
    /// Whether TLS is offered.
    pub tls: bool,
    /// Which recipients share a record.
    pub sharing: Sharing,
    greeting_delay: Duration,
    /// Above how many bytes messages are objects; none: all are in their records.
    pub above: Option<u64>,
    /// The budget's messages.
    pub messages_most: usize,
    /// The budget's bytes.
    pub octets_most: usize,
}

impl Settings {
    /// Draws them.
    pub fn draw(random: &mut Random) -> Self {
        let mut policy = Policy::new("mx.example");
        policy.message_size = LARGEST as u64;
        policy.errors = 60;
        policy.command_timeout = Duration::from_secs(30);
        policy.data_timeout = Duration::from_secs(20);
        policy.commit_timeout = Duration::from_secs(10);
        policy.message_timeout = Duration::from_secs(60);
        policy.session_timeout = Duration::from_secs(600);
        policy.taken = Arc::new(Recipients::everybody_at(DOMAINS));
        if random.once_in(2) {
            policy.bare_newlines = BareNewlinePolicy::Accept;
        }
        policy.starttls = random.once_in(2);
        let trace = random.once_in(2);
        let sharing = Sharing::draw(random);
        let greeting_delay = Duration::from_millis(*random.of(&[0, 0, 300]));
        let messages_most = random.between(1, 5);
        let octets_most = *random.of(&[usize::MAX / 2, 140_000, 300_000]);
        // Who comes and goes would change into which records a mail is divided.
        policy.directory = random.once_in(2) && !sharing.divides();
        Self {
            tls: policy.starttls,
            policy: Arc::new(policy),
            trace,
            sharing,
            greeting_delay,
            above: random.once_in(2).then(|| *random.of(&[300, 3000])),
            messages_most,
            octets_most,
        }
    }

    /// None of them unusual.
    pub fn plain() -> Self {
        let drawn = Self::draw(&mut Random::new(0));
        let policy = Policy {
            directory: false,
            ..Policy::clone(&drawn.policy)
        };
        Self {
            policy: Arc::new(policy),
            greeting_delay: Duration::ZERO,
            sharing: Sharing::all(),
            above: None,
            messages_most: 10,
            octets_most: 1 << 30,
            ..drawn
        }
    }

    /// The policy of the sessions.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy)
    }

    /// Whether a directory names the recipients.
    pub fn has_directory(&self) -> bool {
        self.policy.directory
    }

    /// Whether bare newlines are taken as data.
    pub fn takes_bare_newlines(&self) -> bool {
        self.policy.bare_newlines == BareNewlinePolicy::Accept
    }

    /// What a reload exchanges.
    pub fn rules(&self) -> Rules {
        let network = |text| Network::parse(text).expect("a network");
        Rules {
            policy: Arc::new(Policy::clone(&self.policy)),
            access: Access::new(&[network("0.0.0.0/0")], &[]),
            proxies: Networks::new(&[network("10.0.0.0/8")]),
            // Clients by twos, directly and behind a proxy: nothing is drawn for it.
            traced: Networks::new(&[network("10.0.0.0/31"), network("192.0.2.2/31")]),
        }
    }

    /// Which messages become objects, in parts that are small for the largest message.
    fn claims(&self, objects: &Arc<Objects>) -> Option<Claims> {
        Some(Claims {
            store: Arc::clone(objects) as Arc<dyn Store>,
            url: "s3://bucket/mail".parse().expect("an address"),
            above: self.above?,
            buffer: 32 * 1024,
            part: 8 * 1024,
            header: 400,
            patience: Duration::from_secs(8),
            lent: Lent::new(1 << 20),
        })
    }

    /// A worker's hub, as it is at its start.
    pub fn hub(
        &self,
        kafka: Arc<Kafka>,
        objects: &Arc<Objects>,
        time: Time,
        random: u64,
        names: Arc<Directory>,
    ) -> Hub {
        let shared = Shared {
            policy: self.policy(),
            rules: ArcSwap::from_pointee(self.rules()),
            directory: Arc::new(ArcSwapOption::from(Some(names))),
            sink: kafka,
            claims: self.claims(objects),
            metrics: METRICS.clone(),
            trace: self.trace,
            routing: Routing::new(&self.sharing.config()),
            key: RecordKey::None,
            message_log: Some(LOG.clone()),
            listeners: OnceLock::new(),
            connections_most: 1000,
            tls: self.tls.then(|| Arc::clone(&tls::SERVER)),
            greeting_delay: self.greeting_delay,
            handshake_timeout: Duration::from_secs(10),
            admission: Admission::new(Limits {
                connections: 1000,
                per_address: 0,
                per_network: 0,
                prefix_ipv4: 24,
                prefix_ipv6: 64,
                messages_per_minute: 0,
            }),
            loads: Loads::new(1),
            pulse: Pulse::new(1),
            census: Census::new(1, 1),
            draining: AtomicBool::new(false),
        };
        let share = Share {
            messages: self.messages_most,
            octets: self.octets_most,
        };
        let ids = Generator::new(random);
        Hub::new(0, Arc::new(shared), share, ids, Box::new(time))
    }
}
