//! `--mix`: a part of the connections, with the flags that differ for it.

use clap::Parser;

use super::shape::Shape;
use crate::failure::Wrong;
use crate::units::parse_share;

/// One part of a mixture.
#[derive(Debug, Clone)]
pub(crate) struct MixPart {
    /// Its share of all connections, or its weight: shares are divided by their sum.
    pub share: f64,
    /// Its flags.
    pub shape: Shape,
}

#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct ShapeWords {
    #[command(flatten)]
    shape: Shape,
}

/// Parses `70% --per-connection 1 --size 50k`: a share, then the flags of a shape that are changed for it.
pub(crate) fn parse_mix(text: &str, base: &Shape) -> Result<MixPart, Wrong> {
    let mut words = text.split_whitespace();
    let share =
        parse_share(words.next().unwrap_or("")).map_err(|error| Wrong::at("").source(error))?;
    let wrong = || Wrong::at("--mix").quoted(text);
    if share <= 0.0 {
        return Err(wrong().fix("give a share above 0"));
    }
    let changed = ShapeWords::try_parse_from(words)
        .map_err(|error| wrong().problem(first_line(&error)))?
        .shape;
    Ok(MixPart {
        share,
        shape: changed.over(base),
    })
}

/// What is wrong, without the usage, which would name another program.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or("");
    line.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::shape::{Sizes, Transfer};
    use super::*;

    #[test]
    fn a_part_of_a_mixture_changes_only_what_it_names() {
        let base = Shape {
            size: Some(4096),
            recipients: Some(3),
            ..Shape::default()
        };
        let part = parse_mix("70% --per-connection 1 --transfer bdat", &base).expect("fits");
        assert!((part.share - 0.7).abs() < 1e-9);
        assert_eq!(part.shape.per_connection, Some(1));
        assert_eq!(part.shape.transfer, Some(Transfer::Bdat));
        assert_eq!(
            (part.shape.size, part.shape.recipients),
            (Some(4096), Some(3))
        );
        let part = parse_mix("0.3 --sizes mailbox-2002 --no-pipeline", &base).expect("fits");
        assert_eq!(
            (part.shape.size, part.shape.sizes),
            (None, Some(Sizes::Mailbox2002))
        );
        assert!(!part.shape.pipelining() && base.pipelining());
    }

    #[test]
    fn a_wrong_part_is_named() {
        for text in ["", "70% --bogus", "0%", "120%", "10% 20%"] {
            let error = parse_mix(text, &Shape::default())
                .expect_err(text)
                .to_string();
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
