//! `ringpost check --dns DOMAIN`: whether the world finds this server, as far as it shows from here.
//!
//! Owns: which questions are asked, and in which order. Must not know: how an answer is judged.
//!
//! From the bottom up: `ask` asks the resolver, `records` judges MX, addresses and their names; `port` speaks to port 25 as a sender
//! does, `secured` judges what it found there, `tlsa` holds the certificate against TLSA records; `sts` reads a policy of MTA-STS,
//! `fetch` gets one.
//!
//! Invariants: no question takes longer than some seconds, and one that takes two says so; nothing is sent but questions: no mail.
//!
//! BUGS: DNSSEC is not verified, so that a TLSA record is compared also where senders would not use it. What another network sees
//! (a firewall in front, another view of the zone) is not known.

mod ask;
mod fetch;
mod port;
mod records;
mod secured;
mod sts;
mod tlsa;

use std::net::{IpAddr, SocketAddr};

use tokio::runtime::Builder;

use super::report::Answer;
use crate::authenticate::dns::{self, Kind};
use crate::config::{self, Config};
use crate::server::rules;
use crate::verdict::Verdict;
use ask::Dns;
use secured::Security;

/// Addresses of one name that are tried.
const ADDRESSES_MOST: usize = 8;

/// Answers all questions about these domains, each as soon as it is known.
pub(super) fn each(
    config: &Config,
    domains: &[String],
    resolvers: &[SocketAddr],
    waiting: &dyn Fn(&str),
    say: &mut dyn FnMut(Answer),
) {
    let runtime = Builder::new_current_thread().enable_all().build();
    let asked = runtime.map(|runtime| {
        runtime.block_on(async {
            match Dns::new(resolvers, waiting) {
                Ok(dns) => about(&dns, config, domains, say).await,
                Err(error) => say(failed("dns", error.to_string())),
            }
        });
    });
    if let Err(error) = asked {
        say(failed("dns", error.to_string()));
    }
}

async fn about(dns: &Dns<'_>, config: &Config, domains: &[String], say: &mut dyn FnMut(Answer)) {
    let hostname = &config.server.hostname;
    let taken = rules::taken(config).ok();
    for domain in domains {
        // Where lists cannot be read, their own question says so.
        if let Some(taken) = &taken {
            say(records::taken(domain, taken.takes_some_of(domain)));
        }
        let found = dns.ask(domain, Kind::Mx).await;
        say(records::mx(domain, hostname, &found));
        if let Err(why) = &found
            && !dns.answers().await
        {
            return say(records::useless(why));
        }
    }
    let security = match records::is_public_name(hostname) {
        true => of_this_server(dns, hostname, say).await,
        false => {
            say(records::unaskable(hostname));
            Security::default()
        }
    };
    for domain in domains {
        say(mta_sts(dns, domain, hostname, &security).await);
        let name = format!("_smtp._tls.{domain}");
        say(records::tls_rpt(domain, &dns.ask(&name, Kind::Txt).await));
    }
}

/// The addresses of this server's name, and what is there.
async fn of_this_server(dns: &Dns<'_>, hostname: &str, say: &mut dyn FnMut(Answer)) -> Security {
    let (four, six) = tokio::join!(dns.ask(hostname, Kind::A), dns.ask(hostname, Kind::Aaaa));
    let addresses = records::addresses_of(&[&four, &six]);
    say(records::address(hostname, &four, &six));
    let mut security = Security::default();
    for address in addresses.iter().take(ADDRESSES_MOST) {
        say(ptr(dns, hostname, *address).await);
    }
    for address in addresses.into_iter().take(ADDRESSES_MOST) {
        let found = port::visit(address, hostname, dns).await;
        say(port::judge(address, hostname, &found));
        if let Some(answer) = secured::judge(address, hostname, &found, &mut security) {
            say(answer);
        }
    }
    let name = format!("_25._tcp.{hostname}");
    say(tlsa::judge(
        hostname,
        &dns.ask(&name, Kind::Tlsa).await,
        &security,
    ));
    security
}

async fn ptr(dns: &Dns<'_>, hostname: &str, address: IpAddr) -> Answer {
    let found = dns.put(&dns::Question::names_of(address)).await;
    let kind = match address {
        IpAddr::V4(_) => Kind::A,
        IpAddr::V6(_) => Kind::Aaaa,
    };
    let mut confirmed = None;
    for name in records::names_of(&found) {
        let back = dns.ask(name, kind).await;
        if records::addresses_of(&[&back]).contains(&address) {
            confirmed = Some(name.to_owned());
            break;
        }
    }
    records::ptr(address, hostname, &found, confirmed.as_deref())
}

async fn mta_sts(dns: &Dns<'_>, domain: &str, hostname: &str, security: &Security) -> Answer {
    let name = format!("_mta-sts.{domain}");
    let record = sts::record(domain, hostname, &dns.ask(&name, Kind::Txt).await);
    if let Err(answer) = record {
        return answer;
    }
    let host = format!("mta-sts.{domain}");
    let (four, six) = tokio::join!(dns.ask(&host, Kind::A), dns.ask(&host, Kind::Aaaa));
    let addresses = records::addresses_of(&[&four, &six]);
    let text = fetch::policy(&host, &addresses, dns).await;
    sts::judge(domain, hostname, text, security)
}

/// Why a domain is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotADomain {
    /// It is none, or a mailbox.
    #[error("it {0}")]
    Other(#[from] config::Reason),
    /// It is several.
    #[error("it is a pattern: one domain is expected, such as example.com")]
    Pattern,
}

/// A domain that is asked about.
pub(super) fn domain(text: &str) -> Result<String, NotADomain> {
    let domain = config::domain_pattern(text)?;
    match domain.contains('*') {
        true => Err(NotADomain::Pattern),
        false => Ok(domain),
    }
}

fn failed(name: &'static str, text: String) -> Answer {
    Answer::from((Verdict::Failed, name, text))
}
