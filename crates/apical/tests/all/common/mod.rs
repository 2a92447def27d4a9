//! What several tests share: random data that suit a loss, and parameters as flat lists.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::HashMap;
use std::fs::File;

use apical::rule::RuleSpec;
use apical::{Learner, Scalar};

#[allow(unused_imports, reason = "each test file uses its own part")]
pub use apical::check::{Data, difference, flat};

/// Names of all parameters.
pub const PARAMETERS: [&str; 5] = ["W_rec", "W_in", "b_rec", "W_out", "b_out"];

/// A rule from JSON.
pub fn rule(json: &str) -> RuleSpec {
    serde_json::from_str(json).unwrap()
}

/// All parameters.
pub fn parameters<T: Scalar>(learner: &Learner<T>) -> Vec<Vec<T>> {
    PARAMETERS
        .map(|name| learner.parameter(name).unwrap())
        .into()
}

/// A matrix a rule has learned.
pub fn of_rule<T: Scalar>(learner: &mut Learner<T>, name: &str) -> Vec<T> {
    let (_, values) = learner.rule_mut().array(name).unwrap().unwrap();
    values.into_iter().map(T::of).collect()
}

/// The arrays of a file of golden vectors: shape and values, whole numbers as floating point.
pub fn npz(file: &str) -> HashMap<String, (Vec<u64>, Vec<f64>)> {
    let path = format!("{}/../../testdata/{file}", env!("CARGO_MANIFEST_DIR"));
    let mut zip = zip::ZipArchive::new(File::open(path).unwrap()).unwrap();
    let mut arrays = HashMap::new();
    for index in 0..zip.len() {
        let entry = zip.by_index(index).unwrap();
        let name = entry.name().unwrap().trim_end_matches(".npy").to_string();
        let array = npyz::NpyFile::new(entry).unwrap();
        let shape = array.shape().to_vec();
        // Noise is stored as whole numbers.
        let whole = array.dtype().descr().contains("i8");
        let values = if whole {
            array
                .into_vec::<i64>()
                .map(|v| v.into_iter().map(|v| v as f64).collect())
        } else {
            array.into_vec::<f64>()
        };
        if let Ok(values) = values {
            arrays.insert(name, (shape, values));
        }
    }
    arrays
}
