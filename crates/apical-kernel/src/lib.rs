//! The few dense loops everything is made of, and Apical's only `unsafe` code.
//!
//! A kernel is a plain Rust loop over lines of [`LANES`] numbers. [`Simd::run`] compiles it once for
//! each instruction set and calls the version chosen at start-up, so a binary built for any x86-64
//! uses AVX-512 where it is found. Sums are always taken over the same sixteen virtual lanes, so
//! that results differ between instruction sets only by the rounding of fused multiply-adds;
//! [`Simd::portable`] has none and gives the same bits everywhere.
#![deny(missing_docs)]

mod batched;
mod buffer;
mod descent;
#[cfg(test)]
mod draws;
mod held;
mod lanes;
mod linear;
mod mixing;
mod number;
mod outer_sum;
mod panels;
mod pool;
mod scan;
mod separate;
mod simd;
mod traces;

pub use batched::{Rows, add_transposed_products, products, take_off};
pub use buffer::{Buffer, LANES, Matrix, padded};
// `Vectors` stays without a name outside: registers are then reached through `Simd::run_lanes` alone, which knows that the
// processor has them, and `Number` cannot be anything but f32 and f64, whose lines have no padding.
pub use descent::{Descent, descend_outer, descend_trace};
pub use held::{Held, HeldPayment, change_held};
pub use lanes::{Lanes, Level};
pub use linear::{add_outer, add_transposed, descend, dot, outer, product, squared_norm};
pub use mixing::{Mixing, Payment, add_typed_outer, mix};
pub use number::Number;
pub use outer_sum::{add_outer_sum, cached_steps};
pub use panels::{Direct, Panels, scale_both};
pub use pool::{pool_rows, pooled_product};
pub use scan::{Factor, Scan};
pub use simd::{Kernel, LaneKernel, Simd};
pub use traces::{add_scaled, rank_one, trace};
