//! The protocol of figure 2 in an independent implementation, and here.

use apical::Experiment;
use apical::feedback::FeedbackSpec;
use apical::synapse::{Fan, Init};

use super::lab::{Lab, Outcome};
use super::periodic::{Study, set_gain};
use super::{Section, decimal, quartiles_text};
use crate::Report;
use crate::claims::{Claim, Takes, Verdict};
use apical_runs::statistics::quantile;
use apical_runs::{Result, experiment};

/// Our medians beside those of an independent implementation of the same protocol.
pub fn judge(study: &Study, lab: &Lab<'_>) -> Result<Section> {
    let (mut rows, mut claims) = (Vec::new(), Vec::new());
    for row in REFERENCE {
        let e = row.experiment(study)?;
        rows.push(row.told(lab, &e));
        if row.period <= 400 && row.low.is_finite() {
            let last = lab.each(&e, Outcome::last);
            claims.push(row.claim(&last, study.is_quick()));
        }
    }
    let header = [
        "period",
        "condition",
        "rate",
        "reference: quartiles of the last loss",
        "here",
        "best",
        "alignment there",
        "here",
        "median",
    ];
    Ok(Section {
        claims,
        reports: vec![Report {
            name: "reference".into(),
            title: "The same protocol in an independent implementation (double precision, other seeds), and here".into(),
            on_screen: false,
            header: header.map(String::from).into(),
            rows,
        }],
        ..Section::default()
    })
}

/// A row of the reference.
pub struct Row {
    id: &'static str,
    period: u64,
    what: &'static str,
    rate: f64,
    low: f64,
    median: f64,
    high: f64,
    alignment: &'static str,
    change: fn(&mut Experiment) -> Result<()>,
}

impl Row {
    /// The experiment of the row.
    pub fn experiment(&self, study: &Study) -> Result<Experiment> {
        let mut e = study.load(&format!("periodic-{}", self.period))?;
        e.optimizer.rate = self.rate;
        (self.change)(&mut e)?;
        Ok(e)
    }

    /// Whether its point is that little is learned: it is no better for learning more.
    fn is_control(&self) -> bool {
        ["recurrent-200", "silent-200"].contains(&self.id)
    }

    /// Whether a median of ours is as theirs.
    fn is_within(&self, median: f64) -> bool {
        median <= self.high && !(self.is_control() && median < self.low)
    }

    /// How a median of ours lies to theirs.
    fn place(&self, median: f64) -> &'static str {
        match (self.is_within(median), median < self.low) {
            _ if self.low.is_nan() => "-",
            (_, true) if self.is_control() => "below",
            (_, true) => "better",
            (true, _) => "within",
            _ => "above",
        }
    }

    /// That the last losses of ours are as theirs.
    fn claim(&self, last: &[f64], quick: bool) -> Claim {
        let at = |share: f64| quantile(last, share);
        Claim {
            id: format!("reference.{}", self.id),
            figure: "reference".into(),
            statement: format!(
                "T = {}, {} at {}: as an independent implementation of the protocol",
                self.period,
                self.what,
                decimal(self.rate)
            ),
            source: "our earlier runs of the protocol in another program".into(),
            expected: match self.is_control() {
                true => format!(
                    "median from {} to {}, its quartiles",
                    decimal(self.low),
                    decimal(self.high)
                ),
                false => format!("median at most {}, its upper quartile", decimal(self.high)),
            },
            measured: decimal(at(0.5)),
            spread: format!("quartiles {} and {}", decimal(at(0.25)), decimal(at(0.75))),
            n: last.len(),
            verdict: match self.is_within(at(0.5)) {
                // A few trials have nothing to say about ten thousand.
                _ if quick => Verdict::NotTestable(Takes::Training),
                true => Verdict::Reproduced,
                false => Verdict::NotReproduced,
            },
        }
    }

    /// Theirs beside ours.
    fn told(&self, lab: &Lab<'_>, e: &Experiment) -> Vec<String> {
        let last = lab.each(e, Outcome::last);
        let middle = |number: fn(&Outcome) -> f64| quantile(&lab.each(e, number), 0.5);
        let median = quantile(&last, 0.5);
        vec![
            self.period.to_string(),
            self.what.into(),
            decimal(self.rate),
            quartiles_text(self.low, self.median, self.high),
            quartiles_text(quantile(&last, 0.25), median, quantile(&last, 0.75)),
            decimal(middle(Outcome::best)),
            self.alignment.into(),
            match e.feedback {
                FeedbackSpec::Random { .. } => format!("{:.2}", middle(Outcome::alignment)),
                _ => "-".into(),
            },
            self.place(median).into(),
        ]
    }
}

/// Takes rule, feedback, network and updates of another experiment.
fn take(e: &mut Experiment, name: &str) -> Result<()> {
    let other = experiment::load(&format!("murray2019/{name}"), &[])?;
    (e.rule, e.feedback, e.network) = (other.rule, other.feedback, other.network);
    (e.update, e.optimizer.rates) = (other.update, other.optimizer.rates);
    Ok(())
}

fn same(_: &mut Experiment) -> Result<()> {
    Ok(())
}

fn bptt(e: &mut Experiment) -> Result<()> {
    take(e, "periodic-200-bptt")
}

fn symmetric(e: &mut Experiment) -> Result<()> {
    take(e, "periodic-800-symmetric")
}

fn nonlocal(e: &mut Experiment) -> Result<()> {
    take(e, "periodic-800-nonlocal")
}

fn silent(e: &mut Experiment) -> Result<()> {
    take(e, "periodic-200-readout")?;
    e.network.output_feedback = None;
    Ok(())
}

fn small_readout(e: &mut Experiment) -> Result<()> {
    e.network.readout = Init::FanUniform {
        gain: 0.1,
        fan: Fan::In,
    };
    Ok(())
}

fn gain(e: &mut Experiment, g: f64) -> Result<()> {
    set_gain(&mut e.network, g);
    Ok(())
}

fn units(e: &mut Experiment, units: usize) -> Result<()> {
    e.network.units = units;
    Ok(())
}

const NONE: f64 = f64::NAN;

macro_rules! reference {
    ($(($id:literal, $period:literal, $what:literal, $rate:literal, [$low:expr, $median:expr, $high:expr], $alignment:literal, $change:expr),)*) => {
        /// Medians and quartiles of the last loss, 3 to 9 networks each (double precision, NumPy and Numba).
        pub const REFERENCE: &[Row] = &[$(Row {
            id: $id, period: $period, what: $what, rate: $rate, low: $low, median: $median, high: $high,
            alignment: $alignment, change: $change,
        },)*];
    };
}

reference! {
    ("rflo-200", 200, "RFLO", 0.03, [2.2e-3, 2.5e-3, 4.9e-3], "0.71", same),
    ("bptt-200", 200, "BPTT", 0.03, [1.0e-4, 2.4e-4, 2.8e-4], "-", bptt),
    ("symmetric-200", 200, "local, symmetric feedback", 0.03, [3.2e-3, 4.2e-3, 1.2e-2], "-", symmetric),
    ("nonlocal-200", 200, "nonlocal, random feedback", 0.03, [1.2e-4, 1.7e-4, 2.4e-3], "0.56", nonlocal),
    ("online-200", 200, "RFLO online, rate/T a step", 0.000_15, [0.6e-3, 3.0e-3, 3.8e-3], "0.75", |e| take(e, "periodic-200-online")),
    ("dale-200", 200, "RFLO, Dale's law", 0.03, [6.5e-3, 8.9e-3, 1.8e-2], "0.85", |e| take(e, "periodic-200-dale")),
    ("readout-200", 200, "readout alone, fed back", 0.03, [6.1e-3, 8.1e-3, 1.3e-2], "-", |e| take(e, "periodic-200-readout")),
    ("silent-200", 200, "readout alone, not fed back", 0.03, [0.039, 0.084, 0.088], "-", silent),
    ("recurrent-200", 200, "recurrent weights alone", 0.03, [0.33, 0.33, 0.38], "-0.08", |e| take(e, "periodic-200-recurrent")),
    ("small-readout-200", 200, "RFLO, W_out starting within 0.1/sqrt(N)", 0.03, [0.5e-3, 1.2e-3, 2.7e-3], "0.79", small_readout),
    ("gain-0.5", 200, "RFLO, g = 0.5 (W alone)", 0.03, [NONE, 3.5e-2, NONE], "0.79", |e| gain(e, 0.5)),
    ("gain-1", 200, "RFLO, g = 1 (W alone)", 0.03, [NONE, 6.9e-3, NONE], "0.73", |e| gain(e, 1.0)),
    ("gain-2", 200, "RFLO, g = 2 (W alone)", 0.03, [NONE, 2.6e-3, NONE], "0.61", |e| gain(e, 2.0)),
    ("units-10", 200, "RFLO, N = 10", 0.03, [NONE, 2.9e-2, NONE], "0.72", |e| units(e, 10)),
    ("units-60", 200, "RFLO, N = 60", 0.03, [NONE, 9.7e-5, NONE], "0.69", |e| units(e, 60)),
    ("rflo-400", 400, "RFLO", 0.01, [5.3e-3, 2.0e-2, 5.2e-2], "0.58", same),
    ("bptt-400", 400, "BPTT", 0.03, [1.8e-4, 9.0e-4, 3.4e-3], "-", bptt),
    ("rflo-800", 800, "RFLO", 0.001, [0.21, 0.33, 0.33], "0.10", same),
    ("rflo-800-0.003", 800, "RFLO", 0.003, [0.18, 0.19, 0.19], "0.46", same),
    ("rflo-800-0.01", 800, "RFLO", 0.01, [0.10, 0.18, 0.27], "0.44", same),
    ("bptt-800", 800, "BPTT", 0.01, [0.011, 0.15, 0.16], "-", bptt),
    ("symmetric-800", 800, "local, symmetric feedback", 0.001, [0.17, 0.22, 0.30], "-", symmetric),
    ("nonlocal-800-0.01", 800, "nonlocal, random feedback", 0.01, [0.33, 0.33, 0.33], "0.28", nonlocal),
    ("nonlocal-800-0.001", 800, "nonlocal, random feedback", 0.001, [0.16, 0.16, 0.21], "0.38", nonlocal),
}
