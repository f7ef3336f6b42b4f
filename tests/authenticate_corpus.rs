//! `authenticate` against other programs: pyspf, dkimpy and authheaders, on more than a hundred signed and forged mails.
//!
//! The mails, their keys and their zone are made by `authenticate/corpus.py`, anew for each run; all programs ask the same DNS server.
//! pip brings the programs, once for a target folder; where it cannot, the test is skipped.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringpost::authenticate::examine::{Body, Examiner};
use ringpost::authenticate::resolver::Settings;
use ringpost::consume::received::Received;
use serde::Deserialize;
use support::tools;

/// What is compared with; the versions that the corpus was written for.
const PACKAGES: [&str; 5] = [
    "dkimpy==1.1.8",
    "pyspf==2.0.14",
    "authheaders==0.16.3",
    "dnspython==2.9.2",
    "pynacl==1.6.2",
];

/// A mail, and what others say of it.
#[derive(Debug, Deserialize)]
struct Mail {
    name: String,
    client: String,
    helo: String,
    sender: String,
    message: String,
    spf: String,
    /// Whether each signature holds.
    dkim: Vec<bool>,
    dmarc: String,
    /// Why ringpost decides otherwise, by method.
    explained: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Corpus {
    port: u16,
    mails: Vec<Mail>,
}

/// Ends with the test.
struct Others(Child);

impl Drop for Others {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn quiet(_line: &str) {}

/// The folder with the packages, or none where they cannot be installed.
fn packages(python: &Path) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("authenticate-packages");
    let complete = folder.join("complete");
    if std::fs::read_to_string(&complete).is_ok_and(|known| known == PACKAGES.join(" ")) {
        return Some(folder);
    }
    let pip = ["-m", "pip", "install", "--quiet", "--upgrade", "--target"];
    let installed = Command::new(python)
        .args(pip)
        .arg(&folder)
        .args(PACKAGES)
        .output();
    let works = installed.is_ok_and(|output| output.status.success());
    works.then(|| {
        std::fs::write(&complete, PACKAGES.join(" ")).expect("a file in the target folder");
        folder
    })
}

fn start(python: &Path, packages: &Path) -> (Others, Corpus) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/authenticate/corpus.py");
    let mut child = Command::new(python)
        .arg("-B")
        .arg(script)
        .env("PYTHONPATH", packages)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("its output");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let corpus = serde_json::from_str(&line).expect("the corpus as JSON");
    (Others(child), corpus)
}

fn record(mail: &Mail) -> Received {
    let client = if mail.client.contains(':') {
        format!("[{}]:25", mail.client)
    } else {
        format!("{}:25", mail.client)
    };
    let value = STANDARD.decode(&mail.message).expect("base64");
    let headers = [
        ("ce_type", "io.ringpost.mail.received.v1"),
        ("ce_smtpfrom", &mail.sender),
        ("ce_smtphelo", &mail.helo),
        ("ce_smtpclient", &client),
        ("ce_smtpsize", &value.len().to_string()),
    ];
    let header = |(name, value): (&str, &str)| (name.to_owned(), value.as_bytes().to_vec());
    Received {
        headers: headers.map(header).to_vec(),
        value,
        ..Received::default()
    }
}

/// The words of the field for DKIM, in its order.
fn dkim_words(value: &[u8]) -> Vec<bool> {
    let text = String::from_utf8_lossy(value);
    let field = text
        .split("\r\n")
        .take_while(|line| line.starts_with(['\t', 'A']));
    let results = field.filter_map(|line| line.trim_start().strip_prefix("dkim="));
    let words = results.map(|result| result.split([' ', ';']).next().unwrap_or_default());
    words
        .filter(|word| *word != "none")
        .map(|word| word == "pass")
        .collect()
}

/// What of a mail ringpost finds otherwise, by method, as text.
async fn differences(examiner: &Examiner, mail: &Mail) -> BTreeMap<String, String> {
    let record = record(mail);
    let body = Body {
        bytes: &record.value,
        is_whole: true,
    };
    let output = examiner
        .examine(&record, body)
        .await
        .expect("a mail of ringpost's");
    let word = |name: &str| {
        let header = output.headers.iter().find(|(known, _)| known == name);
        String::from_utf8(header.expect("each verdict").1.clone()).expect("a word")
    };
    let mut found = BTreeMap::new();
    let mut compare = |method: &str, ours: String, theirs: String| {
        if ours != theirs {
            found.insert(
                method.to_owned(),
                format!("{ours}, and others say {theirs}"),
            );
        }
    };
    compare("spf", word("ce_authspf"), mail.spf.clone());
    let signed = dkim_words(&output.value);
    compare("dkim", format!("{signed:?}"), format!("{:?}", mail.dkim));
    assert_eq!(
        word("ce_authdkim") == "pass",
        signed.contains(&true),
        "{}",
        mail.name
    );
    compare("dmarc", word("ce_authdmarc"), mail.dmarc.clone());
    found
}

#[test]
fn verdicts_agree_with_those_of_others() {
    let (Some(python), Some(_)) = (tools::find_or_say("python3"), tools::find_or_say("openssl"))
    else {
        return;
    };
    let Some(packages) = packages(&python) else {
        return tools::say_skipped("pip cannot install pyspf, dkimpy and authheaders");
    };
    let (_others, corpus) = start(&python, &packages);
    assert!(corpus.mails.len() >= 100, "{} mails", corpus.mails.len());
    let settings = Settings {
        servers: vec![SocketAddr::from(([127, 0, 0, 1], corpus.port))],
        patience: Duration::ZERO,
        timeout: Duration::from_secs(10),
        down: Arc::default(),
        say: quiet,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let wrong = runtime.block_on(async {
        let examiner = Examiner::new(&settings, "mx.example".to_owned(), Arc::default()).unwrap();
        let mut wrong = Vec::new();
        for mail in &corpus.mails {
            let found = differences(&examiner, mail).await;
            // A difference that is explained has to be there, or the explanation is out of date.
            if !found.keys().eq(mail.explained.keys()) {
                wrong.push(format!(
                    "{}: {found:?}, explained: {:?}",
                    mail.name, mail.explained
                ));
            }
        }
        wrong
    });
    let (count, mails) = (wrong.len(), corpus.mails.len());
    assert!(
        wrong.is_empty(),
        "{count} of {mails} differ:\n{}",
        wrong.join("\n")
    );
}
