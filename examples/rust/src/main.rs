//! Prints sender, recipients, subject and attachments of each mail in the topic, one line of JSON a mail.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mail_parser::{MessageParser, MessagePart, MimeHeaders};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use ringpost_proto::mail::decode::Attributes;
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// What the headers of a record say. Those that are unknown, as ones of a later version, are passed over.
fn attributes_of<'a>(record: &'a BorrowedMessage<'_>) -> Attributes<'a> {
    let headers = record.headers().into_iter().flat_map(Headers::iter);
    Attributes::decode(headers.map(|header| (header.key, header.value.unwrap_or_default())))
}

/// The whole message: the record's value, or the object that it refers to.
fn message_of(attributes: &Attributes<'_>, value: &[u8]) -> io::Result<Vec<u8>> {
    let Some(url) = attributes.dataref else {
        return Ok(value.to_vec());
    };
    if let Some(path) = url.strip_prefix("file://") {
        return std::fs::read(path);
    }
    let id = attributes.id.unwrap_or("?");
    eprintln!("{id}: only the header section is here, the message is at {url}");
    Ok(value.to_vec())
}

/// What is printed of a mail.
#[derive(Serialize)]
struct Facts<'a> {
    /// Empty for a bounce.
    sender: &'a str,
    recipients: &'a [String],
    subject: Option<&'a str>,
    attachments: Vec<Attachment<'a>>,
}

#[derive(Serialize)]
struct Attachment<'a> {
    name: Option<&'a str>,
    #[serde(rename = "type")]
    kind: String,
    size: usize,
}

fn is_attachment(part: &MessagePart<'_>) -> bool {
    part.content_disposition()
        .is_some_and(|disposition| disposition.is_attachment())
}

fn attachment<'a>(part: &'a MessagePart<'_>) -> Attachment<'a> {
    let (kind, subtype) = part.content_type().map_or(("text", "plain"), |kind| {
        (kind.ctype(), kind.subtype().unwrap_or_default())
    });
    Attachment {
        name: part.attachment_name(),
        kind: format!("{kind}/{subtype}"),
        size: part.contents().len(),
    }
}

/// The line of a mail.
fn line(attributes: &Attributes<'_>, value: &[u8]) -> Result<String, Box<dyn Error>> {
    let message = message_of(attributes, value)?;
    let mail = MessageParser::default().parse(&message).ok_or("no mail")?;
    let attachments = mail.parts.iter().filter(|part| is_attachment(part));
    let facts = Facts {
        sender: attributes.mail_from.ok_or("no sender")?,
        recipients: attributes.rcpt_to.as_deref().ok_or("no recipients")?,
        subject: mail.subject(),
        attachments: attachments.map(attachment).collect(),
    };
    Ok(serde_json::to_string(&facts)?)
}

/// Prints a record that is a mail; says on standard error what is none, or cannot be read.
fn handle(record: &BorrowedMessage<'_>) -> io::Result<()> {
    let place = format!(
        "{}:{}:{}",
        record.topic(),
        record.partition(),
        record.offset()
    );
    let attributes = attributes_of(record);
    let is_mail = attributes
        .kind
        .is_some_and(|kind| kind.starts_with("io.ringpost.mail."));
    let Some(value) = record.payload().filter(|_| is_mail) else {
        eprintln!("{place}: passed over: not a mail of ringpost");
        return Ok(());
    };
    match line(&attributes, value) {
        Ok(line) => writeln!(io::stdout(), "{line}"),
        // The content is a stranger's: one bad mail must not stop all others.
        Err(error) => {
            eprintln!("{place}: cannot be read: {error}");
            Ok(())
        }
    }
}

fn setting(name: &str, otherwise: &str) -> String {
    env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}

fn main() -> Result<(), Box<dyn Error>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", setting("BROKERS", "127.0.0.1:9092"))
        .set("group.id", setting("GROUP", "example-rust"))
        .set("auto.offset.reset", "earliest")
        // At least once: a record's offset may be committed when it has been handled, not when it has been read.
        .set("enable.auto.offset.store", "false")
        .create()?;
    let topic = setting("TOPIC", "mail");
    consumer.subscribe(&[&topic])?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, Arc::clone(&stop))?;
    }
    while !stop.load(Ordering::Relaxed) {
        let record = match consumer.poll(Duration::from_millis(500)) {
            None => continue,
            Some(Ok(record)) => record,
            Some(Err(fatal @ KafkaError::MessageConsumptionFatal(_))) => return Err(fatal.into()),
            // Most pass by themselves, as when a broker is away.
            Some(Err(error)) => {
                eprintln!("{error}");
                continue;
            }
        };
        handle(&record)?;
        consumer.store_offset_from_message(&record)?;
    }
    // The consumer is dropped: what is stored is committed, and the group is left.
    Ok(())
}
