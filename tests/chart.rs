//! The chart of Helm, rendered with each of its ci values: what comes out is a configuration that the program takes, with the ports and
//! the times that fit it.
//!
//! Owns: what of a rendered chart has to agree with the program. Must not know: YAML; what is read here is read by its words.
//!
//! BUGS: without helm these tests do not run. No pod is started: that the objects are valid is asked by `.ci/run chart`.

mod support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ringpost::config::{self, Loaded};
use support::tools;

const CHART: &str = "deploy/helm/ringpost";

/// Where Secrets are mounted.
const SECRETS: &str = "/var/run/secrets/ringpost";

/// Renders the chart with these values: the objects, or why not.
fn template(helm: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(helm)
        .args(["template", "mx", CHART])
        .args(arguments)
        .output()
        .unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    }
}

/// Each file of values, with its name.
fn all_values() -> Vec<(String, PathBuf)> {
    let folder = Path::new(CHART).join("ci").read_dir().unwrap();
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 7, "{files:?}");
    let name = |path: PathBuf| (path.file_name().unwrap().to_str().unwrap().to_owned(), path);
    files.into_iter().map(name).collect()
}

/// The objects of a rendered chart that its file of templates makes.
fn made_by<'a>(rendered: &'a str, file: &str) -> impl Iterator<Item = &'a str> {
    let source = format!("# Source: ringpost/templates/{file}\n");
    rendered
        .split("\n---\n")
        .filter(move |object| object.contains(&source))
}

/// The lines below a line that ends with this, without their indentation.
fn block(object: &str, begin: &str) -> String {
    let mut lines = object.lines().skip_while(|line| !line.ends_with(begin));
    let indent = |line: &str| line.len() - line.trim_start().len();
    let outer = indent(lines.next().expect(begin));
    let below: Vec<&str> = lines
        .take_while(|line| line.trim().is_empty() || indent(line) > outer)
        .collect();
    let inner = indent(below[0]);
    let cut = |line: &&str| line.get(inner..).unwrap_or("").to_owned() + "\n";
    below.iter().map(cut).collect()
}

/// The value after this word, the first one.
fn value<'a>(object: &'a str, name: &str) -> &'a str {
    let mut lines = object.lines().map(str::trim_start);
    let found = lines.find_map(|line| line.strip_prefix(name));
    found.expect(name).trim()
}

/// The variables of a container that begin with `RINGPOST_` and have a value.
fn variables(deployment: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = deployment.lines().map(str::trim_start).collect();
    let pairs = lines.windows(2).filter_map(|pair| {
        let name = pair[0].strip_prefix("- name: RINGPOST_")?;
        let value = pair[1].strip_prefix("value: ")?;
        Some((
            format!("RINGPOST_{name}"),
            value.trim_matches('"').to_owned(),
        ))
    });
    pairs
        .filter(|(name, _)| name != config::FILE_VARIABLE)
        .collect()
}

/// What the program reads of the file and the variables that a pod has, with files for the Secrets and volumes that are named.
fn read(rendered: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_str().unwrap();
    for (name, text) in [
        ("kafka/kafka.properties", "sasl.username=mx\n"),
        ("kafka/client.properties", "sasl.username=mx\n"),
        ("recipients/list.txt", "postmaster@example.net\n"),
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        // As the chart mounts them.
        std::fs::set_permissions(&path, Permissions::from_mode(0o440)).unwrap();
    }
    let map = made_by(rendered, "configmap.yaml").next().unwrap();
    let text = block(map, "ringpost.toml: |")
        .replace(SECRETS, here)
        .replace("/var/lib/recipients", &format!("{here}/recipients"));
    let path = folder.path().join("ringpost.toml");
    std::fs::write(&path, &text).unwrap();
    let deployment = made_by(rendered, "deployment.yaml").next().unwrap();
    config::load(Some(&path), variables(deployment), &[])
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn what_each_file_of_values_makes_is_a_configuration_of_the_program() {
    let Some(helm) = tools::find_or_say("helm") else {
        return;
    };
    for (name, path) in all_values() {
        let rendered = template(&helm, &["--values", path.to_str().unwrap()])
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let loaded = read(&rendered);
        assert_eq!(loaded.warnings, Vec::<String>::new(), "{name}");
        let config = &loaded.config;
        assert_eq!(config.server.hostname, "mx.example.net", "{name}");

        let deployment = made_by(&rendered, "deployment.yaml").next().unwrap();
        let server = &config.server;
        let listeners = [&server.listen, &server.listen_tls, &server.listen_proxy];
        let all = listeners
            .into_iter()
            .flatten()
            .chain([&config.admin.listen]);
        // Behind a balancer that sends PROXY headers, nobody comes without one.
        let open: Vec<_> = all.filter(|address| !address.ip().is_loopback()).collect();
        for address in &open {
            assert!(address.ip().is_unspecified(), "{name}: {address}");
            let port = format!("containerPort: {},", address.port());
            assert!(deployment.contains(&port), "{name}: {port}");
        }
        let ports = deployment.matches("containerPort: ").count();
        assert_eq!(ports, open.len(), "{name}");

        let seconds = |name: &str| Duration::from_secs(value(deployment, name).parse().unwrap());
        let grace = seconds("terminationGracePeriodSeconds:");
        let least = seconds("seconds:") + server.drain_timeout + Duration::from_secs(10);
        assert!(grace >= least, "{name}: {grace:?}");
    }
}

#[test]
fn numbers_tables_and_routes_arrive_as_they_were_meant() {
    let Some(helm) = tools::find_or_say("helm") else {
        return;
    };
    let values = format!("{CHART}/ci/routes-values.yaml");
    let loaded = read(&template(&helm, &["--values", &values]).unwrap());
    let config = loaded.config;
    assert_eq!(config.limits.connections, 20_000);
    assert_eq!(config.limits.message_size, 100 << 20);
    assert!(!config.server.trace);
    assert_eq!(config.kafka.require_in_sync, 2);
    assert_eq!(
        config.kafka.properties.get("linger.ms").map(String::as_str),
        Some("5")
    );
    let topics: Vec<&str> = config
        .routes
        .iter()
        .map(|route| route.topic.as_str())
        .collect();
    assert_eq!(topics, ["mail.big", "mail.tenant"], "in their order");
}

#[test]
fn each_file_of_values_passes_the_linter() {
    let Some(helm) = tools::find_or_say("helm") else {
        return;
    };
    for (name, path) in all_values() {
        let output = Command::new(&helm)
            .args(["lint", "--strict", CHART, "--values"])
            .arg(path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
    }
}

#[test]
fn values_that_cannot_work_are_refused_with_what_to_write() {
    let Some(helm) = tools::find_or_say("helm") else {
        return;
    };
    let least = format!("{CHART}/ci/default-values.yaml");
    for (set, said) in [
        (
            &["config.server.hostname="][..],
            "the name that the MX record points to",
        ),
        (
            &["config.recipients.domains=null"],
            "name the domains that mail is taken for",
        ),
        (
            &["config.kafka.brokers="],
            "config.kafka.brokers is not set",
        ),
        (
            &["config.server.listen={0.0.0.0:25}"],
            "config.server.listen is set by the chart",
        ),
        (
            &["proxyProtocol.enabled=true"],
            "proxyProtocol.networks is empty",
        ),
        (&["smtps.enabled=true"], "smtps.enabled needs a certificate"),
        (
            &["terminationGracePeriodSeconds=40"],
            "preStopSeconds (15), config.server.drain_timeout (35 s) and ten seconds are 60",
        ),
        (
            &["config.server.drain_timeout=fast"],
            "is no duration: write 35s, 2min or 1h",
        ),
        (
            &["podMonitor.enabled=true", "serviceMonitor.enabled=true"],
            "exclude each other",
        ),
        (
            &["consumers.serve.command=forward", "consumers.serve.args={}"],
            "consumers.serve: choose another name",
        ),
        (&["replicas=3"], "replicas"),
    ] {
        let mut arguments = vec!["--values", least.as_str()];
        arguments.extend(set.iter().flat_map(|set| ["--set", *set]));
        let error = template(&helm, &arguments).expect_err(said);
        assert!(error.contains(said), "{set:?}: {error}");
    }
}
