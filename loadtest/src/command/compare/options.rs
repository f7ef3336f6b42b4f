//! The command line of `compare`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::units::parse_duration;

/// Its name among the commands.
pub(super) const NAME: &str = "compare";

const AFTER_HELP: &str = "\
Example:
  ringpost-loadtest compare --a 127.0.0.1:2525 --b 127.0.0.1:2600 \\
    --a-start 'ringpost serve --brokers discard' --b-start 'smtp-sink 127.0.0.1:2600 1000' \\
    --rounds 5 -- --connections 50 --messages 20000

Environment: TMPDIR, the folder for the output of the servers that it starts (/tmp).

Exit status: 0 every message of every round was accepted; 1 not so, or a server could not be started or loaded;
2 wrong usage.";

/// Two servers in turn, A B A B ..., with the same load; ratios of throughput and CPU time a message
#[derive(Debug, Parser)]
#[command(name = NAME, after_help = AFTER_HELP)]
pub(super) struct Comparison {
    /// The first server, as host:port
    #[arg(long, value_name = "HOST:PORT")]
    pub a: String,
    /// The second server
    #[arg(long, value_name = "HOST:PORT")]
    pub b: String,
    /// What the first is called in the report
    #[arg(long, value_name = "NAME", default_value = "A")]
    pub a_name: String,
    /// What the second is called in the report
    #[arg(long, value_name = "NAME", default_value = "B")]
    pub b_name: String,
    /// Start the first with this shell command for each of its turns, and stop it afterwards (SIGTERM). Its output goes to
    /// a file, whose path is printed. As root, smtp-sink gets -u nobody
    #[arg(long, value_name = "COMMAND")]
    pub a_start: Option<String>,
    /// The same for the second
    #[arg(long, value_name = "COMMAND")]
    pub b_start: Option<String>,
    /// Processes of the first, if it is already running
    #[arg(
        long,
        value_name = "PID",
        value_delimiter = ',',
        conflicts_with = "a_start"
    )]
    pub a_pid: Vec<u32>,
    /// Processes of the second, if it is already running
    #[arg(
        long,
        value_name = "PID",
        value_delimiter = ',',
        conflicts_with = "b_start"
    )]
    pub b_pid: Vec<u32>,
    /// Rounds that count
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Rounds before those, which do not count
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub warmup: u32,
    /// How long a server that is started may take to greet
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "20s")]
    pub start_wait: Duration,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
    /// Write that object to a file
    #[arg(long, value_name = "FILE")]
    pub json_file: Option<PathBuf>,
    /// The load: options of a run, without its target
    #[arg(last = true, value_name = "OPTIONS OF A RUN")]
    pub load: Vec<String>,
}
