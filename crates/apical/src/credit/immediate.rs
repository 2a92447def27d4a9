//! Only the present error counts: c = slope ∘ q.
//!
//! Source: the immediate credit of Marschall, Cho & Savin 2020, section 3.1. Drops: every effect of the state on
//! later errors; exact together with an eligibility that remembers the past. Local, O(S n).

use super::Credit;
use crate::snapshot::StateIo;
use crate::view::View;
use crate::{Result, Scalar};

/// Credit for the error of this step alone.
pub struct Immediate;

impl<T: Scalar> Credit<T> for Immediate {
    fn reset(&mut self) {}

    fn assign(&mut self, view: &View<'_, T>, signal: &[T], credit: &mut [T]) {
        let plane = view.dims().plane();
        let slope = &view.partials().slope;
        for (credit, slope) in credit
            .chunks_exact_mut(plane)
            .zip(slope.chunks_exact(plane))
        {
            for ((c, q), slope) in credit.iter_mut().zip(signal).zip(slope) {
                *c = *q * *slope;
            }
        }
    }

    fn state(&mut self, _: &mut StateIo<'_>) -> Result<()> {
        Ok(())
    }
}
