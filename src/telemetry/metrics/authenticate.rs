//! The table of `ringpost authenticate`.
//!
//! Must not know: who counts, how a verdict comes about.

use metrics::{Counter, Gauge};

use super::handle::CounterBy;
use super::label::ResultWord;
use super::rows::{Book, rows};

/// What `ringpost authenticate` counts.
pub type Counts = Book<Handles>;

rows! {
    mails: Counter, Count, "ringpost_authenticate_mails_total",
        "Mails that were written to the other topic with their verdicts";
    no_mail: Counter, Count, "ringpost_authenticate_passed_over_total",
        "Records that were not written to the other topic: not ringpost's, or without client or sender";
    forged_fields: Counter, Count, "ringpost_authenticate_forged_fields_total",
        "Authentication-Results fields of others in the name of this host, which were renamed";
    spf: CounterBy<ResultWord>, Count, "ringpost_authenticate_spf_total",
        "Mails by their ce_authspf";
    dkim: CounterBy<ResultWord>, Count, "ringpost_authenticate_dkim_total",
        "Mails by their ce_authdkim";
    dmarc: CounterBy<ResultWord>, Count, "ringpost_authenticate_dmarc_total",
        "Mails by their ce_authdmarc";
    arc: CounterBy<ResultWord>, Count, "ringpost_authenticate_arc_total",
        "Mails by their ce_autharc";
    iprev: CounterBy<ResultWord>, Count, "ringpost_authenticate_iprev_total",
        "Mails by their ce_authiprev";
    dns_queries: Counter, Count, "ringpost_authenticate_dns_queries_total",
        "Questions to the DNS resolver, repetitions of unanswered ones included";
    dns_failures: Counter, Count, "ringpost_authenticate_dns_failures_total",
        "Questions to the DNS resolver without an answer: timeout, SERVFAIL, REFUSED, no connection";
    dns_cached: Counter, Count, "ringpost_authenticate_dns_cached_total",
        "Questions that were answered from memory";
    dns_broken: Counter, Count, "ringpost_authenticate_dns_broken_names_total",
        "Names that got no answer within --patience while others did";
    resolver_down: Gauge, Count, "ringpost_authenticate_resolver_down",
        "1 while the DNS resolver answers nothing, so that mails wait; else 0";
}
