//! From what the user typed to one thing: a prefix becomes an id, or a message that says what there is.

use api::{SearchRequest, SearchResponse};

use super::{
    client::{Client, ClientError},
    output::Failure,
};

/// Kinds of things that have ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Job,
    Alloc,
    Node,
    Eval,
    Deployment,
}

impl Kind {
    /// Its context in searches.
    fn context(self) -> &'static str {
        match self {
            Self::Job => "jobs",
            Self::Alloc => "allocs",
            Self::Node => "nodes",
            Self::Eval => "evals",
            Self::Deployment => "deployment",
        }
    }

    /// Heading of a list of them.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Job => "Jobs",
            Self::Alloc => "Allocations",
            Self::Node => "Nodes",
            Self::Eval => "Evaluations",
            Self::Deployment => "Deployments",
        }
    }

    fn none(self, prefix: &str) -> String {
        match self {
            Self::Job => format!("No job(s) with prefix or ID \"{prefix}\" found"),
            Self::Alloc => format!("No allocation(s) with prefix or id \"{prefix}\" found"),
            Self::Node => format!("No node(s) with prefix \"{prefix}\" found"),
            Self::Eval => format!("No evaluation(s) with prefix or id \"{prefix}\" found"),
            Self::Deployment => format!("No deployment(s) with prefix or id \"{prefix}\" found"),
        }
    }

    fn doing(self) -> &'static str {
        match self {
            Self::Job => "querying jobs",
            Self::Alloc => "querying allocation",
            Self::Node => "querying node info",
            Self::Eval => "querying evaluation",
            Self::Deployment => "retrieving deployment",
        }
    }
}

/// What a prefix belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Match {
    One(String),
    /// More than one, none of them exact.
    Many(Vec<String>),
}

/// Finds the things of one kind whose id starts with the prefix; an exact id wins.
pub(super) fn find(client: &Client, kind: Kind, prefix: &str) -> Result<Match, Failure> {
    let prefix = match kind {
        Kind::Job => prefix.to_owned(),
        _ => id_prefix(prefix)?,
    };
    let answer = search(client, kind.context(), &prefix).map_err(|error| error.while_doing(kind.doing()))?;
    let mut ids = answer.matches.get(kind.context()).cloned().unwrap_or_default();
    if ids.contains(&prefix) {
        return Ok(Match::One(prefix));
    }
    match ids.len() {
        0 => Err(Failure::message(kind.none(&prefix))),
        1 => Ok(Match::One(ids.remove(0))),
        _ => Ok(Match::Many(ids)),
    }
}

/// The kinds that have something with this prefix, each with its ids.
pub(super) fn find_any(client: &Client, prefix: &str) -> Result<Vec<(Kind, Vec<String>)>, Failure> {
    let found = search_all(client, prefix)?;
    if found.is_empty() { Err(Failure::message(Kind::Job.none(prefix))) } else { Ok(found) }
}

/// As [`find_any`], but finding nothing is no failure. An exact id wins.
pub(super) fn search_all(client: &Client, prefix: &str) -> Result<Vec<(Kind, Vec<String>)>, Failure> {
    const KINDS: [Kind; 5] = [Kind::Job, Kind::Alloc, Kind::Node, Kind::Eval, Kind::Deployment];
    let answer = search(client, "all", prefix)
        .map_err(|error| Failure::message(format!("Error querying search with id: \"{error}\"")))?;
    let of = |kind: Kind| (kind, answer.matches.get(kind.context()).cloned().unwrap_or_default());
    let found: Vec<_> = KINDS.into_iter().map(of).filter(|(_, ids)| !ids.is_empty()).collect();
    let exact = found.iter().find(|(_, ids)| ids.iter().any(|id| id == prefix));
    Ok(match exact {
        Some((kind, _)) => vec![(*kind, vec![prefix.to_owned()])],
        None => found,
    })
}

fn search(client: &Client, context: &str, prefix: &str) -> Result<SearchResponse, ClientError> {
    client.put("/v1/search", &SearchRequest { prefix: prefix.to_owned(), context: context.to_owned() })
}

/// Prefixes of ids have an even number of hexadecimal digits for the server: an odd one loses its last.
fn id_prefix(text: &str) -> Result<String, Failure> {
    let digits = text.chars().filter(|&c| c != '-').count();
    if digits < 2 {
        return Err(Failure::message("Identifier must contain at least two characters."));
    }
    let mut prefix = text.to_owned();
    if digits % 2 == 1 {
        prefix.pop();
    }
    Ok(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_prefixes_lose_a_digit() {
        assert_eq!(id_prefix("bc057").unwrap(), "bc05");
        assert_eq!(id_prefix("bc057046-1").unwrap(), "bc057046-");
        assert_eq!(id_prefix("bc057046").unwrap(), "bc057046");
        assert!(id_prefix("b").is_err());
    }
}
