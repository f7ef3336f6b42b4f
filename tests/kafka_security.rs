//! Real Apache Kafka with TLS, certificates of clients, logins and rights: what docs/kafka-security.md shows works, and what is
//! wrong is named with its cause and its fix by `check` and by the log. No secret is printed anywhere.
//!
//! The tests take their properties out of the examples of that page.

mod support;
#[path = "kafka_security/tokens.rs"]
mod tokens;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use support::kafka::{self, Cluster, Listener, Operation, Skip};
use support::ringpost::{Client, Ringpost, promised};
use tokens::{Endpoint, Signer};

/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(120);

/// How every secret of these tests begins.
const MARK: &str = "hunter2";
const PAGE: &str = include_str!("../docs/kafka-security.md");

fn signer() -> &'static Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER.get_or_init(Signer::new)
}

/// One broker for all tests of this file that leave it alone.
fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: kafka::Shared = kafka::Shared::new();
    let started = CLUSTER.get_or_init(start);
    match started {
        Ok(cluster) => Some(cluster),
        Err(skip) => {
            support::skips::say(&skip.to_string());
            None
        }
    }
}

fn start() -> Result<Cluster, Skip> {
    // The broker reads it at its start; the folder goes with the process's temporary files.
    let folder = tempfile::tempdir().unwrap().keep();
    let keys = folder.join("jwks.json");
    signer().publish(&keys);
    let cluster = Cluster::start_secure(1, Some(&keys), "")?;
    std::fs::remove_dir_all(folder).unwrap();
    Ok(cluster)
}

/// The first block of properties after a heading of the page.
fn example(heading: &str) -> &'static str {
    let start = format!("\n## {heading}\n");
    let (_, rest) = PAGE
        .split_once(&start)
        .unwrap_or_else(|| panic!("no section {heading}"));
    let (_, rest) = rest.split_once("```properties\n").expect("an example");
    rest.split_once("```").expect("the end of the example").0
}

/// An example of the page for this cluster and this endpoint.
fn fitted(cluster: &Cluster, heading: &str, endpoint: &str) -> String {
    let mut text = example(heading).to_owned();
    for name in ["ca.pem", "client.pem", "client.key"] {
        let file = cluster.tls_file(name);
        text = text.replace(
            &format!("/etc/ringpost/kafka/{name}"),
            file.to_str().unwrap(),
        );
    }
    text.replace("https://idp.example.net/oauth2/token", endpoint)
        .replace("sasl.password=REPLACE", "sasl.password=hunter2-kafka")
        .replace(
            "client.secret=REPLACE",
            &format!("client.secret={}", tokens::SECRET),
        )
}

/// A folder with a file of properties, a configuration that names it, and a log.
struct Place {
    folder: tempfile::TempDir,
    brokers: String,
    topic: String,
}

impl Place {
    fn new(brokers: &str, topic: &str, properties: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Self {
            folder,
            brokers: brokers.to_owned(),
            topic: topic.to_owned(),
        };
        place.write(properties);
        let text = format!(
            "[server]\nworkers = 1\n[log]\nlevel = \"debug\"\n[kafka]\nbrokers = \"{brokers}\"\ntopic = \"{topic}\"\n\
             properties_file = {:?}\ndelivery_timeout = \"5s\"\n",
            place.path("kafka.properties")
        );
        std::fs::write(place.path("ringpost.toml"), text).unwrap();
        place
    }

    /// Sets the file of properties.
    fn write(&self, properties: &str) {
        let path = self.path("kafka.properties");
        std::fs::write(&path, properties).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn toml(&self) -> String {
        self.path("ringpost.toml").to_str().unwrap().to_owned()
    }

    /// The exit code and all that a command prints; none of it is a secret.
    fn run(&self, command: &str, flags: &[&str]) -> (Option<i32>, String) {
        let output = program()
            .args([command, "--config", &self.toml()])
            .env("NO_PROXY", "127.0.0.1")
            .args(flags)
            .stdin(Stdio::null())
            .output()
            .expect("the binary starts");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains(MARK), "{text}");
        (output.status.code(), text)
    }

    fn check(&self) -> (Option<i32>, String) {
        self.run("check", &[])
    }

    /// Asks until rights that were granted a moment ago are in force.
    fn check_until_writable(&self) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let (code, output) = self.check();
            if code == Some(0) && output.contains("ok       write") {
                return output;
            }
            assert!(Instant::now() < end, "{output}");
        }
    }

    /// What `check` says of the brokers, which it does not reach.
    fn broken(&self) -> String {
        let (code, output) = self.check();
        assert_eq!(code, Some(1), "{output}");
        let line = output
            .lines()
            .find_map(|line| line.strip_prefix("failed   brokers      "));
        line.unwrap_or_else(|| panic!("{output}")).to_owned()
    }

    /// Starts a server whose log is a file.
    fn serve(&self) -> Ringpost {
        let mut command = program();
        command.env("NO_PROXY", "127.0.0.1");
        command.stderr(std::fs::File::create(self.path("log")).unwrap());
        Ringpost::launch_heard(command, &["--config", &self.toml()])
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap()
    }

    /// Waits for a line of the log with these words.
    fn logged(&self, words: &[&str]) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            let found = log
                .lines()
                .find(|line| words.iter().all(|word| line.contains(word)));
            if let Some(line) = found {
                return line.to_owned();
            }
            assert!(Instant::now() < end, "{words:?}:\n{}", tail(&log));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Nothing that the server has written has a secret in it, and its command line has none.
    fn assert_discreet(&self, ringpost: &Ringpost, secrets: &[String]) {
        let line = std::fs::read(format!("/proc/{}/cmdline", ringpost.child.id())).unwrap();
        for text in [self.log(), String::from_utf8_lossy(&line).into_owned()] {
            for secret in secrets.iter().map(String::as_str).chain([MARK]) {
                let shown = text.lines().find(|line| line.contains(secret));
                assert_eq!(shown, None);
            }
        }
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

const MAIL: &[u8] = b"Subject: secured\r\n\r\nbody\r\n";

/// The reply that decides: to the message, or to what comes before it. A connection that is closed instead counts as a 421.
fn send(ringpost: &Ringpost) -> String {
    attempt(ringpost).unwrap_or_else(|error| format!("421 {error}"))
}

fn attempt(ringpost: &Ringpost) -> std::io::Result<String> {
    let mut client = Client::connect(&ringpost.smtp)?;
    for line in [
        "EHLO client.example",
        "MAIL FROM:<a@client.example>",
        "RCPT TO:<b@mx.example>",
        "DATA",
    ] {
        let reply = client.say(line)?;
        if !reply.starts_with(['2', '3']) {
            return Ok(reply);
        }
    }
    client.write(&[MAIL, b".\r\n"].concat())?;
    client.reply()
}

fn is_refused(reply: &str) -> bool {
    reply.starts_with('4')
}

/// Sends until a reply is one that is waited for.
fn send_until(place: &Place, ringpost: &Ringpost, wanted: impl Fn(&str) -> bool) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let reply = send(ringpost);
        if wanted(&reply) {
            return reply;
        }
        assert!(Instant::now() < end, "{reply}\n{}", tail(&place.log()));
    }
}

fn is_stored(reply: &str) -> bool {
    promised(reply).is_some()
}

/// Everything that ringpost asks for, and what `consume` does.
const RIGHTS: [Operation; 4] = [
    Operation::Read,
    Operation::Write,
    Operation::Describe,
    Operation::DescribeConfigs,
];

/// A topic that the user of these tests has all rights to.
/// The binary, without the variables that tests are run with: it warns of each that it does not know.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
    for name in ["RINGPOST_REQUIRE_KAFKA", "RINGPOST_REQUIRE_TOOLS"] {
        command.env_remove(name);
    }
    command
}

fn topic(cluster: &Cluster, name: &str) {
    cluster.create_topic(name, 1, 1, &[]);
    cluster.grant(name, "ringpost", &RIGHTS);
}

/// The example of a section works: `check` is content, mail is stored, and `consume` reads it. With librdkafka's own lines, no
/// secret is printed.
fn works(heading: &str, listener: Listener, name: &str) {
    let Some(cluster) = cluster() else { return };
    let endpoint = Endpoint::start(signer(), 3600);
    let properties = fitted(cluster, heading, &endpoint.url);
    topic(cluster, name);
    let loud = format!("{properties}debug=all\n");
    let place = Place::new(&cluster.listener(0, listener), name, &loud);
    place.check_until_writable();
    let ringpost = place.serve();
    let reply = send(&ringpost);
    let id = promised(&reply).unwrap_or_else(|| panic!("{reply}\n{}", tail(&place.log())));
    place.assert_discreet(&ringpost, &endpoint.tokens());
    place.write(&properties);
    let (code, output) = place.run("consume", &["--until-end", "--format", "json"]);
    assert_eq!(code, Some(0), "{output}");
    assert!(
        output.contains(&id) && output.lines().count() == 1,
        "{output}"
    );
    // The same without a configuration.
    let file = place.path("kafka.properties");
    let flags = ["--properties-file", file.to_str().unwrap()];
    let output = program()
        .args([
            "consume",
            "--brokers",
            &place.brokers,
            "--topic",
            &place.topic,
        ])
        .args(["--until-end", "--format", "eml", "--count", "1"])
        .args(flags)
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap();
    assert!(output.stdout.ends_with(MAIL), "{output:?}");
}

#[test]
fn tls_works() {
    works("TLS", Listener::Tls, "tls");
}

#[test]
fn mutual_tls_works() {
    works("Mutual TLS", Listener::MutualTls, "mutual-tls");
}

#[test]
fn plain_works() {
    works("PLAIN", Listener::SaslTls, "plain");
}

#[test]
fn scram_sha_256_works() {
    let heading = "SCRAM-SHA-256 and SCRAM-SHA-512";
    works(heading, Listener::SaslTls, "scram-256");
}

#[test]
fn scram_sha_512_works_and_in_clear_text() {
    let Some(cluster) = cluster() else { return };
    topic(cluster, "scram-512");
    let properties = "security.protocol=SASL_PLAINTEXT\nsasl.mechanisms=SCRAM-SHA-512\nsasl.username=ringpost\nsasl.password=hunter2-kafka\n";
    let place = Place::new(
        &cluster.listener(0, Listener::Sasl),
        "scram-512",
        properties,
    );
    place.check_until_writable();
    let ringpost = place.serve();
    assert!(is_stored(&send(&ringpost)));
}

#[test]
fn oauthbearer_works() {
    works("OAUTHBEARER", Listener::SaslTls, "oauthbearer");
}

#[test]
fn what_does_not_fit_is_named_with_its_fix() {
    let Some(cluster) = cluster() else { return };
    use Listener::{MutualTls, Sasl, SaslTls, Stranger, Tls};
    let endpoint = Endpoint::start(signer(), 3600);
    let of = |heading| fitted(cluster, heading, &endpoint.url);
    let (tls, plain) = (of("TLS"), of("PLAIN"));
    let (mutual, tokens) = (of("Mutual TLS"), of("OAUTHBEARER"));
    let other_ca = |text: &str| {
        let (right, wrong) = (cluster.tls_file("ca.pem"), cluster.tls_file("other-ca.pem"));
        text.replace(right.to_str().unwrap(), wrong.to_str().unwrap())
    };
    let clear = |text: &str| text.replace("sasl_ssl", "sasl_plaintext");
    let without = |text: &str, part: &str| {
        let lines = text.lines().filter(|line| !line.contains(part));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let wrong = |text: &str| text.replace("hunter2-", "hunter2-wrong-");
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/token", listener.local_addr().unwrap())
    };
    for (name, listener, properties, words) in [
        ("another CA", Tls, other_ca(&tls), "set ssl.ca.location"),
        (
            "no CA",
            Tls,
            without(&tls, "ca.location"),
            "set ssl.ca.location",
        ),
        ("another host", Stranger, tls.clone(), "is not for 127."),
        (
            "no certificate",
            MutualTls,
            tls.clone(),
            "set ssl.certificate.location and ssl.key.location",
        ),
        (
            "clear to TLS",
            Tls,
            String::new(),
            "speaks TLS: set security.protocol",
        ),
        (
            "TLS to a login in clear",
            Sasl,
            tls.clone(),
            "does not speak TLS: set security.protocol",
        ),
        (
            "a login in clear to TLS",
            SaslTls,
            clear(&plain),
            "speaks TLS: set security.protocol",
        ),
        ("no login", SaslTls, tls.clone(), "security.protocol"),
        (
            "a login to mutual TLS",
            MutualTls,
            format!(
                "{}{}",
                without(&mutual, "security.protocol"),
                without(&plain, "ca.location")
            ),
            "accepts no login",
        ),
        (
            "another password",
            SaslTls,
            wrong(&plain),
            "Invalid username or password; check sasl.*",
        ),
        (
            "another mechanism",
            Sasl,
            clear(&tokens),
            "does not take the login of sasl.mechanism, but PLAIN,",
        ),
        (
            "another secret",
            SaslTls,
            wrong(&tokens),
            "/oauth2/token answers 401 Unauthorized (invalid_client: unknown client); check sasl.oauthbearer.client.id",
        ),
        (
            "no endpoint",
            SaslTls,
            tokens.replace(&endpoint.url, &closed),
            "/token cannot be reached",
        ),
        (
            "unsigned token",
            SaslTls,
            format!(
                "{}enable.sasl.oauthbearer.unsecure.jwt=true\nsasl.oauthbearer.config=principal=ringpost\n",
                without(&tokens, "sasl.oauthbearer")
            ),
            "refuses the token of OAUTHBEARER",
        ),
    ] {
        let place = Place::new(&cluster.listener(0, listener), "none", &properties);
        let line = place.broken();
        assert!(line.contains(words), "{name}: {line}");
        eprintln!("{name}: {line}");
    }
    // The log says the same.
    for (properties, words) in [
        (wrong(&plain), "refuses the login: "),
        (other_ca(&plain), "set ssl.ca.location"),
        (wrong(&tokens), "answers 401 Unauthorized"),
    ] {
        let loud = format!("{properties}debug=all\n");
        let place = Place::new(&cluster.listener(0, SaslTls), "none", &loud);
        let ringpost = place.serve();
        place.logged(&["storage away since", words]);
        assert!(is_refused(&send(&ringpost)));
        place.assert_discreet(&ringpost, &[]);
    }
}

#[test]
fn a_mistake_in_a_secret_shows_no_secret() {
    for (properties, words) in [
        ("sasl.pasword=hunter2", "did you mean sasl.password?"),
        ("ssl.key.passwort=hunter2", "did you mean ssl.key.password?"),
        (
            "sasl.oauthbearer.client.secert=hunter2",
            "did you mean sasl.oauthbearer.client.secret?",
        ),
        ("hunter2", "has no ="),
        ("security.protocol=hunter2", "are allowed"),
        ("sasl.mechanism=hunter2", "are allowed"),
        (
            "sasl.mechanism=GSSAPI\nsasl.kerberos.keytab=hunter2",
            "GSSAPI (Kerberos), which is not built in",
        ),
        (
            "security.protocol=sasl_ssl\nsasl.password=hunter2",
            "its default, GSSAPI (Kerberos), is not built in",
        ),
        ("security.protocol=ssl\nssl.key.pem=hunter2", "ssl.key.pem"),
        (
            "security.protocol=ssl\nssl.keystore.location=/etc/hostname\nssl.keystore.password=hunter2",
            "ssl.keystore",
        ),
        (
            "security.protocol=sasl_ssl\nsasl.mechanism=OAUTHBEARER\nsasl.oauthbearer.client.secret=hunter2",
            "sasl.oauthbearer.method",
        ),
        (
            "security.protocol=sasl_ssl\nsasl.mechanism=OAUTHBEARER\nsasl.oauthbearer.method=oidc\nsasl.oauthbearer.client.id=a\nsasl.oauthbearer.client.secret=hunter2\nsasl.oauthbearer.token.endpoint.url=hunter2",
            "is not a URL",
        ),
    ] {
        let place = Place::new("127.0.0.1:1", "mail", properties);
        for command in ["check", "serve", "consume"] {
            let (code, output) = place.run(command, &[]);
            assert_eq!(code, Some(2), "{command}: {properties}: {output}");
            assert!(output.contains(words), "{command}: {output}");
        }
    }
}

#[test]
fn an_operation_that_is_missing_is_named_with_the_command_that_grants_it() {
    use Operation::{Describe, DescribeConfigs, Read, Write};
    let Some(cluster) = cluster() else { return };
    let properties = fitted(cluster, "PLAIN", "");
    for (name, granted, verdict, words) in [
        ("none", &[][..], "failed   topic", "Describe"),
        (
            "describe",
            &[Describe, DescribeConfigs],
            "failed   write",
            "operation Write is missing",
        ),
        (
            "write",
            &[Write],
            "warning  size",
            "operation DescribeConfigs is missing",
        ),
        (
            "read",
            &[Read, DescribeConfigs],
            "failed   write",
            "operation Write is missing",
        ),
    ] {
        let topic = format!("acl-{name}");
        cluster.create_topic(&topic, 1, 1, &[]);
        if !granted.is_empty() {
            cluster.grant(&topic, "ringpost", granted);
        }
        let place = Place::new(&cluster.listener(0, Listener::SaslTls), &topic, &properties);
        let end = Instant::now() + PATIENCE;
        // Until the rules are in force.
        loop {
            let (_, output) = place.check();
            let line = output.lines().find(|line| line.starts_with(verdict));
            if line.is_some_and(|line| line.contains(words) && line.contains("kafka-acls.sh")) {
                break;
            }
            assert!(Instant::now() < end, "{name}: {output}");
        }
    }
}

#[test]
fn tokens_are_refreshed_under_mail_and_an_endpoint_that_is_down_is_named() {
    let Some(cluster) = cluster() else { return };
    let endpoint = Endpoint::start(signer(), 10);
    topic(cluster, "short-lived");
    let properties = fitted(cluster, "OAUTHBEARER", &endpoint.url);
    let brokers = cluster.listener(0, Listener::SaslTls);
    let place = Place::new(&brokers, "short-lived", &properties);
    place.check_until_writable();
    let before = endpoint.given();
    let ringpost = place.serve();
    // One token to ask the cluster at the start, and one for each lane; after that, three lifetimes of the lane of small mail.
    let (mut sent, end) = (0, Instant::now() + PATIENCE);
    while endpoint.given() < before + 3 + 2 * 3 {
        let reply = send(&ringpost);
        assert!(
            is_stored(&reply),
            "after {sent}: {reply}\n{}",
            tail(&place.log())
        );
        sent += 1;
        assert!(Instant::now() < end, "{}", endpoint.given());
    }
    assert!(
        !place.log().contains("storage away"),
        "{}",
        tail(&place.log())
    );
    endpoint.set_down(true);
    send_until(&place, &ringpost, is_refused);
    // A line of records that ran out of time, which may come first, does not name it.
    place.logged(&["storage away since"]);
    place.logged(&["/oauth2/token answers 503"]);
    endpoint.set_down(false);
    send_until(&place, &ringpost, is_stored);
    place.logged(&["storage back after"]);
    place.assert_discreet(&ringpost, &endpoint.tokens());
}

#[test]
fn certificates_that_expire_while_mail_flows_are_named() {
    let mut cluster = match Cluster::start_secure(1, None, "") {
        Ok(cluster) => cluster,
        Err(skip) => return support::skips::say(&skip.to_string()),
    };
    topic(&cluster, "expiring");
    cluster.certificate("client", 8);
    let properties = fitted(&cluster, "Mutual TLS", "");
    let brokers = cluster.listener(0, Listener::MutualTls);
    let place = Place::new(&brokers, "expiring", &properties);
    place.check_until_writable();
    let ringpost = place.serve();
    assert!(is_stored(&send(&ringpost)));
    // The broker's: it shows the new one to connections that are made after its restart.
    cluster.stop_broker(0);
    cluster.certificate("broker", -60);
    cluster.start_broker(0);
    send_until(&place, &ringpost, is_refused);
    place.logged(&["storage", "has a certificate that expired at"]);
    assert!(place.broken().contains("has a certificate that expired at"));
    // The client's has expired meanwhile.
    cluster.stop_broker(0);
    cluster.certificate("broker", 86_400);
    cluster.start_broker(0);
    let end = Instant::now() + PATIENCE;
    let line = loop {
        let line = place.broken();
        if !line.contains("has a certificate") {
            break line;
        }
        assert!(Instant::now() < end, "{line}");
    };
    assert!(
        line.contains("refuses our certificate, which expired at"),
        "{line}"
    );
    assert!(is_refused(&send(&ringpost)));
    drop(ringpost);
    cluster.certificate("client", 86_400);
    let ringpost = place.serve();
    assert!(is_stored(&send(&ringpost)));
}
