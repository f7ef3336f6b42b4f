//! What is sent: messages of one size, of a distribution of sizes, or from files, each with the fields that name it.
//!
//! Invariant: which message a number stands for depends on the number alone, so every run sends the same ones.

pub mod checksum;
pub mod files;
pub mod generate;
pub mod identity;
pub mod sizes;
pub mod template;

use generate::Header;
use template::{Envelope, Layout, Needs, Template};

use crate::options::shape::{Body, Shape, Transfer};
use crate::units::MAX_SIZE;

/// A message up to this size on the wire is one write out of a connection's own buffer ...
const LARGEST_OWN: usize = 64 * 1024;
/// ... this if there are many templates, which are then copied for each message ...
const LARGEST_COPIED: usize = 16 * 1024;
/// ... unless all connections' buffers together would take more than this.
const OWN_BUDGET: usize = 256 << 20;
/// Size of a message unless told otherwise.
const DEFAULT_SIZE: u64 = 4096;

/// All messages of a shape.
#[derive(Debug)]
pub struct Content {
    templates: Vec<Template>,
    in_turn: bool,
}

/// What all shapes of a run have in common.
#[derive(Debug, Clone, Copy)]
pub struct Common<'a> {
    /// For the header.
    pub header: Header<'a>,
    /// The address of the first recipient.
    pub to: &'a str,
    /// Connections that may hold a buffer each.
    pub connections: usize,
}

impl Content {
    /// Builds all messages of a shape. The error is a text for the operator.
    pub fn new(shape: &Shape, common: &Common) -> Result<Content, String> {
        let rests = rests(shape, common)?;
        let largest = if rests.len() == 1 {
            LARGEST_OWN
        } else {
            LARGEST_COPIED
        };
        let largest_own = largest.min(OWN_BUDGET / common.connections.max(1));
        let transfer = shape.transfer.unwrap_or(Transfer::Data);
        let layout = Layout {
            transfer,
            chunk: shape.chunk.map_or(usize::MAX, |chunk| chunk as usize),
            largest_own,
        };
        let templates = rests.iter().map(|rest| {
            let needs = Needs {
                eight_bit: !rest.is_ascii(),
                binary: shape.body == Some(Body::Binary),
                chunking: transfer == Transfer::Bdat,
            };
            let envelope = Envelope::new(
                common.header.from,
                common.to,
                shape.recipients.unwrap_or(1),
                needs,
            );
            Template::new(common.header.run, rest, layout, envelope, needs)
        });
        Ok(Content {
            templates: templates.collect(),
            in_turn: shape.corpus.is_some(),
        })
    }

    /// The message that a number stands for: in turn for files; otherwise spread, so that any few hundred numbers in a
    /// row hold each size about as often.
    pub fn template(&self, number: u64) -> &Template {
        let count = self.templates.len() as u64;
        let index = if self.in_turn {
            number % count
        } else {
            // The golden ratio's multiples, modulo 1, are spread evenly.
            let fraction = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
            (fraction * count) >> 32
        };
        &self.templates[index as usize]
    }

    /// Octets of the largest message.
    pub fn largest_octets(&self) -> u64 {
        let sizes = self.templates.iter().map(|template| template.octets);
        sizes.max().unwrap_or(0) as u64
    }

    /// Mean octets of a message.
    pub fn mean_octets(&self) -> f64 {
        let sum: usize = self.templates.iter().map(|template| template.octets).sum();
        sum as f64 / self.templates.len() as f64
    }
}

/// The messages without the fields that name them.
fn rests(shape: &Shape, common: &Common) -> Result<Vec<Vec<u8>>, String> {
    let body = shape.body.unwrap_or(Body::SevenBit);
    if body == Body::Binary && shape.transfer != Some(Transfer::Bdat) {
        return Err(
            "--body binary: has no lines, so DATA cannot carry it; add --transfer bdat".to_owned(),
        );
    }
    if let Some(path) = &shape.corpus {
        return files::read(path);
    }
    let make = |size: u64| {
        generate::message(
            &common.header,
            body,
            (size as usize).saturating_sub(identity::LENGTH),
        )
    };
    if let Some(named) = shape.sizes {
        let smallest =
            generate::message(&common.header, body, 0).map_or_else(|smallest| smallest, |_| 0);
        let floor = (smallest + identity::LENGTH) as u64;
        return sizes::sizes(named)
            .into_iter()
            .map(|size| make(size.max(floor)).map_err(|_| "a size below the header's".to_owned()))
            .collect();
    }
    let size = shape.size.unwrap_or(DEFAULT_SIZE);
    let made = make(size).map_err(|smallest| {
        format!(
            "--size {size}: the header alone takes {smallest} octets; give a size from {smallest} to {MAX_SIZE}",
            smallest = smallest + identity::LENGTH
        )
    });
    made.map(|message| vec![message])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::shape::Sizes;

    const COMMON: Common = Common {
        header: Header {
            run: "0123456789abcdef",
            from: "a@x.example",
            to: "b@x.example",
            date: 0,
        },
        to: "b@x.example",
        connections: 10,
    };

    #[test]
    fn one_size_is_exact_and_too_small_a_one_names_the_smallest() {
        let with = |size| Shape {
            size: Some(size),
            ..Shape::default()
        };
        assert_eq!(
            Content::new(&with(5000), &COMMON)
                .expect("fits")
                .template(1)
                .octets,
            5000
        );
        let text = Content::new(&with(10), &COMMON).expect_err("too small");
        let smallest: u64 = text
            .split(' ')
            .skip_while(|word| *word != "from")
            .nth(1)
            .and_then(|word| word.parse().ok())
            .expect("names the smallest");
        assert!(Content::new(&with(smallest - 1), &COMMON).is_err());
        assert!(Content::new(&with(smallest), &COMMON).is_ok());
    }

    #[test]
    fn a_distribution_is_met_by_any_few_hundred_numbers() {
        let shape = Shape {
            sizes: Some(Sizes::Mailbox2002),
            ..Shape::default()
        };
        let content = Content::new(&shape, &COMMON).expect("fits");
        for first in [1, 1_000_000] {
            let small = (first..first + 1000)
                .filter(|number| content.template(*number).octets < 4096)
                .count();
            assert!((480..=505).contains(&small), "{small} of 1000 below 4 KiB");
        }
    }

    #[test]
    fn binary_needs_chunks() {
        let shape = Shape {
            body: Some(Body::Binary),
            ..Shape::default()
        };
        assert!(Content::new(&shape, &COMMON).is_err());
        let shape = Shape {
            transfer: Some(Transfer::Bdat),
            ..shape
        };
        assert!(
            Content::new(&shape, &COMMON)
                .expect("fits")
                .template(1)
                .needs
                .binary
        );
    }
}
