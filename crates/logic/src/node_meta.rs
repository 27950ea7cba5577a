//! Metadata of a node: what its configuration says, and what people change while it runs.

use std::collections::BTreeMap;

/// New values by key; `None`: the key is taken away.
pub type Changes = BTreeMap<String, Option<String>>;

/// Bytes of all keys and values that were changed. They travel with every registration of the node.
const MOST_BYTES: usize = 64 * 1024;

/// Metadata of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeMeta {
    /// Of the configuration.
    pub fixed: BTreeMap<String, String>,
    /// Over that; outlives a restart of the agent.
    pub dynamic: Changes,
}

impl NodeMeta {
    /// `dynamic`: as kept from before. Of what it takes away, only what the configuration (still) says is worth knowing.
    pub fn new(fixed: BTreeMap<String, String>, mut dynamic: Changes) -> Self {
        dynamic.retain(|key, value| value.is_some() || fixed.contains_key(key));
        Self { fixed, dynamic }
    }

    /// What constraints and tasks see.
    pub fn all(&self) -> BTreeMap<String, String> {
        let mut all = self.fixed.clone();
        for (key, value) in &self.dynamic {
            match value {
                Some(value) => drop(all.insert(key.clone(), value.clone())),
                None => drop(all.remove(key)),
            }
        }
        all
    }

    /// With these changes.
    ///
    /// # Errors
    /// Says which key cannot be one, or that it is too much.
    pub fn changed(&self, changes: Changes) -> Result<Self, String> {
        if let Some(key) = changes.keys().find(|key| !may_be_key(key)) {
            return Err(format!(
                "{key:?} cannot be a key of metadata: use letters, digits and any of - _ . / : @"
            ));
        }
        let mut dynamic = self.dynamic.clone();
        dynamic.extend(changes);
        let new = Self::new(self.fixed.clone(), dynamic);
        let sizes = new.dynamic.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, String::len));
        let bytes: usize = sizes.sum();
        if bytes > MOST_BYTES {
            return Err(format!(
                "the dynamic metadata of a node may have {MOST_BYTES} bytes, with this it has {bytes}: unset some first"
            ));
        }
        Ok(new)
    }
}

/// It can stand in `${meta.<key>}`.
fn may_be_key(key: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '@');
    !key.is_empty() && key.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meta(fixed: &[(&str, &str)]) -> NodeMeta {
        let fixed = fixed.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        NodeMeta::new(fixed.collect(), Changes::new())
    }

    fn changes(list: &[(&str, Option<&str>)]) -> Changes {
        list.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect()
    }

    #[test]
    fn changes_lie_over_the_configuration() {
        let first = meta(&[("rack", "r1"), ("team", "a")]);
        let new =
            first.changed(changes(&[("rack", Some("r2")), ("team", None), ("zone", Some("z"))])).unwrap();
        assert_eq!(
            new.all().into_iter().collect::<Vec<_>>(),
            [("rack".into(), "r2".into()), ("zone".into(), "z".into())]
        );
        let back =
            new.changed(changes(&[("rack", Some("r1")), ("team", Some("a")), ("zone", None)])).unwrap();
        assert_eq!(back.all(), first.all());
        assert!(!back.dynamic.contains_key("zone"), "nothing is left to take away");
    }

    #[test]
    fn what_is_no_key_or_too_much_is_refused() {
        for key in ["", "a b", "a}", "a\n"] {
            assert!(meta(&[]).changed(changes(&[(key, Some("x"))])).unwrap_err().contains("key"), "{key:?}");
        }
        let long = "x".repeat(MOST_BYTES);
        assert!(meta(&[]).changed(changes(&[("a", Some(&long))])).unwrap_err().contains("unset"));
    }

    proptest! {
        /// One change after the other is the same as all at once, also with a restart between them.
        #[test]
        fn changes_add_up(
            fixed in prop::collection::btree_map("[a-d]", "[xy]", 0..4),
            first in prop::collection::btree_map("[a-d]", prop::option::of("[xy]"), 0..4),
            second in prop::collection::btree_map("[a-d]", prop::option::of("[xy]"), 0..4),
        ) {
            let start = NodeMeta::new(fixed.clone(), Changes::new());
            let stepwise = start.changed(first.clone()).unwrap();
            let restarted = NodeMeta::new(fixed, stepwise.dynamic).changed(second.clone()).unwrap();
            let mut both = first;
            both.extend(second);
            prop_assert_eq!(restarted.all(), start.changed(both).unwrap().all());
        }
    }
}
