//! The table `[tls]`: the certificates of STARTTLS and of implicit TLS.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::row::{List, Text, Time, milliseconds, minutes, rows};
use crate::config::value::{optional_path, path};

rows! {
    /// The certificates of STARTTLS and of `server.listen_tls`. Without one, STARTTLS is not offered. TLS 1.3 is
    /// supported, and TLS 1.2 with ECDHE and AES-GCM or ChaCha20-Poly1305. Some old clients support these only with
    /// ECDSA certificates, and fall back to clear text with an RSA one. Clients that have only CBC or DHE suites cannot
    /// encrypt with either.
    tls: Tls {
        /// PEM file of the certificate, followed by its chain. It should be for `server.hostname`; more clients work
        /// with an ECDSA certificate than with an RSA one. A relative path starts at the folder that ringpost was
        /// started in. Empty: none.
        certificate: Option<PathBuf> = "", Text("a path", optional_path), flag "--tls-cert", reload;

        /// PEM file of the certificate's private key. Set both or neither.
        key: Option<PathBuf> = "", Text("a path", optional_path), flag "--tls-key", reload;

        /// Further certificates with their chains, chosen by the name that the client asks for (SNI, RFC 6066 3). If
        /// none is for that name, `tls.certificate` is used. All files are read again on SIGHUP, and when they change.
        sni_certificates: Vec<PathBuf> = "", List(Text("PEM files", path)), reload;

        /// Their private keys, in the same order.
        sni_keys: Vec<PathBuf> = "", List(Text("PEM files", path)), reload;

        /// File of the keys that session tickets are encrypted with, so that a client that comes back resumes its session at any
        /// instance that has the same file, which costs a fraction of a full handshake. One key a line, made with
        /// `openssl rand -base64 32`; the first encrypts, all decrypt; lines that begin with `#` are comments. The file is read
        /// again on SIGHUP, and when it changes. Without it, an instance makes keys of its own in memory, and its clients
        /// resume their sessions at this instance until it is restarted. A session can be resumed for 12 hours. Empty: none.
        ticket_keys: Option<PathBuf> = "", Text("a path", optional_path), reload;

        /// How long a TLS handshake may take before the connection is closed.
        handshake_timeout: Duration = "30s", Time(milliseconds(10)..=minutes(10));
    }
}
