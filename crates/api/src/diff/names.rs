//! What keys are called in differences, in which order blocks are shown, and what is left out.

/// What the server keeps about a job; the update strategy is the groups'.
pub(super) const HIDDEN_IN_JOB: &[&str] = &[
    "ID",
    "Status",
    "StatusDescription",
    "Stable",
    "Version",
    "VersionTag",
    "SubmitTime",
    "CreateIndex",
    "ModifyIndex",
    "JobModifyIndex",
    "NomadTokenID",
    "Update",
    // Compared by name.
    "TaskGroups",
];

pub(super) const HIDDEN_IN_GROUP: &[&str] = &["Name", "Tasks"];

/// What the server says of a policy.
pub(super) const HIDDEN_IN_SCALING: &[&str] = &["ID", "Target", "CreateIndex", "ModifyIndex"];

pub(super) const HIDDEN_IN_TASK: &[&str] = &["Name"];

/// Blocks in the order in which they are shown, under the names that people know. Others follow under their own names.
const BLOCKS: &[(&str, &str)] = &[
    ("Datacenters", "Datacenters"),
    ("Constraints", "Constraint"),
    ("Affinities", "Affinity"),
    ("Spreads", "Spread"),
    ("Config", "Config"),
    ("RestartPolicy", "RestartPolicy"),
    ("ReschedulePolicy", "ReschedulePolicy"),
    ("Disconnect", "Disconnect"),
    ("EphemeralDisk", "EphemeralDisk"),
    ("Update", "Update"),
    ("Migrate", "Migrate"),
    ("Multiregion", "Multiregion"),
    ("Periodic", "Periodic"),
    ("ParameterizedJob", "ParameterizedJob"),
    ("Resources", "Resources"),
    ("Networks", "Network"),
    ("ReservedPorts", "Static Port"),
    ("DynamicPorts", "Dynamic Port"),
    ("Devices", "Device"),
    ("LogConfig", "LogConfig"),
    ("DispatchPayload", "DispatchPayload"),
    ("Lifecycle", "Lifecycle"),
    ("Artifacts", "Artifact"),
    ("Services", "Service"),
    ("Checks", "Check"),
    ("CheckRestart", "CheckRestart"),
    ("Templates", "Template"),
    ("Vault", "Vault"),
    ("Volumes", "Volume"),
    ("VolumeMounts", "VolumeMount"),
    ("Identities", "Identity"),
    ("Actions", "Action"),
    ("Secrets", "Secret"),
    ("Scaling", "Scaling"),
    ("ScalingPolicies", "Scaling"),
];

/// Where a block is shown among its siblings.
pub(super) fn rank(key: &str) -> usize {
    BLOCKS.iter().position(|(known, _)| *known == key).unwrap_or(BLOCKS.len())
}

pub(super) fn block(key: &str) -> &str {
    BLOCKS.iter().find(|(known, _)| *known == key).map_or(key, |(_, name)| name)
}

/// Texts under names that the user chose: fields such as `Meta[owner]`.
pub(super) fn is_map(key: &str) -> bool {
    matches!(
        key,
        "Meta"
            | "Env"
            | "CanaryMeta"
            | "TaggedAddresses"
            | "GetterOptions"
            | "GetterHeaders"
            | "ExtraClaims"
            | "Sysctl"
    )
}

/// Values of any shape under names that the user chose: a block with fields such as `port_map[0][http]`.
pub(super) fn is_free(key: &str) -> bool {
    matches!(key, "Config" | "Header" | "Options" | "Policy")
}

/// Blocks under names that the user chose.
pub(super) fn is_named_blocks(key: &str) -> bool {
    key == "Volumes"
}

/// The key by which two blocks of a list are the same one. Without it a changed block is another block.
pub(super) fn identity(key: &str) -> Option<&'static str> {
    match key {
        "Services" | "Checks" | "Devices" | "Volumes" | "Identities" | "Actions" | "Secrets" => Some("Name"),
        "Templates" => Some("DestPath"),
        _ => None,
    }
}
