//! The pages that the program's own tables make are the ones in the repository. `RINGPOST_UPDATE_PAGES=1 cargo test --test
//! documentation` writes them.

#[test]
fn generated_pages_are_up_to_date() {
    for (path, text) in [
        ("docs/configuration.md", ringpost::config::markdown()),
        ("deploy/ringpost.example.toml", ringpost::config::example()),
        ("docs/metrics.md", ringpost::telemetry::metrics::markdown()),
    ] {
        if std::env::var_os("RINGPOST_UPDATE_PAGES").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed == text,
            "{path} differs from what the table makes of it"
        );
    }
}
