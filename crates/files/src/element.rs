//! Element types of files, and what becomes of them here.

use neuroxide_core::dtype::DType;
use neuroxide_core::error::Result;

use crate::{malformed, no_room};

/// An element type that a file may have and that tensors here can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    BF16,
    F32,
    F64,
}

impl Element {
    /// Bytes of one element in the file.
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::BF16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// The elements as a tensor has them: integers as i32 where they fit, half floats as f32, any byte but 0 as true.
    /// `raw` is little-endian and whole.
    pub fn converted(self, name: &str, mut raw: Vec<u8>) -> Result<(DType, Vec<u8>)> {
        let whole = |read: fn(&[u8]) -> i64| self.integers(name, &raw, read).map(|bytes| (DType::I32, bytes));
        match self {
            Self::Bool => {
                for byte in &mut raw {
                    *byte = u8::from(*byte != 0);
                }
                Ok((DType::Bool, raw))
            }
            Self::U8 => Ok((DType::U8, raw)),
            Self::I32 => Ok((DType::I32, raw)),
            Self::F32 => Ok((DType::F32, raw)),
            Self::F64 => Ok((DType::F64, raw)),
            Self::I8 => whole(|bytes| i64::from(bytes[0].cast_signed())),
            Self::U16 => whole(|bytes| i64::from(u16::from_le_bytes([bytes[0], bytes[1]]))),
            Self::I16 => whole(|bytes| i64::from(i16::from_le_bytes([bytes[0], bytes[1]]))),
            Self::U32 => {
                whole(|bytes| i64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])))
            }
            Self::I64 => whole(i64_of),
            // What is too large for i64 is for i32 as well.
            Self::U64 => whole(|bytes| i64::try_from(i64_of(bytes).cast_unsigned()).unwrap_or(i64::MAX)),
            Self::F16 => Ok((DType::F32, floats(&raw, f32_of_half)?)),
            Self::BF16 => Ok((DType::F32, floats(&raw, |bits| f32::from_bits(u32::from(bits) << 16))?)),
        }
    }

    fn integers(self, name: &str, raw: &[u8], read: fn(&[u8]) -> i64) -> Result<Vec<u8>> {
        let mut out = room(raw.len() / self.size() * 4)?;
        for (at, bytes) in raw.chunks_exact(self.size()).enumerate() {
            let number = read(bytes);
            let fits = i32::try_from(number).map_err(|_| {
                let (kind, shown) = (self.name(), self.shown(bytes));
                malformed(
                    format!("\"{name}\" is {kind} and its element {at} is {shown}"),
                    "integers from -2147483648 to 2147483647, as i32 holds them",
                )
            })?;
            out.extend(fits.to_le_bytes());
        }
        Ok(out)
    }

    fn shown(self, bytes: &[u8]) -> String {
        match self {
            Self::U32 => u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]).to_string(),
            Self::U64 => i64_of(bytes).cast_unsigned().to_string(),
            _ => i64_of(bytes).to_string(),
        }
    }
}

fn i64_of(bytes: &[u8]) -> i64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[..8]);
    i64::from_le_bytes(eight)
}

fn room(bytes: usize) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    out.try_reserve_exact(bytes).map_err(|_| no_room(bytes))?;
    Ok(out)
}

fn floats(raw: &[u8], read: fn(u16) -> f32) -> Result<Vec<u8>> {
    let mut out = room(raw.len() * 2)?;
    for bytes in raw.chunks_exact(2) {
        out.extend(read(u16::from_le_bytes([bytes[0], bytes[1]])).to_le_bytes());
    }
    Ok(out)
}

/// IEEE half precision: one bit of sign, five of exponent, ten of fraction.
fn f32_of_half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, fraction) = (u32::from(bits >> 10 & 0x1f), u32::from(bits & 0x3ff));
    let magnitude = match exponent {
        // Subnormal: fraction · 2⁻²⁴, which a float holds exactly.
        0 => (fraction as f32 * f32::from_bits((127 - 24) << 23)).to_bits(),
        0x1f => 0xff << 23 | fraction << 13,
        _ => (exponent + 127 - 15) << 23 | fraction << 13,
    };
    f32::from_bits(sign | magnitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_float_is_the_number_it_stands_for() {
        for bits in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
            let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
            let power = |exponent: i32| f64::from_bits(((exponent + 1023) as u64) << 52);
            let expected = match exponent {
                0 => sign * fraction / 1024.0 * power(-14),
                31 if fraction == 0.0 => sign * f64::INFINITY,
                31 => f64::NAN,
                _ => sign * (1.0 + fraction / 1024.0) * power(exponent - 15),
            };
            let got = f64::from(f32_of_half(bits));
            assert!(
                got.is_nan() && expected.is_nan() || got.to_bits() == expected.to_bits(),
                "{bits:#x}: {got}"
            );
        }
    }

    #[test]
    fn integers_come_as_i32_where_they_fit_and_are_refused_where_not() {
        let read = |element: Element, bytes: &[u8]| element.converted("x", bytes.to_vec());
        let i32s =
            |numbers: &[i32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
        assert_eq!(read(Element::I8, &[0xff, 5]).unwrap(), (DType::I32, i32s(&[-1, 5])));
        assert_eq!(read(Element::U16, &[0xff, 0xff]).unwrap().1, i32s(&[65_535]));
        assert_eq!(read(Element::I16, &[0xff, 0xff]).unwrap().1, i32s(&[-1]));
        assert_eq!(read(Element::I64, &(-7_i64).to_le_bytes()).unwrap().1, i32s(&[-7]));
        for (element, bytes, shown) in [
            (Element::I64, (1_i64 << 31).to_le_bytes().to_vec(), "2147483648"),
            (Element::U64, u64::MAX.to_le_bytes().to_vec(), "18446744073709551615"),
            (Element::U32, u32::MAX.to_le_bytes().to_vec(), "4294967295"),
        ] {
            let error = element.converted("x", bytes).unwrap_err();
            assert_eq!(error.code(), "ERR_FORMAT");
            assert!(error.message().contains(shown), "{error}");
        }
    }

    #[test]
    fn any_byte_but_zero_is_true() {
        assert_eq!(
            Element::Bool.converted("x", vec![0, 1, 2, 255]).unwrap(),
            (DType::Bool, vec![0, 1, 1, 1])
        );
    }

    #[test]
    fn brain_floats_are_the_upper_half_of_floats() {
        let (dtype, bytes) = Element::BF16.converted("x", vec![0x80, 0x3f]).unwrap();
        assert_eq!((dtype, bytes), (DType::F32, 1_f32.to_le_bytes().to_vec()));
    }
}
