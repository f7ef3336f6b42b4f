//! A DNS resolver with a zone of the test's own, on UDP and TCP.
//!
//! Owns: the answers. Must not know: who asks.
//!
//! A name without records has NODATA where names below it exist, and NXDOMAIN otherwise. The root is known to every resolver.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, MX, NS, PTR, SOA, TLSA, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// Answers that are larger are truncated on UDP.
const UDP_OCTETS: usize = 1232;
/// Seconds that answers are valid, with and without records.
const TTL: u32 = 60;

/// See the module. Its threads end with the process.
#[derive(Clone)]
pub struct Names {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    records: Mutex<BTreeMap<String, Vec<RData>>>,
    broken: Mutex<Vec<String>>,
    silent: AtomicBool,
    asked: AtomicUsize,
}

impl Names {
    /// Answers from now on.
    pub fn start() -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
            // The same port of TCP can be taken.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("it is bound")) {
                break (udp, tcp);
            }
        };
        let names = Self {
            address: udp.local_addr().expect("it is bound"),
            state: Arc::default(),
        };
        let state = Arc::clone(&names.state);
        thread::spawn(move || state.serve_udp(&udp));
        let state = Arc::clone(&names.state);
        thread::spawn(move || state.serve_tcp(&tcp));
        names
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn add(&self, name: &str, data: RData) -> &Self {
        let mut records = self.state.records.lock().unwrap();
        records.entry(name.to_lowercase()).or_default().push(data);
        self
    }

    /// A text, in strings of 255 bytes.
    pub fn txt(&self, name: &str, text: &str) -> &Self {
        let strings = text.as_bytes().chunks(255);
        let strings = strings.map(|part| String::from_utf8(part.to_vec()).expect("ASCII"));
        self.add(name, RData::TXT(TXT::new(strings.collect())))
    }

    /// An IPv4 address.
    pub fn a(&self, name: &str, address: [u8; 4]) -> &Self {
        self.add(name, RData::A(A(address.into())))
    }

    /// A mail server.
    pub fn mx(&self, name: &str, server: &str) -> &Self {
        self.add(name, RData::MX(MX::new(10, fqdn(server))))
    }

    /// The name of an address, which is given in reverse with in-addr.arpa.
    pub fn ptr(&self, name: &str, target: &str) -> &Self {
        self.add(name, RData::PTR(PTR(fqdn(target))))
    }

    /// What a certificate has to be: the record `3 1 1` with this hash of its key.
    pub fn tlsa(&self, name: &str, hash: &[u8]) -> &Self {
        let data = TLSA::new(3.into(), 1.into(), 1.into(), hash.to_vec());
        self.add(name, RData::TLSA(data))
    }

    /// Forgets all records of a name.
    pub fn remove(&self, name: &str) -> &Self {
        self.state.records.lock().unwrap().remove(name);
        self
    }

    /// A name whose servers are broken.
    pub fn broken(&self, name: &str) -> &Self {
        self.state.broken.lock().unwrap().push(name.to_owned());
        self
    }

    /// Whether nothing is answered.
    pub fn silence(&self, silent: bool) {
        self.state.silent.store(silent, Ordering::SeqCst);
    }

    /// Questions so far.
    pub fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }
}

fn fqdn(name: &str) -> Name {
    Name::from_ascii(format!("{name}.")).expect("a name of a test")
}

impl State {
    fn serve_udp(&self, socket: &UdpSocket) {
        let mut buffer = [0; 4096];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            if let Some(answer) = self.answer(&buffer[..length]) {
                let mut octets = answer.to_vec().expect("an answer");
                if octets.len() > UDP_OCTETS {
                    octets = answer.truncate().to_vec().expect("an answer");
                }
                let _ = socket.send_to(&octets, client);
            }
        }
    }

    fn serve_tcp(self: Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            let (Ok(mut stream), state) = (stream, Arc::clone(&self)) else {
                return;
            };
            thread::spawn(move || {
                let mut length = [0; 2];
                while stream.read_exact(&mut length).is_ok() {
                    let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
                    if stream.read_exact(&mut question).is_err() {
                        return;
                    }
                    if let Some(answer) = state.answer(&question) {
                        let octets = answer.to_vec().expect("an answer");
                        let length = u16::try_from(octets.len()).expect("it fits").to_be_bytes();
                        let _ = stream.write_all(&[&length[..], &octets].concat());
                    }
                }
            });
        }
    }

    fn answer(&self, octets: &[u8]) -> Option<Message> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let question = Message::from_vec(octets).ok()?;
        if self.silent.load(Ordering::SeqCst) {
            return None;
        }
        let query = question.queries.first()?.clone();
        let mut answer = Message::new(
            question.metadata.id,
            MessageType::Response,
            question.metadata.op_code,
        );
        answer.metadata.recursion_available = true;
        answer.metadata.recursion_desired = question.metadata.recursion_desired;
        let name = query.name().to_ascii().to_lowercase();
        let name = name.trim_end_matches('.').to_owned();
        let records = self.records.lock().unwrap();
        let of_name = records.get(&name).map_or(&[][..], Vec::as_slice);
        let wanted = of_name
            .iter()
            .filter(|data| data.record_type() == query.query_type());
        for data in wanted {
            answer.add_answer(Record::from_rdata(query.name().clone(), TTL, data.clone()));
        }
        let exists = records
            .keys()
            .any(|known| *known == name || known.ends_with(&format!(".{name}")));
        if name.is_empty() && query.query_type() == RecordType::NS {
            let root = RData::NS(NS(fqdn("a.root-servers.example")));
            answer.add_answer(Record::from_rdata(Name::root(), TTL, root));
        } else if self.broken.lock().unwrap().contains(&name) {
            answer.metadata.response_code = ResponseCode::ServFail;
        } else if answer.answers.is_empty() {
            let soa = SOA::new(fqdn("ns.example"), fqdn("host.example"), 1, 1, 1, 1, TTL);
            answer.add_authority(Record::from_rdata(fqdn("example"), TTL, RData::SOA(soa)));
            if !exists {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
        }
        answer.add_query(query);
        Some(answer)
    }
}
