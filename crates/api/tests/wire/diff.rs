//! Differences of jobs say everything that is different, and nothing else.

use api::{DiffType, FieldDiff, JobDiff, ObjectDiff};
use model::{Job, Service, TaskGroup};
use proptest::prelude::*;
use serde_json::Value;

use crate::round_trip::job;

/// A job whose parts have names of their own, as validated jobs have.
fn named(mut job: Job) -> Job {
    let services = |services: &mut Vec<Service>| {
        for (at, service) in services.iter_mut().enumerate() {
            service.name = format!("s{at}");
            service.checks.iter_mut().enumerate().for_each(|(at, check)| check.name = format!("c{at}"));
        }
    };
    job.id = String::from("job");
    for (at, group) in job.groups.iter_mut().enumerate() {
        group.name = format!("g{at}");
        services(&mut group.services);
        for (at, task) in group.tasks.iter_mut().enumerate() {
            task.name = format!("t{at}");
            services(&mut task.services);
            let devices = task.resources.devices.iter_mut().enumerate();
            devices.for_each(|(at, device)| device.name = format!("d{at}"));
        }
    }
    job
}

/// Bits that say, one after the other, from which of two jobs a part is taken.
struct Choice(u128);

impl Choice {
    fn take<T>(&mut self, target: &mut T, other: T) {
        let taken = self.0 & 1 == 1;
        self.0 = self.0.rotate_right(1);
        if taken {
            *target = other;
        }
    }
}

/// `old` with some of its parts as in `other`.
fn mixed(old: &Job, other: Job, choice: u128) -> Job {
    let mut bits = Choice(choice);
    let mut job = old.clone();
    bits.take(&mut job.kind, other.kind);
    bits.take(&mut job.priority, other.priority);
    bits.take(&mut job.datacenters, other.datacenters);
    bits.take(&mut job.meta, other.meta);
    bits.take(&mut job.constraints, other.constraints);
    bits.take(&mut job.affinities, other.affinities);
    bits.take(&mut job.spreads, other.spreads);
    bits.take(&mut job.stop, other.stop);
    for (group, other) in job.groups.iter_mut().zip(other.groups) {
        mix_group(group, other, &mut bits);
    }
    job
}

fn mix_group(group: &mut TaskGroup, other: TaskGroup, bits: &mut Choice) {
    bits.take(&mut group.count, other.count);
    bits.take(&mut group.meta, other.meta);
    bits.take(&mut group.restart, other.restart);
    bits.take(&mut group.reschedule, other.reschedule);
    bits.take(&mut group.update, other.update);
    bits.take(&mut group.migrate, other.migrate);
    bits.take(&mut group.disconnect, other.disconnect);
    bits.take(&mut group.ephemeral_disk, other.ephemeral_disk);
    bits.take(&mut group.network, other.network);
    bits.take(&mut group.services, other.services);
    bits.take(&mut group.shutdown_delay, other.shutdown_delay);
    for (task, other) in group.tasks.iter_mut().zip(&other.tasks) {
        let other = other.clone();
        bits.take(&mut task.driver, other.driver);
        bits.take(&mut task.config, other.config);
        bits.take(&mut task.env, other.env);
        bits.take(&mut task.resources.cpu_mhz, other.resources.cpu_mhz);
        bits.take(&mut task.resources.network, other.resources.network);
        bits.take(&mut task.resources.devices, other.resources.devices);
        bits.take(&mut task.services, other.services);
        bits.take(&mut task.logs, other.logs);
        bits.take(&mut task.kill_timeout, other.kill_timeout);
    }
    bits.take(&mut group.tasks, other.tasks);
}

prop_compose! {
    fn two_versions()(old in job(), other in job(), choice in any::<u128>()) -> (api::Job, api::Job) {
        let old = named(old);
        let new = mixed(&old, named(other), choice);
        (api::Job::from(&old), api::Job::from(&new))
    }
}

/// What a difference can say of a thing: fields with their values, blocks, and parts with names; in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    fields: Vec<(String, String)>,
    blocks: Vec<(String, Shape)>,
    parts: Vec<(String, Shape)>,
}

/// Groups and tasks alike.
struct Part {
    kind: DiffType,
    name: String,
    fields: Vec<FieldDiff>,
    blocks: Vec<ObjectDiff>,
    parts: Vec<Part>,
}

impl From<JobDiff> for Part {
    fn from(job: JobDiff) -> Self {
        let groups = job.task_groups.into_iter().map(|group| Part {
            kind: group.kind,
            name: group.name,
            fields: group.fields,
            blocks: group.objects,
            parts: group
                .tasks
                .into_iter()
                .map(|task| Part {
                    kind: task.kind,
                    name: task.name,
                    fields: task.fields,
                    blocks: task.objects,
                    parts: Vec::new(),
                })
                .collect(),
        });
        Part {
            kind: job.kind,
            name: job.id,
            fields: job.fields,
            blocks: job.objects,
            parts: groups.collect(),
        }
    }
}

impl Shape {
    /// Everything that a job says: its difference from nothing.
    fn of(job: &api::Job) -> Self {
        let mut shape = Self::default();
        shape.apply(&JobDiff::between(None, Some(job), true).into()).unwrap();
        shape
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        let at = self.fields.iter().position(|(field, old)| field == name && old == value);
        self.fields.remove(at.ok_or_else(|| format!("there is no {name} = {value:?}"))?);
        Ok(())
    }

    fn apply(&mut self, part: &Part) -> Result<(), String> {
        self.change(&part.fields, &part.blocks)?;
        for part in &part.parts {
            let mut shape = match self.parts.iter().position(|(name, _)| *name == part.name) {
                Some(_) if part.kind == DiffType::Added => return Err(format!("{} is there", part.name)),
                Some(at) => self.parts.remove(at).1,
                None if part.kind == DiffType::Added => Self::default(),
                None => return Err(format!("{} is not there", part.name)),
            };
            shape.apply(part)?;
            match part.kind {
                DiffType::Deleted if shape == Self::default() => {}
                DiffType::Deleted => return Err(format!("{shape:?} is left of {}", part.name)),
                _ => self.parts.push((part.name.clone(), shape)),
            }
        }
        self.parts.sort();
        Ok(())
    }

    fn change(&mut self, fields: &[FieldDiff], blocks: &[ObjectDiff]) -> Result<(), String> {
        for field in fields {
            match field.kind {
                DiffType::None if field.old.is_empty() => {}
                DiffType::None => self
                    .fields
                    .contains(&(field.name.clone(), field.old.clone()))
                    .then_some(())
                    .ok_or_else(|| format!("{} is not there", field.name))?,
                DiffType::Added => self.fields.push((field.name.clone(), field.new.clone())),
                DiffType::Deleted => self.take(&field.name, &field.old)?,
                DiffType::Edited => {
                    self.take(&field.name, &field.old)?;
                    self.fields.push((field.name.clone(), field.new.clone()));
                }
            }
        }
        self.fields.sort();
        for block in blocks {
            self.change_block(block)?;
        }
        self.blocks.sort();
        Ok(())
    }

    fn change_block(&mut self, block: &ObjectDiff) -> Result<(), String> {
        let named = |(_, (name, _)): &(usize, &(String, Shape))| *name == block.name;
        let mut changed = Self::default();
        if block.kind == DiffType::Added {
            changed.change(&block.fields, &block.objects)?;
            self.blocks.push((block.name.clone(), changed));
            return Ok(());
        }
        let fits = |(at, (_, shape)): (usize, &(String, Shape))| {
            let shown =
                block.fields.iter().filter(|field| field.kind != DiffType::Added && !field.old.is_empty());
            let mut shape = shape.clone();
            // With context, all fields are named.
            let complete =
                shape.fields.iter().filter(|(_, value)| !value.is_empty()).count() == shown.count();
            let deleted = block.kind == DiffType::Deleted;
            (complete && shape.change(&block.fields, &block.objects).is_ok())
                .then_some((at, shape))
                .filter(|(_, shape)| !deleted || *shape == Self::default())
        };
        let found = self.blocks.iter().enumerate().filter(named).find_map(fits);
        let (at, shape) = found.ok_or_else(|| format!("no block {} fits {block:?}", block.name))?;
        self.blocks.remove(at);
        if block.kind != DiffType::Deleted {
            self.blocks.push((block.name.clone(), shape));
        }
        Ok(())
    }
}

/// A job without what the server keeps about it, and with the order that says nothing taken out.
fn specification(job: &api::Job) -> Value {
    let mut value = serde_json::to_value(job).unwrap();
    for key in [
        "Status",
        "Stable",
        "Version",
        "VersionTag",
        "SubmitTime",
        "CreateIndex",
        "ModifyIndex",
        "JobModifyIndex",
    ] {
        value.as_object_mut().unwrap().remove(key);
    }
    for group in value["TaskGroups"].as_array_mut().into_iter().flatten() {
        let scaling = group["Scaling"].as_object_mut();
        if let Some(scaling) = scaling {
            scaling.retain(|key, _| !matches!(key.as_str(), "ID" | "Target" | "CreateIndex" | "ModifyIndex"));
        }
    }
    sort_blocks(&mut value);
    value
}

fn sort_blocks(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort_blocks);
            if items.iter().any(Value::is_object) {
                items.sort_by_key(Value::to_string);
            }
        }
        Value::Object(members) => {
            members
                .iter_mut()
                .filter(|(key, _)| !matches!(key.as_str(), "Config" | "Policy"))
                .for_each(|(_, value)| sort_blocks(value));
        }
        _ => {}
    }
}

/// Everything of a job that is text, a number or the like, and says something.
fn leaves(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Array(items) => items.iter().for_each(|item| leaves(item, found)),
        Value::Object(members) => members.values().for_each(|member| leaves(member, found)),
        Value::String(text) => found.push(text.clone()),
        leaf => found.push(leaf.to_string()),
    }
    found.retain(|text| !text.is_empty());
}

fn shown(shape: &Shape, found: &mut Vec<String>) {
    found.extend(shape.fields.iter().map(|(_, value)| value.clone()));
    for (_, shape) in shape.blocks.iter() {
        shown(shape, found);
    }
    for (name, shape) in &shape.parts {
        found.push(name.clone());
        shown(shape, found);
    }
    found.retain(|text| !text.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_is_said_makes_the_old_the_new((old, new) in two_versions()) {
        let diff = JobDiff::between(Some(&old), Some(&new), true);
        let mut shape = Shape::of(&old);
        let applied = shape.apply(&diff.into());
        prop_assert_eq!(applied, Ok(()));
        prop_assert_eq!(shape, Shape::of(&new));
    }

    #[test]
    fn nothing_is_said_of_what_is_alike((old, new) in two_versions()) {
        for contextual in [false, true] {
            let diff = JobDiff::between(Some(&old), Some(&old), contextual);
            prop_assert_eq!(diff.kind, DiffType::None);
            prop_assert!(diff.fields.is_empty() && diff.objects.is_empty());
            let diff = JobDiff::between(Some(&old), Some(&new), contextual);
            prop_assert_eq!(diff.kind == DiffType::None, specification(&old) == specification(&new));
        }
    }

    #[test]
    fn all_of_a_new_job_is_shown(job in job()) {
        let job = api::Job::from(&named(job));
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        let mut specified = specification(&job);
        // The id is the difference's own, and the update strategy of a job is never used.
        for key in ["ID", "Update"] {
            specified.as_object_mut().unwrap().remove(key);
        }
        leaves(&specified, &mut expected);
        shown(&Shape::of(&job), &mut found);
        expected.sort();
        found.sort();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_difference_backwards_is_the_inverse((old, new) in two_versions()) {
        let forth = JobDiff::between(Some(&old), Some(&new), false);
        let back = JobDiff::between(Some(&new), Some(&old), false);
        let fields = |diff: &JobDiff, turned: bool| -> Vec<(String, String, String)> {
            let of = |field: &FieldDiff| {
                let (old, new) = if turned { (&field.new, &field.old) } else { (&field.old, &field.new) };
                (field.name.clone(), old.clone(), new.clone())
            };
            diff.fields.iter().map(of).collect()
        };
        prop_assert_eq!(forth.kind, back.kind);
        prop_assert_eq!(fields(&forth, false), fields(&back, true));
    }

    #[test]
    fn differences_survive_json((old, new) in two_versions()) {
        let diff = JobDiff::between(Some(&old), Some(&new), true);
        let text = serde_json::to_string(&diff).unwrap();
        prop_assert_eq!(serde_json::from_str::<JobDiff>(&text).unwrap(), diff);
    }
}
