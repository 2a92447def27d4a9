//! Multiply and add one after the other in wide registers: the bits of [`Simd::portable`] at the speed of the processor.

use super::{LANES, LaneKernel, Lanes, Level, Simd};
use crate::Number;

/// A loop whose products are rounded before they are added, whatever the instruction set.
pub struct Separate<K>(pub K);

impl<K: LaneKernel> LaneKernel for Separate<K> {
    type Output = K::Output;
    #[inline(always)]
    fn run<L: Level>(self) -> K::Output {
        self.0.run::<Unfused<L>>()
    }
}

struct Unfused<L>(L);

impl<L: Level> Level for Unfused<L> {
    type Lanes<T: Number> = UnfusedLanes<L::Lanes<T>>;
    #[inline(always)]
    fn fma<T: Number>(a: T, b: T, c: T) -> T {
        a * b + c
    }
}

#[derive(Clone, Copy)]
struct UnfusedLanes<V>(V);

impl<T, V: Lanes<T>> Lanes<T> for UnfusedLanes<V> {
    const ROOM: usize = V::ROOM;
    #[inline(always)]
    fn splat(value: T) -> Self {
        Self(V::splat(value))
    }
    #[inline(always)]
    fn load(line: &[T; LANES]) -> Self {
        Self(V::load(line))
    }
    #[inline(always)]
    fn store(self, line: &mut [T; LANES]) {
        self.0.store(line);
    }
    #[inline(always)]
    fn add(self, term: Self) -> Self {
        Self(self.0.add(term.0))
    }
    #[inline(always)]
    fn mul(self, factor: Self) -> Self {
        Self(self.0.mul(factor.0))
    }
    #[inline(always)]
    fn fma(self, factor: Self, term: Self) -> Self {
        Self(self.0.mul(factor.0).add(term.0))
    }
    #[inline(always)]
    fn sum(self) -> T {
        self.0.sum()
    }
    #[inline(always)]
    fn sums([a, b, c, d]: [Self; 4]) -> [T; 4] {
        V::sums([a.0, b.0, c.0, d.0])
    }
}

/// Runs `kernel` without fused multiply-adds on the widest registers `simd` has.
pub(super) fn run<K: LaneKernel>(simd: Simd, kernel: K) -> K::Output {
    simd.run_lanes(Separate(kernel))
}
