//! Patterns of domains: `example.com`, `*.example.com` for what is below it, `*` for all.

/// Whether a pattern holds a domain; both are in normal form ([`super::domain::normal`]).
pub fn matches(pattern: &str, domain: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some("") => true,
        Some(suffix) => domain.len() > suffix.len() && domain.ends_with(suffix),
        None => pattern == domain,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        assert!(matches("*", "a.example") && matches("example.com", "example.com"));
        assert!(
            matches("*.example.com", "a.example.com") && !matches("*.example.com", "example.com")
        );
        assert!(
            !matches("example.com", "a.example.com") && !matches("*.example.com", "badexample.com")
        );
    }
}
