//! `ringpost check` as a process: what it prints of a configuration, its document for programs, and what it finds in the DNS and at port
//! 25 of a network of its own.

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, Stream};
use serde_json::Value;
use support::names::Names;

const BINARY: &str = env!("CARGO_BIN_EXE_ringpost");

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    // Without the variables of the tests, which ringpost would warn of.
    command.arg("check").args(arguments).env_clear();
    command.output().expect("the binary runs")
}

fn out(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
fn the_configuration_is_printed_and_nothing_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let properties = written(
        folder.path(),
        "kafka.properties",
        "sasl.password = hunter2\nlinger.ms = 3\n",
    );
    // Nobody listens there: whoever asked would wait, or say so.
    let text = format!(
        "[kafka]\nbrokers = \"127.0.0.1:1\"\nproperties_file = {properties:?}\n[recipients]\ndomains = [\"example.com\"]\n"
    );
    let file = written(folder.path(), "ringpost.toml", &text);
    let file = file.to_str().unwrap();
    let output = run(&["--print", "--config", file, "--topic", "other"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(err(&output), "");
    let printed = out(&output);
    let table: toml::Table = printed.parse().expect("it is TOML");
    let kafka = &table["kafka"];
    assert_eq!(kafka["topic"].as_str(), Some("other"));
    assert_eq!(kafka["properties"]["linger.ms"].as_str(), Some("3"));
    assert_eq!(
        kafka["properties"]["sasl.password"].as_str(),
        Some("********")
    );
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(
        printed.contains("topic = \"other\"  # flag --topic"),
        "{printed}"
    );
    assert!(printed.contains(&format!("# file {file}:2\n")), "{printed}");
    // What is printed is a file that prints the same, but for where values were set.
    let again = written(folder.path(), "again.toml", printed);
    let output = run(&["--print", "--config", again.to_str().unwrap()]);
    assert_eq!(
        out(&output).parse::<toml::Table>().ok(),
        Some(table),
        "{}",
        err(&output)
    );
}

#[test]
fn a_configuration_that_is_wrong_is_not_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(
        folder.path(),
        "ringpost.toml",
        "[server]\nworkers = -1\n\"a\\nb\" = 1\n",
    );
    let output = run(&["--print", "--config", file.to_str().unwrap()]);
    assert_eq!((output.status.code(), out(&output)), (Some(2), ""));
    let said = err(&output);
    assert!(
        said.contains("ringpost.toml:2:11: server.workers"),
        "{said}"
    );
    // What was written cannot make a line of its own.
    assert!(said.contains("unknown key server.a\\nb"), "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
    assert_eq!(run(&["--print", "--strict"]).status.code(), Some(2));
}

fn document(output: &Output) -> Value {
    serde_json::from_str(out(output)).unwrap_or_else(|why| panic!("{why}: {}", out(output)))
}

/// The verdicts of a question, in their order.
fn verdicts<'d>(document: &'d Value, id: &str) -> Vec<&'d str> {
    let questions = document["questions"].as_array().unwrap().iter();
    let of_id = questions.filter(|question| question["id"] == id);
    of_id
        .map(|question| question["verdict"].as_str().unwrap())
        .collect()
}

#[test]
fn a_document_says_what_the_lines_say() {
    let flags = [
        "--brokers",
        "discard",
        "--hostname",
        "mx.example",
        "--domain",
        "example.com",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
    ];
    let lines = run(&flags);
    let json = run(&[&flags[..], &["--format", "json"]].concat());
    assert_eq!(lines.status.code(), json.status.code());
    assert_eq!(err(&lines), err(&json));
    let document = document(&json);
    let questions = document["questions"].as_array().unwrap();
    assert_eq!(questions.len(), out(&lines).lines().count());
    for (question, line) in questions.iter().zip(out(&lines).lines()) {
        let (verdict, text) = (
            question["verdict"].as_str().unwrap(),
            question["text"].as_str().unwrap(),
        );
        assert!(line.starts_with(&format!("{verdict} ")), "{line}");
        assert!(line.contains(text), "{line}: {text}");
        let needs_help = ["warning", "failed"].contains(&verdict);
        assert_eq!(question["fix"].is_string(), needs_help, "{question}");
    }
    assert_eq!(document["verdict"], "warning");
    assert_eq!(
        format!(
            "ringpost check: {}\n",
            document["summary"].as_str().unwrap()
        ),
        err(&json)
    );
    assert_eq!(verdicts(&document, "hostname"), ["ok"]);
    assert_eq!(verdicts(&document, "brokers"), ["warning"]);
}

#[test]
fn a_document_says_what_is_wrong_and_what_is_strict() {
    let output = run(&["--format", "json", "--topic", "a b", "--hostname", "a b"]);
    assert_eq!(output.status.code(), Some(2));
    let wrong = document(&output);
    assert_eq!(wrong["verdict"], "failed");
    assert_eq!(verdicts(&wrong, "config"), ["failed", "failed"]);
    assert!(wrong["summary"].as_str().unwrap().starts_with("2 mistakes"));
    let flags = ["--format", "json", "--brokers", "discard", "--strict"];
    let output = run(&[
        &flags[..],
        &["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
    ]
    .concat());
    assert_eq!(output.status.code(), Some(1));
    let strict = document(&output);
    assert_eq!(
        (&strict["verdict"], &strict["strict"]),
        (&"failed".into(), &true.into())
    );
    assert_eq!(verdicts(&strict, "domains"), ["failed"]);
    let route = run(&["--format", "json", "--route", "joe@example.com"]);
    assert_eq!(verdicts(&document(&route), "route"), ["ok"]);
}

#[test]
fn a_route_that_is_refused_fails_strictly() {
    let flags = ["--domain", "example.com", "--route", "x@relay.example"];
    let output = run(&flags);
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    assert!(out(&output).starts_with("warning  route"));
    let output = run(&[&flags[..], &["--strict"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    assert!(out(&output).starts_with("failed   route"));
}

#[test]
fn addresses_of_the_running_ringpost_are_as_they_should_be() {
    let start = ["serve", "--brokers", "discard", "--domain", "example.com"];
    let mut command = Command::new(BINARY);
    command.args(start);
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let (_server, ready) = serve(command);
    let words = ready.split(|sign: char| sign.is_whitespace() || sign == ',' || sign == '=');
    let addresses: Vec<SocketAddr> = words.filter_map(|word| word.parse().ok()).collect();
    let [smtp, admin] = addresses[..] else {
        panic!("{ready}");
    };
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = other.local_addr().unwrap().to_string();
    let (smtp, admin) = (smtp.to_string(), admin.to_string());
    let ask = |listen: &str, admin: &str| {
        let flags = ["--strict", "--format", "json", "--brokers", "discard"];
        let addresses = ["--listen", listen, "--admin", admin];
        document(&run(&[&flags[..], &addresses].concat()))
    };
    let own = ask(&smtp, &admin);
    assert_eq!(verdicts(&own, "addresses"), ["ok", "ok"], "{own:#}");
    let said = own["questions"].as_array().unwrap().iter();
    let said: Vec<_> = said.filter(|one| one["id"] == "addresses").collect();
    for one in said {
        let text = one["text"].as_str().unwrap();
        assert!(text.ends_with(" is served by the running ringpost"));
    }
    // What it does not name is not its own, and without an admin listener nothing is.
    assert_eq!(
        verdicts(&ask(&other, &admin), "addresses"),
        ["failed", "ok"]
    );
    let unknown = ask(&smtp, "127.0.0.1:0");
    assert_eq!(verdicts(&unknown, "addresses"), ["failed", "ok"]);
}

/// A signal may interrupt the wait: that of the kernel for a ring that was tried, for example.
#[test]
fn an_admin_listener_that_is_late_is_waited_for() {
    let admin = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = admin.local_addr().unwrap().to_string();
    let late = std::thread::spawn(move || {
        let (mut stream, _) = admin.accept().unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).unwrap();
        // Until the client leaves, which it does not.
        let pause = std::time::Duration::from_millis(300);
        stream.set_read_timeout(Some(pause)).unwrap();
        assert!(stream.read(&mut request).is_err(), "it stays");
        let answer = "HTTP/1.1 200 OK\r\n\r\n{\"command\": \"serve\"}";
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let flags = ["--format", "json", "--brokers", "discard"];
    let addresses = ["--listen", "127.0.0.1:0", "--admin", &address];
    let document = document(&run(&[&flags[..], &addresses].concat()));
    late.join().unwrap();
    assert_eq!(verdicts(&document, "addresses"), ["ok", "ok"]);
}

#[test]
fn one_recipient_is_on_one_list() {
    let folder = tempfile::tempdir().unwrap();
    let list = written(folder.path(), "list", "joe@example.com\n");
    let text = format!(
        "[kafka]\nbrokers = \"discard\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[server]\nlisten = [\"127.0.0.1:0\"]\n\
         [recipients]\ndomains = [\"example.com\"]\n[recipients.lists]\n\"example.com\" = {list:?}\n"
    );
    let file = written(folder.path(), "ringpost.toml", &text);
    let output = run(&["--config", file.to_str().unwrap()]);
    let said = out(&output);
    assert!(
        said.contains(" 1 recipient on 1 list\n"),
        "{said}{}",
        err(&output)
    );
}

#[test]
fn a_domain_is_one_name() {
    for (domain, words) in [
        ("*.example.com", "one domain is expected"),
        ("joe@example.com", "is a mailbox"),
        ("a b", "is not a domain name"),
    ] {
        let output = run(&["--dns", domain]);
        assert_eq!(output.status.code(), Some(2), "{domain}");
        assert!(err(&output).contains(words), "{}", err(&output));
    }
    let output = run(&["--resolver", "127.0.0.1"]);
    assert_eq!(output.status.code(), Some(2));
}

/// A resolver that answers every question with this code; its address.
fn refusing(code: u8) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut message = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut message) {
            message[2] |= 0x80;
            message[3] = code;
            let _ = socket.send_to(&message[..length], client);
        }
    });
    address
}

#[test]
fn a_resolver_that_refuses_is_not_silent() {
    for (code, name) in [(5, "REFUSED (code 5)"), (2, "SERVFAIL (code 2)")] {
        let resolver = refusing(code).to_string();
        let flags = ["--brokers", "discard", "--listen", "127.0.0.1:0"];
        let dns = ["--admin", "127.0.0.1:0", "--dns", "example.com"];
        let output = run(&[&flags[..], &dns, &["--resolver", &resolver]].concat());
        assert_eq!(output.status.code(), Some(1));
        let said = out(&output);
        let refuses = format!("the resolver refuses every question with {name}");
        assert!(said.contains(&refuses), "{said}");
        assert!(
            said.contains(&format!("the resolver answers {name}")),
            "{said}"
        );
    }
}

/// Marks the process that has a network of its own.
const INSIDE: &str = "OWN_NETWORK_OF_A_TEST";

/// Port 25 is senders' only one, so the server has to have it: in a network of its own.
#[test]
fn the_world_is_asked_about_a_domain() {
    let script = "ip link set lo up && ip address add 192.0.2.25/32 dev lo && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--net", "--map-root-user", "/bin/sh", "-ec", script, "sh"]);
    let mut tried = Command::new("unshare");
    tried.args([
        "--net",
        "--map-root-user",
        "/bin/sh",
        "-ec",
        script,
        "sh",
        "/bin/true",
    ]);
    if !tried
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
    {
        support::skips::say("no network of its own can be made");
        return;
    }
    let inside = std::env::current_exe().unwrap();
    command.arg(inside);
    command.args([
        "--exact",
        "inside_its_own_network",
        "--ignored",
        "--nocapture",
    ]);
    let output = command.env(INSIDE, "1").output().unwrap();
    assert!(
        output.status.success() && out(&output).contains("1 passed"),
        "{}{}",
        out(&output),
        err(&output)
    );
}

const HOST: &str = "mx.example.net";

struct Certificates {
    authority: PathBuf,
    chain: PathBuf,
    key: PathBuf,
    /// The SHA-256 of the public key.
    hash: Vec<u8>,
    https: Arc<ServerConfig>,
}

/// A certificate for the server and for the policy's host, by an authority of the test's own.
fn certificates(folder: &Path) -> Certificates {
    let (root_key, own_key) = (
        rcgen::KeyPair::generate().unwrap(),
        rcgen::KeyPair::generate().unwrap(),
    );
    let mut root = rcgen::CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = root.self_signed(&root_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(root, root_key);
    let names = [HOST, "mta-sts.example.com"].map(str::to_owned).to_vec();
    let own = rcgen::CertificateParams::new(names).unwrap();
    let own = own.signed_by(&own_key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(own_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let https = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key)
        .unwrap();
    let spki = rcgen::PublicKeyData::subject_public_key_info(&own_key);
    Certificates {
        chain: written(folder, "mx.pem", &(own.pem() + &authority)),
        authority: written(folder, "root.pem", &authority),
        key: written(folder, "mx.key", &own_key.serialize_pem()),
        hash: digest(&SHA256, &spki).as_ref().to_vec(),
        https: Arc::new(https),
    }
}

/// Serves a policy at port 443.
fn serve_policy(config: Arc<ServerConfig>, policy: &'static str) {
    let listener = TcpListener::bind("192.0.2.25:443").unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut secured = Stream::new(&mut connection, &mut stream);
            let mut request = Vec::new();
            let mut buffer = [0; 1024];
            while !request.ends_with(b"\r\n\r\n") {
                match secured.read(&mut buffer) {
                    Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
                    Ok(_) | Err(_) => break,
                }
            }
            let found = request.starts_with(b"GET /.well-known/mta-sts.txt ");
            let status = if found { "200 OK" } else { "404 Not Found" };
            let length = policy.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{policy}"
            );
            let _ = secured.write_all(answer.as_bytes());
        }
    });
}

/// Run by the test above, in a network without anybody else.
#[test]
#[ignore = "needs a network of its own, which another test makes"]
fn inside_its_own_network() {
    assert!(
        std::env::var_os(INSIDE).is_some(),
        "only in its own network"
    );
    let folder = tempfile::tempdir().unwrap();
    let certificates = certificates(folder.path());
    let text = format!(
        "[server]\nhostname = {HOST:?}\nlisten = [\"192.0.2.25:25\"]\n[recipients]\ndomains = [\"example.com\"]\n\
         [kafka]\nbrokers = \"discard\"\n[tls]\ncertificate = {:?}\nkey = {:?}\n",
        certificates.chain, certificates.key
    );
    let file = written(folder.path(), "ringpost.toml", &text);
    let names = Names::start();
    let resolver = names.address().to_string();
    let ask = |domain: &str| {
        let mut command = Command::new(BINARY);
        command
            .args([
                "check",
                "--format",
                "json",
                "--dns",
                domain,
                "--resolver",
                &resolver,
            ])
            .arg("--config")
            .arg(&file)
            .env("SSL_CERT_FILE", &certificates.authority);
        let output = command.output().unwrap();
        (document(&output), output)
    };
    let answer = |document: &Value, id: &str, verdict: &str, words: &str| {
        let found = document["questions"].as_array().unwrap();
        let found = found.iter().find(|question| question["id"] == id);
        let found = found.unwrap_or_else(|| panic!("no {id} in {document:#}"));
        let said = format!("{} {}", found["text"], found["fix"]);
        assert!(
            found["verdict"] == verdict && said.contains(words),
            "{id}: {found:#}"
        );
    };

    // Nothing is published, and nothing runs.
    let (nothing, output) = ask("example.com");
    assert_eq!(output.status.code(), Some(1));
    answer(&nothing, "taken", "ok", "is taken");
    answer(
        &nothing,
        "mx",
        "failed",
        "`example.com. IN MX 10 mx.example.net.`",
    );
    answer(
        &nothing,
        "address",
        "failed",
        "`mx.example.net. IN A ADDRESS`",
    );
    answer(
        &nothing,
        "mta_sts",
        "skipped",
        "_mta-sts.example.com. IN TXT",
    );
    answer(
        &nothing,
        "tls_rpt",
        "skipped",
        "_smtp._tls.example.com. IN TXT",
    );
    let (foreign, _) = ask("other.example");
    answer(&foreign, "taken", "failed", "recipients.domains");

    names.mx("example.com", HOST).a(HOST, [192, 0, 2, 25]);
    let (published, _) = ask("example.com");
    answer(&published, "mx", "ok", "10 mx.example.net.");
    answer(
        &published,
        "ptr",
        "warning",
        "25.2.0.192.in-addr.arpa. IN PTR mx.example.net.",
    );
    answer(&published, "port_25", "failed", "nothing listens");

    // All is as it should be.
    let flags = ["--config", file.to_str().unwrap()];
    let mut server = Command::new(BINARY);
    server.args(flags).args(["--listen", "192.0.2.25:25"]);
    server.env("RINGPOST_ADMIN_LISTEN", "127.0.0.1:0");
    let _server = serve(server);
    names.ptr("25.2.0.192.in-addr.arpa", HOST);
    names.tlsa("_25._tcp.mx.example.net", &certificates.hash);
    names.txt(
        "_smtp._tls.example.com",
        "v=TLSRPTv1; rua=mailto:tls@example.com",
    );
    names.txt("_mta-sts.example.com", "v=STSv1; id=1");
    names.a("mta-sts.example.com", [192, 0, 2, 25]);
    serve_policy(
        Arc::clone(&certificates.https),
        "version: STSv1\r\nmode: enforce\r\nmx: mx.example.net\r\nmax_age: 604800\r\n",
    );
    let (fine, _) = ask("example.com");
    for (id, words) in [
        ("mx", "10 mx.example.net."),
        ("address", "192.0.2.25"),
        ("ptr", "and that is 192.0.2.25"),
        ("port_25", "a ringpost answers"),
        ("starttls", "192.0.2.25: TLSv1.3, and the certificate"),
        ("starttls", "an authority that this machine trusts"),
        ("dane", "matches a TLSA record"),
        ("mta_sts", "mode enforce and names"),
        ("tls_rpt", "reports on TLS are asked for"),
    ] {
        answer(&fine, id, "ok", words);
    }

    // A server that changed its key, and a policy of another server.
    names.remove("_25._tcp.mx.example.net");
    names.tlsa("_25._tcp.mx.example.net", &[7; 32]);
    names
        .remove("example.com")
        .mx("example.com", "old.example.net");
    let (changed, output) = ask("example.com");
    assert_eq!(output.status.code(), Some(1));
    answer(&changed, "dane", "failed", "IN TLSA 3 1 1 ");
    answer(
        &changed,
        "mx",
        "failed",
        "goes to 10 old.example.net., and not to",
    );
    assert!(
        changed["summary"]
            .as_str()
            .unwrap()
            .contains("mail would not arrive"),
        "{changed:#}"
    );

    // A resolver that says nothing is a failure, and no wait for ever.
    names.silence(true);
    let (silent, output) = ask("example.com");
    answer(&silent, "mx", "failed", "is not known");
    answer(&silent, "dns", "failed", "answers nothing");
    assert_eq!(verdicts(&silent, "mta_sts"), [""; 0], "it ends there");
    assert!(
        err(&output).contains("still waiting for the DNS"),
        "{}",
        err(&output)
    );
}

/// Starts a server by its own addresses; the line that says that it is ready.
fn serve(mut command: Command) -> (impl Drop, String) {
    struct Server(std::process::Child);
    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    let stdout = child.stdout.take().unwrap();
    let server = Server(child);
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut ready).unwrap();
    assert!(ready.starts_with("ready "), "{ready}");
    (server, ready)
}
