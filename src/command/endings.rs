//! What the help of each command ends with: examples and exit codes.
//!
//! Owns: these texts, and that each command has them. Must not know: how a command works.
//!
//! Invariant: a command without a row has no examples, and tests/package.rs fails.

use std::fmt::Write;

/// What the short help ends with.
const MORE: &str = "More flags, ranges, variables, examples and exit status: --help";

/// The end of one command's help.
struct Ending {
    /// The words of the command after the program's name; none is the program itself.
    command: &'static str,
    /// What somebody wants, and the line that does it.
    examples: &'static [(&'static str, &'static str)],
    /// Exit codes, and what each means.
    codes: &'static [(&'static str, &'static str)],
}

const SERVED: (&str, &str) = (
    "0",
    "a signal ended it, and what was open was finished (SIGTERM, SIGINT)",
);
const SERVE_FAILED: (&str, &str) = (
    "1",
    "it failed while it ran, or a second signal ended it at once",
);
const DONE: (&str, &str) = ("0", "done");
const FAILED: (&str, &str) = ("1", "failed: brokers, a receiver, the network, a disk");
const WRONG: (&str, &str) = ("2", "wrong usage or configuration");
const UNENDED: (&str, &str) = (
    "0",
    "done, or a signal ended what would have gone on for ever",
);
const SIGNALLED: (&str, &str) = (
    "130, 143",
    "SIGINT, SIGTERM before the end that was asked for",
);

const ENDINGS: &[Ending] = &[
    Ending {
        command: "",
        examples: &[
            (
                "Try it: SMTP on 127.0.0.1:2525, a broker in memory",
                "ringpost",
            ),
            (
                "Check a configuration, then serve it",
                "ringpost check --config /etc/ringpost/ringpost.toml && ringpost serve --config /etc/ringpost/ringpost.toml",
            ),
            (
                "Read what has arrived",
                "ringpost consume --brokers kafka-1:9092 --until-end",
            ),
            ("All options with their defaults", "man ringpost.toml"),
        ],
        codes: &[DONE, FAILED, WRONG],
    },
    Ending {
        command: "serve",
        examples: &[
            (
                "Try it: SMTP on 127.0.0.1:2525, a broker in memory",
                "ringpost serve",
            ),
            (
                "Take mail for a domain into a cluster",
                "ringpost serve --listen 0.0.0.0:25 --domain example.com --brokers kafka-1:9092,kafka-2:9092",
            ),
            (
                "From a file, with the brokers from the environment",
                "RINGPOST_KAFKA_BROKERS=kafka-1:9092 ringpost serve --config /etc/ringpost/ringpost.toml",
            ),
            (
                "Replace the running process, and refuse nobody",
                "ringpost serve --takeover --config /etc/ringpost/ringpost.toml",
            ),
            (
                "With STARTTLS",
                "ringpost serve --hostname mx.example.com --tls-cert mx.pem --tls-key mx.key",
            ),
        ],
        codes: &[SERVED, SERVE_FAILED, WRONG],
    },
    Ending {
        command: "check",
        examples: &[
            (
                "Before mail depends on it",
                "ringpost check --config /etc/ringpost/ringpost.toml",
            ),
            (
                "In a pipeline that stops at warnings",
                "ringpost check --strict --format json --config ringpost.toml",
            ),
            (
                "What is in force, and where each value is from",
                "ringpost check --print --config ringpost.toml",
            ),
            (
                "Which topic an address goes to",
                "ringpost check --config ringpost.toml --route joe@example.com",
            ),
        ],
        codes: &[
            ("0", "mail would be taken and stored"),
            (
                "1",
                "it would not, or not from everybody; with --strict: there is a warning",
            ),
            WRONG,
        ],
    },
    Ending {
        command: "health",
        examples: &[
            (
                "Whether it works, as its supervisor asks",
                "ringpost health --config /etc/ringpost/ringpost.toml",
            ),
            ("Whether mail gets through", "ringpost health --ready"),
            (
                "Another instance, or forward and authenticate",
                "ringpost health --admin 127.0.0.1:9926",
            ),
        ],
        codes: &[
            ("0", "it says that it is well"),
            ("1", "it says that it is not, or does not answer"),
            WRONG,
        ],
    },
    Ending {
        command: "top",
        examples: &[
            ("The server of this machine, live", "ringpost top"),
            (
                "Another instance, or forward and authenticate",
                "ringpost top --admin 127.0.0.1:9926",
            ),
            ("One look, for a ticket", "ringpost top --once"),
            ("The same for programs", "ringpost top --format json"),
        ],
        codes: &[
            ("0", "you ended it, or one look was printed"),
            ("1", "there was no answer"),
            WRONG,
            ("143", "SIGTERM"),
        ],
    },
    Ending {
        command: "consume",
        examples: &[
            (
                "One line a mail, all that there is",
                "ringpost consume --until-end",
            ),
            (
                "The mails of the last hour for a domain, as JSON",
                "ringpost consume --since 1h --filter 'domain = example.com' --format json --until-end",
            ),
            (
                "Follow the topic, as a group that remembers how far it was",
                "ringpost consume --group archive --format maildir --output /srv/mail",
            ),
            (
                "One record as a file",
                "ringpost consume --partition 3 --offset 4711 --count 1 --format eml >mail.eml",
            ),
        ],
        codes: &[UNENDED, FAILED, WRONG, SIGNALLED],
    },
    Ending {
        command: "authenticate",
        examples: &[
            (
                "From the topic mail to the topic mail.checked",
                "ringpost authenticate --brokers kafka-1:9092 --group authenticate --to-topic mail.checked",
            ),
            (
                "With a resolver of its own",
                "ringpost authenticate --group authenticate --to-topic mail.checked --resolver 127.0.0.1:5353",
            ),
        ],
        codes: &[UNENDED, FAILED, WRONG, SIGNALLED],
    },
    Ending {
        command: "forward",
        examples: &[
            (
                "Into mailboxes of this machine",
                "ringpost forward --group mailboxes --to lmtp:///run/dovecot/lmtp --dead-letter mail.refused",
            ),
            (
                "Through a relay, with TLS and a login",
                "ringpost forward --group relay --to 'smtp://user@relay.example:587?starttls=required' --password-file relay.password",
            ),
            (
                "To an application, each POST signed",
                "ringpost forward --group inbound --to https://app.example/mail --secret-file webhook.secrets",
            ),
        ],
        codes: &[
            UNENDED,
            (
                "1",
                "failed: brokers, the network, or a refusal for good without --dead-letter",
            ),
            WRONG,
            SIGNALLED,
        ],
    },
    Ending {
        command: "recipients",
        examples: &[
            (
                "Take mail for somebody",
                "ringpost recipients add --config /etc/ringpost/ringpost.toml joe@example.com",
            ),
            (
                "Who is named",
                "ringpost recipients list --config /etc/ringpost/ringpost.toml",
            ),
        ],
        codes: CONFIRMED,
    },
    Ending {
        command: "recipients add",
        examples: &[
            (
                "Two people",
                "ringpost recipients add --config /etc/ringpost/ringpost.toml joe@example.com ann@example.com",
            ),
            (
                "Everybody at a domain and at all domains below it",
                "ringpost recipients add --brokers kafka-1:9092 --topic recipients example.org '*.example.org'",
            ),
            (
                "Names of one domain",
                "ringpost recipients add --domain example.com joe ann",
            ),
        ],
        codes: CONFIRMED,
    },
    Ending {
        command: "recipients remove",
        examples: &[
            (
                "One person",
                "ringpost recipients remove --config /etc/ringpost/ringpost.toml joe@example.com",
            ),
            (
                "All domains below one",
                "ringpost recipients remove --brokers kafka-1:9092 --topic recipients '*.example.org'",
            ),
        ],
        codes: CONFIRMED,
    },
    Ending {
        command: "recipients list",
        examples: &[
            (
                "Everybody",
                "ringpost recipients list --config /etc/ringpost/ringpost.toml",
            ),
            (
                "Those of one domain",
                "ringpost recipients list --brokers kafka-1:9092 --topic recipients --domain example.com",
            ),
        ],
        codes: &[DONE, FAILED, WRONG],
    },
    Ending {
        command: "recipients import",
        examples: &[
            (
                "The people of a file too",
                "ringpost recipients import --config /etc/ringpost/ringpost.toml people.txt",
            ),
            (
                "The people of a file and nobody else at a domain",
                "ringpost recipients import --domain example.com --replace people.txt",
            ),
            (
                "From a database",
                "psql -Atc 'select address from users' | ringpost recipients import --replace -",
            ),
        ],
        codes: CONFIRMED,
    },
];

/// Of what is written into a topic.
const CONFIRMED: &[(&str, &str)] = &[
    ("0", "Kafka has confirmed every change"),
    ("1", "failed: brokers, the topic, the network"),
    WRONG,
];

/// The end of this command's help.
fn of(command: &str) -> Option<&'static Ending> {
    ENDINGS.iter().find(|ending| ending.command == command)
}

/// Puts the ends on the help of a program's commands.
pub(super) fn on_every(program: clap::Command) -> clap::Command {
    below(program, "")
}

fn below(command: clap::Command, words: &str) -> clap::Command {
    let command = match of(words) {
        Some(ending) => command.after_help(MORE).after_long_help(ending.text()),
        None => command,
    };
    command.mut_subcommands(|inner| {
        let words = format!("{words} {}", inner.get_name());
        below(inner, words.trim_start())
    })
}

impl Ending {
    fn text(&self) -> String {
        let mut text = String::from("Examples:\n");
        for (what, line) in self.examples {
            writeln!(text, "  {what}:\n    {line}").expect("a String takes every write");
        }
        text += "\nExit status:";
        let codes = self.codes.iter();
        let width = codes.map(|(code, _)| code.len()).max().unwrap_or_default();
        for (code, meaning) in self.codes {
            write!(text, "\n  {code:<width$}  {meaning}").expect("a String takes every write");
        }
        text
    }
}
