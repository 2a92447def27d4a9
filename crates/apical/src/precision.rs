//! The number type of a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Number type of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits: fast.
    F32,
    /// 64 bits: as the published codes.
    #[default]
    F64,
}

impl Precision {
    /// Bytes of a number.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}
