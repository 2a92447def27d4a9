//! Several traces of each synapse that drive one another: what credit filtered by the types of units needs.

use super::lanes::{Line, lines, lines_mut};
use super::{LANES, LaneKernel, Lanes, Level, Simd};
use crate::Number;

/// Traces ν_k of every synapse of a layer, K a synapse: ν ← M_β ν + d_p e · enter_β for unit p of type β, line by line.
pub struct Mixing<'a, T> {
    /// ν: a row a unit, of K traces line by line.
    pub states: &'a mut [T],
    /// Length of a row of one trace, e or the gradient.
    pub stride: usize,
    /// K.
    pub count: usize,
    /// β of each unit.
    pub of: &'a [usize],
    /// M_β, K × K row by row, one type after another; without it traces stay, and those of units without a drive are not written.
    pub mix: Option<&'a [T]>,
    /// enter_β, K numbers a type.
    pub enter: &'a [T],
    /// d_p.
    pub drive: &'a [T],
    /// e of unit p, `traces_stride` apart: 0 if all units share one row.
    pub traces: &'a [T],
    /// Distance between rows of `traces`.
    pub traces_stride: usize,
    /// Room for K numbers.
    pub room: &'a mut [T],
}

/// What is added to the gradient of unit p of type β: Σ_k (weights_βk + g_p own_βk) ν_k + g_p shared.
pub struct Payment<'a, T> {
    /// One row a unit, as long as those of the traces.
    pub gradient: &'a mut [T],
    /// Weights of the traces, K numbers a type.
    pub weights: &'a [T],
    /// What g_p adds to them, if anything: K numbers a type.
    pub own: Option<&'a [T]>,
    /// g_p.
    pub credit: &'a [T],
    /// A row that all units share, weighed by g_p.
    pub shared: Option<&'a [T]>,
}

/// How the traces of one unit go on.
trait Advance<T, V, const K: usize> {
    /// ν at a line, from now on.
    fn line(&self, traces: &mut [Line<T>; K], e: &Line<T>) -> [V; K];
}

/// ν ← M ν + d e.
struct Mixed<V, const K: usize>([[V; K]; K], [V; K]);
/// ν ← ν + d e.
struct Entered<V, const K: usize>([V; K]);
/// ν stays.
struct Still;

#[inline(always)]
pub(super) fn load<T: Number, V: Lanes<T>, const K: usize>(traces: &[Line<T>; K]) -> [V; K] {
    let mut old = [V::splat(T::ZERO); K];
    for (old, trace) in old.iter_mut().zip(traces) {
        *old = V::load(trace);
    }
    old
}

#[inline(always)]
pub(super) fn splat<T: Number, V: Lanes<T>, const K: usize>(values: &[T; K], factor: T) -> [V; K] {
    let mut result = [V::splat(T::ZERO); K];
    for (result, value) in result.iter_mut().zip(values) {
        *result = V::splat(factor * *value);
    }
    result
}

/// total + Σ_k weights_k traces_k.
#[inline(always)]
pub(super) fn weighed<T: Number, V: Lanes<T>, const K: usize>(
    weights: &[V; K],
    traces: &[V; K],
    mut total: V,
) -> V {
    for (weight, trace) in weights.iter().zip(traces) {
        total = weight.fma(*trace, total);
    }
    total
}

impl<T: Number, V: Lanes<T>, const K: usize> Advance<T, V, K> for Mixed<V, K> {
    #[inline(always)]
    fn line(&self, traces: &mut [Line<T>; K], e: &Line<T>) -> [V; K] {
        let (e, old) = (V::load(e), load::<T, V, K>(traces));
        let mut new = old;
        let rows = self.0.iter().zip(&self.1);
        for ((new, trace), (m, d)) in new.iter_mut().zip(traces).zip(rows) {
            *new = weighed(m, &old, d.mul(e));
            new.store(trace);
        }
        new
    }
}

impl<T: Number, V: Lanes<T>, const K: usize> Advance<T, V, K> for Entered<V, K> {
    #[inline(always)]
    fn line(&self, traces: &mut [Line<T>; K], e: &Line<T>) -> [V; K] {
        let (e, mut new) = (V::load(e), load::<T, V, K>(traces));
        for ((new, d), trace) in new.iter_mut().zip(&self.0).zip(traces) {
            *new = d.fma(e, *new);
            new.store(trace);
        }
        new
    }
}

impl<T: Number, V: Lanes<T>, const K: usize> Advance<T, V, K> for Still {
    #[inline(always)]
    fn line(&self, traces: &mut [Line<T>; K], _e: &Line<T>) -> [V; K] {
        load(traces)
    }
}

/// What one unit is paid.
struct Due<'a, T, V, const K: usize> {
    gradient: &'a mut [Line<T>],
    weights: [V; K],
    shared: Option<(V, &'a [Line<T>])>,
}

#[inline(always)]
fn unit<T: Number, V: Lanes<T>, const K: usize>(
    advance: &impl Advance<T, V, K>,
    traces: &mut [[Line<T>; K]],
    entering: &[Line<T>],
    due: Option<Due<'_, T, V, K>>,
) {
    let lines = traces.iter_mut().zip(entering);
    let Some(due) = due else {
        for (traces, e) in lines {
            advance.line(traces, e);
        }
        return;
    };
    let (lines, weights) = (lines.zip(due.gradient), due.weights);
    match due.shared {
        None => {
            for ((traces, e), paid) in lines {
                let new = advance.line(traces, e);
                weighed(&weights, &new, V::load(paid)).store(paid);
            }
        }
        Some((g, shared)) => {
            for (((traces, e), paid), row) in lines.zip(shared) {
                let new = advance.line(traces, e);
                let total = g.fma(V::load(row), V::load(paid));
                weighed(&weights, &new, total).store(paid);
            }
        }
    }
}

struct Step<'a, 'p, T, const K: usize> {
    mixing: Mixing<'a, T>,
    payment: Option<Payment<'p, T>>,
}

impl<T: Number, const K: usize> LaneKernel for Step<'_, '_, T, K> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let (mixing, mut payment) = (self.mixing, self.payment);
        let (stride, width) = (mixing.stride, mixing.stride / LANES);
        let enter = mixing.enter.as_chunks::<K>().0;
        let units = mixing.states.chunks_exact_mut(K * stride);
        for (p, (traces, beta)) in units.zip(mixing.of).enumerate() {
            let drive = mixing.drive[p];
            let d = splat::<T, L::Lanes<T>, K>(&enter[*beta], drive);
            let traces = lines_mut(traces).as_chunks_mut().0;
            let e = &lines(&mixing.traces[p * mixing.traces_stride..])[..width];
            let mut due = None;
            if let Some(pay) = &mut payment {
                let g = pay.credit[p];
                let mut weights = pay.weights.as_chunks().0[*beta];
                if let Some(own) = pay.own {
                    let pairs = weights.iter_mut().zip(&own.as_chunks::<K>().0[*beta]);
                    pairs.for_each(|(w, own)| *w += g * *own);
                }
                let mut of = Due {
                    weights: splat(&weights, T::ONE),
                    gradient: &mut lines_mut(&mut pay.gradient[p * stride..])[..width],
                    shared: None,
                };
                if let Some(row) = pay.shared {
                    of.shared = Some((L::Lanes::splat(g), &lines(row)[..width]));
                }
                due = Some(of);
            }
            if let Some(mix) = mixing.mix {
                let mut m = [d; K];
                for (m, row) in m.iter_mut().zip(&mix.as_chunks().0[beta * K..]) {
                    *m = splat(row, T::ONE);
                }
                unit(&Mixed(m, d), traces, e, due);
            } else if drive != T::ZERO {
                unit(&Entered(d), traces, e, due);
            } else if due.is_some() {
                unit(&Still, traces, e, due);
            }
        }
    }
}

/// Where number q of trace k lies in a row of `count` traces line by line.
#[inline]
pub(super) fn place(q: usize, k: usize, count: usize) -> usize {
    (q / LANES * count + k) * LANES + q % LANES
}

/// For any number of traces, with plain loops.
fn step_by_step<T: Number>(mixing: Mixing<'_, T>, payment: Option<Payment<'_, T>>) {
    let Mixing {
        states,
        stride,
        count,
        of,
        mix,
        enter,
        drive,
        traces,
        traces_stride,
        room,
    } = mixing;
    let mut payment = payment;
    for (p, states) in states.chunks_exact_mut(count * stride).enumerate() {
        let first = of[p] * count;
        for q in 0..stride {
            let at = |k: usize| place(q, k, count);
            for (k, new) in room.iter_mut().enumerate() {
                *new = drive[p] * enter[first + k] * traces[p * traces_stride + q];
                match mix {
                    None => *new += states[at(k)],
                    Some(mix) => {
                        let row = &mix[(first + k) * count..][..count];
                        for (l, m) in row.iter().enumerate() {
                            *new += *m * states[at(l)];
                        }
                    }
                }
            }
            for (k, new) in room.iter().enumerate() {
                states[at(k)] = *new;
            }
            if let Some(pay) = &mut payment {
                let g = pay.credit[p];
                let mut total = pay.shared.map_or(T::ZERO, |row| g * row[q]);
                for (k, new) in room.iter().enumerate() {
                    let own = pay.own.map_or(T::ZERO, |own| own[first + k]);
                    total += *new * (pay.weights[first + k] + g * own);
                }
                pay.gradient[p * stride + q] += total;
            }
        }
    }
}

/// Advances all traces, and pays if there is something to pay.
pub fn mix<T: Number>(simd: Simd, mixing: Mixing<'_, T>, payment: Option<Payment<'_, T>>) {
    match mixing.count {
        1 => simd.run_lanes(Step::<T, 1> { mixing, payment }),
        2 => simd.run_lanes(Step::<T, 2> { mixing, payment }),
        3 => simd.run_lanes(Step::<T, 3> { mixing, payment }),
        4 => simd.run_lanes(Step::<T, 4> { mixing, payment }),
        5 => simd.run_lanes(Step::<T, 5> { mixing, payment }),
        6 => simd.run_lanes(Step::<T, 6> { mixing, payment }),
        _ => step_by_step(mixing, payment),
    }
}

struct TypedOuter<'a, T> {
    gradient: &'a mut [T],
    stride: usize,
    of: &'a [usize],
    credit: &'a [T],
    own: &'a [T],
    others: &'a [T],
}

impl<T: Number> LaneKernel for TypedOuter<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let stride = self.stride;
        let rows = self.gradient.chunks_exact_mut(stride);
        for ((row, beta), g) in rows.zip(self.of).zip(self.credit) {
            let g = L::Lanes::splat(*g);
            let own = lines(&self.own[beta * stride..][..stride]);
            let others = lines(&self.others[beta * stride..][..stride]);
            for ((w, own), others) in lines_mut(row).iter_mut().zip(own).zip(others) {
                let sum = g.fma(L::Lanes::load(own), L::Lanes::load(w));
                sum.add(L::Lanes::load(others)).store(w);
            }
        }
    }
}

/// Row p of the gradient += g_p · own_β(p) + others_β(p), one row a type in `own` and `others`.
pub fn add_typed_outer<T: Number>(
    simd: Simd,
    gradient: &mut [T],
    stride: usize,
    of: &[usize],
    credit: &[T],
    own: &[T],
    others: &[T],
) {
    simd.run_lanes(TypedOuter {
        gradient,
        stride,
        of,
        credit,
        own,
        others,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Draws;

    #[test]
    fn any_number_of_traces_advances_alike() {
        for case in 0..32 {
            let count = [1, 2, 3, 6][case % 4];
            advances_alike(count, [case & 4, case & 8, case & 16].map(|bit| bit > 0));
        }
    }

    /// The fast loops against the plain ones: mixed or entered, paid or not, with a unit's own credit and a shared row or not.
    fn advances_alike(count: usize, [mixes, pays, besides]: [bool; 3]) {
        let mut stream = Draws::new(1);
        let mut draw = |len: usize| -> Vec<f64> { (0..len).map(|_| stream.next()).collect() };
        let (units, stride, types) = (5, 2 * LANES, 3);
        let of = [0, 2, 1, 1, 0];
        let start = draw(units * count * stride);
        let (matrices, enter) = (draw(types * count * count), draw(types * count));
        let (mut drive, traces) = (draw(units), draw(units * stride));
        drive[2] = 0.0;
        let (weights, owns) = (draw(types * count), draw(types * count));
        let (credit, shared) = (draw(units), draw(stride));
        let gradient = draw(units * stride);
        let run = |simd: Option<Simd>| {
            let (mut states, mut gradient) = (start.clone(), gradient.clone());
            let mixing = Mixing {
                states: &mut states,
                stride,
                count,
                of: &of,
                mix: mixes.then_some(&matrices[..]),
                enter: &enter,
                drive: &drive,
                traces: &traces,
                traces_stride: stride,
                room: &mut vec![0.0; count],
            };
            let payment = pays.then(|| Payment {
                gradient: &mut gradient,
                weights: &weights,
                own: besides.then_some(&owns[..]),
                credit: &credit,
                shared: besides.then_some(&shared[..]),
            });
            match simd {
                Some(simd) => mix(simd, mixing, payment),
                None => step_by_step(mixing, payment),
            }
            states.extend(gradient);
            states
        };
        let plain = run(None);
        for simd in Simd::all() {
            for (a, b) in run(Some(simd)).into_iter().zip(&plain) {
                assert!(
                    (a - b).abs() < 1e-12 * (1.0 + b.abs()),
                    "{count} {mixes} {pays} {besides}"
                );
            }
        }
    }
}
