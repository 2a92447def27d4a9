//! Sixteen numbers in registers, for the loops whose sums the compiler would arrange badly by itself.
//!
//! Long element-wise loops vectorise well from plain Rust. Reductions do not (left to itself the compiler gathers across
//! rows: 12 instead of 58 GFLOP/s measured for y = W x at n = 128), nor do rows of a few lines, which fall into the
//! remainder of an unrolled loop; those are written with these.

use super::LANES;
use crate::Number;

/// Sixteen numbers in memory.
pub(super) type Line<T> = [T; LANES];

/// The whole lines of an array.
#[inline(always)]
pub(super) fn lines<T>(values: &[T]) -> &[Line<T>] {
    values.as_chunks().0
}

/// The whole lines of an array, to write.
#[inline(always)]
pub(super) fn lines_mut<T>(values: &mut [T]) -> &mut [Line<T>] {
    values.as_chunks_mut().0
}

/// The line that begins at `at`.
#[inline(always)]
pub(super) fn line_at<T>(values: &[T], at: usize) -> &Line<T> {
    match values[at..].first_chunk() {
        Some(line) => line,
        None => unreachable!("rows are padded to whole lines"),
    }
}

/// The line that begins at `at`, to write.
#[inline(always)]
pub(super) fn line_at_mut<T>(values: &mut [T], at: usize) -> &mut Line<T> {
    match values[at..].first_chunk_mut() {
        Some(line) => line,
        None => unreachable!("rows are padded to whole lines"),
    }
}

/// Sixteen numbers.
///
/// Nothing here or in a [`LaneKernel`](super::LaneKernel) may map over an array of these: the closure, and the library's function that
/// calls it, would be compiled for the baseline, and pass every register through memory.
pub trait Lanes<T>: Copy {
    /// How many of these the registers hold; a loop needs some for what is not a sum.
    const ROOM: usize;
    /// All equal.
    fn splat(value: T) -> Self;
    /// From memory.
    fn load(line: &[T; LANES]) -> Self;
    /// To memory.
    fn store(self, line: &mut [T; LANES]);
    /// `self + term`.
    fn add(self, term: Self) -> Self;
    /// `self * factor`.
    fn mul(self, factor: Self) -> Self;
    /// `self * factor + term`.
    fn fma(self, factor: Self, term: Self) -> Self;
    /// The sum, always in the same order: halves of 8, of 4, then (0 + 2) + (1 + 3).
    fn sum(self) -> T;
    /// The sums of four, bit for bit as [`Lanes::sum`] gives them, for fewer shuffles.
    #[inline(always)]
    fn sums([a, b, c, d]: [Self; 4]) -> [T; 4] {
        [a.sum(), b.sum(), c.sum(), d.sum()]
    }
}

/// An instruction set: how it holds sixteen numbers and multiplies and adds.
pub trait Level {
    /// Sixteen numbers.
    type Lanes<T: Number>: Lanes<T>;
    /// `a * b + c`.
    fn fma<T: Number>(a: T, b: T, c: T) -> T;
}

/// How a number type is held by each instruction set.
pub trait Vectors: Sized {
    /// Without fused multiply-adds.
    type Portable: Lanes<Self>;
    /// In 256-bit registers.
    type Wide: Lanes<Self>;
    /// In 512-bit registers.
    type Widest: Lanes<Self>;
}

/// Plain arrays.
#[derive(Clone, Copy)]
pub struct Plain<T>([T; LANES]);

impl<T: Number> Lanes<T> for Plain<T> {
    const ROOM: usize = 4;
    #[inline(always)]
    fn splat(value: T) -> Self {
        Self([value; LANES])
    }
    #[inline(always)]
    fn load(line: &[T; LANES]) -> Self {
        Self(*line)
    }
    #[inline(always)]
    fn store(self, line: &mut [T; LANES]) {
        *line = self.0;
    }
    #[inline(always)]
    fn add(self, term: Self) -> Self {
        let mut result = self.0;
        for (r, t) in result.iter_mut().zip(term.0) {
            *r += t;
        }
        Self(result)
    }
    #[inline(always)]
    fn mul(self, factor: Self) -> Self {
        let mut result = self.0;
        for (r, f) in result.iter_mut().zip(factor.0) {
            *r = *r * f;
        }
        Self(result)
    }
    #[inline(always)]
    fn fma(self, factor: Self, term: Self) -> Self {
        let mut result = term.0;
        for ((r, a), f) in result.iter_mut().zip(self.0).zip(factor.0) {
            *r += a * f;
        }
        Self(result)
    }
    #[inline(always)]
    fn sum(self) -> T {
        let mut line = self.0;
        for k in 0..8 {
            line[k] += line[k + 8];
        }
        for k in 0..4 {
            line[k] += line[k + 4];
        }
        (line[0] + line[2]) + (line[1] + line[3])
    }
}

pub(super) struct Portable;

impl Level for Portable {
    type Lanes<T: Number> = T::Portable;
    #[inline(always)]
    fn fma<T: Number>(a: T, b: T, c: T) -> T {
        a * b + c
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod target {
    use super::Plain;

    impl super::Vectors for f32 {
        type Portable = Plain<Self>;
        type Wide = Plain<Self>;
        type Widest = Plain<Self>;
    }

    impl super::Vectors for f64 {
        type Portable = Plain<Self>;
        type Wide = Plain<Self>;
        type Widest = Plain<Self>;
    }
}

#[cfg(target_arch = "x86_64")]
mod target {
    //! SAFETY, for every `unsafe` below: these types are reached only through the levels `Avx2` and `Avx512`, which
    //! `Simd::run_lanes` enters only on processors that have the instructions; loads and stores go through references
    //! to sixteen numbers.

    use std::arch::x86_64::*;

    use super::{LANES, Lanes, Level, Plain, Vectors};
    use crate::Number;

    pub struct Avx2;
    pub struct Avx512;

    impl Level for Avx2 {
        type Lanes<T: Number> = T::Wide;
        #[inline(always)]
        fn fma<T: Number>(a: T, b: T, c: T) -> T {
            a.fma::<true>(b, c)
        }
    }

    impl Level for Avx512 {
        type Lanes<T: Number> = T::Widest;
        #[inline(always)]
        fn fma<T: Number>(a: T, b: T, c: T) -> T {
            a.fma::<true>(b, c)
        }
    }

    impl Vectors for f32 {
        type Portable = Plain<Self>;
        type Wide = F32x8x2;
        type Widest = F32x16;
    }

    impl Vectors for f64 {
        type Portable = Plain<Self>;
        type Wide = F64x4x4;
        type Widest = F64x8x2;
    }

    #[derive(Clone, Copy)]
    pub struct F32x8x2(__m256, __m256);
    #[derive(Clone, Copy)]
    pub struct F32x16(__m512);
    #[derive(Clone, Copy)]
    pub struct F64x4x4(__m256d, __m256d, __m256d, __m256d);
    #[derive(Clone, Copy)]
    pub struct F64x8x2(__m512d, __m512d);

    #[inline(always)]
    fn sum_f32x8(eight: __m256) -> f32 {
        unsafe {
            let four = _mm_add_ps(
                _mm256_castps256_ps128(eight),
                _mm256_extractf128_ps::<1>(eight),
            );
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[inline(always)]
    fn sum_f64x4(four: __m256d) -> f64 {
        unsafe {
            let two = _mm_add_pd(
                _mm256_castpd256_pd128(four),
                _mm256_extractf128_pd::<1>(four),
            );
            _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
        }
    }

    /// (0 + 2) + (1 + 3) of each.
    #[inline(always)]
    fn sums_f32x4([a, b, c, d]: [__m128; 4]) -> [f32; 4] {
        unsafe {
            let ab = _mm_add_ps(_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
            let cd = _mm_add_ps(_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
            let sums = _mm_add_ps(_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab));
            let mut result = [0.0; 4];
            _mm_storeu_ps(result.as_mut_ptr(), sums);
            result
        }
    }

    impl Lanes<f32> for F32x8x2 {
        const ROOM: usize = 8;
        #[inline(always)]
        fn splat(value: f32) -> Self {
            unsafe { Self(_mm256_set1_ps(value), _mm256_set1_ps(value)) }
        }
        #[inline(always)]
        fn load(line: &[f32; LANES]) -> Self {
            let p = line.as_ptr();
            unsafe { Self(_mm256_loadu_ps(p), _mm256_loadu_ps(p.add(8))) }
        }
        #[inline(always)]
        fn store(self, line: &mut [f32; LANES]) {
            let p = line.as_mut_ptr();
            unsafe {
                _mm256_storeu_ps(p, self.0);
                _mm256_storeu_ps(p.add(8), self.1);
            }
        }
        #[inline(always)]
        fn add(self, t: Self) -> Self {
            unsafe { Self(_mm256_add_ps(self.0, t.0), _mm256_add_ps(self.1, t.1)) }
        }
        #[inline(always)]
        fn mul(self, f: Self) -> Self {
            unsafe { Self(_mm256_mul_ps(self.0, f.0), _mm256_mul_ps(self.1, f.1)) }
        }
        #[inline(always)]
        fn fma(self, f: Self, t: Self) -> Self {
            unsafe {
                Self(
                    _mm256_fmadd_ps(self.0, f.0, t.0),
                    _mm256_fmadd_ps(self.1, f.1, t.1),
                )
            }
        }
        #[inline(always)]
        fn sum(self) -> f32 {
            sum_f32x8(unsafe { _mm256_add_ps(self.0, self.1) })
        }
        #[inline(always)]
        fn sums([a, b, c, d]: [Self; 4]) -> [f32; 4] {
            #[inline(always)]
            fn four(v: F32x8x2) -> __m128 {
                unsafe {
                    let eight = _mm256_add_ps(v.0, v.1);
                    let high = _mm256_extractf128_ps::<1>(eight);
                    _mm_add_ps(_mm256_castps256_ps128(eight), high)
                }
            }
            sums_f32x4([four(a), four(b), four(c), four(d)])
        }
    }

    impl Lanes<f32> for F32x16 {
        const ROOM: usize = 32;
        #[inline(always)]
        fn splat(value: f32) -> Self {
            unsafe { Self(_mm512_set1_ps(value)) }
        }
        #[inline(always)]
        fn load(line: &[f32; LANES]) -> Self {
            unsafe { Self(_mm512_loadu_ps(line.as_ptr())) }
        }
        #[inline(always)]
        fn store(self, line: &mut [f32; LANES]) {
            unsafe { _mm512_storeu_ps(line.as_mut_ptr(), self.0) }
        }
        #[inline(always)]
        fn add(self, t: Self) -> Self {
            unsafe { Self(_mm512_add_ps(self.0, t.0)) }
        }
        #[inline(always)]
        fn mul(self, f: Self) -> Self {
            unsafe { Self(_mm512_mul_ps(self.0, f.0)) }
        }
        #[inline(always)]
        fn fma(self, f: Self, t: Self) -> Self {
            unsafe { Self(_mm512_fmadd_ps(self.0, f.0, t.0)) }
        }
        #[inline(always)]
        fn sum(self) -> f32 {
            unsafe {
                let low = _mm512_castps512_ps256(self.0);
                sum_f32x8(_mm256_add_ps(low, _mm512_extractf32x8_ps::<1>(self.0)))
            }
        }
        #[inline(always)]
        fn sums([a, b, c, d]: [Self; 4]) -> [f32; 4] {
            /// Low halves of two side by side plus high halves of two side by side.
            #[inline(always)]
            fn halves(a: __m512, b: __m512) -> __m512 {
                unsafe {
                    let low = _mm512_shuffle_f32x4::<0b01_00_01_00>(a, b);
                    _mm512_add_ps(low, _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b))
                }
            }
            unsafe {
                let (ab, cd) = (halves(a.0, b.0), halves(c.0, d.0));
                // Even quarters are the lower four of a row, odd ones the upper: now a quarter is a row.
                let rows = _mm512_add_ps(
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(ab, cd),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(ab, cd),
                );
                let two = _mm512_add_ps(rows, _mm512_permute_ps::<0b11_10_11_10>(rows));
                let sums = _mm512_add_ps(two, _mm512_permute_ps::<0b01_01_01_01>(two));
                let first = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
                let sums = _mm512_castps512_ps128(_mm512_permutexvar_ps(first, sums));
                let mut result = [0.0; 4];
                _mm_storeu_ps(result.as_mut_ptr(), sums);
                result
            }
        }
    }

    impl Lanes<f64> for F64x4x4 {
        const ROOM: usize = 4;
        #[inline(always)]
        fn splat(value: f64) -> Self {
            let v = unsafe { _mm256_set1_pd(value) };
            Self(v, v, v, v)
        }
        #[inline(always)]
        fn load(line: &[f64; LANES]) -> Self {
            let p = line.as_ptr();
            unsafe {
                Self(
                    _mm256_loadu_pd(p),
                    _mm256_loadu_pd(p.add(4)),
                    _mm256_loadu_pd(p.add(8)),
                    _mm256_loadu_pd(p.add(12)),
                )
            }
        }
        #[inline(always)]
        fn store(self, line: &mut [f64; LANES]) {
            let p = line.as_mut_ptr();
            unsafe {
                _mm256_storeu_pd(p, self.0);
                _mm256_storeu_pd(p.add(4), self.1);
                _mm256_storeu_pd(p.add(8), self.2);
                _mm256_storeu_pd(p.add(12), self.3);
            }
        }
        #[inline(always)]
        fn add(self, t: Self) -> Self {
            unsafe {
                Self(
                    _mm256_add_pd(self.0, t.0),
                    _mm256_add_pd(self.1, t.1),
                    _mm256_add_pd(self.2, t.2),
                    _mm256_add_pd(self.3, t.3),
                )
            }
        }
        #[inline(always)]
        fn mul(self, f: Self) -> Self {
            unsafe {
                Self(
                    _mm256_mul_pd(self.0, f.0),
                    _mm256_mul_pd(self.1, f.1),
                    _mm256_mul_pd(self.2, f.2),
                    _mm256_mul_pd(self.3, f.3),
                )
            }
        }
        #[inline(always)]
        fn fma(self, f: Self, t: Self) -> Self {
            unsafe {
                Self(
                    _mm256_fmadd_pd(self.0, f.0, t.0),
                    _mm256_fmadd_pd(self.1, f.1, t.1),
                    _mm256_fmadd_pd(self.2, f.2, t.2),
                    _mm256_fmadd_pd(self.3, f.3, t.3),
                )
            }
        }
        #[inline(always)]
        fn sum(self) -> f64 {
            unsafe {
                let (a, b) = (_mm256_add_pd(self.0, self.2), _mm256_add_pd(self.1, self.3));
                sum_f64x4(_mm256_add_pd(a, b))
            }
        }
    }

    impl Lanes<f64> for F64x8x2 {
        const ROOM: usize = 16;
        #[inline(always)]
        fn splat(value: f64) -> Self {
            let v = unsafe { _mm512_set1_pd(value) };
            Self(v, v)
        }
        #[inline(always)]
        fn load(line: &[f64; LANES]) -> Self {
            let p = line.as_ptr();
            unsafe { Self(_mm512_loadu_pd(p), _mm512_loadu_pd(p.add(8))) }
        }
        #[inline(always)]
        fn store(self, line: &mut [f64; LANES]) {
            let p = line.as_mut_ptr();
            unsafe {
                _mm512_storeu_pd(p, self.0);
                _mm512_storeu_pd(p.add(8), self.1);
            }
        }
        #[inline(always)]
        fn add(self, t: Self) -> Self {
            unsafe { Self(_mm512_add_pd(self.0, t.0), _mm512_add_pd(self.1, t.1)) }
        }
        #[inline(always)]
        fn mul(self, f: Self) -> Self {
            unsafe { Self(_mm512_mul_pd(self.0, f.0), _mm512_mul_pd(self.1, f.1)) }
        }
        #[inline(always)]
        fn fma(self, f: Self, t: Self) -> Self {
            unsafe {
                Self(
                    _mm512_fmadd_pd(self.0, f.0, t.0),
                    _mm512_fmadd_pd(self.1, f.1, t.1),
                )
            }
        }
        #[inline(always)]
        fn sum(self) -> f64 {
            unsafe {
                let eight = _mm512_add_pd(self.0, self.1);
                let low = _mm512_castpd512_pd256(eight);
                sum_f64x4(_mm256_add_pd(low, _mm512_extractf64x4_pd::<1>(eight)))
            }
        }
        #[inline(always)]
        fn sums([a, b, c, d]: [Self; 4]) -> [f64; 4] {
            /// Low halves of two side by side plus high halves of two side by side.
            #[inline(always)]
            fn halves(a: __m512d, b: __m512d) -> __m512d {
                unsafe {
                    let low = _mm512_shuffle_f64x2::<0b01_00_01_00>(a, b);
                    _mm512_add_pd(low, _mm512_shuffle_f64x2::<0b11_10_11_10>(a, b))
                }
            }
            unsafe {
                let (a, b) = (_mm512_add_pd(a.0, a.1), _mm512_add_pd(b.0, b.1));
                let (c, d) = (_mm512_add_pd(c.0, c.1), _mm512_add_pd(d.0, d.1));
                let (ab, cd) = (halves(a, b), halves(c, d));
                let two = _mm512_add_pd(
                    _mm512_shuffle_f64x2::<0b10_00_10_00>(ab, cd),
                    _mm512_shuffle_f64x2::<0b11_01_11_01>(ab, cd),
                );
                let sums = _mm512_add_pd(two, _mm512_permute_pd::<0b0101_0101>(two));
                let first = _mm512_setr_epi64(0, 2, 4, 6, 0, 0, 0, 0);
                let sums = _mm512_castpd512_pd256(_mm512_permutexvar_pd(first, sums));
                let mut result = [0.0; 4];
                _mm256_storeu_pd(result.as_mut_ptr(), sums);
                result
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use target::{Avx2, Avx512};
