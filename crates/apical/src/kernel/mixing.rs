//! Several traces of each synapse that drive one another: what credit filtered by the types of units needs.

use super::lanes::{Line, lines, lines_mut};
use super::{LANES, LaneKernel, Lanes, Level, Simd};
use crate::Scalar;

/// Traces ν_k of every synapse of a layer, K a synapse: ν ← M_β ν + d_p e · enter_β for unit p of type β, line by line.
pub struct Mixing<'a, T> {
    /// ν: row p K + k.
    pub states: &'a mut [T],
    /// Length of a row.
    pub stride: usize,
    /// K.
    pub count: usize,
    /// β of each unit.
    pub of: &'a [usize],
    /// M_β, K × K row by row, one type after another.
    pub mix: &'a [T],
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

/// What is added to the gradient of unit p: Σ_k weights_k ν_k + g_p (ν_K−1 if `own_last`) + g_p shared.
pub struct Payment<'a, T> {
    /// One row a unit, as long as those of the traces.
    pub gradient: &'a mut [T],
    /// Weights of the traces.
    pub weights: &'a [T],
    /// g_p.
    pub credit: &'a [T],
    /// Whether the last trace is weighed by g_p instead.
    pub own_last: bool,
    /// A row that all units share, weighed by g_p.
    pub shared: Option<&'a [T]>,
}

struct Step<'a, 'p, T, const K: usize> {
    mixing: Mixing<'a, T>,
    payment: Option<Payment<'p, T>>,
}

impl<T: Scalar, const K: usize> LaneKernel for Step<'_, '_, T, K> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let Self { mixing, payment } = self;
        let Mixing {
            states,
            stride,
            of,
            mix,
            enter,
            drive,
            traces,
            traces_stride,
            ..
        } = mixing;
        let width = stride / LANES;
        let mut payment = payment;
        for (p, rows) in states.chunks_exact_mut(K * stride).enumerate() {
            let beta = of[p];
            let zero = L::Lanes::splat(T::ZERO);
            let (mut m, mut d) = ([[zero; K]; K], [zero; K]);
            for k in 0..K {
                for l in 0..K {
                    m[k][l] = L::Lanes::splat(mix[(beta * K + k) * K + l]);
                }
                d[k] = L::Lanes::splat(drive[p] * enter[beta * K + k]);
            }
            let trace = &lines(&traces[p * traces_stride..])[..width];
            let rows = lines_mut(rows);
            match &mut payment {
                None => {
                    for (line, e) in trace.iter().enumerate() {
                        mixed::<T, L, K>(rows, width, line, &m, &d, e);
                    }
                }
                Some(pay) => {
                    let g = L::Lanes::splat(pay.credit[p]);
                    let mut weights = [zero; K];
                    for (k, weight) in weights.iter_mut().enumerate() {
                        let own = pay.own_last && k + 1 == K;
                        *weight = L::Lanes::splat(if own { pay.credit[p] } else { pay.weights[k] });
                    }
                    let gradient = &mut lines_mut(&mut pay.gradient[p * stride..])[..width];
                    for (line, (e, sum)) in trace.iter().zip(gradient).enumerate() {
                        let new = mixed::<T, L, K>(rows, width, line, &m, &d, e);
                        let mut total = L::Lanes::load(sum);
                        for k in 0..K {
                            total = weights[k].fma(new[k], total);
                        }
                        if let Some(shared) = pay.shared {
                            total = g.fma(L::Lanes::load(&lines(shared)[line]), total);
                        }
                        total.store(sum);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn mixed<T: Scalar, L: Level, const K: usize>(
    rows: &mut [Line<T>],
    width: usize,
    line: usize,
    m: &[[L::Lanes<T>; K]; K],
    d: &[L::Lanes<T>; K],
    e: &Line<T>,
) -> [L::Lanes<T>; K] {
    let e = L::Lanes::load(e);
    let (mut old, mut new) = ([e; K], [e; K]);
    for k in 0..K {
        old[k] = L::Lanes::load(&rows[k * width + line]);
    }
    for k in 0..K {
        let mut sum = d[k].mul(e);
        for l in 0..K {
            sum = m[k][l].fma(old[l], sum);
        }
        new[k] = sum;
    }
    for (k, new) in new.iter().enumerate() {
        new.store(&mut rows[k * width + line]);
    }
    new
}

/// For any number of traces, with plain loops.
fn step_by_step<T: Scalar>(mixing: Mixing<'_, T>, payment: Option<Payment<'_, T>>) {
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
    for (p, rows) in states.chunks_exact_mut(count * stride).enumerate() {
        let beta = of[p];
        let trace = &traces[p * traces_stride..][..stride];
        for q in 0..stride {
            let mut total = T::ZERO;
            for (k, new) in room.iter_mut().enumerate() {
                *new = drive[p] * enter[beta * count + k] * trace[q];
                for l in 0..count {
                    *new += mix[(beta * count + k) * count + l] * rows[l * stride + q];
                }
            }
            for (k, new) in room.iter().enumerate() {
                rows[k * stride + q] = *new;
                if let Some(pay) = &payment {
                    let own = pay.own_last && k + 1 == count;
                    total += *new * if own { pay.credit[p] } else { pay.weights[k] };
                }
            }
            if let Some(pay) = &mut payment {
                if let Some(shared) = pay.shared {
                    total += pay.credit[p] * shared[q];
                }
                pay.gradient[p * stride + q] += total;
            }
        }
    }
}

/// Advances all traces, and pays if there is something to pay.
pub fn mix<T: Scalar>(simd: Simd, mixing: Mixing<'_, T>, payment: Option<Payment<'_, T>>) {
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

impl<T: Scalar> LaneKernel for TypedOuter<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let stride = self.stride;
        let rows = self.gradient.chunks_exact_mut(stride);
        for ((row, beta), g) in rows.zip(self.of).zip(self.credit) {
            let g = L::Lanes::splat(*g);
            let one = L::Lanes::splat(T::ONE);
            let own = lines(&self.own[beta * stride..][..stride]);
            let others = lines(&self.others[beta * stride..][..stride]);
            for ((w, own), others) in lines_mut(row).iter_mut().zip(own).zip(others) {
                let sum = g.fma(L::Lanes::load(own), L::Lanes::load(w));
                one.fma(L::Lanes::load(others), sum).store(w);
            }
        }
    }
}

/// Row p of the gradient += g_p · own_β(p) + others_β(p), one row a type in `own` and `others`.
pub fn add_typed_outer<T: Scalar>(
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

struct PoolRows<'a, T> {
    rows: &'a [T],
    stride: usize,
    of: &'a [usize],
    sums: &'a mut [T],
}

impl<T: Scalar> LaneKernel for PoolRows<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let (stride, one) = (self.stride, L::Lanes::splat(T::ONE));
        let mut from = 0;
        // Rows of one type that lie together: their sums stay in registers, four lines at a time.
        for run in self.of.chunk_by(|a, b| a == b) {
            let rows = &self.rows[from * stride..][..run.len() * stride];
            let sums = lines_mut(&mut self.sums[run[0] * stride..][..stride]);
            let (fours, rest) = sums.as_chunks_mut::<4>();
            let done = 4 * fours.len();
            for (k, [a, b, c, d]) in fours.iter_mut().enumerate() {
                let (mut p, mut q) = (L::Lanes::load(a), L::Lanes::load(b));
                let (mut r, mut s) = (L::Lanes::load(c), L::Lanes::load(d));
                for row in rows.chunks_exact(stride) {
                    let row = &lines(row)[4 * k..][..4];
                    p = one.fma(L::Lanes::load(&row[0]), p);
                    q = one.fma(L::Lanes::load(&row[1]), q);
                    r = one.fma(L::Lanes::load(&row[2]), r);
                    s = one.fma(L::Lanes::load(&row[3]), s);
                }
                p.store(a);
                q.store(b);
                r.store(c);
                s.store(d);
            }
            for (k, sum) in rest.iter_mut().enumerate() {
                let mut total = L::Lanes::load(sum);
                for row in rows.chunks_exact(stride) {
                    total = one.fma(L::Lanes::load(&lines(row)[done + k]), total);
                }
                total.store(sum);
            }
            from += run.len();
        }
    }
}

/// Adds each row to the sum of its type: one row a type, as long as the others.
pub fn pool_rows<T: Scalar>(simd: Simd, rows: &[T], stride: usize, of: &[usize], sums: &mut [T]) {
    simd.run_lanes(PoolRows {
        rows,
        stride,
        of,
        sums,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Streams;

    #[test]
    fn rows_are_summed_by_type_wherever_they_lie() {
        let (of, stride) = ([0, 0, 1, 0, 1, 1], 6 * LANES);
        let mut stream = Streams::new(1).stream("test", 0);
        let mut draw = |len: usize| -> Vec<f64> { (0..len).map(|_| stream.normal()).collect() };
        let (rows, start) = (draw(of.len() * stride), draw(2 * stride));
        let mut expected = start.clone();
        for (row, t) in rows.chunks_exact(stride).zip(of) {
            let sums = expected[t * stride..].iter_mut();
            sums.zip(row).for_each(|(sum, w)| *sum += w);
        }
        for simd in Simd::all() {
            let mut sums = start.clone();
            pool_rows(simd, &rows, stride, &of, &mut sums);
            for (got, expected) in sums.iter().zip(&expected) {
                assert!((got - expected).abs() < 1e-13 * (1.0 + expected.abs()));
            }
        }
    }

    #[test]
    fn any_number_of_traces_is_mixed_alike() {
        let mut stream = Streams::new(1).stream("test", 0);
        let (units, stride, types) = (5, 2 * LANES, 3);
        let of = [0, 2, 1, 1, 0];
        for count in [1, 2, 3, 6] {
            for own_last in [false, true] {
                let mut draw =
                    |len: usize| -> Vec<f64> { (0..len).map(|_| stream.normal()).collect() };
                let start = draw(units * count * stride);
                let (mix_, enter) = (draw(types * count * count), draw(types * count));
                let (drive, traces) = (draw(units), draw(units * stride));
                let (weights, credit, shared) = (draw(count), draw(units), draw(stride));
                let gradient = draw(units * stride);
                let run = |fast: bool| {
                    let (mut states, mut gradient) = (start.clone(), gradient.clone());
                    let mixing = Mixing {
                        states: &mut states,
                        stride,
                        count,
                        of: &of,
                        mix: &mix_,
                        enter: &enter,
                        drive: &drive,
                        traces: &traces,
                        traces_stride: stride,
                        room: &mut vec![0.0; count],
                    };
                    let payment = Some(Payment {
                        gradient: &mut gradient,
                        weights: &weights,
                        credit: &credit,
                        own_last,
                        shared: Some(&shared),
                    });
                    if fast {
                        mix(Simd::detect(), mixing, payment);
                    } else {
                        step_by_step(mixing, payment);
                    }
                    states.extend(gradient);
                    states
                };
                for (a, b) in run(true).into_iter().zip(run(false)) {
                    assert!(
                        (a - b).abs() < 1e-12 * (1.0 + b.abs()),
                        "{count} {own_last}"
                    );
                }
            }
        }
    }
}
