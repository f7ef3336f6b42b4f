//! `docs/record.asyncapi.json` describes the records that ringpost writes: real ones fit it, and it names every attribute that there is.

mod support;

#[path = "record/schema.rs"]
mod schema;

use std::collections::BTreeSet;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use ringpost::authenticate::output::ATTRIBUTES;
use ringpost::authenticate::word::Word;
use ringpost_proto::mail::header;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use schema::Description;
use serde_json::{Map, Value, json};
use support::ringpost::Ringpost;
use support::topic::{Received, read_topic};

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Attributes whose text is a client's, so that any text fits.
const ANY_TEXT: [&str; 2] = [header::FROM, header::HELO];

/// A server that gives every attribute a reason, and the folder of its certificate and objects.
fn server() -> (Ringpost, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let key = KeyPair::generate().unwrap();
    let names = vec!["mx.example".to_owned()];
    let certificate = CertificateParams::new(names).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    std::fs::write(folder.path().join("mx.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.path().join("mx.key"), key.serialize_pem()).unwrap();
    std::fs::create_dir(folder.path().join("objects")).unwrap();
    let text = format!(
        "[server]\nworkers = 1\nlisten_tls = [\"127.0.0.1:0\"]\nlisten_proxy = [\"127.0.0.1:0\"]\n\
         proxy_networks = [\"127.0.0.1\"]\nbare_newlines = \"accept\"\n\
         [tls]\ncertificate = \"{path}/mx.pem\"\nkey = \"{path}/mx.key\"\n\
         [kafka]\nsplit = \"recipient\"\n[objects]\nurl = \"file://{path}/objects\"\nabove = \"64KiB\"\n"
    );
    (Ringpost::configured(&text, &[]), folder)
}

/// A connection that trusts the server's certificate.
fn secure(address: &str, folder: &tempfile::TempDir) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(folder.path().join("mx.pem")).unwrap();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("mx.example").unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(client, connect(address))
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Says these lines, each with the beginning of its reply, after what comes before the banner.
fn dialogue(mut stream: impl Read + Write, before: &str, lines: &[(&str, &str)]) {
    stream.write_all(before.as_bytes()).unwrap();
    stream.flush().unwrap();
    let mut stream = BufReader::new(stream);
    assert!(reply(&mut stream).starts_with("220"));
    for (line, code) in lines {
        let text = format!("{line}\r\n");
        stream.get_mut().write_all(text.as_bytes()).unwrap();
        stream.get_mut().flush().unwrap();
        let reply = reply(&mut stream);
        assert!(reply.starts_with(code), "{line:?}: {reply}");
    }
}

/// The last line of the next reply.
fn reply(stream: &mut impl std::io::BufRead) -> String {
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "a reply is due");
        if line.as_bytes()[3] == b' ' {
            return line.trim_end().to_owned();
        }
    }
}

/// Mails by every way that a record can differ.
fn records() -> Vec<Received> {
    let (ringpost, folder) = server();
    let addresses: Vec<&str> = ringpost.smtp.split(',').collect();
    let [clear, tls, proxy] = addresses[..] else {
        panic!("three listeners: {addresses:?}");
    };
    let small = "Subject: small\r\n\r\nx\r\n.";
    dialogue(
        connect(clear),
        "",
        &[
            ("HELO My Printer [ü]", "250"),
            ("MAIL FROM:<>", "250"),
            ("RCPT TO:<Postmaster>", "250"),
            ("DATA", "354"),
            (small, "250"),
        ],
    );
    dialogue(
        secure(tls, &folder),
        "",
        &[
            ("EHLO client.example", "250"),
            (
                "MAIL FROM:<\"a\\\"b, c\"@client.example> BODY=8BITMIME",
                "250",
            ),
            ("RCPT TO:<\"[]\\\"{},\"@mx.example>", "250"),
            ("RCPT TO:<b@[IPv6:2001:db8::1]>", "250"),
            ("DATA", "354"),
            ("bare\nnewline\r\n.", "250"),
        ],
    );
    let large = format!(
        "BDAT 70002 LAST\r\nSubject: large\r\n\r\n{}",
        "x".repeat(69_984)
    );
    dialogue(
        connect(proxy),
        "PROXY TCP6 2001:db8::1 2001:db8::2 4711 25\r\n",
        &[
            ("EHLO client.example", "250"),
            (
                "MAIL FROM:<jörg@bücher.example> SMTPUTF8 BODY=BINARYMIME",
                "250",
            ),
            ("RCPT TO:<søren@example.org>", "250"),
            (&large, "250"),
        ],
    );
    let records = read_topic(&ringpost.kafka, "mail");
    assert_eq!(records.len(), 4, "a record for each recipient");
    records
}

fn headers(record: &Received) -> Value {
    let headers = record.headers();
    let headers: Map<String, Value> = headers
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect();
    Value::Object(headers)
}

#[test]
fn real_records_fit_the_description() {
    let description = Description::read();
    let schema = description.headers("mailReceived");
    let mut written = BTreeSet::new();
    for record in records() {
        let headers = headers(&record);
        let wrong = description.violations(schema, &headers);
        assert!(wrong.is_empty(), "{wrong:?}: {headers}");
        let to = headers[header::TO].as_str().unwrap();
        let to: Result<Vec<String>, _> = serde_json::from_str(to);
        assert!(to.is_ok_and(|to| to.len() == 1), "{headers}");
        let size: usize = record.header(header::SIZE).parse().unwrap();
        assert!(headers.get(header::DATAREF).is_some() || record.value.len() > size);
        written.extend(headers.as_object().unwrap().keys().cloned());
    }
    let all: BTreeSet<String> = header::ALL.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(written, all, "these mails have something for every header");
    let described = schema["properties"].as_object().unwrap();
    let described: BTreeSet<String> = described.keys().cloned().collect();
    assert_eq!(described, all, "every header is described");
}

#[test]
fn what_is_not_a_record_does_not_fit() {
    let description = Description::read();
    let schema = description.headers("mailReceived");
    let examples = description.examples("mailReceived");
    for example in examples {
        let headers = example["headers"].as_object().unwrap();
        let fits = |headers: Map<String, Value>| {
            let wrong = description.violations(schema, &Value::Object(headers));
            wrong.is_empty()
        };
        assert!(fits(headers.clone()), "{headers:?}");
        let later = [("ce_smtpfuture".to_owned(), Value::from("1"))];
        assert!(fits(headers.clone().into_iter().chain(later).collect()));
        for name in headers.keys() {
            let mut without = headers.clone();
            without.remove(name);
            let optional = [header::TLS, header::BARE_NEWLINES];
            assert_eq!(fits(without), optional.contains(&name.as_str()), "{name}");
            let mut other = headers.clone();
            other.insert(name.clone(), Value::from("\u{7f6e} \n"));
            assert_eq!(fits(other), ANY_TEXT.contains(&name.as_str()), "{name}");
            let mut number = headers.clone();
            number.insert(name.clone(), Value::from(1));
            assert!(!fits(number), "{name} is text");
        }
    }
}

/// The records of derived topics are those of the mail, with attributes that no mail has.
#[test]
fn derived_records_have_what_a_mail_has_and_more() {
    let description = Description::read();
    let verdicts = description.headers("mailAuthenticated")["allOf"][1].clone();
    assert_eq!(verdicts["required"], json!(ATTRIBUTES));
    let described = verdicts["properties"].as_object().unwrap();
    assert_eq!(described.len(), ATTRIBUTES.len());
    for name in ATTRIBUTES {
        let fits = |word: &str| {
            let wrong = description.violations(&described[name], &json!(word));
            wrong.is_empty()
        };
        assert!(Word::ALL.iter().all(|word| fits(word.as_str())), "{name}");
        assert!(!fits("perhaps"), "{name}");
    }
    let headers = description.examples("mailReceived")[0]["headers"].clone();
    for (message, name, value) in [
        ("deadLetter", "ce_forwarderror", "550 5.1.1 no such user"),
        ("mailAuthenticated", "ce_authspf", "pass"),
    ] {
        let schema = description.headers(message);
        assert!(!description.violations(schema, &headers).is_empty());
        let mut more = headers.clone();
        more[name] = Value::from(value);
        for verdict in ATTRIBUTES.into_iter().filter(|&verdict| verdict != name) {
            more[verdict] = Value::from("none");
        }
        let wrong = description.violations(schema, &more);
        assert!(wrong.is_empty(), "{message}: {wrong:?}");
        more.as_object_mut().unwrap().remove(header::ID);
        assert!(!description.violations(schema, &more).is_empty());
    }
}
