//! The status page, /status.json, /config and `ringpost top` of the real binary. docs/status.md describes them; a test here holds that
//! page against what is answered.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use support::ringpost::{Client, Ringpost};

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(20);

/// What would be a secret, wherever it is configured.
const SECRET: &str = "hunter2";

/// An answer of an admin listener.
struct Page {
    code: u16,
    head: String,
    body: String,
}

fn get(admin: &str, path: &str) -> Page {
    request(admin, "GET", path, "127.0.0.1")
}

fn request(admin: &str, method: &str, path: &str, host: &str) -> Page {
    let mut stream = TcpStream::connect(admin).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    Page {
        code: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

fn status(admin: &str) -> Value {
    let page = get(admin, "/status.json");
    assert_eq!(page.code, 200, "{}", page.body);
    serde_json::from_str(&page.body).unwrap()
}

/// The status once this is so.
fn status_when(admin: &str, what: &str, so: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let status = status(admin);
        if so(&status) {
            return status;
        }
        assert!(Instant::now() < end, "{what}: {status:#}");
        std::thread::sleep(LOOK);
    }
}

/// The member of a list that has this name.
fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let mut members = list.as_array().expect("a list").iter();
    let found = members.find(|member| member["name"] == name || member["reason"] == name);
    found.unwrap_or_else(|| panic!("{name} in {list:#}"))
}

/// `ringpost top` with these flags, to its end.
fn top(flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .arg("top")
        .args(flags)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts")
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

/// A server with a certificate and listeners of every kind.
fn server_with_tls() -> (Ringpost, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    std::fs::write(place.join("mx.key"), key.serialize_pem()).unwrap();
    std::fs::write(place.join("mx.pem"), certificate.pem()).unwrap();
    let place = place.to_str().unwrap();
    let config = format!(
        "[server]\nlisten_tls = [\"127.0.0.1:0\"]\n[recipients]\ndomains = [\"mx.example\"]\n\
         [tls]\ncertificate = \"{place}/mx.pem\"\nkey = \"{place}/mx.key\"\n"
    );
    (Ringpost::configured(&config, &[]), folder)
}

#[test]
fn the_status_says_what_the_server_does() {
    let (server, _folder) = server_with_tls();
    let smtp = server.smtp.split(',').next().unwrap();
    let mut client = Client::connect(smtp).unwrap();
    client.say("EHLO client.example").unwrap();
    client.deliver(b"Subject: x\r\n\r\nbody\r\n").unwrap();
    client.say("MAIL FROM:<a@client.example>").unwrap();
    let refused = client.say("RCPT TO:<a@elsewhere.example>").unwrap();
    assert!(refused.starts_with("550"), "{refused}");
    let status = status_when(&server.admin, "the topic is known", |status| {
        status["storage"]["topics"][0]["partitions"].is_u64()
    });
    assert_eq!(status["command"], "serve");
    assert_eq!(status["hostname"], "mx.example");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["pid"], server.child.id());
    assert_eq!(
        (&status["ready"], &status["reason"]),
        (&true.into(), &Value::Null)
    );
    let stored = named(&status["flows"], "stored");
    assert_eq!(stored["total"], 1.0);
    assert!(stored["per_second"]["last_10s"].as_f64().unwrap() > 0.0);
    let ack = named(&status["latencies"], "ack");
    assert_eq!(ack["last_1m"]["count"], 1.0);
    assert!(ack["last_1m"]["p99"].as_f64().unwrap() > 0.0);
    let refusal = named(&status["refusals"], "relay_denied");
    assert_eq!(refusal["total"], 1.0);
    refusal["last"]
        .as_str()
        .unwrap()
        .parse::<jiff::Timestamp>()
        .unwrap();
    let connections = named(&status["limits"], "limits.connections");
    assert_eq!(
        (&connections["used"], &connections["most"]),
        (&1.0.into(), &50_000.0.into())
    );
    let [clear, tls] = &status["listeners"].as_array().unwrap()[..] else {
        panic!("{status:#}")
    };
    assert_eq!((&clear["open"], &clear["open_tls"]), (&1.into(), &0.into()));
    assert_eq!(
        (&clear["speaks"], &tls["speaks"]),
        (&"clear+STARTTLS".into(), &"TLS".into())
    );
    assert_eq!(status["certificates"][0]["names"][0], "mx.example");
    assert!(status["certificates"][0]["days_left"].as_f64().unwrap() > 0.0);
    assert_eq!(status["storage"]["keeps"], "memory");
    assert_eq!(status["storage"]["topics"][0]["name"], "mail");
    drop(client);
    status_when(&server.admin, "the session ends", |status| {
        status["listeners"][0]["open"] == 0
    });
}

#[test]
fn a_session_that_starts_tls_counts_as_encrypted() {
    let (server, folder) = server_with_tls();
    let smtp = server.smtp.split(',').next().unwrap();
    let mut client = Client::connect(smtp).unwrap();
    client.say("EHLO client.example").unwrap();
    assert!(client.say("STARTTLS").unwrap().starts_with("220"));
    let mut roots = rustls::RootCertStore::empty();
    let pem = std::fs::read(folder.path().join("mx.pem")).unwrap();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "mx.example".try_into().unwrap();
    let mut tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = client.0.into_inner();
    tls.complete_io(&mut stream).unwrap();
    status_when(&server.admin, "it is encrypted", |status| {
        (
            &status["listeners"][0]["open"],
            &status["listeners"][0]["open_tls"],
        ) == (&1.into(), &1.into())
    });
    drop(stream);
    status_when(&server.admin, "it ends", |status| {
        (
            &status["listeners"][0]["open"],
            &status["listeners"][0]["open_tls"],
        ) == (&0.into(), &0.into())
    });
}

#[test]
fn the_page_says_the_same_and_obeys_no_client() {
    let (server, _folder) = server_with_tls();
    let smtp = server.smtp.split(',').next().unwrap();
    let mut client = Client::connect(smtp).unwrap();
    client.say("EHLO <script>alert(1)</script>").unwrap();
    client.say("MAIL FROM:<a@client.example>").unwrap();
    client
        .say("RCPT TO:<\"<img src=x>\"@elsewhere.example>")
        .unwrap();
    status_when(&server.admin, "it is ready", |status| {
        status["ready"] == true
    });
    let page = get(&server.admin, "/");
    assert_eq!(page.code, 200);
    for part in [
        "ringpost serve",
        "mx.example",
        "<strong>Ready</strong>",
        "relay_denied",
        "clear+STARTTLS",
        "limits.connections",
        "prefers-color-scheme: dark",
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    assert!(
        page.head
            .contains("content-security-policy: default-src 'none'; ")
    );
    assert!(
        page.head.contains("cache-control: no-store"),
        "{}",
        page.head
    );
    assert!(!page.body.contains("<script") && !page.body.contains("<img"));
    assert_eq!(request(&server.admin, "POST", "/", "localhost").code, 405);
    let rebound = request(&server.admin, "GET", "/config", "rebound.example");
    assert_eq!(rebound.code, 421, "{}", rebound.body);
}

#[test]
fn the_configuration_is_shown_without_a_secret_of_any_kind() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    std::fs::create_dir(folder.path().join("objects")).unwrap();
    std::fs::write(
        folder.path().join("kafka.properties"),
        format!(
            "sasl.username=ringpost\nsasl.password={SECRET}-file\nssl.key.password={SECRET}-key\n"
        ),
    )
    .unwrap();
    let keys = [7; 32];
    let encoded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, keys);
    std::fs::write(folder.path().join("ticket.keys"), format!("{encoded}\n")).unwrap();
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    std::fs::write(folder.path().join("mx.key"), key.serialize_pem()).unwrap();
    std::fs::write(folder.path().join("mx.pem"), certificate.pem()).unwrap();
    let config = format!(
        "[kafka]\nproperties_file = \"{place}/kafka.properties\"\n\
         [kafka.properties]\n\"sasl.oauthbearer.client.secret\" = \"{SECRET}-oauth\"\n\
         [tls]\ncertificate = \"{place}/mx.pem\"\nkey = \"{place}/mx.key\"\nticket_keys = \"{place}/ticket.keys\"\n\
         [objects]\nurl = \"s3://bucket/mail\"\n\
         [objects.options]\nendpoint = \"http://user:{SECRET}-url@127.0.0.1:1\"\nallow_http = \"true\"\n\
         access_key_id = \"{SECRET}-id\"\nsecret_access_key = \"{SECRET}-store\"\nsession_token = \"{SECRET}-token\"\n"
    );
    std::fs::write(folder.path().join("ringpost.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
    command
        .env(
            "RINGPOST_KAFKA_PROPERTIES",
            format!("ssl.keystore.password={SECRET}-environment"),
        )
        .env("AWS_SECRET_ACCESS_KEY", format!("{SECRET}-aws"));
    let file = format!("{place}/ringpost.toml");
    // A broker that is not there: what is configured for it is shown, and nothing of it is needed.
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let brokers = closed.to_string();
    let server = Ringpost::launch(command, &["--config", &file, "--brokers", &brokers]);
    let page = get(&server.admin, "/config");
    assert_eq!(page.code, 200);
    assert!(
        page.head.contains("content-type: text/plain"),
        "{}",
        page.head
    );
    for line in [
        "hostname = \"mx.example\"  # flag --hostname",
        "url = \"s3://bucket/mail\"",
        "\"sasl.username\" = ",
        "\"sasl.password\" = \"********\"",
        "\"ssl.keystore.password\" = \"********\"",
        "secret_access_key = \"********\"",
    ] {
        assert!(page.body.contains(line), "{line}: {}", page.body);
    }
    for path in ["/config", "/", "/status.json", "/metrics", "/readyz"] {
        let shown = get(&server.admin, path).body;
        assert!(!shown.contains(SECRET), "{path}: {shown}");
        assert!(!shown.contains(&encoded), "{path}: {shown}");
    }
    let printed = top(&["--once", "--admin", &server.admin]);
    assert!(!text(&printed.stdout).contains(SECRET));
}

#[test]
fn storage_that_is_away_is_said_with_its_reason_on_every_page() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let brokers = closed.to_string();
    let server = Ringpost::start(&["--brokers", &brokers, "--domain", "mx.example"]);
    let status = status_when(&server.admin, "it is away, and was said so", |status| {
        let is_listed = |list: &Value| list.as_array().is_some_and(|list| !list.is_empty());
        status["storage"]["away_since"].is_string()
            && is_listed(&status["log"])
            && is_listed(&status["storage"]["brokers"])
    });
    let reason = status["reason"].as_str().unwrap();
    assert!(reason.contains(&brokers), "{reason}");
    assert_eq!(status["ready"], false);
    assert_eq!(status["storage"]["away"], true);
    assert_eq!(status["storage"]["brokers"][0]["address"], brokers);
    assert_ne!(status["storage"]["brokers"][0]["state"], "UP");
    let page = get(&server.admin, "/").body;
    assert!(
        page.contains("Not ready") && page.contains("Away since"),
        "{page}"
    );
    let printed = top(&["--once", "--admin", &server.admin]);
    let printed = text(&printed.stdout);
    assert!(printed.contains("Not ready: "), "{printed}");
    assert!(printed.contains("Errors and warnings"), "{printed}");
}

#[test]
fn top_prints_what_the_page_says_and_ends_as_the_other_commands_do() {
    let server = Ringpost::start(&[]);
    let mut client = server.client().unwrap();
    client.deliver(b"Subject: x\r\n\r\nbody\r\n").unwrap();
    status_when(&server.admin, "it is ready", |status| {
        status["ready"] == true
    });
    for flags in [&["--once"][..], &[], &["--format", "text"]] {
        let flags: Vec<&str> = ["--admin", &server.admin]
            .iter()
            .chain(flags)
            .copied()
            .collect();
        let printed = top(&flags);
        assert_eq!(printed.status.code(), Some(0), "{printed:?}");
        let printed = text(&printed.stdout);
        for part in [
            "ringpost serve  mx.example",
            "\nReady\n",
            "Messages stored (250)",
            "\nSessions\n",
        ] {
            assert!(printed.contains(part), "{part}: {printed}");
        }
        assert!(!printed.contains('\u{1b}'), "{printed}");
    }
    let url = format!("http://{}/", server.admin);
    let printed = top(&["--admin", &url, "--format", "json"]);
    let json: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(json["command"], "serve");
    for (flags, code, part) in [
        (
            &["--admin", "127.0.0.1:1"][..],
            1,
            "no answer from 127.0.0.1:1",
        ),
        (&["--admin", "nowhere"], 2, "--admin"),
        (&["--interval", "1ms"], 2, "--interval"),
        (&["--format", "xml"], 2, "--format"),
        (&["--admin", &server.smtp], 1, "no answer from"),
    ] {
        let ended = top(flags);
        assert_eq!(ended.status.code(), Some(code), "{flags:?}: {ended:?}");
        let said = text(&ended.stderr);
        assert!(said.contains(part) && ended.stdout.is_empty(), "{said}");
    }
}

/// Every name of the JSON is described, so that it cannot change unnoticed.
#[test]
fn the_page_in_the_documentation_names_every_member() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/status.md")).unwrap();
    let (server, _folder) = server_with_tls();
    let mut client = Client::connect(server.smtp.split(',').next().unwrap()).unwrap();
    client.say("EHLO client.example").unwrap();
    client.say("BOGUS").unwrap();
    let status = status_when(&server.admin, "a broker is known", |status| {
        status["storage"]["brokers"][0].is_object()
    });
    let mut missing = Vec::new();
    members(&status, &mut |name| {
        if !page.contains(&format!("`{name}`")) {
            missing.push(name.to_owned());
        }
    });
    assert!(
        missing.is_empty(),
        "docs/status.md does not name {missing:?}"
    );
    // What people and programs look for by its name.
    for list in ["flows", "latencies", "levels"] {
        for row in status[list].as_array().unwrap() {
            let name = row["name"].as_str().unwrap();
            assert!(
                page.contains(&format!("`{name}`")),
                "docs/status.md: {list}: {name}"
            );
        }
    }
}

fn members(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::Object(all) => {
            for (name, value) in all {
                each(name);
                members(value, each);
            }
        }
        Value::Array(all) => all.iter().for_each(|value| members(value, each)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
