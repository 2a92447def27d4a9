//! What this machine can do at best: reading, scaling in place, multiplying and adding.

use apical::Scalar;
use apical::kernel::{Buffer, LANES, LaneKernel, Lanes, Level, Simd};

type Line<T> = [T; LANES];

struct Read<'a, T>(&'a [Line<T>]);

impl<T: Scalar> LaneKernel for Read<'_, T> {
    type Output = T;
    #[inline(always)]
    fn run<L: Level>(self) -> T {
        // Four sums at once: one alone would wait for each of its additions.
        let one = L::Lanes::<T>::splat(T::ONE);
        let (mut a, mut b, mut c, mut d) = (one, one, one, one);
        for lines in self.0.as_chunks::<4>().0 {
            a = L::Lanes::load(&lines[0]).fma(one, a);
            b = L::Lanes::load(&lines[1]).fma(one, b);
            c = L::Lanes::load(&lines[2]).fma(one, c);
            d = L::Lanes::load(&lines[3]).fma(one, d);
        }
        a.sum() + b.sum() + c.sum() + d.sum()
    }
}

struct Scale<'a, T>(&'a mut [Line<T>], T);

impl<T: Scalar> LaneKernel for Scale<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        let factor = L::Lanes::splat(self.1);
        for line in self.0 {
            L::Lanes::load(line).mul(factor).store(line);
        }
    }
}

const ROUNDS: usize = 1_000;

struct MultiplyAdds<T>(T);

impl<T: Scalar> LaneKernel for MultiplyAdds<T> {
    type Output = T;
    #[inline(always)]
    fn run<L: Level>(self) -> T {
        let f = L::Lanes::splat(self.0);
        let (mut a, mut b, mut c, mut d) = (f, f, f, f);
        let (mut e, mut g, mut h, mut i) = (f, f, f, f);
        for _ in 0..ROUNDS {
            (a, b, c, d) = (a.fma(f, f), b.fma(f, f), c.fma(f, f), d.fma(f, f));
            (e, g, h, i) = (e.fma(f, f), g.fma(f, f), h.fma(f, f), i.fma(f, f));
        }
        let [a, b, c, d, e, g, h, i] = [a, b, c, d, e, g, h, i].map(L::Lanes::sum);
        a + b + c + d + e + g + h + i
    }
}

/// Bytes a second, read over an array of `bytes`; `time` measures the seconds of a call.
pub fn read<T: Scalar>(simd: Simd, bytes: usize, time: impl Fn(&mut dyn FnMut()) -> f64) -> f64 {
    let buffer = Buffer::<T>::zeros(bytes / size_of::<T>());
    let lines = buffer.as_chunks::<LANES>().0;
    let seconds = time(&mut || {
        std::hint::black_box(simd.run_lanes(Read(std::hint::black_box(lines))));
    });
    bytes as f64 / seconds
}

/// Bytes a second, read and written, scaling an array of `bytes` in place.
pub fn scale<T: Scalar>(simd: Simd, bytes: usize, time: impl Fn(&mut dyn FnMut()) -> f64) -> f64 {
    let mut buffer = Buffer::<T>::zeros(bytes / size_of::<T>());
    let lines = buffer.as_chunks_mut::<LANES>().0;
    let seconds = time(&mut || simd.run_lanes(Scale(std::hint::black_box(&mut *lines), T::HALF)));
    2.0 * bytes as f64 / seconds
}

/// Multiply-adds a second, in registers.
pub fn multiply_adds<T: Scalar>(simd: Simd, time: impl Fn(&mut dyn FnMut()) -> f64) -> f64 {
    let seconds = time(&mut || {
        std::hint::black_box(simd.run_lanes(MultiplyAdds(std::hint::black_box(T::HALF))));
    });
    (8 * LANES * ROUNDS) as f64 / seconds
}
