//! Values as JSON, bytes as digits, hashes with keys.

use std::io;

use sha2::{Digest as _, Sha256};

use super::Setting;
use crate::{Value, print::TooLong};

/// Bytes up to a limit.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(io::Error::other(TooLong::message(self.limit)));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `escaped`: what HTML takes for its own is written as `\u003c` and the like.
pub(super) fn json(value: &Value, pretty: bool, escaped: bool, setting: &Setting) -> Result<Value, String> {
    setting.bounded(value)?;
    let json = value.to_json();
    let mut out = Bounded { bytes: Vec::new(), limit: setting.bytes };
    let done = if pretty {
        serde_json::to_writer_pretty(&mut out, &json)
    } else {
        serde_json::to_writer(&mut out, &json)
    };
    done.map_err(|error| error.to_string())?;
    let mut text = String::from_utf8(out.bytes).map_err(|error| error.to_string())?;
    if escaped {
        text = text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    }
    Ok(Value::text(text))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// (RFC 2104)
pub(super) fn hmac_sha256(message: &str, key: &str) -> String {
    /// Bytes that the hash takes at once.
    const BLOCK: usize = 64;
    let hashed;
    let mut key = key.as_bytes();
    if key.len() > BLOCK {
        hashed = Sha256::digest(key);
        key = &hashed;
    }
    let mut block = [0; BLOCK];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    hex(&Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize())
}
