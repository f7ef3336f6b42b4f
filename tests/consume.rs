//! `ringpost consume` as a process against real Apache Kafka: whatever ends it, the next run goes on at a whole record, and
//! at the end each record of the topic is in the output once.

#[path = "../proto/tests/support/random.rs"]
mod random;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use random::Random;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use support::kafka::{self, Cluster};

const PARTITIONS: i32 = 4;
/// Ends a test that would hang; nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(2);

/// One broker for all tests of this file, each with its own topic.
fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: kafka::Shared = kafka::Shared::new();
    kafka::shared_or_skip(&CLUSTER, "")
}

/// A record's number, by which the tests recognize it.
fn number(message: &str) -> usize {
    let (_, rest) = message.split_once("Subject: mail ").expect(message);
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

/// Mails that are hard to keep apart in an mbox, and a few that are larger than any buffer.
fn mail(number: usize) -> Vec<u8> {
    let size = if number.is_multiple_of(97) {
        300_000
    } else {
        number % 3000
    };
    let last = ["\r\n", "", "\r\n\r\n", "\r\nFrom here\r\n"][number % 4];
    format!(
        "Received: from x\r\n\tby y\r\nSubject: mail {number} \r\n\r\nFrom A\r\n>From B\r\n{}{last}",
        "x".repeat(size)
    )
    .into_bytes()
}

fn produce(brokers: &str, topic: &str, numbers: std::ops::Range<usize>) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .unwrap();
    for number in numbers {
        let (value, id) = (mail(number), format!("ID{number:06}"));
        let headers = OwnedHeaders::new()
            .insert(Header {
                key: "ce_id",
                value: Some(&id),
            })
            .insert(Header {
                key: "ce_type",
                value: Some("io.ringpost.mail.received.v1"),
            })
            .insert(Header {
                key: "ce_smtpfrom",
                value: Some("a@example.net"),
            });
        let record = BaseRecord::<str, [u8]>::to(topic)
            .partition(i32::try_from(number).unwrap() % PARTITIONS)
            .payload(&value)
            .headers(headers);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        if number % 1000 == 0 {
            producer.flush(PATIENCE).unwrap();
        }
    }
    producer.flush(PATIENCE).unwrap();
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One run after another with the same flags.
struct Reader {
    brokers: String,
    topic: String,
    format: &'static str,
    output: PathBuf,
    group: String,
    /// Further properties of librdkafka.
    properties: Vec<String>,
}

impl Reader {
    fn new(brokers: &str, topic: &str, format: &'static str, output: PathBuf) -> Self {
        Self {
            brokers: brokers.to_owned(),
            topic: topic.to_owned(),
            format,
            output,
            group: format!("{topic}-{format}"),
            properties: Vec::new(),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringpost"));
        command
            .args([
                "consume",
                "--brokers",
                &self.brokers,
                "--topic",
                &self.topic,
            ])
            .args(["--group", &self.group, "--format", self.format])
            .arg("--output")
            .arg(&self.output)
            .stderr(Stdio::piped());
        for property in &self.properties {
            command.args(["--property", property]);
        }
        command
    }

    fn start(&self, flags: &[&str]) -> Running {
        run(self.command().args(flags))
    }

    /// Runs to the end of the topic; what it said.
    fn finish(&self) -> String {
        let (status, said) = end(self.start(&["--until-end"]));
        assert!(status.success(), "{status}: {said}");
        said
    }

    /// Every message of the output, by its number; each whole.
    fn numbers(&self) -> BTreeMap<usize, usize> {
        let mut numbers = BTreeMap::new();
        for message in messages(self.format, &self.output) {
            let number = number(&String::from_utf8_lossy(&message));
            assert_eq!(
                normal(&message),
                normal(&mail(number)),
                "mail {number} is not whole"
            );
            *numbers.entry(number).or_default() += 1;
        }
        numbers
    }

    fn assert_each_once(&self, mails: usize) {
        let numbers = self.numbers();
        let missing: Vec<usize> = (0..mails)
            .filter(|number| !numbers.contains_key(number))
            .collect();
        let repeated: Vec<_> = numbers.iter().filter(|(_, times)| **times != 1).collect();
        assert!(
            missing.is_empty() && repeated.is_empty() && numbers.len() == mails,
            "missing {missing:?}, repeated {repeated:?}"
        );
    }
}

/// Line ends and the last empty lines apart, which the mail formats decide.
fn normal(message: &[u8]) -> String {
    String::from_utf8(message.to_vec())
        .unwrap()
        .replace("\r\n", "\n")
        .trim_end()
        .to_owned()
}

fn messages(format: &str, output: &Path) -> Vec<Vec<u8>> {
    match format {
        "summary" => text_lines(output)
            .iter()
            .map(|line| {
                assert!(
                    line.contains("a@example.net") && line.contains(" mail "),
                    "{line:?}"
                );
                mail(line.rsplit(' ').next().unwrap().parse().unwrap())
            })
            .collect(),
        "json" => text_lines(output)
            .iter()
            .map(|line| message_of_json(line))
            .collect(),
        "mbox" => mails_of_mbox(&fs::read_to_string(output).unwrap_or_default())
            .iter()
            .map(|mail| without_envelope(mail))
            .collect(),
        "eml" => files(output, true),
        "maildir" => files(&output.join("new"), false),
        other => panic!("{other}"),
    }
}

/// A message after the fields of its envelope.
fn without_envelope(message: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(message);
    let mut fields = text.splitn(3, '\n');
    let mut field = || fields.next().expect("three parts").trim_end();
    let fields = [field(), field()];
    let id = format!("X-Ringpost-Id: ID{:06}", number(&text));
    assert_eq!(fields, ["Return-Path: <a@example.net>", &id]);
    let line_ends = memchr::memchr_iter(b'\n', message);
    let end = line_ends.take(2).last().expect("two fields");
    message[end + 1..].to_vec()
}

fn text_lines(output: &Path) -> Vec<String> {
    let text = fs::read_to_string(output).unwrap_or_default();
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "a broken last line"
    );
    text.lines().map(str::to_owned).collect()
}

fn message_of_json(line: &str) -> Vec<u8> {
    use base64::Engine as _;
    let object: serde_json::Value = serde_json::from_str(line).expect("a whole line");
    let message = object["message_base64"].as_str().unwrap();
    base64::engine::general_purpose::STANDARD
        .decode(message)
        .unwrap()
}

/// The entries of an mboxrd file: an entry begins after an empty line, or at the start.
fn mails_of_mbox(text: &str) -> Vec<Vec<u8>> {
    let mut mails: Vec<Vec<u8>> = Vec::new();
    let mut after_empty_line = true;
    for line in text.split_inclusive('\n') {
        if line.starts_with("From ") {
            assert!(
                after_empty_line,
                "an entry does not begin after an empty line"
            );
            mails.push(Vec::new());
        } else {
            let quoted = line.trim_start_matches('>').starts_with("From ");
            let line = if quoted { &line[1..] } else { line };
            mails.last_mut().expect("an entry").extend(line.as_bytes());
        }
        after_empty_line = line == "\n";
    }
    assert!(
        text.is_empty() || text.ends_with("\n\n"),
        "the last entry is not ended"
    );
    mails
}

fn files(folder: &Path, exact: bool) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'))
        .map(|path| {
            let octets = without_envelope(&fs::read(path).unwrap());
            if exact {
                assert_eq!(octets, mail(number(&String::from_utf8_lossy(&octets))));
            } else {
                assert!(!octets.contains(&b'\r'));
            }
            octets
        })
        .collect()
}

fn run(command: &mut Command) -> Running {
    let child = command.stderr(Stdio::piped()).spawn();
    Running(child.expect("the binary starts"))
}

fn end(mut child: Running) -> (ExitStatus, String) {
    let mut said = String::new();
    child
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    (child.0.wait().unwrap(), said)
}

fn signal(child: &Running, name: &str) {
    let status = Command::new("/bin/sh")
        .args(["-c", "kill -s \"$0\" \"$1\"", name])
        .arg(child.0.id().to_string())
        .status()
        .unwrap();
    assert!(status.success(), "SIG{name}");
}

/// Runs that are killed at random moments, mostly while they write, and a last one to the end.
fn killed_many_times(format: &'static str) {
    const MAILS: usize = 8_000;
    let Some(cluster) = cluster() else { return };
    let (brokers, topic) = (cluster.bootstrap(), format!("killed-{format}"));
    cluster.create_topic(&topic, PARTITIONS, 1, &[]);
    produce(&brokers, &topic, 0..MAILS);
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("output");
    let mut reader = Reader::new(&brokers, &topic, format, output);
    // A static member that was killed is not waited for: it comes back under the same name.
    reader.properties = vec![format!("group.instance.id={topic}")];
    kill_and_finish(&reader, folder.path(), MAILS, 40);
}

fn kill_and_finish(reader: &Reader, folder: &Path, mails: usize, most: usize) {
    let seed = std::env::var("RINGPOST_SEED").map_or(17, |seed| seed.parse().unwrap());
    let mut random = Random::part(seed, reader.format.len() as u64);
    let (mut kills, mut mended) = (0, 0);
    while kills < most && count(reader.format, &reader.output) < mails {
        let said = kill_one(reader, folder, mails, &mut random);
        mended += usize::from(said.contains("cut ") || said.contains("earlier run"));
        kills += 1;
    }
    let format = reader.format;
    eprintln!("{format}: {kills} runs killed, {mended} of them repaired another (seed {seed})");
    reader.finish();
    reader.assert_each_once(mails);
    let said = reader.finish();
    reader.assert_each_once(mails);
    assert!(!said.contains("cut "), "{said}");
}

/// A run that is ended a moment after its first commit, wherever that falls; what it said.
fn kill_one(reader: &Reader, folder: &Path, mails: usize, random: &mut Random) -> String {
    let before = offsets(folder);
    let mut child = reader.start(&[]);
    let mut by = *random.of(&["KILL", "KILL", "KILL", "TERM", "INT"]);
    let deadline = Instant::now() + PATIENCE;
    for look in 1.. {
        // What was committed before a kill is delivered now, and nothing may be left to commit.
        let all = look % 50 == 0 && count(reader.format, &reader.output) >= mails;
        if all {
            by = "KILL";
        }
        if all || offsets(folder) != before || child.0.try_wait().unwrap().is_some() {
            break;
        }
        assert!(Instant::now() < deadline, "nothing was committed");
        std::thread::sleep(LOOK);
    }
    std::thread::sleep(Duration::from_micros(random.below(20_000) as u64));
    signal(&child, by);
    let (status, said) = end(child);
    assert!(by == "KILL" || status.code() == Some(0), "{status}: {said}");
    said
}

/// The offsets of the journal.
fn offsets(folder: &Path) -> String {
    let journals = [
        folder.join(".output.ringpost"),
        folder.join("output/.ringpost-journal"),
    ];
    let texts = journals
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok());
    let parsed = texts
        .map(|text| serde_json::from_str::<serde_json::Value>(&text).expect("a whole journal"));
    parsed
        .map(|journal| journal["sources"].to_string())
        .collect()
}

/// Roughly how much of the topic is read.
fn count(format: &str, output: &Path) -> usize {
    match format {
        "eml" => fs::read_dir(output).map_or(0, Iterator::count),
        "maildir" => fs::read_dir(output.join("new")).map_or(0, Iterator::count),
        "mbox" => fs::read_to_string(output).map_or(0, |text| text.matches("Subject: ").count()),
        _ => fs::read_to_string(output).map_or(0, |text| text.lines().count()),
    }
}

#[test]
fn json_is_continued_at_a_whole_line_after_any_kill() {
    killed_many_times("json");
}

#[test]
fn summary_is_continued_at_a_whole_line_after_any_kill() {
    killed_many_times("summary");
}

#[test]
fn mbox_is_continued_at_a_whole_entry_after_any_kill() {
    killed_many_times("mbox");
}

#[test]
fn eml_files_are_whole_and_each_there_once_after_any_kill() {
    killed_many_times("eml");
}

#[test]
fn maildir_files_are_whole_and_each_there_once_after_any_kill() {
    killed_many_times("maildir");
}

/// Members of a group in the cluster.
fn members(brokers: &str, group: &str) -> usize {
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()
        .unwrap();
    let groups = client.fetch_group_list(Some(group), PATIENCE).unwrap();
    groups
        .groups()
        .iter()
        .map(|group| group.members().len())
        .sum()
}

#[test]
fn a_signal_leaves_the_group_commits_everything_and_has_its_exit_code() {
    let Some(cluster) = cluster() else { return };
    cluster.create_topic("signals", PARTITIONS, 1, &[]);
    let brokers = cluster.bootstrap();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("json");
    let cases: &[(&str, &[&str], i32)] = &[
        ("INT", &[], 0),
        ("TERM", &[], 0),
        ("INT", &["--count", "1000000"], 130),
        ("TERM", &["--count", "1000000"], 143),
    ];
    for (at, (name, flags, code)) in cases.iter().enumerate() {
        produce(&brokers, "signals", at * 10..at * 10 + 10);
        let child = run(Command::new(env!("CARGO_BIN_EXE_ringpost"))
            .args([
                "consume",
                "--brokers",
                &brokers,
                "--topic",
                "signals",
                "--group",
                "g",
            ])
            .args(["--format", "json", "--output", output.to_str().unwrap()])
            .args(*flags));
        while text_lines_or_none(&output) < at * 10 + 10 {
            std::thread::sleep(LOOK);
        }
        signal(&child, name);
        let (status, said) = end(child);
        assert_eq!(status.code(), Some(*code), "{said}");
        assert!(
            said.contains(&format!("SIG{name}: stopped after 10 mails")),
            "{said}"
        );
        assert_eq!(members(&brokers, "g"), 0, "{said}");
    }
    let reader = Reader::new(&cluster.bootstrap(), "signals", "json", output);
    reader.assert_each_once(40);
}

fn text_lines_or_none(output: &Path) -> usize {
    fs::read_to_string(output).map_or(0, |text| text.matches('\n').count())
}

#[test]
fn a_killed_member_is_waited_for_and_that_is_said() {
    let Some(cluster) = cluster() else { return };
    cluster.create_topic("waiting", PARTITIONS, 1, &[]);
    let brokers = cluster.bootstrap();
    produce(&brokers, "waiting", 0..20);
    let folder = tempfile::tempdir().unwrap();
    let reader = Reader::new(
        &cluster.bootstrap(),
        "waiting",
        "json",
        folder.path().join("output"),
    );
    let child = reader.start(&[]);
    while text_lines_or_none(&reader.output) < 20 {
        std::thread::sleep(LOOK);
    }
    signal(&child, "KILL");
    end(child);
    let said = reader.finish();
    let waiting = format!("waiting for group {:?} to assign partitions", reader.group);
    assert!(
        said.contains(&waiting) && said.contains("10 s after its last heartbeat"),
        "{said}"
    );
    assert!(said.contains("assigned 4 partitions"), "{said}");
    reader.assert_each_once(20);
}

#[test]
fn a_full_disk_leaves_whole_records_and_the_next_run_goes_on() {
    const MAILS: usize = 2_000;
    let Some(cluster) = cluster() else { return };
    cluster.create_topic("full", PARTITIONS, 1, &[]);
    produce(&cluster.bootstrap(), "full", 0..MAILS);
    for format in ["json", "mbox"] {
        let folder = tempfile::tempdir().unwrap();
        let reader = Reader::new(
            &cluster.bootstrap(),
            "full",
            format,
            folder.path().join("output"),
        );
        // A limit of this process's files is a disk that is full as far as it can tell. In blocks of 512 bytes.
        for blocks in [1, 700, 3_000] {
            let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
            let command = reader.command();
            let child = run(Command::new("/bin/sh")
                .args(["-c", &limited])
                .arg(command.get_program())
                .args(command.get_args())
                .arg("--until-end"));
            let (status, said) = end(child);
            assert_eq!(status.code(), Some(1), "{said}");
            assert!(said.contains("cannot write the output"), "{said}");
            assert!(reader.numbers().values().all(|times| *times == 1));
        }
        reader.finish();
        reader.assert_each_once(MAILS);
    }
}

#[test]
fn members_that_come_go_and_sleep_share_the_topic_without_a_repeat() {
    const MAILS: usize = 4_000;
    let Some(cluster) = cluster() else { return };
    cluster.create_topic("members", PARTITIONS, 1, &[]);
    let brokers = cluster.bootstrap();
    let folder = tempfile::tempdir().unwrap();
    let reader = |name: &str| {
        Reader::new(
            &cluster.bootstrap(),
            "members",
            "json",
            folder.path().join(name),
        )
    };
    let start = |name: &str, flags: &[&str]| {
        run(Command::new(env!("CARGO_BIN_EXE_ringpost"))
            .args([
                "consume",
                "--brokers",
                &brokers,
                "--topic",
                "members",
                "--group",
                "shared",
            ])
            .args([
                "--property",
                "session.timeout.ms=6000",
                "--format",
                "json",
                "--output",
            ])
            .arg(folder.path().join(name))
            .args(flags))
    };
    let has = |name: &str| text_lines_or_none(&folder.path().join(name));
    produce(&brokers, "members", 0..MAILS);
    let a = start("a", &[]);
    while has("a") == 0 {
        std::thread::sleep(LOOK);
    }
    // It sleeps with what it has read; another takes its partitions, and what it had not committed.
    signal(&a, "STOP");
    let b = start("b", &[]);
    while has("a") + has("b") < MAILS {
        std::thread::sleep(LOOK);
    }
    signal(&a, "CONT");
    let c = start("c", &[]);
    produce(&brokers, "members", MAILS..2 * MAILS);
    while has("a") + has("b") + has("c") < 2 * MAILS {
        std::thread::sleep(LOOK);
    }
    for child in [a, b, c] {
        signal(&child, "INT");
        let (status, said) = end(child);
        assert_eq!(status.code(), Some(0), "{said}");
    }
    let (_, said) = end(start("d", &["--until-end"]));
    let mut times = BTreeMap::new();
    for name in ["a", "b", "c", "d"] {
        for (number, count) in reader(name).numbers() {
            *times.entry(number).or_insert(0) += count;
        }
    }
    let repeated: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(repeated.is_empty(), "{repeated:?} {said}");
    assert_eq!(times.len(), 2 * MAILS, "{said}");
}

fn set_back(brokers: &str, group: &str, topic: &str) {
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .create()
        .unwrap();
    let mut offsets = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        offsets
            .add_partition_offset(topic, partition, Offset::Offset(0))
            .unwrap();
    }
    client.commit(&offsets, CommitMode::Sync).unwrap();
}

#[test]
fn a_group_that_is_set_back_gets_the_records_again_and_a_new_topic_is_read_whole() {
    let Some(cluster) = cluster() else { return };
    let brokers = cluster.bootstrap();
    cluster.create_topic("again", PARTITIONS, 1, &[]);
    produce(&brokers, "again", 0..40);
    let folder = tempfile::tempdir().unwrap();
    let reader = Reader::new(
        &cluster.bootstrap(),
        "again",
        "json",
        folder.path().join("output"),
    );
    reader.finish();
    reader.assert_each_once(40);
    set_back(&brokers, &reader.group, "again");
    let said = reader.finish();
    assert!(said.contains("set back to offset 0"), "{said}");
    assert!(reader.numbers().values().all(|times| *times == 2));

    let admin: AdminClient<_> = ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .create()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let deleted = runtime
        .block_on(admin.delete_topics(&["again"], &AdminOptions::new()))
        .unwrap();
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    cluster.create_topic("again", PARTITIONS, 1, &[]);
    // More than before, so that no offset is beyond the end.
    produce(&brokers, "again", 100..200);
    let said = reader.finish();
    let numbers = reader.numbers();
    assert!(
        (100..200).all(|number| numbers.get(&number) == Some(&1)),
        "{said} {numbers:?}"
    );
    let again = said.lines().filter(|line| line.contains("made again"));
    assert_eq!(again.count(), 1, "{said}");
}
