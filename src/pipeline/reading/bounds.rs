//! What a record counts for.
//!
//! Owns: the bytes of a record against the bound. Must not know: the bounds.

use crate::consume::received::Received;

/// The bytes that it takes: of its message, which may still have to be read from an object, and of its headers.
pub(super) fn bytes_of(record: &Received) -> u64 {
    let attributes = record.attributes();
    let announced = attributes.dataref.and(attributes.size).unwrap_or(0);
    let headers = record.headers.iter();
    let headers: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
    let there = (record.value.len() + headers) as u64;
    there.saturating_add(announced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(headers: &[(&str, &str)]) -> Received {
        Received {
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
                .collect(),
            value: vec![0; 100],
            ..Received::default()
        }
    }

    #[test]
    fn an_object_counts_before_it_is_read() {
        let size = ("ce_smtpsize", "5000");
        assert_eq!(bytes_of(&record(&[size])), 100 + 15);
        let claimed = record(&[size, ("ce_dataref", "file:///x")]);
        assert_eq!(bytes_of(&claimed), 5000 + 100 + 15 + 19);
    }
}
