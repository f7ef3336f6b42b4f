//! Which extension of SMTP a message needs and a server does not offer.

use ringpost_proto::client::offers::Offers;

use crate::content::Needs;
use crate::fault::Extension;

/// An extension that a message needs and the server does not offer.
pub(crate) fn missing(offers: &Offers, needs: Needs) -> Option<Extension> {
    if needs.chunking && !offers.chunking {
        Some(Extension::Chunking)
    } else if needs.binary && !offers.binary {
        Some(Extension::BinaryMime)
    } else if needs.eight_bit && !needs.binary && !offers.eight_bit {
        Some(Extension::EightBitMime)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_needs_is_missing_where_it_is_not_offered() {
        let eight_bit = Needs {
            eight_bit: true,
            ..Needs::default()
        };
        let binary = Needs {
            binary: true,
            chunking: true,
            ..eight_bit
        };
        let of = |text: &[u8], needs| missing(&Offers::read(text), needs);
        assert_eq!(of(b"mx", Needs::default()), None);
        assert_eq!(of(b"mx", eight_bit), Some(Extension::EightBitMime));
        assert_eq!(of(b"mx\n8BITMIME", eight_bit), None);
        assert_eq!(of(b"mx\n8BITMIME", binary), Some(Extension::Chunking));
        let chunking = b"mx\nCHUNKING";
        assert_eq!(of(chunking, binary), Some(Extension::BinaryMime));
        assert_eq!(of(b"mx\nCHUNKING\nBINARYMIME", binary), None);
    }
}
