//! A stream that is not a file: standard output, a pipe, a device.
//!
//! Owns: what waits for a write. Must not know: what the stream is.
//!
//! BUGS: what was printed cannot be taken back.

use std::io::{self, Write};

use super::form::Writer;
use crate::consume::received::Received;

/// Bytes that wait for a write to a stream.
const BUFFER_BYTES: usize = 64 * 1024;

/// A stream that is not a file.
pub struct Stream<'a> {
    writer: Writer,
    to: Box<dyn Write + 'a>,
    buffer: Vec<u8>,
}

impl<'a> Stream<'a> {
    /// Nothing was written yet.
    pub fn new(writer: Writer, to: impl Write + 'a) -> Self {
        Self {
            writer,
            to: Box::new(to),
            buffer: Vec::new(),
        }
    }

    /// What comes before all records, if anything does.
    pub fn begin(&mut self, heading: Option<String>) {
        self.buffer
            .extend(heading.into_iter().flat_map(String::into_bytes));
    }

    /// Drops what waits for a write.
    pub fn abandon(&mut self) {
        self.buffer.clear();
    }

    /// Takes one record.
    ///
    /// # Errors
    /// What the stream returns.
    pub fn write(&mut self, received: &Received) -> io::Result<()> {
        (self.writer)(received, &mut self.buffer)?;
        if self.buffer.len() >= BUFFER_BYTES {
            self.write_out()?;
        }
        Ok(())
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.to.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Brings everything that was written out of the process.
    ///
    /// # Errors
    /// What the stream returns.
    pub fn flush(&mut self) -> io::Result<()> {
        self.write_out()?;
        self.to.flush()
    }
}
