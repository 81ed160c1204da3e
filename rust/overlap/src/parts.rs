//! Known texts that can be like a set of pieces, by parts that are the same.
//!
//! Texts of one language share most of their pieces, so that a prefix filter would give nearly all of them. Sets that are
//! alike differ in few elements, though: cut both into more parts than that, each element into the part that its hash
//! says, and one part at least is the same in both (the pigeonhole principle; Arasu, Ganti and Kaushik 2006). A part has
//! some elements, and sets that are not alike have hardly one in common.

use std::ops::Range;

use crate::Error;
use crate::shingles::mix;
use crate::table::Hashed;

/// By how much the sizes of the sets of one bucket differ at most: in small ones cuts fit the sizes, of large ones fewer
/// are asked.
const GROWTH: f64 = 1.1;

/// Sets of like sizes, and into how many parts these and what is held against them are cut: none where so many can be
/// different that nothing can be told.
#[derive(Debug, Clone)]
struct Bucket {
    sizes: Range<usize>,
    parts: usize,
    /// Where nothing can be told.
    all: Vec<u32>,
}

/// Sets of known texts, by their parts.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    least: f64,
    buckets: Vec<Bucket>,
    spans: Hashed<Range<u32>>,
    postings: Vec<u32>,
}

impl Parts {
    /// `sets`: sorted, one a known text. `least`: the threshold of their Jaccard similarity.
    ///
    /// # Errors
    /// [`Error::TooMany`].
    pub(crate) fn build(sets: &[Vec<u64>], least: f64) -> Result<Self, Error> {
        let largest = sets.iter().map(Vec::len).max().unwrap_or(0);
        let mut found = Self { least, ..Self::default() };
        let mut start = 1;
        while start <= largest {
            let end = ((start as f64 * GROWTH) as usize).max(start) + 1;
            found.buckets.push(Bucket { sizes: start..end, parts: parts(end - 1, least), all: vec![] });
            start = end;
        }
        let mut signatures: Vec<(u64, u32)> = Vec::new();
        let mut sums = Vec::new();
        for (text, set) in sets.iter().enumerate().filter(|(_, set)| !set.is_empty()) {
            let text = u32::try_from(text).map_err(|_| Error::TooMany)?;
            let place = found.buckets.partition_point(|bucket| bucket.sizes.end <= set.len());
            let bucket = &mut found.buckets[place];
            if bucket.parts == 0 {
                bucket.all.push(text);
                continue;
            }
            cut(set, bucket.parts, &mut sums);
            signatures.extend(sums.iter().enumerate().map(|(part, &sum)| (signature(place, part, sum), text)));
        }
        u32::try_from(signatures.len()).map_err(|_| Error::TooMany)?;
        signatures.sort_unstable();
        for (at, &(signature, text)) in signatures.iter().enumerate() {
            let at = at as u32;
            found.spans.entry(signature).or_insert(at..at).end = at + 1;
            found.postings.push(text);
        }
        Ok(found)
    }

    /// Call `take` with known texts, among them all whose sets have a Jaccard similarity of `least` or more to this one;
    /// some more than once. `sums`: scratch.
    pub(crate) fn candidates(&self, set: &[u64], sums: &mut Vec<u64>, mut take: impl FnMut(&[u32])) {
        if set.is_empty() {
            return;
        }
        // The smaller of two like sets has at least a share `least` of what the larger one has. One more on either side,
        // for the rounding.
        let smallest = ((self.least * set.len() as f64) as usize).saturating_sub(1);
        let largest = (set.len() as f64 / self.least) as usize + 1;
        let first = self.buckets.partition_point(|bucket| bucket.sizes.end <= smallest);
        for (place, bucket) in self.buckets.iter().enumerate().skip(first) {
            if bucket.sizes.start > largest {
                break;
            }
            if bucket.parts == 0 {
                take(&bucket.all);
                continue;
            }
            cut(set, bucket.parts, sums);
            for (part, &sum) in sums.iter().enumerate() {
                if let Some(span) = self.spans.get(&signature(place, part, sum)) {
                    take(&self.postings[span.start as usize..span.end as usize]);
                }
            }
        }
    }
}

/// One more than the elements in which a set of at most `size` and one that is like it can differ.
///
/// |a △ b| = |a ∪ b| - |a ∩ b| is at most (1 - least) |a ∪ b|, and the union at most `size` / `least`, of which the smaller
/// set has its share. 0 where a part would have less than two elements, and say nothing.
fn parts(size: usize, least: f64) -> usize {
    // A little more, for the rounding.
    let different = ((1.0 - least) / least * size as f64 + 1e-6) as usize;
    if different == 0 || (different + 1) * 2 <= size { different + 1 } else { 0 }
}

/// What is in each part, as one number that does not depend on the order.
fn cut(set: &[u64], parts: usize, sums: &mut Vec<u64>) {
    sums.clear();
    sums.resize(parts, 0);
    for &element in set {
        let mixed = mix(element);
        let part = (u128::from(mixed) * parts as u128) >> 64;
        sums[part as usize] = sums[part as usize].wrapping_add(mixed | 1);
    }
}

fn signature(bucket: usize, part: usize, sum: u64) -> u64 {
    mix(sum ^ mix((bucket as u64) << 32 | part as u64))
}
