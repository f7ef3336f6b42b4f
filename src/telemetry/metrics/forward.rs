//! The table of `ringpost forward`.
//!
//! Must not know: who counts, which protocol a receiver speaks.

use metrics::{Counter, Gauge};

use super::handle::CounterBy;
use super::histogram::{TalliedHistogram, Times};
use super::label::{AttemptEnd, RecipientEnd};
use super::rows::rows;

rows! {
    mails: Counter, Count, "ringpost_forward_mails_total",
        "Mails that are done with: each recipient was accepted or is in a dead letter";
    recipients: CounterBy<RecipientEnd>, Count, "ringpost_forward_recipients_total",
        "Recipients by what became of them";
    attempts: CounterBy<AttemptEnd>, Count, "ringpost_forward_attempts_total",
        "Attempts to deliver a mail, by their end";
    attempts_running: Gauge, Count, "ringpost_forward_attempts_running",
        "Attempts that are under way";
    retries_waiting: Gauge, Count, "ringpost_forward_retries_waiting",
        "Mails that wait to be tried again";
    connections: Counter, Count, "ringpost_forward_connections_total",
        "Connections to the receiver that were opened";
    dead_letters: Counter, Count, "ringpost_forward_dead_letters_total",
        "Records that were written to the dead-letter topic";
    receiver_away: Gauge, Count, "ringpost_forward_receiver_away",
        "1 while the receiver cannot be reached or turns everything away; else 0";
    attempt_time: TalliedHistogram<Times>, Seconds, "ringpost_forward_attempt_seconds",
        "From the begin of an attempt to its end";
    record_time: TalliedHistogram<Times>, Seconds, "ringpost_forward_settle_seconds",
        "From the reading of a mail to its end, retries included";
}
