//! Types of units: what ModProp and MDGL average weights over.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Configuration of the types of units. Without one the types are the two signs where Dale's law holds, else all units are of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum TypesSpec {
    /// Blocks of neighbours, as equal in size as can be.
    Contiguous {
        /// Number of types.
        #[schemars(range(min = 1))]
        count: usize,
    },
    /// Blocks of neighbours of the same sign; needs Dale's law.
    BySign {
        /// Number of types of each sign.
        #[serde(default = "one")]
        #[schemars(range(min = 1))]
        each: usize,
    },
    /// As listed.
    Given {
        /// The type of each unit, from 0.
        of: Vec<usize>,
    },
}

fn one() -> usize {
    1
}

/// Which type each unit is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellTypes {
    of: Vec<usize>,
    sizes: Vec<usize>,
}

impl CellTypes {
    /// All units of one type.
    pub fn one(units: usize) -> Self {
        Self {
            of: vec![0; units],
            sizes: vec![units],
        }
    }

    /// From the type of each unit.
    ///
    /// # Errors
    /// No units, or a type without any between types that have some.
    pub fn given(of: &[usize]) -> Result<Self> {
        let field = "network.types.of";
        let count = of.iter().max().map_or(0, |largest| largest + 1);
        if count == 0 || count > of.len() {
            return Err(Error::invalid(
                field,
                format!(
                    "{} units of types up to {}",
                    of.len(),
                    count.saturating_sub(1)
                ),
                "units of types 0, 1, 2, ... without gaps",
                "Number the types from 0.",
            ));
        }
        let mut sizes = vec![0; count];
        of.iter().for_each(|t| sizes[*t] += 1);
        if let Some(empty) = sizes.iter().position(|size| *size == 0) {
            return Err(Error::invalid(
                field,
                format!(
                    "no unit of type {empty}, though there are types up to {}",
                    count - 1
                ),
                "at least one unit of each type: the weights of an empty type have no mean",
                "Number the types from 0 without gaps.",
            ));
        }
        Ok(Self {
            of: of.to_vec(),
            sizes,
        })
    }

    pub(crate) fn new(
        spec: Option<&TypesSpec>,
        excitatory: Option<&[bool]>,
        units: usize,
    ) -> Result<Self> {
        let types = match (spec, excitatory) {
            (None, None) => return Ok(Self::one(units)),
            (None, Some(signs)) => return Self::by_sign(signs, 1),
            (Some(TypesSpec::Contiguous { count }), _) => {
                check_count("network.types.count", *count, units, "units")?;
                let mut of = vec![0; units];
                blocks(&mut of, &(0..units).collect::<Vec<_>>(), *count, 0);
                Self::given(&of)?
            }
            (Some(TypesSpec::BySign { each }), Some(signs)) => return Self::by_sign(signs, *each),
            (Some(TypesSpec::BySign { .. }), None) => {
                return Err(Error::invalid(
                    "network.types.kind",
                    "by_sign",
                    "signs of the units, which only Dale's law gives them",
                    "Add [network.dale], or use kind = \"contiguous\".",
                ));
            }
            (Some(TypesSpec::Given { of }), _) => Self::given(of)?,
        };
        types.check(units)?;
        Ok(types)
    }

    /// Types by the order in which the signs appear, each sign cut into `each` blocks.
    fn by_sign(excitatory: &[bool], each: usize) -> Result<Self> {
        let first = excitatory[0];
        let mut of = vec![0; excitatory.len()];
        for (k, sign) in [first, !first].into_iter().enumerate() {
            let members: Vec<usize> = (0..of.len()).filter(|i| excitatory[*i] == sign).collect();
            let name = if sign {
                "excitatory units"
            } else {
                "inhibitory units"
            };
            check_count("network.types.each", each, members.len(), name)?;
            blocks(&mut of, &members, each, k * each);
        }
        Self::given(&of)
    }

    pub(super) fn check(&self, units: usize) -> Result<()> {
        if self.of.len() == units {
            return Ok(());
        }
        Err(Error::invalid(
            "network.types.of",
            format!("types of {} units", self.of.len()),
            format!("one for each of the {units} units"),
            "Types must cover every unit, each once.",
        ))
    }

    /// The type of each unit.
    pub fn of(&self) -> &[usize] {
        &self.of
    }

    /// Number of types, C.
    pub fn count(&self) -> usize {
        self.sizes.len()
    }

    /// Units of each type.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Neighbours of the same type: the type, and which units.
    pub fn runs(&self) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> + '_ {
        let mut first = 0;
        self.of.chunk_by(|a, b| a == b).map(move |run| {
            let units = first..first + run.len();
            first = units.end;
            (run[0], units)
        })
    }
}

fn check_count(field: &str, count: usize, most: usize, what: &str) -> Result<()> {
    if (1..=most).contains(&count) {
        return Ok(());
    }
    Err(Error::invalid(
        field,
        count,
        format!("between 1 and {most}, the number of {what}"),
        "Use fewer types or more units: a type without a unit has no mean weight.",
    ))
}

/// Numbers `members` by block from `first` on; sizes differ by one at most.
fn blocks(of: &mut [usize], members: &[usize], count: usize, first: usize) {
    for (k, unit) in members.iter().enumerate() {
        of[*unit] = first + k * count / members.len();
    }
}
