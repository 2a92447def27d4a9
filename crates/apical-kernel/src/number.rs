//! Write every algorithm once for 32-bit and 64-bit floating point.

use std::fmt::{Debug, Display};
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

use crate::lanes::Vectors;

/// A floating-point number type: `f32` for speed, `f64` for checks against exact gradients.
pub trait Number:
    Vectors
    + Copy
    + Default
    + Debug
    + Display
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// ½.
    const HALF: Self;
    /// Distance from 1 to the next number.
    const EPSILON: Self;

    /// The nearest value to `value`.
    fn of(value: f64) -> Self;
    /// The same value in 64 bits.
    fn f64(self) -> f64;
    /// Whether neither NaN nor infinite.
    fn finite(self) -> bool;
    /// Absolute value.
    fn magnitude(self) -> Self;
    /// Square root.
    fn root(self) -> Self;
    /// eˣ.
    fn exponential(self) -> Self;
    /// ln(1 + x).
    fn log1p(self) -> Self;
    /// `self * factor + term`, in one rounding when `FMA`.
    ///
    /// `FMA` is a compile-time choice because without the instruction a fused
    /// multiply-add is a library call, fifty times slower than two roundings.
    fn fma<const FMA: bool>(self, factor: Self, term: Self) -> Self;
    /// Hyperbolic tangent without branches or table look-ups, so that loops over it vectorise.
    ///
    /// Largest error 5 units in the last place (6 without FMA).
    fn tanh<const FMA: bool>(self) -> Self;
}

impl Number for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const HALF: Self = 0.5;
    const EPSILON: Self = Self::EPSILON;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value as f32
    }
    #[inline(always)]
    fn f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn finite(self) -> bool {
        self.is_finite()
    }
    #[inline(always)]
    fn magnitude(self) -> Self {
        self.abs()
    }
    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn exponential(self) -> Self {
        self.exp()
    }
    #[inline(always)]
    fn log1p(self) -> Self {
        self.ln_1p()
    }
    #[inline(always)]
    fn fma<const FMA: bool>(self, factor: Self, term: Self) -> Self {
        if FMA {
            self.mul_add(factor, term)
        } else {
            self * factor + term
        }
    }

    /// Rational approximation, odd degree 13 over even degree 6, saturating at |x| = 7.9053
    /// where tanh rounds to one (the minimax coefficients of Eigen's `ptanh`).
    #[inline(always)]
    fn tanh<const FMA: bool>(self) -> Self {
        // A comparison chain, not `clamp`: NaN must pass through.
        const EDGE: f32 = 7.905_311;
        let x = if self > EDGE { EDGE } else { self };
        let x = if x < -EDGE { -EDGE } else { x };
        let square = x * x;
        let mut odd = -2.760_768_5e-16_f32;
        for c in [
            2.000_188e-13,
            -8.604_672e-11,
            5.122_297e-8,
            1.485_722_4e-5,
            6.372_619e-4,
            4.893_524_6e-3,
        ] {
            odd = odd.fma::<FMA>(square, c);
        }
        let mut even = 1.198_258_4e-6_f32;
        for c in [1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3] {
            even = even.fma::<FMA>(square, c);
        }
        x * odd / even
    }
}

impl Number for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const HALF: Self = 0.5;
    const EPSILON: Self = Self::EPSILON;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn finite(self) -> bool {
        self.is_finite()
    }
    #[inline(always)]
    fn magnitude(self) -> Self {
        self.abs()
    }
    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn exponential(self) -> Self {
        self.exp()
    }
    #[inline(always)]
    fn log1p(self) -> Self {
        self.ln_1p()
    }
    #[inline(always)]
    fn fma<const FMA: bool>(self, factor: Self, term: Self) -> Self {
        if FMA {
            self.mul_add(factor, term)
        } else {
            self * factor + term
        }
    }

    /// tanh|x| = E/(E + 2) with E = e^{2|x|} − 1: argument reduction by multiples of ln 2
    /// (in two parts, after Cody and Waite) and the Taylor series of e^r − 1 to r¹³ on |r| ≤ ½ ln 2.
    #[inline(always)]
    fn tanh<const FMA: bool>(self) -> Self {
        const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
        const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
        // Adding 1.5·2⁵² rounds to an integer and leaves it in the low bits.
        const ROUND: f64 = 6_755_399_441_055_744.0;
        let magnitude = self.abs();
        // tanh(20) = 1 in f64. Not `min`: NaN must pass through.
        let z = 2.0 * if magnitude > 20.0 { 20.0 } else { magnitude };
        let shifted = z.fma::<FMA>(std::f64::consts::LOG2_E, ROUND);
        let multiple = shifted - ROUND;
        let r = multiple.fma::<FMA>(-LN2_HIGH, z);
        let r = multiple.fma::<FMA>(-LN2_LOW, r);
        let mut series = 1.0 / 6_227_020_800.0;
        for c in [
            1.0 / 479_001_600.0,
            1.0 / 39_916_800.0,
            1.0 / 3_628_800.0,
            1.0 / 362_880.0,
            1.0 / 40_320.0,
            1.0 / 5_040.0,
            1.0 / 720.0,
            1.0 / 120.0,
            1.0 / 24.0,
            1.0 / 6.0,
            0.5,
        ] {
            series = r.fma::<FMA>(series, c);
        }
        let expm1_r = (r * r).fma::<FMA>(series, r);
        let power = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
        let expm1_z = power.fma::<FMA>(expm1_r, power - 1.0);
        (expm1_z / (expm1_z + 2.0)).copysign(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst_ulp_f64<const FMA: bool>() -> f64 {
        let mut worst: f64 = 0.0;
        for k in 0..200_000 {
            let x = (f64::from(k) * 1e-4 - 10.0) * if k % 3 == 0 { 0.01 } else { 1.0 };
            // The oracle: tanh through expm1, which std computes to below one unit.
            let e = (2.0 * x.abs()).exp_m1();
            let exact = (e / (e + 2.0)).copysign(x);
            let ulp = f64::from_bits(exact.abs().to_bits() + 1) - exact.abs();
            worst = worst.max((Number::tanh::<FMA>(x) - exact).abs() / ulp);
        }
        worst
    }

    fn worst_ulp_f32<const FMA: bool>() -> f64 {
        let mut worst: f64 = 0.0;
        for k in 0..200_000 {
            let x = ((k as f32) * 1e-4 - 10.0) * if k % 3 == 0 { 0.01 } else { 1.0 };
            let exact = f64::from(x).tanh();
            let near = (exact as f32).abs();
            let ulp = f64::from(f32::from_bits(near.to_bits() + 1) - near);
            worst = worst.max((f64::from(Number::tanh::<FMA>(x)) - exact).abs() / ulp);
        }
        worst
    }

    #[test]
    fn tanh_is_accurate() {
        assert!(worst_ulp_f64::<true>() < 5.0, "{}", worst_ulp_f64::<true>());
        assert!(
            worst_ulp_f64::<false>() < 6.0,
            "{}",
            worst_ulp_f64::<false>()
        );
        assert!(worst_ulp_f32::<true>() < 5.0, "{}", worst_ulp_f32::<true>());
        assert!(
            worst_ulp_f32::<false>() < 6.5,
            "{}",
            worst_ulp_f32::<false>()
        );
    }

    #[test]
    fn tanh_keeps_the_edges() {
        assert!(Number::tanh::<true>(f64::NAN).is_nan());
        assert!(Number::tanh::<true>(f32::NAN).is_nan());
        assert_eq!(Number::tanh::<true>(f64::INFINITY), 1.0);
        assert_eq!(Number::tanh::<false>(-1e300_f64), -1.0);
        assert!((Number::tanh::<true>(f32::INFINITY) - 1.0).abs() < 1e-6);
        assert_eq!(Number::tanh::<true>(0.0_f64), 0.0);
        assert_eq!(Number::tanh::<true>(0.0_f32), 0.0);
    }
}
