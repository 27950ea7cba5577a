//! Blocks of addresses, `10.0.0.0/8`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::arguments::{Answer, Call, Refusal};
use crate::eval::Val;

/// A block: the address as a number, the bits of an address, the bits that are given.
#[derive(Debug, Clone, Copy)]
struct Block {
    base: u128,
    bits: u32,
    prefix: u32,
}

impl Block {
    fn parse(call: &Call<'_, '_>, at: usize) -> Result<Self, Refusal> {
        let text = call.text(at)?;
        let read = || {
            let (address, prefix) = text.split_once('/')?;
            let (base, bits) = match address.parse().ok()? {
                IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
                IpAddr::V6(address) => (u128::from(address), 128),
            };
            let prefix = prefix.parse().ok().filter(|prefix| *prefix <= bits)?;
            Some(Self { base, bits, prefix })
        };
        let mut block = read().ok_or_else(|| {
            Refusal::of(at, format!("\"{text}\" is not a block of addresses"))
                .help("write it as \"10.0.0.0/8\"")
        })?;
        block.base &= !block.hosts();
        Ok(block)
    }

    /// The bits that are free.
    fn hosts(self) -> u128 {
        low_bits(self.bits - self.prefix)
    }

    fn address(self, number: u128) -> IpAddr {
        if self.bits == 32 {
            IpAddr::V4(Ipv4Addr::from(u32::try_from(number & low_bits(32)).unwrap_or(0)))
        } else {
            IpAddr::V6(Ipv6Addr::from(number))
        }
    }

    fn show(self) -> Val {
        Val::text(format!("{}/{}", self.address(self.base), self.prefix))
    }
}

fn low_bits(count: u32) -> u128 {
    if count >= 128 { u128::MAX } else { (1 << count) - 1 }
}

/// A negative number counts from the end.
pub(super) fn cidrhost(call: &mut Call<'_, '_>) -> Answer {
    let (block, number) = (Block::parse(call, 0)?, call.int(1)?);
    let size = u128::from(number.unsigned_abs());
    let offset = if number < 0 { block.hosts().checked_sub(size.saturating_sub(1)) } else { Some(size) };
    match offset.filter(|offset| *offset <= block.hosts()) {
        Some(offset) => Ok(Val::text(block.address(block.base | offset).to_string())),
        None => Err(Refusal::of(1, format!("a block of /{} has no address {number}", block.prefix))),
    }
}

pub(super) fn cidrnetmask(call: &mut Call<'_, '_>) -> Answer {
    let block = Block::parse(call, 0)?;
    if block.bits != 32 {
        return Err(Refusal::of(0, "only blocks of IPv4 have a mask in this form"));
    }
    Ok(Val::text(block.address(!block.hosts()).to_string()))
}

/// The part of that number, with so many more bits given.
pub(super) fn cidrsubnet(call: &mut Call<'_, '_>) -> Answer {
    let (block, more, number) = (Block::parse(call, 0)?, call.int(1)?, call.int(2)?);
    let part = longer(block, more, 1)?;
    let Some(number) =
        u128::try_from(number).ok().filter(|number| *number <= low_bits(part.prefix - block.prefix))
    else {
        return Err(Refusal::of(2, format!("{more} bits do not hold the number {number}")));
    };
    Ok(at(part, number).show())
}

fn at(part: Block, number: u128) -> Block {
    let shift = part.bits - part.prefix;
    let offset = if shift >= 128 { 0 } else { number << shift };
    Block { base: part.base | offset, ..part }
}

fn longer(block: Block, more: i64, argument: usize) -> Result<Block, Refusal> {
    let prefix = u32::try_from(more).ok().and_then(|more| block.prefix.checked_add(more));
    match prefix.filter(|prefix| *prefix <= block.bits) {
        Some(prefix) => Ok(Block { prefix, ..block }),
        None => {
            let message = format!("a block of /{} has no part of {more} more bits", block.prefix);
            Err(Refusal::of(argument, message))
        }
    }
}

/// Parts one behind the other, each with so many more bits given.
pub(super) fn cidrsubnets(call: &mut Call<'_, '_>) -> Answer {
    let block = Block::parse(call, 0)?;
    let mut next = Some(block.base);
    let mut found = Vec::new();
    for argument in 1..call.args.len() {
        let part = longer(block, call.int(argument)?, argument)?;
        // A part begins where its own size divides.
        let base = next.and_then(|next| next.checked_add(part.hosts())).map(|next| next & !part.hosts());
        let Some(base) = base.filter(|base| *base <= block.base | block.hosts()) else {
            return Err(Refusal::of(argument, "there is no room left in the block"));
        };
        let part = Block { base, ..part };
        next = (part.base | part.hosts()).checked_add(1);
        found.push(part.show());
    }
    Ok(Val::list(found))
}
