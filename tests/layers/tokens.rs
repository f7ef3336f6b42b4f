//! Rust source as tokens, without comments, literals and what only tests compile.
//!
//! Owns what is skipped. Must not know what a path means.
//!
//! # BUGS
//! - Macros are read as the tokens that they are given, not as what they make of them.
//! - Only `#[cfg(test)]` and `#[cfg(all(test, ...))]` count as test code.

/// A word, `::`, or one other character.
pub type Token = String;

/// The tokens of a source text; test items are left out, except `mod name;`, which becomes `test mod name;`.
pub fn tokens(text: &str) -> Vec<Token> {
    without_tests(&split(text))
}

fn split(text: &str) -> Vec<Token> {
    let text: Vec<char> = text.chars().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let rest = &text[at..];
        at += match rest {
            ['/', '/', ..] => line_comment(rest),
            ['/', '*', ..] => block_comment(rest),
            ['"', ..] => string(rest, 1),
            ['b' | 'c', '"', ..] => string(rest, 2),
            ['r', '"' | '#', ..] | ['b' | 'c', 'r', '"' | '#', ..] => raw_string(rest, &mut found),
            ['\'', ..] => character(rest),
            [':', ':', ..] => push(&mut found, "::".to_owned(), 2),
            [first, ..] if first.is_whitespace() => 1,
            [first, ..] if is_word(*first) => {
                let word: String = rest.iter().take_while(|c| is_word(**c)).collect();
                let length = word.chars().count();
                push(&mut found, word, length)
            }
            [first, ..] => push(&mut found, first.to_string(), 1),
            [] => unreachable!("the loop ends before the text does"),
        };
    }
    found
}

fn push(found: &mut Vec<Token>, token: Token, length: usize) -> usize {
    found.push(token);
    length
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn line_comment(rest: &[char]) -> usize {
    rest.iter().position(|c| *c == '\n').unwrap_or(rest.len())
}

/// Block comments nest.
fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at + 1 < rest.len() {
        match rest[at..at + 2] {
            ['/', '*'] => (depth, at) = (depth + 1, at + 2),
            ['*', '/'] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// A string from its opening quote on, which is the character before `start`.
fn string(rest: &[char], start: usize) -> usize {
    let mut at = start;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `r"…"`, `br#"…"#`, or else a raw identifier, which is a word.
fn raw_string(rest: &[char], found: &mut Vec<Token>) -> usize {
    let prefix = if rest[0] == 'r' { 1 } else { 2 };
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    let start = prefix + hashes;
    if rest.get(start) != Some(&'"') {
        let word: String = rest[start..].iter().take_while(|c| is_word(**c)).collect();
        let length = start + word.chars().count();
        return push(found, word, length);
    }
    let end: Vec<char> = std::iter::once('"')
        .chain(std::iter::repeat_n('#', hashes))
        .collect();
    let body = &rest[start + 1..];
    let closed = body.windows(end.len()).position(|window| window == end);
    closed.map_or(rest.len(), |closed| start + 1 + closed + end.len())
}

/// A character literal, or the quote of a lifetime.
fn character(rest: &[char]) -> usize {
    match rest {
        ['\'', '\\', _, tail @ ..] => {
            let closed = tail.iter().position(|c| *c == '\'');
            3 + closed.map_or(tail.len(), |closed| closed + 1)
        }
        ['\'', _, '\'', ..] => 3,
        _ => 1,
    }
}

fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if !is_test_attribute(&tokens[at..]) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        while starts_with(&tokens[at..], &["#", "["]) {
            at += closing(&tokens[at + 1..]) + 1;
        }
        let item = item_length(&tokens[at..]);
        if let [.., keyword, name, end] = &tokens[at..at + item]
            && keyword == "mod"
            && end == ";"
        {
            kept.extend(["test", "mod", name, ";"].map(str::to_owned));
        }
        at += item;
    }
    kept
}

fn is_test_attribute(tokens: &[Token]) -> bool {
    let cfg = ["#", "[", "cfg", "("];
    starts_with(tokens, &[&cfg[..], &["test", ")"]].concat())
        || starts_with(tokens, &[&cfg[..], &["all", "(", "test"]].concat())
}

fn starts_with(tokens: &[Token], wanted: &[&str]) -> bool {
    tokens.len() >= wanted.len()
        && tokens
            .iter()
            .zip(wanted)
            .all(|(token, wanted)| token == wanted)
}

/// Up to its `;`, or to the end of its first braces.
fn item_length(tokens: &[Token]) -> usize {
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            ";" => return at + 1,
            "{" => return at + closing(&tokens[at..]),
            "(" | "[" => at += closing(&tokens[at..]),
            _ => at += 1,
        }
    }
    tokens.len()
}

/// How many tokens from an opening bracket to after its closing one.
pub fn closing(tokens: &[Token]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}
