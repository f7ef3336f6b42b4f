//! Which texts are secrets, and what is shown of them.
//!
//! Owns: the names that a secret may have, and the mask. Must not know: who shows a configuration.
//!
//! Of Kafka's properties, those are masked whose name sounds like a secret: a new one of librdkafka's is masked before anybody
//! heard of it. Of a store's options, only those are shown that are known to be none. Rather too much is masked than too little.
//!
//! BUGS: a secret as the value of a property that is meant for something else (`client.id`) is shown.

/// What is shown in place of a secret, whatever its length.
pub const MASK: &str = "********";

/// What the name of a property of Kafka's that may hold a secret contains. librdkafka itself counts `sasl.username` and the paths
/// of keys among them.
const SECRET_PARTS: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "jaas",
    "username",
    "credential",
    "private",
    "pem",
    "token",
    "bearer.config",
    "extensions",
    "assertion",
    "kinit",
    "ssl.key",
    "ssl_key",
    "query",
];

/// Properties that one of these parts is in, and that say where something is.
const PLAIN_PROPERTIES: [&str; 1] = ["sasl.oauthbearer.token.endpoint.url"];

/// Options of a store that hold no secret, without what a provider puts in front of them.
const PLAIN_OPTIONS: [&str; 33] = [
    "region",
    "default_region",
    "endpoint",
    "endpoint_url",
    "endpoint_url_s3",
    "endpoint_url_sts",
    "metadata_endpoint",
    "base_url",
    "allow_http",
    "allow_invalid_certificates",
    "disable_system_certificates",
    "virtual_hosted_style_request",
    "unsigned_payload",
    "checksum_algorithm",
    "imdsv1_fallback",
    "s3_express",
    "skip_signature",
    "copy_if_not_exists",
    "conditional_put",
    "disable_tagging",
    "disable_bulk_delete",
    "request_payer",
    "server_side_encryption",
    "sse_bucket_key_enabled",
    "account_name",
    "use_emulator",
    "use_fabric_endpoint",
    "use_azure_cli",
    "connect_timeout",
    "read_timeout",
    "timeout",
    "user_agent",
    "randomize_addresses",
];

/// What a provider puts in front of the name of an option.
const PROVIDERS: [&str; 4] = ["aws_", "google_", "azure_storage_", "azure_"];

/// A property of Kafka's.
pub(in crate::config) fn masked_property(name: &str, text: &str) -> String {
    let name = name.to_ascii_lowercase();
    let sounds = SECRET_PARTS.iter().any(|part| name.contains(part));
    if sounds && !PLAIN_PROPERTIES.contains(&name.as_str()) {
        return MASK.to_owned();
    }
    masked_inside(text)
}

/// An option of a store.
pub(in crate::config) fn masked_objects_option(name: &str, text: &str) -> String {
    let name = name.to_ascii_lowercase();
    let is_plain = |name: &str| PLAIN_OPTIONS.contains(&name);
    let without = PROVIDERS
        .iter()
        .filter_map(|begin| name.strip_prefix(begin));
    match is_plain(&name) || without.into_iter().any(is_plain) {
        true => masked_inside(text),
        false => MASK.to_owned(),
    }
}

/// A text that should hold no secret: without a private key, without the user and the password of an address, and without what
/// follows the `?` of one, which may be a token.
fn masked_inside(text: &str) -> String {
    if text.contains("PRIVATE KEY") {
        return MASK.to_owned();
    }
    let begin = text.find("://").map(|at| at + "://".len());
    let text = match (text.rfind('@'), begin) {
        (Some(at), Some(begin)) if at > begin => {
            format!("{}{MASK}{}", &text[..begin], &text[at..])
        }
        (Some(at), None) if text[..at].contains(':') => format!("{MASK}{}", &text[at..]),
        (Some(_) | None, _) => text.to_owned(),
    };
    match text.find('?') {
        Some(at) if begin.is_some() => format!("{}?{MASK}", &text[..at]),
        Some(_) | None => text,
    }
}

#[cfg(test)]
mod tests {
    use object_store::aws::AmazonS3ConfigKey;

    use super::*;

    /// Every property that librdkafka 2.12 marks as sensitive, with the aliases, and others that may hold a secret.
    const SECRETS: [&str; 26] = [
        "ssl.key.location",
        "ssl.key.password",
        "ssl.key.pem",
        "ssl_key",
        "ssl.ca.pem",
        "ssl.certificate.pem",
        "ssl.keystore.password",
        "sasl.username",
        "sasl.password",
        "sasl.oauthbearer.config",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.assertion.private.key.file",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.assertion.private.key.pem",
        "sasl.oauthbearer.assertion.claim.sub",
        "sasl.oauthbearer.assertion.jwt.template.file",
        "sasl.oauthbearer.extensions",
        "sasl.oauthbearer.metadata.authentication.query",
        "sasl.kerberos.kinit.cmd",
        "https.ca.pem",
        // Of Java, which are refused; they must not be shown all the same.
        "sasl.jaas.config",
        "ssl.truststore.password",
        "ssl.keystore.key",
        "sasl.login.passphrase",
        "Sasl.PassWord",
    ];

    #[test]
    fn secrets_of_kafka_are_masked_whatever_their_name() {
        for name in SECRETS {
            let shown = masked_property(name, "hunter2");
            assert_eq!(shown, MASK, "{name}");
        }
        for name in [
            "linger.ms",
            "security.protocol",
            "sasl.mechanism",
            "ssl.ca.location",
            "ssl.certificate.location",
            "sasl.oauthbearer.method",
            "sasl.oauthbearer.client.id",
            "client.id",
        ] {
            assert_eq!(masked_property(name, "plain"), "plain", "{name}");
        }
    }

    #[test]
    fn what_looks_like_a_secret_is_masked_in_any_property() {
        let name = "sasl.oauthbearer.token.endpoint.url";
        for (text, shown) in [
            ("https://idp.example/token", "https://idp.example/token"),
            (
                "https://user:hunter2@idp.example/t",
                "https://********@idp.example/t",
            ),
            (
                "https://hunter2@idp.example/t",
                "https://********@idp.example/t",
            ),
            (
                "https://u:hun/ter2@idp.example",
                "https://********@idp.example",
            ),
            (
                "https://u:hun@ter2@idp.example",
                "https://********@idp.example",
            ),
            (
                "https://idp.example/t?key=hunter2",
                "https://idp.example/t?********",
            ),
            ("user:hunter2@proxy:3128", "********@proxy:3128"),
            ("joe@example.com", "joe@example.com"),
            ("-----BEGIN PRIVATE KEY-----\nhunter2", MASK),
        ] {
            assert_eq!(masked_property(name, text), shown);
            assert_eq!(masked_property("client.id", text), shown);
            assert_eq!(masked_objects_option("endpoint", text), shown);
        }
    }

    #[test]
    fn of_a_store_only_what_is_known_to_be_no_secret_is_shown() {
        for name in [
            "access_key_id",
            "aws_access_key_id",
            "secret_access_key",
            "session_token",
            "token",
            "sas_token",
            "account_key",
            "client_secret",
            "service_account_key",
            "proxy_url",
            "sse_customer_key_base64",
            "encryption_key",
            "azure_storage_account_key",
            "bearer_token",
        ] {
            assert_eq!(masked_objects_option(name, "hunter2"), MASK, "{name}");
        }
        for name in [
            "region",
            "aws_region",
            "AWS_REGION",
            "azure_storage_account_name",
        ] {
            assert_eq!(masked_objects_option(name, "plain"), "plain", "{name}");
        }
        let known = |name: &str| name.parse::<AmazonS3ConfigKey>().is_ok();
        assert!(known("region") && known("endpoint_url") && known("allow_http"));
    }
}
