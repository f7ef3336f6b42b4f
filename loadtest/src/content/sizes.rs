//! Named distributions of message sizes, as sizes of equal weight.
//!
//! docs/loadtest.md names the sources. Invariant: sizes come in rising order, so that a report can name the quantiles.

use crate::options::shape::Sizes;

/// How many sizes stand for a distribution: the rarest that is distinguished is one message in 200.
pub(super) const STEPS: usize = 200;

/// A blog article of August 2009, "Modelling realistic email traffic", gives this table; it cites a post to FreeBSD's net
/// list of October 2002. The share of messages below 2^11, 2^12 ... bytes.
const MAILBOX_2002: [f64; 12] = [
    0.2353, 0.4917, 0.676, 0.7958, 0.8536, 0.9047, 0.933, 0.9574, 0.9724, 0.9849, 0.9996, 1.0,
];
/// Below this, headers of that time do not fit: the same article's bound.
const MAILBOX_SMALLEST: f64 = 900.0;
/// Assumed, not measured.
const LOGNORMAL_MEDIAN: f64 = 40_000.0;
const LOGNORMAL_SIGMA: f64 = 1.4;
const LOGNORMAL_LARGEST: f64 = 10.0 * 1_048_576.0;

/// The sizes, each as likely as any other.
pub(super) fn sizes(named: Sizes) -> Vec<u64> {
    (0..STEPS)
        .map(|step| (step as f64 + 0.5) / STEPS as f64)
        .map(|quantile| match named {
            Sizes::Mailbox2002 => mailbox_2002(quantile),
            Sizes::AssumedLognormal => assumed_lognormal(quantile),
        })
        .map(|size| size.round() as u64)
        .collect()
}

/// Between two powers of two the exponent is interpolated linearly, below the first the size.
fn mailbox_2002(quantile: f64) -> f64 {
    let above = MAILBOX_2002
        .iter()
        .position(|share| quantile <= *share)
        .expect("the last share is 1");
    if above == 0 {
        return MAILBOX_SMALLEST + (2048.0 - MAILBOX_SMALLEST) * quantile / MAILBOX_2002[0];
    }
    let (low, high) = (MAILBOX_2002[above - 1], MAILBOX_2002[above]);
    2f64.powf(10.0 + above as f64 + (quantile - low) / (high - low))
}

fn assumed_lognormal(quantile: f64) -> f64 {
    (LOGNORMAL_MEDIAN * (LOGNORMAL_SIGMA * normal_quantile(quantile)).exp()).min(LOGNORMAL_LARGEST)
}

/// The quantile of the standard normal distribution, by bisection of its distribution function.
fn normal_quantile(quantile: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if normal_distribution(middle) < quantile {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

/// The integral of the density, by Simpson's rule from 0.
fn normal_distribution(x: f64) -> f64 {
    const PARTS: usize = 200;
    let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let step = x / PARTS as f64;
    let sum: f64 = (0..=PARTS)
        .map(|part| {
            let weight = match part {
                0 | PARTS => 1.0,
                _ if part % 2 == 1 => 4.0,
                _ => 2.0,
            };
            weight * density(part as f64 * step)
        })
        .sum();
    0.5 + sum * step / 3.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantiles_are_those_of_the_table() {
        let sizes = sizes(Sizes::Mailbox2002);
        assert!(sizes.windows(2).all(|pair| pair[0] <= pair[1]));
        let below =
            |bound: u64| sizes.iter().filter(|size| **size < bound).count() as f64 / STEPS as f64;
        for (power, share) in MAILBOX_2002.iter().enumerate() {
            assert!(
                (below(2048 << power) - share).abs() <= 0.005,
                "2^{}",
                power + 11
            );
        }
        assert!(sizes[0] >= 900);
    }

    #[test]
    fn the_log_normal_has_its_median_and_spread() {
        assert!((normal_quantile(0.975) - 1.959_964).abs() < 1e-4);
        let sizes = sizes(Sizes::AssumedLognormal);
        let middle = (sizes[STEPS / 2 - 1] + sizes[STEPS / 2]) / 2;
        assert!(middle.abs_diff(40_000) < 500, "{middle}");
        assert!(sizes.windows(2).all(|pair| pair[0] <= pair[1]));
    }
}
