//! Pools of nodes.

use crate::{
    job_to_model::Refused,
    wire::{Absent, Map, nil, says_nothing, wire},
};

wire! {
    pub struct NodePool {
        pub name: String,
        pub description: String,
        #[serde(with = "nil")]
        pub meta: Map<String>,
        pub scheduler_configuration: Absent,
        #[serde(rename = "NodeIdentityTTL")]
        pub node_identity_ttl: u64,
        pub hash: Absent,
        pub create_index: u64,
        pub modify_index: u64,
    }
}

impl From<&model::NodePool> for NodePool {
    fn from(pool: &model::NodePool) -> Self {
        Self {
            name: pool.name.to_string(),
            description: pool.description.clone(),
            meta: pool.meta.clone(),
            create_index: pool.create_index,
            modify_index: pool.modify_index,
            ..Self::default()
        }
    }
}

impl NodePool {
    /// The pool in the model's words.
    ///
    /// # Errors
    /// Names what cannot be and what would not be obeyed. Whether the pool may be changed is the state's to say.
    pub fn into_model(self) -> Result<model::NodePool, Refused> {
        let mut problems = Vec::new();
        let name = model::PoolName::new(self.name.as_str());
        if self.name.is_empty() || !name.is_valid() {
            let longest = model::PoolName::LONGEST;
            problems.push(format!(
                "invalid name {:?}: it must be 1 to {longest} letters, digits, '-' and '_'",
                self.name
            ));
        }
        let longest = model::NodePool::LONGEST_DESCRIPTION;
        if self.description.len() > longest {
            problems
                .push(format!("description longer than {longest} bytes: it has {}", self.description.len()));
        }
        if self.scheduler_configuration.as_ref().is_some_and(|config| !says_nothing(config)) {
            problems.push(String::from(
                "SchedulerConfiguration of a node pool is not supported (it belongs to Nomad's paid edition): leave \
                 it out and use `operator scheduler set-config` for the whole cluster",
            ));
        }
        if self.node_identity_ttl != 0 {
            problems.push(String::from("NodeIdentityTTL is not supported: leave it out"));
        }
        if !problems.is_empty() {
            return Err(Refused { problems });
        }
        let (description, meta) = (self.description, self.meta);
        Ok(model::NodePool { name, description, meta, ..model::NodePool::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_go_in_and_out() {
        let text =
            r#"{"name": "gpu", "Description": "cards", "Meta": {"a": "b"}, "SchedulerConfiguration": null}"#;
        let read: NodePool = crate::decode(text.as_bytes()).unwrap();
        let pool = read.into_model().unwrap();
        assert_eq!((pool.name.as_str(), &*pool.description), ("gpu", "cards"));
        assert_eq!(NodePool::from(&pool).into_model().unwrap(), pool);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let problems = |text: &str| {
            let read: NodePool = crate::decode(text.as_bytes()).unwrap();
            read.into_model().unwrap_err().problems.join("\n")
        };
        assert!(problems("{}").contains("invalid name \"\""));
        assert!(problems(r#"{"Name": "a b"}"#).contains("invalid name \"a b\""));
        let text = r#"{"Name": "a", "SchedulerConfiguration": {"SchedulerAlgorithm": "spread"}}"#;
        assert!(problems(text).contains("SchedulerConfiguration"));
        let text = format!(r#"{{"Name": "a", "Description": "{}"}}"#, "x".repeat(257));
        assert!(problems(&text).contains("it has 257"));
    }
}
