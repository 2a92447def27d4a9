//! A paper's claims as rows: what was claimed, by whom, what was measured, and whether the numbers bear it out.
//!
//! Verdicts follow from the numbers alone. Some say how many seeds do what is claimed, and are judged look
//! after look until that is decided ([`sequential`]). Others say that some quantity, measured once a seed, lies
//! below or above a threshold: reproduced if the mean does so by more than two standard errors, not reproduced if it lies
//! on the other side by more than two. What is decided by neither says what deciding it would take.

pub(crate) mod each;
pub(crate) mod expression;
mod measure;
pub(crate) mod measured;
pub mod sequential;
pub(crate) mod sheet;
pub(crate) mod shown;

use serde::Serialize;

use apical_runs::statistics::Spread;

/// What the numbers say of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The numbers bear the claim out.
    Reproduced,
    /// The numbers contradict the claim.
    NotReproduced,
    /// The numbers do not decide.
    NotTestable(Takes),
}

/// What it would take to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// So many seeds in all, for nine chances in ten.
    Seeds(u64),
    /// So many times the seeds.
    Times(u64),
    /// Time: no seed was done.
    Time,
    /// Longer training, or larger networks: what is compared has not learned.
    Training,
    /// More than can be said: what was seen lies on the threshold, or a single value tells no spread.
    More,
}

/// Standard errors between mean and threshold that decide where seeds are fixed.
const FIXED: f64 = 2.0;
/// What a normal exceeds with a tenth: nine chances in ten to decide a second time.
const CHANCES: f64 = 1.282;

impl Verdict {
    /// As it is printed.
    pub fn text(self) -> String {
        let takes = match self {
            Self::Reproduced => return "reproduced".into(),
            Self::NotReproduced => return "not reproduced".into(),
            Self::NotTestable(takes) => takes,
        };
        match takes {
            Takes::Seeds(seeds) => format!("not testable here (about {seeds} seeds)"),
            Takes::Times(times) => format!("not testable here (about {times} times the seeds)"),
            Takes::Time => "not testable here (more time)".into(),
            Takes::Training => "not testable here (longer training)".into(),
            Takes::More => "not testable here (more seeds than can be said)".into(),
        }
    }

    /// Whether more seeds could decide what the numbers do not.
    pub fn wants_seeds(self) -> bool {
        use Takes::{More, Seeds, Time, Times};
        matches!(self, Self::NotTestable(Seeds(_) | Times(_) | Time | More))
    }

    /// Whether the numbers decide.
    pub fn is_decided(self) -> bool {
        !matches!(self, Self::NotTestable(_))
    }

    /// Of a mean that is `apart` from its threshold, where `errors` standard errors would decide.
    fn open(apart: f64, error: f64, errors: f64) -> Self {
        let times = ((errors + CHANCES) * error / apart).powi(2).ceil();
        Self::NotTestable(match times.is_finite() && times < 1e4 {
            true => Takes::Times((times as u64).max(2)),
            false => Takes::More,
        })
    }

    /// Of a quantity that is claimed to lie below `threshold`.
    pub fn below(spread: &Spread, threshold: f64) -> Self {
        Self::below_by(spread, threshold, FIXED)
    }

    /// The same, decided by so many standard errors.
    pub fn below_by(spread: &Spread, threshold: f64, errors: f64) -> Self {
        let margin = errors * spread.error;
        if spread.mean + margin < threshold {
            Self::Reproduced
        } else if spread.mean - margin > threshold {
            Self::NotReproduced
        } else {
            Self::open(spread.mean - threshold, spread.error, errors)
        }
    }

    /// Of a quantity that is claimed to be negative, by its 95 % interval.
    pub fn negative((low, high): (f64, f64)) -> Self {
        if high < 0.0 {
            Self::Reproduced
        } else if low > 0.0 {
            Self::NotReproduced
        } else {
            Self::open(0.5 * (low + high), 0.25 * (high - low), FIXED)
        }
    }

    /// Of a quantity that is claimed to be near 0, by its 95 % interval: within the margin, beyond it, or neither.
    pub fn near((low, high): (f64, f64), margin: f64) -> Self {
        if -margin < low && high < margin {
            Self::Reproduced
        } else if low > margin || high < -margin {
            Self::NotReproduced
        } else {
            let apart = margin - (0.5 * (low + high)).abs();
            Self::open(apart, 0.25 * (high - low), FIXED)
        }
    }

    /// Of a quantity that is claimed to lie above `threshold`.
    pub fn above(spread: &Spread, threshold: f64) -> Self {
        Self::above_by(spread, threshold, FIXED)
    }

    /// The same, decided by so many standard errors.
    pub fn above_by(spread: &Spread, threshold: f64, errors: f64) -> Self {
        let mirrored = Spread {
            mean: -spread.mean,
            ..*spread
        };
        Self::below_by(&mirrored, -threshold, errors)
    }

    /// Of an event seen in a share of resamples: reproduced from 95 %, not reproduced up to 5 %.
    pub fn share(share: f64) -> Self {
        if share >= 0.95 {
            Self::Reproduced
        } else if share <= 0.05 {
            Self::NotReproduced
        } else {
            Self::NotTestable(Takes::More)
        }
    }
}

/// One claim with what was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Claim {
    /// Stable short name.
    pub id: String,
    /// Figure of the paper.
    pub figure: String,
    /// What is claimed.
    pub statement: String,
    /// Who claims it.
    pub source: String,
    /// What would bear it out.
    pub expected: String,
    /// What was measured.
    pub measured: String,
    /// Spread of the measurement.
    pub spread: String,
    /// Seeds.
    pub n: usize,
    /// What follows.
    #[serde(serialize_with = "verdict_text")]
    pub verdict: Verdict,
}

fn verdict_text<S: serde::Serializer>(verdict: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&verdict.text())
}

/// All claims of a paper.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Claims {
    /// Citation key.
    pub paper: String,
    /// The command that measures them.
    pub command: String,
    /// The rows.
    pub claims: Vec<Claim>,
}

impl Claims {
    /// How many rows the numbers decide.
    pub fn decided(&self) -> usize {
        let rows = self.claims.iter();
        rows.filter(|claim| claim.verdict.is_decided()).count()
    }

    /// A Markdown table of the claims.
    pub fn to_markdown(&self) -> String {
        let mut text =
            String::from("| claim | source | expected | measured | spread | n | verdict |\n");
        text.push_str("|---|---|---|---|---|---|---|\n");
        for c in &self.claims {
            let n = c.n.to_string();
            let verdict = format!("**{}**", c.verdict.text());
            let cells = [
                &c.statement,
                &c.source,
                &c.expected,
                &c.measured,
                &c.spread,
                &n,
                &verdict,
            ];
            text.push_str(&format!(
                "| {} |\n",
                cells.map(|cell| cell.replace('|', "\\|")).join(" | ")
            ));
        }
        text
    }
}

/// The mean, and how many single seeds did it: a mean hides seeds that failed.
pub(crate) fn counted(spread: &Spread, values: &[f64], did: impl Fn(f64) -> bool) -> String {
    let count = values.iter().filter(|value| did(**value)).count();
    format!("{:.4}; {count} of {} seeds", spread.mean, spread.n)
}

/// A claim with the measurement filled in.
pub(crate) fn measured(spread: &Spread) -> Claim {
    Claim {
        id: String::new(),
        figure: String::new(),
        statement: String::new(),
        source: String::new(),
        expected: String::new(),
        measured: format!("{:.4}", spread.mean),
        spread: format!(
            "sd {:.4}, s.e. {:.4}, median {:.4}",
            spread.deviation, spread.error, spread.median
        ),
        n: spread.n,
        verdict: Verdict::NotTestable(Takes::More),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(mean: f64, error: f64) -> Spread {
        Spread {
            mean,
            deviation: error * 2.0,
            error,
            median: mean,
            n: 4,
        }
    }

    #[test]
    fn verdicts_follow_from_two_standard_errors() {
        assert_eq!(
            Verdict::below(&spread(0.40, 0.04), 0.5),
            Verdict::Reproduced
        );
        assert_eq!(
            Verdict::below(&spread(0.60, 0.04), 0.5),
            Verdict::NotReproduced
        );
        // 3.282 · 0.04 / 0.05, squared.
        assert_eq!(
            Verdict::below(&spread(0.45, 0.04), 0.5),
            Verdict::NotTestable(Takes::Times(7))
        );
        assert_eq!(
            Verdict::above(&spread(0.60, 0.04), 0.5),
            Verdict::Reproduced
        );
        assert_eq!(
            Verdict::above(&spread(0.40, 0.04), 0.5),
            Verdict::NotReproduced
        );
        assert_eq!(
            Verdict::below(&Spread::of(&[0.1]), 0.5),
            Verdict::NotTestable(Takes::More)
        );
        let shares = [0.96, 0.5, 0.01].map(Verdict::share);
        assert_eq!(
            shares,
            [
                Verdict::Reproduced,
                Verdict::NotTestable(Takes::More),
                Verdict::NotReproduced
            ]
        );
    }
}
