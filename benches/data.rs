//! The data scan against `memchr::memmem` alone on the same bytes: what the decoder adds to the search that it rests on.
//!
//! `decoder` ÷ `memmem` is the share of the possible: 0.9 and more is wanted for bodies without stuffed lines.

mod support;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use memchr::memmem;
use ringpost_proto::smtp::data::Decoder;
use support::{data, restore_end};

fn main() {
    divan::main();
}

const SIZES: [usize; 4] = [1 << 10, 4 << 10, 50 << 10, 1 << 20];

/// The least that finds the end of the data: the one search for a line that starts with a dot.
#[divan::bench(args = SIZES)]
fn memmem_alone(bencher: Bencher, size: usize) {
    let data = data(size, false);
    let finder = memmem::Finder::new(b"\r\n.");
    bencher.counter(BytesCount::new(data.len())).bench(|| {
        let found = finder.find(black_box(&data));
        assert_eq!(found, Some(data.len() - 5));
        found
    });
}

/// The decoder on the same bytes. Only the last three bytes move, and are put back.
#[divan::bench(args = SIZES)]
fn decoder(bencher: Bencher, size: usize) {
    let mut data = data(size, false);
    bencher
        .counter(BytesCount::new(data.len()))
        .bench_local(|| {
            restore_end(&mut data);
            let decoded = Decoder::default().decode(black_box(&mut data));
            assert!(decoded.ended && decoded.kept == data.len() - 2 && decoded.retracted == 1);
            decoded
        });
}

/// The same in pieces of 16 KiB, as reads of the kernel bring them.
#[divan::bench(args = [50 << 10, 1 << 20])]
fn decoder_in_pieces(bencher: Bencher, size: usize) {
    let mut data = data(size, false);
    bencher
        .counter(BytesCount::new(data.len()))
        .bench_local(|| {
            restore_end(&mut data);
            let (mut decoder, mut kept, mut ended) = (Decoder::default(), 0, false);
            for piece in black_box(&mut data).chunks_mut(16 << 10) {
                let decoded = decoder.decode(piece);
                kept += decoded.kept;
                ended = decoded.ended;
            }
            assert!(ended && kept == data.len() - 2);
        });
}

/// What unstuffing every line costs beside the search: each line moves to the front.
#[divan::bench(args = SIZES)]
fn decoder_every_line_stuffed(bencher: Bencher, size: usize) {
    let data = data(size, true);
    let lines = data.len() / 72;
    bencher
        .counter(BytesCount::new(data.len()))
        .with_inputs(|| data.clone())
        .bench_refs(|data| {
            let decoded = Decoder::default().decode(data);
            assert!(decoded.ended && decoded.kept == data.len() - 2 - lines);
            decoded
        });
}

/// The search alone on stuffed lines: one match a line.
#[divan::bench(args = SIZES)]
fn memmem_every_line_stuffed(bencher: Bencher, size: usize) {
    let data = data(size, true);
    let lines = data.len() / 72;
    let finder = memmem::Finder::new(b"\r\n.");
    bencher.counter(BytesCount::new(data.len())).bench(|| {
        let found = finder.find_iter(black_box(&data)).count();
        assert_eq!(found, lines);
        found
    });
}
