//! Choose the instruction set once, at run time.

use super::lanes;

/// A loop that is compiled for every instruction set.
///
/// Mark `run` and everything it calls `#[inline(always)]`: a function that is
/// not inlined is compiled for the baseline and runs many times slower.
pub trait Kernel {
    /// What the loop returns.
    type Output;
    /// The loop; `FMA` tells whether fused multiply-adds are available.
    fn run<const FMA: bool>(self) -> Self::Output;
}

/// A loop with reductions, written with [`Lanes`](super::Lanes).
pub trait LaneKernel {
    /// What the loop returns.
    type Output;
    /// The loop. Everything it calls must be `#[inline(always)]`, as for [`Kernel`].
    fn run<L: super::Level>(self) -> Self::Output;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// The instruction set in use. Only sets this processor has can be constructed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simd(Level);

impl Simd {
    /// The widest set this processor has.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let fma = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if fma
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
            {
                return Self(Level::Avx512);
            }
            if fma {
                return Self(Level::Avx2);
            }
        }
        Self(Level::Portable)
    }

    /// Every set this processor has, not only the widest.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self(Level::Portable)];
        #[cfg(target_arch = "x86_64")]
        if Self::detect() == Self(Level::Avx512) {
            all.push(Self(Level::Avx2));
        }
        all.extend((Self::detect() != all[0]).then(Self::detect));
        all
    }

    /// No fused multiply-adds: the same bits on every machine.
    pub fn portable() -> Self {
        Self(Level::Portable)
    }

    /// Name for reports.
    pub fn name(self) -> &'static str {
        match self.0 {
            Level::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2+fma",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
        }
    }

    /// Runs the version of `kernel` compiled for this instruction set.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Level::Portable => kernel.run::<false>(),
            // SAFETY: `detect` is the only constructor of this level and found the features.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512(kernel) },
        }
    }

    /// Runs the version of `kernel` compiled for this instruction set.
    #[inline]
    pub fn run_lanes<K: LaneKernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Level::Portable => kernel.run::<lanes::Portable>(),
            // SAFETY: as in `run`.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2_lanes(kernel) },
            // SAFETY: as in `run`.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512_lanes(kernel) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2_lanes<K: LaneKernel>(kernel: K) -> K::Output {
    kernel.run::<lanes::Avx2>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx2,fma")]
fn avx512_lanes<K: LaneKernel>(kernel: K) -> K::Output {
    kernel.run::<lanes::Avx512>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<true>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx2,fma")]
fn avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<true>()
}
