//! The replicated state.

/// Placeholder while the tables are being laid.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub enum Command {}
#[derive(Debug, Clone)]
pub enum Outcome {}
#[derive(Debug, Clone, Default)]
pub struct Root {}
