//! Lines for the operator while records are read.
//!
//! Owns: how a number and its noun are written, what may reach a terminal, and one line for several partitions. Must not know: which command speaks, nor
//! where a line goes.

/// Takes a line for the operator.
pub type Say = fn(&str);

/// A number with its noun: `1 mail`, `2 mails`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// The text with everything escaped that could steer a terminal or turn the reading direction: mail is written by
/// strangers, and a summary is read on a terminal.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmless(character) {
            safe.push(character);
        } else {
            safe.extend(character.escape_default());
        }
    }
    safe
}

/// Whether a character ends no line and steers neither a terminal nor the reading direction.
pub fn is_harmless(character: char) -> bool {
    !character.is_control() && !steers_text(character)
}

/// Line and paragraph separators, and the marks that change the direction of text.
fn steers_text(character: char) -> bool {
    matches!(character, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Lines about partitions: what is the same for several is said once.
#[derive(Debug, Default)]
pub struct Lines(Vec<(String, Vec<i32>)>);

impl Lines {
    /// Takes a line about a partition.
    pub fn add(&mut self, partition: i32, text: String) {
        match self.0.iter_mut().find(|(same, _)| *same == text) {
            Some((_, partitions)) => partitions.push(partition),
            None => self.0.push((text, vec![partition])),
        }
    }

    /// Each text with its partitions.
    pub fn texts(mut self) -> Vec<String> {
        let lines = self.0.iter_mut().map(|(text, partitions)| {
            partitions.sort_unstable();
            let numbers: Vec<String> = partitions.iter().map(i32::to_string).collect();
            let plural = if numbers.len() == 1 { "" } else { "s" };
            format!("partition{plural} {}: {text}", numbers.join(", "))
        });
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_for_several_partitions_is_one_line() {
        let mut lines = Lines::default();
        for (partition, text) in [(2, "made again"), (7, "cut"), (0, "made again")] {
            lines.add(partition, text.to_owned());
        }
        assert_eq!(
            lines.texts(),
            ["partitions 0, 2: made again", "partition 7: cut"]
        );
    }
}
