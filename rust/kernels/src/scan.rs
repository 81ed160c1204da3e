//! One worker: block after block of rows, scanned for pairs that may count, and those scored while the rows lie in the
//! nearest cache.

mod know;

use crate::aligned::Aligned;
use crate::backend::{Ahead, Backend, FEW, FEW_STEP, FewCodes, FewRows, LINE_BYTES, MOST_FEW, Tile, TileI8};
use crate::drive::Worker;
use crate::element::{Element, Table};
use crate::metric::Metric;
use crate::queries::{CODES, Queries, Way};
use crate::select::Selector;

/// Bytes of rows in a block that is scanned row by row: they are read again, by chance, to be scored.
const FEW_BYTES: usize = 8 << 10;

/// Rows that `few_codes` takes at once, at most.
const FEW_ROWS: usize = 8;

/// Bytes of rows, as they are compared, in a block that is scanned in tiles: panel after panel of queries passes over
/// them, so that they should lie in the second-level cache.
const TILE_BYTES: usize = 96 << 10;

/// Rows in a block however short they are.
pub(crate) const MOST_ROWS: usize = 96;

/// Panels of queries with which the next rows are fetched as rows are turned into codes: the tiles of one panel are done
/// too soon.
const ENCODER_FETCHES: usize = 1;

/// Of so many pairs one may be scored in vain: a score takes about as long as codes save for as many pairs.
const IN_VAIN: usize = 20;

/// So many may be scored in vain for each that is not: as long as thresholds are low, much is scored at any rate.
const PER_TAKEN: usize = 4;

/// Bytes from one row to the next, or a multiple of it, with which the same element of all rows competes for the same few
/// lines of the nearest cache: a tile cannot read such rows where they lie.
const ALIASED: usize = 4096;

/// Elements from one copied row to the next.
fn pitch<T>(dimension: usize) -> usize {
    let aliased = (dimension * size_of::<T>()).is_multiple_of(ALIASED);
    if aliased { dimension + LINE_BYTES / size_of::<T>() } else { dimension }
}

pub(crate) struct Scanner<'a, B, E> {
    backend: B,
    table: Table<'a, E>,
    queries: &'a Queries,
    selector: Selector<'a>,
    size: Size,
    /// By query: what the scan must exceed but for the slack, and what it must exceed in this block; +infinity up to a
    /// whole vector.
    bases: Vec<f32>,
    thresholds: Aligned<f32>,
    rows: Vec<&'a [E]>,
    ahead: Vec<*const u8>,
    /// By row: what is known of it.
    squares: Vec<f32>,
    scales: Vec<f32>,
    biases: Vec<i32>,
    hits: Vec<u64>,
    /// The rows that only scores can compare.
    wild: Vec<usize>,
    sums: Vec<f32>,
    code_sums: Vec<i32>,
    code_squares: Vec<i32>,
    floats: Aligned<f32>,
    codes: Aligned<i8>,
    scratch: Aligned<f32>,
    one: Vec<f32>,
    /// Since it was last looked at: pairs that were scanned for, and those that were scored, and were among the best so
    /// far or not.
    scanned: usize,
    taken: usize,
    in_vain: usize,
    leaves_codes: bool,
}

/// How much a worker does at a time.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// Rows in a block.
    pub(crate) most_rows: usize,
    /// See [`crate::drive::Limits`].
    pub(crate) reckoned_pairs: usize,
}

/// The greatest norm and the greatest error in a block, as `bound` uses them.
#[derive(Default)]
struct Greatest {
    norm: f32,
    error: f32,
}

impl<'a, B: Backend, E: Element> Scanner<'a, B, E> {
    pub(crate) fn new(
        backend: B,
        table: Table<'a, E>,
        queries: &'a Queries,
        selector: Selector<'a>,
        size: Size,
    ) -> Self {
        let most = size.most_rows;
        let dimension = table.rows.dimension();
        let stride = table.rows.stride() * size_of::<E>();
        let aliased = stride.is_multiple_of(ALIASED);
        let decoded = match queries.way {
            Way::Few => Self::few_decodes(queries),
            Way::Float => !E::F32 || aliased,
            Way::FewCodes | Way::Codes => false,
        };
        let few_codes = queries.way == Way::FewCodes;
        let coded = queries.way == Way::Codes && (!E::INT8 || aliased);
        let padded = queries.len().next_multiple_of(B::LANES);
        let mut scanner = Self {
            backend,
            table,
            selector,
            bases: vec![f32::INFINITY; queries.len()],
            thresholds: Aligned::zeroed(padded),
            rows: Vec::with_capacity(most),
            ahead: Vec::with_capacity(most),
            squares: vec![0.0; most],
            scales: vec![0.0; most],
            biases: vec![0; most],
            hits: vec![0; most],
            wild: Vec::new(),
            sums: vec![0.0; B::FEW * most],
            code_sums: vec![0; if few_codes { FEW * most } else { 0 }],
            code_squares: vec![0; if few_codes { most } else { 0 }],
            floats: Aligned::zeroed(if decoded { most * pitch::<f32>(dimension) } else { 0 }),
            // A row that is coded is filled up, over the beginning of the next.
            codes: Aligned::zeroed(if coded { most * pitch::<i8>(dimension) + FEW_STEP } else { 0 }),
            scratch: Aligned::zeroed(if coded { dimension.next_multiple_of(FEW_STEP) } else { 0 }),
            size,
            one: vec![0.0; if E::F32 { 0 } else { dimension }],
            leaves_codes: false,
            scanned: 0,
            taken: 0,
            in_vain: 0,
            queries,
        };
        scanner.thresholds.fill(f32::INFINITY);
        for (base, bound) in scanner.bases.iter_mut().zip(&queries.bounds) {
            *base = bound.base(f32::NEG_INFINITY);
        }
        scanner
    }

    /// Rows in a block.
    pub(crate) fn most_rows(way: Way, dimension: usize) -> usize {
        match way {
            Way::Few => (FEW_BYTES / (dimension * size_of::<E>())).clamp(B::FEW, MOST_ROWS),
            Way::FewCodes => (2 * FEW_BYTES / dimension).clamp(FEW_ROWS, MOST_ROWS) / FEW_ROWS * FEW_ROWS,
            Way::Float | Way::Codes => {
                let size = if way == Way::Float { size_of::<f32>() } else { size_of::<i8>() };
                ((TILE_BYTES / (dimension * size)).min(MOST_ROWS) / B::ROWS * B::ROWS).max(B::ROWS)
            }
        }
    }

    /// Whether `few` is given decoded rows: the difference to a code needs its scale.
    fn few_decodes(queries: &Queries) -> bool {
        E::INT8 && queries.way == Way::Few && queries.metric == Metric::L2
    }

    fn few(&mut self, ids: &[u32]) -> Result<(), usize> {
        let queries = self.queries;
        let count = ids.len();
        let vectors: [&[f32]; MOST_FEW] = std::array::from_fn(|q| if q < queries.len() { queries.few(q) } else { &[] });
        let (vectors, operation) = (&vectors[..queries.len()], queries.operation());
        let decodes = Self::few_decodes(queries);
        if decodes {
            self.decode(ids);
            let ahead = Ahead::new::<E>(&[], 1, 0, 1);
            let mut rows = [&[][..]; MOST_ROWS];
            let rows = decoded(&self.floats, self.table.rows.dimension(), count, &mut rows);
            self.backend
                .few_f32(FewRows { operation, queries: vectors, rows, sums: &mut self.sums, ahead }, &mut self.squares);
        } else {
            let ahead = Ahead::new::<E>(&self.ahead, 1, 0, 1);
            let rows = FewRows { operation, queries: vectors, rows: &self.rows, sums: &mut self.sums, ahead };
            E::few(self.backend, rows, &mut self.squares);
        }
        let table = self.table;
        let greatest = self.know(ids, |id| if decodes { 1.0 } else { table.scale(id) })?;
        self.set_thresholds(&greatest);
        self.score_few(ids);
        Ok(())
    }

    fn few_codes(&mut self, ids: &[u32]) -> Result<(), usize> {
        let queries = self.queries;
        let mut rows = [&[][..]; MOST_ROWS];
        for (to, row) in rows.iter_mut().zip(&self.rows) {
            *to = E::as_i8(row).unwrap_or(&[]);
        }
        let vectors: [&[i8]; FEW] = std::array::from_fn(|q| if q < queries.len() { queries.few_codes(q) } else { &[] });
        self.backend.few_codes(FewCodes {
            queries: &vectors[..queries.len()],
            rows: &rows[..ids.len()],
            sums: &mut self.code_sums,
            squares: &mut self.code_squares,
            ahead: Ahead::new::<E>(&self.ahead, 1, 0, 1),
        });
        let mut most = 0.0_f32;
        for (row, &id) in ids.iter().enumerate() {
            most = most.max(self.know_code(row, id, self.code_squares[row])?);
        }
        for (to, &sum) in self.sums.iter_mut().zip(&self.code_sums[..queries.len() * ids.len()]) {
            *to = sum as f32;
        }
        self.set_thresholds(&self.greatest_code(most));
        self.score_few(ids);
        Ok(())
    }

    /// Score what `sums` has of a block, query by query.
    fn score_few(&mut self, ids: &[u32]) {
        for query in 0..self.queries.len() {
            for (row, &id) in ids.iter().enumerate() {
                if self.sums[query * ids.len() + row] * self.scales[row] > self.thresholds[query] {
                    self.score(id, std::iter::once(query));
                }
            }
        }
    }

    fn float(&mut self, ids: &[u32]) -> Result<(), usize> {
        let (queries, dimension) = (self.queries, self.table.rows.dimension());
        let mut rows = [&[][..]; MOST_ROWS];
        let in_place = self.floats.is_empty();
        if !in_place {
            self.decode(ids);
        }
        let floats = std::mem::replace(&mut self.floats, Aligned::zeroed(0));
        let rows = if in_place {
            for (to, row) in rows.iter_mut().zip(&self.rows) {
                *to = E::as_f32(row).unwrap_or(&[]);
            }
            &rows[..ids.len()]
        } else {
            decoded(&floats, dimension, ids.len(), &mut rows)
        };
        if in_place || !E::F32 {
            for (square, row) in self.squares.iter_mut().zip(rows) {
                *square = self.backend.squares(row);
            }
        }
        let result = self.know(ids, |_| 1.0).map(|greatest| self.set_thresholds(&greatest));
        if result.is_ok() {
            let panels = queries.panels::<B>().count();
            for (panel, (first, lanes)) in queries.panels::<B>().enumerate() {
                self.backend.tile(Tile {
                    operation: queries.operation(),
                    panel: queries.floats(first, lanes),
                    rows,
                    scales: &self.scales[..rows.len()],
                    thresholds: &self.thresholds[first..first + lanes],
                    hits: &mut self.hits,
                    ahead: Ahead::new::<E>(&self.ahead, 1, panel, panels),
                });
                self.score_hits(ids, first);
            }
        }
        self.floats = floats;
        result
    }

    fn codes(&mut self, ids: &[u32]) -> Result<(), usize> {
        let (queries, dimension) = (self.queries, self.table.rows.dimension());
        let greatest = if E::INT8 { self.know_codes(ids)? } else { self.encode(ids)? };
        self.set_thresholds(&greatest);
        let codes = std::mem::replace(&mut self.codes, Aligned::zeroed(0));
        let mut rows = [&[][..]; MOST_ROWS];
        for (i, to) in rows.iter_mut().enumerate().take(ids.len()) {
            *to = match E::as_i8(self.rows[i]) {
                Some(row) if codes.is_empty() => row,
                _ => &codes[i * pitch::<i8>(dimension)..][..dimension],
            };
        }
        let panels = queries.panels::<B>().count();
        let fetched = !E::INT8 && panels == ENCODER_FETCHES;
        for (panel, (first, lanes)) in queries.panels::<B>().enumerate() {
            self.backend.tile_i8(TileI8 {
                panel: queries.codes(first, lanes),
                rows: &rows[..ids.len()],
                biases: &self.biases,
                scales: &self.scales,
                thresholds: &self.thresholds[first..first + lanes],
                hits: &mut self.hits,
                ahead: Ahead::new::<E>(if fetched { &[] } else { &self.ahead }, CODES, panel, panels),
            });
            self.score_hits(ids, first);
        }
        self.codes = codes;
        Ok(())
    }

    /// Rows as f32; with their squares, where they are that already.
    fn decode(&mut self, ids: &[u32]) {
        let dimension = self.table.rows.dimension();
        let floats = self.floats.chunks_exact_mut(pitch::<f32>(dimension));
        for (((&id, row), to), square) in ids.iter().zip(&self.rows).zip(floats).zip(&mut self.squares) {
            let to = &mut to[..dimension];
            match E::as_f32(row) {
                Some(row) => *square = self.backend.copy(row, to),
                None => E::decode(self.backend, row, self.table.scale(id as usize), to),
            }
        }
    }

    fn set_thresholds(&mut self, greatest: &Greatest) {
        let bounds = &self.queries.bounds;
        for (to, (base, bound)) in self.thresholds.iter_mut().zip(self.bases.iter().zip(bounds)) {
            *to = base - (bound.slack * greatest.norm + bound.error * greatest.error);
        }
        for &query in &self.queries.wild {
            self.thresholds[query] = f32::INFINITY;
        }
    }

    /// Score the pairs that a tile hit, of the panel that begins with query `first`.
    fn score_hits(&mut self, ids: &[u32], first: usize) {
        for (row, &id) in ids.iter().enumerate() {
            if self.hits[row] != 0 {
                self.score(id, Bits(self.hits[row]).map(|lane| first + lane));
            }
        }
    }

    /// Score a row of the block against some queries.
    fn score(&mut self, id: u32, queries: impl Iterator<Item = usize>) {
        let (backend, block) = (self.backend, self.queries);
        let vector = self.table.vector(backend, id as usize, &mut self.one);
        let norm = if block.metric == Metric::Cosine { backend.exact_squares(vector).sqrt() } else { 0.0 };
        for query in queries {
            let score = block.score(backend, query, vector, norm);
            if self.selector.offer(query, score, id as usize) {
                self.taken += 1;
            } else {
                self.in_vain += 1;
            }
        }
    }
}

impl<B: Backend, E: Element> Scanner<'_, B, E> {
    /// See whether codes are worth their while. One element that is far greater than the others, of a row or a query,
    /// makes steps so coarse that they tell little.
    fn reckon(&mut self, rows: usize) {
        if matches!(self.queries.way, Way::Codes | Way::FewCodes) {
            self.scanned += rows * self.queries.len();
            if self.scanned >= self.size.reckoned_pairs {
                self.leaves_codes = self.in_vain > (self.scanned / IN_VAIN).max(self.taken * PER_TAKEN);
                (self.scanned, self.taken, self.in_vain) = (0, 0, 0);
            }
        }
    }
}

impl<B: Backend, E: Element> Worker for Scanner<'_, B, E> {
    fn block(&mut self, ids: &[u32], next: &[u32]) -> Result<(), usize> {
        let table = self.table;
        self.rows.clear();
        self.rows.extend(ids.iter().map(|&id| table.rows.row(id as usize)));
        self.ahead.clear();
        self.ahead.extend(next.iter().map(|&id| table.rows.row(id as usize).as_ptr().cast::<u8>()));
        self.wild.clear();
        let (bases, bounds) = (&mut self.bases, &self.queries.bounds);
        self.selector.learn(ids[0] as usize, |query, threshold| bases[query] = bounds[query].base(threshold));
        match self.queries.way {
            Way::Few => self.few(ids)?,
            Way::FewCodes => self.few_codes(ids)?,
            Way::Float => self.float(ids)?,
            Way::Codes => self.codes(ids)?,
        }
        self.reckon(ids.len());
        for i in 0..self.wild.len() {
            let row = self.wild[i];
            self.score(ids[row], 0..self.queries.len());
        }
        let wild = &self.queries.wild;
        if !wild.is_empty() {
            for (row, &id) in ids.iter().enumerate() {
                if !self.wild.contains(&row) {
                    self.score(id, wild.iter().copied());
                }
            }
        }
        if self.leaves_codes {
            let selector = self.selector.renewed();
            *self = Self::new(self.backend, self.table, self.queries.plain::<B>(), selector, self.size);
        }
        Ok(())
    }

    fn finish(self) {
        self.selector.finish();
    }
}

/// The rows of a decoded block.
fn decoded<'r>(
    floats: &'r [f32],
    dimension: usize,
    count: usize,
    rows: &'r mut [&'r [f32]; MOST_ROWS],
) -> &'r [&'r [f32]] {
    for (to, row) in rows.iter_mut().zip(floats.chunks_exact(pitch::<f32>(dimension))) {
        *to = &row[..dimension];
    }
    &rows[..count]
}

/// The set bits of a word.
pub(crate) struct Bits(pub(crate) u64);

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let bit = self.0.trailing_zeros() as usize;
        let some = self.0 != 0;
        self.0 &= self.0.wrapping_sub(1);
        some.then_some(bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Portable;
    use crate::select::Best;
    use crate::{Rows, Scaled, exact};

    const DIMENSION: usize = 24;
    const COUNT: usize = 4000;

    fn element(i: usize) -> f32 {
        (i as f32 * 0.37).sin() + (i as f32 * 0.0031).cos()
    }

    /// `COUNT` vectors, or some, whose first element is another.
    fn vectors(count: usize, first: f32, others: f32) -> Vec<f32> {
        let element = |i: usize| if i.is_multiple_of(DIMENSION) { first } else { others * element(i + count) };
        (0..count * DIMENSION).map(element).collect()
    }

    /// Search for vectors in a way that tells nothing: it is left for `plain`, and what is found is right. The back end
    /// in plain Rust has tiles of bytes too; no search asks it for them.
    fn check_left<E: Element>(table: Table<'_, E>, vectors: &[f32], way: Way, plain: Way) {
        let queries = Rows::new(vectors, DIMENSION).unwrap();
        let prepared = Queries::new::<Portable>(Metric::InnerProduct, way, queries, 0, queries.len());
        let best = Best::new(queries.len(), 5, COUNT, 1);
        let size = Size { most_rows: MOST_ROWS, reckoned_pairs: 1000 };
        let mut scanner = Scanner::new(Portable::default(), table, &prepared, Selector::new(&best), size);
        for block in (0..COUNT as u32).collect::<Vec<_>>().chunks(MOST_ROWS) {
            scanner.block(block, &[]).unwrap();
        }
        assert_eq!(scanner.queries.way, plain);
        scanner.finish();
        let mut scratch = [0.0; DIMENSION];
        for (query, keys) in best.finish().enumerate() {
            let mut all = Vec::new();
            for row in 0..COUNT {
                let vector = table.vector(Portable::default(), row, &mut scratch);
                all.push((exact::dot(queries.row(query), vector, exact::plain) as f32, row));
            }
            all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            assert_eq!(keys.into_iter().map(crate::select::unkey).collect::<Vec<_>>(), all[..5]);
        }
    }

    #[test]
    fn codes_that_tell_nothing_are_left_and_nothing_is_lost() {
        // Steps of almost 1 in every row hide its other elements.
        let corpus = vectors(COUNT, 100.0, 0.01);
        let rows = Rows::new(&corpus, DIMENSION).unwrap();
        check_left(Table::plain(rows), &vectors(3, 0.0, 1.0), Way::Codes, Way::Float);
        // And steps of almost 1 in every query.
        let codes: Vec<i8> = vectors(COUNT, 0.0, 60.0).iter().map(|&x| x as i8).collect();
        let codes = Scaled::new(Rows::new(&codes, DIMENSION).unwrap(), &[1.0; COUNT]).unwrap();
        check_left(Table::from(codes), &vectors(3, 100.0, 0.1), Way::FewCodes, Way::Few);
        check_left(Table::from(codes), &vectors(3, 100.0, 0.1), Way::Codes, Way::Float);
    }

    #[test]
    fn codes_that_tell_something_are_kept() {
        let (dimension, count) = (32, 4000);
        let corpus: Vec<f32> = (0..count * dimension).map(|i| ((i * i % 9973) as f32 * 0.37).sin()).collect();
        let rows = Rows::new(&corpus, dimension).unwrap();
        let queries = Queries::new::<Portable>(
            Metric::Cosine,
            Way::Codes,
            Rows::new(&corpus[..3 * dimension], dimension).unwrap(),
            0,
            3,
        );
        let best = Best::new(3, 5, count, 1);
        let size = Size { most_rows: MOST_ROWS, reckoned_pairs: 1000 };
        let mut scanner = Scanner::new(Portable::default(), Table::plain(rows), &queries, Selector::new(&best), size);
        for block in (0..count as u32).collect::<Vec<_>>().chunks(MOST_ROWS) {
            scanner.block(block, &[]).unwrap();
        }
        assert_eq!(scanner.queries.way, Way::Codes);
    }
}
