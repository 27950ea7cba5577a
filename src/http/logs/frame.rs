//! One frame: a JSON object, one after the other without separators.

use bytes::Bytes;

use super::files::Place;

#[derive(Debug)]
pub(super) struct Frame {
    pub(super) data: Bytes,
    file: String,
    event: &'static str,
    /// Behind the data.
    offset: u64,
}

impl Frame {
    pub(super) fn data(place: &Place, data: Bytes) -> Self {
        Self { data, file: place.name.clone(), event: "", offset: place.offset }
    }

    pub(super) fn event(place: &Place, event: &'static str) -> Self {
        Self { data: Bytes::new(), file: place.name.clone(), event, offset: place.offset }
    }

    /// Keys without a value are left out.
    pub(super) fn json(&self) -> Bytes {
        let mut members = serde_json::Map::new();
        if !self.data.is_empty() {
            members.insert(String::from("Data"), base64(&self.data).into());
        }
        members.insert(String::from("File"), self.file.as_str().into());
        if !self.event.is_empty() {
            members.insert(String::from("FileEvent"), self.event.into());
        }
        if self.offset > 0 {
            members.insert(String::from("Offset"), self.offset.into());
        }
        Bytes::from(serde_json::Value::Object(members).to_string())
    }
}

/// The standard alphabet, padded.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place <= chunk.len() {
                text.push(char::from(ALPHABET[(group >> (18 - 6 * place) & 63) as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_known() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
            ("\u{fb}\u{ff}", "w7vDvw=="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
