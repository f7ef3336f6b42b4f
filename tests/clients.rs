//! The real binary driven by clients that other people wrote: swaks, curl, Python's smtplib, Postfix's smtp-source.

mod support;

use std::process::Command;

use support::ringpost::Ringpost;
use support::tools;
use support::topic::read_topic;

#[test]
fn swaks_sends_a_mail_with_dots_and_two_recipients() {
    let Some(program) = tools::find_or_skip("swaks") else {
        return;
    };
    let ringpost = Ringpost::start(&[]);
    let (host, port) = ringpost.smtp.rsplit_once(':').unwrap();
    let mut command = Command::new(program);
    command
        .args(["--server", host, "--port", port, "--helo", "client.example"])
        .args(["--from", "a@client.example"])
        .args(["--to", "b@mx.example,c@mx.example"])
        .args(["--data", "Subject: dots\\n\\n.one\\n..two\\n"]);
    let output = tools::run(&mut command, b"");
    let transcript = String::from_utf8(output.stdout).unwrap();
    let records = read_topic(&ringpost.kafka, "mail");
    let [record] = &records[..] else {
        panic!("{} records", records.len());
    };
    assert!(
        transcript.contains(&format!("250 2.0.0 {}", record.id())),
        "{transcript}"
    );
    assert_eq!(record.header("ce_smtpfrom"), "a@client.example");
    assert_eq!(record.recipients(), ["b@mx.example", "c@mx.example"]);
    assert_eq!(record.header("ce_smtpprotocol"), "ESMTP");
    // swaks ends its input with an empty line.
    let message = record.message();
    let expected = b"Subject: dots\r\n\r\n.one\r\n..two\r\n\r\n";
    assert_eq!(
        message.escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
}

/// curl sends a file as it is, so one with LF alone is refused; the reply says what to do, and that works.
#[test]
fn curl_is_told_what_to_do_with_a_file_of_unix() {
    let Some(program) = tools::find_or_skip("curl") else {
        return;
    };
    let ringpost = Ringpost::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mail.eml");
    std::fs::write(&file, "Subject: unix\n\n.one\ntwo\n").unwrap();
    let url = format!("smtp://{}/client.example", ringpost.smtp);
    let curl = |more: &[&str]| {
        let mut command = Command::new(&program);
        command
            .args(["-sS", "--verbose", &url, "--mail-from", "a@client.example"])
            .args(["--mail-rcpt", "b@mx.example", "--upload-file"])
            .arg(&file)
            .args(more);
        command.output().unwrap()
    };
    let refused = curl(&[]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("550 5.6.0"),
        "{said}"
    );
    assert!(said.contains("with curl, add --crlf"), "{said}");
    let taken = curl(&["--crlf"]);
    assert!(
        taken.status.success(),
        "{}",
        String::from_utf8_lossy(&taken.stderr)
    );
    let records = read_topic(&ringpost.kafka, "mail");
    let [record] = &records[..] else {
        panic!("{} records", records.len());
    };
    assert_eq!(record.message(), b"Subject: unix\r\n\r\n.one\r\ntwo\r\n");
}

/// Sends three mails over one connection: plain, 8-bit, and with an address and a subject in UTF-8.
const SMTPLIB: &str = r#"
import smtplib, sys
host, port = sys.argv[1].rsplit(":", 1)
with smtplib.SMTP(host, int(port), local_hostname="client.example") as smtp:
    smtp.ehlo_or_helo_if_needed()
    for extension in ("pipelining", "size", "8bitmime", "smtputf8", "enhancedstatuscodes"):
        assert smtp.has_extn(extension), extension
    refused = smtp.sendmail("a@client.example", ["b@mx.example"], b"Subject: 1\r\n\r\n.dot\r\n")
    assert refused == {}, refused
    smtp.sendmail("", ["b@mx.example"], "Subject: 2\r\n\r\ngrün\r\n".encode("latin-1"), ["BODY=8BITMIME"])
    smtp.sendmail("jürgen@client.example", ["b@mx.example"], "Subject: drü\r\n\r\n3\r\n".encode(), ["SMTPUTF8", "BODY=8BITMIME"])
    code, text = smtp.mail("a@client.example", [f"SIZE={1 << 40}"])
    assert code == 552, text
"#;

#[test]
fn smtplib_sends_in_every_form_that_it_knows() {
    let Some(program) = tools::find_or_skip("python3") else {
        return;
    };
    let ringpost = Ringpost::start(&[]);
    tools::run(
        Command::new(program).arg("-").arg(&ringpost.smtp),
        SMTPLIB.as_bytes(),
    );
    let records = read_topic(&ringpost.kafka, "mail");
    assert_eq!(records.len(), 3);
    for (subject, from, body, content, message) in [
        (
            "1",
            "a@client.example",
            "7BIT",
            "message/rfc822",
            &b"Subject: 1\r\n\r\n.dot\r\n"[..],
        ),
        (
            "2",
            "",
            "8BITMIME",
            "message/rfc822",
            b"Subject: 2\r\n\r\ngr\xfcn\r\n",
        ),
        (
            "dr",
            "jürgen@client.example",
            "8BITMIME",
            "message/global",
            "Subject: drü\r\n\r\n3\r\n".as_bytes(),
        ),
    ] {
        let subject = format!("Subject: {subject}");
        let found = records
            .iter()
            .find(|record| record.message().starts_with(subject.as_bytes()));
        let record = found.unwrap_or_else(|| panic!("no mail with {subject}"));
        assert_eq!(record.header("ce_smtpfrom"), from);
        assert_eq!(record.header("ce_smtpbody"), body);
        assert_eq!(record.header("content-type"), content);
        assert_eq!(
            record.message().escape_ascii().to_string(),
            message.escape_ascii().to_string()
        );
    }
}

#[test]
fn smtp_source_gets_a_250_for_each_mail_in_every_manner_of_its_own() {
    let Some(program) = tools::find_or_skip("smtp-source") else {
        return;
    };
    let ringpost = Ringpost::start(&[]);
    let mut sent = 0;
    // A connection a mail, one connection for all, several recipients, with HELO, empty.
    for (flags, mails) in [
        (&["-s", "5"][..], 50),
        (&["-s", "5", "-d"], 50),
        (&["-s", "5", "-r", "7"], 20),
        (&["-s", "2", "-l", "1000000"], 4),
        (&["-s", "2", "-l", "1"], 4),
    ] {
        let mut command = tools::of_postfix(&program);
        command
            .args(flags)
            .args(["-m", &mails.to_string(), "-M", "client.example"])
            .args(["-f", "a@client.example", "-t", "b@mx.example"])
            .arg(&ringpost.smtp);
        tools::run(&mut command, b"");
        sent += mails;
    }
    let records = read_topic(&ringpost.kafka, "mail");
    assert_eq!(records.len(), sent);
    let several = records
        .iter()
        .filter(|record| record.recipients().len() == 7);
    assert_eq!(several.count(), 20);
    let accepted = ringpost.metric("ringpost_messages_total{outcome=\"accepted\"}");
    assert_eq!(accepted, sent as f64);
}
