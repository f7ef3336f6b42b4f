//! What the least that could do the job costs. ringpost's cost is given as a ratio to these programs.
//!
//! | program | what it is |
//! |---|---|
//! | `floor-tokio-uring` | an SMTP server on the runtime of ringpost's io_uring engine that only answers, and keeps nothing |
//! | `floor-tokio` | the same on the runtime of its epoll engine |
//! | `floor-ring` | the same on a ring that is driven by hand: what tokio-uring costs |
//! | `floor-produce` | a loop around `rd_kafka_produceva`: what librdkafka costs for ringpost's records |
//! | `delay` | not a floor: a TCP proxy that adds a round trip, where the kernel has no netem |
//!
//! A separate package, so that a build of ringpost does not build these.

pub mod dialogue;
pub mod listen;
