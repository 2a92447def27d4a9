//! What several tests share: random data that suit a loss, and parameters as flat lists.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod case;

use apical::kernel::Matrix;
use apical::loss::Loss;
use apical::rule::RuleSpec;
use apical::{Learner, Scalar, Stream, Streams};

/// Names of all parameters.
pub const PARAMETERS: [&str; 5] = ["W_rec", "W_in", "b_rec", "W_out", "b_out"];

/// Inputs, targets and masks, one vector a step.
#[derive(Clone)]
pub struct Data {
    pub x: Vec<Vec<f64>>,
    pub y: Vec<Vec<f64>>,
    pub mask: Vec<Vec<f64>>,
}

impl Data {
    /// Random steps for a batch; targets are such as `loss` has a meaning for.
    pub fn random(
        loss: Loss,
        steps: usize,
        batch: usize,
        sizes: (usize, usize),
        seed: u64,
    ) -> Self {
        let mut stream = Streams::new(seed).stream("data", 0);
        let (inputs, outputs) = sizes;
        let target = |stream: &mut Stream| -> Vec<f64> {
            let raw: Vec<f64> = (0..outputs).map(|_| 0.05 + stream.uniform()).collect();
            let sum: f64 = raw.iter().sum();
            match loss {
                Loss::SoftmaxCrossEntropy {} => raw.iter().map(|v| v / sum).collect(),
                Loss::SigmoidCrossEntropy {} => raw.iter().map(|v| v / 1.05).collect(),
                _ => raw.iter().map(|v| 4.0 * v - 2.0).collect(),
            }
        };
        let mut data = Self {
            x: Vec::new(),
            y: Vec::new(),
            mask: Vec::new(),
        };
        for _ in 0..steps {
            let x = (0..batch * inputs).map(|_| stream.normal()).collect();
            let y = (0..batch).flat_map(|_| target(&mut stream)).collect();
            let mask = (0..batch * outputs).map(|_| stream.uniform()).collect();
            data.x.push(x);
            data.y.push(y);
            data.mask.push(mask);
        }
        data
    }

    /// The steps of sample `b` alone.
    pub fn sample(&self, b: usize, batch: usize) -> Self {
        let of = |all: &[Vec<f64>]| -> Vec<Vec<f64>> {
            let part = |row: &Vec<f64>| {
                let size = row.len() / batch;
                row[b * size..(b + 1) * size].to_vec()
            };
            all.iter().map(part).collect()
        };
        Self {
            x: of(&self.x),
            y: of(&self.y),
            mask: of(&self.mask),
        }
    }

    /// The same steps for `count` samples at once.
    pub fn repeated(&self, count: usize) -> Self {
        let of = |all: &[Vec<f64>]| all.iter().map(|row| row.repeat(count)).collect();
        Self {
            x: of(&self.x),
            y: of(&self.y),
            mask: of(&self.mask),
        }
    }
}

/// A rule from JSON.
pub fn rule(json: &str) -> RuleSpec {
    serde_json::from_str(json).unwrap()
}

/// A matrix row by row.
pub fn flat<T: Scalar>(matrix: &Matrix<T>) -> Vec<T> {
    (0..matrix.rows())
        .flat_map(|i| matrix.row(i).to_vec())
        .collect()
}

/// All parameters.
pub fn parameters<T: Scalar>(learner: &Learner<T>) -> Vec<Vec<T>> {
    PARAMETERS
        .map(|name| learner.parameter(name).unwrap())
        .into()
}

/// A matrix a rule has learned.
pub fn of_rule<T: Scalar>(learner: &mut Learner<T>, name: &str) -> Vec<T> {
    flat(learner.rule_mut().matrix_mut(name).unwrap())
}

/// The largest difference, relative to the largest magnitude.
pub fn difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let largest = a.iter().chain(b).fold(1e-300, |m: f64, v| m.max(v.abs()));
    let apart = a
        .iter()
        .zip(b)
        .fold(0.0, |m: f64, (a, b)| m.max((a - b).abs()));
    assert!(a.iter().chain(b).all(|v| v.is_finite()), "not finite");
    apart / largest
}
