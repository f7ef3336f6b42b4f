//! Buffers of bodies, used again: asking the kernel for memory, having it zeroed and giving it
//! back for each message costs as much as the bytes of a large message themselves.
//!
//! Owns: buffers that no message has now, by size. Must not know: what is charged; the bound comes in.
//!
//! Invariants: every capacity is a power of two; what is kept is never more than the latest bound.

use bytes::BytesMut;

use crate::limits::BODY_INITIAL_OCTETS;

/// See the module. One per worker.
#[derive(Debug, Default)]
pub struct Buffers {
    /// `sizes[n]` holds buffers of [`BODY_INITIAL_OCTETS`] times two to the power of n.
    sizes: Vec<Vec<BytesMut>>,
    kept: usize,
}

impl Buffers {
    /// Keeps none yet.
    pub fn new() -> Self {
        Self {
            sizes: Vec::new(),
            kept: 0,
        }
    }

    /// Bytes that are kept.
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// Frees buffers, the largest first, until no more than `most` bytes are kept.
    pub fn shrink(&mut self, most: usize) {
        for (place, buffers) in self.sizes.iter_mut().enumerate().rev() {
            while self.kept > most && buffers.pop().is_some() {
                self.kept -= BODY_INITIAL_OCTETS << place;
            }
        }
    }

    /// The capacity of a buffer for `octets`.
    pub fn capacity(octets: usize) -> usize {
        octets.max(BODY_INITIAL_OCTETS).next_power_of_two()
    }

    /// An empty buffer of this capacity, which [`Buffers::capacity`] gave.
    pub fn take(&mut self, capacity: usize) -> BytesMut {
        let kept = self.sizes.get_mut(place(capacity)).and_then(Vec::pop);
        let buffer = match kept {
            Some(buffer) => {
                self.kept -= capacity;
                buffer
            }
            None => BytesMut::with_capacity(capacity),
        };
        assert_eq!(
            (buffer.capacity(), buffer.len()),
            (capacity, 0),
            "a buffer is what was asked for"
        );
        buffer
    }

    /// Takes a buffer back, or frees it where `most` bytes are kept. One without memory is a buffer that was lost to a
    /// panic.
    pub fn give_back(&mut self, mut buffer: BytesMut, most: usize) {
        let capacity = buffer.capacity();
        if capacity == 0 {
            return;
        }
        assert_eq!(
            capacity,
            Self::capacity(capacity),
            "a buffer comes back as it was taken"
        );
        if self.kept + capacity > most {
            return;
        }
        buffer.clear();
        let place = place(capacity);
        if self.sizes.len() <= place {
            self.sizes.resize_with(place + 1, Vec::new);
        }
        self.sizes[place].push(buffer);
        self.kept += capacity;
    }
}

fn place(capacity: usize) -> usize {
    (capacity / BODY_INITIAL_OCTETS).trailing_zeros() as usize
}

const _: () = assert!(BODY_INITIAL_OCTETS.is_power_of_two());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_used_again_and_no_more_are_kept_than_may_be() {
        let (mut buffers, most) = (Buffers::new(), 3 * BODY_INITIAL_OCTETS);
        let capacity = Buffers::capacity(1);
        let mut first = buffers.take(capacity);
        first.extend_from_slice(b"a message");
        let memory = first.as_ptr();
        let large = buffers.take(Buffers::capacity(capacity + 1));
        let third = buffers.take(capacity);
        assert_eq!(large.capacity(), 2 * capacity);
        for buffer in [first, large, third] {
            buffers.give_back(buffer, most);
        }
        assert_eq!(buffers.kept, 3 * capacity, "the third was freed");
        let again = buffers.take(capacity);
        assert_eq!((again.as_ptr(), again.len()), (memory, 0));
        buffers.give_back(again, most);
        buffers.shrink(most - 1);
        assert_eq!(buffers.kept(), capacity, "the largest goes first");
        buffers.take(capacity);
        assert_eq!(buffers.kept(), 0);
    }
}
