//! The file that describes a pool of nodes.

use api::NodePool;
use jobspec::{Attribute, Block, Document, Kind, Span, Value};

use super::output::Failure;

/// What `node pool init` writes.
pub(super) const EXAMPLE: &str = r#"# A pool of nodes: jobs ask for it with `node_pool = "example"`, and nodes join it
# with `client { node_pool = "example" }` in the configuration of their agents.
node_pool "example" {

  # For people. It may be left out.
  description = "Example node pool"

  # Free words about the pool. They may be left out.
  meta {
    environment = "prod"
    owner       = "sre"
  }
}
"#;

pub(super) const EXAMPLE_JSON: &str = r#"{
  "Name": "example",
  "Description": "Example node pool",
  "Meta": {
    "environment": "prod",
    "owner": "sre"
  }
}
"#;

/// Reads the form of the HTTP API.
pub(super) fn json(path: &str, text: &str) -> Result<NodePool, Failure> {
    api::decode(text.as_bytes())
        .map_err(|error| Failure::message(format!("Error reading node pool from {path}: {error}")))
}

/// Reads one `node_pool "name" { .. }`.
pub(super) fn read(path: &str, text: &str) -> Result<NodePool, Failure> {
    let document = Document::read(path, text)
        .map_err(|problems| Failure::message(format!("Error reading node pool from {path}:\n{problems}")))?;
    let reader = Reader { path, document: &document };
    let blocks = document.body.blocks.as_slice();
    if let Some(other) = document.body.attributes.first() {
        return Err(reader.wrong(other.name.span, "only `node_pool \"name\" { .. }` may stand here"));
    }
    match blocks {
        [block] if block.kind.text == "node_pool" => reader.pool(block),
        [] => Err(Failure::message(format!(
            "Error reading node pool from {path}: write `node_pool \"name\" {{ .. }}`"
        ))),
        [block] => Err(reader.wrong(block.kind.span, "this is no `node_pool \"name\" { .. }`")),
        [_, second, ..] => {
            Err(reader.wrong(second.kind.span, "a file describes one node pool: write a file for each"))
        }
    }
}

struct Reader<'a> {
    path: &'a str,
    document: &'a Document,
}

impl Reader<'_> {
    fn wrong(&self, span: Span, words: &str) -> Failure {
        let (line, column) = self.document.position(span.start);
        Failure::message(format!("Error reading node pool from {}:{line}:{column}: {words}", self.path))
    }

    fn pool(&self, block: &Block) -> Result<NodePool, Failure> {
        let [name] = block.labels.as_slice() else {
            return Err(self.wrong(block.kind.span, "a node pool has one name: `node_pool \"name\" { .. }`"));
        };
        let mut pool = NodePool { name: name.text.clone(), ..NodePool::default() };
        for attribute in &block.body.attributes {
            match (attribute.name.text.as_str(), &attribute.value.kind) {
                ("description", _) => pool.description = self.text(&attribute.value)?,
                ("meta", Kind::Object(entries)) => self.meta(entries, &mut pool)?,
                (name, _) => return Err(self.unknown(attribute.name.span, name)),
            }
        }
        for inner in &block.body.blocks {
            match inner.kind.text.as_str() {
                "meta" => self.meta(&inner.body.attributes, &mut pool)?,
                name => return Err(self.unknown(inner.kind.span, name)),
            }
        }
        Ok(pool)
    }

    fn unknown(&self, span: Span, name: &str) -> Failure {
        let words = match name {
            "scheduler_config" => {
                "`scheduler_config` of a node pool is not supported (it belongs to Nomad's paid edition): leave it out, \
                 and use `operator scheduler set-config` for the whole cluster"
                    .to_owned()
            }
            "node_identity_ttl" => "`node_identity_ttl` is not supported: leave it out".to_owned(),
            _ => format!("`{name}` is unknown: a node pool has `description` and `meta`"),
        };
        self.wrong(span, &words)
    }

    fn meta(&self, entries: &[Attribute], pool: &mut NodePool) -> Result<(), Failure> {
        for entry in entries {
            pool.meta.insert(entry.name.text.clone(), self.text(&entry.value)?);
        }
        Ok(())
    }

    fn text(&self, value: &Value) -> Result<String, Failure> {
        match &value.kind {
            Kind::Text(text) => Ok(text.clone()),
            Kind::Bool(value) => Ok(value.to_string()),
            Kind::Int(number) => Ok(number.to_string()),
            Kind::Float(number) => Ok(number.to_string()),
            _ => Err(self.wrong(value.span, "a text is wanted here")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        match read("p.hcl", text) {
            Err(Failure::Message(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_examples_say_the_same() {
        let pool = read("a", EXAMPLE).unwrap();
        assert_eq!(pool, json("b", EXAMPLE_JSON).unwrap());
        assert!(pool.into_model().is_ok());
        let short = read("a", "node_pool \"gpu\" { meta = { cards = 4 } }").unwrap();
        assert_eq!((short.name.as_str(), short.meta["cards"].as_str()), ("gpu", "4"));
    }

    #[test]
    fn what_is_wrong_has_a_place_and_a_remedy() {
        let check = |text: &str, place: &str, words: &str| {
            let found = refused(text);
            assert!(found.contains(place) && found.contains(words), "{found}");
        };
        check("", "p.hcl", "node_pool \"name\"");
        check("a = 1", "p.hcl:1:1", "only");
        check("pool \"a\" {}", "p.hcl:1:1", "no `node_pool");
        check("node_pool \"a\" {}\nnode_pool \"b\" {}", "p.hcl:2:1", "one node pool");
        check("node_pool {}", "p.hcl:1:1", "one name");
        check("node_pool \"a\" {\n  size = 1\n}", "p.hcl:2:3", "`size` is unknown");
        check("node_pool \"a\" {\n  scheduler_config {\n    a = 1\n  }\n}", "p.hcl:2:3", "paid edition");
        check("node_pool \"a\" { description = [] }", "p.hcl:1:", "a text");
        check("node_pool \"a\" {", "p.hcl", "");
    }
}
