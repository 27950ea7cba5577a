//! The key that all agents of a cluster may share: who does not have it cannot take part, nor listen.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};

/// Bytes that sealing adds: nonce and tag.
pub(super) const SEAL: usize = NONCE + TAG;
const NONCE: usize = 24;
const TAG: usize = 16;

/// A shared key (`encrypt` in the configuration).
#[derive(Clone)]
pub struct Key(XChaCha20Poly1305);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the gossip key is not base64: make one with `troupe operator gossip keyring generate`")]
    NotBase64,
    #[error(
        "the gossip key has {0} bytes, it must have 16, 24 or 32: make one with `troupe operator gossip keyring generate`"
    )]
    Length(usize),
}

impl Key {
    /// Of 16, 24 or 32 bytes.
    ///
    /// # Errors
    /// Another length.
    pub fn from_bytes(secret: &[u8]) -> Result<Self, KeyError> {
        if !matches!(secret.len(), 16 | 24 | 32) {
            return Err(KeyError::Length(secret.len()));
        }
        // One cipher for all lengths; the prefix keeps the key apart from other uses of the same secret.
        let key = Sha256::new().chain_update(b"troupe gossip 1").chain_update(secret).finalize();
        let cipher = XChaCha20Poly1305::new_from_slice(&key).expect("SHA-256 has 32 bytes");
        Ok(Self(cipher))
    }

    /// Reads base64 of 16, 24 or 32 bytes, as `nomad operator gossip keyring generate` and `consul keygen` make them.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        Self::from_bytes(&STANDARD.decode(text.trim()).map_err(|_| KeyError::NotBase64)?)
    }

    /// Turns `bytes[from..]` into nonce, secret text and tag. The nonce must never come twice.
    pub(super) fn seal(&self, nonce: [u8; NONCE], about: &[u8], bytes: &mut Vec<u8>, from: usize) {
        bytes.splice(from..from, nonce);
        let text = &mut bytes[from + NONCE..];
        let tag = self
            .0
            .encrypt_inout_detached(&XNonce::from(nonce), about, text.into())
            .expect("far shorter than what the cipher can take");
        bytes.extend_from_slice(&tag);
    }

    /// The text, or `None`: it was sealed with another key or about something else, or has changed since.
    pub(super) fn open(&self, about: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE>()?;
        let (text, tag) = rest.split_last_chunk::<TAG>()?;
        let mut text = text.to_vec();
        self.0
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                about,
                text.as_mut_slice().into(),
                &Tag::from(*tag),
            )
            .ok()?;
        Some(text)
    }
}
