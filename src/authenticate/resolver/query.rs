//! One question over the network.
//!
//! Owns: hickory's resolver, and what its answers and errors mean. Must not know: what is asked again.
//!
//! Invariants: an answer is one of the DNS, NOERROR or NXDOMAIN; everything else is an error. At most [`CONCURRENT_MOST`]
//! questions are under way.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use tokio::sync::Semaphore;

use crate::authenticate::dns::{Answer, Kind, Question, Tlsa};
use crate::failure::{Blame, Blamed};

/// Questions that are under way at a time: each has a socket of its own.
const CONCURRENT_MOST: usize = 256;
/// How often a question is sent before it counts as unanswered.
const ATTEMPTS: usize = 2;
/// How often it is asked whether it answers at all, and how long each answer is waited for. Every resolver has this one in memory.
const PROBES: usize = 2;
const PROBE_WAIT: Duration = Duration::from_millis(1500);
/// Longest time that a negative answer is kept (RFC 2308 5).
const NEGATIVE_LONGEST: Duration = Duration::from_secs(3 * 60 * 60);

/// Nobody can be asked.
#[derive(Debug, thiserror::Error)]
pub enum NoResolver {
    /// The system says nobody.
    #[error("/etc/resolv.conf names no resolver ({0}): name one with --resolver ADDRESS[:PORT]")]
    System(#[source] NetError),
    /// hickory cannot be set up.
    #[error("the DNS resolver cannot be set up: {0}")]
    Setup(#[source] NetError),
}

impl Blamed for NoResolver {
    fn blame(&self) -> Blame {
        match self {
            Self::System(_) => Blame::Operator,
            Self::Setup(_) => Blame::Machine,
        }
    }
}

/// See the module.
pub struct Network {
    resolver: TokioResolver,
    room: Semaphore,
}

impl Network {
    /// Asks these servers, or the system's where there are none.
    ///
    /// # Errors
    /// The system names none.
    pub fn new(servers: &[SocketAddr], timeout: Duration) -> Result<Self, NoResolver> {
        let config = if servers.is_empty() {
            let (system, _) = read_system_conf().map_err(NoResolver::System)?;
            let servers = system.name_servers().to_vec();
            if servers.is_empty() {
                let empty = io::Error::other("no line nameserver");
                return Err(NoResolver::System(empty.into()));
            }
            // Names are whole here: no search list, no domain of the machine.
            ResolverConfig::from_name_servers(servers)
        } else {
            ResolverConfig::from_name_servers(servers.iter().map(server).collect())
        };
        let mut options = ResolverOpts::default();
        options.timeout = timeout;
        options.attempts = ATTEMPTS;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.max_active_requests = CONCURRENT_MOST;
        let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .map_err(NoResolver::Setup)?;
        Ok(Self {
            resolver,
            room: Semaphore::new(CONCURRENT_MOST),
        })
    }

    /// The answer, and the end of its validity.
    ///
    /// # Errors
    /// There is none.
    pub async fn query(&self, question: &Question) -> Result<(Answer, Instant), NetError> {
        let _room = self.room.acquire().await;
        let labels = question.name.split('.').map(str::as_bytes);
        let Ok(mut name) = Name::from_labels(labels) else {
            return Ok((Answer::NoName, Instant::now() + NEGATIVE_LONGEST));
        };
        name.set_fqdn(true);
        match self.resolver.lookup(name, record_type(question.kind)).await {
            Ok(lookup) => Ok((answer(question.kind, &lookup), lookup.valid_until())),
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => negative(&none),
            Err(error) => Err(error),
        }
    }

    /// Whether it answers a question that every working resolver answers: for the servers of the root.
    pub async fn probe(&self) -> bool {
        for _ in 0..PROBES {
            let asked = self.resolver.lookup(Name::root(), RecordType::NS);
            let answered = match tokio::time::timeout(PROBE_WAIT, asked).await {
                Ok(Ok(_)) => true,
                Ok(Err(NetError::Dns(DnsError::NoRecordsFound(none)))) => negative(&none).is_ok(),
                Ok(Err(_)) | Err(_) => false,
            };
            if answered {
                return true;
            }
        }
        false
    }
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let with_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    server.connections = vec![
        with_port(ConnectionConfig::udp()),
        with_port(ConnectionConfig::tcp()),
    ];
    server
}

fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::Txt => RecordType::TXT,
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Mx => RecordType::MX,
        Kind::Ptr => RecordType::PTR,
        Kind::Tlsa => RecordType::TLSA,
    }
}

/// What an answer without records means.
fn negative(none: &NoRecords) -> Result<(Answer, Instant), NetError> {
    let answer = match none.response_code {
        ResponseCode::NXDomain => Answer::NoName,
        ResponseCode::NoError => Answer::Empty,
        other => return Err(NetError::Dns(DnsError::ResponseCode(other))),
    };
    // Without a SOA it may not be kept (RFC 2308 5).
    let seconds = none.negative_ttl.unwrap_or(0);
    let keep = Duration::from_secs(u64::from(seconds)).min(NEGATIVE_LONGEST);
    Ok((answer, Instant::now() + keep))
}

/// The records of this kind; aliases that led to them are left out.
fn answer(kind: Kind, lookup: &Lookup) -> Answer {
    let data = lookup.answers().iter().map(|record| &record.data);
    let name = |name: &Name| {
        let text = name.to_ascii();
        text.strip_suffix('.').unwrap_or(&text).to_owned()
    };
    let found = match kind {
        Kind::Txt => Answer::Txt(
            data.filter_map(|data| match data {
                RData::TXT(text) => Some(text.txt_data.concat()),
                _ => None,
            })
            .collect(),
        ),
        Kind::A | Kind::Aaaa => Answer::Addresses(
            data.filter_map(|data| match data {
                RData::A(address) => Some(address.0.into()),
                RData::AAAA(address) => Some(address.0.into()),
                _ => None,
            })
            .collect(),
        ),
        Kind::Mx => Answer::Mx(
            data.filter_map(|data| match data {
                RData::MX(server) => Some((server.preference, name(&server.exchange))),
                _ => None,
            })
            .collect(),
        ),
        Kind::Ptr => Answer::Names(
            data.filter_map(|data| match data {
                RData::PTR(pointer) => Some(name(pointer)),
                _ => None,
            })
            .collect(),
        ),
        Kind::Tlsa => Answer::Tlsa(
            data.filter_map(|data| match data {
                RData::TLSA(tlsa) => Some(Tlsa {
                    usage: tlsa.cert_usage.into(),
                    selector: tlsa.selector.into(),
                    matching: tlsa.matching.into(),
                    data: tlsa.cert_data.clone(),
                }),
                _ => None,
            })
            .collect(),
        ),
    };
    let is_empty = match &found {
        Answer::Txt(texts) => texts.is_empty(),
        Answer::Addresses(addresses) => addresses.is_empty(),
        Answer::Mx(servers) => servers.is_empty(),
        Answer::Names(names) => names.is_empty(),
        Answer::Tlsa(records) => records.is_empty(),
        Answer::Empty | Answer::NoName | Answer::Trouble => true,
    };
    if is_empty { Answer::Empty } else { found }
}
