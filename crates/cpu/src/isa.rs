//! Instruction sets: which there are, which the machine has, and the shells that compile one
//! generic body for each of them.

use std::fmt;

use neuroxide_core::error::{Error, Result};

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Isa {
    /// What every machine of the target has.
    Portable,
    /// AVX2 with FMA.
    Avx2,
    /// AVX-512 F, DQ, BW and VL with FMA.
    Avx512,
}

impl Isa {
    /// Every instruction set, from the narrowest to the widest.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The name that `NEUROXIDE_ISA` takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// The widest one of this machine.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl");
            if avx2 && avx512 {
                return Self::Avx512;
            }
            if avx2 {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// Those that this machine can run.
    pub fn available() -> impl Iterator<Item = Self> {
        let best = Self::detect();
        Self::ALL.into_iter().filter(move |&isa| isa <= best)
    }

    /// The one of a name; `Error::Value` where there is none or the machine lacks it.
    pub fn parse(name: &str) -> Result<Self> {
        Self::available().find(|isa| isa.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Self::available().map(Self::name).collect();
            let known = Self::ALL.iter().any(|isa| isa.name() == name);
            let why = if known { "is not available on this machine" } else { "is no instruction set" };
            Error::Value(format!("NEUROXIDE_ISA: {name:?} {why}; expected one of {}", names.join(", ")))
        })
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Compiles a generic `#[inline(always)]` body for every instruction set: the function made
/// returns the compiled variant for one.
///
/// The variants are `unsafe fn`: besides the body's own contract the caller guarantees that the
/// instruction set is available, which holds for every [`Isa`] that a backend was built with.
macro_rules! shells {
    ($(#[$meta:meta])* $vis:vis fn $name:ident $(<$($G:ident),*>)? = $body:path as fn($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)?
        $(where $($bound:tt)*)?) => {
        $(#[$meta])*
        $vis fn $name $(<$($G),*>)? (isa: $crate::isa::Isa) -> unsafe fn($($ty),*) $(-> $ret)? $(where $($bound)*)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
            unsafe fn avx512 $(<$($G),*>)? ($($arg: $ty),*) $(-> $ret)? $(where $($bound)*)? {
                // SAFETY: the contract of the body is passed on.
                unsafe { $body($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2 $(<$($G),*>)? ($($arg: $ty),*) $(-> $ret)? $(where $($bound)*)? {
                // SAFETY: the contract of the body is passed on.
                unsafe { $body($($arg),*) }
            }
            unsafe fn portable $(<$($G),*>)? ($($arg: $ty),*) $(-> $ret)? $(where $($bound)*)? {
                // SAFETY: the contract of the body is passed on.
                unsafe { $body($($arg),*) }
            }
            match isa {
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Isa::Avx512 => avx512 $(::<$($G),*>)?,
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Isa::Avx2 => avx2 $(::<$($G),*>)?,
                _ => portable $(::<$($G),*>)?,
            }
        }
    };
}
pub(crate) use shells;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_and_unknown_ones_named() {
        assert_eq!(Isa::parse("portable").unwrap(), Isa::Portable);
        let error = Isa::parse("sse9").unwrap_err();
        assert_eq!(error.code(), "ERR_VALUE");
        assert!(error.message().contains("portable"), "{error}");
    }

    #[test]
    fn detected_is_available() {
        assert_eq!(Isa::available().last(), Some(Isa::detect()));
    }
}
