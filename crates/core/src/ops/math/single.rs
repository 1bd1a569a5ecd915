//! f32 functions without branches, so that loops over them vectorise: selects, fused multiply-adds and
//! integer arithmetic on the bits. At most 2 ulp from the exact value (tested against f64), exact limits
//! at 0 and ±∞, NaN in and out. The polynomials are Chebyshev fits made with mpmath for the intervals given.

/// 1.5 · 2²³: adding it rounds to an integer, which then sits in the low bits.
const ROUND: f32 = 12_582_912.0;
/// log 2 in two parts; the first has few enough bits that its product with an exponent is exact.
const LN2_HIGH: f32 = 0.693_359_375;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Bits of √½.
const ROOT_HALF: u32 = 0x3f35_04f3;

/// p(x) with the highest coefficient first.
#[inline(always)]
fn poly<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[0];
    let mut i = 1;
    while i < N {
        sum = sum.mul_add(x, coefficients[i]);
        i += 1;
    }
    sum
}

/// 2ⁿ for |n| ≤ 126.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) << 23) as u32)
}

#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Beyond these limits the result is 0 or ∞ anyway; a NaN fails both comparisons and stays.
    let x = if x < -104.0 { -104.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_HIGH, x);
    let r = n.mul_add(-LN2_LOW, r);
    // (e^r - 1 - r) / r² on |r| ≤ ln 2 / 2.
    let q = poly(r, [0.001_392_625_1, 0.008_363_233, 0.041_666_554, 0.166_665_77, 0.5]);
    let e = (q * r).mul_add(r, r) + 1.0;
    // In two factors, since 2ⁿ itself may be out of range while the result is not.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = n >> 1;
    e * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

#[inline(always)]
pub fn log(x: f32) -> f32 {
    let tiny = x < f32::MIN_POSITIVE;
    let scaled = if tiny { x * 8_388_608.0 } else { x };
    let offset = if tiny { -23.0 } else { 0.0 };
    // x = m · 2ᵉ with m in [√½, √2).
    let bits = scaled.to_bits().wrapping_sub(ROOT_HALF);
    let e = ((bits as i32) >> 23) as f32 + offset;
    let f = f32::from_bits((bits & 0x007f_ffff).wrapping_add(ROOT_HALF)) - 1.0;
    // (log(1 + f) - f + f² / 2) / f³.
    let r = poly(
        f,
        [
            0.069_716_115,
            -0.114_797_34,
            0.116_854_2,
            -0.124_256_87,
            0.142_490_58,
            -0.166_678_02,
            0.200_007_16,
            -0.249_999_97,
            0.333_333_3,
        ],
    );
    let square = f * f;
    let tail = (r * f).mul_add(square, e * LN2_LOW);
    let sum = (-0.5f32).mul_add(square, tail) + f;
    let value = e.mul_add(LN2_HIGH, sum);
    let value = if x == f32::INFINITY { x } else { value };
    let value = if x == 0.0 { f32::NEG_INFINITY } else { value };
    if x >= 0.0 { value } else { f32::NAN }
}

#[inline(always)]
pub fn log1p(x: f32) -> f32 {
    let u = 1.0 + x;
    // What rounding took from 1 + x, to first order.
    let lost = (x - (u - 1.0)) / u;
    let lost = if u > 0.0 && u < f32::INFINITY { lost } else { 0.0 };
    log(u) + lost
}

#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let size = x.abs();
    let u = x * x;
    // (tanh x - x) / x³ in x² on x² ≤ 0.4.
    let p = poly(u, [-0.006_045_165, 0.020_961_33, -0.053_843_263, 0.133_327_19, -0.333_333_28]);
    let near = (p * u).mul_add(x, x);
    let far = 1.0 - 2.0 / (exp(2.0 * size) + 1.0);
    if size < 0.625 { near } else { far.copysign(x) }
}

#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    let e = exp(-x.abs());
    let above = if x < 0.0 { e } else { 1.0 };
    let below = 1.0 + e;
    let lost = e - (below - 1.0);
    // One Newton step on the quotient takes back what the sum and the division rounded off.
    let inverse = 1.0 / below;
    let quotient = above * inverse;
    let rest = (-quotient).mul_add(lost, (-quotient).mul_add(below, above));
    rest.mul_add(inverse, quotient)
}

#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let size = x.abs();
    let size = if size > 4.0 { 4.0 } else { size };
    let u = x * x;
    // (erf x / x - 2 / √π) / x² in x² on |x| ≤ 0.93.
    let p = poly(u, [8.777_855e-5, -8.245_924e-4, 0.005_210_711, -0.026_863_505, 0.112_837_72, -0.376_126_4]);
    let near = p.mul_add(u, 0.128_379_17).mul_add(x, x);
    // -log(erfc x) on 0.92 to 4, where erf rounds to 1.
    let q = poly(
        size,
        [
            -1.643_569_7e-6,
            4.617_791_3e-5,
            -5.977_434_7e-4,
            0.004_763_575,
            -0.026_431_018,
            0.110_094_48,
            0.631_814_5,
            1.130_237_6,
            -3.204_415_3e-4,
        ],
    );
    let far = 1.0 - exp(-q);
    if size < 0.925 { near } else { far.copysign(x) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distance in units of the last place of the exact value.
    fn ulps(found: f32, exact: f64) -> f64 {
        if exact.is_nan() {
            return if found.is_nan() { 0.0 } else { f64::INFINITY };
        }
        let rounded = exact as f32;
        if rounded.is_infinite() || found.is_infinite() {
            return if rounded == found { 0.0 } else { f64::INFINITY };
        }
        let above = f32::from_bits(rounded.abs().to_bits() + 1);
        let unit = f64::from(above) - f64::from(rounded.abs());
        (f64::from(found) - exact).abs() / unit
    }

    /// Name, function and exact function.
    type Case = (&'static str, fn(f32) -> f32, fn(f64) -> f64);

    /// The largest distance over a sample of all bit patterns, and where it is.
    fn worst(found: fn(f32) -> f32, exact: fn(f64) -> f64) -> (f64, f32) {
        let mut worst = (0.0, 0.0);
        // A prime step meets every exponent and both signs, with ever other fractions.
        for bits in (0..=u32::MAX).step_by(1009) {
            let x = f32::from_bits(bits);
            let distance = ulps(found(x), exact(f64::from(x)));
            if distance > worst.0 {
                worst = (distance, x);
            }
        }
        worst
    }

    #[test]
    fn all_stay_within_two_units_of_the_last_place() {
        let sigmoid64 = |x: f64| 1.0 / (1.0 + libm::exp(-x));
        let cases: [Case; 6] = [
            ("exp", exp, libm::exp),
            ("log", log, libm::log),
            ("log1p", log1p, libm::log1p),
            ("tanh", tanh, libm::tanh),
            ("sigmoid", sigmoid, sigmoid64),
            ("erf", erf, libm::erf),
        ];
        for (name, found, exact) in cases {
            let (distance, at) = worst(found, exact);
            assert!(distance <= 2.0, "{name}: {distance} at {at:e}");
        }
    }

    #[test]
    fn limits_are_exact() {
        let inf = f32::INFINITY;
        assert_eq!([exp(-inf), exp(0.0), exp(inf)], [0.0, 1.0, inf]);
        assert_eq!([log(0.0), log(-0.0), log(1.0), log(inf)], [-inf, -inf, 0.0, inf]);
        assert_eq!([log1p(-1.0), log1p(0.0), log1p(inf)], [-inf, 0.0, inf]);
        assert_eq!([tanh(-inf), tanh(0.0), tanh(inf)], [-1.0, 0.0, 1.0]);
        assert_eq!([sigmoid(-inf), sigmoid(0.0), sigmoid(inf)], [0.0, 0.5, 1.0]);
        assert_eq!([erf(-inf), erf(0.0), erf(inf)], [-1.0, 0.0, 1.0]);
        assert!(log(-1.0).is_nan() && log1p(-1.5).is_nan());
        for f in [exp, log, log1p, tanh, sigmoid, erf] {
            assert!(f(f32::NAN).is_nan());
        }
    }
}
