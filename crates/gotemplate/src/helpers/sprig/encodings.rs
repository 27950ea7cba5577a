//! Base64, base32 and hashes.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha1::Digest as _;

use super::Call;
use crate::{Value, helpers::encodings::hex};

pub(super) const NAMES: &[&str] =
    &["adler32sum", "b32dec", "b32enc", "b64dec", "b64enc", "sha1sum", "sha256sum", "sha512sum"];

pub(super) fn call(call: &Call<'_>) -> Result<Value, String> {
    let whole = call.text()?;
    let decoded = |bytes: Vec<u8>| {
        String::from_utf8(bytes).map(Value::text).map_err(|_| String::from("what was encoded is not text"))
    };
    Ok(match call.name {
        "b64enc" => Value::text(STANDARD.encode(whole)),
        "b64dec" => decoded(STANDARD.decode(whole).map_err(|error| format!("not base64: {error}"))?)?,
        "b32enc" => Value::text(base32(whole.as_bytes())),
        "b32dec" => decoded(from_base32(whole)?)?,
        "sha1sum" => Value::text(hex(&sha1::Sha1::digest(whole))),
        "sha256sum" => Value::text(hex(&sha2::Sha256::digest(whole))),
        "sha512sum" => Value::text(hex(&sha2::Sha512::digest(whole))),
        _ => Value::text(adler32(whole.as_bytes()).to_string()),
    })
}

/// Letters and digits of base32. (RFC 4648, section 6)
const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Eight digits for five bytes, filled up with `=`.
fn base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let bits = chunk.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let bits = bits << (8 * (5 - chunk.len()));
        let digits = (chunk.len() * 8).div_ceil(5);
        for place in 0..8 {
            let digit = usize::try_from(bits >> (35 - 5 * place) & 31).unwrap_or(0);
            out.push(if place < digits { char::from(DIGITS[digit]) } else { '=' });
        }
    }
    out
}

fn from_base32(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || {
        String::from(
            "not base32: wants letters A to Z and digits 2 to 7, filled up with = to a multiple of 8",
        )
    };
    let text: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    if !text.len().is_multiple_of(8) {
        return Err(wrong());
    }
    let mut out = Vec::with_capacity(text.len() / 8 * 5);
    let groups = text.len() / 8;
    for (group, chunk) in text.chunks(8).enumerate() {
        let digits = chunk.iter().position(|byte| *byte == b'=').unwrap_or(8);
        let is_last = group + 1 == groups;
        if chunk[digits..].iter().any(|byte| *byte != b'=') || (digits < 8 && !is_last) {
            return Err(wrong());
        }
        if !matches!(digits, 2 | 4 | 5 | 7 | 8) {
            return Err(wrong());
        }
        let mut bits = 0_u64;
        for byte in &chunk[..digits] {
            let digit = DIGITS.iter().position(|digit| digit == byte).ok_or_else(wrong)?;
            bits = bits << 5 | digit as u64;
        }
        bits <<= 5 * (8 - digits);
        out.extend_from_slice(&bits.to_be_bytes()[3..3 + digits * 5 / 8]);
    }
    Ok(out)
}

/// (RFC 1950, section 8.2)
fn adler32(bytes: &[u8]) -> u32 {
    const PRIME: u32 = 65_521;
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in bytes {
        low = (low + u32::from(*byte)) % PRIME;
        high = (high + low) % PRIME;
    }
    high << 16 | low
}
