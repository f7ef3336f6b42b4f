//! What a configuration says to the workers: the rules that a reload exchanges, and the policy beneath them.
//!
//! Owns: the way from the configuration's values to theirs. Must not know: how rules reach a worker.

use std::sync::Arc;
use std::time::Duration;

use crate::config::recipients::{self, Unusable};
use crate::config::{self, Config};
use crate::limits::REPORT_GRACE_MILLISECONDS;
use crate::net::admission::{self, Admission};
use crate::net::rules::Rules;
use crate::net::shared::Shared;
use crate::smtp::access::{Access, Networks};
use crate::smtp::policy::{Policy, Recipients};

/// Exchanges the rules of a server that runs.
pub struct Exchange(pub Arc<Shared>);

impl Exchange {
    /// Connections and transactions that begin from now on follow this configuration, in what a reload applies, and take
    /// mail for these recipients; the others go on as they began.
    pub fn apply(&self, config: &Config, taken: Recipients) {
        let rules = rules(config, &self.0.policy, taken);
        self.0.rules.store(Arc::new(rules));
    }

    /// Whom mail is taken for now.
    pub fn taken(&self) -> Arc<Recipients> {
        Arc::clone(&self.0.rules.load().policy.taken)
    }
}

/// Whom mail is taken for: the domains of the configuration, and its lists, which are read.
///
/// # Errors
/// Every list that cannot be used.
pub fn taken(config: &Config) -> Result<Recipients, Unusable> {
    recipients::load(&config.recipients)
}

/// The rules of a configuration: `policy`, with the recipients that are taken now. What a reload applies to sessions is taken
/// from the configuration here; what is taken in [`policy`] stays as it was at the start.
pub fn rules(config: &Config, policy: &Policy, taken: Recipients) -> Rules {
    Rules {
        policy: Arc::new(Policy {
            taken: Arc::new(taken),
            ..policy.clone()
        }),
        access: Access::new(&config.access.allow, &config.access.deny),
        proxies: Networks::new(&config.server.proxy_networks),
        traced: Networks::new(&config.log.trace_networks),
    }
}

/// The policy of a configuration, without recipients. `message_size` is what the sink takes of `limits.message_size`.
pub fn policy(config: &Config, message_size: u64) -> Policy {
    let (server, limits) = (&config.server, &config.limits);
    Policy {
        hostname: server.hostname.clone(),
        message_size,
        recipients: limits.recipients,
        errors: limits.errors,
        unknown_recipients: limits.unknown_recipients,
        command_timeout: limits.command_timeout,
        data_timeout: limits.data_timeout,
        commit_timeout: config.kafka.delivery_timeout
            + Duration::from_millis(REPORT_GRACE_MILLISECONDS),
        message_timeout: limits.message_timeout,
        session_timeout: limits.session_timeout,
        session_messages: limits.session_messages as u64,
        session_octets: limits.session_bytes,
        idle_commands: limits.idle_commands,
        bare_newlines: server.bare_newlines,
        starttls: config.tls.certificate.is_some(),
        taken: Arc::default(),
        directory: config.recipients.topic.is_some(),
    }
}

/// Whom these limits admit.
pub fn admission(limits: &config::Limits) -> Admission {
    let bits = |bits: usize| u8::try_from(bits).expect("the range of a prefix ends at 128");
    Admission::new(admission::Limits {
        connections: limits.connections,
        per_address: limits.connections_per_ip,
        per_network: limits.connections_per_network,
        prefix_ipv4: bits(limits.network_prefix_ipv4),
        prefix_ipv6: bits(limits.network_prefix_ipv6),
        messages_per_minute: limits.messages_per_minute_per_ip,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::config::Setting;
    use crate::config::options::SETTINGS;

    /// Options that a reload applies without rules: the log takes its level, TLS its certificates and keys.
    const ELSEWHERE: [&str; 6] = [
        "log.level",
        "tls.certificate",
        "tls.key",
        "tls.sni_certificates",
        "tls.sni_keys",
        "tls.ticket_keys",
    ];

    #[test]
    fn an_option_that_a_reload_applies_changes_the_rules() {
        let mut list = tempfile::NamedTempFile::new().expect("a file");
        list.write_all(b"somebody@other.example\n")
            .expect("a written list");
        let list = format!("*={}", list.path().display());
        let values = [
            "17",
            "7s",
            "7MiB",
            "true",
            "192.0.2.0/24",
            "other.example",
            "-",
            &list,
        ];
        let started = policy(&Config::default(), 1);
        let text = |config: &Config| {
            let taken = taken(config).ok()?;
            Some(format!("{:?}", rules(config, &started, taken)))
        };
        let before = text(&Config::default());
        assert!(before.is_some(), "the defaults make rules");
        let changes = |setting: &Setting, value: &str| {
            let given = [(setting.variable(), value.to_owned())];
            let loaded = config::load(None, given, &[]).ok();
            let after = loaded.and_then(|loaded| text(&loaded.config));
            after.is_some() && after != before
        };
        let unchanged: Vec<&str> = SETTINGS
            .iter()
            .filter(|setting| setting.reload && !ELSEWHERE.contains(&setting.key))
            .filter(|setting| !values.iter().any(|value| changes(setting, value)))
            .map(|setting| setting.key)
            .collect();
        assert!(
            unchanged.is_empty(),
            "{unchanged:?}: their rows say `, reload`, and a reload does not change them: take each from the configuration in \
             `rules`, not in `policy`; if it is applied elsewhere, add it to ELSEWHERE; if it takes none of `values`, add one"
        );
    }
}
