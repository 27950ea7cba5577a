//! `locals`: named values, which may use each other in any order.

use std::collections::{BTreeMap, BTreeSet};

use super::{Evaluator, Fault, Mentions};
use crate::{
    codes,
    diagnostic::Finding,
    syntax::{Attribute, Block, Expr},
};

type Declared<'b> = BTreeMap<&'b str, (&'b Attribute<Expr>, BTreeSet<String>)>;

impl Evaluator<'_> {
    /// Works out all local values, each after those that it uses.
    pub(super) fn read_locals(&mut self, blocks: &[&Block<Expr>]) {
        let mut declared: Declared<'_> = BTreeMap::new();
        for attribute in self.named_values(blocks, "locals") {
            let uses = Mentions::of(&attribute.value, []).locals;
            if declared.insert(&attribute.name.text, (attribute, uses)).is_some() {
                self.findings.push(Finding::new(
                    codes::REPEATED,
                    attribute.name.span,
                    format!("`local.{}` is set twice", attribute.name.text),
                    "remove one of the two",
                ));
            }
        }
        let order = self.order(&declared);
        for name in order {
            let Some((attribute, _)) = declared.get(name) else { continue };
            let value = match self.eval(&attribute.value) {
                Ok(value) => Some(value),
                Err(fault) => {
                    self.report(fault);
                    None
                }
            };
            self.locals.insert(name.to_owned(), value);
        }
    }

    /// The entries of all blocks of that kind.
    pub(super) fn named_values<'b>(
        &mut self,
        blocks: &[&'b Block<Expr>],
        kind: &str,
    ) -> Vec<&'b Attribute<Expr>> {
        let mut found = Vec::new();
        for block in blocks.iter().filter(|block| block.kind.text == kind) {
            let misplaced = block.labels.iter().chain(block.body.blocks.iter().map(|inner| &inner.kind));
            for name in misplaced {
                self.findings.push(Finding::new(
                    codes::LABEL,
                    name.span,
                    format!("`{kind}` consists of `name = value` only, found `{}`", name.text),
                    format!("write `{kind} {{ name = .. }}`; a map is written with `=` before its brace"),
                ));
            }
            found.extend(&block.body.attributes);
        }
        found
    }

    /// Names in an order in which each can be worked out. Those of a circle are reported and have no value.
    fn order<'b>(&mut self, declared: &Declared<'b>) -> Vec<&'b str> {
        let mut missing: BTreeMap<&str, usize> = BTreeMap::new();
        let mut users: BTreeMap<&str, Vec<&'b str>> = BTreeMap::new();
        for (name, (_, uses)) in declared {
            let uses: Vec<&str> = uses
                .iter()
                .filter_map(|used| declared.get_key_value(used.as_str()))
                .map(|(used, _)| *used)
                .collect();
            missing.insert(name, uses.len());
            for used in uses {
                users.entry(used).or_default().push(name);
            }
        }
        let mut ready: Vec<&str> = declared.keys().copied().filter(|name| missing[name] == 0).collect();
        let mut order = Vec::new();
        while let Some(name) = ready.pop() {
            missing.remove(name);
            order.push(name);
            for user in users.get(name).into_iter().flatten() {
                if let Some(count) = missing.get_mut(user) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(user);
                    }
                }
            }
        }
        let names: BTreeSet<&str> = missing.keys().copied().collect();
        self.report_circle(declared, &names);
        for name in names {
            self.locals.insert(name.to_owned(), None);
        }
        // `ready` and `declared` hold the same texts; the order speaks of those of `declared`.
        order.into_iter().filter_map(|name| declared.get_key_value(name).map(|(name, _)| *name)).collect()
    }

    /// One circle is told: the others may be parts of it, or only use it.
    fn report_circle(&mut self, declared: &Declared<'_>, names: &BTreeSet<&str>) {
        let Some(first) = names.first() else { return };
        let mut path: Vec<&str> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut at = *first;
        // Each of these uses another of these, so this comes back to where it was.
        while !places.contains_key(at) {
            places.insert(at, path.len());
            path.push(at);
            let next = declared
                .get(at)
                .and_then(|(_, uses)| uses.iter().find_map(|used| names.get(used.as_str()).copied()));
            match next {
                Some(next) => at = next,
                None => return,
            }
        }
        let mut circle: Vec<String> = path[places[at]..].iter().map(|name| format!("local.{name}")).collect();
        circle.push(format!("local.{at}"));
        let place = declared[at].0.name.span;
        let shown =
            if circle.len() > 12 { [&circle[..6], &circle[circle.len() - 2..]].concat() } else { circle };
        self.report(Fault::Wrong(Box::new(Finding::new(
            codes::VARIABLE,
            place,
            format!("local values need each other: {}", shown.join(" -> ")),
            "give one of them a value that does not need the others",
        ))));
    }
}
