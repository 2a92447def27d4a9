//! Whether the mean of a stochastic rule over its noise is the exact gradient, with standard errors.
//!
//! Two tests, neither of which asks how the elements of a gradient hang together. Along the exact gradient E, the share
//! ⟨g, E⟩/⟨E, E⟩ of a draw g must average to 1 within four standard errors. Element by element the mean must
//! be within z standard errors of E, where z grows with the number of elements so that all of them together raise
//! a false alarm as rarely as the one of four (Bonferroni; dependence makes it rarer still). The root mean square of
//! the elements' z, which should be near 1, is told beside them. The negative control scales the noise by √⅓.

use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::case::{Case, Kind, Shape, flat};
use super::trajectory::{Build, Trajectory};
use crate::Result;
use crate::error::heed;
use crate::feedback::FeedbackSpec;
use crate::kernel::Matrix;
use crate::network::Dims;
use crate::noise::{Distribution, Noise};
use crate::rule::{Contract, Flush, NodePerturbationSpec, Perturb, Rule, RuleSpec};
use crate::snapshot::StateIo;
use crate::stream::Streams;
use crate::view::View;

/// Standard errors allowed along the exact gradient.
pub const STANDARD_ERRORS: f64 = 4.0;

/// What many draws of noise gave on one network.
#[derive(Clone, Debug, Serialize)]
pub struct Unbiasedness {
    /// The network.
    pub case: String,
    /// Draws.
    pub draws: u64,
    /// Mean share of the exact gradient; 1 if unbiased.
    pub share: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Elements whose draws differ.
    pub elements: usize,
    /// Largest distance of an element's mean from the exact one, in its standard errors.
    pub worst: f64,
    /// Largest distance allowed.
    pub bound: f64,
    /// Root mean square of these distances; near 1 if unbiased.
    pub rms: f64,
    /// Standard errors by which the share of the control, whose noise is too small, misses 1.
    pub control: f64,
    /// Whether the mean is right, and the control's is not.
    pub passed: bool,
}

/// Measures `rule` on `networks` networks with `draws` draws each.
///
/// # Errors
/// A rule that serves none of the networks, or draws no noise; [`Error::Stopped`](crate::Error::Stopped) once `stop` is set.
pub fn unbiasedness(
    rule: &RuleSpec,
    seed: u64,
    networks: u64,
    draws: u64,
    stop: &AtomicBool,
) -> Result<Vec<Unbiasedness>> {
    let mut all = Vec::new();
    for k in 0..networks {
        let shape = Shape {
            units: (3, 4),
            steps: (4, 6),
            batch: (1, 1),
            kinks: false,
            kind: [Kind::Plain, Kind::Gated][(k % 2) as usize],
            loops: false,
        };
        let case = Case::served(seed.wrapping_add(k), shape, rule)?;
        all.push(on_case(rule, &case, draws, stop)?);
    }
    Ok(all)
}

/// Whether the mean of a rule over its noise is claimed to be a gradient, and with which settings.
pub fn claimed(rule: &RuleSpec) -> Option<RuleSpec> {
    match rule {
        RuleSpec::Uoro(_) | RuleSpec::KfRtrl(_) | RuleSpec::RKfRtrl(_) => Some(rule.clone()),
        // Traces that forget, and a baseline that hears the noise of the trial, are small biases by choice.
        RuleSpec::NodePerturbation(spec) => {
            Some(RuleSpec::NodePerturbation(NodePerturbationSpec {
                sigma: 0.3,
                decay: Some(0.0),
                baseline: 1e-12,
                ..*spec
            }))
        }
        _ => None,
    }
}

/// BPTT of a network whose currents are noisy.
struct Noisy {
    exact: Box<dyn Rule<f64>>,
    noise: Noise<f64>,
    sigma: f64,
}

impl Rule<f64> for Noisy {
    fn contract(&self) -> Contract {
        self.exact.contract()
    }
    fn reset(&mut self) {
        self.exact.reset();
    }
    fn step(
        &mut self,
        view: &View<'_, f64>,
        signal: &[f64],
        gradient: &mut Matrix<f64>,
    ) -> Result<()> {
        self.exact.step(view, signal, gradient)
    }
    fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        self.exact.state(io)
    }
    fn flushing(&mut self) -> Option<&mut dyn Flush<f64>> {
        self.exact.flushing()
    }
    fn perturbing(&mut self) -> Option<&mut dyn Perturb<f64>> {
        Some(self)
    }
}

impl Perturb<f64> for Noisy {
    fn perturb(&mut self, dims: Dims, currents: &mut [f64], _: &Matrix<f64>) {
        for start in (0..currents.len()).step_by(dims.sample()) {
            for u in &mut currents[start..start + dims.units] {
                let mut draw = [0.0];
                self.noise.fill(&mut draw);
                *u += self.sigma * draw[0];
            }
        }
    }
}

/// What the mean of the rule must be: the exact gradient, of the mean loss if the rule makes the network noisy.
fn exact_gradient(rule: &RuleSpec, case: &Case, draws: u64, stop: &AtomicBool) -> Result<Vec<f64>> {
    let symmetric = FeedbackSpec::Symmetric {};
    let RuleSpec::NodePerturbation(spec) = rule else {
        return case.gradient(&RuleSpec::Rtrl(Default::default()), &symmetric);
    };
    let build: Build<'_> = &|site| {
        Ok(Box::new(Noisy {
            exact: RuleSpec::Bptt(Default::default()).build(site)?,
            noise: Noise::new(site.streams.stream("noisy", 0), Distribution::Gaussian),
            sigma: spec.sigma,
        }))
    };
    let mut case = case.clone();
    case.feedback = symmetric;
    let mut trajectory = Trajectory::new(&case, build)?;
    let mut mean: Vec<f64> = Vec::new();
    for _ in 0..draws {
        heed(stop)?;
        for t in 0..case.data.steps() {
            trajectory.see(t);
            trajectory.learn()?;
        }
        trajectory.settle();
        let gradient = flat(&trajectory.gradient);
        mean.resize(gradient.len(), 0.0);
        for (m, g) in mean.iter_mut().zip(&gradient) {
            *m += g / draws as f64;
        }
        trajectory.begin_again();
    }
    Ok(mean)
}

fn on_case(rule: &RuleSpec, case: &Case, draws: u64, stop: &AtomicBool) -> Result<Unbiasedness> {
    // Exact enough not to count beside the standard error.
    let exact = exact_gradient(rule, case, 4 * draws, stop)?;
    let of = |source| -> Result<Moments> { moments(rule, case, draws, source, &exact, stop) };
    let small = (1.0_f64 / 3.0).sqrt();
    let (right, control) = match rule {
        RuleSpec::NodePerturbation(_) => (of(Source::Pairs(1.0))?, of(Source::Pairs(small))?),
        _ => (of(Source::Own)?, of(Source::Signs(small))?),
    };
    let (share, standard_error) = right.share();
    let (control_share, control_error) = control.share();
    let distances = right.distances(&exact);
    let worst = distances.iter().fold(0.0, |m: f64, z| m.max(z.abs()));
    let squares: f64 = distances.iter().map(|z| z * z).sum();
    let bound = bonferroni(distances.len());
    let control = (control_share - 1.0).abs() / control_error;
    let along = (share - 1.0).abs() / standard_error;
    Ok(Unbiasedness {
        case: case.to_string(),
        draws,
        share,
        standard_error,
        elements: distances.len(),
        worst,
        bound,
        rms: (squares / distances.len().max(1) as f64).sqrt(),
        control,
        // Written so that a number that is none fails.
        passed: along <= STANDARD_ERRORS && worst <= bound && control > STANDARD_ERRORS,
    })
}

/// Sums over draws.
struct Moments {
    draws: f64,
    sums: Vec<f64>,
    squares: Vec<f64>,
    along: [f64; 2],
}

/// Where noise comes from.
#[derive(Clone, Copy)]
enum Source {
    /// The rule itself.
    Own,
    /// Signs of this size.
    Signs(f64),
    /// Normal numbers of this deviation, each draw followed by its mirror image: what does not depend on the noise,
    /// the loss to be expected, falls out of their mean.
    Pairs(f64),
}

/// Draws of the gradient; a pair counts as one.
fn moments(
    rule: &RuleSpec,
    case: &Case,
    draws: u64,
    source: Source,
    exact: &[f64],
    stop: &AtomicBool,
) -> Result<Moments> {
    let mut learner = case.learner(rule, &FeedbackSpec::Symmetric {})?;
    // Before anything counts: a rule that compares losses has something to compare with.
    case.run(&mut learner, usize::MAX)?;
    let mut stream = Streams::new(case.seed).stream("control", 0);
    let size: f64 = exact.iter().map(|e| e * e).sum();
    let each = if matches!(source, Source::Pairs(_)) {
        2
    } else {
        1
    };
    let mut moments = Moments {
        draws: (draws / each) as f64,
        sums: vec![0.0; exact.len()],
        squares: vec![0.0; exact.len()],
        along: [0.0; 2],
    };
    let mut noise: Vec<f64> = Vec::new();
    for _ in 0..draws / each {
        heed(stop)?;
        learner.clear_gradients();
        for mirrored in 0..each {
            let count = learner.rule_mut().contract().draws * case.data.steps();
            if let Some(injected) = learner.rule_mut().noise() {
                match source {
                    Source::Own => {}
                    Source::Signs(size) => {
                        let sign = |_| if stream.coin() { size } else { -size };
                        noise = (0..count).map(sign).collect();
                        injected.inject(&noise);
                    }
                    Source::Pairs(_) if mirrored == 1 => {
                        noise.iter_mut().for_each(|z| *z = -*z);
                        injected.inject(&noise);
                    }
                    Source::Pairs(deviation) => {
                        noise = (0..count).map(|_| deviation * stream.normal()).collect();
                        injected.inject(&noise);
                    }
                }
            }
            case.run(&mut learner, usize::MAX)?;
        }
        let gradient = flat(learner.gradient());
        let mut share = 0.0;
        for (k, (g, e)) in gradient.iter().zip(exact).enumerate() {
            let g = g / each as f64;
            moments.sums[k] += g - e;
            moments.squares[k] += (g - e) * (g - e);
            share += g * e / size;
        }
        moments.along[0] += share - 1.0;
        moments.along[1] += (share - 1.0) * (share - 1.0);
    }
    Ok(moments)
}

impl Moments {
    /// Mean and standard error from the sum and the sum of squares.
    fn of(&self, sum: f64, squares: f64) -> (f64, f64) {
        let mean = sum / self.draws;
        let variance = (squares / self.draws - mean * mean).max(0.0);
        (mean, (variance / (self.draws - 1.0)).sqrt())
    }

    fn share(&self) -> (f64, f64) {
        let (mean, error) = self.of(self.along[0], self.along[1]);
        (1.0 + mean, error)
    }

    /// Distance of every element from the exact one, in standard errors. Elements that are always exact are left
    /// out, elements that are always wrong are infinitely far.
    fn distances(&self, exact: &[f64]) -> Vec<f64> {
        let size = exact.iter().fold(0.0, |m: f64, e| m.max(e.abs()));
        let element = |(sum, squares): (&f64, &f64)| {
            let (mean, error) = self.of(*sum, *squares);
            let rounding = 1e-12 * size;
            match error > rounding {
                true => Some(mean / error),
                false if mean.abs() > rounding => Some(f64::INFINITY),
                false => None,
            }
        };
        self.sums
            .iter()
            .zip(&self.squares)
            .filter_map(element)
            .collect()
    }
}

/// z such that `count` normal numbers together go beyond it as rarely as one beyond four.
fn bonferroni(count: usize) -> f64 {
    const RISK: f64 = 6.334e-5;
    let tail = RISK / 2.0 / count.max(1) as f64;
    // The upper tail of the normal distribution by its continued fraction, good to 1e-6 beyond 3.
    let upper = |z: f64| {
        let fraction = (1..60).rev().fold(z, |below, k| z + f64::from(k) / below);
        (-0.5 * z * z).exp() / (fraction * (2.0 * std::f64::consts::PI).sqrt())
    };
    let (mut low, mut high) = (3.0, 12.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if upper(middle) > tail {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::bonferroni;

    #[test]
    fn the_bound_of_one_element_is_four_and_grows_slowly() {
        assert!((bonferroni(1) - 4.0).abs() < 1e-3, "{}", bonferroni(1));
        // Upper tail 3.167e-5 / 100 = 3.167e-7: z = 4.98 (tables: 2.867e-7 at 5.0).
        let hundred = bonferroni(100);
        assert!((4.97..4.99).contains(&hundred), "{hundred}");
    }
}
