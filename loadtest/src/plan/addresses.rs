//! Addresses and names that go into commands: they must not end or split one.

use crate::failure::Wrong;

/// The longest address of RFC 5321 section 4.5.3.1.3 (a path of 256 octets with its angle brackets).
const MAX_ADDRESS: usize = 254;
/// The longest domain of RFC 5321 section 4.5.3.1.2.
const MAX_DOMAIN: usize = 255;

/// An address goes into commands and header fields, so it must not end or split them.
pub(super) fn check_address(
    option: &'static str,
    address: &str,
    may_be_empty: bool,
) -> Result<(), Wrong> {
    if address.is_empty() && may_be_empty {
        return Ok(());
    }
    let plain = address
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"<>,".contains(&byte));
    let parts = address
        .rsplit_once('@')
        .filter(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if plain && parts.is_some() && address.len() <= MAX_ADDRESS {
        return Ok(());
    }
    Err(Wrong::at(option).quoted(address).fix(format_args!(
        "give an address like load@ringpost.example, at most {MAX_ADDRESS} ASCII characters, \
         without spaces, commas and angle brackets"
    )))
}

/// The name in EHLO must not end or split the command.
pub(super) fn check_domain(name: &str) -> Result<(), Wrong> {
    if !name.is_empty()
        && name.len() <= MAX_DOMAIN
        && name.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Ok(());
    }
    Err(Wrong::at("--helo").quoted(name).fix(format_args!(
        "give a host name of 1 to {MAX_DOMAIN} ASCII characters without spaces"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_cannot_break_out_of_a_command() {
        assert!(check_address("--to", "load@ringpost.example", false).is_ok());
        assert!(check_address("--from", "", true).is_ok());
        for address in [
            "",
            "load",
            "@x",
            "x@",
            "a b@x",
            "a@x>\r\nRCPT TO:<b@x",
            "a@x,b@x",
            "ä@x",
        ] {
            assert!(
                check_address("--to", address, false).is_err(),
                "{address:?}"
            );
        }
        assert!(check_domain("").is_err());
        assert!(check_domain("a\r\nQUIT").is_err());
    }
}
