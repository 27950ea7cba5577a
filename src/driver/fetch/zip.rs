//! Zip archives: the list at the end says where each file begins.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

use super::unpack::{Member, Place, parts};
use crate::driver::beneath::Dir;

/// The list of more files than are taken has no more bytes than that.
const MAX_LIST: u64 = 64 << 20;
/// The record at the end and the longest remark behind it.
const END: u64 = 22 + 65_535;

fn bad(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

fn u16_at(bytes: &[u8], at: usize) -> io::Result<u16> {
    let found = bytes.get(at..at + 2).ok_or_else(|| bad("the zip archive is cut off"))?;
    Ok(u16::from_le_bytes([found[0], found[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> io::Result<u32> {
    Ok(u32::from(u16_at(bytes, at)?) | u32::from(u16_at(bytes, at + 2)?) << 16)
}

pub(super) fn unpack(mut file: File, dir: &Dir, subdir: &str, mut place: Place) -> io::Result<()> {
    let length = file.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(END);
    let tail = bytes(&mut file, from, length - from)?;
    let end = (0..tail.len().saturating_sub(21)).rev().find(|at| tail[*at..].starts_with(b"PK\x05\x06"));
    let end = end.ok_or_else(|| bad("this is no zip archive"))?;
    let (count, size, offset) =
        (u16_at(&tail, end + 10)?, u32_at(&tail, end + 12)?, u32_at(&tail, end + 16)?);
    if offset == u32::MAX || count == u16::MAX {
        return Err(bad("zip archives of more than 4 GiB are not unpacked; use tar.gz"));
    }
    if u64::from(size) > MAX_LIST {
        return Err(bad("the zip archive has too many files"));
    }
    let list = bytes(&mut file, u64::from(offset), u64::from(size))?;
    let mut at = 0;
    let mut found = subdir.is_empty();
    for _ in 0..count {
        if !list.get(at..).is_some_and(|rest| rest.starts_with(b"PK\x01\x02")) {
            return Err(bad("the list of the zip archive is damaged"));
        }
        let (name, extra, remark) =
            (u16_at(&list, at + 28)?, u16_at(&list, at + 30)?, u16_at(&list, at + 32)?);
        let name_from = at + 46;
        let name_bytes = list.get(name_from..name_from + usize::from(name));
        let path = String::from_utf8_lossy(name_bytes.ok_or_else(|| bad("the zip archive is cut off"))?);
        let path = path.replace('\\', "/");
        if let Some(parts) = parts(&path, subdir)? {
            found = true;
            one(&mut file, &list[at..], &path, &parts, dir, &mut place)?;
        }
        at = name_from + usize::from(name) + usize::from(extra) + usize::from(remark);
    }
    if found { Ok(()) } else { Err(bad(format!("the archive has no directory {subdir}"))) }
}

fn one(
    file: &mut File,
    entry: &[u8],
    path: &str,
    parts: &[String],
    dir: &Dir,
    place: &mut Place,
) -> io::Result<()> {
    if u16_at(entry, 8)? & 1 == 1 {
        return Err(bad(format!("{path} is encrypted")));
    }
    let (method, crc, packed) = (u16_at(entry, 10)?, u32_at(entry, 16)?, u32_at(entry, 20)?);
    // Only archives made under Unix say it; the upper half of the attributes.
    let attributes = u32_at(entry, 38)? >> 16;
    let mode = if attributes & 0o777 == 0 { 0o644 } else { attributes & 0o777 };
    if path.ends_with('/') {
        return place.member(dir, parts, Member::Dir(0o755));
    }
    let begin = u64::from(u32_at(entry, 42)?);
    let head = bytes(file, begin, 30)?;
    if !head.starts_with(b"PK\x03\x04") {
        return Err(bad(format!("{path} is not where the list says")));
    }
    let data = begin + 30 + u64::from(u16_at(&head, 26)?) + u64::from(u16_at(&head, 28)?);
    file.seek(SeekFrom::Start(data))?;
    let input = BufReader::new(file.take(u64::from(packed)));
    let mut summed: Summed<Box<dyn Read + '_>> = Summed {
        from: match method {
            0 => Box::new(input),
            8 => Box::new(flate2::bufread::DeflateDecoder::new(input)),
            other => return Err(bad(format!("{path} is packed in a way that is not read: {other}"))),
        },
        crc: flate2::Crc::new(),
    };
    if attributes & 0o170_000 == 0o120_000 {
        let mut target = String::new();
        (&mut summed).take(4096).read_to_string(&mut target)?;
        place.member(dir, parts, Member::Link(&target))?;
    } else {
        place.member(dir, parts, Member::File(mode, &mut summed))?;
    }
    if summed.crc.sum() == crc { Ok(()) } else { Err(bad(format!("{path} is damaged"))) }
}

/// Counts what is read.
struct Summed<R> {
    from: R,
    crc: flate2::Crc,
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(into)?;
        self.crc.update(&into[..count]);
        Ok(count)
    }
}

fn bytes(file: &mut File, from: u64, count: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(from))?;
    let mut found = Vec::new();
    file.take(count).read_to_end(&mut found)?;
    if found.len() as u64 == count { Ok(found) } else { Err(bad("the zip archive is cut off")) }
}
