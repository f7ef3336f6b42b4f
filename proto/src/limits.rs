//! Every bound of the protocol that is not an operator's choice: its unit in the name, the sentence that derives it, and the
//! relations between them as `const` assertions.
//!
//! What an operator sets (message size, recipients, time-outs) comes in with [`crate::smtp::policy::Policy`].

/// The longest command line that is read, CRLF included. RFC 5321 4.5.3.1.4 asks for 512; the parameters of SIZE,
/// BODY and SMTPUTF8 add 26 + 17 + 10 to MAIL, and SMTPUTF8 lets a path be longer in octets than in characters. Twice
/// the sum is generous to any sender and still small for an idle session.
pub const COMMAND_LINE_OCTETS: usize = 2048;

/// The longest reply line that is sent, CRLF included (RFC 5321 4.5.3.1.5).
pub const REPLY_LINE_OCTETS: usize = 512;

/// The longest path, with its angle brackets and separators. RFC 5321 4.5.3.1.3 has 256 and asks receivers to avoid limits; the
/// longest local-part, `@` and the longest domain fit.
pub const PATH_OCTETS: usize = 516;

/// The longest local-part. RFC 5321 4.5.3.1.1 has 64, which bounce addresses (VERP, SRS) and calendar services exceed: 86 and
/// more have been seen. Four times as much is generous and still bounded.
pub const LOCAL_PART_OCTETS: usize = 256;

/// The longest domain, without a dot at its end, in the form of its A-labels (RFC 5321 4.5.3.1.2).
pub const DOMAIN_OCTETS: usize = 255;

/// The longest label of a domain (RFC 1035 2.3.4).
pub const DOMAIN_LABEL_OCTETS: usize = 63;

/// The longest line of the PROXY protocol's version 1, CRLF included (proxy-protocol.txt 2.1).
pub const PROXY_LINE_OCTETS: usize = 107;

/// The longest header of the PROXY protocol's version 2 that is read. Addresses take 232 octets at most; TLVs after them,
/// such as a client certificate's names, add some hundreds. It fits the buffer that commands are read into.
pub const PROXY_HEADER_OCTETS: usize = 4 * 1024;

/// Replies that wait to be written are sent before they exceed this, so that a client which pipelines without reading
/// cannot make them grow.
pub const REPLY_BUFFER_OCTETS: usize = 16 * 1024;

/// Recipients that a transaction has room for whose memory is kept with such a buffer: more are freed with it.
pub const SPARE_RECIPIENTS: usize = 16;

/// The most bytes that the envelope's recipients may take in one record, as a JSON array: a hundred of the longest paths, or a
/// hundred of the longest that RFC 5321 knows (4.5.3.1.1, 4.5.3.1.3) with each character of the local-part escaped.
pub const ENVELOPE_OCTETS: usize = 56 * 1024;

/// Recipients of a message that its log line names; it tells how many there are.
pub const RECIPIENTS_TOLD: usize = 5;

/// The most of a refused command line that the log shows: the longest path with its keyword, and a few parameters.
pub const COMMAND_TOLD_OCTETS: usize = PATH_OCTETS + 64;

/// The same of a line that is no command: enough to recognize what sent it, little enough not to be somebody's mail.
pub const GARBAGE_TOLD_OCTETS: usize = 64;

const _: () = assert!(PROXY_LINE_OCTETS < PROXY_HEADER_OCTETS);
const _: () = assert!(PATH_OCTETS >= LOCAL_PART_OCTETS + DOMAIN_OCTETS + "<@>".len());
const _: () = assert!(ENVELOPE_OCTETS > 100 * (PATH_OCTETS + "\"\",".len()));
const _: () = assert!(ENVELOPE_OCTETS > 100 * (256 + 64 + "\"\",".len()));
const _: () = assert!(GARBAGE_TOLD_OCTETS < COMMAND_TOLD_OCTETS);
const _: () = assert!(COMMAND_TOLD_OCTETS < COMMAND_LINE_OCTETS);
