//! The experiments that come with the program.

use apical::Experiment;

use super::{extends, parse_table};
use crate::Result;

/// An experiment that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Name on the command line.
    pub name: &'static str,
    /// The file, as it stands in `experiments/`.
    pub toml: &'static str,
}

impl BuiltIn {
    /// The one of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        BUILT_IN.iter().find(|built_in| built_in.name == name)
    }

    /// Its settings, with those it inherits: the data that some tasks need are not looked for.
    ///
    /// # Errors
    /// None for those that come with the program.
    pub fn settings(&self) -> Result<Experiment> {
        self.changed(&[])
    }

    /// The same with changes, whose needs for data and memory are not looked at.
    ///
    /// # Errors
    /// A change that is none, or a setting that is unknown.
    pub fn changed(&self, changes: &[String]) -> Result<Experiment> {
        parse_table(extends::whole(self.toml, self.name, None)?.table, changes)
    }
}

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(BuiltIn {
            name: $name,
            toml: include_str!(concat!("../../../../experiments/", $name, ".toml")),
        }),*]
    };
}

/// Every experiment that comes with the program, in the order in which tables show them.
pub const BUILT_IN: &[BuiltIn] = built_in![
    "dendritic/lags46",
    "marschall2019/lags46",
    "marschall2019/lags46-frozen",
    "marschall2019/lags46-symmetric",
    "marschall2019/lags35",
    "marschall2019/lags35-frozen",
    "marschall2019/lags35-symmetric",
    "marschall2019/lags59",
    "marschall2019/lags59-frozen",
    "marschall2019/lags46-local-jacobian",
    "marschall2019/lags46-uniform",
    "marschall2019/lags46-uniform-frozen",
    "marschall2019/lags35-scripts2018",
    "marschall2019/lags35-scripts2018-frozen",
    "marschall2019/lags59-rtrl",
    "marschall2020/add-a1",
    "marschall2020/add-a05",
    "marschall2020/mimic-a1",
    "marschall2020/mimic-a05",
    "marschall2020/add-a1-long",
    "marschall2020/add-release",
    "marschall2020/add46",
    "marschall2020/add35",
    "liu2022/xor",
    "liu2022/xor-types",
    "liu2022/pattern",
    "liu2022/smnist",
    "murray2019/periodic-200",
    "murray2019/periodic-200-bptt",
    "murray2019/periodic-200-dale",
    "murray2019/periodic-400",
    "murray2019/periodic-400-bptt",
    "murray2019/periodic-400-dale",
    "murray2019/periodic-800",
    "murray2019/periodic-800-bptt",
    "murray2019/periodic-800-dale",
    "murray2019/periodic-1600",
    "murray2019/periodic-1600-bptt",
    "murray2019/periodic-1600-dale",
    "murray2019/interval-150",
    "murray2019/interval-150-bptt",
    "murray2019/interval-200",
    "murray2019/interval-250-bptt",
    "murray2019/periodic-200-online",
    "murray2019/periodic-200-readout",
    "murray2019/periodic-200-recurrent",
    "murray2019/periodic-200-reinforce",
    "murray2019/periodic-800-nonlocal",
    "murray2019/periodic-800-symmetric",
    "murray2019/reach",
    "murray2019/sequence",
    "murray2019/sequence-bptt",
    "murray2019/size-gain",
    "tasks/mimic",
    "tasks/flip_flop",
    "tasks/integration",
    "tasks/context_decision",
    "tasks/delayed_match",
    "tasks/sensorimotor_mapping",
    "tasks/sine_wave",
    "tasks/fixed_point_transition",
    "tasks/binary_addition",
    "tasks/copy",
    "tasks/multi_task",
];
