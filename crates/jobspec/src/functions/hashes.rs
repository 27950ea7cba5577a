//! Digests, passwords, ids.

use sha2::Digest;

use super::arguments::{Answer, Call, Refusal};
use crate::eval::Val;

/// Each step doubles the work; 14 takes about a second.
const MAX_COST: u32 = 14;
const DEFAULT_COST: u32 = 10;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn md5(call: &mut Call<'_, '_>) -> Answer {
    Ok(Val::text(hex(&md5::Md5::digest(call.text(0)?.as_bytes()))))
}

pub(super) fn sha1(call: &mut Call<'_, '_>) -> Answer {
    Ok(Val::text(hex(&sha1::Sha1::digest(call.text(0)?.as_bytes()))))
}

pub(super) fn sha256(call: &mut Call<'_, '_>) -> Answer {
    Ok(Val::text(hex(&sha2::Sha256::digest(call.text(0)?.as_bytes()))))
}

pub(super) fn sha512(call: &mut Call<'_, '_>) -> Answer {
    Ok(Val::text(hex(&sha2::Sha512::digest(call.text(0)?.as_bytes()))))
}

/// Sixteen bytes that no other call of this file gets.
fn draw(call: &mut Call<'_, '_>) -> Result<[u8; 16], Refusal> {
    let Some(seed) = call.means.seed else {
        return Err(Refusal::new("there is no randomness here").help("write the resulting value here"));
    };
    call.means.drawn += 1;
    let digest =
        sha2::Sha256::new().chain_update(seed).chain_update(call.means.drawn.to_be_bytes()).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Ok(bytes)
}

pub(super) fn bcrypt(call: &mut Call<'_, '_>) -> Answer {
    let text = call.text(0)?;
    let cost = if call.args.len() > 1 { call.int(1)? } else { i64::from(DEFAULT_COST) };
    let Some(cost) = u32::try_from(cost).ok().filter(|cost| (4..=MAX_COST).contains(cost)) else {
        return Err(Refusal::of(1, format!("the cost must be between 4 and {MAX_COST}, found {cost}")));
    };
    call.limits.work(1 << (cost + 11))?;
    let salt = draw(call)?;
    match bcrypt::hash_with_salt(text.as_bytes(), cost, salt) {
        Ok(parts) => Ok(Val::text(parts.format_for_version(bcrypt::Version::TwoA))),
        Err(error) => Err(Refusal::of(0, error.to_string())),
    }
}

pub(super) fn rsadecrypt(_: &mut Call<'_, '_>) -> Answer {
    Err(Refusal::new("this release does not decrypt")
        .help("decrypt before, for example with `openssl pkeyutl -decrypt`, and pass the result with NOMAD_VAR_name"))
}

/// The five groups of an id, with its version.
fn uuid(mut bytes: [u8; 16], version: u8) -> Val {
    bytes[6] = (bytes[6] & 0x0f) | (version << 4);
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex(&bytes);
    Val::text(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

pub(super) fn uuidv4(call: &mut Call<'_, '_>) -> Answer {
    Ok(uuid(draw(call)?, 4))
}

/// The namespace is `dns`, `url`, `oid`, `x500`, or an id.
pub(super) fn uuidv5(call: &mut Call<'_, '_>) -> Answer {
    let (space, name) = (call.text(0)?, call.text(1)?);
    let known = |number: u8| format!("6ba7b81{number}-9dad-11d1-80b4-00c04fd430c8");
    let space = match space.as_ref() {
        "dns" => known(0),
        "url" => known(1),
        "oid" => known(2),
        "x500" => known(4),
        other => other.to_owned(),
    };
    let digits: Vec<u8> = space.bytes().filter(|byte| *byte != b'-').collect();
    let pairs = digits.chunks(2).map(|pair| {
        std::str::from_utf8(pair)
            .ok()
            .filter(|_| pair.len() == 2)
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
    });
    let bytes: Option<Vec<u8>> = pairs.collect();
    let Some(bytes) = bytes.filter(|bytes| bytes.len() == 16) else {
        let message = format!("the namespace must be dns, url, oid, x500 or an id, found \"{space}\"");
        return Err(Refusal::of(0, message));
    };
    let digest = sha1::Sha1::new().chain_update(bytes).chain_update(name.as_bytes()).finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    Ok(uuid(id, 5))
}
