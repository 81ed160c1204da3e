//! Batches of queries.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crossfade_kernels::{
    Corpus, Error as Fault, Mask, Metric, Options, Point, Rows, Space, TopK, for_each, rescore_one, threads, top_k,
};

use crate::error::Error;
use crate::filtered::Step;
use crate::kept::Known;
use crate::near::Near;
use crate::open::{Graph, Sections};
use crate::plan::{Lying, Plan, Rough, Told, Ways, Work};
use crate::pool::{Pool, distance, node};
use crate::scan::{self, Scan};
use crate::scratch::{Lent, Scratch};
use crate::settings::Form;
use crate::way::Way;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    /// Rows for each query; at least 1.
    pub k: usize,
    /// How many of the nearest a walk keeps: more find more and take longer. At least `k` is used.
    pub ef: usize,
    /// Which plans may be made.
    pub ways: Ways,
}

/// What was found, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Scores and rows, as [`crossfade_kernels::top_k`] gives and orders them; k is as there too.
    pub best: TopK,
    /// By query.
    pub plans: Vec<Plan>,
}

/// The `k` rows of `corpus` that score highest for each query, as far as a walk finds them; scores are exact. min(k, rows
/// that the options' mask leaves) rows for each, always: a query for which a walk ends with fewer is searched exactly.
///
/// `file`: the one that `graph` was opened with.
///
/// # Errors
/// [`Error::Setting`] for `k` or `ef` 0, [`Error::Vectors`] for a corpus of another shape, [`Error::Kernels`] for queries
/// or a mask of another shape, what is not finite, no memory, or an interruption.
pub fn search(
    graph: &Graph,
    file: &[u8],
    (corpus, queries): (Corpus<'_>, Rows<'_, f32>),
    search: Search,
    options: Options<'_>,
) -> Result<Found, Error> {
    search_without(graph, file, (corpus, queries), search, &[], options)
}

/// The same, as if for query i the row `left_out[i]` were not in the graph: walks do not go through it.
pub(crate) fn search_without(
    graph: &Graph,
    file: &[u8],
    (corpus, queries): (Corpus<'_>, Rows<'_, f32>),
    search: Search,
    left_out: &[i64],
    options: Options<'_>,
) -> Result<Found, Error> {
    check(graph, corpus, queries, search, options.mask)?;
    let facts = graph.facts();
    let laid = options.mask.and_then(|mask| graph.kept.laid(Some(mask)));
    let allowed = match (&laid, options.mask) {
        (Some(laid), _) => laid.allowed,
        (None, Some(mask)) => mask.count(),
        (None, None) => corpus.len(),
    };
    let k = search.k.min(allowed);
    let masked = options.mask.is_some_and(|_| allowed < corpus.len());
    let mask = options.mask.filter(|_| masked);
    let mut work = Work {
        facts,
        row_bytes: row_bytes(corpus),
        allowed,
        masked,
        queries: queries.len(),
        ef: search.ef.max(k).min(corpus.len()),
        signs: None,
    };
    let mut known = None;
    if work.may_scan(search.ways)
        && let Some(sketches) = graph.sketches(file, options)?
    {
        let of_mask = laid.map_or_else(|| graph.kept.find(mask, work.queries), Known::Laid);
        let lying = match of_mask {
            Known::Laid(_) => Lying::SideBySide,
            // As many are expected as there were: laying is paid for by what it would have saved.
            Known::Seen(before) => Lying::Apart { queries: work.queries.saturating_add(before) },
            Known::New => Lying::Apart { queries: work.queries },
        };
        let cells = graph.cells(file, options)?.map(|(ranks, _)| (ranks.probes(work.ef, work.share()), ranks.cells));
        let told = Told { words: sketches.words(), levels: sketches.have_levels() };
        work.signs = Some(Rough::new(lying, told, cells, work.share(), |most| sketches.share_within(most)));
        known = Some((sketches, of_mask));
    }
    let plan = work.plan(search.ways);
    if plan == Plan::Exact {
        let best = top_k(queries, corpus, k, facts.metric, options)?;
        return Ok(Found { best, plans: vec![plan; queries.len()] });
    }
    let sections = graph.sections(file)?;
    let plain = sections.space(corpus)?;
    let space = graph.sketches(file, options)?.map_or(plain, |sketches| plain.with_sketches(sketches));
    let scan = match known.filter(|_| matches!(plan, Plan::Scan | Plan::Cells)) {
        Some(known) => Some(scan::lay(graph, (file, &sections), known, (mask, allowed), options)?),
        None => None,
    };
    let listed = if plan == Plan::Codes { scan::nodes(facts.rows, mask, sections.twins) } else { None };
    let near = match work.signs.and_then(|signs| signs.probes()).filter(|_| plan == Plan::Cells) {
        Some(probes) => {
            let near = |centres| Near { centres: Space::codes(centres, facts.metric), of: sections.cells, probes };
            sections.centres()?.map(near)
        }
        None => None,
    };
    let task = Task {
        corpus,
        metric: facts.metric,
        space,
        sections,
        k,
        mask,
        passes_over: work.passes_over(),
        patience: work.patience(),
        work,
        plan,
        doubts: search.ways == Ways::Planned,
        left_out,
        scan,
        near,
        listed,
    };
    task.run(graph, file, queries, options)
}

fn check(
    graph: &Graph,
    corpus: Corpus<'_>,
    queries: Rows<'_, f32>,
    search: Search,
    mask: Option<Mask<'_>>,
) -> Result<(), Error> {
    if search.k == 0 || search.ef == 0 {
        let name = if search.k == 0 { "k" } else { "ef" };
        return Err(Error::Setting(format!("{name} must be at least 1, not 0")));
    }
    graph.check_shape(corpus)?;
    if queries.dimension() != corpus.dimension() {
        return Err(Fault::Dimension { queries: queries.dimension(), corpus: corpus.dimension() }.into());
    }
    if let Some(mask) = mask.filter(|mask| mask.rows() != corpus.len()) {
        return Err(Fault::Length { what: "bits of mask", length: mask.rows(), expected: corpus.len() }.into());
    }
    match queries.not_finite() {
        Some(query) => Err(Fault::Query(query).into()),
        None => Ok(()),
    }
}

fn row_bytes(corpus: Corpus<'_>) -> usize {
    corpus.dimension()
        * match corpus {
            Corpus::F32(_) => 4,
            Corpus::F16(_) | Corpus::Bf16(_) => 2,
            Corpus::Int8(_) => 1,
        }
}

/// A search by walks.
pub(crate) struct Task<'a> {
    corpus: Corpus<'a>,
    metric: Metric,
    pub(crate) space: Space<'a>,
    pub(crate) sections: Sections<'a>,
    pub(crate) k: usize,
    pub(crate) mask: Option<Mask<'a>>,
    pub(crate) work: Work,
    pub(crate) passes_over: bool,
    pub(crate) patience: usize,
    pub(crate) plan: Plan,
    /// Whether a scan may give up a query whose signs say too little.
    pub(crate) doubts: bool,
    /// By query, the row that walks do not go through; none for none.
    pub(crate) left_out: &'a [i64],
    /// Where the plan is to scan, all or cells.
    scan: Option<Scan<'a>>,
    /// Where the plan is to scan cells.
    pub(crate) near: Option<Near<'a>>,
    /// Where the plan is to compare codes: of which nodes; None for all.
    pub(crate) listed: Option<Vec<u32>>,
}

/// Where the results of a query go.
type Slot<'s> = Mutex<(&'s mut [f32], &'s mut [i64], &'s mut Option<Result<Plan, Fault>>)>;

impl Task<'_> {
    fn run(&self, graph: &Graph, file: &[u8], queries: Rows<'_, f32>, options: Options<'_>) -> Result<Found, Error> {
        let (k, count) = (self.k, queries.len());
        let mut best = TopK { k, scores: Vec::new(), indices: Vec::new() };
        let total = k.checked_mul(count).ok_or(Fault::Memory { queries: count, k })?;
        let reserved = best.scores.try_reserve_exact(total).and_then(|()| best.indices.try_reserve_exact(total));
        reserved.map_err(|_| Fault::Memory { queries: count, k })?;
        best.scores.resize(total, f32::NEG_INFINITY);
        best.indices.resize(total, -1);
        let mut outcomes = vec![None; count];
        let parts = best.scores.chunks_mut(k).zip(best.indices.chunks_mut(k)).zip(&mut outcomes);
        let slots: Vec<Slot<'_>> = parts.map(|((scores, rows), outcome)| Mutex::new((scores, rows, outcome))).collect();
        let together = match (&self.scan, &self.near) {
            (Some(_), Some(_)) => 1,
            (Some(_), None) => together(count, scan::TOGETHER, options),
            (None, _) => together(count, TOGETHER, options),
        };
        let put = |query: usize, outcome: Result<Option<TopK>, Fault>| {
            let mut slot = slots[query].lock().unwrap_or_else(PoisonError::into_inner);
            let (scores, rows, to) = &mut *slot;
            **to = Some(outcome.map(|found| match found {
                Some(found) => {
                    scores.copy_from_slice(&found.scores);
                    rows.copy_from_slice(&found.indices);
                    self.plan
                }
                None => Plan::Exact,
            }));
        };
        match (&self.scan, &self.near) {
            (Some(scan), Some(near)) if count == 1 => {
                let mut lent = graph.spare.lend(self.corpus.dimension());
                put(0, self.scan_near((scan, near), queries.row(0), lent.get()));
            }
            (Some(scan), None) if count == 1 => {
                put(0, self.scan_alone(scan, queries.row(0), graph.spare.lend(self.corpus.dimension()).get(), options));
            }
            _ => for_each(
                count.div_ceil(together),
                options,
                || (0..together).map(|_| graph.spare.lend(self.corpus.dimension())).collect::<Vec<Lent<'_>>>(),
                |lent, part, stop| {
                    let numbers = part * together..count.min((part + 1) * together);
                    let outcomes = match (&self.scan, &self.near) {
                        (Some(scan), Some(near)) => {
                            vec![self.scan_near((scan, near), queries.row(part), lent[0].get())]
                        }
                        (Some(scan), None) => self.scan_some(scan, numbers.clone(), queries, lent),
                        (None, _) if self.plan == Plan::Codes => {
                            self.compare_codes(numbers.clone(), queries, lent, stop)
                        }
                        (None, _) => self.some(numbers.clone(), queries, lent),
                    };
                    numbers.zip(outcomes).for_each(|(query, outcome)| put(query, outcome));
                },
            )?,
        }
        drop(slots);
        let plans = outcomes.into_iter().map(|outcome| outcome.unwrap_or(Ok(Plan::Exact)));
        let mut plans = plans.collect::<Result<Vec<Plan>, Fault>>()?;
        self.search_otherwise((graph, file), queries, (&mut plans, &mut best), options)?;
        Ok(Found { best, plans })
    }

    /// Walk for some queries, the steps of one after those of another, so that none waits for memory. None for one
    /// that finds too few.
    fn some(
        &self,
        numbers: Range<usize>,
        queries: Rows<'_, f32>,
        lent: &mut [Lent<'_>],
    ) -> Vec<Result<Option<TopK>, Fault>> {
        let mut ways: Vec<Option<Way>> = numbers
            .clone()
            .zip(&mut *lent)
            .map(|(number, lent)| Some(Way::begin(self, number, queries.row(number), lent.get())))
            .collect();
        let mut found: Vec<Result<Option<TopK>, Fault>> = numbers.clone().map(|_| Ok(None)).collect();
        let mut under_way = ways.len();
        while under_way > 0 {
            for (place, way) in ways.iter_mut().enumerate() {
                let Some(on) = way else { continue };
                let scratch = lent[place].get();
                let enough = match on.step(self, scratch) {
                    Step::Another => continue,
                    Step::Found => true,
                    Step::GaveUp => false,
                };
                *way = None;
                under_way -= 1;
                if enough {
                    found[place] = self.score(queries.row(numbers.start + place), scratch);
                }
            }
        }
        found
    }

    /// The exact scores of the best that a walk found. None where those are too few.
    pub(crate) fn score(&self, query: &[f32], scratch: &mut Scratch) -> Result<Option<TopK>, Fault> {
        self.choose_candidates(scratch);
        let Scratch { candidates, keys, .. } = scratch;
        if candidates.len() < self.k {
            return Ok(None);
        }
        rescore_one(query, self.corpus, candidates, self.k, self.metric, keys).map(Some)
    }

    /// Whether a candidate may be one of the best, for all that rounding did to it and to the k-th nearest by codes. What
    /// rounding does grows with the step between codes, which long rows have long.
    fn may_be_best(&self, pool: &Pool, point: &Point) -> impl Fn(u64) -> bool {
        let last = pool.entries().get(self.k - 1).copied();
        let rounding = last.and_then(|last| self.space.rounding(point, node(last)));
        let known = last.zip(rounding).map(|(last, rounding)| (distance(last), rounding, self.space.step(node(last))));
        move |entry| {
            known.is_none_or(|(last, rounding, step)| {
                let longer = self.space.step(node(entry)) / step;
                let farthest = last + DEVIATIONS * rounding * longer.max(1.0);
                // What is no number says nothing.
                distance(entry) <= farthest || farthest.is_nan()
            })
        }
    }

    /// Fetch the rows that `score` will read first.
    pub(crate) fn fetch_best(&self, scratch: &Scratch) {
        for &entry in scratch.pool.entries().iter().take(self.k + SPARE) {
            self.corpus.fetch(node(entry) as usize);
        }
    }

    /// How many candidates are scored at most, where there are so many.
    pub(crate) fn most(&self) -> usize {
        match self.work.facts.settings.form {
            Form::Vectors => self.k + MARGIN,
            _ => CODED * self.k + MARGIN,
        }
    }

    /// Fill the scratch's candidates with the rows that are scored: those of the nearest nodes, and what equals them.
    fn choose_candidates(&self, scratch: &mut Scratch) {
        let Scratch { pool, point, candidates, .. } = scratch;
        let most = self.most();
        let may = |row: u32| self.mask.is_none_or(|mask| mask.has(row as usize));
        let may_be_best = self.may_be_best(pool, point);
        candidates.clear();
        for &entry in pool.entries() {
            // What equals others fills up: k of the nodes may not be k rows.
            if candidates.len() >= self.k && !may_be_best(entry) {
                continue;
            }
            if candidates.len() >= most {
                break;
            }
            // Equal rows score the same: the first k of them are the best.
            let equals = self.sections.twins.of(node(entry)).filter(|&row| may(row));
            candidates.extend(equals.take(self.k).map(i64::from));
        }
    }

    /// The queries that walks found too few rows for, exactly; those that a scan gave up, by what costs less without it.
    fn search_otherwise(
        &self,
        (graph, file): (&Graph, &[u8]),
        queries: Rows<'_, f32>,
        (plans, best): (&mut [Plan], &mut TopK),
        options: Options<'_>,
    ) -> Result<(), Error> {
        let lacking: Vec<usize> = (0..plans.len()).filter(|&query| plans[query] == Plan::Exact).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let gathered: Vec<f32> = lacking.iter().flat_map(|&query| queries.row(query)).copied().collect();
        let gathered = Rows::new(&gathered, queries.dimension())?;
        let ways = if matches!(self.plan, Plan::Scan | Plan::Cells) && self.doubts {
            self.work.otherwise(lacking.len())
        } else {
            Ways::Exact
        };
        // Neither of them scans, so that this ends.
        let search = Search { k: self.k, ef: self.work.ef, ways };
        let found = search_without(graph, file, (self.corpus, gathered), search, &[], options)?;
        let k = self.k;
        for (from, to) in lacking.into_iter().enumerate() {
            best.scores[to * k..][..k].copy_from_slice(&found.best.scores[from * k..][..k]);
            best.indices[to * k..][..k].copy_from_slice(&found.best.indices[from * k..][..k]);
            plans[to] = found.plans[from];
        }
        Ok(())
    }
}

/// Queries that a thread walks for at the same time.
const TOGETHER: usize = 4;

/// How many that is of `count`, `most` at most: no thread is to be left without one.
fn together(count: usize, most: usize, options: Options<'_>) -> usize {
    if count <= 1 {
        return 1;
    }
    most.min(count.div_ceil(threads(options).max(1)))
}

/// Candidates that are scored exactly, for each result asked for, where a walk compares codes.
const CODED: usize = 2;

/// Candidates, besides k, that are mostly as near as the last of those but for rounding.
const SPARE: usize = 2;

/// Deviations that rounding may bring two distances nearer by, each of one; of ten million pairs, one is more.
const DEVIATIONS: f32 = 8.0;

/// And so many more.
const MARGIN: usize = 16;
