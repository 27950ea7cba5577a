//! One requirement against one node.

use std::{borrow::Cow, cmp::Ordering, collections::BTreeMap, sync::Arc};

use model::{Constraint, Job, Node, Operand, location::pattern};
use regex::{Regex, RegexBuilder};

use super::version::{self, Flavour};

/// Regular expressions of a job, each compiled once however many groups ask it.
///
/// Shared and not cloned: a clone would have its own memory to match with, as much as a megabyte. `None`: it does not
/// compile, or would be too large; no node meets that. Registration refuses such patterns, but a state may be older than
/// the rule.
#[derive(Debug, Default)]
pub(super) struct Patterns<'a>(BTreeMap<&'a str, Option<Arc<Regex>>>);

impl<'a> Patterns<'a> {
    fn get(&mut self, text: &'a str) -> Option<Arc<Regex>> {
        let room = self.0.len() < pattern::MAX_PER_JOB;
        match self.0.get(text) {
            Some(known) => known.clone(),
            None => {
                let compiled = if room { compile(text).map(Arc::new) } else { None };
                self.0.entry(text).or_insert(compiled).clone()
            }
        }
    }
}

fn compile(text: &str) -> Option<Regex> {
    if text.len() > pattern::MAX_BYTES {
        return None;
    }
    RegexBuilder::new(text).size_limit(pattern::MAX_COMPILED_BYTES).build().ok()
}

/// A constraint, made ready to be asked of many nodes.
#[derive(Debug)]
pub(super) struct Test<'a> {
    constraint: &'a Constraint,
    /// Compiled once when the pattern is written out; `None` also when it does not compile, which no node meets.
    pattern: Option<Arc<Regex>>,
}

impl<'a> Test<'a> {
    pub(super) fn new(constraint: &'a Constraint, patterns: &mut Patterns<'a>) -> Self {
        let pattern = (constraint.operand == Operand::Regexp && !is_reference(&constraint.right))
            .then(|| patterns.get(&constraint.right))
            .flatten();
        Self { constraint, pattern }
    }

    /// As metrics and messages name it.
    pub(super) fn text(&self) -> String {
        text(self.constraint)
    }

    /// Its answer may differ between nodes of one class.
    pub(super) fn is_unique(&self) -> bool {
        is_unique(&self.constraint.left) || is_unique(&self.constraint.right)
    }

    pub(super) fn meets(&self, job: &Job, node: &Node) -> bool {
        let left = resolve(&self.constraint.left, job, node);
        let right = resolve(&self.constraint.right, job, node);
        self.holds(left.as_deref(), right.as_deref(), |left, right| Some(order(left, right)))
    }

    /// As written: what is compared with what.
    pub(super) fn sides(&self) -> (&'a str, &'a str) {
        (&self.constraint.left, &self.constraint.right)
    }

    /// Whether it is true of these values; `None` is a side that does not exist. What cannot be ordered is neither
    /// equal nor less nor greater.
    pub(super) fn holds(
        &self,
        left: Option<&str>,
        right: Option<&str>,
        order: fn(&str, &str) -> Option<Ordering>,
    ) -> bool {
        match self.constraint.operand {
            Operand::IsSet => return left.is_some(),
            Operand::IsNotSet => return left.is_none(),
            Operand::DistinctHosts | Operand::DistinctProperty => return true,
            _ => {}
        }
        if self.constraint.operand == Operand::NotEqual {
            // What is not there differs from everything.
            return left != right;
        }
        let (Some(left), Some(right)) = (left, right) else { return false };
        match self.constraint.operand {
            Operand::Equal => left == right,
            Operand::Less => order(left, right).is_some_and(Ordering::is_lt),
            Operand::LessOrEqual => order(left, right).is_some_and(Ordering::is_le),
            Operand::Greater => order(left, right).is_some_and(Ordering::is_gt),
            Operand::GreaterOrEqual => order(left, right).is_some_and(Ordering::is_ge),
            Operand::Version => version::meets(Flavour::Loose, left, right),
            Operand::Semver => version::meets(Flavour::Semver, left, right),
            Operand::Regexp => match &self.pattern {
                Some(pattern) => pattern.is_match(left),
                None => {
                    is_reference(&self.constraint.right)
                        && compile(right).is_some_and(|pattern| pattern.is_match(left))
                }
            },
            Operand::SetContains => {
                let have: Vec<&str> = items(left).collect();
                items(right).all(|item| have.contains(&item))
            }
            Operand::SetContainsAny => {
                let have: Vec<&str> = items(left).collect();
                items(right).any(|item| have.contains(&item))
            }
            Operand::NotEqual
            | Operand::IsSet
            | Operand::IsNotSet
            | Operand::DistinctHosts
            | Operand::DistinctProperty => unreachable!("answered above"),
        }
    }
}

/// `<left> <operand> <right>`
pub(super) fn text(constraint: &Constraint) -> String {
    format!("{} {} {}", constraint.left, constraint.operand.as_str(), constraint.right).trim().to_owned()
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

/// Numbers by value when both are numbers, otherwise as text.
fn order(left: &str, right: &str) -> Ordering {
    if let (Ok(left), Ok(right)) = (left.parse::<i64>(), right.parse::<i64>()) {
        return left.cmp(&right);
    }
    if let (Ok(left), Ok(right)) = (left.parse::<f64>(), right.parse::<f64>()) {
        return left.total_cmp(&right);
    }
    left.cmp(right)
}

/// Its value may differ between nodes of one class.
pub(super) fn is_unique(target: &str) -> bool {
    ["${node.unique.", "${attr.unique.", "${meta.unique."].iter().any(|prefix| target.starts_with(prefix))
}

fn is_reference(target: &str) -> bool {
    target.starts_with("${")
}

/// The value that a side of a constraint has on the node. Text without `${` stands for itself.
pub(super) fn resolve<'n>(target: &'n str, job: &'n Job, node: &'n Node) -> Option<Cow<'n, str>> {
    let Some(name) = target.strip_prefix("${") else { return Some(target.into()) };
    let name = name.strip_suffix('}')?;
    match name {
        "node.datacenter" => return Some(node.datacenter.as_str().into()),
        "node.pool" => return Some(node.pool.as_str().into()),
        "node.class" => return Some(node.class.as_str().into()),
        "node.unique.id" => return Some(node.id.to_string().into()),
        "node.unique.name" => return Some(node.name.as_str().into()),
        // All nodes that a server knows are of its region, which is also the job's.
        "node.region" => return Some(job.region.as_str().into()),
        _ => {}
    }
    if let Some(key) = name.strip_prefix("attr.") {
        return node.attributes.get(key).map(|value| value.as_str().into());
    }
    if let Some(key) = name.strip_prefix("meta.") {
        return node.meta.get(key).map(|value| value.as_str().into());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(left: &str, operand: &str, right: &str, expected: bool) {
        let node = Node {
            name: "n1".into(),
            datacenter: "dc1".into(),
            attributes: [
                ("kernel.name", "linux"),
                ("cpu.numcores", "12"),
                ("docker", "1.13.0"),
                ("set", "a, b,c"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
            ..Node::default()
        };
        let constraint =
            Constraint { left: left.into(), operand: Operand::parse(operand).unwrap(), right: right.into() };
        assert_eq!(
            Test::new(&constraint, &mut Patterns::default()).meets(&Job::default(), &node),
            expected,
            "{}",
            text(&constraint)
        );
    }

    #[test]
    fn every_operand() {
        check("${attr.kernel.name}", "=", "linux", true);
        check("${attr.kernel.name}", "=", "windows", false);
        check("${attr.nothing}", "=", "linux", false);
        check("${attr.nothing}", "!=", "linux", true);
        check("${attr.kernel.name}", "!=", "linux", false);
        check("${attr.cpu.numcores}", ">", "9", true);
        check("${attr.cpu.numcores}", "<=", "12", true);
        check("${attr.cpu.numcores}", "<", "12.5", true);
        check("${attr.kernel.name}", ">=", "mac", false);
        check("${attr.docker}", "version", ">= 1.12, < 2", true);
        check("${attr.docker}", "version", "~> 1.12.0", false);
        check("${attr.docker}", "semver", ">= 1.13.0", true);
        check("${attr.kernel.name}", "regexp", "^lin", true);
        check("${attr.kernel.name}", "regexp", "^[", false);
        check("${attr.set}", "set_contains", "a,c", true);
        check("${attr.set}", "set_contains", "a,d", false);
        check("${attr.set}", "set_contains_any", "d, b", true);
        check("${attr.set}", "set_contains_any", "d", false);
        check("${attr.set}", "is_set", "", true);
        check("${meta.set}", "is_set", "", false);
        check("${meta.set}", "is_not_set", "", true);
        check("${node.datacenter}", "=", "dc1", true);
        check("${node.region}", "=", "global", true);
        check("${node.unique.name}", "=", "n1", true);
    }

    #[test]
    fn text_names_all_three_parts() {
        let constraint = Constraint {
            left: "${attr.kernel.name}".into(),
            operand: Operand::Equal,
            right: "windows".into(),
        };
        assert_eq!(text(&constraint), "${attr.kernel.name} = windows");
    }
}
