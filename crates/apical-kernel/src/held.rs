//! Traces that change only with a factor of their unit, paid with what the units of a type have in common.

use super::lanes::{Line, lines, lines_mut};
use super::mixing::{load, place, splat, weighed};
use super::{LANES, LaneKernel, Lanes, Level, Simd};
use crate::Number;

/// Traces b_k of every synapse of a layer, K a synapse: b ← b + d_p ρ_β for unit p of type β. Where d_p is 0 nothing is written, and where
/// nothing ever was, nothing is read.
pub struct Held<'a, T> {
    /// b: a row a unit, of K traces line by line.
    pub states: &'a mut [T],
    /// Length of a row of one trace or of the gradient.
    pub stride: usize,
    /// K.
    pub count: usize,
    /// β of each unit.
    pub of: &'a [usize],
    /// d_p.
    pub change: &'a [T],
    /// 0 for units whose traces are 0 and stay so.
    pub kept: &'a [T],
    /// ρ_β, a row a type, of K traces line by line.
    pub rows: &'a [T],
}

/// What is added to the gradient of unit p of type β: Σ_k weights_βk b_k + h_p common_β + g_p shared.
pub struct HeldPayment<'a, T> {
    /// One row a unit.
    pub gradient: &'a mut [T],
    /// Weights of the traces, K numbers a type.
    pub weights: &'a [T],
    /// h_p.
    pub held: &'a [T],
    /// A row a type.
    pub common: &'a [T],
    /// g_p.
    pub credit: &'a [T],
    /// A row.
    pub shared: &'a [T],
}

struct Step<'a, 'p, T, const K: usize> {
    held: Held<'a, T>,
    payment: Option<HeldPayment<'p, T>>,
}

impl<T: Number, const K: usize> LaneKernel for Step<'_, '_, T, K> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { held, mut payment } = self;
        let (stride, width) = (held.stride, held.stride / LANES);
        let mut from = 0;
        // What is alike for units of a type that lie together is put in registers once.
        for run in held.of.chunk_by(|a, b| a == b) {
            let (beta, units) = (run[0], from..from + run.len());
            from = units.end;
            let rows = &lines(&held.rows[beta * K * stride..]).as_chunks::<K>().0[..width];
            let states = &mut held.states[units.start * K * stride..units.end * K * stride];
            let states = states.chunks_exact_mut(K * stride);
            let states = states.zip(&held.change[units.clone()]);
            let Some(pay) = &mut payment else {
                for (traces, change) in states.filter(|(_, change)| **change != T::ZERO) {
                    let d = L::Lanes::splat(*change);
                    let traces = lines_mut(traces).as_chunks_mut::<K>().0;
                    for (traces, rows) in traces.iter_mut().zip(rows) {
                        changed(traces, rows, d);
                    }
                }
                continue;
            };
            let weights = splat::<T, L::Lanes<T>, K>(&pay.weights.as_chunks().0[beta], T::ONE);
            let common = &lines(&pay.common[beta * stride..])[..width];
            let shared = &lines(pay.shared)[..width];
            let gradient = &mut pay.gradient[units.start * stride..units.end * stride];
            let factors = pay.held[units.clone()]
                .iter()
                .zip(&pay.credit[units.clone()]);
            let paid = gradient.chunks_exact_mut(stride).zip(factors);
            let paid = paid.zip(&held.kept[units]);
            for ((traces, change), ((gradient, (h, g)), kept)) in states.zip(paid) {
                let (h, g) = (L::Lanes::splat(*h), L::Lanes::splat(*g));
                let paid = lines_mut(gradient).iter_mut().zip(common).zip(shared);
                if *kept == T::ZERO {
                    for ((paid, common), shared) in paid {
                        besides(paid, common, shared, h, g).store(paid);
                    }
                    continue;
                }
                let traces = lines_mut(traces).as_chunks_mut::<K>().0.iter_mut();
                let lines = paid.zip(traces);
                if *change == T::ZERO {
                    for (((paid, common), shared), traces) in lines {
                        let total = besides(paid, common, shared, h, g);
                        weighed(&weights, &load(traces), total).store(paid);
                    }
                    continue;
                }
                let d = L::Lanes::splat(*change);
                for ((((paid, common), shared), traces), rows) in lines.zip(rows) {
                    let total = besides(paid, common, shared, h, g);
                    weighed(&weights, &changed(traces, rows, d), total).store(paid);
                }
            }
        }
    }
}

/// b + d ρ at a line, kept.
#[inline(always)]
fn changed<T: Number, V: Lanes<T>, const K: usize>(
    traces: &mut [Line<T>; K],
    rows: &[Line<T>; K],
    d: V,
) -> [V; K] {
    let mut new = load::<T, V, K>(traces);
    for ((new, row), trace) in new.iter_mut().zip(rows).zip(traces) {
        *new = d.fma(V::load(row), *new);
        new.store(trace);
    }
    new
}

/// What was paid, and h common + g shared, at a line.
#[inline(always)]
fn besides<T: Number, V: Lanes<T>>(
    paid: &Line<T>,
    common: &Line<T>,
    shared: &Line<T>,
    h: V,
    g: V,
) -> V {
    g.fma(V::load(shared), h.fma(V::load(common), V::load(paid)))
}

/// For any number of traces, with plain loops.
fn step_by_step<T: Number>(held: Held<'_, T>, payment: Option<HeldPayment<'_, T>>) {
    let (count, stride) = (held.count, held.stride);
    let mut payment = payment;
    let units = held.states.chunks_exact_mut(count * stride);
    for (p, (states, beta)) in units.zip(held.of).enumerate() {
        let rows = &held.rows[beta * count * stride..][..count * stride];
        let pairs = states.iter_mut().zip(rows);
        pairs.for_each(|(b, row)| *b += held.change[p] * *row);
        let Some(pay) = &mut payment else {
            continue;
        };
        for (q, paid) in pay.gradient[p * stride..][..stride].iter_mut().enumerate() {
            *paid += pay.held[p] * pay.common[beta * stride + q] + pay.credit[p] * pay.shared[q];
            for (k, weight) in pay.weights[beta * count..][..count].iter().enumerate() {
                *paid += *weight * states[place(q, k, count)];
            }
        }
    }
}

/// Changes all traces, and pays if there is something to pay.
pub fn change_held<T: Number>(simd: Simd, held: Held<'_, T>, payment: Option<HeldPayment<'_, T>>) {
    match held.count {
        1 => simd.run_lanes(Step::<T, 1> { held, payment }),
        2 => simd.run_lanes(Step::<T, 2> { held, payment }),
        3 => simd.run_lanes(Step::<T, 3> { held, payment }),
        4 => simd.run_lanes(Step::<T, 4> { held, payment }),
        5 => simd.run_lanes(Step::<T, 5> { held, payment }),
        6 => simd.run_lanes(Step::<T, 6> { held, payment }),
        _ => step_by_step(held, payment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Draws;

    #[test]
    fn any_number_of_traces_changes_alike() {
        for count in [1, 2, 3, 6] {
            for pays in [false, true] {
                changes_alike(count, pays);
            }
        }
    }

    fn changes_alike(count: usize, pays: bool) {
        let mut stream = Draws::new(1);
        let mut draw = |len: usize| -> Vec<f64> { (0..len).map(|_| stream.next()).collect() };
        let (units, stride, types) = (5, 2 * LANES, 3);
        let of = [0, 2, 1, 1, 0];
        let (start, rows) = (draw(units * count * stride), draw(types * count * stride));
        let (mut change, factors, credit) = (draw(units), draw(units), draw(units));
        // Two units do not change; the second of them never did.
        (change[2], change[3]) = (0.0, 0.0);
        let kept = [1.0, 1.0, 1.0, 0.0, 1.0];
        let mut start = start;
        start[3 * count * stride..4 * count * stride].fill(0.0);
        let (weights, common, shared) = (draw(types * count), draw(types * stride), draw(stride));
        let gradient = draw(units * stride);
        let run = |simd: Option<Simd>| {
            let (mut states, mut gradient) = (start.clone(), gradient.clone());
            let held = Held {
                states: &mut states,
                stride,
                count,
                of: &of,
                change: &change,
                kept: &kept,
                rows: &rows,
            };
            let payment = pays.then(|| HeldPayment {
                gradient: &mut gradient,
                weights: &weights,
                held: &factors,
                common: &common,
                credit: &credit,
                shared: &shared,
            });
            match simd {
                Some(simd) => change_held(simd, held, payment),
                None => step_by_step(held, payment),
            }
            states.extend(gradient);
            states
        };
        let plain = run(None);
        for simd in Simd::all() {
            for (a, b) in run(Some(simd)).into_iter().zip(&plain) {
                assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "{count} {pays}");
            }
        }
    }
}
