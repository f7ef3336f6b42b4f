//! The pages that the program's own tables make are the ones in the repository.

#[test]
fn generated_pages_are_up_to_date() {
    for (path, text) in [
        ("docs/configuration.md", ringpost::config::markdown()),
        ("deploy/ringpost.example.toml", ringpost::config::example()),
        ("docs/metrics.md", ringpost::telemetry::metrics::markdown()),
    ] {
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed == text,
            "{path} differs from what the table makes of it"
        );
    }
}
