//! What is different between two versions of a job, as `plan` and `job history -p` show it.
//!
//! The two jobs are compared in the form in which clients read them, key by key, so a field that a twin gains is in the
//! differences from then on without a word here. What a key is called there, and what makes two entries of a list the
//! same one, stands in `names`.
//!
//! Order in lists of blocks (constraints, services, ports) says nothing and is no difference; order in lists of texts is.

mod annotate; // what a difference means for what runs
mod lists; // lists of texts and of blocks
mod names; // names, order, and what is left out
mod walk; // fields and blocks

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map as Object, Value};

use crate::{
    job::{Job, Task, TaskGroup},
    wire::{Map, nil, wire},
};

/// What became of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum DiffType {
    #[default]
    None,
    Added,
    Deleted,
    Edited,
}

wire! {
    pub struct JobDiff {
        #[serde(rename = "Type")]
        pub kind: DiffType,
        #[serde(rename = "ID")]
        pub id: String,
        #[serde(with = "nil")]
        pub fields: Vec<FieldDiff>,
        #[serde(with = "nil")]
        pub objects: Vec<ObjectDiff>,
        /// All groups of both versions, by name.
        #[serde(with = "nil")]
        pub task_groups: Vec<TaskGroupDiff>,
    }

    pub struct TaskGroupDiff {
        #[serde(rename = "Type")]
        pub kind: DiffType,
        pub name: String,
        #[serde(with = "nil")]
        pub fields: Vec<FieldDiff>,
        #[serde(with = "nil")]
        pub objects: Vec<ObjectDiff>,
        /// All tasks of both versions, by name.
        #[serde(with = "nil")]
        pub tasks: Vec<TaskDiff>,
        /// How many allocations each kind of update is for; filled by [`JobDiff::annotate`].
        #[serde(with = "nil")]
        pub updates: Map<u64>,
    }

    pub struct TaskDiff {
        #[serde(rename = "Type")]
        pub kind: DiffType,
        pub name: String,
        #[serde(with = "nil")]
        pub fields: Vec<FieldDiff>,
        #[serde(with = "nil")]
        pub objects: Vec<ObjectDiff>,
        #[serde(with = "nil")]
        pub annotations: Vec<String>,
    }

    /// A block: `Constraint`, `Config`, `Resources`.
    pub struct ObjectDiff {
        #[serde(rename = "Type")]
        pub kind: DiffType,
        pub name: String,
        #[serde(with = "nil")]
        pub fields: Vec<FieldDiff>,
        #[serde(with = "nil")]
        pub objects: Vec<ObjectDiff>,
    }

    pub struct FieldDiff {
        #[serde(rename = "Type")]
        pub kind: DiffType,
        pub name: String,
        pub old: String,
        pub new: String,
        #[serde(with = "nil")]
        pub annotations: Vec<String>,
    }
}

/// Fields and blocks of one thing.
#[derive(Debug, Default)]
struct Parts {
    fields: Vec<FieldDiff>,
    objects: Vec<ObjectDiff>,
}

impl Parts {
    fn differ(&self) -> bool {
        self.fields.iter().any(|field| field.kind != DiffType::None)
            || self.objects.iter().any(|object| object.kind != DiffType::None)
    }
}

/// What became of a thing that may have been there before, and may be there now.
fn kind_of<T>(old: Option<&T>, new: Option<&T>, differ: bool) -> DiffType {
    match (old, new) {
        (None, Some(_)) => DiffType::Added,
        (Some(_), None) => DiffType::Deleted,
        _ if differ => DiffType::Edited,
        _ => DiffType::None,
    }
}

impl JobDiff {
    /// Compares two versions of a job; `None` stands for a job that is not there.
    ///
    /// `contextual`: blocks that differ are shown with those of their fields that do not.
    pub fn between(old: Option<&Job>, new: Option<&Job>, contextual: bool) -> Self {
        let parts = parts(old, new, names::HIDDEN_IN_JOB, contextual);
        let before = old.map_or(&[][..], |job| &job.task_groups);
        let after = new.map_or(&[][..], |job| &job.task_groups);
        let task_groups: Vec<TaskGroupDiff> = paired(before, after, |group| &group.name)
            .map(|(name, old, new)| TaskGroupDiff::between(name, old, new, contextual))
            .collect();
        let differ = parts.differ() || task_groups.iter().any(|group| group.kind != DiffType::None);
        Self {
            kind: kind_of(old, new, differ),
            id: new.or(old).map(|job| job.id.clone()).unwrap_or_default(),
            fields: parts.fields,
            objects: parts.objects,
            task_groups,
        }
    }
}

impl TaskGroupDiff {
    fn between(name: &str, old: Option<&TaskGroup>, new: Option<&TaskGroup>, contextual: bool) -> Self {
        let parts = parts(old, new, names::HIDDEN_IN_GROUP, contextual);
        let before = old.map_or(&[][..], |group| &group.tasks);
        let after = new.map_or(&[][..], |group| &group.tasks);
        let tasks: Vec<TaskDiff> = paired(before, after, |task| &task.name)
            .map(|(name, old, new)| TaskDiff::between(name, old, new, contextual))
            .collect();
        let differ = parts.differ() || tasks.iter().any(|task| task.kind != DiffType::None);
        Self {
            kind: kind_of(old, new, differ),
            name: name.to_owned(),
            fields: parts.fields,
            objects: parts.objects,
            tasks,
            updates: Map::new(),
        }
    }
}

impl TaskDiff {
    fn between(name: &str, old: Option<&Task>, new: Option<&Task>, contextual: bool) -> Self {
        let parts = parts(old, new, names::HIDDEN_IN_TASK, contextual);
        Self {
            kind: kind_of(old, new, parts.differ()),
            name: name.to_owned(),
            fields: parts.fields,
            objects: parts.objects,
            annotations: Vec::new(),
        }
    }
}

/// What is different in the twin's own keys. Its fields are shown only where they differ: context is for blocks.
fn parts<T: Serialize>(old: Option<&T>, new: Option<&T>, hidden: &[&str], contextual: bool) -> Parts {
    let keys = |twin: Option<&T>| -> Object<String, Value> {
        let value = twin.map(|twin| serde_json::to_value(twin).expect("twins have no keys but text"));
        let mut members =
            value.and_then(|mut value| value.as_object_mut().map(std::mem::take)).unwrap_or_default();
        if let Some(Value::Object(scaling)) = members.get_mut("Scaling") {
            scaling.retain(|key, _| !names::HIDDEN_IN_SCALING.contains(&key.as_str()));
        }
        members.into_iter().filter(|(key, _)| !hidden.contains(&key.as_str())).collect()
    };
    walk::parts(&keys(old), &keys(new), false, contextual)
}

/// All names of both sides in their order, each with what it stands for there.
fn paired<'a, T>(
    old: &'a [T],
    new: &'a [T],
    name: impl Fn(&T) -> &str,
) -> impl Iterator<Item = (&'a str, Option<&'a T>, Option<&'a T>)> {
    let mut pairs: BTreeMap<&'a str, (Option<&'a T>, Option<&'a T>)> = BTreeMap::new();
    for item in old {
        pairs.entry(name(item)).or_default().0 = Some(item);
    }
    for item in new {
        pairs.entry(name(item)).or_default().1 = Some(item);
    }
    pairs.into_iter().map(|(name, (old, new))| (name, old, new))
}
