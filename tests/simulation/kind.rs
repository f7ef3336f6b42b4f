//! How clients behave: those whose mail has to arrive, and the others.

/// How a client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One command at a time.
    Correct,
    /// Groups of commands (RFC 2920).
    Pipelining,
    /// BDAT (RFC 3030).
    Chunking,
    /// Everything at once, before any reply.
    Blast,
    /// Sequences that could pass for the end of the data.
    Smuggling,
    /// STARTTLS, and in the same write commands in clear, in the hope that they are taken for encrypted ones (CVE-2011-0411).
    Injecting,
    /// BDAT lines that name no size, followed by chunks that look like commands.
    Miscounting,
    /// Messages above the limit.
    Oversize,
    /// A few bytes at a time.
    Drip,
    /// Gone in the middle of anything.
    Leaving,
    /// No SMTP, or nearly.
    Garbage,
    /// Connects and says nothing.
    Silent,
}

/// Those whose mail has to arrive.
pub const GOOD: [Kind; 3] = [Kind::Correct, Kind::Pipelining, Kind::Chunking];

/// The others.
pub const BAD: [Kind; 9] = [
    Kind::Blast,
    Kind::Smuggling,
    Kind::Injecting,
    Kind::Miscounting,
    Kind::Oversize,
    Kind::Drip,
    Kind::Leaving,
    Kind::Garbage,
    Kind::Silent,
];
