//! What the numbers say of each claim of a sheet: by counts of seeds, by a mean, or by two rankings.

use std::ops::Range;

use super::study::Study;
use crate::claims::expression::Expression;
use crate::claims::sequential::{decide, seeds_needed};
use crate::claims::sheet::{Candidate, Condition, Crossed, Grid, Ranks, Row, Test};
use crate::claims::{Claim, Takes, Verdict, counted, measured};
use apical_runs::Result;
use apical_runs::statistics::{
    Spread, median, paired, permutation_p, quantile, rank_correlation, resamples,
};

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
            (None, Test::Mean | Test::Interval) => self.by_mean(&judged.row),
        };
        rows.map(claim).collect()
    }

    fn by_mean(&self, row: &Row) -> Result<Claim> {
        let (values, chosen) = match (&row.measure, &row.crossed) {
            (Some(measure), _) => (measure.values(self)?, String::new()),
            (_, Some(crossed)) => self.crossed(crossed)?,
            _ => (Vec::new(), String::new()),
        };
        let spread = Spread::of(&values);
        let claim = named(row, measured(&spread));
        let holds = |value| row.holds(value);
        let told = match &row.measured {
            Some(text) => {
                let count = values.iter().filter(|value| holds(**value)).count();
                let text = text
                    .replace("{mean}", &claim.measured)
                    .replace("{count}", &count.to_string())
                    .replace("{n}", &spread.n.to_string())
                    .replace("{chosen}", &chosen);
                self.text(&text)?
            }
            None if row.counted => counted(&spread, &values, holds),
            None => claim.measured,
        };
        let (low, high) = spread.interval();
        let by_interval = self.sheet.test == Test::Interval;
        Ok(Claim {
            expected: self.text(&row.expected)?,
            measured: told,
            spread: match by_interval {
                true => interval(&spread),
                false => claim.spread,
            },
            verdict: match (row.below, row.above, row.within) {
                (Some(_), ..) if by_interval => Verdict::negative((low, high)),
                (_, _, Some(within)) => Verdict::near((low, high), within),
                (Some(below), ..) => Verdict::below(&spread, below),
                (_, Some(above), _) => Verdict::above(&spread, above),
                _ => claim.verdict,
            },
            ..claim
        })
    }

    /// Differences on each half of the seeds of what is best on the other, and the names of what was.
    fn crossed(&self, crossed: &Crossed) -> Result<(Vec<f64>, String)> {
        let values = |candidates: &[Candidate]| -> Result<Vec<(String, Vec<f64>)>> {
            let mut all = Vec::new();
            for candidate in candidates {
                if self.has(&candidate.of)? {
                    all.push((candidate.name.clone(), candidate.of.values(self)?));
                }
            }
            Ok(all)
        };
        let (first, second) = (values(&crossed.first)?, values(&crossed.second)?);
        let seeds = second.first().map_or(0, |(_, values)| values.len());
        let halves = [0..seeds / 2, seeds / 2..seeds];
        let best = |of: &[(String, Vec<f64>)], on: &Range<usize>| {
            let mean = |(_, values): &(String, Vec<f64>)| Spread::of(&values[on.clone()]).mean;
            let least = of.iter().min_by(|a, b| mean(a).total_cmp(&mean(b)));
            least.cloned().unwrap_or_default()
        };
        let (mut differences, mut chosen) = (Vec::new(), Vec::new());
        for (here, there) in [(0, 1), (1, 0)] {
            let (name, ours) = best(&first, &halves[there]);
            let (_, theirs) = best(&second, &halves[there]);
            let here = halves[here].clone();
            differences.extend(paired(&ours[here.clone()], &theirs[here]));
            chosen.push(name);
        }
        Ok((differences, chosen.join(" and ")))
    }

    /// A text with its numbers filled in: `{rate of NAME}` is the learning rate of a condition, `{STATISTIC QUANTITY of NAME:FORMAT}` the
    /// mean, median or standard error of the mean of a quantity, with so many digits or, as `it`, in whole iterations.
    pub(super) fn text(&self, template: &str) -> Result<String> {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let inside = after.split_once('}');
            let Some((token, after)) = inside.filter(|(token, _)| token.contains(" of ")) else {
                text.push('{');
                rest = after;
                continue;
            };
            let (of, format) = token.rsplit_once(':').unwrap_or((token, ""));
            let (statistic, quantity) = of.split_once(' ').unwrap_or((of, ""));
            text.push_str(&match quantity.strip_prefix("of ") {
                Some(name) => format!(
                    "{:e}",
                    self.ran(self.place(name)?).experiment.optimizer.rate
                ),
                None => {
                    let spread = Spread::of(&Expression::Quantity(quantity.into()).values(self)?);
                    let value = match statistic {
                        "mean" => spread.mean,
                        "error" => spread.error,
                        _ => spread.median,
                    };
                    match format.parse::<usize>() {
                        Ok(digits) => format!("{value:.digits$}"),
                        Err(_) => iterations(value),
                    }
                }
            });
            rest = after;
        }
        text.push_str(rest);
        Ok(text)
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

/// A difference with its interval, and how large it is beside the spread of seeds.
pub fn interval(spread: &Spread) -> String {
    let (low, high) = spread.interval();
    // Where all seeds differ alike, or there is one, there is no effect in deviations.
    let effect = spread.mean / spread.deviation;
    let effect = match effect.is_finite() {
        true => format!(", effect {effect:.2} sd"),
        false => String::new(),
    };
    format!(
        "difference {:.4}, 95 % interval {low:.4} to {high:.4}{effect}",
        spread.mean
    )
}

/// Whole iterations, of which what never comes has none.
pub fn iterations(value: f64) -> String {
    match value.is_finite() {
        true => format!("{value:.0}"),
        false => "never".into(),
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
