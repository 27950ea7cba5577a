//! Whether what was placed is right: a fast wrong placement is worth nothing.

use std::collections::{BTreeMap, HashSet};

use super::{
    jobs::{TASK_MB, TASK_MHZ, is_everywhere},
    machine::{CAPACITY, RACKS, WANTED_HALF, half_of},
    nodes::Nodes,
};
use crate::cli::SimArgs;

/// What is wrong, in words; nothing if all is right.
pub(super) fn problems(args: &SimArgs, nodes: &Nodes, wanted: u64) -> Vec<String> {
    let mut problems = Vec::new();
    let assigned = nodes.tally.lock();
    let fit = u64::from((CAPACITY.cpu_mhz / TASK_MHZ).min(CAPACITY.memory_mb / TASK_MB));
    let mut of_group: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut of_rack: BTreeMap<&str, [u64; RACKS]> = BTreeMap::new();
    for (id, allocs) in assigned.iter() {
        let number = nodes.numbers.get(id).copied().unwrap_or_default();
        if allocs.len() as u64 > fit {
            problems.push(format!("node {number} has {} allocations and room for {fit}", allocs.len()));
        }
        if args.constraint && half_of(number) != WANTED_HALF && !allocs.is_empty() {
            problems.push(format!("node {number} has {} allocations that may not be there", allocs.len()));
        }
        let mut ports = HashSet::new();
        for alloc in allocs.values() {
            *of_group.entry((&alloc.job, &alloc.group)).or_default() += 1;
            of_rack.entry(&alloc.job).or_insert([0; RACKS])[number % RACKS] += 1;
            if alloc.ports.len() != args.ports || !alloc.ports.iter().all(|port| ports.insert(*port)) {
                problems.push(format!("node {number} gave a port twice or not at all"));
            }
        }
    }
    let placed: u64 = of_group.values().sum();
    if placed != wanted {
        problems.push(format!("{placed} allocations are placed, {wanted} are wanted"));
    }
    if !is_everywhere(args) {
        for ((job, group), found) in of_group {
            if found != args.count as u64 {
                problems.push(format!("{job} has {found} allocations of {group}, {} are wanted", args.count));
            }
        }
    }
    // Where a rack may have no node, or no room, an even spread is not possible.
    let roomy = nodes.numbers.len() >= 4 * RACKS && wanted * 2 < fit * nodes.numbers.len() as u64 / 2;
    if args.spread && roomy && !is_everywhere(args) {
        for (job, racks) in of_rack {
            let (least, most) = (racks.iter().min().copied(), racks.iter().max().copied());
            if most.unwrap_or(0) - least.unwrap_or(0) > 1 {
                problems.push(format!("{job} is spread unevenly over the racks: {racks:?}"));
            }
        }
    }
    problems.truncate(10);
    problems
}
