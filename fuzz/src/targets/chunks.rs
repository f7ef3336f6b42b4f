//! BDAT against a model of RFC 3030 that is as naive as can be: which code each command gets, and which messages there are.
//! Chunks hold commands, dots and ends of data, so a session that loses count says something else at once.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use ringpost_proto::smtp::policy::{Policy, Recipients};

use crate::driver::{Driver, replies};
use crate::mutate::Corpus;
use crate::random::Random;

const LARGEST: usize = 60;

pub fn corpus() -> Corpus {
    Corpus::read(include_str!("../../corpus/chunks.txt"), WORDS, 400)
}

const WORDS: &[&str] = &[
    "\r\n.\r\n",
    "BDAT 5\r\n",
    "BDAT 0 LAST\r\n",
    "RSET\r\n",
    "QUIT\r\n",
    "MAIL FROM:<s@b>\r\n",
    "\r\n",
    "\0",
    "\n",
    "x",
];

static POLICY: LazyLock<(Arc<Policy>, Instant)> = LazyLock::new(|| {
    let mut policy = Policy::new("mx.example");
    policy.message_size = LARGEST as u64;
    policy.errors = 1000;
    policy.taken = Arc::new(Recipients::everybody_at(["mx.example"]));
    (Arc::new(policy), Instant::now())
});

/// Where the model stands.
#[derive(Debug, Clone)]
enum Place {
    Greeted,
    Addressed { recipients: usize, binary: bool },
    Between(Vec<u8>),
}

struct Model {
    place: Place,
    codes: Vec<u16>,
    messages: Vec<Vec<u8>>,
}

/// The octets of the input are what the chunks hold; `random` chooses the commands.
pub fn check(input: &[u8], random: &mut Random) {
    let mut model = Model {
        place: Place::Greeted,
        codes: vec![220, 250],
        messages: Vec::new(),
    };
    let mut sent = b"EHLO c\r\n".to_vec();
    let mut rest = input;
    for _ in 0..random.between(1, 12) {
        match random.below(10) {
            0 | 1 => mail(&mut model, &mut sent, random.once_in(2)),
            2 => rcpt(&mut model, &mut sent, random.once_in(4)),
            3 => {
                sent.extend_from_slice(b"RSET\r\n");
                model.codes.push(250);
                model.place = Place::Greeted;
            }
            4 => data(&mut model, &mut sent),
            _ => {
                let (chunk, behind) = rest.split_at(random.between(0, rest.len().min(LARGEST + 5)));
                rest = if behind.is_empty() { input } else { behind };
                bdat(&mut model, &mut sent, chunk, random.once_in(3));
            }
        }
        if matches!(model.place, Place::Greeted) && !random.once_in(5) {
            mail(&mut model, &mut sent, random.once_in(2));
            rcpt(&mut model, &mut sent, false);
        }
    }
    let (policy, now) = &*POLICY;
    let mut driver = Driver::new(Arc::clone(policy), *now);
    let most = *random.of(&[1, 3, 20, usize::MAX]);
    for piece in sent.chunks(most) {
        driver.receive(piece);
    }
    let codes: Vec<u16> = replies(&driver.log.said)
        .iter()
        .map(|reply| reply[0][..3].parse().expect("a code"))
        .collect();
    assert_eq!(codes, model.codes, "{}", sent.escape_ascii());
    let messages: Vec<Vec<u8>> = driver
        .log
        .committed
        .into_iter()
        .map(|message| message.body)
        .collect();
    assert_eq!(messages, model.messages, "{}", sent.escape_ascii());
}

fn mail(model: &mut Model, sent: &mut Vec<u8>, binary: bool) {
    sent.extend_from_slice(if binary {
        b"MAIL FROM:<a@b> BODY=BINARYMIME\r\n"
    } else {
        b"MAIL FROM:<a@b>\r\n"
    });
    let fits = matches!(model.place, Place::Greeted);
    model.codes.push(if fits { 250 } else { 503 });
    if fits {
        model.place = Place::Addressed {
            recipients: 0,
            binary,
        };
    }
}

fn rcpt(model: &mut Model, sent: &mut Vec<u8>, elsewhere: bool) {
    let domain = if elsewhere {
        "elsewhere.example"
    } else {
        "mx.example"
    };
    sent.extend_from_slice(format!("RCPT TO:<x@{domain}>\r\n").as_bytes());
    model.codes.push(match &mut model.place {
        Place::Greeted | Place::Between(_) => 503,
        Place::Addressed { .. } if elsewhere => 550,
        Place::Addressed { recipients, .. } => {
            *recipients += 1;
            250
        }
    });
}

fn data(model: &mut Model, sent: &mut Vec<u8>) {
    sent.extend_from_slice(b"DATA\r\n");
    match model.place {
        Place::Greeted | Place::Between(_) => model.codes.push(503),
        Place::Addressed { recipients: 0, .. } => model.codes.push(554),
        Place::Addressed { binary: true, .. } => model.codes.push(503),
        Place::Addressed { .. } => {
            sent.extend_from_slice(b"BDAT 5\r\n.\r\n");
            model.codes.extend([354, 250]);
            model.messages.push(b"BDAT 5\r\n".to_vec());
            model.place = Place::Greeted;
        }
    }
}

fn bdat(model: &mut Model, sent: &mut Vec<u8>, chunk: &[u8], last: bool) {
    let word = if last { " LAST" } else { "" };
    sent.extend_from_slice(format!("BDAT {}{word}\r\n", chunk.len()).as_bytes());
    sent.extend_from_slice(chunk);
    let mut message = match std::mem::replace(&mut model.place, Place::Greeted) {
        Place::Greeted => return model.codes.push(503),
        place @ Place::Addressed { recipients: 0, .. } => {
            model.place = place;
            return model.codes.push(554);
        }
        Place::Addressed { .. } => Vec::new(),
        Place::Between(message) => message,
    };
    if message.len() + chunk.len() > LARGEST {
        return model.codes.push(552);
    }
    message.extend_from_slice(chunk);
    model.codes.push(250);
    if last {
        model.messages.push(message);
    } else {
        model.place = Place::Between(message);
    }
}
