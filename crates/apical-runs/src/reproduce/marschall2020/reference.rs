//! What the authors' own code gives in these settings: 3 seeds a rule unless another number stands there.
//!
//! Numbers are losses on 10,000 held-out steps, the same steps for all seeds: cross-entropy against the probabilities (and
//! against the sampled labels, where labels are sampled), or half the squared error averaged over outputs.

/// Mean and standard deviation of `n` seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reference {
    /// Mean.
    pub mean: f64,
    /// Standard deviation (n − 1); NaN of one seed.
    pub deviation: f64,
    /// Seeds.
    pub n: usize,
}

const fn of(mean: f64, deviation: f64) -> Reference {
    Reference {
        mean,
        deviation,
        n: 3,
    }
}

const fn seeds(n: usize, mean: f64, deviation: f64) -> Reference {
    Reference { mean, deviation, n }
}

/// One number of one seed.
const fn single(mean: f64) -> Reference {
    seeds(1, mean, f64::NAN)
}

/// Row of a rule by its key: the loss, and the loss against sampled labels.
pub type Rows = &'static [(&'static str, Reference, Option<Reference>)];

/// Add(5,9), no leak, rate 1e-3, 50,000 steps.
pub const ADD_A1: Rows = &[
    ("readout", of(0.5448, 0.0178), None),
    ("rtrl", of(0.4713, 0.0024), None),
    ("rflo", of(0.4973, 0.0087), None),
    ("dni-a", of(0.4878, 0.0044), None),
    ("dni-b", of(0.5101, 0.0124), None),
    ("uoro", of(0.6081, 0.0542), None),
    ("kf-rtrl", of(0.4726, 0.0030), None),
    ("r-kf-rtrl", of(0.6561, 0.0077), None),
    ("kernl", of(0.4991, 0.0091), None),
    ("e-bptt", of(0.4743, 0.0023), None),
    ("f-bptt", of(0.4728, 0.0027), None),
];

/// Add(2,4), each toss twice, leak 0.5, rate 1e-3, 50,000 steps.
pub const ADD_A05: Rows = &[
    ("readout", of(0.5881, 0.0142), None),
    ("rtrl", of(0.5011, 0.0036), None),
    ("rflo", of(0.5307, 0.0110), None),
    ("dni-a", of(0.5104, 0.0053), None),
    ("dni-b", of(0.5307, 0.0287), None),
    ("uoro", of(0.5024, 0.0043), None),
    ("kf-rtrl", of(0.5008, 0.0033), None),
    ("r-kf-rtrl", of(0.5009, 0.0021), None),
    ("kernl", of(0.5407, 0.0146), None),
    ("e-bptt", of(0.5027, 0.0031), None),
    ("f-bptt", of(0.5010, 0.0037), None),
];

/// Mimic, each input twice, leak 0.5, rate 1e-3, 50,000 steps.
pub const MIMIC_A05: Rows = &[
    ("readout", of(0.0270, 0.0086), None),
    ("rtrl", of(0.0122, 0.0016), None),
    ("rflo", of(0.0115, 0.0014), None),
    ("dni-a", of(0.0106, 0.0011), None),
    ("dni-b", of(0.0127, 0.0028), None),
    ("uoro", of(0.0307, 0.0083), None),
    ("kf-rtrl", of(0.0134, 0.0016), None),
    ("r-kf-rtrl", of(0.0212, 0.0072), None),
    ("kernl", of(0.0134, 0.0020), None),
    ("e-bptt", of(0.0124, 0.0016), None),
    ("f-bptt", of(0.0120, 0.0017), None),
];

/// Add(5,9), no leak, the published rate 1e-4 and 1,000,000 steps.
pub const ADD_A1_LONG: Rows = &[
    ("readout", seeds(5, 0.5375, 0.0149), None),
    ("rtrl", single(0.4647), None),
    ("rflo", single(0.4891), None),
    ("dni-a", single(0.4856), None),
    ("dni-b", seeds(5, 0.5068, 0.0100), None),
    ("uoro", single(0.4700), None),
    ("kf-rtrl", single(0.4647), None),
    ("r-kf-rtrl", single(0.4682), None),
];

/// Add(5,9), no leak, rate 0.03, 30,000 steps: the example the authors released.
pub const ADD_RELEASE: Rows = &[
    ("readout", of(0.5306, 0.0148), None),
    ("rtrl", of(0.4576, 0.0005), None),
    ("rflo", of(0.5400, 0.0211), None),
    ("dni-a", of(0.6769, 0.0124), None),
    ("kf-rtrl", of(0.6888, 0.0039), None),
    ("e-bptt", of(0.4585, 0.0007), None),
    ("f-bptt", of(0.4575, 0.0009), None),
];

/// Add(4,6) in the settings of 2019.
pub const ADD46: Rows = &[
    ("readout", of(0.4914, 0.0148), Some(of(0.4885, 0.0157))),
    ("rtrl", of(0.4672, 0.0036), Some(of(0.4638, 0.0041))),
    ("rflo", of(0.4758, 0.0051), Some(of(0.4725, 0.0057))),
    ("dni-a", of(0.4770, 0.0042), Some(of(0.4748, 0.0052))),
    ("dni-b", of(0.5466, 0.1017), Some(of(0.5441, 0.1070))),
    ("dni-japprox", of(0.4825, 0.0014), Some(of(0.4802, 0.0031))),
    ("uoro", of(0.6298, 0.0393), Some(of(0.6296, 0.0441))),
    ("kf-rtrl", of(0.4742, 0.0068), Some(of(0.4676, 0.0077))),
    ("r-kf-rtrl", of(0.6556, 0.0070), Some(of(0.6587, 0.0073))),
    ("kernl", of(0.4758, 0.0048), Some(of(0.4726, 0.0051))),
    ("kernl-tuned", of(0.4880, 0.0119), Some(of(0.4854, 0.0128))),
    ("e-bptt", of(0.4683, 0.0037), Some(of(0.4647, 0.0042))),
    ("f-bptt", of(0.4673, 0.0037), Some(of(0.4639, 0.0041))),
];

/// Add(3,5) in the settings of 2019.
pub const ADD35: Rows = &[
    ("readout", of(0.4779, 0.0079), Some(of(0.4756, 0.0093))),
    ("rtrl", of(0.4651, 0.0013), Some(of(0.4633, 0.0021))),
    ("rflo", of(0.4721, 0.0026), Some(of(0.4704, 0.0041))),
    ("dni-a", of(0.4718, 0.0014), Some(of(0.4699, 0.0030))),
    ("dni-b", of(0.4806, 0.0096), Some(of(0.4773, 0.0087))),
    ("dni-japprox", of(0.4738, 0.0027), Some(of(0.4717, 0.0035))),
    ("uoro", of(0.6604, 0.0066), Some(of(0.6598, 0.0062))),
    ("kf-rtrl", of(0.4751, 0.0044), Some(of(0.4734, 0.0057))),
    ("r-kf-rtrl", of(0.6414, 0.0274), Some(of(0.6400, 0.0283))),
    ("kernl", of(0.4723, 0.0026), Some(of(0.4708, 0.0041))),
    ("kernl-tuned", of(0.4769, 0.0052), Some(of(0.4750, 0.0060))),
    ("e-bptt", of(0.4655, 0.0012), Some(of(0.4636, 0.0021))),
    ("f-bptt", of(0.4651, 0.0014), Some(of(0.4633, 0.0022))),
];

/// Mean alignments with RTRL learning, 15,000 steps, seed 0: lower triangle of the rules below.
pub const ALIGNED: [&str; 8] = [
    "rtrl",
    "uoro",
    "kf-rtrl",
    "r-kf-rtrl",
    "rflo",
    "kernl",
    "dni-a",
    "f-bptt",
];

/// Add(5,9), no leak.
pub const ALIGNMENT_A1: [&[f64]; 7] = [
    &[0.04],
    &[0.31, 0.01],
    &[0.05, 0.00, 0.01],
    &[0.53, 0.02, 0.17, 0.03],
    &[0.53, 0.02, 0.17, 0.03, 0.98],
    &[0.23, 0.01, 0.07, 0.01, 0.42, 0.41],
    &[0.24, 0.01, 0.08, 0.01, 0.44, 0.43, 0.43],
];

/// Add(2,4), each toss twice, leak 0.5.
pub const ALIGNMENT_A05: [&[f64]; 7] = [
    &[0.07],
    &[0.43, 0.03],
    &[0.07, 0.01, 0.03],
    &[0.63, 0.04, 0.30, 0.04],
    &[0.64, 0.04, 0.30, 0.04, 0.98],
    &[0.32, 0.02, 0.15, 0.02, 0.50, 0.52],
    &[0.26, 0.02, 0.14, 0.02, 0.52, 0.53, 0.60],
];
