//! Walk, scan, or search exactly: the cost of each, and who decides.
//!
//! An exact search of what a mask leaves is linear in it, and never wrong. A walk takes about as long whatever the corpus
//! (log n), but longer the less the mask leaves. So there is a share of rows below which exact search is faster; it
//! depends on the number of rows, on ef, and on the batch, which an exact search reads the corpus once for.
//!
//! The unit of cost is a byte that a walk compares, of a row that lies anywhere: 0.1 ns. The constants were measured on
//! Zen 5 (2 cores, AVX-512 VNNI; 100,000 x 384 f32), those of scans on Zen 4. The two curves cross at an angle, so that where a constant is off by
//! two, the plan is wrong only near the crossing, where it hardly matters:
//!
//! | share of rows | walk, ef = 64 | exact, 1 query | exact, 256 queries |
//! |---|---|---|---|
//! | 50 % | 125 us | 4,000 us | 73 us |
//! | 10 % | 150 us | 610 us | 26 us |
//! | 3 % | 150 us | 180 us | 22 us |
//! | 1 % | 180 us | 66 us | 12 us |
//! | 0.1 % | 1,150 us (and gives up) | 20 us | 5 us |
//!
//! That was without sketches. Where rows have them a walk takes about two thirds of it (79 us at 50 %).
//!
//! Between the two lies a scan of signs, linear in what a mask leaves as an exact search is, of 48 bytes a row and not
//! 1,536; and of those in near cells alone. Once they lie side by side, and at the least ef for a recall@10 of 0.95, one
//! core took for each query of a batch of 32 (and alone):
//!
//! | share of rows | walk | scan of all | scan of near cells |
//! |---|---|---|---|
//! | 50 % | 22 us (32) | 22 us (36) | 16 us (20) |
//! | 10 % | 40 us (48) | 11 us (15) | 14 us (17) |
//!
//! A million rows are farther than a hundred thousand, and the more so the less memory foresees of what is read next. On
//! Zen 4 (2 cores), for each query of a batch of 32, one core, at an ef of 10 (and of 48; what was found by 10):
//!
//! | rows, share | walk | scan of all | scan of near cells |
//! |---|---|---|---|
//! | 100,000, 50 % | 25 us (89; 0.93) | 43 us (67; 0.98) | 17 us (53; 0.96) |
//! | 100,000, 25 % | 38 us (177; 0.94) | 27 us (39; 0.98) | 15 us (44; 0.97) |
//! | 100,000, 10 % | 35 us (116; 0.89) | 15 us (26; 0.99) | 24 us (56; 0.99) |
//! | 1,000,000, 50 % | 46 us (165; 0.83) | | 84 us (389; 0.93) |
//! | 1,000,000, 10 % | 65 us (346; 0.74) | 77 us (119; 0.97) | 42 us (149; 0.96) |
//! | 1,000,000, 2 % | 49 us (176; 0.49) | 25 us (57; 0.99) | 44 us (194; 0.98) |
//!
//! That was of signs. Where sketches have levels, a scan reads half of the words, and compares fewer:
//!
//! | rows, share | walk | scan of all | scan of near cells |
//! |---|---|---|---|
//! | 100,000, 50 % | 24 us (81; 0.93) | 62 us (75; 0.99) | 15 us (37; 0.97) |
//! | 100,000, 25 % | | 26 us (32; 0.99) | 18 us (34; 0.98) |
//! | 100,000, 10 % | | 15 us (1.00) | 24 us (1.00) |
//! | 1,000,000, 50 % | 46 us (162; 0.83) | | 54 us (183; 0.96) |
//! | 1,000,000, 10 % | | 115 us (1.00) | 34 us (0.98) |
//! | 1,000,000, 5 % | | 65 us (0.99) | 32 us (0.99) |
//! | 1,000,000, 2 % | | 25 us (30; 1.00) | 33 us (114; 0.99) |

use crossfade_kernels::record_bytes;

use crate::format::Facts;
use crate::near::ROWS_FOR_EACH;
use crate::settings::Form;

/// How a query was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// A walk among all rows.
    Walk,
    /// A walk that puts only rows of the mask among its results.
    FilteredWalk,
    /// An exact search of the rows that may be found.
    Exact,
    /// A scan of the signs of all rows that may be found; the nearest by those compared as a walk does.
    Scan,
    /// The same of those in the cells that are near the query.
    Cells,
    /// A comparison of the codes of all rows that may be found, in their order.
    Codes,
}

/// Which plans may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ways {
    /// Whatever costs less by this model.
    #[default]
    Planned,
    /// A walk, and exact search only for what it does not find.
    Walk,
    /// Exact search.
    Exact,
    /// A scan of signs, and exact search where rows have none.
    Scan,
    /// A scan of the signs of near cells; of all where there are no cells.
    Cells,
    /// A comparison of all codes, and exact search where rows have none.
    Codes,
}

/// What a search is about, as far as its cost goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    pub(crate) facts: Facts,
    /// Bytes of a row of the corpus.
    pub(crate) row_bytes: usize,
    /// Rows that may be found, and whether there is a mask.
    pub(crate) allowed: usize,
    pub(crate) masked: bool,
    pub(crate) queries: usize,
    pub(crate) ef: usize,
    /// What a scan would read; None where rows have no signs, or nobody has looked.
    pub(crate) signs: Option<Rough>,
}

/// Signs of rows, or levels, as far as the cost of reading them goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rough {
    lying: Lying,
    told: Told,
    /// Rows that are compared after a scan of near cells, for each of `ef`, and after one of all.
    for_each: usize,
    for_each_of_all: usize,
    /// Whether those are enough.
    say_enough: bool,
    /// Cells that are looked at, and all; None where there are none.
    cells: Option<(usize, usize)>,
}

/// What a scan reads of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    /// Words of it.
    pub(crate) words: usize,
    /// Whether they are levels, of which fewer candidates are enough, and not signs.
    pub(crate) levels: bool,
}

impl Rough {
    /// `share`: of rows that may be found; `share_within`: of the nearest rows, the share that is among so many by what is read.
    pub(crate) fn new(
        lying: Lying,
        told: Told,
        cells: Option<(usize, usize)>,
        share: f64,
        share_within: impl Fn(usize) -> f64,
    ) -> Self {
        let of = |share: f64| {
            let mut from = CANDIDATES.into_iter().skip(if told.levels { 0 } else { OF_LEVELS });
            from.find(|for_each| share_within(((USUAL * for_each) as f64 / share) as usize) >= SHARE)
        };
        let enough = of(1.0);
        let for_each = enough.unwrap_or(CANDIDATES[CANDIDATES.len() - 1]);
        // A filter that leaves a tenth leaves about a tenth of what seems nearer. (Not so near a query, where cells are: of a
        // million rows, half of them ruled out, two in a hundred of the nearest ten were lost.)
        let for_each_of_all = if told.levels { of(share.max(f64::MIN_POSITIVE)).unwrap_or(for_each) } else { for_each };
        Self { lying, told, for_each, for_each_of_all, say_enough: enough.is_some(), cells }
    }

    /// Cells that are looked at; None where there are none.
    pub(crate) fn probes(&self) -> Option<usize> {
        self.cells.map(|(probes, _)| probes)
    }
}

/// How signs of the rows that may be found lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lying {
    /// Side by side: a scan can begin.
    SideBySide,
    /// With their sketches: so many queries may expect to share the cost of laying them side by side.
    Apart { queries: usize },
}

/// Nodes that a walk compares for each of `ef`, for each link of a node: most of the links lead to where it has been.
const COMPARED: f64 = 0.55;

/// Nodes that a walk compares on its way to where it begins in earnest.
const APPROACH: f64 = 100.0;

/// What a walk costs besides: its query made ready, the scores of the best.
const WALK_BEGUN: f64 = 60_000.0;

/// The part of a walk that is left where far rows are seen to be far by their sketches.
const SIFTED: f64 = 0.67;

/// What a byte of a row costs that an exact search reads for one query, on two cores.
const READ: f64 = 0.45;

/// And what it costs each query of a batch at least: there it is multiplied, whoever read it.
const MULTIPLIED: f64 = 0.03;

/// What an exact search costs besides: its threads, its queries made ready, the scores of the best.
const BEGUN: f64 = 100_000.0;

/// What a byte of codes costs that are compared in the order in which they lie, one row after the other. (On Zen 4, of random
/// directions, 100 to be found by one query alone: of 14,000 rows 237 us, where a walk with an `ef` of 1,496 took 859 us and
/// found 0.992 of them, and exact search 701 us; of 3,000 rows 82, 350 and 165 us.)
const IN_ORDER: f64 = 0.38;

/// What a look at the mask costs, and at the link that led to it.
const LOOK: f64 = 10.0;

/// The part of a walk that looking behind what is ruled out makes longer.
const LONGER: f64 = 1.3;

/// Of the nodes behind one that is ruled out, those that no other led to before.
const NEW: f64 = 0.5;

/// The share of rows above which a walk compares what the mask rules out like everything else. Below, it passes over it
/// and looks at the neighbours behind. For a recall@10 of 0.95 that took, of 100,000 rows, 40 % longer at a half (however
/// few of those behind were looked at), and 20 % less at a tenth.
const PASSED_OVER: f64 = 0.25;

/// Rows that are compared after a scan of signs, for each of `ef`: the least of these with which it finds what a walk
/// does. Of 100,000 rows of topics, 19 in 20 of the nearest ten were among the first 72 by signs, and 99 in 100 among 207. The
/// first are for levels only, which tell more.
const CANDIDATES: [usize; 6] = [1, 2, 4, 8, 16, 32];
const OF_LEVELS: usize = 2;

/// The share of neighbours that must be among them, for an ef of `USUAL`. Where they are not, the signs of these rows say
/// too little, and a scan is no plan but where it is asked for.
const SHARE: f64 = 0.97;
const USUAL: usize = 64;

/// As many are compared as for this `ef` at least, of all rows and of near cells: of fewer, most queries would be given up for
/// nothing.
const LEAST: usize = 32;
const LEAST_OF_CELLS: usize = 36;

/// Of levels, of which few are enough for each, as for twice that `ef`.
const LEAST_TIMES: usize = 2;

/// Twice the `ef` asks for what is twice as rare, and signs find that among four times as many: for each so much of `ef` as
/// many times more are compared, up to so many. (Of 100,000 rows of topics, half of them ruled out: 0.988 of the nearest
/// ten at 37, where a walk found 0.990, and 0.978 of candidates in proportion.)
const EACH: usize = 16;
const MOST_TIMES: usize = 4;

/// The `ef` up to which a scan finds about what a walk does. (Of the same rows, 0.990 at 100, where a walk found 0.998.)
const MOST_BY_SIGNS: usize = 64;

/// What a scan of signs costs besides: its query made ready, the scores of the best.
const SCAN_BEGUN: f64 = 20_000.0;

/// What it costs to count the signs that differ, for a word of 64, and to weigh the levels of one.
const COUNTED: f64 = 0.9;
const WEIGHED: f64 = 2.5;

/// What it costs to compare an element of a cell's centre, mostly by its sign.
const CENTRE: f64 = 0.02;

/// What goes with each cell that is looked at, besides its rows.
const RUN: f64 = 750.0;

/// What it costs to compare a candidate by its sketch, and half of them by their codes.
const CANDIDATE: f64 = 300.0;

/// Bytes of signs of which some are looked at, and of codes that walks go through, from which on those that are read come from
/// farther away; and how much longer that takes of ten times as many.
const NEAR_SIGNS: f64 = 4e6;
const NEAR_CODES: f64 = 5e7;
const FARTHER: f64 = 0.85;

/// How many times as long it takes to read of so many bytes as of `near` of them.
fn far(bytes: f64, near: f64) -> f64 {
    (1.0 + FARTHER * (bytes / near).log10()).max(1.0)
}

/// The part of a walk without a mask, or with much effort, that a scan must take at most to be the plan.
const CLEARLY: f64 = 0.5;

/// And what a scan of levels may take of one with a mask: with the same effort it finds what a walk finds with half as much again
/// (100,000 rows, half of them ruled out) to three times as much (a million).
const MORE: f64 = 1.5;

/// What it costs to lay the signs of a row side by side with others.
const LAID: f64 = 130.0;

impl Work {
    /// Whether a scan of signs could be the plan.
    pub(crate) fn may_scan(&self, ways: Ways) -> bool {
        self.facts.settings.form != Form::Vectors
            && match ways {
                Ways::Scan | Ways::Cells => self.allowed > 0,
                Ways::Planned => self.allowed > self.ef.max(LEAST).saturating_mul(CANDIDATES[0]),
                Ways::Walk | Ways::Exact | Ways::Codes => false,
            }
    }

    /// Rows that are compared after a scan, of all rows or of near cells.
    pub(crate) fn candidates(&self, plan: Plan) -> usize {
        let for_each =
            self.signs.map_or(0, |signs| if plan == Plan::Cells { signs.for_each } else { signs.for_each_of_all });
        let few = for_each < CANDIDATES[OF_LEVELS];
        let least = if plan == Plan::Cells { LEAST_OF_CELLS } else { LEAST } * if few { LEAST_TIMES } else { 1 };
        let ef = self.ef.saturating_mul((self.ef / EACH).clamp(1, MOST_TIMES)).max(least);
        for_each.saturating_mul(ef)
    }

    /// What a scan costs for each query, of all rows or of near cells.
    fn scan(&self, plan: Plan) -> f64 {
        let Some(signs) = self.signs.filter(|signs| signs.say_enough && self.candidates(plan) < self.allowed) else {
            return f64::INFINITY;
        };
        let words = signs.told.words as f64;
        let word = if signs.told.levels { WEIGHED } else { COUNTED };
        let rows = self.allowed as f64;
        let counted = match signs.cells {
            _ if plan == Plan::Scan => rows * words * word,
            Some((probes, cells)) if self.ef <= MOST_BY_SIGNS => {
                let of_cell = rows / cells as f64;
                let least = (ROWS_FOR_EACH * self.candidates(plan)) as f64 / of_cell;
                let probes = (probes as f64).max(least).min(cells as f64);
                let centres = cells as f64 * self.facts.dimension as f64 * CENTRE;
                let far = far(rows * words * size_of::<u64>() as f64, NEAR_SIGNS);
                probes.mul_add(RUN + of_cell * words * word * far, centres)
            }
            _ => return f64::INFINITY,
        };
        let laid = match signs.lying {
            Lying::SideBySide => 0.0,
            Lying::Apart { queries } => rows * LAID / queries.max(1) as f64,
        };
        SCAN_BEGUN + counted + (self.candidates(plan) as f64).mul_add(CANDIDATE, laid)
    }

    /// The share of rows that may be found.
    pub(crate) fn share(&self) -> f64 {
        self.allowed as f64 / self.facts.rows.max(1) as f64
    }

    /// Whether a walk goes on behind rows that the mask rules out without comparing them.
    pub(crate) fn passes_over(&self) -> bool {
        self.masked && self.share() < PASSED_OVER
    }

    /// Bytes that are compared for a node.
    fn node_bytes(&self) -> f64 {
        match self.facts.settings.form {
            Form::Vectors => self.row_bytes as f64,
            _ => record_bytes(self.facts.dimension) as f64,
        }
    }

    /// What an exact search costs for each query.
    pub(crate) fn exact(&self) -> f64 {
        let byte = (READ / self.queries.max(1) as f64).max(MULTIPLIED);
        (self.allowed as f64 * self.row_bytes as f64).mul_add(byte, BEGUN)
    }

    /// What a comparison of all codes costs for each query. The fewer rows may be found, the less do they lie in order; of
    /// less than half of them nobody has measured it.
    fn codes(&self) -> f64 {
        let out = 1.0 - self.share();
        if self.facts.settings.form == Form::Vectors || out > 0.5 {
            return f64::INFINITY;
        }
        let bytes = self.allowed as f64 * self.node_bytes();
        bytes.mul_add((1.0 - IN_ORDER).mul_add(out, IN_ORDER) * far(bytes, NEAR_SIGNS), WALK_BEGUN)
    }

    /// What a walk costs.
    pub(crate) fn walk(&self) -> f64 {
        self.walked().mul_add(self.far_codes(), WALK_BEGUN)
    }

    /// How many times as long a walk takes for how many bytes there are of rows.
    fn far_codes(&self) -> f64 {
        far(self.facts.rows as f64 * self.node_bytes(), NEAR_CODES)
    }

    /// And what goes with the nodes that it compares and looks at.
    fn walked(&self) -> f64 {
        let degree = 2.0 * self.facts.settings.m as f64;
        let (ef, all) = (self.ef as f64, self.facts.rows as f64);
        let sifted = if self.signs.is_some() { SIFTED } else { 1.0 };
        let on_the_way = ef * degree * COMPARED;
        let plain = (on_the_way + APPROACH).min(all) * self.node_bytes() * sifted;
        if !self.masked {
            return plain;
        }
        if !self.passes_over() {
            return (on_the_way / self.share() + APPROACH).min(all / self.share()) * self.node_bytes() * sifted;
        }
        let behind = degree * degree;
        // Until there are ef results, whole neighbourhoods are compared.
        let filled = (ef / (self.share() * NEW * behind)).min(all) * degree * self.node_bytes();
        LONGER.mul_add(plain, filled) + ef * behind * LOOK
    }

    /// Nodes that a walk may compare, or pass over, before it has cost twice what was reckoned, or what exact search costs,
    /// whatever is more: then the mask goes with places, and the walk is in the wrong one.
    pub(crate) fn patience(&self) -> usize {
        (2.0 * self.exact().max(self.walk()) / (self.node_bytes() * self.far_codes())) as usize
    }

    /// How to go about queries for which a scan's signs said too little: a walk, or exact search.
    pub(crate) fn otherwise(&self, queries: usize) -> Ways {
        let signs = self.signs.map(|signs| Rough { say_enough: false, ..signs });
        match (Self { queries, signs, ..*self }).plan(Ways::Planned) {
            Plan::Exact | Plan::Scan | Plan::Cells => Ways::Exact,
            Plan::Codes => Ways::Codes,
            Plan::Walk | Plan::FilteredWalk => Ways::Walk,
        }
    }

    /// How to go about it.
    pub(crate) fn plan(&self, ways: Ways) -> Plan {
        let walk = if self.masked { Plan::FilteredWalk } else { Plan::Walk };
        if self.allowed == 0 {
            return Plan::Exact;
        }
        match ways {
            Ways::Walk => walk,
            Ways::Cells if self.signs.is_some_and(|signs| signs.cells.is_some()) => Plan::Cells,
            Ways::Scan | Ways::Cells if self.signs.is_some() => Plan::Scan,
            Ways::Codes if self.facts.settings.form != Form::Vectors => Plan::Codes,
            Ways::Scan | Ways::Cells | Ways::Codes | Ways::Exact => Plan::Exact,
            // A walk would keep half of them anyway.
            Ways::Planned if self.allowed <= 2 * self.ef => Plan::Exact,
            Ways::Planned => {
                let (exact, walked) = (self.exact(), self.walk());
                let (all, near) = (self.scan(Plan::Scan), self.scan(Plan::Cells));
                let (scan, scanned) = if near < all { (Plan::Cells, near) } else { (Plan::Scan, all) };
                // Without a mask a walk is what was measured, and with much effort it finds more: there is no reason to leave
                // it for little.
                let clearly = match self.signs {
                    Some(Rough { told: Told { levels: true, .. }, .. }) if self.masked && self.ef <= MOST_BY_SIGNS => {
                        MORE
                    }
                    _ if self.masked && self.ef <= MOST_BY_SIGNS => 1.0,
                    _ => CLEARLY,
                };
                let codes = self.codes();
                if scanned < exact.min(walked * clearly).min(codes) {
                    scan
                } else if codes < exact.min(walked) {
                    Plan::Codes
                } else if exact <= walked {
                    Plan::Exact
                } else {
                    walk
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crossfade_kernels::Metric;

    use super::*;
    use crate::Settings;

    fn work(rows: usize, share: f64, queries: usize, ef: usize) -> Work {
        let settings = Settings { form: Form::Codes, ..Settings::default() };
        let facts = Facts { rows, dimension: 384, metric: Metric::L2, settings, entry: 0, upper: 1, unreachable: 0 };
        let allowed = (share * rows as f64) as usize;
        Work { facts, row_bytes: 1536, allowed, masked: share < 1.0, queries, ef, signs: None }
    }

    /// What the table above says, away from where the curves cross.
    #[test]
    fn plans_what_was_measured_to_be_faster() {
        for (rows, share, queries, wanted) in [
            (100_000, 1.0, 1, Plan::Walk),
            (100_000, 1.0, 256, Plan::Walk),
            (100, 1.0, 1, Plan::Exact),
            (100_000, 0.5, 1, Plan::FilteredWalk),
            (100_000, 0.1, 1, Plan::FilteredWalk),
            (100_000, 0.1, 256, Plan::Exact),
            (100_000, 0.01, 1, Plan::Exact),
            (100_000, 0.001, 1, Plan::Exact),
            (100_000, 0.0, 1, Plan::Exact),
            (1_000_000, 0.01, 1, Plan::FilteredWalk),
        ] {
            assert_eq!(work(rows, share, queries, 64).plan(Ways::Planned), wanted, "{rows} {share} {queries}");
        }
    }

    const SIGNS: Told = Told { words: 6, levels: false };
    const LEVELS: Told = Told { words: 3, levels: true };

    /// Quiet figures of the same machines.
    #[test]
    fn scans_where_that_was_measured_to_be_faster() {
        let enough = |lying| Some(Rough::new(lying, SIGNS, None, 1.0, |_| 1.0));
        let (laid, apart) = (Lying::SideBySide, |queries| Lying::Apart { queries });
        for (rows, share, queries, ef, lying, wanted) in [
            (100_000, 0.5, 1, 16, laid, Plan::FilteredWalk),
            (100_000, 0.5, 32, 64, laid, Plan::Scan),
            (100_000, 0.1, 1, 16, laid, Plan::Scan),
            (100_000, 0.1, 32, 16, laid, Plan::Scan),
            (100_000, 0.1, 32, 16, apart(32), Plan::Scan),
            (100_000, 0.1, 1, 16, apart(1), Plan::FilteredWalk),
            (100_000, 0.1, 1, 64, apart(17), Plan::Scan),
            (100_000, 0.01, 1, 16, laid, Plan::Scan),
            (100_000, 0.005, 256, 64, laid, Plan::Exact),
            (100_000, 0.001, 1, 64, laid, Plan::Exact),
            (100_000, 1.0, 1, 64, laid, Plan::Walk),
            (5_000, 1.0, 1, 48, laid, Plan::Walk),
            (5_000, 1.0, 1, 100, laid, Plan::Walk),
            (1_000_000, 0.5, 1, 64, laid, Plan::FilteredWalk),
        ] {
            let work = Work { signs: enough(lying), ..work(rows, share, queries, ef) };
            assert_eq!(work.plan(Ways::Planned), wanted, "{rows} {share} {queries} {ef} {lying:?}");
        }
    }

    /// Quiet figures; the cells are as many as they are of rows of topics, and of a million of those signs say less.
    #[test]
    fn scans_near_cells_where_that_was_measured_to_be_faster() {
        let enough: [fn(usize) -> f64; 2] = [|_| 1.0, |most| if most >= 8 * USUAL { 1.0 } else { 0.9 }];
        for (rows, share, queries, ef, probes, wanted) in [
            (100_000, 0.5, 32, 10, 41, Plan::Cells),
            (100_000, 0.5, 1, 10, 41, Plan::Cells),
            (100_000, 0.5, 32, 38, 110, Plan::Cells),
            (100_000, 0.5, 1, 100, 400, Plan::FilteredWalk),
            (100_000, 0.25, 32, 10, 49, Plan::Cells),
            (100_000, 0.1, 32, 10, 60, Plan::Scan),
            (100_000, 0.1, 1, 10, 60, Plan::Scan),
            (100_000, 0.01, 32, 10, 150, Plan::Scan),
            (100_000, 1.0, 1, 20, 70, Plan::Walk),
            (1_000_000, 0.5, 32, 10, 120, Plan::FilteredWalk),
            (1_000_000, 0.5, 32, 20, 230, Plan::FilteredWalk),
            (1_000_000, 0.1, 32, 10, 179, Plan::Cells),
            (1_000_000, 0.1, 1, 10, 179, Plan::Cells),
            (1_000_000, 0.02, 32, 10, 268, Plan::Scan),
        ] {
            let cells = if rows > 100_000 { 4000 } else { 1264 };
            let share_within = enough[usize::from(rows > 100_000)];
            let signs = Some(Rough::new(Lying::SideBySide, SIGNS, Some((probes, cells)), share, share_within));
            let work = Work { signs, ..work(rows, share, queries, ef) };
            assert_eq!(work.plan(Ways::Planned), wanted, "{rows} {share} {queries} {ef}");
        }
    }

    /// The same of levels, of which a scan reads half of the words, and compares fewer.
    #[test]
    fn scans_levels_where_that_was_measured_to_be_faster() {
        for (rows, share, queries, ef, probes, wanted) in [
            (100_000, 0.5, 32, 10, 41, Plan::Cells),
            (100_000, 0.5, 32, 48, 110, Plan::Cells),
            (100_000, 0.1, 32, 10, 60, Plan::Scan),
            (100_000, 1.0, 1, 20, 70, Plan::Walk),
            (1_000_000, 0.5, 32, 10, 120, Plan::Cells),
            (1_000_000, 0.5, 1, 10, 120, Plan::Cells),
            (1_000_000, 0.1, 32, 10, 179, Plan::Cells),
        ] {
            let cells = if rows > 100_000 { 4000 } else { 1264 };
            let share_within = |most: usize| if most >= 2 * USUAL { 1.0 } else { 0.9 };
            let signs = Some(Rough::new(Lying::SideBySide, LEVELS, Some((probes, cells)), share, share_within));
            let work = Work { signs, ..work(rows, share, queries, ef) };
            assert_eq!(work.plan(Ways::Planned), wanted, "{rows} {share} {queries} {ef}");
        }
    }

    #[test]
    fn more_is_compared_where_signs_say_less() {
        let of = |share_within: fn(usize) -> f64| Rough::new(Lying::SideBySide, SIGNS, None, 0.1, share_within);
        let work = |signs| Work { signs: Some(signs), ..work(100_000, 0.1, 32, 10) };
        let candidates = |share_within| work(of(share_within)).candidates(Plan::Scan);
        assert_eq!(candidates(|_| 1.0), 128);
        assert_eq!(candidates(|most| if most >= 1000 { 0.98 } else { 0.9 }), 512);
        let levels = |share, share_within: fn(usize) -> f64| {
            work(Rough::new(Lying::SideBySide, LEVELS, None, share, share_within)).candidates(Plan::Scan)
        };
        assert_eq!((levels(1.0, |_| 1.0), levels(1.0, |most| if most >= 128 { 0.98 } else { 0.9 })), (64, 128));
        assert_eq!(levels(1.0, |most| if most >= 256 { 0.98 } else { 0.9 }), 128);
        // Of a half, half as many seem nearer.
        assert_eq!(levels(0.5, |most| if most >= 128 { 0.98 } else { 0.9 }), 64);
        let too_little = work(of(|_| 0.5));
        assert_ne!(too_little.plan(Ways::Planned), Plan::Scan);
        assert_eq!(too_little.plan(Ways::Scan), Plan::Scan);
    }

    #[test]
    fn compares_all_codes_where_that_was_measured_to_be_faster() {
        for (rows, share, queries, ef, wanted) in [
            (14_000, 1.0, 1, 1_496, Plan::Codes),
            // As where some rows are dead.
            (14_000, 0.9, 1, 1_496, Plan::Codes),
            (14_000, 1.0, 1, 202, Plan::Walk),
            (14_000, 1.0, 200, 1_496, Plan::Exact),
            (3_000, 1.0, 1, 202, Plan::Codes),
            (50_000, 1.0, 1, 202, Plan::Walk),
            (1_000_000, 1.0, 1, 1_496, Plan::Walk),
        ] {
            assert_eq!(work(rows, share, queries, ef).plan(Ways::Planned), wanted, "{rows} {share} {queries} {ef}");
        }
        let vectors = |work: Work| {
            let settings = Settings { form: Form::Vectors, ..Settings::default() };
            Work { facts: Facts { settings, ..work.facts }, ..work }
        };
        assert_eq!(vectors(work(14_000, 1.0, 1, 1_496)).plan(Ways::Codes), Plan::Exact);
        assert_ne!(vectors(work(14_000, 1.0, 1, 1_496)).plan(Ways::Planned), Plan::Codes);
    }

    /// Where signs said too little: whatever costs less of what does not read them.
    #[test]
    fn what_a_scan_gave_up_is_answered_without_signs() {
        for (rows, share, ef, wanted) in
            [(14_000, 0.9, 1_496, Ways::Codes), (100_000, 0.5, 16, Ways::Walk), (100_000, 0.001, 16, Ways::Exact)]
        {
            let signs = Some(Rough::new(Lying::SideBySide, SIGNS, None, share, |_| 1.0));
            let work = Work { signs, ..work(rows, share, 32, ef) };
            assert_eq!(work.otherwise(1), wanted, "{rows} {share} {ef}");
        }
    }

    #[test]
    fn what_the_caller_says_goes() {
        let work = work(100_000, 0.01, 1, 64);
        assert_eq!((work.plan(Ways::Walk), work.plan(Ways::Exact)), (Plan::FilteredWalk, Plan::Exact));
    }
}
