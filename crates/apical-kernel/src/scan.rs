//! One step of a linear recurrence, unit by unit: what rules that run backward over a tape are made of.

use super::lanes::{lines, lines_mut};
use super::{LANES, LaneKernel, Lanes, Level, Simd};
use crate::Number;

/// `scale`, times a number a unit if there are any.
#[derive(Clone, Copy)]
pub struct Factor<'a, T> {
    /// What all units have in common.
    pub scale: T,
    /// One number a unit.
    pub each: Option<&'a [T]>,
}

impl<'a, T: Number> Factor<'a, T> {
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

/// state ← own ∘ state + factor ∘ arriving + credit, out ← factor ∘ state. All arrays have the length of `state`, whole lines.
pub struct Scan<'a, T> {
    state: &'a mut [T],
    own: Factor<'a, T>,
    arriving: Option<(Factor<'a, T>, &'a [T])>,
    credit: Option<&'a [T]>,
    out: Option<Out<'a, T>>,
}

/// Where the state goes.
struct Out<'a, T> {
    to: &'a mut [T],
    factor: Factor<'a, T>,
    add: bool,
}

impl<'a, T: Number> Scan<'a, T> {
    /// state ← own ∘ state.
    pub fn new(state: &'a mut [T], own: Factor<'a, T>) -> Self {
        debug_assert!(state.len().is_multiple_of(LANES));
        Self {
            state,
            own,
            arriving: None,
            credit: None,
            out: None,
        }
    }

    /// … + factor ∘ values.
    pub fn arriving(mut self, factor: Factor<'a, T>, values: &'a [T]) -> Self {
        self.arriving = Some((factor, values));
        self
    }

    /// … + credit, if there is any.
    pub fn credit(mut self, credit: Option<&'a [T]>) -> Self {
        self.credit = credit;
        self
    }

    /// to ← factor ∘ state.
    pub fn out(mut self, to: &'a mut [T], factor: Factor<'a, T>) -> Self {
        let add = false;
        self.out = Some(Out { to, factor, add });
        self
    }

    /// to ← to + factor ∘ state.
    pub fn add_to(mut self, to: &'a mut [T], factor: Factor<'a, T>) -> Self {
        let add = true;
        self.out = Some(Out { to, factor, add });
        self
    }

    /// Takes the step.
    pub fn take(self, simd: Simd) {
        simd.run_lanes(self);
    }
}

impl<T: Number> LaneKernel for Scan<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self {
            state,
            own,
            arriving,
            credit,
            mut out,
        } = self;
        let zero = L::Lanes::splat(T::ZERO);
        let keep = L::Lanes::splat(own.scale);
        let enter = match &arriving {
            Some((factor, _)) => L::Lanes::splat(factor.scale),
            None => zero,
        };
        let pay = match &out {
            Some(out) => L::Lanes::splat(out.factor.scale),
            None => zero,
        };
        for (line, state) in lines_mut(state).iter_mut().enumerate() {
            let before = L::Lanes::load(state);
            let mut new = match credit {
                Some(credit) => L::Lanes::load(&lines(credit)[line]),
                None => zero,
            };
            new = own.line::<L>(keep, line).fma(before, new);
            if let Some((factor, values)) = &arriving {
                let value = L::Lanes::load(&lines(values)[line]);
                new = factor.line::<L>(enter, line).fma(value, new);
            }
            new.store(state);
            if let Some(Out { to, factor, add }) = &mut out {
                let to = &mut lines_mut(to)[line];
                let factor = factor.line::<L>(pay, line);
                match add {
                    true => factor.fma(new, L::Lanes::load(to)).store(to),
                    false => factor.mul(new).store(to),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Draws;

    fn equals_plain_loops<T: Number>(simd: Simd, tolerance: f64) {
        let mut stream = Draws::new(1);
        let mut draw = || -> Vec<T> { (0..3 * LANES).map(|_| T::of(stream.next())).collect() };
        let [start, own, enter, values] = std::array::from_fn(|_| draw());
        let [credit, pay, before] = std::array::from_fn(|_| draw());
        for choice in 0..128 {
            let has = |bit: usize| choice >> bit & 1 == 1;
            let factor = |scale: f64, bit: usize, each| Factor {
                scale: T::of(scale),
                each: has(bit).then_some(each),
            };
            let (mut state, mut out) = (start.clone(), before.clone());
            let mut scan = Scan::new(&mut state, factor(0.9, 0, &own[..]));
            if has(1) {
                scan = scan.arriving(factor(0.3, 2, &enter), &values);
            }
            scan = scan.credit(has(3).then_some(&credit));
            match (has(4), has(5)) {
                (true, true) => scan = scan.add_to(&mut out, factor(-2.0, 6, &pay)),
                (true, false) => scan = scan.out(&mut out, factor(-2.0, 6, &pay)),
                (false, _) => {}
            }
            scan.take(simd);
            for k in 0..start.len() {
                let each = |values: &[T], bit| if has(bit) { values[k].f64() } else { 1.0 };
                let mut new = 0.9 * each(&own, 0) * start[k].f64();
                if has(1) {
                    new += 0.3 * each(&enter, 2) * values[k].f64();
                }
                if has(3) {
                    new += credit[k].f64();
                }
                let mut paid = before[k].f64();
                if has(4) {
                    paid = if has(5) { paid } else { 0.0 } - 2.0 * each(&pay, 6) * new;
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
