//! The name that was probably meant by one that is unknown.
//!
//! Knows nothing of where names come from. It guesses only where the guess is near: a wrong one costs more than none.

/// The nearest of the candidates: one that the name is the beginning of or the other way round, or the one with the
/// fewest differing letters, unless more than a third of them differ.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    const SHORTEST_PART: usize = 4;
    let ranked = candidates.into_iter().filter_map(|candidate| {
        let differing = strsim::damerau_levenshtein(name, candidate);
        let shorter = name.len().min(candidate.len());
        let is_part =
            shorter >= SHORTEST_PART && (name.contains(candidate) || candidate.contains(name));
        let is_near = differing * 3 <= name.chars().count().max(3);
        // A part comes after every near one.
        if is_near {
            Some((differing, candidate))
        } else {
            is_part.then_some((usize::MAX, candidate))
        }
    });
    ranked
        .min_by_key(|(differing, _)| *differing)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_and_parts_are_suggested_and_nothing_else() {
        let known = ["listen", "hostname", "message_size", "certificate", "key"];
        let cases = [
            ("lisen", Some("listen")),
            ("listne", Some("listen")),
            ("host_name", Some("hostname")),
            ("max_message_size", Some("message_size")),
            ("cert", Some("certificate")),
            ("kye", Some("key")),
            ("size", Some("message_size")),
            ("port", None),
            ("x", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }
}
