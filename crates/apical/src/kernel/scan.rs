//! One step of a linear recurrence, unit by unit: what rules that run backward over a tape are made of.

use super::lanes::{lines, lines_mut};
use super::{LaneKernel, Lanes, Level, Simd};
use crate::Scalar;

/// `scale`, times a number a unit if there are any.
#[derive(Clone, Copy)]
pub struct Factor<'a, T> {
    /// What all units have in common.
    pub scale: T,
    /// One number a unit.
    pub each: Option<&'a [T]>,
}

impl<'a, T: Scalar> Factor<'a, T> {
    /// The same for all units.
    pub fn all(scale: T) -> Self {
        Self { scale, each: None }
    }

    /// One number a unit.
    pub fn each(each: &'a [T]) -> Self {
        Self {
            scale: T::ONE,
            each: Some(each),
        }
    }

    #[inline(always)]
    fn line<L: Level>(&self, scale: L::Lanes<T>, line: usize) -> L::Lanes<T> {
        match self.each {
            Some(each) => scale.mul(L::Lanes::load(&lines(each)[line])),
            None => scale,
        }
    }
}

/// state ← own ∘ state + enter ∘ arriving + credit, out ← pay ∘ state. All arrays have the length of `state`, whole lines.
pub struct Scan<'a, T> {
    /// The state.
    pub state: &'a mut [T],
    /// What is left of it.
    pub own: Factor<'a, T>,
    /// What arrives, and its factor.
    pub arriving: Option<(Factor<'a, T>, &'a [T])>,
    /// What is added as it is.
    pub credit: Option<&'a [T]>,
    /// Where the state goes times a factor.
    pub out: Option<(&'a mut [T], Factor<'a, T>)>,
    /// Whether that is added to what `out` holds.
    pub add: bool,
}

impl<T: Scalar> LaneKernel for Scan<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self {
            state,
            own,
            arriving,
            credit,
            mut out,
            add,
        } = self;
        let zero = L::Lanes::splat(T::ZERO);
        let keep = L::Lanes::splat(own.scale);
        let enter = arriving.map_or(zero, |(factor, _)| L::Lanes::splat(factor.scale));
        let pay = match &out {
            Some((_, factor)) => L::Lanes::splat(factor.scale),
            None => zero,
        };
        for (line, state) in lines_mut(state).iter_mut().enumerate() {
            let before = L::Lanes::load(state);
            let mut new = match credit {
                Some(credit) => L::Lanes::load(&lines(credit)[line]),
                None => zero,
            };
            new = own.line::<L>(keep, line).fma(before, new);
            if let Some((factor, values)) = arriving {
                let value = L::Lanes::load(&lines(values)[line]);
                new = factor.line::<L>(enter, line).fma(value, new);
            }
            new.store(state);
            if let Some((out, factor)) = &mut out {
                let out = &mut lines_mut(out)[line];
                let factor = factor.line::<L>(pay, line);
                match add {
                    true => factor.fma(new, L::Lanes::load(out)).store(out),
                    false => factor.mul(new).store(out),
                }
            }
        }
    }
}

impl<T: Scalar> Scan<'_, T> {
    /// Takes the step.
    pub fn take(self, simd: Simd) {
        simd.run_lanes(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Streams;
    use crate::kernel::LANES;

    fn equals_plain_loops<T: Scalar>(simd: Simd, tolerance: f64) {
        let mut stream = Streams::new(1).stream("test", 0);
        let mut draw = || -> Vec<T> { (0..3 * LANES).map(|_| T::of(stream.normal())).collect() };
        let [start, own, enter, values] = std::array::from_fn(|_| draw());
        let [credit, pay, before] = std::array::from_fn(|_| draw());
        for choice in 0..64 {
            let has = |bit: usize| choice >> bit & 1 == 1;
            let (mut state, mut out) = (start.clone(), before.clone());
            Scan {
                state: &mut state,
                own: Factor {
                    scale: T::of(0.9),
                    each: has(0).then_some(&own),
                },
                arriving: has(1).then_some((
                    Factor {
                        scale: T::of(0.3),
                        each: has(2).then_some(&enter),
                    },
                    &values,
                )),
                credit: has(3).then_some(&credit),
                out: has(4).then_some((
                    &mut out,
                    Factor {
                        scale: T::of(-2.0),
                        each: has(0).then_some(&pay),
                    },
                )),
                add: has(5),
            }
            .take(simd);
            for k in 0..start.len() {
                let old = start[k].f64();
                let each = |values: &[T], bit| if has(bit) { values[k].f64() } else { 1.0 };
                let mut new = 0.9 * each(&own, 0) * old;
                if has(1) {
                    new += 0.3 * each(&enter, 2) * values[k].f64();
                }
                if has(3) {
                    new += credit[k].f64();
                }
                let mut paid = before[k].f64();
                if has(4) {
                    paid = if has(5) { paid } else { 0.0 } - 2.0 * each(&pay, 0) * new;
                }
                for (got, expected) in [(state[k], new), (out[k], paid)] {
                    let apart = (got.f64() - expected).abs();
                    assert!(apart <= tolerance * (1.0 + expected.abs()), "{choice} {k}");
                }
            }
        }
    }

    #[test]
    fn every_choice_equals_plain_loops() {
        for simd in Simd::all() {
            equals_plain_loops::<f32>(simd, 1e-5);
            equals_plain_loops::<f64>(simd, 1e-13);
        }
    }
}
