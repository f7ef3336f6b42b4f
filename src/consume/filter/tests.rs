use super::*;
use crate::consume::filter::field::{ATTRIBUTES, FIELDS};

/// What the filters of these tests count back from.
fn now() -> Timestamp {
    "2026-11-28T12:00:00Z".parse().unwrap()
}

/// A mail to two recipients, with these headers in place of its own.
fn mail(others: &[(&str, &str)]) -> Received {
    let own = [
        ("ce_type", "io.ringpost.mail.received.v1"),
        ("ce_id", "01M8G26T9MWMDJH9X80000000T"),
        ("ce_time", "2026-11-28T11:30:00.000Z"),
        ("ce_smtpfrom", "Bounce+joe=x.example@News.example"),
        (
            "ce_smtpto",
            r#"["Joe@Example.com","ann@b\u00fccher.example"]"#,
        ),
        ("ce_smtphelo", "My Printer"),
        ("ce_smtpclient", "192.0.2.7:4711"),
        ("ce_smtpprotocol", "ESMTPS"),
        ("ce_smtptls", "TLSv1.3 TLS13_AES_256_GCM_SHA384"),
        ("ce_smtpsize", "2048"),
        ("ce_authspf", "pass"),
    ];
    let own = own
        .iter()
        .filter(|(name, _)| !others.iter().any(|(other, _)| other == name));
    let headers = own.chain(others.iter().filter(|(_, value)| *value != "-"));
    Received {
        headers: headers
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
            .collect(),
        timestamp: Some(0),
        ..Received::default()
    }
}

fn holds(text: &str, received: &Received) -> bool {
    Filter::parse(&[text], now())
        .unwrap_or_else(|error| panic!("{error}"))
        .holds(received)
}

fn refused(text: &str) -> String {
    let error = Filter::parse(&[text], now()).expect_err(text);
    error.to_string()
}

#[test]
fn each_field_is_compared() {
    for (text, expected) in [
        ("recipient = joe@example.com", true),
        ("recipient = ann@xn--bcher-kva.example", true),
        ("recipient = ann@B\u{dc}CHER.example.", true),
        ("recipient = ann@example.com", false),
        ("recipient = x@example.com, joe@example.com", true),
        ("recipient != joe@example.com", false),
        ("recipient = *.example", true),
        ("domain = example.com", true),
        ("domain=*.example", true),
        ("domain = *.example.com", false),
        ("domain != other.example", true),
        ("domain = *", true),
        ("sender = bounce+joe=x.example@news.example", true),
        ("sender = news.example", true),
        ("sender = <>", false),
        ("sender != <>", true),
        ("client = 192.0.2.0/24", true),
        ("client = 192.0.2.7", true),
        ("client = ::ffff:192.0.2.0/120", true),
        ("client = 2001:db8::/32, 198.51.100.0/24", false),
        ("size = 2KiB", true),
        ("size != 2048", false),
        ("size > 2KiB", false),
        ("size>=2048", true),
        ("size < 1 MB", true),
        ("size > 1 kib and tls = *", true),
        ("(size = 2\tKiB)", true),
        ("size < 1MB", true),
        ("time >= 1h", true),
        ("time >= 1h ago", true),
        ("time < 1h AGO or time < 29min ago", true),
        ("time >= 1 h and time >= 31 min ago", true),
        ("time >= 31m", true),
        ("time >= 29m or time < 7 d", false),
        ("time >= 29min", false),
        ("time < 2026-11-28", false),
        ("time > 2026-11-28T11:29:59Z", true),
        ("id = 01m8g26t9mwmdjh9x80000000t", true),
        ("helo = \"my printer\"", true),
        ("helo = 'My Printer'", true),
        ("helo = My*", true),
        ("protocol = SMTP, ESMTPS", true),
        ("tls = *", true),
        ("tls != *", false),
        ("tls = TLSv1.2*", false),
        ("body = *", false),
        ("ce_authspf = pass", true),
        ("CE_AUTHSPF = pass", true),
        ("ce_authdkim = pass", false),
        ("ce_authdkim != pass", true),
    ] {
        assert_eq!(holds(text, &mail(&[])), expected, "{text}");
    }
}

#[test]
fn conditions_are_joined_with_the_usual_strength() {
    let (yes, no) = ("tls = *", "body = *");
    for (text, expected) in [
        (format!("{yes} and {no}"), false),
        (format!("{yes} or {no}"), true),
        (format!("{yes} or {no} and {no}"), true),
        (format!("({yes} or {no}) and {no}"), false),
        (format!("not {no} and {yes}"), true),
        (format!("not ({no} or {yes})"), false),
        (format!("not not {yes}"), true),
        (format!("NOT {no} AND(({yes}))OR {no}"), true),
        (format!("  ( {yes} )\n\tand {yes} "), true),
    ] {
        assert_eq!(holds(&text, &mail(&[])), expected, "{text}");
    }
    let both = Filter::parse(&[yes, no], now()).unwrap();
    assert!(!both.holds(&mail(&[])), "several filters all have to hold");
}

#[test]
fn what_a_record_lacks_fits_nothing() {
    let bare = mail(&[
        ("ce_smtpfrom", "-"),
        ("ce_smtpto", "not JSON"),
        ("ce_smtpclient", "x"),
        ("ce_smtpsize", "-1"),
        ("ce_id", "-"),
    ]);
    for text in [
        "recipient = *.com",
        "domain = *",
        "sender = <>",
        "sender = *.com",
        "client = 0.0.0.0/0, ::/0",
        "size >= 0",
        "size != 1",
        "id = *",
    ] {
        assert!(!holds(text, &bare), "{text}");
    }
    let null = mail(&[("ce_smtpfrom", "")]);
    assert!(holds("sender = <>", &null) && !holds("sender = *.com", &null));
    // Kafka's own time stamp where the record has none.
    let untimed = mail(&[("ce_time", "yesterday")]);
    assert!(holds("time < 1971-01-01", &untimed));
    assert!(!holds("time >= 1971-01-01", &untimed));
}

#[test]
fn records_of_other_programs_are_taken_only_without_a_filter() {
    for kind in ["-", "com.example.order", "io.ringpost.mai", ""] {
        let foreign = mail(&[("ce_type", kind)]);
        assert!(!holds("tls = *", &foreign) && !holds("not tls = *", &foreign));
        assert!(Filter::default().holds(&foreign));
    }
    let letter = mail(&[("ce_type", "io.ringpost.mail.undelivered.v1")]);
    assert!(holds("tls = *", &letter));
}

#[test]
fn a_mistake_points_at_its_place() {
    for (text, mark, part) in [
        ("", 0, "it is empty"),
        ("  ", 0, "it is empty"),
        (
            "domain example.com",
            7,
            "an operator is expected after domain: = or !=",
        ),
        (
            "domain > example.com",
            7,
            "an operator is expected after domain: = or !=",
        ),
        (
            "time = 1h",
            5,
            "an operator is expected after time: < <= > or >=",
        ),
        (
            "domain =",
            8,
            "a domain, *.example.com for all below one, or * is expected here",
        ),
        ("domain = and size > 1", 13, "`and`, `or`"),
        ("domain = a.example size > 1", 19, "`and`, `or`"),
        ("domain = a.example,", 19, "is expected here"),
        ("domain = a.example)", 18, "`and`, `or`"),
        (
            "domain = .example.com",
            9,
            "\".example.com\" begins with a dot: write *.example.com",
        ),
        ("domain = joe@example.com", 9, "is a mailbox"),
        (
            "recipient = a b@example.com",
            12,
            "write a@example.com, or @a",
        ),
        ("recipient = a@b.example c", 24, "`and`, `or`"),
        ("recipient = 'a b@example.com'", 12, "has no local-part"),
        ("recipient = <>", 12, "\"<>\" is the null sender"),
        (
            "subject = x",
            0,
            "there is no field `subject`: the fields are recipient, domain",
        ),
        ("ce_ = x", 0, "there is no field `ce_`"),
        (
            "ce_smtpsize > 5",
            12,
            "an operator is expected after ce_smtpsize: = or !=; < <= > and >= are for the fields size and time",
        ),
        (
            "CE_time x",
            8,
            "an operator is expected after CE_time: = or !=",
        ),
        ("domain == x", 7, "`==` is not an operator: write `=`"),
        ("size ===5", 5, "`==` is not an operator: write `=`"),
        ("helo <> x", 5, "`<>` is not an operator: write `!=`"),
        (
            "sender <>",
            7,
            "an operator is expected after sender: = or !=",
        ),
        ("size => 5", 5, "`=>` is not an operator: write `>=`"),
        ("time =< 1h", 5, "`=<` is not an operator: write `<=`"),
        (
            "time == 1h",
            5,
            "an operator is expected after time: < <= > or >=",
        ),
        ("size > 10 XB", 7, "\"10 XB\" is not a size"),
        ("size > 10 000", 7, "\"10 000\" is not a size"),
        ("size > 10 domain = x", 10, "`and`, `or`"),
        (
            "time > 2026-11-28 17:43",
            7,
            "\"2026-11-28 17:43\" is not a point in time",
        ),
        ("time > 1h 30min", 7, "\"1h 30min\" is not a point in time"),
        ("time > 1h30min", 7, "one number and one unit"),
        (
            "recipient = *@example.com",
            12,
            "has a * before the @, where it is no pattern: write example.com",
        ),
        (
            "sender = bounce*@*.example",
            9,
            "has a * before the @, where it is no pattern: write *.example",
        ),
        (
            "recipient = joe",
            12,
            "is neither an address nor a domain with a dot: write joe@example.com, or @joe",
        ),
        ("sender = x@y.example, Joe.", 22, "or @Joe"),
        (
            "client = localhost",
            9,
            "is neither an IP address nor a network",
        ),
        (
            "sender = a@b.example or b@c.example",
            24,
            "`b@c.example` is not a condition: further values of sender come after commas",
        ),
        (
            "client = ::1 or 2001:db8::1",
            16,
            "`2001:db8::1` is not a condition: further values of client",
        ),
        (
            "CE_x = a and (b or c)",
            14,
            "`b` is not a condition: further values of CE_x",
        ),
        (
            "sender = a.example or <>",
            22,
            "`<>` is not a condition: further values of sender",
        ),
        (
            "helo = a or \"b c\"",
            12,
            "`\"b c\"` is not a condition: further values of helo",
        ),
        ("tls = * and subject = x", 12, "there is no field `subject`"),
        ("tls = * or and = x", 11, "there is no field `and`"),
        ("size > 1 or x", 12, "there is no field `x`"),
        (
            "recipient = \"a b;c\"@example.com",
            19,
            "the value goes on after its closing quote: put single quotes around the whole",
        ),
        (
            "helo = 'a'b",
            10,
            "the value goes on after its closing quote",
        ),
        ("tls = * or", 10, "a condition is expected here"),
        ("tls = * and )", 12, "a condition is expected here"),
        ("not", 3, "a condition is expected here"),
        (
            "(tls = *",
            0,
            "the parenthesis that begins here is not closed",
        ),
        ("tls = \"TLS", 6, "the quote that begins here is not closed"),
        (
            "tls = \"TLS\\",
            6,
            "the quote that begins here is not closed",
        ),
        (
            "client = 192.0.2.1/24",
            9,
            "has bits set after its prefix: write 192.0.2.0/24",
        ),
        ("client = mx.example", 9, "names are not looked up"),
        ("size > 1XB", 7, "is not a size"),
        ("time > yesterday", 7, "is not a point in time"),
        ("domain = .\u{1b}", 9, "begins with a dot: write *.\\u{1b}"),
        (
            "helo = x and \u{1b}[2J = y",
            13,
            "a condition is expected here",
        ),
    ] {
        let said = refused(text);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 4, "{said}");
        assert!(
            lines[0].starts_with("--filter: ") && lines[0].contains(part),
            "{said}"
        );
        assert_eq!(lines[2], format!("{:1$}^", "", mark + 2), "{said}");
        let example = lines[3].strip_prefix("for example: ").unwrap();
        Filter::parse(&[example], now()).unwrap();
        assert!(!said.contains('\u{1b}'));
    }
}

#[test]
fn a_long_filter_is_shown_around_the_place() {
    let text = format!("domain = {} x", vec!["\u{fc}.example"; 40].join(", "));
    let said = refused(&text);
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[1].starts_with("  \u{2026}") && lines[1].ends_with('x'),
        "{said}"
    );
    assert_eq!(lines[1].chars().count(), lines[2].chars().count(), "{said}");
}

#[test]
fn length_and_depth_are_bounded() {
    let nested = |levels: usize| format!("{}tls = *{}", "(".repeat(levels), ")".repeat(levels));
    assert!(holds(&nested(32), &mail(&[])));
    assert!(refused(&nested(33)).contains("nested too deep: at most 32"));
    assert!(refused(&"not ".repeat(16_000)).contains("nested too deep"));
    assert!(refused(&"(".repeat(60_000)).contains("nested too deep"));
    assert!(refused(&" ".repeat(70_000)).contains("it is too long: at most 65536 bytes"));
    let wide = vec!["tls = *"; 5_000].join(" and ");
    assert!(holds(&wide, &mail(&[])));
}

#[test]
fn the_page_has_every_field_and_its_example() {
    let page = include_str!("../../../docs/consume.md");
    for field in FIELDS {
        let name = if field.name == ATTRIBUTES {
            "ce_NAME"
        } else {
            field.name
        };
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/consume.md has no row for {name}"));
        assert!(row.contains(&format!("`{}`", field.example)), "{row}");
        Filter::parse(&[field.example], now()).unwrap();
    }
}
