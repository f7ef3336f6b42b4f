//! The name of the client's address (RFC 8601 2.7.3 and 3, `iprev`).
//!
//! Owns: PTR and back. Must not know: how a question gets its answer.

use std::net::IpAddr;

use super::dns::{Answer, Answers, Kind, Need, Question};
use super::word::Word;

/// Names that are looked at.
const NAMES_MOST: usize = 10;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reverse {
    /// The result.
    pub word: Word,
    /// A name that has the address.
    pub name: Option<String>,
}

/// Looks for a name of the address that has the address.
///
/// # Errors
/// Answers are missing.
pub(super) fn check(client: IpAddr, answers: &Answers) -> Result<Reverse, Need> {
    let client = client.to_canonical();
    let kind = match client {
        IpAddr::V4(_) => Kind::A,
        IpAddr::V6(_) => Kind::Aaaa,
    };
    let found = |word, name| Ok(Reverse { word, name });
    let names = match answers.answer(Question::names_of(client))? {
        Answer::Names(names) => names,
        Answer::Trouble => return found(Word::TempError, None),
        _ => return found(Word::PermError, None),
    };
    let mut word = Word::Fail;
    for name in names.iter().take(NAMES_MOST) {
        match answers.look(name, kind)? {
            Answer::Addresses(addresses) if addresses.contains(&client) => {
                return found(Word::Pass, Some(name.clone()));
            }
            Answer::Trouble => word = Word::TempError,
            _ => {}
        }
    }
    found(word, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authenticate::dns::tests::Zone;

    fn of(zone: &Zone, client: &str) -> (Word, Option<String>) {
        let client = client.parse().unwrap();
        let reverse = zone.run(|answers| check(client, answers));
        (reverse.word, reverse.name)
    }

    #[test]
    fn a_name_has_to_have_the_address() {
        let zone = Zone::default()
            .with(
                "1.2.0.192.in-addr.arpa",
                Kind::Ptr,
                &["liar.example", "a.example"],
            )
            .with(
                "2.2.0.192.in-addr.arpa",
                Kind::Ptr,
                &["liar.example", "none.example"],
            )
            .with("3.2.0.192.in-addr.arpa", Kind::Ptr, &["broken.example"])
            .broken("4.2.0.192.in-addr.arpa", Kind::Ptr)
            .with("liar.example", Kind::A, &["198.51.100.1"])
            .broken("broken.example", Kind::A)
            .with("a.example", Kind::A, &["198.51.100.1", "192.0.2.1"]);
        let named = Some("a.example".to_owned());
        assert_eq!(of(&zone, "192.0.2.1"), (Word::Pass, named.clone()));
        assert_eq!(of(&zone, "::ffff:192.0.2.1"), (Word::Pass, named));
        assert_eq!(of(&zone, "192.0.2.2"), (Word::Fail, None));
        assert_eq!(of(&zone, "192.0.2.3"), (Word::TempError, None));
        assert_eq!(of(&zone, "192.0.2.4"), (Word::TempError, None));
        assert_eq!(of(&zone, "192.0.2.5"), (Word::PermError, None));
        assert_eq!(of(&zone, "2001:db8::1"), (Word::PermError, None));
    }
}
