//! Reading a topic back through Kafka's protocol, and telling the message from the trace field.

use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;
use ringpost_proto::mail::decode::Attributes;

/// A record as a consumer sees it.
pub struct Received {
    key: String,
    headers: Vec<(String, String)>,
    /// Its value, the trace field included.
    pub value: Vec<u8>,
}

impl Received {
    /// The value of a header that is there once, as it is.
    pub fn header(&self, name: &str) -> &str {
        let named = self.headers.iter().filter(|(found, _)| found == name);
        let values: Vec<&str> = named.map(|(_, value)| value.as_str()).collect();
        match values[..] {
            [value] => value,
            ref other => panic!("{name} is there {} times", other.len()),
        }
    }

    /// All headers in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.headers.iter();
        headers.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What its headers say.
    ///
    /// # Panics
    /// When one of them cannot be read.
    pub fn attributes(&self) -> Attributes<'_> {
        let headers = self.headers.iter();
        let attributes =
            Attributes::decode(headers.map(|(name, value)| (name.as_str(), value.as_bytes())));
        assert_eq!(
            attributes.malformed, [""; 0],
            "a header that cannot be read"
        );
        attributes
    }

    /// The recipients, in their order.
    pub fn recipients(&self) -> Vec<String> {
        self.attributes().rcpt_to.expect("every record has some")
    }

    /// Its own id: the one that the 250 named, unless its mail became several records.
    pub fn id(&self) -> &str {
        self.header("ce_id")
    }

    /// The id that the 250 named.
    pub fn mail_id(&self) -> &str {
        let id = self.id();
        id.split_once('.').map_or(id, |(mail, _)| mail)
    }

    /// All that its headers and its key say.
    pub fn everything(&self) -> String {
        let headers = self.headers.iter().map(|(_, value)| value.as_str());
        headers
            .chain([self.key.as_str()])
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The message after its one Received field, as the record's own header says how long it is.
    ///
    /// # Panics
    /// When what precedes it is not one whole field with this record's id.
    pub fn message(&self) -> &[u8] {
        let attributes = self.attributes();
        let size = attributes.size.expect("every record says its size");
        let size = usize::try_from(size).unwrap();
        let (trace, message) = self.value.split_at(self.value.len() - size);
        let trace = std::str::from_utf8(trace).expect("the trace field is ASCII");
        // Names of other forms have their own test, in proto/src/mail/trace.rs.
        let start = format!(
            "Received: from {} ([127.0.0.1])\r\n",
            attributes.helo.expect("every record has the name")
        );
        assert!(trace.starts_with(&start), "{trace:?}");
        assert!(
            trace.contains(&format!(" id {}", self.mail_id())),
            "{trace:?}"
        );
        let field = trace.strip_suffix("\r\n").expect(trace);
        let field = match has_empty_line(message) {
            Some(true) => field.strip_suffix("\r\n").expect(trace),
            Some(false) => field,
            None => field.strip_suffix("\r\n").unwrap_or(field),
        };
        let mut lines = field.split("\r\n").skip(1);
        assert!(lines.all(|line| line.starts_with('\t')), "{trace:?}");
        message
    }
}

/// Whether an empty line separates the field from the message: it does where the message begins with no field name, and not
/// where it is empty or begins with an empty line. For all others proto/src/mail/trace.rs has tests.
pub fn has_empty_line(message: &[u8]) -> Option<bool> {
    let first = message.first();
    if first.is_none() || message.starts_with(b"\r\n") {
        return Some(false);
    }
    first.and_then(|octet| (!octet.is_ascii_graphic()).then_some(true))
}

/// All records of the topic.
pub fn read_topic(brokers: &str, topic: &str) -> Vec<Received> {
    let mut all = Vec::new();
    each_record(brokers, topic, |record| all.push(record));
    all
}

/// Calls `take` with every record of the topic, until a second look at the ends of its partitions finds nothing new; a
/// topic of a gigabyte need not fit the memory.
pub fn each_record(brokers: &str, topic: &str, mut take: impl FnMut(Received)) {
    let client = || -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "test")
            // What is fetched ahead is memory too.
            .set("queued.max.messages.kbytes", "65536")
            .create()
            .unwrap()
    };
    // The ends are asked for over a separate connection: after a fetch they would wait until it brings something.
    let (consumer, asking) = (client(), client());
    let partitions = assign(&consumer, topic);
    let end = |&partition: &i32| {
        let patience = Duration::from_secs(20);
        let (begin, end) = asking.fetch_watermarks(topic, partition, patience).unwrap();
        assert_eq!(begin, 0, "the broker has dropped records of {partition}");
        end
    };
    let (mut taken, deadline) = (0, Instant::now() + Duration::from_secs(300));
    while taken < partitions.iter().map(end).sum::<i64>() {
        while let Some(record) = consumer.poll(Duration::from_millis(500)) {
            match record {
                Ok(record) => take(decode(&record)),
                // A broker is away: keep reading the others, until the deadline.
                Err(error) if is_a_broker_away(&error) => continue,
                Err(error) => panic!("{topic}: {error}"),
            }
            taken += 1;
        }
        assert!(
            Instant::now() < deadline,
            "the topic could not be read to its end"
        );
    }
}

fn is_a_broker_away(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown)
    )
}

fn assign(consumer: &BaseConsumer, topic: &str) -> Vec<i32> {
    let metadata = consumer
        .fetch_metadata(Some(topic), Duration::from_secs(20))
        .unwrap();
    let partitions = metadata.topics()[0].partitions().iter();
    let partitions: Vec<i32> = partitions.map(|partition| partition.id()).collect();
    let mut list = TopicPartitionList::new();
    for &partition in &partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&list).unwrap();
    partitions
}

fn decode(record: &BorrowedMessage<'_>) -> Received {
    let headers = record.headers().unwrap().iter().map(|header| {
        let value = String::from_utf8(header.value.unwrap().to_vec()).unwrap();
        (header.key.to_owned(), value)
    });
    Received {
        key: String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned(),
        headers: headers.collect(),
        value: record.payload().unwrap().to_vec(),
    }
}
