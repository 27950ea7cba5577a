//! Which nodes are there, and when one is given up.
//!
//! Two witnesses: gossip, which is quick and may be wrong, and heartbeats, which are slow and surely come from the
//! node. An accusation (by gossip, or because a standing connection broke) is never a verdict: the node is asked
//! directly, and one sign of life refutes it. Overdue heartbeats are a verdict of their own, whatever gossip says.
//! Whoever judges has to be sound: time in which this server itself stood still counts for nobody, and when many nodes
//! seem to be gone at once, a majority of servers has to confirm that this one still leads.

mod words; // settings, inputs, effects

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::NodeId;

pub use self::words::{Checked, Effect, Reason, Settings, Word};

/// Inputs must come at least this often (a tick will do); a longer pause means that this server stood still.
pub const STILL: Duration = Duration::from_secs(2);
/// Accusations so close together count as one event. As long as asking a node takes, and two seconds more.
const TOGETHER: Duration = Duration::from_secs(4);
/// Pause before a verdict that could not be carried out is looked at again.
const AGAIN: Duration = Duration::from_secs(1);
/// A new leader that hears so soon that a node left cannot know whether it said goodbye to the one before.
const NEWS_OF_BEFORE: Duration = Duration::from_secs(2);

/// Words about nodes that the state does not count on; more are not remembered.
const EARLY_WORDS: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Counts as there.
    Fine,
    /// Is being asked; answers of other rounds do not count.
    Checking { round: u64 },
    /// Silent; many others are as well, so the verdict waits for the majority's word.
    Held(Reason),
    /// On its way into the log.
    Declaring(Reason),
    /// In the log. Watched again when the state says that it is back.
    Gone,
}

#[derive(Debug)]
struct Watched {
    stage: Stage,
    word: Word,
    /// Of the last heartbeat.
    ttl: Duration,
    /// When the heartbeat is overdue.
    due: Duration,
    /// Its agent ended on purpose: only overdue heartbeats count.
    paused: bool,
    ask_again: Option<Duration>,
}

/// All nodes that should be there. Times are since any fixed moment.
#[derive(Debug)]
pub struct NodeWatch {
    settings: Settings,
    nodes: BTreeMap<NodeId, Watched>,
    due: BTreeSet<(Duration, NodeId)>,
    ask_again: BTreeSet<(Duration, NodeId)>,
    /// Recent accusations and verdicts.
    accused: BTreeMap<NodeId, Duration>,
    round: u64,
    /// Nodes whose verdict the running confirmation is about. `None`: none runs.
    confirming: Option<Vec<NodeId>>,
    /// What gossip said of nodes that the state does not count on (yet): suspects and failed ones.
    early_words: BTreeMap<NodeId, Word>,
    began: Duration,
    now: Duration,
}

impl NodeWatch {
    /// Of a server that became leader `now`.
    pub fn new(settings: Settings, now: Duration) -> Self {
        Self {
            settings,
            nodes: BTreeMap::new(),
            due: BTreeSet::new(),
            ask_again: BTreeSet::new(),
            accused: BTreeMap::new(),
            round: 0,
            confirming: None,
            early_words: BTreeMap::new(),
            began: now,
            now,
        }
    }

    /// Takes over which nodes the state counts on. Those it does not are forgotten.
    pub fn sync(&mut self, now: Duration, live: impl IntoIterator<Item = NodeId>) -> Vec<Effect> {
        let mut effects = self.advance(now);
        let live: BTreeSet<NodeId> = live.into_iter().collect();
        let forgotten: Vec<NodeId> = self.nodes.keys().filter(|node| !live.contains(node)).copied().collect();
        for node in forgotten {
            self.forget_for_now(node);
        }
        let ttl = self.base_ttl(live.len()) * 2;
        // The state may be known bit by bit in the beginning, so a node that is new here may well be an old one.
        let due = (now + ttl + self.settings.heartbeat_grace)
            .max(self.began + self.settings.failover_heartbeat_ttl);
        for node in live {
            if self.nodes.get(&node).is_some_and(|watched| watched.stage != Stage::Gone) {
                continue;
            }
            self.forget_for_now(node);
            let word = self.early_words.remove(&node).unwrap_or(Word::Alive);
            let (stage, paused, ask_again) = (Stage::Fine, false, None);
            self.nodes.insert(node, Watched { stage, word, ttl, due, paused, ask_again });
            self.due.insert((due, node));
            if word != Word::Alive {
                self.accuse(now, node, &mut effects);
            }
        }
        effects
    }

    /// The node says that it is there. Returns how long it may take until the next time; `None` when the state does
    /// not count on it. `jitter`: 0 to 1.
    pub fn heartbeat(&mut self, now: Duration, node: NodeId, jitter: f64) -> (Option<Duration>, Vec<Effect>) {
        let effects = self.advance(now);
        let base = self.base_ttl(self.nodes.len());
        let ttl = base + base.mul_f64(jitter.clamp(0.0, 1.0));
        let counted =
            self.nodes.get_mut(&node).filter(|watched| watched.stage != Stage::Gone).map(|watched| {
                watched.ttl = ttl;
                watched.paused = false;
                ttl
            });
        self.alive(now, node);
        (counted, effects)
    }

    /// The node reported or registered.
    pub fn heard(&mut self, now: Duration, node: NodeId) -> Vec<Effect> {
        let effects = self.advance(now);
        self.alive(now, node);
        effects
    }

    /// The agent ends on purpose, its tasks go on.
    pub fn goodbye(&mut self, now: Duration, node: NodeId) -> Vec<Effect> {
        let effects = self.advance(now);
        self.alive(now, node);
        if let Some(watched) = self.nodes.get_mut(&node) {
            watched.paused = true;
        }
        self.ask_again_at(node, None);
        effects
    }

    /// Gossip says something of the node.
    pub fn word(&mut self, now: Duration, node: NodeId, word: Word) -> Vec<Effect> {
        let mut effects = self.advance(now);
        let Some(watched) = self.nodes.get_mut(&node) else {
            match word {
                Word::Suspect | Word::Failed if self.early_words.len() < EARLY_WORDS => {
                    self.early_words.insert(node, word);
                }
                _ => {
                    self.early_words.remove(&node);
                }
            }
            return effects;
        };
        if std::mem::replace(&mut watched.word, word) == word {
            return effects;
        }
        match word {
            Word::Alive => {
                if matches!(watched.stage, Stage::Checking { .. } | Stage::Held(Reason::NoAnswer)) {
                    watched.stage = Stage::Fine;
                    self.due.insert((watched.due, node));
                }
                self.accused.remove(&node);
                self.ask_again_at(node, None);
            }
            Word::Suspect | Word::Failed => self.accuse(now, node, &mut effects),
            Word::Left if watched.paused => {}
            Word::Left if now < self.began + NEWS_OF_BEFORE => {
                effects.extend(self.goodbye(now, node));
            }
            Word::Left => self.condemn(now, vec![(node, Reason::Left)], &mut effects),
        }
        effects
    }

    /// The node's standing connection broke.
    pub fn parted(&mut self, now: Duration, node: NodeId) -> Vec<Effect> {
        let mut effects = self.advance(now);
        self.accuse(now, node, &mut effects);
        effects
    }

    /// What came of [`Effect::Check`].
    pub fn checked(&mut self, now: Duration, node: NodeId, round: u64, outcome: Checked) -> Vec<Effect> {
        let mut effects = self.advance(now);
        let Some(watched) = self.nodes.get_mut(&node) else { return effects };
        // Heard of meanwhile, or asked anew.
        if watched.stage != (Stage::Checking { round }) {
            return effects;
        }
        watched.stage = Stage::Fine;
        let accused = watched.word != Word::Alive;
        match outcome {
            Checked::Silent => self.condemn(now, vec![(node, Reason::NoAnswer)], &mut effects),
            Checked::Answered | Checked::Unknown => {
                self.accused.remove(&node);
                let at = accused.then_some(now + self.settings.ask_again);
                self.ask_again_at(node, at);
            }
        }
        effects
    }

    /// What came of [`Effect::Confirm`].
    pub fn confirmed(&mut self, now: Duration, leads: bool) -> Vec<Effect> {
        let mut effects = self.advance(now);
        let mut verdicts = Vec::new();
        for node in self.confirming.take().unwrap_or_default() {
            let Some(watched) = self.nodes.get_mut(&node) else { continue };
            let Stage::Held(reason) = watched.stage else { continue };
            if leads {
                watched.stage = Stage::Declaring(reason);
                verdicts.push((node, reason));
            } else {
                self.postpone(now, node);
            }
        }
        if !verdicts.is_empty() {
            effects.push(Effect::Declare(verdicts));
        }
        self.confirm_held(&mut effects);
        effects
    }

    /// What came of [`Effect::Declare`]. `false`: not in the log, or nobody knows.
    pub fn declared(&mut self, now: Duration, nodes: &[NodeId], written: bool) -> Vec<Effect> {
        let effects = self.advance(now);
        for node in nodes {
            let Some(watched) = self.nodes.get_mut(node) else { continue };
            if !matches!(watched.stage, Stage::Declaring(_)) {
                continue;
            }
            if written {
                watched.stage = Stage::Gone;
                self.due.remove(&(watched.due, *node));
                self.ask_again_at(*node, None);
            } else {
                self.postpone(now, *node);
            }
        }
        effects
    }

    /// Time passed.
    pub fn tick(&mut self, now: Duration) -> Vec<Effect> {
        let mut effects = self.advance(now);
        let mut overdue = Vec::new();
        while let Some(&(at, node)) = self.due.first().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, node));
            overdue.push((node, Reason::HeartbeatMissed));
        }
        self.condemn(now, overdue, &mut effects);
        while let Some(&(_, node)) = self.ask_again.first().filter(|(at, _)| *at <= now) {
            self.ask_again_at(node, None);
            self.accuse(now, node, &mut effects);
        }
        effects
    }

    /// Nodes that count as there, and those among them that are being asked or held.
    pub fn counts(&self) -> (usize, usize) {
        let there = self.nodes.values().filter(|watched| watched.stage != Stage::Gone);
        let doubtful = there.clone().filter(|watched| watched.stage != Stage::Fine);
        (there.count(), doubtful.count())
    }

    /// Nodes beat at half of what they are given, so that one lost heartbeat does no harm.
    fn base_ttl(&self, nodes: usize) -> Duration {
        let rate = self.settings.max_heartbeats_per_second.max(0.001);
        self.settings.min_heartbeat_ttl.max(Duration::from_secs_f64(2.0 * nodes as f64 / rate))
    }

    /// Sees to it that time in which this server stood still counts for nobody.
    fn advance(&mut self, now: Duration) -> Vec<Effect> {
        let stood = now.saturating_sub(self.now);
        self.now = self.now.max(now);
        self.accused.retain(|_, at| *at + TOGETHER > now);
        if stood <= STILL {
            return Vec::new();
        }
        self.round += 1;
        self.due.clear();
        self.ask_again = self.ask_again.iter().map(|(at, node)| (*at + stood, *node)).collect();
        let mut effects = Vec::new();
        for (node, watched) in &mut self.nodes {
            watched.due += stood;
            watched.ask_again = watched.ask_again.map(|at| at + stood);
            match watched.stage {
                // Whatever was silent may have been drowned by our own silence.
                Stage::Checking { .. } | Stage::Held(Reason::NoAnswer) => {
                    watched.stage = Stage::Checking { round: self.round };
                    effects.push(Effect::Check { node: *node, round: self.round });
                }
                Stage::Held(_) => watched.stage = Stage::Fine,
                Stage::Fine | Stage::Declaring(_) | Stage::Gone => {}
            }
            if matches!(watched.stage, Stage::Fine | Stage::Checking { .. }) {
                self.due.insert((watched.due, *node));
            }
        }
        effects
    }

    /// The state does not count on it any more; what gossip said last is kept for its return.
    fn forget_for_now(&mut self, node: NodeId) {
        self.ask_again_at(node, None);
        self.accused.remove(&node);
        let Some(watched) = self.nodes.remove(&node) else { return };
        self.due.remove(&(watched.due, node));
        if matches!(watched.word, Word::Suspect | Word::Failed) {
            self.early_words.insert(node, watched.word);
        }
    }

    /// A sign of life: refutes what is not in the log yet.
    fn alive(&mut self, now: Duration, node: NodeId) {
        let Some(watched) = self.nodes.get_mut(&node) else { return };
        if watched.stage == Stage::Gone {
            return;
        }
        if matches!(watched.stage, Stage::Checking { .. } | Stage::Held(_)) {
            watched.stage = Stage::Fine;
            self.accused.remove(&node);
        }
        self.due.remove(&(watched.due, node));
        watched.due = now + watched.ttl + self.settings.heartbeat_grace;
        self.due.insert((watched.due, node));
        if watched.word != Word::Alive && !watched.paused && watched.ask_again.is_none() {
            let at = now + self.settings.ask_again;
            self.ask_again_at(node, Some(at));
        }
    }

    fn ask_again_at(&mut self, node: NodeId, at: Option<Duration>) {
        let Some(watched) = self.nodes.get_mut(&node) else { return };
        if let Some(before) = std::mem::replace(&mut watched.ask_again, at) {
            self.ask_again.remove(&(before, node));
        }
        if let Some(at) = at {
            self.ask_again.insert((at, node));
        }
    }

    fn accuse(&mut self, now: Duration, node: NodeId, effects: &mut Vec<Effect>) {
        let Some(watched) = self.nodes.get_mut(&node) else { return };
        if watched.paused || watched.stage != Stage::Fine {
            return;
        }
        self.round += 1;
        watched.stage = Stage::Checking { round: self.round };
        self.accused.insert(node, now);
        effects.push(Effect::Check { node, round: self.round });
    }

    /// Declares nodes gone, at once or, when they are many, after the majority confirmed that this server leads.
    fn condemn(&mut self, now: Duration, verdicts: Vec<(NodeId, Reason)>, effects: &mut Vec<Effect>) {
        let open: Vec<(NodeId, Reason)> = verdicts
            .into_iter()
            .filter(|(node, _)| {
                self.nodes
                    .get(node)
                    .is_some_and(|watched| matches!(watched.stage, Stage::Fine | Stage::Checking { .. }))
            })
            .collect();
        if open.is_empty() {
            return;
        }
        for (node, _) in &open {
            self.accused.insert(*node, now);
        }
        let many = self.accused.len() * 3 > self.nodes.len();
        for (node, reason) in &open {
            if let Some(watched) = self.nodes.get_mut(node) {
                watched.stage = if many { Stage::Held(*reason) } else { Stage::Declaring(*reason) };
            }
        }
        if many {
            self.confirm_held(effects);
        } else {
            effects.push(Effect::Declare(open));
        }
    }

    fn confirm_held(&mut self, effects: &mut Vec<Effect>) {
        if self.confirming.is_some() {
            return;
        }
        let held: Vec<NodeId> = self
            .nodes
            .iter()
            .filter(|(_, watched)| matches!(watched.stage, Stage::Held(_)))
            .map(|(node, _)| *node)
            .collect();
        if !held.is_empty() {
            self.confirming = Some(held);
            effects.push(Effect::Confirm);
        }
    }

    /// The verdict could not be carried out: looked at anew in a moment.
    fn postpone(&mut self, now: Duration, node: NodeId) {
        let Some(watched) = self.nodes.get_mut(&node) else { return };
        let (Stage::Held(reason) | Stage::Declaring(reason)) = watched.stage else { return };
        watched.stage = Stage::Fine;
        self.due.remove(&(watched.due, node));
        watched.due = match reason {
            // A sign of life that came meanwhile counts.
            Reason::HeartbeatMissed | Reason::Left => watched.due.max(now + AGAIN),
            Reason::NoAnswer => watched.due,
        };
        self.due.insert((watched.due, node));
        if reason != Reason::HeartbeatMissed {
            self.ask_again_at(node, Some(now + AGAIN));
        }
    }
}

#[cfg(test)]
mod tests;
