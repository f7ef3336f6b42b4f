//! The two Kafka requests that the test cluster asks for itself: Metadata (version 1) and CreateTopics (version 2).
//!
//! Owns their encoding over one short-lived `TcpStream` each. They are written by hand because readiness must be asked of
//! one named broker, which a client library hides, and because a topic is created in milliseconds this way; the
//! command line tool starts a JVM first.
//!
//! Must not know: processes, folders, how long to wait. Every failure is an `io::Error` that the caller may retry.
//!
//! BUGS: no TLS and no SASL; both versions are the oldest that Kafka 4 takes, so they carry what the tests read, no more.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a broker may take to take a connection, or to answer; a paused one never does.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Larger answers than this are not answers of a test cluster.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// Numbers of the protocol guide, "API Keys".
const METADATA: i16 = 3;
const CREATE_TOPICS: i16 = 19;

/// What one broker knows of the cluster.
#[derive(Debug)]
pub struct Metadata {
    /// Node ids of the brokers that are registered and not fenced.
    pub brokers: Vec<i32>,
    /// The topics that were asked for.
    pub topics: Vec<Topic>,
}

/// One topic of a [`Metadata`] answer.
#[derive(Debug)]
pub struct Topic {
    /// Error code of the protocol guide; 0 is none.
    pub error: i16,
    /// In no order.
    pub partitions: Vec<Partition>,
}

/// One partition of a [`Topic`].
#[derive(Debug)]
pub struct Partition {
    /// Error code of the protocol guide; 0 is none.
    pub error: i16,
    /// Number of the partition, from 0.
    pub index: i32,
    /// Node id of the leader; -1 without one.
    pub leader: i32,
    /// Node ids that hold a copy.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub in_sync: Vec<i32>,
}

impl Partition {
    /// Whether records can be written to it and read from it.
    pub fn has_leader(&self) -> bool {
        self.error == 0 && self.leader >= 0
    }
}

/// A topic to create.
#[derive(Debug)]
pub struct NewTopic<'a> {
    /// Its name.
    pub name: &'a str,
    /// Number of partitions.
    pub partitions: i32,
    /// Copies of each.
    pub replication: i16,
    /// Topic-level settings.
    pub configs: &'a [(&'a str, &'a str)],
}

/// A refusal by the broker: the protocol's error code and its text.
#[derive(Debug)]
pub struct Refusal {
    /// Error code of the protocol guide.
    pub code: i16,
    /// The broker's words.
    pub message: String,
}

/// Asks the broker at `address` what it knows of the cluster and of `topics`.
pub fn metadata(address: SocketAddr, topics: &[&str]) -> io::Result<Metadata> {
    let mut body = Vec::new();
    put_length(&mut body, topics.len());
    for topic in topics {
        put_string(&mut body, topic);
    }
    let answer = exchange(address, METADATA, 1, &body)?;
    let mut reader = Reader(&answer);
    let brokers = reader.array(|reader| {
        let id = reader.int32()?;
        reader.string()?; // host
        reader.int32()?; // port
        reader.string()?; // rack
        Ok(id)
    })?;
    reader.int32()?; // controller
    let topics = reader.array(Reader::topic)?;
    Ok(Metadata { brokers, topics })
}

/// The names of all topics that the broker at `address` knows; asking for all creates none.
pub fn topics(address: SocketAddr) -> io::Result<Vec<String>> {
    let answer = exchange(address, METADATA, 1, &(-1_i32).to_be_bytes())?;
    let mut reader = Reader(&answer);
    reader.array(|reader| {
        reader.int32()?; // id
        reader.string()?; // host
        reader.int32()?; // port
        reader.string() // rack
    })?;
    reader.int32()?; // controller
    reader.array(|reader| {
        reader.int16()?; // error
        let name = reader.string()?.unwrap_or_default();
        reader.int8()?; // whether it is internal
        reader.array(Reader::partition)?;
        Ok(name)
    })
}

/// Asks the broker at `address` to create a topic; any broker passes it on to the controller.
pub fn create_topic(address: SocketAddr, topic: &NewTopic) -> io::Result<Result<(), Refusal>> {
    let mut body = Vec::new();
    put_length(&mut body, 1);
    put_string(&mut body, topic.name);
    body.extend_from_slice(&topic.partitions.to_be_bytes());
    body.extend_from_slice(&topic.replication.to_be_bytes());
    put_length(&mut body, 0); // Replica assignments: the controller's choice.
    put_length(&mut body, topic.configs.len());
    for (key, value) in topic.configs {
        put_string(&mut body, key);
        put_string(&mut body, value);
    }
    body.extend_from_slice(&3_000_i32.to_be_bytes()); // Milliseconds, below ANSWER_TIMEOUT.
    body.push(0); // Not only a validation.
    let answer = exchange(address, CREATE_TOPICS, 2, &body)?;
    let mut reader = Reader(&answer);
    reader.int32()?; // throttle
    let results = reader.array(|reader| {
        reader.string()?; // name
        let code = reader.int16()?;
        let message = reader.string()?.unwrap_or_default();
        Ok(Refusal { code, message })
    })?;
    match results.into_iter().next() {
        None => Err(malformed("no result for the topic")),
        Some(result) if result.code == 0 => Ok(Ok(())),
        Some(refusal) => Ok(Err(refusal)),
    }
}

/// One request, one answer: both with a length in front; returns what follows the correlation id.
pub(super) fn exchange(
    address: SocketAddr,
    api: i16,
    version: i16,
    body: &[u8],
) -> io::Result<Vec<u8>> {
    const CORRELATION: i32 = 1;
    let mut request = Vec::new();
    request.extend_from_slice(&api.to_be_bytes());
    request.extend_from_slice(&version.to_be_bytes());
    request.extend_from_slice(&CORRELATION.to_be_bytes());
    put_string(&mut request, "ringpost-tests");
    request.extend_from_slice(body);
    let mut framed = Vec::new();
    put_length(&mut framed, request.len());
    framed.extend_from_slice(&request);

    let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all(&framed)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length)).map_err(malformed)?;
    if !(4..=ANSWER_LIMIT).contains(&length) {
        return Err(malformed(format!("an answer of {length} bytes")));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    if answer[..4] != CORRELATION.to_be_bytes() {
        return Err(malformed("an answer to another request"));
    }
    answer.drain(..4);
    Ok(answer)
}

pub(super) fn put_length(out: &mut Vec<u8>, length: usize) {
    let length = i32::try_from(length).expect("requests of tests are small");
    out.extend_from_slice(&length.to_be_bytes());
}

pub(super) fn put_string(out: &mut Vec<u8>, text: &str) {
    let length = i16::try_from(text.len()).expect("names and values of tests are short");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn malformed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// The rest of an answer, in the protocol's "non-compact" types.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn fixed<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn int8(&mut self) -> io::Result<i8> {
        self.fixed().map(i8::from_be_bytes)
    }

    fn int16(&mut self) -> io::Result<i16> {
        self.fixed().map(i16::from_be_bytes)
    }

    fn int32(&mut self) -> io::Result<i32> {
        self.fixed().map(i32::from_be_bytes)
    }

    /// A nullable string; a length of -1 is null.
    fn string(&mut self) -> io::Result<Option<String>> {
        match usize::try_from(self.int16()?) {
            Err(_) => Ok(None),
            Ok(length) => {
                let mut bytes = vec![0; length];
                self.0.read_exact(&mut bytes)?;
                String::from_utf8(bytes).map(Some).map_err(malformed)
            }
        }
    }

    fn array<T>(&mut self, element: impl Fn(&mut Self) -> io::Result<T>) -> io::Result<Vec<T>> {
        (0..self.int32()?).map(|_| element(self)).collect()
    }

    fn topic(&mut self) -> io::Result<Topic> {
        let error = self.int16()?;
        self.string()?; // name
        self.int8()?; // whether it is internal
        let partitions = self.array(Reader::partition)?;
        Ok(Topic { error, partitions })
    }

    fn partition(&mut self) -> io::Result<Partition> {
        Ok(Partition {
            error: self.int16()?,
            index: self.int32()?,
            leader: self.int32()?,
            replicas: self.array(Reader::int32)?,
            in_sync: self.array(Reader::int32)?,
        })
    }
}
