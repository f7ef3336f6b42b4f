//! How values are written: parsed from the command line, shown to people, put on the axes of a plot.

pub(crate) mod axis;
mod parse;
mod show;

pub(crate) use parse::{MAX_SIZE, ValueError, parse_duration, parse_rate, parse_share, parse_size};
pub(crate) use show::{grouped, shell_words, show_bytes, show_microseconds, show_number};
