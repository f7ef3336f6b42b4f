//! Mails whose beginning, sender or recipient could change what a parser reads, and how each is to be read.
//!
//! Owns: the mails. Must not know: the server, or how a parser is run.

/// What a parser finds: the first Subject and From, and the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub subject: Option<&'static str>,
    pub from: Option<&'static str>,
    pub body: Vec<u8>,
}

/// One mail as a client sends it.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    /// The argument of EHLO.
    pub greeting: &'static str,
    /// The parameters of MAIL.
    pub parameters: &'static str,
    pub recipient: &'static str,
    pub message: Vec<u8>,
    /// The bytes after DATA, where they are not what a client makes of the message.
    pub wire: Option<&'static [u8]>,
    pub mail: Mail,
    /// Parsers that read it in their own way, which is the same without our field, and how.
    pub own: Vec<(&'static str, Mail)>,
}

fn mail(subject: &'static str, from: &'static str, body: &[u8]) -> Mail {
    let given = |text: &'static str| (!text.is_empty()).then_some(text);
    Mail {
        subject: given(subject),
        from: given(from),
        body: body.to_vec(),
    }
}

fn case(name: &str, message: &[u8], mail: Mail) -> Case {
    Case {
        name: name.to_owned(),
        greeting: "client.example",
        parameters: "",
        recipient: "b@mx.example",
        message: message.to_vec(),
        wire: None,
        mail,
        own: Vec::new(),
    }
}

/// A message that has no header section: all of it is the body.
fn text(name: &str, message: &[u8]) -> Case {
    case(name, message, mail("", "", message))
}

const NORMAL: &[u8] =
    b"From: a@client.example\r\nSubject: one\r\n two\r\nDate: Tue, 2 Jan 1990 00:00:00 +0000\r\n\r\nbody\r\n";

fn normal(name: &str) -> Case {
    case(
        name,
        NORMAL,
        mail("one two", "a@client.example", b"body\r\n"),
    )
}

/// All of them.
pub fn cases() -> Vec<Case> {
    let mut all = vec![normal("normal")];
    all.extend(without_a_field());
    all.extend(uncovered_by_a_dot());
    all.extend(with_a_strange_field());
    all.extend(greetings());
    all.push(Case {
        recipient: "\"a;b\"@mx.example",
        ..normal("a quoted recipient")
    });
    all.push(in_utf8());
    all
}

/// Messages that begin with no field.
fn without_a_field() -> Vec<Case> {
    let mut all = vec![
        text("nothing", b""),
        case(
            "an empty line first",
            b"\r\nSubject: no\r\n\r\nbody\r\n",
            mail("", "", b"Subject: no\r\n\r\nbody\r\n"),
        ),
        text("no header", b"Hello\r\n"),
        text("no header and no end of line", b"Hello"),
        text("no header, a blank alone", b" "),
        text("text with a colon", b"Hello there: this is no field\r\n"),
        text("a date and no colon", b"Hello ; 1 Jan 1990\r\n"),
    ];
    let beginnings: [(&str, &[u8]); 12] = [
        ("a space", b" "),
        ("a tab", b"\t"),
        ("NBSP in Latin-1", b"\xa0"),
        ("NBSP", b"\xc2\xa0"),
        ("VT", b"\x0b"),
        ("FF", b"\x0c"),
        ("NUL", b"\0"),
        ("a byte order mark", b"\xef\xbb\xbf"),
        ("NEL in Latin-1", b"\x85"),
        ("DEL", b"\x7f"),
        ("CR", b"\r "),
        ("LF", b"\n "),
    ];
    for (name, octets) in beginnings {
        let rests: [&[u8]; 5] = [
            b"\r\n",
            b"; Mon, 1 Jan 1990 00:00:00 +0000\r\n",
            b"From: evil@x\r\nSubject: evil\r\n\r\nbody\r\n",
            b"Received: x; Mon, 1 Jan 1990 00:00:00 +0000\r\n\r\nbody\r\n",
            b"Hello\r\nSubject: late\r\n\r\nbody\r\n",
        ];
        for rest in rests {
            let message = [octets, rest].concat();
            let name = format!("{name} before {:?}", rest.escape_ascii().to_string());
            all.push(text(&name, &message));
        }
    }
    all
}

/// A line that begins with a dot and is no end of data loses the dot, whatever follows it. A client that means `. x` sends
/// `.. x`; one that sends `. x` has sent a line that begins with a blank.
fn uncovered_by_a_dot() -> Vec<Case> {
    let sent: [(&str, &[u8], &[u8]); 3] = [
        (
            "a dot that uncovers a blank",
            b". ; Mon, 1 Jan 1990 00:00:00 +0000\r\n.\r\n",
            b" ; Mon, 1 Jan 1990 00:00:00 +0000\r\n",
        ),
        (
            "a dot that uncovers a tab",
            b".\tFrom: evil@x\r\n.\r\n",
            b"\tFrom: evil@x\r\n",
        ),
        (
            "a dot that uncovers a dot",
            b".. x\r\nSubject: no\r\n.\r\n",
            b". x\r\nSubject: no\r\n",
        ),
    ];
    let uncovered = sent.map(|(name, wire, message)| Case {
        wire: Some(wire),
        ..text(name, message)
    });
    let mut all = Vec::from(uncovered);
    all.push(Case {
        wire: Some(b".From: a@client.example\r\n\r\nbody\r\n.\r\n"),
        ..case(
            "a dot that uncovers a field",
            b"From: a@client.example\r\n\r\nbody\r\n",
            mail("", "a@client.example", b"body\r\n"),
        )
    });
    all
}

/// First fields that are strange, and no less the sender's.
fn with_a_strange_field() -> Vec<Case> {
    let simple = |name: &str, first: &str| {
        let message = format!("{first}\r\nFrom: a@client.example\r\nSubject: x\r\n\r\nbody\r\n");
        let read = mail("x", "a@client.example", b"body\r\n");
        case(name, message.as_bytes(), read)
    };
    // A field name is ASCII without blanks for Python's email, and a line `From ` is at the very beginning or is
    // skipped; with any other line the body begins.
    let body_in_python = |case: Case| {
        let read = mail("", "", &case.message);
        Case {
            own: vec![("python compat32", read.clone()), ("python default", read)],
            ..case
        }
    };
    vec![
        simple("a field of one letter", "X: y"),
        simple("an empty field", "X:"),
        simple("a field of signs", "!#$%&'*+-/=?^_`{|}~: y"),
        simple("a name of none", ": y"),
        simple(
            "a Received of the sender's after another field",
            "X: Received: y",
        ),
        body_in_python(simple("a blank before the colon", "X : y")),
        body_in_python(simple("a name in UTF-8", "X\u{fc}: y")),
        simple(
            "the line of a mailbox file",
            "From a@client.example Mon Jan  1 00:00:00 1990",
        ),
        body_in_python(simple(
            "the quoted line of a mailbox file",
            ">From a@client.example Mon Jan  1 00:00:00 1990",
        )),
    ]
}

/// Names in EHLO that would end the field's clause, open a comment or a string, or bring their own date.
fn greetings() -> Vec<Case> {
    let names = [
        "a;b",
        "x; Mon, 1 Jan 1990 00:00:00 +0000",
        "(",
        ")",
        "x) by evil.example; (",
        "\"",
        "\\",
        "two words",
        "b\u{fc}cher.example",
        "a\u{200b}b; Mon, 1 Jan 1990 00:00:00 +0000",
        "<a@b>",
        "[127.0.0.1]",
        "[IPv6:::1]",
        "=?utf-8?q?=3B?=",
    ];
    let greeted = names.map(|greeting| Case {
        greeting,
        ..normal(&format!("EHLO {greeting}"))
    });
    Vec::from(greeted)
}

fn in_utf8() -> Case {
    let message = "From: j\u{fc}rgen@client.example\r\nSubject: gr\u{fc}n\r\n\r\nb\u{f6}d\r\n";
    let read = mail(
        "gr\u{fc}n",
        "j\u{fc}rgen@client.example",
        "b\u{f6}d\r\n".as_bytes(),
    );
    Case {
        greeting: "b\u{fc}cher.example",
        parameters: " SMTPUTF8 BODY=8BITMIME",
        recipient: "j\u{f6}rg@b\u{fc}cher.example",
        ..case("SMTPUTF8", message.as_bytes(), read)
    }
}
