//! The nodes that have room, so kept that the best of them is at hand.
//!
//! The problem. A placement changes the score of the node it goes to, and, where the group is spread, the score of all
//! nodes with the same value, sometimes of all nodes. Scoring them anew is linear in the nodes.
//!
//! A score is the mean of its parts, and the spread's part is the same for all nodes of a *bucket*: nodes that agree in
//! the values of all attributes that are spread over. In a bucket, among nodes whose scores have equally many other
//! parts (a *lane*), the order is that of the sum of those parts and does not depend on the spread. So each lane is a
//! heap that a placement elsewhere does not touch.
//!
//! There may be as many buckets as nodes. Buckets whose value stands alike (as many allocations, as many desired) share
//! the spread's part again, and form a *level* with a heap of the tops of their lanes: a placement moves one bucket
//! from one level to another, and there are few levels, since spreading keeps the counts close together. With several
//! spreads this is done for the one with the most values, inside *groups* that agree in the values of the others; the
//! best of each group is kept until something of the group changes.
//!
//! Nothing is searched for in a heap: what was overtaken stays inside and is thrown away when it surfaces.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BinaryHeap},
};

use super::{
    score::{Score, mean},
    spread::{Spread, Standing},
};

/// A node's score may have from one to so many parts beside that of the spreads.
const LANES: usize = Score::MOST_PARTS as usize;

type Lanes<T> = [BinaryHeap<T>; LANES];

/// A node in a lane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Entry {
    /// Of the parts of its score.
    pub(super) sum: f64,
    /// How many those are.
    pub(super) parts: u32,
    /// Among equals the highest wins; rotated by the seed so that not every worker starts on the same node.
    pub(super) tie: u32,
    pub(super) slot: u32,
    stamp: u32,
}

impl Eq for Entry {}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sum.total_cmp(&other.sum).then(self.tie.cmp(&other.tie))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The top of a lane of a bucket.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Top {
    entry: Entry,
    bucket: u32,
}

struct Bucket {
    group: u32,
    standing: Standing,
    lanes: Lanes<Entry>,
    /// The top of each lane as it was last entered into the level.
    listed: [Option<Entry>; LANES],
}

struct Group {
    /// Per spread; that of the inner one does not count.
    values: Vec<Option<u32>>,
    levels: BTreeMap<Standing, Lanes<Top>>,
    best: Option<Best>,
    /// `best` must be looked for.
    stale: bool,
}

/// How good a choice is: the evenness of spreads that can be kept even first, then the score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Worth {
    /// Weights of the spreads that this makes uneven.
    pub(super) uneven: u32,
    pub(super) score: f64,
    tie: u32,
}

impl Worth {
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let by_score = self.score.total_cmp(&other.score).then(self.tie.cmp(&other.tie));
        other.uneven.cmp(&self.uneven).then(by_score)
    }
}

/// A node and all that can be said of it now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Best {
    pub(super) entry: Entry,
    pub(super) worth: Worth,
    /// The part of the spreads.
    pub(super) spread: f64,
}

/// The nodes with room for one more allocation of a group.
pub(super) struct Candidates {
    spreads: Vec<Spread>,
    /// The spread with the most values.
    inner: usize,
    /// Sum of the weights of all spreads.
    weight: u32,
    buckets: Vec<Bucket>,
    groups: Vec<Group>,
    /// Per slot; empty when there is only one bucket.
    bucket_of: Vec<u32>,
    /// Per value of the inner spread.
    buckets_of: Vec<Vec<u32>>,
    /// Per spread and value.
    groups_of: Vec<Vec<Vec<u32>>>,
    /// Per slot: counts its changes, so that entries that were overtaken are known.
    stamps: Vec<u32>,
    has_room: Vec<bool>,
}

impl Candidates {
    /// None yet. `spreads` know the allocations that there are.
    pub(super) fn new(spreads: Vec<Spread>, slots: usize) -> Self {
        let inner = (0..spreads.len()).max_by_key(|&at| spreads[at].values()).unwrap_or(0);
        let mut candidates = Self {
            inner,
            weight: spreads.iter().map(Spread::weight).sum(),
            buckets: Vec::new(),
            groups: Vec::new(),
            bucket_of: Vec::new(),
            buckets_of: spreads
                .get(inner)
                .map(|spread| vec![Vec::new(); spread.values()])
                .unwrap_or_default(),
            groups_of: spreads.iter().map(|spread| vec![Vec::new(); spread.values()]).collect(),
            stamps: vec![0; slots],
            has_room: vec![false; slots],
            spreads,
        };
        if candidates.spreads.is_empty() {
            candidates.add_group(Vec::new());
            candidates.add_bucket(0, None);
        } else {
            candidates.divide(slots);
        }
        candidates
    }

    pub(super) fn has_spreads(&self) -> bool {
        !self.spreads.is_empty()
    }

    /// Sorts the slots into buckets, and these into groups.
    fn divide(&mut self, slots: usize) {
        if let [spread] = self.spreads.as_slice() {
            // One group, and a bucket per value; the last for nodes without the attribute.
            let values = spread.values() as u32;
            self.bucket_of = (0..slots).map(|at| spread.value(at).unwrap_or(values)).collect();
            let group = self.add_group(vec![None]);
            for value in 0..values {
                self.add_bucket(group, Some(value));
            }
            self.add_bucket(group, None);
            return;
        }
        let mut groups: BTreeMap<Vec<Option<u32>>, u32> = BTreeMap::new();
        let mut buckets: BTreeMap<(u32, Option<u32>), u32> = BTreeMap::new();
        let mut values: Vec<Option<u32>> = vec![None; self.spreads.len()];
        for at in 0..slots {
            for (value, spread) in values.iter_mut().zip(&self.spreads) {
                *value = spread.value(at);
            }
            let value = values[self.inner].take();
            let group = match groups.get(&values) {
                Some(&group) => group,
                None => {
                    groups.insert(values.clone(), self.groups.len() as u32);
                    self.add_group(values.clone())
                }
            };
            let bucket = *buckets.entry((group, value)).or_insert_with(|| self.add_bucket(group, value));
            self.bucket_of.push(bucket);
        }
    }

    fn add_group(&mut self, values: Vec<Option<u32>>) -> u32 {
        let id = self.groups.len() as u32;
        for (groups, value) in self.groups_of.iter_mut().zip(&values) {
            if let Some(value) = value {
                groups[*value as usize].push(id);
            }
        }
        self.groups.push(Group { values, levels: BTreeMap::new(), best: None, stale: true });
        id
    }

    fn add_bucket(&mut self, group: u32, value: Option<u32>) -> u32 {
        let id = self.buckets.len() as u32;
        if let Some(value) = value {
            self.buckets_of[value as usize].push(id);
        }
        let standing = self.spreads.get(self.inner).map_or(Standing::NONE, |inner| inner.standing(value));
        let listed = [None; LANES];
        self.buckets.push(Bucket { group, standing, lanes: Lanes::default(), listed });
        id
    }

    fn bucket_of(&self, slot: usize) -> usize {
        self.bucket_of.get(slot).map_or(0, |&bucket| bucket as usize)
    }

    /// Enters the node, or its new score.
    pub(super) fn put(&mut self, slot: usize, score: Score, tie: u32) {
        self.set_room(slot, true);
        self.stamps[slot] += 1;
        let (sum, parts) = score.sum();
        self.enter(Entry { sum, parts, tie, slot: slot as u32, stamp: self.stamps[slot] });
    }

    /// The node has no room any more.
    pub(super) fn remove(&mut self, slot: usize) {
        self.stamps[slot] += 1;
        self.set_room(slot, false);
        let group = self.buckets[self.bucket_of(slot)].group;
        self.groups[group as usize].stale = true;
    }

    /// Enters again what [`Candidates::pop`] took out and nobody changed.
    pub(super) fn put_back(&mut self, best: Best) {
        self.enter(best.entry);
    }

    fn enter(&mut self, entry: Entry) {
        let at = self.bucket_of(entry.slot as usize);
        let bucket = &mut self.buckets[at];
        let lane = entry.parts as usize - 1;
        bucket.lanes[lane].push(entry);
        let group = &mut self.groups[bucket.group as usize];
        group.stale = true;
        if bucket.lanes[lane].peek() == Some(&entry) {
            bucket.listed[lane] = Some(entry);
            let level = group.levels.entry(bucket.standing).or_default();
            level[lane].push(Top { entry, bucket: at as u32 });
        }
    }

    fn set_room(&mut self, slot: usize, has_room: bool) {
        if self.has_room[slot] == has_room {
            return;
        }
        self.has_room[slot] = has_room;
        for at in 0..self.spreads.len() {
            if let Some(value) = self.spreads[at].value(slot)
                && self.spreads[at].open(value, has_room)
            {
                self.groups.iter_mut().for_each(|group| group.stale = true);
            }
        }
    }

    /// More allocations of the group on the node, or fewer.
    pub(super) fn count(&mut self, slot: usize, by: i32) {
        for at in 0..self.spreads.len() {
            let Some(value) = self.spreads[at].value(slot) else { continue };
            let before = self.spreads[at].bounds();
            self.spreads[at].count(value, by);
            self.heed(at, before);
            if at == self.inner {
                for number in 0..self.buckets_of[value as usize].len() {
                    self.change_level(self.buckets_of[value as usize][number], value);
                }
            } else {
                for &group in &self.groups_of[at][value as usize] {
                    self.groups[group as usize].stale = true;
                }
            }
        }
    }

    /// What the spread says of all nodes may have changed.
    fn heed(&mut self, spread: usize, before: super::spread::Bounds) {
        if self.spreads[spread].bounds() != before {
            self.groups.iter_mut().for_each(|group| group.stale = true);
        }
    }

    fn change_level(&mut self, at: u32, value: u32) {
        let bucket = &mut self.buckets[at as usize];
        bucket.standing = self.spreads[self.inner].standing(Some(value));
        let group = &mut self.groups[bucket.group as usize];
        group.stale = true;
        for lane in 0..LANES {
            bucket.listed[lane] = bucket.lanes[lane].peek().copied();
            if let Some(entry) = bucket.listed[lane] {
                let level = group.levels.entry(bucket.standing).or_default();
                level[lane].push(Top { entry, bucket: at });
            }
        }
    }

    /// Takes the best node out.
    pub(super) fn pop(&mut self) -> Option<Best> {
        for at in 0..self.groups.len() {
            if self.groups[at].stale {
                self.groups[at].best = self.best_of(at);
                self.groups[at].stale = false;
            }
        }
        let best =
            self.groups.iter().filter_map(|group| group.best).max_by(|a, b| a.worth.compare(&b.worth))?;
        let bucket = self.bucket_of(best.entry.slot as usize);
        let bucket = &mut self.buckets[bucket];
        let popped = bucket.lanes[best.entry.parts as usize - 1].pop();
        debug_assert_eq!(popped, Some(best.entry), "the best of a group is the top of its lane");
        self.groups[bucket.group as usize].stale = true;
        Some(best)
    }

    /// The same node where the instance failed before: that is one more part, and the evenness of spreads is not worth
    /// going there again.
    pub(super) fn with_penalty(&self, best: &Best) -> Worth {
        let Best { entry, worth, spread } = best;
        Worth { uneven: self.weight, score: mean(entry.sum - 1.0, entry.parts + 1, *spread), tie: worth.tie }
    }

    fn best_of(&mut self, at: usize) -> Option<Best> {
        let Self { spreads, buckets, groups, stamps, inner, .. } = self;
        let group = &mut groups[at];
        let mut outer = (0.0, 0);
        for (number, spread) in spreads.iter().enumerate().filter(|(number, _)| number != inner) {
            let standing = spread.standing(group.values[number]);
            outer.0 += spread.boost(standing);
            outer.1 += spread.uneven(standing);
        }
        let mut best: Option<Best> = None;
        group.levels.retain(|&standing, lanes| {
            let inner = spreads.get(*inner);
            let spread = outer.0 + inner.map_or(0.0, |inner| inner.boost(standing));
            let uneven = outer.1 + inner.map_or(0, |inner| inner.uneven(standing));
            let mut is_empty = true;
            for (lane, tops) in lanes.iter_mut().enumerate() {
                let Some(entry) = top(tops, lane, standing, buckets, stamps) else { continue };
                is_empty = false;
                let worth = Worth { uneven, score: mean(entry.sum, entry.parts, spread), tie: entry.tie };
                if best.is_none_or(|best| best.worth.compare(&worth).is_lt()) {
                    best = Some(Best { entry, worth, spread });
                }
            }
            !is_empty
        });
        best
    }
}

/// The best node of a lane of a level. Throws away what was overtaken.
fn top(
    tops: &mut BinaryHeap<Top>,
    lane: usize,
    standing: Standing,
    buckets: &mut [Bucket],
    stamps: &[u32],
) -> Option<Entry> {
    while let Some(top) = tops.peek() {
        let bucket = &mut buckets[top.bucket as usize];
        if bucket.standing == standing && bucket.listed[lane] == Some(top.entry) {
            let entries = &mut bucket.lanes[lane];
            while entries.peek().is_some_and(|entry| stamps[entry.slot as usize] != entry.stamp) {
                entries.pop();
            }
            let current = entries.peek().copied();
            if current == Some(top.entry) {
                return current;
            }
            bucket.listed[lane] = current;
            if let Some(entry) = current {
                let bucket = top.bucket;
                tops.pop();
                tops.push(Top { entry, bucket });
                continue;
            }
        }
        tops.pop();
    }
    None
}
