//! f32 functions without branches, so that loops over them vectorise: selects, fused multiply-adds and
//! integer arithmetic on the bits. Each says how far it is from the exact value at most, in units of the
//! last place over all 2³² arguments (`docs/numerics.md` has the figures and the command that finds them);
//! limits are exact, NaN comes out where it goes in. The polynomials are minimax fits for the intervals given.
//!
//! Short chains of dependent operations matter as much as few operations: an iteration is some forty
//! instructions, and a processor that looks a few hundred ahead overlaps only so many. Hence Estrin's
//! order where Horner's would do, and scalings by powers of two whose bits fall out of one shift.

/// 1.5 · 2²³: adding it rounds to an integer, which then sits in the low bits. Its own low nine bits are 0, so that
/// after a shift by 23 the integer alone is left, in the place of an exponent.
const ROUND: f32 = 12_582_912.0;
/// The exponent of 1 as it is stored.
const BIAS: f32 = 127.0;
/// log 2 in two parts; the first has few enough bits that its product with an exponent is exact.
const LN2_HIGH: f32 = 0.693_359_375;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// What `LOG2_E` of f32 lacks.
const LOG2_E_LOW: f32 = 1.925_963e-8;
/// What numerator and denominator of a sigmoid are multiplied by.
const UNIT: f32 = 1.0 / 4_294_967_296.0;
/// The straight part of -log(2 · Φ(-s)) that is taken out of its polynomial.
const TILT: f32 = 0.4375;
/// The parabola without constant nearest to log₂(2 · Φ(-s)).
const LINEAR: f32 = -0.636_806_5 * std::f32::consts::LOG2_E;
const SQUARE: f32 = -(0.5 - 0.051_106_48) * std::f32::consts::LOG2_E;

/// p(x) with the lowest coefficient first, by pairs: half the chain of Horner's order for one multiplication.
#[inline(always)]
fn pairs<const N: usize>(x: f32, square: f32, coefficients: [f32; N]) -> f32 {
    let pair = |i: usize| {
        if i + 1 < N { coefficients[i + 1].mul_add(x, coefficients[i]) } else { coefficients[i] }
    };
    let mut i = (N - 1) / 2 * 2;
    let mut sum = pair(i);
    while i > 0 {
        i -= 2;
        sum = sum.mul_add(square, pair(i));
    }
    sum
}

/// The same by fours, for long polynomials.
#[inline(always)]
fn fours<const N: usize>(x: f32, square: f32, coefficients: [f32; N]) -> f32 {
    let fourth = square * square;
    let pair = |i: usize| {
        if i + 1 < N { coefficients[i + 1].mul_add(x, coefficients[i]) } else { coefficients[i] }
    };
    let four = |i: usize| if i + 2 < N { pair(i + 2).mul_add(square, pair(i)) } else { pair(i) };
    let mut i = (N - 1) / 4 * 4;
    let mut sum = four(i);
    while i > 0 {
        i -= 4;
        sum = sum.mul_add(fourth, four(i));
    }
    sum
}

/// e^r - 1 on |r| ≤ ln 2 / 2.
#[inline(always)]
fn small_expm1(r: f32) -> f32 {
    let square = r * r;
    // (e^r - 1 - r) / r².
    let q = pairs(r, square, [0.5, 0.166_665_33, 0.041_667_24, 0.008_367_61, 0.001_386_367_3]);
    q.mul_add(square, r)
}

/// x = n · ln 2 + r: r, and n + `bias` in the low nine bits.
#[inline(always)]
fn split(x: f32, bias: f32) -> (f32, u32) {
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND + bias);
    let n = shifted - (ROUND + bias);
    let r = n.mul_add(-LN2_HIGH, x);
    (n.mul_add(-LN2_LOW, r), shifted.to_bits())
}

/// The same with one rounded log 2: r is off by n · 1.9e-9.
#[inline(always)]
fn split_short(x: f32, bias: f32) -> (f32, u32) {
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND + bias);
    let n = shifted - (ROUND + bias);
    (n.mul_add(-std::f32::consts::LN_2, x), shifted.to_bits())
}

/// Two powers of two whose product is 2ⁿ, for bits that have n + 254 in the low nine: 2ⁿ itself may be out
/// of range while the result is not.
#[inline(always)]
fn powers(bits: u32) -> (f32, f32) {
    let first = (bits >> 1) << 23;
    (f32::from_bits(first), f32::from_bits((bits << 23).wrapping_sub(first)))
}

#[inline(always)]
fn at_most(x: f32, limit: f32) -> f32 {
    if x > limit { limit } else { x }
}

#[inline(always)]
fn at_least(x: f32, limit: f32) -> f32 {
    if x < limit { limit } else { x }
}

/// e^x; at most 1.1 ulp.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Beyond these limits the result is 0 or ∞ anyway; a NaN fails both comparisons and stays.
    let x = at_most(at_least(x, -104.0), 89.0);
    let (r, bits) = split(x, 2.0 * BIAS);
    let (first, second) = powers(bits);
    small_expm1(r).mul_add(first, first) * second
}

/// e^x - 1; at most 2 ulp, and -0 for -0.
#[inline(always)]
pub fn expm1(x: f32) -> f32 {
    let clamped = at_most(at_least(x, -18.0), 89.0);
    let (r, bits) = split(clamped, 2.0 * BIAS);
    let (first, second) = powers(bits);
    // One over the second factor: what the scaling makes a 1 of.
    let one = f32::from_bits((254u32 << 23).wrapping_sub(second.to_bits()));
    let value = small_expm1(r).mul_add(first, first - one) * second;
    value.copysign(x)
}

/// x = (1 + f) · 2ᵉ with 1 + f in [⅔, 4/3), for positive normal x: f and e.
#[inline(always)]
fn mantissa(x: f32) -> (f32, i32) {
    const TWO_THIRDS: u32 = 0x3f2a_aaab;
    let bits = x.to_bits().wrapping_sub(TWO_THIRDS);
    let f = f32::from_bits((bits & 0x007f_ffff).wrapping_add(TWO_THIRDS)) - 1.0;
    (f, (bits as i32) >> 23)
}

/// A logarithm's value where x is positive and finite, else its limits.
#[inline(always)]
fn with_limits(x: f32, value: f32) -> f32 {
    // Positive and finite: one comparison of integers, which a classification of floats would not become.
    let ordinary =
        (x.to_bits().wrapping_add(0x7fff_ffff) as i32) < (0x7f7f_ffff_u32.wrapping_add(0x8000_0000) as i32);
    // ∞ for ∞, NaN for negative numbers and NaN.
    let limit = x.mul_add(f32::INFINITY, f32::INFINITY);
    let limit = if x == 0.0 { f32::NEG_INFINITY } else { limit };
    if ordinary { value } else { limit }
}

/// x or, where x is subnormal, x · 2²³, and the exponent to add.
#[inline(always)]
fn normalized(x: f32) -> (f32, f32) {
    let tiny = x < f32::MIN_POSITIVE;
    (if tiny { x * 8_388_608.0 } else { x }, if tiny { -23.0 } else { 0.0 })
}

/// log((1 + f) · 2ᵉ).
#[inline(always)]
fn log_of(f: f32, e: f32) -> f32 {
    let square = f * f;
    // (log(1 + f) - f + f² / 2) / f³.
    let r = fours(
        f,
        square,
        [
            0.333_332_15,
            -0.249_998_02,
            0.200_104_52,
            -0.166_803_1,
            0.140_051_38,
            -0.121_865_83,
            0.139_880_08,
            -0.128_820_76,
        ],
    );
    let tail = r.mul_add(square * f, e * LN2_LOW);
    e.mul_add(LN2_HIGH, (-0.5f32).mul_add(square, tail) + f)
}

/// log x; at most 1 ulp.
#[inline(always)]
pub fn log(x: f32) -> f32 {
    let (scaled, offset) = normalized(x);
    let (f, e) = mantissa(scaled);
    with_limits(x, log_of(f, e as f32 + offset))
}

/// log₂ x; at most 1.5 ulp, exact for powers of two.
#[inline(always)]
pub fn log2(x: f32) -> f32 {
    let (scaled, offset) = normalized(x);
    let (f, e) = mantissa(scaled);
    let square = f * f;
    // (log₂(1 + f) - f · log₂ e) / f².
    let q = fours(
        f,
        square,
        [
            -0.721_347_5,
            0.480_896_7,
            -0.360_671_5,
            0.288_686_63,
            -0.240_633_76,
            0.202_095_12,
            -0.175_921_08,
            0.201_615_54,
            -0.185_523_03,
        ],
    );
    let tail = q.mul_add(square, f * LOG2_E_LOW);
    with_limits(x, f.mul_add(std::f32::consts::LOG2_E, tail) + (e as f32 + offset))
}

/// log(1 + x); at most 2 ulp, and -0 for -0.
#[inline(always)]
pub fn log1p(x: f32) -> f32 {
    let u = 1.0 + x;
    // What rounding took from 1 + x.
    let lost = x - (u - 1.0);
    let (f, e) = mantissa(u);
    // In units of 2ᵉ it belongs to f. Of large x nothing that matters was lost, and 2⁻ᵉ may be no number.
    let unit = f32::from_bits((127i32.wrapping_sub(e) << 23) as u32);
    let unit = if x < 1e9 { unit } else { 0.0 };
    let value = with_limits(u, log_of(lost.mul_add(unit, f), e as f32));
    value.copysign(x)
}

/// Hyperbolic tangent; at most 1.5 ulp.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let u = x * x;
    // (tanh x - x) / x³ in x² on x² ≤ 0.303.
    let p = pairs(u, u * u, [-0.333_329_44, 0.133_206_6, -0.052_667_595, 0.016_429_402]);
    let near = (p * u).mul_add(x, x);
    // 1 - 2 / (e^2|x| + 1), which is 1 from 9.02 on.
    let (r, bits) = split_short(2.0 * at_most(x.abs(), 9.1), BIAS);
    let power = f32::from_bits(bits << 23);
    let far = 1.0 - 2.0 / small_expm1(r).mul_add(power, power + 1.0);
    // The sign again where both are 0.
    (if x.abs() < 0.55 { near } else { far }).copysign(x)
}

/// 1 / (1 + e^-x); at most 2 ulp.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    // Above 20 the result rounds to 1, below -104 to 0.
    let (r, bits) = split(-at_most(at_least(x, -104.0), 20.0), BIAS - 32.0);
    // Numerator and denominator both times 2⁻³², so that the denominator stays in range where the quotient
    // is subnormal.
    let power = f32::from_bits(bits << 23);
    let sum = power + UNIT;
    let lost = UNIT - (sum - power);
    UNIT / (small_expm1(r).mul_add(power, lost) + sum)
}

/// Error function; at most 2 ulp.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let size = at_most(x.abs(), 4.0);
    let u = size * size;
    let fourth = u * u;
    // erf x / x - 1 in x² on |x| ≤ 0.58.
    let near =
        pairs(u, fourth, [0.12837917, -0.3761256, 0.112816416, -0.026677603, 0.0045585562]).mul_add(x, x);
    // -log(erfc x) on 0.58 to 4, where erf rounds to 1.
    let q = fours(
        size,
        u,
        [-3.2666332e-05, 1.1286983, 0.6353185, 0.105697356, -0.023142923, 0.0032896204, -0.00022276594],
    );
    let (r, bits) = split_short(-q, BIAS);
    let power = f32::from_bits(bits << 23);
    let far = (-small_expm1(r)).mul_add(power, 1.0 - power);
    if size < 0.58 { near } else { far.copysign(x) }
}

/// From here on x · Φ(x) rounds to 0 for negative x.
const LAST: f32 = 14.5;

/// Twice the normal distribution's upper tail, 2 · Φ(-s) for s from 0 to [`LAST`], as (1 + first) · second · third:
/// the first is small, the others are powers of two. Beyond 8, where Φ is below 2⁻⁵⁰, it only has the right size.
#[inline(always)]
fn twice_tail(s: f32) -> (f32, f32, f32) {
    // -log(2 · Φ(-s)) = s² / 2 + 7/16 · s + m(s), where m stays small: what it rounds off is small too.
    let near = at_most(s, 8.0);
    let c = near - 2.0;
    let m = fours(
        c,
        c * c,
        [
            0.21503715,
            -0.06428446,
            -0.05713959,
            0.009892617,
            -0.001642482,
            0.00024250042,
            -2.8675497e-05,
            1.7775089e-06,
            3.2212958e-07,
            -1.4822345e-07,
            2.9532039e-08,
            -3.1796965e-09,
            1.4484013e-10,
        ],
    );
    // Beyond 8, a straight line.
    let m = (s - near).mul_add(-0.337, m);
    // s / 2 + TILT and its product with s, both in two parts.
    let sum = s.mul_add(0.5, TILT);
    let high = s * sum;
    let low = s.mul_add(sum, -high);
    let low = s.mul_add(s.mul_add(0.5, TILT - sum), low);
    // The power of two from a parabola that is 0.06 off at most, so that it need not wait for m; e^r - 1 then
    // has its own polynomial, for |r| ≤ 0.41.
    let shifted = s.mul_add(SQUARE, LINEAR).mul_add(s, ROUND + 2.0 * BIAS);
    let n = shifted - (ROUND + 2.0 * BIAS);
    // The small parts apart, so that two sums round and not three.
    let r = (n.mul_add(-LN2_HIGH, -high) - m) - n.mul_add(LN2_LOW, low);
    let (first, second) = powers(shifted.to_bits());
    let square = r * r;
    let q = pairs(r, square, [0.49999982, 0.16666378, 0.04167, 0.008383105, 0.0013787737]);
    (q.mul_add(square, r), first, second)
}

/// x · Φ(x); at most 2 ulp of the larger of its value and |x| · 2⁻²⁴. As in PyTorch, ∞ of both signs gives NaN
/// and numbers whose double overflows give ∞.
#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    let size = at_most(x.abs(), LAST);
    let (power, first, second) = twice_tail(size);
    // |x| times powers of two is exact, so that the product rounds once.
    let scaled = size * first;
    let part = power.mul_add(scaled, scaled) * second;
    // max(x, 0) - |x| · Φ(-|x|).
    let line = x.mul_add(0.0, if x > 0.0 { x } else { -0.0 });
    0.5 * ((line + line) - part)
}

/// Φ(x), the normal distribution's integral; at most 3 ulp of the larger of its value and 2⁻²⁴.
#[inline(always)]
pub fn ndtr(x: f32) -> f32 {
    let (power, first, second) = twice_tail(at_most(x.abs(), LAST));
    let tail = power.mul_add(first, first) * second;
    0.5 * if x > 0.0 { 2.0 - tail } else { tail }
}
