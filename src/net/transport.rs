//! The door between a connection and its bytes: a TCP stream of an engine, or what a test puts there.
//!
//! Invariant: a read or write that was started is awaited to its end; to end it earlier, shut the transport
//! down, and it completes by itself.

use std::io;
use std::net::Shutdown;

use bytes::BytesMut;

/// A stream of bytes in both directions.
#[allow(
    async_fn_in_trait,
    reason = "a worker never moves a connection to another thread"
)]
pub trait Transport: 'static {
    /// Whether something can be read already.
    fn has_spoken(&self) -> bool;
    /// Waits until something can be read, or the stream has ended.
    ///
    /// No async fn: one would hold the wait and what it waits for, in every connection.
    fn readable(&self) -> impl Future<Output = io::Result<()>>;
    /// Reads what is there into `buffer`, which is not empty; 0 is the end of the stream.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where nothing is there.
    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Reads into the spare room of `buffer`, at most `most` bytes; 0 is the end of the stream.
    async fn read(&self, buffer: BytesMut, most: usize) -> (io::Result<usize>, BytesMut);
    /// Writes as much of `octets` as is taken at once, which may be nothing; how much that was.
    fn write_now(&self, octets: &[u8]) -> io::Result<usize>;
    /// Writes all of `octets`.
    async fn write_all(&self, octets: Vec<u8>) -> (io::Result<()>, Vec<u8>);
    /// Ends one or both directions; what is under way completes.
    fn shutdown(&self, how: Shutdown);
}
