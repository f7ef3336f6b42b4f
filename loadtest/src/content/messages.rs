//! All messages of a shape: of one size, of a distribution of sizes, or from files, each with the fields that name it.
//!
//! Invariant: which message a number stands for depends on the number alone, so every run sends the same ones.

use super::generate::{self, Header, TooSmall};
use super::template::{Envelope, Layout, Needs, Template};
use super::{files, identity, sizes};
use crate::failure::Wrong;
use crate::options::shape::{Body, Shape, Sizes, Transfer};
use crate::units::MAX_SIZE;

/// A message up to this size on the wire is one write out of a connection's own buffer ...
const LARGEST_OWN: usize = 64 * 1024;
/// ... this if there are many templates, which are then copied for each message ...
const LARGEST_COPIED: usize = 16 * 1024;
/// ... unless all connections' buffers together would take more than this.
const OWN_BUDGET: usize = 256 << 20;
/// The default size of a message.
const DEFAULT_SIZE: u64 = 4096;

/// All messages of a shape.
#[derive(Debug)]
pub(crate) struct Content {
    templates: Vec<Template>,
    in_turn: bool,
}

/// What all shapes of a run have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Common<'a> {
    /// For the header.
    pub header: Header<'a>,
    /// The address of the first recipient.
    pub to: &'a str,
    /// Connections that may hold a buffer each.
    pub connections: usize,
}

impl Content {
    /// Builds all messages of a shape.
    pub(crate) fn new(shape: &Shape, common: &Common) -> Result<Content, Wrong> {
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
        let templates: Vec<Template> = templates.collect();
        assert!(!templates.is_empty(), "a shape has a message");
        Ok(Content {
            templates,
            in_turn: shape.corpus.is_some(),
        })
    }

    /// The message that a number stands for: in turn for files; otherwise spread, so that any few hundred numbers in a
    /// row hold each size about as often.
    pub(crate) fn template(&self, number: u64) -> &Template {
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

    /// Bytes of the largest message.
    pub(crate) fn largest_size(&self) -> u64 {
        let sizes = self.templates.iter().map(|template| template.size);
        sizes.max().unwrap_or(0) as u64
    }

    /// Mea bytes of a message.
    pub(crate) fn mean_size(&self) -> f64 {
        let sum: usize = self.templates.iter().map(|template| template.size).sum();
        sum as f64 / self.templates.len() as f64
    }
}

/// The messages without the fields that name them.
fn rests(shape: &Shape, common: &Common) -> Result<Vec<Vec<u8>>, Wrong> {
    let body = shape.body.unwrap_or(Body::SevenBit);
    if body == Body::Binary && shape.transfer != Some(Transfer::Bdat) {
        return Err(Wrong::at("--body binary")
            .problem("has no lines, so DATA cannot carry it")
            .fix("add --transfer bdat"));
    }
    if let Some(path) = &shape.corpus {
        return files::read(path);
    }
    if let Some(named) = shape.sizes {
        return Ok(of_sizes(named, &common.header, body));
    }
    let size = shape.size.unwrap_or(DEFAULT_SIZE);
    match generate::message(&common.header, body, without_fields(size)) {
        Ok(message) => Ok(vec![message]),
        Err(TooSmall { smallest }) => {
            let smallest = smallest + identity::LENGTH;
            Err(Wrong::at("--size")
                .given(size)
                .problem(format_args!("the header alone takes {smallest} bytes"))
                .fix(format_args!("give a size from {smallest} to {MAX_SIZE}")))
        }
    }
}

/// Messages of a distribution of sizes; one that the header does not fit is as small as can be.
fn of_sizes(named: Sizes, header: &Header, body: Body) -> Vec<Vec<u8>> {
    let floor = generate::smallest(header, body);
    let sizes = sizes::sizes(named).into_iter();
    sizes
        .map(|size| {
            generate::message(header, body, without_fields(size).max(floor))
                .expect("the size is the smallest or above it")
        })
        .collect()
}

/// What is left of a size for everything but the fields that name a message.
fn without_fields(size: u64) -> usize {
    (size as usize).saturating_sub(identity::LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMON: Common = Common {
        header: Header {
            run: "0123456789abcdef",
            from: "a@x.example",
            to: "b@x.example",
            date: jiff::Timestamp::UNIX_EPOCH,
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
                .size,
            5000
        );
        let text = Content::new(&with(10), &COMMON)
            .expect_err("too small")
            .to_string();
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
                .filter(|number| content.template(*number).size < 4096)
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
