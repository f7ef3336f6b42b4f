//! The page docs/check.md: the questions of `ringpost check`, made from their table.

use std::fmt::Write;

use ringpost::command::check::question::{GROUPS, Question};

/// The page.
pub fn page() -> String {
    let mut text = String::from(PREFACE);
    for (title, questions) in GROUPS {
        write!(
            text,
            "\n### {title}\n\n| id | question | what helps |\n|---|---|---|\n"
        )
        .expect("a String takes every text");
        for question in questions {
            let Question { asks, fix, .. } = question;
            writeln!(text, "| `{}` | {asks} | {fix} |", question.id())
                .expect("a String takes every text");
        }
    }
    text
}

const PREFACE: &str = r#"# ringpost check

Would `serve` work with this configuration, on this machine, with this cluster? And with `--dns`: does the world find it? `check` asks
what decides over mail and changes nothing. Run it before the first start, after each change and in every deployment, with the flags,
the environment and the rights that `serve` has ([how, under systemd](getting-started.md#a-configuration-file-and-check)).

```console
$ ringpost check --config /etc/ringpost/ringpost.toml
ok       config       /etc/ringpost/ringpost.toml is valid
ok       io           io_uring works
…
warning  retention    …
ringpost check: 1 warning: mail would be stored
```

A line for each answer is on standard output. It begins with its verdict, then comes the name of the question; a question about several
topics, addresses or certificates has several lines. The sum is on standard error.

| verdict | meaning |
|---|---|
| `ok` | as it should be |
| `warning` | mail flows, but not as you may expect; with `--strict` it is a failure |
| `failed` | mail does not flow, or not from every sender |
| `skipped` | the configuration does not raise the question, or it could not be asked |

| exit code | meaning |
|---|---|
| 0 | no failure |
| 1 | a failure, or with `--strict` a warning |
| 2 | the configuration or a flag is wrong; nothing else was asked |

While ringpost runs with the same addresses, `check` asks its admin listener, for two seconds at most. Each address that the running server
says it serves is `ok`; another one that is in use is a warning.

## The configuration that is in force

```sh
ringpost check --print --config /etc/ringpost/ringpost.toml
```

prints every option as TOML, with its value and where it was set: the file with the line, the environment variable, the flag, or the
default. Nothing else is asked, and no broker is. Secrets are `********`: every property of Kafka's whose name sounds like one, users and
passwords in addresses, private keys, and all options of the object store that are not known to be harmless. Apart from them, the text is
a configuration file that means the same. Warnings about the configuration are on standard error.

```toml
[kafka]
brokers = "kafka-1:9092,kafka-2:9092"  # file /etc/ringpost/ringpost.toml:14
topic = "inbound"  # flag --topic
delivery_timeout = "30s"  # default

[kafka.properties]
"linger.ms" = "5"  # environment RINGPOST_KAFKA_PROPERTIES
"sasl.password" = "********"  # file /etc/ringpost/kafka.properties:3
```

## For programs: --format json

One document on standard output, also where the configuration is wrong. Exit codes and standard error are the same.

```json
{
  "version": "0.1.0",
  "verdict": "warning",
  "summary": "1 warning: mail would be stored",
  "strict": false,
  "questions": [
    {
      "id": "retention",
      "verdict": "warning",
      "text": "…",
      "fix": "Make it longer than your consumers may be away, or set it to -1."
    }
  ]
}
```

| field | meaning |
|---|---|
| `verdict` | the worst of all: `failed` where the exit code is not 0, else `warning` or `ok` |
| `summary` | the sum, as on standard error |
| `strict` | whether warnings are failures; they then have the verdict `failed` |
| `questions` | the answers, in their order. An id can be there several times, and new ids may come |
| `id` | the question, see [below](#the-questions). Ids stay |
| `text` | the answer, with what, where and, for a cluster, the command that mends it |
| `fix` | what helps; `null` for `ok` and `skipped` |

A pipeline that stops at a failure and shows it:

```sh
ringpost check --strict --format json --config ringpost.toml |
  jq -e -r '(.questions[] | select(.verdict == "failed") | "\(.id): \(.text)\n  \(.fix)"), (.verdict != "failed")'
```

## Does the world find it: --dns

```sh
ringpost check --dns example.com --config /etc/ringpost/ringpost.toml
```

asks, after all else, whether mail for this domain reaches this server, and says which record to publish where it does not. `--dns` may be
given several times. Run it on the server, with ringpost started. `--resolver 192.0.2.53` asks another resolver than those of
/etc/resolv.conf, such as the name server of the zone.

- The **MX** record has to name `server.hostname`, and that name has to have addresses that senders can reach.
- Each address is asked for its name and back (**PTR**). Receiving does not need it, so what is missing is a warning.
- **Port 25** of each address is visited as a sender does it: banner, EHLO, STARTTLS, certificate. No mail is sent. That is how it looks from
  this machine: a provider's block or a firewall in front may let this machine through and stop others, or the other way round. Try it
  from another network too.
- The certificate is verified with the authorities that this machine trusts.
- **MTA-STS**, **TLSRPT** and **DANE** are skipped where the domain does not use them. Where it does, what senders would refuse is a
  failure. DNSSEC is not verified: a TLSA record is compared, whether its zone is signed is not known.

No question takes longer than ten seconds; one that takes more than two says so on standard error.

## Where would this mail go: --route

`ringpost check --route joe@example.com` names the topic and the route, and asks nothing else ([routing.md](routing.md)).

## The questions

What helps is said in general here; an answer says more.
"#;
