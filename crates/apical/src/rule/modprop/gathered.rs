//! What traces have in common, so that they are written only where the slope of their unit changes.
//!
//! The traces of unit p of type β are ν̃_p = Σ_s slope_p(s) e(s) f_β(s), with a row e that all units share. ρ_β = Σ_s e(s) f_β(s) is one row a
//! type, and with h_p the slope of now ν̃_p = b_p + h_p ρ_β, where b_p changes with the slope alone: b_p ← b_p + (h_p − slope_p) ρ_β. Rectified units
//! change theirs seldom, some never in a trial: their b is 0 and not even read. Derived here; the traces are the
//! same, to rounding of the size of ρ: through a filter that grows without bound, of which is warned, they lose more digits.

use super::frame::Frame;
use crate::cell_types::CellTypes;
use crate::kernel::{
    Buffer, Held, HeldPayment, Matrix, Mixing, Payment, Simd, change_held, mix, padded,
};
use crate::rule::any;
use crate::snapshot::StateIo;
use crate::{Result, Scalar};

/// What a step is paid with besides the traces.
pub struct HeldDue<'a, T> {
    /// One row a unit.
    pub gradient: &'a mut [T],
    /// c_p.
    pub credit: &'a [T],
    /// e of now.
    pub shared: &'a [T],
}

/// ρ and h of one sample.
pub struct Gathered<T> {
    count: usize,
    /// ρ_β before and after this step: a row a type, of K traces line by line.
    rows: Matrix<T>,
    next: Matrix<T>,
    /// Σ_k weights_βk ρ_βk, a row a type.
    common: Matrix<T>,
    /// h, and by how much it fell at this step.
    held: Vec<T>,
    change: Vec<T>,
    /// 0 for units whose slope has been the same since the trial began, so that b is 0.
    kept: Vec<T>,
    /// Whether ρ is 0.
    empty: bool,
    of: Vec<usize>,
    betas: Vec<usize>,
    ones: Vec<T>,
    nothing: Buffer<T>,
    room: Vec<T>,
}

impl<T: Scalar> Gathered<T> {
    /// For units of these types, each with `pre` synapses and as many traces a synapse as there are types.
    pub fn new(types: &CellTypes, pre: usize) -> Self {
        let (count, of) = (types.count(), types.of().to_vec());
        Self {
            count,
            rows: Matrix::zeros(count, count * padded(pre)),
            next: Matrix::zeros(count, count * padded(pre)),
            common: Matrix::zeros(count, pre),
            held: vec![T::ZERO; of.len()],
            change: vec![T::ZERO; of.len()],
            kept: vec![T::ZERO; of.len()],
            nothing: Buffer::zeros(padded(pre).max(of.len()).max(count * count)),
            empty: true,
            betas: (0..count).collect(),
            ones: vec![T::ONE; count],
            room: vec![T::ZERO; count],
            of,
        }
    }

    /// A trial begins: ρ = 0, and so is every b.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.kept.fill(T::ZERO);
        self.empty = true;
    }

    /// The frame starts again: what was seen from the old one is seen from the new one, b ← M_β Φ_β b and ρ_β ← M_β Φ_β ρ_β.
    pub fn turn(&mut self, simd: Simd, matrices: &[T], states: &mut [T]) {
        if self.empty {
            return;
        }
        let (stride, count) = (self.common.stride(), self.count);
        let nothing = &self.nothing;
        for (of, states) in [(&self.of, states), (&self.betas, self.rows.data_mut())] {
            let mixing = Mixing {
                states,
                stride,
                count,
                of,
                mix: Some(matrices),
                enter: &nothing[..count * count],
                drive: &nothing[..of.len()],
                traces: &nothing[..stride],
                traces_stride: 0,
                room: &mut self.room,
            };
            mix(simd, mixing, None);
        }
    }

    /// One step: b changes with the slopes, e enters ρ, and what is due is paid.
    pub fn step(
        &mut self,
        simd: Simd,
        frame: &Frame<T>,
        slope: &[T],
        e: &[T],
        states: &mut [T],
        due: Option<HeldDue<'_, T>>,
    ) {
        // What they held of nothing is nothing.
        let counts = if self.empty { T::ZERO } else { T::ONE };
        let held = self.held.iter_mut().zip(slope);
        for (change, (held, slope)) in self.change.iter_mut().zip(held) {
            *change = counts * (*held - *slope);
            *held = *slope;
        }
        for (kept, change) in self.kept.iter_mut().zip(&self.change) {
            *kept = if *change == T::ZERO { *kept } else { T::ONE };
        }
        if any(&self.change) {
            self.next.data_mut().copy_from_slice(self.rows.data());
        } else {
            // Nobody asks for ρ as it was.
            std::mem::swap(&mut self.rows, &mut self.next);
        }
        self.common.clear();
        let entering = Mixing {
            states: self.next.data_mut(),
            stride: self.common.stride(),
            count: self.count,
            of: &self.betas,
            mix: None,
            enter: frame.enter(),
            drive: &self.ones,
            traces: e,
            traces_stride: 0,
            room: &mut self.room,
        };
        let weighed = due.is_some().then(|| Payment {
            gradient: self.common.data_mut(),
            weights: frame.weights(),
            own: None,
            credit: &self.ones,
            shared: None,
        });
        mix(simd, entering, weighed);
        let payment = due.map(|due| HeldPayment {
            gradient: due.gradient,
            weights: frame.weights(),
            held: &self.held,
            common: self.common.data(),
            credit: due.credit,
            shared: due.shared,
        });
        let held = Held {
            states,
            stride: self.common.stride(),
            count: self.count,
            of: &self.of,
            change: &self.change,
            kept: &self.kept,
            rows: self.rows.data(),
        };
        change_held(simd, held, payment);
        std::mem::swap(&mut self.rows, &mut self.next);
        self.empty = self.empty && !any(e);
    }

    /// Saves or restores ρ, h and whose b is not 0.
    ///
    /// # Errors
    /// Those of [`StateIo::values`].
    pub fn state(&mut self, io: &mut StateIo<'_>) -> Result<()> {
        io.matrix("gathered", &mut self.rows)?;
        io.values("held", &mut self.held)?;
        io.mask("kept", &mut self.kept)?;
        io.flag("empty", &mut self.empty)
    }
}
