//! What an operator changes while brokers run: a topic's configuration, its end, and the rights to it and to groups.
//!
//! Owns the encoding of these requests, in their oldest versions that Kafka 4 takes; the wire is [`super::wire`]'s.
//!
//! Must not know: when a change takes effect; tests wait for that.

use std::io;
use std::net::SocketAddr;

use super::wire::{exchange, malformed, put_length, put_string};

/// Numbers of the protocol guide, "API Keys".
const DELETE_TOPICS: i16 = 20;
const CREATE_ACLS: i16 = 30;
const DELETE_ACLS: i16 = 31;
const INCREMENTAL_ALTER_CONFIGS: i16 = 44;

/// Numbers of resources, patterns, operations and permissions.
const TOPIC: u8 = 2;
const GROUP: u8 = 3;
const CLUSTER: u8 = 4;
const LITERAL: u8 = 3;
const ALL: u8 = 2;
const READ: u8 = 3;
const WRITE: u8 = 4;
const CREATE: u8 = 5;
const DESCRIBE_CONFIGS: u8 = 10;
const DENY: u8 = 2;
const ALLOW: u8 = 3;

/// What a user may do with a topic or as a group.
#[derive(Clone, Copy)]
pub enum Operation {
    Read = 3,
    Write = 4,
    Describe = 8,
    DescribeConfigs = 10,
}

/// Grants a user operations on a topic.
pub fn grant(
    broker: SocketAddr,
    topic: &str,
    user: &str,
    operations: &[Operation],
) -> io::Result<()> {
    let mut body = Vec::new();
    put_length(&mut body, operations.len());
    for &operation in operations {
        put_rule_for(&mut body, (TOPIC, topic), user, operation as u8, ALLOW);
    }
    let answer = exchange(broker, CREATE_ACLS, 1, &body)?;
    code(&answer, 4 + 4)
}

/// Whom a listener without a login takes its clients for.
const EVERYBODY: &str = "User:ANONYMOUS";

/// Ends a topic.
pub fn delete_topic(broker: SocketAddr, topic: &str) -> io::Result<()> {
    let mut body = Vec::new();
    put_length(&mut body, 1);
    put_string(&mut body, topic);
    body.extend_from_slice(&5_000_i32.to_be_bytes());
    let answer = exchange(broker, DELETE_TOPICS, 1, &body)?;
    // Throttle, count, the topic's name with its length; then the code.
    code(&answer, 4 + 4 + 2 + topic.len())
}

/// Sets an entry of a topic's configuration.
pub fn set_config(broker: SocketAddr, topic: &str, name: &str, value: &str) -> io::Result<()> {
    let mut body = Vec::new();
    put_length(&mut body, 1);
    body.push(TOPIC);
    put_string(&mut body, topic);
    put_length(&mut body, 1);
    put_string(&mut body, name);
    body.push(0); // Set.
    put_string(&mut body, value);
    body.push(0); // Not only a validation.
    let answer = exchange(broker, INCREMENTAL_ALTER_CONFIGS, 0, &body)?;
    code(&answer, 4 + 4)
}

/// Denies everybody to write to a topic, and allows all else.
pub fn deny_writing(broker: SocketAddr, topic: &str) -> io::Result<()> {
    let mut body = Vec::new();
    put_length(&mut body, 2);
    for (operation, permission) in [(ALL, ALLOW), (WRITE, DENY)] {
        put_rule(&mut body, topic, operation, permission);
    }
    let answer = exchange(broker, CREATE_ACLS, 1, &body)?;
    code(&answer, 4 + 4)
}

/// Denies everybody to read as a group.
pub fn deny_group(broker: SocketAddr, group: &str) -> io::Result<()> {
    let mut body = Vec::new();
    put_length(&mut body, 1);
    put_rule_of(&mut body, GROUP, group, ALL, DENY);
    let answer = exchange(broker, CREATE_ACLS, 1, &body)?;
    code(&answer, 4 + 4)
}

/// Denies everybody to read a topic, and allows all else.
pub fn deny_reading(broker: SocketAddr, topic: &str) -> io::Result<()> {
    let mut body = Vec::new();
    put_length(&mut body, 2);
    for (operation, permission) in [(ALL, ALLOW), (READ, DENY)] {
        put_rule(&mut body, topic, operation, permission);
    }
    let answer = exchange(broker, CREATE_ACLS, 1, &body)?;
    code(&answer, 4 + 4)
}

/// Denies everybody to read a topic's configuration, and allows all else.
pub fn deny_describing_configs(broker: SocketAddr, topic: &str) -> io::Result<()> {
    let mut body = Vec::new();
    put_length(&mut body, 2);
    for (operation, permission) in [(ALL, ALLOW), (DESCRIBE_CONFIGS, DENY)] {
        put_rule(&mut body, topic, operation, permission);
    }
    let answer = exchange(broker, CREATE_ACLS, 1, &body)?;
    code(&answer, 4 + 4)
}

/// Takes that back.
pub fn allow_describing_configs(broker: SocketAddr, topic: &str) -> io::Result<()> {
    let mut body = Vec::new();
    put_length(&mut body, 1);
    put_rule(&mut body, topic, DESCRIBE_CONFIGS, DENY);
    let answer = exchange(broker, DELETE_ACLS, 1, &body)?;
    code(&answer, 4 + 4)
}

/// Denies everybody to create topics by a right to the cluster, and this one by its own.
pub fn deny_creating(broker: SocketAddr, topic: &str) -> io::Result<()> {
    let mut body = Vec::new();
    put_length(&mut body, 4);
    put_rule(&mut body, topic, ALL, ALLOW);
    put_rule_of(&mut body, CLUSTER, "kafka-cluster", ALL, ALLOW);
    put_rule_of(&mut body, CLUSTER, "kafka-cluster", CREATE, DENY);
    put_rule(&mut body, topic, CREATE, DENY);
    let answer = exchange(broker, CREATE_ACLS, 1, &body)?;
    code(&answer, 4 + 4)
}

/// Takes that back.
pub fn allow_writing(broker: SocketAddr, topic: &str) -> io::Result<()> {
    let mut body = Vec::new();
    put_length(&mut body, 1);
    put_rule(&mut body, topic, WRITE, DENY);
    let answer = exchange(broker, DELETE_ACLS, 1, &body)?;
    code(&answer, 4 + 4)
}

fn put_rule(body: &mut Vec<u8>, topic: &str, operation: u8, permission: u8) {
    put_rule_of(body, TOPIC, topic, operation, permission);
}

fn put_rule_of(body: &mut Vec<u8>, kind: u8, name: &str, operation: u8, permission: u8) {
    put_rule_for(body, (kind, name), EVERYBODY, operation, permission);
}

fn put_rule_for(
    body: &mut Vec<u8>,
    (kind, name): (u8, &str),
    user: &str,
    operation: u8,
    permission: u8,
) {
    body.push(kind);
    put_string(body, name);
    body.push(LITERAL);
    put_string(body, user);
    put_string(body, "*");
    body.extend_from_slice(&[operation, permission]);
}

/// The error code at a place of an answer.
fn code(answer: &[u8], at: usize) -> io::Result<()> {
    match answer.get(at..at + 2) {
        Some([0, 0]) => Ok(()),
        Some(code) => Err(malformed(format!("error {code:?}"))),
        None => Err(malformed("the answer ends early")),
    }
}
