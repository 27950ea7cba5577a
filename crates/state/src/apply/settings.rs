//! Settings that operators replace as a whole, guarded by the index of the last change.

/// Somebody else replaced them meanwhile.
pub(super) struct Changed {
    pub(super) wanted: u64,
    pub(super) found: u64,
}

/// The indexes of creation and change that the settings have from now on. `enforce_index`: the index of the last change
/// that the operator saw; 0: none.
pub(super) fn replaced(
    index: u64,
    created: u64,
    modified: u64,
    enforce_index: Option<u64>,
) -> Result<(u64, u64), Changed> {
    match enforce_index {
        Some(wanted) if wanted != modified => Err(Changed { wanted, found: modified }),
        _ => Ok((if modified == 0 { index } else { created }, index)),
    }
}
