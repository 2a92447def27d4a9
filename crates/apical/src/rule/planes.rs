//! What rules that run backward over a tape have in common: passes over the planes of one step.

use crate::Scalar;
use crate::kernel::{cached_steps, padded};
use crate::network::Dims;

/// Steps whose gradient is summed at once: their factors and activity fit the cache.
pub(super) fn chunk(dims: Dims) -> usize {
    (cached_steps(dims.sample(), padded(dims.pre())) / dims.batch).max(1)
}

/// earlier_s += Σ_s' own_s's adjoint_s', one plane a state variable; `own` are the planes of one step.
pub(super) fn add_through_own<T: Scalar>(dims: Dims, own: &[T], adjoint: &[T], earlier: &mut [T]) {
    let (states, plane) = (dims.states, dims.plane());
    for s in 0..states {
        for after in 0..states {
            let own = &own[(after * states + s) * plane..][..plane];
            let adjoint = &adjoint[after * plane..][..plane];
            let earlier = earlier[s * plane..][..plane].iter_mut();
            let terms = earlier.zip(own.iter().zip(adjoint));
            terms.for_each(|(e, (own, b))| *e += *own * *b);
        }
    }
}

/// factors ← Σ_s gain_sg adjoint_s of current `g`, one plane; `gain` are the planes of one step.
pub(super) fn through_gain<T: Scalar>(
    dims: Dims,
    g: usize,
    gain: &[T],
    adjoint: &[T],
    factors: &mut [T],
) {
    let plane = dims.plane();
    factors.fill(T::ZERO);
    for s in 0..dims.states {
        let gain = &gain[(s * dims.currents + g) * plane..][..plane];
        let terms = factors
            .iter_mut()
            .zip(gain.iter().zip(&adjoint[s * plane..]));
        terms.for_each(|(f, (gain, b))| *f += *gain * *b);
    }
}
