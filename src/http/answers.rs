//! Long lists that have not changed since they were last asked for: encoded once for all who poll them.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use bytes::Bytes;
use state::Root;

use super::call::Call;

/// Shorter answers are made anew: that costs little.
const WORTH_KEEPING: usize = 16 * 1024;
/// All answers together, in bytes; what would exceed it is not kept.
const ROOM: usize = 32 * 1024 * 1024;
/// Parameters that say when and how to answer, not what.
const NOT_OF_THE_LIST: &[&str] = &["index", "wait", "stale", "consistent", "region"];

/// The body of an answer, and the token of the next page.
pub(super) type Answer = (Bytes, Option<String>);

/// Answers from one state; another state has other answers.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    root: Weak<Root>,
    bytes: usize,
    answers: HashMap<String, Answer>,
}

impl Answers {
    /// The answer to the same question about this very state.
    pub(super) fn find(&self, root: &Arc<Root>, call: &Call) -> Option<Answer> {
        let kept = self.lock();
        if !is_same(&kept.root, root) {
            return None;
        }
        kept.answers.get(&question(call)).cloned()
    }

    /// Keeps an answer if it is long.
    pub(super) fn keep(&self, root: &Arc<Root>, call: &Call, body: &Bytes, next: Option<&str>) {
        if body.len() < WORTH_KEEPING {
            return;
        }
        let mut kept = self.lock();
        if !is_same(&kept.root, root) {
            *kept = Kept { root: Arc::downgrade(root), ..Kept::default() };
        }
        let question = question(call);
        if kept.bytes + body.len() <= ROOM && !kept.answers.contains_key(&question) {
            kept.bytes += body.len();
            kept.answers.insert(question, (body.clone(), next.map(str::to_owned)));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self, root: &Arc<Root>) -> usize {
        let kept = self.lock();
        if is_same(&kept.root, root) { kept.answers.len() } else { 0 }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While the weak one is kept no other state can have its address.
fn is_same(kept: &Weak<Root>, root: &Arc<Root>) -> bool {
    std::ptr::eq(kept.as_ptr(), Arc::as_ptr(root))
}

fn question(call: &Call) -> String {
    let mut question = call.path.join("/");
    for (name, value) in call.params().filter(|(name, _)| !NOT_OF_THE_LIST.contains(name)) {
        // Lengths, so that no value can pretend to be a parameter.
        let _ = write!(question, "\n{} {name} {} {value}", name.len(), value.len());
    }
    question
}
