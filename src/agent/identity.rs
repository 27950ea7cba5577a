//! Who this agent is: ids that are made once and kept in the data directory.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use model::NodeId;

use crate::actors::ports::IdSource;

/// What the node remembers of its allocations, beside the id.
pub(super) const STATE: &str = "state.redb";

/// The ids could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{} cannot be used: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} does not hold a UUID (found {found:?}); restore it, or remove it to become a new node", path.display())]
    NotAnId { path: PathBuf, found: String },
    #[error(
        "{} is missing although this node has run allocations before; restore it (it holds the node's UUID), or remove \
         the directory it was in to become a new node", path.display()
    )]
    Lost { path: PathBuf },
}

/// Reads the node's id, or makes it.
///
/// # Errors
/// When the file cannot be read or written, or holds something else: a node must not change its id silently.
pub(super) fn node_id(dir: &Path, ids: &dyn IdSource) -> Result<NodeId, Error> {
    let path = dir.join("client-id");
    let io = |source| Error::Io { path: path.clone(), source };
    match fs::read_to_string(&path) {
        Ok(text) => {
            text.trim().parse().map_err(|_| Error::NotAnId { path: path.clone(), found: text.trim().into() })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if dir.join(STATE).exists() {
                return Err(Error::Lost { path });
            }
            fs::create_dir_all(dir).map_err(io)?;
            let id = NodeId(ids.uuid());
            let mut file = fs::File::create(&path).map_err(io)?;
            writeln!(file, "{id}").map_err(io)?;
            file.sync_all().map_err(io)?;
            Ok(id)
        }
        Err(error) => Err(io(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::sources::RandomIds;

    #[test]
    fn stays_the_same_and_is_never_replaced_silently() {
        let dir = tempfile::tempdir().unwrap();
        let first = node_id(dir.path(), &RandomIds).unwrap();
        assert_eq!(node_id(dir.path(), &RandomIds).unwrap(), first);
        fs::write(dir.path().join(STATE), "").unwrap();
        fs::remove_file(dir.path().join("client-id")).unwrap();
        assert!(matches!(node_id(dir.path(), &RandomIds), Err(Error::Lost { .. })));
        fs::write(dir.path().join("client-id"), "nonsense").unwrap();
        assert!(matches!(node_id(dir.path(), &RandomIds), Err(Error::NotAnId { .. })));
    }
}
