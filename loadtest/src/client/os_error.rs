//! Errors of the system: their causes, and their words without numbers.

use std::io;

use rustix::io::Errno;

use crate::fault::Cause;

/// What exactly failed, where what to do depends on it.
pub(super) fn cause_of(error: &io::Error) -> Cause {
    match Errno::from_io_error(error) {
        Some(Errno::CONNREFUSED) => Cause::Refused,
        Some(Errno::HOSTUNREACH | Errno::NETUNREACH) => Cause::NoRoute,
        Some(Errno::ADDRNOTAVAIL) => Cause::NoPort,
        Some(Errno::MFILE | Errno::NFILE) => Cause::NoFiles,
        _ => Cause::Unnamed,
    }
}

/// An error of the system without its number: `connection refused`.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_has_its_cause_and_no_number() {
        let refused = io::Error::from(Errno::CONNREFUSED);
        assert_eq!(cause_of(&refused), Cause::Refused);
        assert_eq!(plain(&refused), "connection refused");
        assert_eq!(cause_of(&Errno::NETUNREACH.into()), Cause::NoRoute);
        assert_eq!(cause_of(&Errno::MFILE.into()), Cause::NoFiles);
        assert_eq!(cause_of(&Errno::ADDRNOTAVAIL.into()), Cause::NoPort);
        assert_eq!(cause_of(&Errno::PIPE.into()), Cause::Unnamed);
    }
}
