//! How rows lie on disk and travel: sealed records, one after the other, behind eight bytes that say what they are.
//!
//! A record is its length, a checksum, and MessagePack with field names. The log's snapshots begin with a head of the
//! log; an exported state has none and is otherwise the same. Reading takes either.

use std::io::{self, Read, Write};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    root::Root,
    snapshot::{Row, restore},
};

/// Begins a snapshot of the log: its first record is the log's.
pub const LOG_MAGIC: &[u8; 8] = b"troupe\0\x01";
/// Begins an exported state: rows only.
pub const STATE_MAGIC: &[u8; 8] = b"troupe\0S";
/// No record is larger; a length above it is damage.
pub const MAX_RECORD: u32 = 256 << 20;

/// Encodes with field names and puts the checksum in front.
pub fn seal<T: Serialize>(record: &T) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    rmp_serde::encode::write_named(&mut bytes, record)
        .expect("records hold no type that MessagePack cannot encode, and a vector takes any length");
    let sum = checksum(&bytes[4..]);
    bytes[..4].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// # Errors
/// The bytes are damaged, or not such a record.
pub fn unseal<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    rmp_serde::from_slice(body(bytes)?).map_err(damaged)
}

fn body(bytes: &[u8]) -> io::Result<&[u8]> {
    let Some((sum, body)) = bytes.split_first_chunk::<4>() else {
        return Err(damaged("a record is shorter than its checksum"));
    };
    if u32::from_le_bytes(*sum) != checksum(body) {
        return Err(damaged("the checksum does not fit"));
    }
    Ok(body)
}

/// An error for bytes that are not what they should be.
pub fn damaged(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// # Errors
/// The record is too large, or cannot be written.
pub fn write_record<T: Serialize>(file: &mut impl Write, record: &T) -> io::Result<()> {
    let bytes = seal(record);
    let length = u32::try_from(bytes.len())
        .ok()
        .filter(|length| *length <= MAX_RECORD)
        .ok_or_else(|| io::Error::other("a row is too large for a snapshot"))?;
    file.write_all(&length.to_le_bytes())?;
    file.write_all(&bytes)
}

/// The sealed bytes of the next record.
///
/// # Errors
/// There is none, it is cut off, or its length is damaged.
pub fn next_record(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    file.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MAX_RECORD {
        return Err(damaged("a row says it is larger than any row"));
    }
    let mut bytes = Vec::new();
    let read = file.take(u64::from(length)).read_to_end(&mut bytes)?;
    if read < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// Writes an exported state.
///
/// # Errors
/// The bytes cannot be written.
pub fn write_state(root: &Root, out: &mut impl Write) -> io::Result<()> {
    out.write_all(STATE_MAGIC)?;
    root.rows().try_for_each(|row| write_record(out, &row))
}

/// Reads an exported state or a snapshot of the log, from its first byte to its last.
///
/// # Errors
/// In words for people: it is neither, or damaged, or cut off. `UnexpectedEof` stands for "cut off".
pub fn read_state(source: &mut impl Read) -> io::Result<Root> {
    let mut magic = [0; 8];
    source.read_exact(&mut magic).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged("not a snapshot of troupe: it is shorter than eight bytes"),
        _ => error,
    })?;
    match &magic {
        STATE_MAGIC => {}
        // The log's head says nothing of the state.
        LOG_MAGIC => body(&next_record(source)?).map(drop)?,
        [0x1f, 0x8b, ..] => {
            return Err(damaged("not a snapshot of troupe: it is compressed, as those of Nomad are"));
        }
        _ => return Err(damaged("not a snapshot of troupe, or of a newer version")),
    }
    let root = read_rows(source)?;
    if source.read(&mut [0])? > 0 {
        return Err(damaged("there is something behind the snapshot's last row"));
    }
    Ok(root)
}

/// Reads the rows of a snapshot from its first to its last one.
///
/// # Errors
/// A row is damaged or missing.
pub fn read_rows(source: &mut impl Read) -> io::Result<Root> {
    let mut failure = None;
    let rows = std::iter::from_fn(|| match next_record(source).and_then(|bytes| unseal::<Row>(&bytes)) {
        Ok(row) => Some(row),
        Err(error) => {
            failure = Some(error);
            None
        }
    });
    let restored = restore(rows);
    match failure {
        Some(error) => Err(error),
        None => restored.map_err(damaged),
    }
}

/// CRC-32 (IEEE 802.3).
fn checksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut sum = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
                bit += 1;
            }
            table[byte] = sum;
            byte += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |sum: u32, byte| TABLE[((sum ^ u32::from(*byte)) & 0xff) as usize] ^ (sum >> 8))
}

#[cfg(test)]
mod tests {
    use model::{Capacity, Job, Node, NodeId, Timestamp};

    use super::*;
    use crate::Command;

    fn root() -> Root {
        let mut root = Root::default();
        let capacity = Capacity { cpu_mhz: 1000, memory_mb: 500, disk_mb: 1 };
        let node = Node { id: NodeId(1), name: "n1".into(), capacity, ..Node::default() };
        root.apply(1, Command::RegisterNode { node, evals: vec![], now: Timestamp(1) });
        let job = Box::new(Job { id: "web".into(), ..Job::default() });
        root.apply(2, Command::RegisterJob { job, enforce_index: None, eval: None, now: Timestamp(1) });
        root
    }

    fn exported() -> Vec<u8> {
        let mut bytes = Vec::new();
        write_state(&root(), &mut bytes).unwrap();
        bytes
    }

    fn refusal(bytes: &[u8]) -> io::Error {
        read_state(&mut &bytes[..]).expect_err("a broken snapshot was read")
    }

    #[test]
    fn the_usual_check_value() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_state_comes_back_whole() {
        let read = read_state(&mut &exported()[..]).unwrap();
        let rows = |root: &Root| root.rows().map(|row| seal(&row)).collect::<Vec<_>>();
        assert_eq!(rows(&read), rows(&root()));
    }

    #[test]
    fn a_snapshot_of_the_log_is_read_without_its_head() {
        let mut bytes = LOG_MAGIC.to_vec();
        write_record(&mut bytes, &("a head", 7)).unwrap();
        bytes.extend_from_slice(&exported()[8..]);
        assert_eq!(read_state(&mut &bytes[..]).unwrap().index, 2);
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_noticed() {
        let bytes = exported();
        for end in 0..bytes.len() {
            refusal(&bytes[..end]);
        }
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 1;
            refusal(&broken);
        }
        let longer = [&bytes[..], b"x"].concat();
        assert!(refusal(&longer).to_string().contains("behind"));
    }

    #[test]
    fn what_is_no_snapshot_is_named() {
        assert!(refusal(b"x").to_string().contains("shorter than eight"));
        assert!(refusal(b"job \"web\" {\n}").to_string().contains("not a snapshot of troupe"));
        assert!(refusal(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0]).to_string().contains("Nomad"));
    }
}
