//! The questions of `ringpost check`: the one table from which names, JSON and docs/check.md come.
//!
//! Owns: what each asks and what helps in general. Must not know: how an answer is found; a text of an answer says more.
//!
//! Invariant: every line that `check` prints has a name of this table; names and ids stay, as others depend on them.

/// A question.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Its name in a line.
    pub name: &'static str,
    /// What is asked.
    pub asks: &'static str,
    /// What helps where the answer is bad.
    pub fix: &'static str,
}

impl Question {
    /// Its name where a program reads it: without spaces.
    pub fn id(&self) -> String {
        self.name.replace(' ', "_")
    }
}

/// Those about the configuration and the machine, those that are put to the cluster, and those about a domain.
pub const GROUPS: [(&str, &[Question]); 4] = [
    ("The configuration and this machine", &OF_THIS_MACHINE),
    ("The cluster", &OF_THE_CLUSTER),
    ("A domain, with --dns", &OF_A_DOMAIN),
    ("An address, with --route", &OF_A_ROUTE),
];

/// The question of this name.
///
/// # Panics
/// If the table has none, which a line of a new name has to have.
pub(super) fn of(name: &str) -> &'static Question {
    let mut all = GROUPS.iter().flat_map(|(_, questions)| *questions);
    let found = all.find(|question| question.name == name);
    found.unwrap_or_else(|| panic!("no question is named {name:?}"))
}

/// Whether it is about what the world sees of a domain.
pub(super) fn is_of_a_domain(name: &str) -> bool {
    OF_A_DOMAIN.iter().any(|question| question.name == name)
}

const fn question(name: &'static str, asks: &'static str, fix: &'static str) -> Question {
    Question { name, asks, fix }
}

const OF_THIS_MACHINE: [Question; 10] = [
    question(
        "config",
        "Can the configuration be used, and is nothing odd in it?",
        "Correct what the text names; `ringpost check --print` shows what is in force.",
    ),
    question(
        "io",
        "Do the kernel and the container let ringpost use what `server.io` asks for?",
        "Allow io_uring in the container's seccomp profile, or set `server.io = \"epoll\"`.",
    ),
    question(
        "open files",
        "May this process have as many files open as `limits.connections` needs?",
        "Raise LimitNOFILE in the unit, or lower `limits.connections`.",
    ),
    question(
        "hostname",
        "Is `server.hostname` a name by which others can know this server?",
        "Set `server.hostname` to the full name that the MX record points to.",
    ),
    question(
        "addresses",
        "Can ringpost listen on its addresses, or does the running ringpost, as its admin listener says, serve them already?",
        "Choose another address, stop the process that uses it, or grant CAP_NET_BIND_SERVICE for a port below 1024.",
    ),
    question(
        "certificate",
        "Can each certificate be served; is it valid, for `server.hostname`, and with its chain; is its key strong and private?",
        "Renew the certificate, or have it issued for the name of the MX record; keep its key from other users.",
    ),
    question(
        "ticket keys",
        "Can the keys of `tls.ticket_keys` be used, and by ringpost alone?",
        "Write one key a line, made with `openssl rand -base64 32`, in a file that only ringpost reads.",
    ),
    question(
        "limits",
        "Does a limit make another one useless?",
        "Change one of the two that the text names.",
    ),
    question(
        "domains",
        "Whose mail is taken?",
        "Name your domains in `recipients.domains`, or with `--domain`.",
    ),
    question(
        "lists",
        "Can the lists of recipients be read?",
        "Correct the list that the text names.",
    ),
];

const OF_THE_CLUSTER: [Question; 13] = [
    question(
        "brokers",
        "Do the brokers answer?",
        "Correct `kafka.brokers`, the network, or the security settings in `kafka.properties`.",
    ),
    question(
        "topic",
        "Is the topic there, with a leader and enough replicas in sync?",
        "Create the topic with the command in the text, or bring the brokers back that hold it.",
    ),
    question(
        "replicas",
        "How many replicas of each record are there?",
        "Give the topic three replicas.",
    ),
    question(
        "in_sync",
        "How many replicas have a mail that got its 250?",
        "Set `min.insync.replicas` to 2 for a topic of three replicas.",
    ),
    question(
        "election",
        "Can a replica that lacks mail become the leader?",
        "Set `unclean.leader.election.enable` to false for the topic.",
    ),
    question(
        "cleanup",
        "Does Kafka delete mail because a newer one has its key?",
        "Set `cleanup.policy` to delete for the topic.",
    ),
    question(
        "retention",
        "When does Kafka delete mail?",
        "Make it longer than your consumers may be away, or set it to -1.",
    ),
    question(
        "flush",
        "Do brokers acknowledge before a mail is on their disks?",
        "Set `write.caching` to false for the topic.",
    ),
    question(
        "write",
        "May ringpost write to the topic?",
        "Grant the operation Write on the topic to ringpost's user.",
    ),
    question(
        "size",
        "Does the topic take the largest message?",
        "Raise `max.message.bytes` of the topic, lower `limits.message_size`, or set `objects.url`.",
    ),
    question(
        "idempotence",
        "Does librdkafka count a mail as stored that Kafka has not acknowledged itself?",
        "Leave `enable.idempotence` out of `kafka.properties`.",
    ),
    question(
        "objects",
        "Can an object be written to the store of large messages, read and deleted?",
        "Correct `objects.url`, `objects.options` or the rights in the store.",
    ),
    question(
        "recipients",
        "Can the topic of recipients be read, whom does it name, and does Kafka keep that?",
        "Add recipients with `ringpost recipients`, and set `cleanup.policy` of the topic to compact.",
    ),
];

const OF_A_DOMAIN: [Question; 10] = [
    question(
        "taken",
        "Is mail for the domain taken by this configuration?",
        "Add the domain to `recipients.domains`.",
    ),
    question(
        "mx",
        "Does an MX record of the domain name `server.hostname`?",
        "Publish the MX record that the text shows.",
    ),
    question(
        "address",
        "Does the name of the MX record have addresses, of each family?",
        "Publish the A and AAAA records of the server.",
    ),
    question(
        "ptr",
        "Does each address have a name, which has that address?",
        "Have the provider of the address set its PTR record to the server's name.",
    ),
    question(
        "port 25",
        "Does a ringpost of this name answer on port 25 of each address?",
        "Start ringpost, forward the port to it, and open it in every firewall; some providers block port 25 until they are asked.",
    ),
    question(
        "starttls",
        "Is STARTTLS offered there, with a certificate that senders can verify?",
        "Set `tls.certificate` and `tls.key` to a certificate of a public authority for the server's name.",
    ),
    question(
        "mta_sts",
        "If the domain has MTA-STS: is its policy there, and does it name this server?",
        "Correct the policy at the address in the text, then change the id in the TXT record.",
    ),
    question(
        "tls_rpt",
        "If the domain asks for reports on TLS: is the record right?",
        "Publish the TXT record that the text shows.",
    ),
    question(
        "dane",
        "If the server's name has TLSA records: does the certificate match one?",
        "Publish the TLSA record that the text shows, and only then change the certificate.",
    ),
    question(
        "dns",
        "Does the resolver answer?",
        "Correct /etc/resolv.conf, or name another with `--resolver`.",
    ),
];

const OF_A_ROUTE: [Question; 1] = [question(
    "route",
    "Which topic would mail for this one address go to, or is it refused, a warning, and with which reply?",
    "Correct `recipients.domains`, or `[[routes]]`.",
)];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct_and_fit_their_column() {
        let all: Vec<&Question> = GROUPS.iter().flat_map(|(_, all)| *all).collect();
        let ids: BTreeSet<String> = all.iter().map(|question| question.id()).collect();
        assert_eq!(ids.len(), all.len());
        for question in all {
            assert!(question.name.len() <= 12, "{question:?}");
            assert!(question.asks.ends_with('?') && question.fix.ends_with('.'));
            assert_eq!(of(question.name).asks, question.asks);
        }
    }
}
