//! Row after row into the graph (Malkov and Yashunin 2018, algorithm 1).
//!
//! Which rows stand in which layer is known before. So the row that stands highest goes first and is where every walk
//! begins, and no thread ever has to replace it.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crossfade_kernels::{
    Corpus, Error as Fault, Metric, Options, Records, Sketches, Space, for_each, record_bytes, threads, top_k,
};

use crate::cells::{self, Cells};
use crate::error::Error;
use crate::image::{Image, Part};
use crate::layer::{Layer, NONE};
use crate::level::{level, mixed};
use crate::links::{Growing, Locks, none};
use crate::pool::{Entry, entry, node};
use crate::scratch::{Scratch, Spare};
use crate::select::select;
use crate::settings::{Form, MOST_ROWS, Settings};
use crate::walk::{descend, nearest, walk};
use crate::{repair, twins};

/// A graph that was built: the parts of its file, in order, and what became of the rows.
pub struct Built {
    /// The file, in parts that follow one another.
    pub parts: Vec<Part>,
    /// Rows that no walk can reach, after repair; they are found by exact search alone.
    pub unreachable: usize,
    /// The form in which rows are compared: `Codes` or `Vectors`.
    pub form: Form,
}

/// Build the graph of `corpus`. `done` tells, while it works, how many rows are in. With one thread the result depends on
/// nothing but the rows and the settings; with several, also on which was faster.
///
/// Memory beside the corpus: 8 `m` bytes a row and, in codes, [`record_bytes`] and 4; twice the codes' for a moment, and for
/// another up to 2^17 vectors in f32, of which cells are made.
///
/// # Errors
/// [`Error::Setting`]; [`Error::Kernels`] for a row that is not finite, too many rows, or an interruption.
pub fn build(
    corpus: Corpus<'_>,
    metric: Metric,
    settings: Settings,
    options: Options<'_>,
    done: &AtomicUsize,
) -> Result<Built, Error> {
    settings.check()?;
    if corpus.len() > MOST_ROWS {
        return Err(Fault::TooLarge.into());
    }
    let options = Options { mask: None, ..options };
    let (records, form) = form(corpus, metric, settings, options)?;
    let space = match form {
        Form::Vectors => Space::vectors(corpus, metric),
        _ => Space::codes(Records::new(&records, corpus.dimension(), corpus.len())?, metric),
    };
    let (next, is_first) = twins::find(corpus);
    let plan = Layers::new(&is_first, settings);
    let builder = Builder::new(space, corpus.dimension(), settings, &plan);
    builder.insert_all(&is_first, options, done)?;
    let unreachable = match plan.entry {
        NONE => 0,
        entry => repair::repair(&builder, entry, &is_first, options)?,
    };
    let (lowest, upper) = builder.into_links();
    let cells = if form == Form::Codes && Sketches::pay(corpus.dimension()) {
        cells::find(corpus, metric, settings.seed, options)?
    } else {
        Cells::default()
    };
    let image = Image {
        rows: corpus.len(),
        dimension: corpus.dimension(),
        metric,
        settings: Settings { form, ..settings },
        entry: plan.entry,
        unreachable,
        links: lowest,
        upper_links: upper,
        upper_rows: plan.rows,
        upper_starts: plan.starts,
        records,
        twins: next,
        cells,
    };
    Ok(Built { parts: image.into_parts(), unreachable, form })
}

/// Rows, of any corpus, on which codes are held against exact scores.
const SAMPLED: usize = 128;

/// Results that codes must find among twice as many.
const SAMPLED_K: usize = 10;

/// The least share of them that codes must find. What they miss no `ef` brings back; 0.995 leaves the target of 0.99
/// within reach.
const SHARE: f64 = 0.995;

/// The records, empty where vectors are compared as they lie.
fn form(
    corpus: Corpus<'_>,
    metric: Metric,
    settings: Settings,
    options: Options<'_>,
) -> Result<(Vec<u8>, Form), Error> {
    let too_long = record_bytes(corpus.dimension()) > 1 << 16;
    if settings.form == Form::Vectors || too_long {
        // The same errors, whatever the form.
        finite(corpus, options)?;
        return Ok((Vec::new(), Form::Vectors));
    }
    let mut records = vec![0; corpus.len() * record_bytes(corpus.dimension())];
    Records::encode(corpus, metric, &mut records, options)?;
    if settings.form == Form::Codes || corpus.is_empty() || share(corpus, metric, &records, settings, options)? >= SHARE
    {
        return Ok((records, Form::Codes));
    }
    Ok((Vec::new(), Form::Vectors))
}

fn finite(corpus: Corpus<'_>, options: Options<'_>) -> Result<(), Error> {
    let first = AtomicUsize::new(usize::MAX);
    let step = (1 << 16) / corpus.dimension() + 1;
    for_each(
        corpus.len().div_ceil(step),
        options,
        || vec![0.0; corpus.dimension()],
        |vector, part, _| {
            for row in part * step..corpus.len().min((part + 1) * step) {
                corpus.decode(row, vector);
                if !vector.iter().all(|x| x.is_finite()) {
                    first.fetch_min(row, Ordering::Relaxed);
                }
            }
        },
    )?;
    match first.into_inner() {
        usize::MAX => Ok(()),
        row => Err(Fault::Row(row).into()),
    }
}

/// The share of the best rows, by exact scores, of rows of the corpus that is among twice as many by codes. Those that
/// score as the last of the best are as good.
fn share(
    corpus: Corpus<'_>,
    metric: Metric,
    records: &[u8],
    settings: Settings,
    options: Options<'_>,
) -> Result<f64, Error> {
    let (rows, dimension) = (corpus.len(), corpus.dimension());
    let space = Space::codes(Records::new(records, dimension, rows)?, metric);
    let sampled = SAMPLED.min(rows);
    let mut queries = vec![0.0; sampled * dimension];
    let chosen: Vec<usize> =
        (0..sampled).map(|i| (mixed(settings.seed ^ mixed(i as u64)) % rows as u64) as usize).collect();
    for (&row, query) in chosen.iter().zip(queries.chunks_mut(dimension)) {
        corpus.decode(row, query);
    }
    let k = (SAMPLED_K + 1).min(rows);
    let exact = top_k(crossfade_kernels::Rows::new(&queries, dimension)?, corpus, k, metric, options)?;
    let found = AtomicUsize::new(0);
    let all: Vec<u32> = (0..rows as u32).collect();
    for_each(
        sampled,
        options,
        || Scratch::new(dimension),
        |scratch, query, _| {
            let Scratch { pool, distances, point, .. } = scratch;
            space.set(point, &queries[query * dimension..][..dimension]);
            pool.reset(2 * k);
            for some in all.chunks(1024) {
                space.distances(point, some, distances);
                for (&row, &distance) in some.iter().zip(&*distances) {
                    pool.insert(distance, row);
                }
            }
            let among: Vec<i64> = pool.entries().iter().map(|&entry| i64::from(node(entry))).collect();
            let best = query * k..(query + 1) * k;
            let last = exact.scores[best.end - 1];
            // Of rows as good as the last any will do.
            let ties = exact.scores[best.clone()].iter().filter(|&&score| score == last).count();
            let better =
                exact.indices[best.clone()].iter().zip(&exact.scores[best]).filter(|&(_, &score)| score > last);
            let hits = better.filter(|(row, _)| among.contains(row)).count();
            found.fetch_add(hits + ties, Ordering::Relaxed);
        },
    )?;
    Ok(found.into_inner() as f64 / (sampled * k).max(1) as f64)
}

/// Which rows stand in the upper layers.
pub(crate) struct Layers {
    /// The row that stands highest, the first of them; `NONE` when there is none.
    pub(crate) entry: u32,
    /// Rows above the lowest layer, ascending.
    pub(crate) rows: Vec<u32>,
    /// Layers above the lowest of all nodes before; one more than there are nodes.
    pub(crate) starts: Vec<u32>,
}

impl Layers {
    fn new(is_first: &[bool], settings: Settings) -> Self {
        let (mut rows, mut starts, mut total) = (Vec::new(), vec![0], 0_u32);
        let (mut entry, mut highest) = (NONE, 0);
        for row in (0..is_first.len() as u32).filter(|&row| is_first[row as usize]) {
            let level = level(settings.seed, row, settings.m);
            if entry == NONE || level > highest {
                (entry, highest) = (row, level);
            }
            if level > 0 {
                total += u32::from(level);
                rows.push(row);
                starts.push(total);
            }
        }
        Self { entry, rows, starts }
    }

    fn level(&self, node: usize) -> usize {
        (self.starts[node + 1] - self.starts[node]) as usize
    }
}

/// A graph that grows.
pub(crate) struct Builder<'a> {
    pub(crate) space: Space<'a>,
    dimension: usize,
    settings: Settings,
    layers: &'a Layers,
    lowest: Vec<AtomicU32>,
    upper: Vec<AtomicU32>,
    locks: Locks,
    pub(crate) spare: Spare,
}

impl<'a> Builder<'a> {
    fn new(space: Space<'a>, dimension: usize, settings: Settings, layers: &'a Layers) -> Self {
        let above = layers.starts.last().map_or(0, |&all| all as usize);
        Self {
            lowest: none(space.len() * 2 * settings.m),
            upper: none(above * settings.m),
            space,
            dimension,
            settings,
            layers,
            locks: Locks::new(),
            spare: Spare::default(),
        }
    }

    pub(crate) fn lowest(&self) -> Growing<'_> {
        Growing { links: &self.lowest, locks: &self.locks, degree: 2 * self.settings.m, upper: None }
    }

    fn upper(&self, level: usize) -> Growing<'_> {
        let upper = Some((&*self.layers.starts, &*self.layers.rows, level));
        Growing { links: &self.upper, locks: &self.locks, degree: self.settings.m, upper }
    }

    pub(crate) fn ef(&self) -> usize {
        self.settings.ef_construction.max(self.settings.m)
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    fn insert_all(&self, is_first: &[bool], options: Options<'_>, done: &AtomicUsize) -> Result<(), Error> {
        let rows = is_first.len();
        // Rows that come at the same time do not see each other: the first ones come one after another.
        let alone = rows.min(ALONE * threads(options));
        let some = |from: usize, to: usize, stop: &dyn Fn() -> bool| {
            let mut lent = self.spare.lend(self.dimension);
            let scratch = lent.get();
            for row in (from..to).filter(|&row| is_first[row]) {
                if row.is_multiple_of(ASKED) && stop() {
                    return;
                }
                self.insert(row as u32, scratch);
                done.fetch_add(1, Ordering::Relaxed);
            }
        };
        for_each(1, options, || (), |(), _, stop| some(0, alone, stop))?;
        let parts = (rows - alone).div_ceil(STEP);
        let part = |(): &mut (), part, stop: &dyn Fn() -> bool| {
            some(alone + part * STEP, rows.min(alone + (part + 1) * STEP), stop);
        };
        Ok(for_each(parts, options, || (), part)?)
    }

    /// Link a row, in every layer where it stands.
    fn insert(&self, row: u32, scratch: &mut Scratch) {
        let (layers, entry) = (self.layers, self.layers.entry);
        if row == entry {
            return;
        }
        let own = layers.rows.binary_search(&row).ok();
        let level = own.map_or(0, |own| layers.level(own));
        self.space.set_row(&mut scratch.point, row);
        let mut chosen: Vec<(usize, u32, Vec<u32>)> = Vec::with_capacity(level + 1);
        let mut at = entry;
        if let Ok(highest) = layers.rows.binary_search(&entry) {
            let mut node = highest as u32;
            for above in (1..=layers.level(highest)).rev() {
                let layer = self.upper(above);
                match own {
                    Some(own) if above <= level => {
                        walk(&self.space, &layer, (node, None), self.ef(), scratch);
                        node = nearest(scratch, node);
                        chosen.push((above, own as u32, self.choose(&layer, own as u32, scratch)));
                    }
                    _ => node = descend(&self.space, &layer, node, scratch),
                }
            }
            at = layers.rows[node as usize];
        }
        walk(&self.space, &self.lowest(), (at, None), self.ef(), scratch);
        chosen.push((0, row, self.choose(&self.lowest(), row, scratch)));
        // From below: who comes down by a new link finds others to go on to.
        for (level, own, links) in chosen.into_iter().rev() {
            let layer = if level == 0 { self.lowest() } else { self.upper(level) };
            self.connect(&layer, own, &links, scratch);
        }
    }

    /// Of what a walk found, the nodes to link to.
    fn choose(&self, layer: &Growing<'_>, own: u32, scratch: &mut Scratch) -> Vec<u32> {
        let Scratch { pool, other, nodes, rows, .. } = scratch;
        let candidates: Vec<Entry> = pool.entries().iter().copied().filter(|&entry| node(entry) != own).collect();
        select(&self.space, &candidates, self.settings.m, |node| layer.row(node), other, (nodes, rows));
        nodes.clone()
    }

    /// Links from `own` to `to`, and back.
    pub(crate) fn connect(&self, layer: &Growing<'_>, own: u32, to: &[u32], scratch: &mut Scratch) {
        layer.set(own, to);
        let Scratch { nodes, rows, distances, point, other, .. } = scratch;
        let mut list = Vec::with_capacity(layer.degree + 1);
        for &neighbour in to {
            layer.add(neighbour, own, &mut list, |list| {
                self.space.set_row(point, layer.row(neighbour));
                rows.clear();
                rows.extend(list.iter().map(|&node| layer.row(node)));
                self.space.distances(point, rows, distances);
                let mut candidates: Vec<Entry> =
                    list.iter().zip(&*distances).map(|(&node, &distance)| entry(distance, node)).collect();
                candidates.sort_unstable();
                select(&self.space, &candidates, layer.degree, |node| layer.row(node), other, (nodes, rows));
                list.clone_from(nodes);
            });
        }
    }

    fn into_links(self) -> (Vec<u32>, Vec<u32>) {
        let plain = |links: Vec<AtomicU32>| links.into_iter().map(AtomicU32::into_inner).collect();
        (plain(self.lowest), plain(self.upper))
    }
}

/// Rows that come one after another at the beginning, for each thread.
const ALONE: usize = 64;

/// Rows that a thread takes at a time.
const STEP: usize = 32;

/// Rows between two looks at whether it is interrupted.
const ASKED: usize = 8;
