//! Where a job may run, where it would rather, how it is spread.

use crate::wire::{nil, wire};

wire! {
    pub struct Constraint {
        #[serde(rename = "LTarget")]
        pub left: String,
        #[serde(rename = "RTarget")]
        pub right: String,
        pub operand: String,
    }

    pub struct Affinity {
        #[serde(rename = "LTarget")]
        pub left: String,
        #[serde(rename = "RTarget")]
        pub right: String,
        pub operand: String,
        /// -100 to 100. Default: 50.
        pub weight: Option<i64>,
    }

    pub struct Spread {
        pub attribute: String,
        /// 1 to 100. Default: 50.
        pub weight: Option<i64>,
        #[serde(with = "nil")]
        pub spread_target: Vec<SpreadTarget>,
    }

    pub struct SpreadTarget {
        pub value: String,
        /// Of the group's count.
        pub percent: i64,
    }
}
