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

/// Lines that are multiplied and added in one call: a multiple of every number of sums below.
const LINES: usize = 24_000;

struct MultiplyAdds<T>(T);

impl<T: Scalar> LaneKernel for MultiplyAdds<T> {
    type Output = T;
    #[inline(always)]
    fn run<L: Level>(self) -> T {
        // As many sums at once as there is room for, beside the factor.
        match L::Lanes::<T>::ROOM {
            ..6 => add_at_once::<T, L, 3>(self.0),
            6..12 => add_at_once::<T, L, 6>(self.0),
            12.. => add_at_once::<T, L, 8>(self.0),
        }
    }
}

#[inline(always)]
fn add_at_once<T: Scalar, L: Level, const SUMS: usize>(value: T) -> T {
    let factor = L::Lanes::splat(value);
    let mut sums = [factor; SUMS];
    for _ in 0..LINES / SUMS {
        for sum in &mut sums {
            *sum = sum.fma(factor, factor);
        }
    }
    let mut total = factor;
    for sum in sums {
        total = sum.fma(factor, total);
    }
    total.sum()
}

/// Multiply-adds in one call of [`add_up`].
pub const ADDS: usize = LINES * LANES;

/// Multiplies and adds in registers.
pub fn add_up<T: Scalar>(simd: Simd) {
    std::hint::black_box(simd.run_lanes(MultiplyAdds(std::hint::black_box(T::HALF))));
}

/// Reads an array over and over.
pub struct Reader<T>(Buffer<T>);

impl<T: Scalar> Reader<T> {
    pub fn new(numbers: usize) -> Self {
        Self(Buffer::zeros(numbers))
    }

    /// Numbers read in a call.
    pub fn numbers(&self) -> usize {
        self.0.len()
    }

    pub fn run(&mut self, simd: Simd) {
        let lines = self.0.as_chunks::<LANES>().0;
        std::hint::black_box(simd.run_lanes(Read(std::hint::black_box(lines))));
    }
}

/// Scales an array in place, over and over.
pub struct Scaler<T>(Buffer<T>);

impl<T: Scalar> Scaler<T> {
    pub fn new(numbers: usize) -> Self {
        Self(Buffer::zeros(numbers))
    }

    /// Numbers read and written in a call.
    pub fn numbers(&self) -> usize {
        self.0.len()
    }

    pub fn run(&mut self, simd: Simd) {
        let lines = self.0.as_chunks_mut::<LANES>().0;
        simd.run_lanes(Scale(std::hint::black_box(lines), T::HALF));
    }
}

/// Bytes a second, read over an array of `bytes`; `time` measures the seconds of a call.
pub fn read<T: Scalar>(simd: Simd, bytes: usize, time: impl Fn(&mut dyn FnMut()) -> f64) -> f64 {
    let mut reader = Reader::<T>::new(bytes / size_of::<T>());
    bytes as f64 / time(&mut || reader.run(simd))
}

/// Bytes a second, read and written, scaling an array of `bytes` in place.
pub fn scale<T: Scalar>(simd: Simd, bytes: usize, time: impl Fn(&mut dyn FnMut()) -> f64) -> f64 {
    let mut scaler = Scaler::<T>::new(bytes / size_of::<T>());
    2.0 * bytes as f64 / time(&mut || scaler.run(simd))
}

/// Multiply-adds a second, in registers.
pub fn multiply_adds<T: Scalar>(simd: Simd, time: impl Fn(&mut dyn FnMut()) -> f64) -> f64 {
    ADDS as f64 / time(&mut || add_up::<T>(simd))
}
