//! What concerns more than one source, and what the tests of single sources load with.

use super::*;
use crate::config::RecordKey;

/// A file of this text in a folder that is gone with the first value.
pub(super) fn file(text: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ringpost.toml");
    std::fs::write(&path, text).expect("a written file");
    (folder, path)
}

pub(super) fn pairs(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

pub(super) fn from_file(text: impl AsRef<[u8]>) -> Result<Loaded, Error> {
    let (_folder, path) = file(text);
    load(Some(&path), [], &[])
}

pub(super) fn from_environment(variables: &[(&str, &str)]) -> Result<Loaded, Error> {
    load(None, pairs(variables), &[])
}

/// The problems of a file, a line each, without the path.
pub(super) fn problems(text: impl AsRef<[u8]>) -> Vec<String> {
    let (_folder, path) = file(text);
    let error = load(Some(&path), [], &[]).expect_err("the file has a mistake");
    let begin = path.display().to_string();
    error
        .to_string()
        .lines()
        .map(|line| line.strip_prefix(&begin).unwrap_or(line).to_owned())
        .collect()
}

#[test]
fn nothing_given_is_the_quick_start() {
    let loaded = load(None, [], &[]).expect("the defaults are fit for use");
    let mut expected = Config::default();
    expected
        .server
        .hostname
        .clone_from(&loaded.config.server.hostname);
    assert_eq!(loaded.config, expected);
    assert!(!loaded.config.server.hostname.is_empty());
}

#[test]
fn flags_beat_the_environment_which_beats_the_file() {
    let (_folder, path) =
        file("[kafka]\ntopic = \"file\"\nkey = \"sender\"\n[server]\nlisten = [\"[::1]:25\"]\n");
    let environment = pairs(&[
        ("RINGPOST_KAFKA_TOPIC", "environment"),
        ("RINGPOST_SERVER_LISTEN", "[::1]:26,[::1]:27"),
    ]);
    let listen = vec!["[::1]:28".to_owned(), "[::1]:29".to_owned()];
    let flags = [
        ("server.listen", listen.clone()),
        ("kafka.topic", Vec::new()),
    ];
    let config = load(Some(&path), environment, &flags)
        .expect("no mistake")
        .config;
    assert_eq!(config.kafka.key, RecordKey::Sender);
    assert_eq!(config.kafka.topic, "environment");
    let listened: Vec<String> = config
        .server
        .listen
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(listened, listen);
}

#[test]
fn every_mistake_is_found_in_one_pass_and_in_order() {
    let (_folder, path) = file(
        "[log]\nlevel = \"loud\"\nlevl = 1\n[admin]\nlisten = \"25\"\n[recipients]\ndomains = [\"a b\", 3, \"c\", \"d@e\", 4]\n",
    );
    let environment = pairs(&[
        ("RINGPOST_LIMITS_ERRORS", "0"),
        ("RINGPOST_KAFKA_TOPIC", "a b"),
        ("RINGPOST_LOG_FORMAT", "text"),
    ]);
    let flags = [
        ("tls.key", vec!["mx.key".to_owned()]),
        ("server.listen", vec!["a".to_owned(), "b".to_owned()]),
    ];
    let error = load(Some(&path), environment, &flags).expect_err("mistakes everywhere");
    let places: Vec<String> = error
        .problems()
        .iter()
        .map(|problem| problem.place.to_string())
        .collect();
    let begin = path.display();
    let expected = [
        format!("{begin}:2:9"),
        format!("{begin}:3:1"),
        format!("{begin}:5:10"),
        format!("{begin}:7:12"),
        format!("{begin}:7:19"),
        format!("{begin}:7:27"),
        format!("{begin}:7:34"),
        "RINGPOST_KAFKA_TOPIC".to_owned(),
        "RINGPOST_LIMITS_ERRORS".to_owned(),
        "--listen".to_owned(),
        "--listen".to_owned(),
        "--tls-key".to_owned(),
    ];
    let mut found = places.clone();
    let mut wanted = expected.to_vec();
    assert_eq!(found[..7], wanted[..7], "{error}");
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted, "{error}");
}

#[test]
fn nothing_is_concluded_from_a_value_with_a_mistake() {
    // The limit on memory is below the size that was meant, and below the default that is used instead.
    let found = problems("[limits]\nmessage_size = \"1XB\"\nin_flight_bytes = \"1KiB\"\n");
    assert_eq!(found.len(), 1, "{found:?}");
    // The file may well set the certificate.
    let (_folder, path) = file("[tls]\ncertificate = \"a\"\n[log");
    let error =
        load(Some(&path), [], &[("tls.key", vec!["b".to_owned()])]).expect_err("broken syntax");
    assert_eq!(error.problems().len(), 1, "{error}");
}

#[test]
fn properties_are_texts_whatever_they_were() {
    let text = r#"
        [kafka.properties]
        linger.ms = 5
        "compression.type" = "zstd"
        queue.buffering.max.ms = 0.5
        enable.idempotence = true
        reconnect.backoff.ms = 0x10
        reconnect.backoff.max.ms = 500
    "#;
    let (_folder, path) = file(text);
    let environment = pairs(&[(
        "RINGPOST_KAFKA_PROPERTIES",
        r"linger.ms=7;sasl.password=a\;b",
    )]);
    let properties = load(Some(&path), environment, &[])
        .expect("no mistake")
        .config
        .kafka
        .properties;
    let expected = [
        ("compression.type", "zstd"),
        ("enable.idempotence", "true"),
        ("linger.ms", "7"),
        ("queue.buffering.max.ms", "0.5"),
        ("reconnect.backoff.max.ms", "500"),
        ("reconnect.backoff.ms", "16"),
        ("sasl.password", "a;b"),
    ];
    assert_eq!(properties.into_iter().collect::<Vec<_>>(), pairs(&expected));
}

#[test]
fn secrets_are_in_no_message() {
    let (_folder, path) =
        file("[kafka.properties]\nsasl.password = [\"hunter2\"]\nacks = \"hunter2\"\n");
    let environment = pairs(&[("RINGPOST_KAFKA_PROPERTIES", "sasl.password=x;hunter2")]);
    let error = load(Some(&path), environment, &[]).expect_err("three mistakes");
    assert_eq!(error.problems().len(), 3, "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let loaded = from_environment(&[("RINGPOST_KAFKA_PROPERTIES", "sasl.password=hunter2")])
        .expect("no mistake");
    assert!(!format!("{loaded:?}").contains("hunter2"));
}

#[test]
fn a_host_name_that_smtp_cannot_say_is_replaced() {
    let cases = [
        (None, "localhost", false),
        (Some("\n"), "localhost", false),
        (Some("mx1\n"), "mx1", false),
        (Some("my_laptop\n"), "localhost", true),
    ];
    for (machine, name, warned) in cases {
        let mut draft = Draft::new();
        assert_eq!(draft.usable_host_name(machine), name);
        assert_eq!(!draft.warnings.is_empty(), warned, "{:?}", draft.warnings);
    }
}

#[test]
fn a_file_that_sets_nothing_is_a_mistake_unless_variables_or_flags_say_whose_mail_and_where() {
    for text in [
        "",
        "\n",
        "# nothing = 1\n",
        "[server]\n[kafka]\n[kafka.properties]\n",
    ] {
        let [problem] = &problems(text)[..] else {
            panic!("{text:?}")
        };
        assert!(problem.starts_with(": sets nothing: "), "{problem}");
        assert!(problem.contains("leave --config out"), "{problem}");
    }
    let (_folder, path) = file("");
    let path_text = path.to_str().unwrap();
    let flag = |key, value: &str| [(key, vec![value.to_owned()])];
    let set = |variables: &[(&str, &str)], flags: &[(&'static str, Vec<String>)]| {
        load(Some(&path), pairs(variables), flags).map_err(|error| error.to_string())
    };
    set(&[("RINGPOST_KAFKA_BROKERS", "a:9092")], &[]).expect("all may be in variables");
    set(&[("RINGPOST_RECIPIENTS_DOMAINS", "*")], &[]).expect("so may this");
    set(&[], &flag("kafka.brokers", "discard")).expect("and in flags");
    set(&[], &flag("recipients.domains", "a.example")).expect("and in flags");
    let topic = [("RINGPOST_KAFKA_TOPIC", "mail")];
    let error = set(&topic, &flag("server.listen", "127.0.0.1:0")).unwrap_err();
    assert!(
        error.starts_with(path_text) && error.lines().count() == 1,
        "{error}"
    );
    let named = [(FILE_VARIABLE, path_text)];
    let error = load(None, pairs(&named), &[]).unwrap_err().to_string();
    assert!(error.contains("leave RINGPOST_CONFIG out"), "{error}");
    from_file("[log]\nformat = \"json\"\n").expect("it sets something");
}
