//! The code of each kind of problem. Every code has a page in `pages.rs`.

pub(crate) const SYNTAX: &str = "T0101";
pub(crate) const LIMIT: &str = "T0102";
pub(crate) const TEXT: &str = "T0103";
pub(crate) const EXPRESSION: &str = "T0104";
pub(crate) const JSON: &str = "T0105";
pub(crate) const REPEATED: &str = "T0106";
pub(crate) const JOB_BLOCK: &str = "T0107";
pub(crate) const VARIABLE: &str = "T0108";

pub(crate) const UNKNOWN_NAME: &str = "T0201";
pub(crate) const WRONG_TYPE: &str = "T0202";
pub(crate) const OUT_OF_RANGE: &str = "T0203";
pub(crate) const DURATION: &str = "T0204";
pub(crate) const LABEL: &str = "T0205";
pub(crate) const CHOICE: &str = "T0206";
pub(crate) const MISSING: &str = "T0207";

pub(crate) const UNSUPPORTED: &str = "T0301";
pub(crate) const DRIVER: &str = "T0302";
pub(crate) const JOB_TYPE: &str = "T0303";

pub(crate) const NAME: &str = "T0401";
pub(crate) const EMPTY: &str = "T0402";
pub(crate) const DUPLICATE: &str = "T0403";
pub(crate) const PORT: &str = "T0404";
pub(crate) const CHECK: &str = "T0405";
pub(crate) const RESTART: &str = "T0406";
pub(crate) const RESCHEDULE: &str = "T0407";
pub(crate) const UPDATE: &str = "T0408";
pub(crate) const DISK: &str = "T0409";
pub(crate) const CONSTRAINT: &str = "T0410";
pub(crate) const NOT_FOR_TYPE: &str = "T0411";
pub(crate) const CONFIG: &str = "T0412";
pub(crate) const LEADER: &str = "T0413";
pub(crate) const DISCONNECT: &str = "T0414";
pub(crate) const AFFINITY: &str = "T0415";
pub(crate) const SPREAD: &str = "T0416";
pub(crate) const SCHEDULE: &str = "T0417";
pub(crate) const TEMPLATE: &str = "T0418";
pub(crate) const ARTIFACT: &str = "T0419";
