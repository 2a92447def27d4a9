//! What the numbers say of each claim of a sheet: by counts of seeds, by a mean, or by two rankings.

use super::study::Study;
use crate::Result;
use crate::claims::expression::Expression;
use crate::claims::sequential::{decide, seeds_needed};
use crate::claims::sheet::{Condition, Grid, Ranks, Row, Test};
use crate::claims::{Claim, Takes, Verdict, counted, measured};
use crate::statistics::{Spread, median, permutation_p, quantile, rank_correlation, resamples};

/// Random pairings of what is ranked.
const PAIRINGS: usize = 10_000;
/// Resamples of the seeds.
const RESAMPLES: usize = 2_000;

/// A claim and how it stands.
pub struct Judged {
    /// The claim.
    pub row: Row,
    /// Places of its conditions.
    pub on: Vec<usize>,
    /// Seeds at most.
    most: u64,
    /// One number a draw, at the last look.
    pub values: Vec<f64>,
    decided: Option<bool>,
}

impl Judged {
    /// A claim that is open.
    pub fn new(row: Row, on: Vec<usize>, most: u64) -> Self {
        Self {
            row,
            on,
            most,
            values: Vec::new(),
            decided: None,
        }
    }

    /// Whether a cell of a grid does what the grid asks.
    pub fn cell(grid: &Grid, condition: &Condition) -> Row {
        Row {
            id: condition.name.clone(),
            statement: condition.name.clone(),
            on: vec![condition.name.clone()],
            measure: Some(Expression::Records(grid.measure.clone())),
            below: Some(grid.below),
            share: 0.5,
            together: 1,
            ..Row::default()
        }
    }

    /// Whether it is undecided and may have `look` seeds.
    pub fn is_open(&self, look: u64) -> bool {
        self.decided.is_none() && look <= self.most
    }

    /// Decides, if these numbers, one a draw, do.
    pub fn decide(&mut self, values: Vec<f64>) {
        self.values = values;
        self.decided = decide(self.count(), self.values.len() as u64, self.row.share);
    }

    /// Draws that bear the claim out.
    pub fn count(&self) -> u64 {
        let holds = |value: &&f64| self.row.holds(**value);
        self.values.iter().filter(holds).count() as u64
    }

    /// Where most of the draws lie.
    pub fn range(&self) -> String {
        let at = |share: f64| quantile(&self.values, share);
        format!("{} to {}", decimal(at(0.1)), decimal(at(0.9)))
    }

    /// What the counts at the last look come to.
    pub fn verdict(&self) -> Verdict {
        let (count, n) = (self.count(), self.values.len() as u64);
        match self.decided {
            Some(true) => Verdict::Reproduced,
            Some(false) => Verdict::NotReproduced,
            None if n == 0 => Verdict::NotTestable(Takes::Time),
            None => Verdict::NotTestable(
                seeds_needed(count, n, self.row.share)
                    .map_or(Takes::More, |draws| Takes::Seeds(draws * self.row.together)),
            ),
        }
    }

    fn by_count(&self) -> Claim {
        let row = &self.row;
        let (count, n) = (self.count(), self.values.len());
        let draws = match row.together {
            1 => "seeds".into(),
            some => format!("groups of {some} seeds"),
        };
        let share = match row.share {
            0.5 => "half".into(),
            share => format!("{:.0} %", 100.0 * share),
        };
        let also = row.also.as_ref().map_or(String::new(), |(name, value)| {
            let count = self.values.iter().filter(|v| **v < *value).count();
            format!("; {name} ({value:.4}): {count}")
        });
        let (measured, spread) = match n {
            0 => ("none in the time there was".into(), String::new()),
            _ => (
                format!(
                    "median {}; {count} of {n} {draws}{also}",
                    decimal(median(&self.values))
                ),
                format!("10 % to 90 %: {}", self.range()),
            ),
        };
        Claim {
            expected: format!("{}, in more than {share} of the {draws}", row.expected),
            measured,
            spread,
            n: n * row.together as usize,
            verdict: self.verdict(),
            ..named(row, self::measured(&Spread::of(&[])))
        }
    }
}

/// With the texts of a row.
fn named(row: &Row, claim: Claim) -> Claim {
    Claim {
        id: row.id.clone(),
        figure: row.figure.clone(),
        statement: row.statement.clone(),
        source: row.source.clone(),
        expected: row.expected.clone(),
        ..claim
    }
}

impl Study {
    /// The claims as rows.
    ///
    /// # Errors
    /// A measure of what is not there.
    pub fn claims(&self) -> Result<Vec<Claim>> {
        let rows = self.judged[..self.sheet.claims.len()].iter();
        let claim = |judged: &Judged| match (&judged.row.unexplained, self.sheet.test) {
            (Some(ranks), _) => self.unexplained(&judged.row, ranks),
            (None, Test::Count) => Ok(judged.by_count()),
            (None, Test::Mean) => self.by_mean(&judged.row),
        };
        rows.map(claim).collect()
    }

    fn by_mean(&self, row: &Row) -> Result<Claim> {
        let measure = row.measure.as_ref();
        let values = measure.map_or_else(|| Ok(Vec::new()), |measure| measure.values(self))?;
        let spread = Spread::of(&values);
        let claim = named(row, measured(&spread));
        Ok(Claim {
            measured: match row.counted {
                true => counted(&spread, &values, |value| row.holds(value)),
                false => claim.measured,
            },
            verdict: match (row.below, row.above) {
                (Some(below), _) => Verdict::below(&spread, below),
                (_, Some(above)) => Verdict::above(&spread, above),
                _ => claim.verdict,
            },
            ..claim
        })
    }

    /// Both quantities of each item, one number a seed.
    fn ranked(&self, ranks: &Ranks) -> Result<[Vec<Vec<f64>>; 2]> {
        let of = |text: &str| -> Result<Vec<Vec<f64>>> {
            let of = |item: &String| Expression::Quantity(text.replace("{item}", item));
            ranks
                .items
                .iter()
                .map(|item| of(item).values(self))
                .collect()
        };
        Ok([of(&ranks.x)?, of(&ranks.y)?])
    }

    /// Rank correlation of two quantities over items, by their means.
    pub(super) fn correlation(&self, ranks: &Ranks) -> Result<f64> {
        let [x, y] = self.ranked(ranks)?.map(|values| means(&values, None));
        Ok(rank_correlation(&x, &y))
    }

    /// That one of two rankings explains less than half of the variance of the other.
    fn unexplained(&self, row: &Row, ranks: &Ranks) -> Result<Claim> {
        let [x, y] = self.ranked(ranks)?;
        let (a, b) = (means(&x, None), means(&y, None));
        let found = rank_correlation(&a, &b);
        let p = permutation_p(&a, &b, PAIRINGS);
        let seeds = |values: &[Vec<f64>]| values.first().map_or(0, Vec::len);
        let n = seeds(&y);
        let again = resamples(n, RESAMPLES);
        let watched = resamples(seeds(&x), RESAMPLES);
        let pairs = again.iter().zip(&watched);
        let mut drawn: Vec<f64> = pairs
            .map(|(second, first)| {
                rank_correlation(&means(&x, Some(first)), &means(&y, Some(second)))
            })
            .collect();
        drawn.sort_by(f64::total_cmp);
        let at = |share: f64| drawn[((drawn.len() - 1) as f64 * share) as usize];
        let weak = drawn.iter().filter(|rho| rho.powi(2) < 0.5).count() as f64;
        let share = weak / drawn.len() as f64;
        Ok(Claim {
            measured: format!("rank correlation {found:.2}, permutation p = {p:.2}"),
            spread: format!(
                "95 % of resamples in [{:.2}, {:.2}]; squared below 0.5 in {:.0} %",
                at(0.025),
                at(0.975),
                100.0 * share
            ),
            n,
            verdict: Verdict::share(share),
            ..named(row, measured(&Spread::of(&[])))
        })
    }
}

/// Means over seeds, or over some of them.
fn means(values: &[Vec<f64>], seeds: Option<&[usize]>) -> Vec<f64> {
    let of = |v: &Vec<f64>| match seeds {
        Some(seeds) => seeds.iter().map(|k| v[*k]).sum::<f64>() / seeds.len() as f64,
        None => Spread::of(v).mean,
    };
    values.iter().map(of).collect()
}

/// Four places behind the point, or none where they would say nothing.
pub fn decimal(value: f64) -> String {
    match value.abs() < 100.0 {
        true => format!("{value:.4}"),
        false => format!("{value:.0}"),
    }
}
