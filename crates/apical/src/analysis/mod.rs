//! What learning looks like from outside: how well the gradients of different rules agree.

mod alignment;
mod comparison;

pub use alignment::{Alignment, BINS};
pub use comparison::{Comparison, Passive};
