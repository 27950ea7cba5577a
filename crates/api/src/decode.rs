//! Lenient reading of JSON bodies, as clients of the Nomad API expect it: keys match in any case, `null` is the
//! same as leaving a key out, unknown keys are skipped.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// The body was not understood. Nothing was done with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON; the reason names line and column.
    #[error("{0}")]
    Syntax(String),
    /// JSON, but a value is of the wrong kind. The path is empty where the place is not known.
    #[error("{}{reason}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
    Shape { path: String, reason: String },
}

/// Reads a body.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| DecodeError::Syntax(error.to_string()))?;
    decode_value(value)
}

/// Reads a body that was already parsed.
pub fn decode_value<T: DeserializeOwned>(mut value: Value) -> Result<T, DecodeError> {
    canonicalize(&mut value);
    // The value is kept for the error's path only where there is an error: decoding by reference copies no more.
    match T::deserialize(&value) {
        Ok(decoded) => Ok(decoded),
        Err(error) => {
            let reason = error.to_string();
            Err(DecodeError::Shape { path: locate::<T>(&mut value), reason })
        }
    }
}

/// The keys of everything that comes in, in their one spelling.
const KEYS: &[&str] = &[
    "Actions",
    "Address",
    "AddressMode",
    "Affinities",
    "All",
    "AllAtOnce",
    "AllTasks",
    "Args",
    "Artifacts",
    "Attempts",
    "AutoPromote",
    "AutoRevert",
    "Body",
    "CIDR",
    "CNI",
    "CPU",
    "CSIPluginConfig",
    "Canary",
    "CanaryMeta",
    "CanaryTags",
    "Canonicalize",
    "ChangeMode",
    "ChangeScript",
    "ChangeSignal",
    "CheckRestart",
    "Checks",
    "Chown",
    "Cluster",
    "Command",
    "Config",
    "Connect",
    "Constraints",
    "Consul",
    "ConsulNamespace",
    "ConsulToken",
    "Context",
    "Cores",
    "Count",
    "CreateIndex",
    "DNS",
    "Datacenters",
    "Delay",
    "DelayFunction",
    "DeploymentID",
    "DestPath",
    "Description",
    "Device",
    "Devices",
    "Diff",
    "Disabled",
    "Disconnect",
    "DiskMB",
    "DispatchIdempotencyToken",
    "DispatchPayload",
    "Dispatched",
    "Driver",
    "DynamicPorts",
    "EmbeddedTmpl",
    "EnableTagOverride",
    "Enabled",
    "EnforceIndex",
    "EnforcePriorVersion",
    "Env",
    "Envvars",
    "EphemeralDisk",
    "ErrMissingKey",
    "Error",
    "EvalIDs",
    "EvalOptions",
    "EvalPriority",
    "Expose",
    "FailOnError",
    "FailuresBeforeCritical",
    "FailuresBeforeWarning",
    "File",
    "Filter",
    "ForceReschedule",
    "Format",
    "GRPCService",
    "GRPCUseTLS",
    "GetterHeaders",
    "GetterInsecure",
    "GetterMode",
    "GetterOptions",
    "GetterSource",
    "Gid",
    "Grace",
    "Groups",
    "Header",
    "HealthCheck",
    "HealthyAllocationIDs",
    "HealthyDeadline",
    "Hook",
    "HostNetwork",
    "Hostname",
    "ID",
    "IDPrefixTemplate",
    "IOPS",
    "IP",
    "Identities",
    "Identity",
    "IgnoreCollision",
    "IgnoreWarnings",
    "IncludeChildren",
    "InitialStatus",
    "Interval",
    "Job",
    "JobHCL",
    "JobID",
    "JobModifyIndex",
    "JobVersion",
    "Jobs",
    "KillSignal",
    "KillTimeout",
    "Kind",
    "LTarget",
    "Label",
    "Latest",
    "Leader",
    "LeftDelim",
    "Lifecycle",
    "Limit",
    "LogConfig",
    "LostAfter",
    "MBits",
    "Max",
    "MaxClientDisconnect",
    "MaxDelay",
    "MaxFileSizeMB",
    "MaxFiles",
    "MaxParallel",
    "MaxRunDuration",
    "MemoryMB",
    "MemoryMaxMB",
    "Message",
    "Meta",
    "MetaOptional",
    "MetaRequired",
    "Method",
    "Migrate",
    "Min",
    "MinHealthyTime",
    "Mode",
    "ModifyIndex",
    "Multiregion",
    "NUMA",
    "Name",
    "Namespace",
    "Networks",
    "NodePool",
    "NomadTokenID",
    "Notes",
    "OnUpdate",
    "Once",
    "Operand",
    "ParameterizedJob",
    "ParentID",
    "Passing",
    "Path",
    "Pause",
    "Payload",
    "Periodic",
    "Perms",
    "Policy",
    "PolicyOverride",
    "PortLabel",
    "Prefix",
    "PreserveCounts",
    "PreserveResources",
    "PreventRescheduleOnLost",
    "PreviousCount",
    "Priority",
    "ProgressDeadline",
    "ProhibitOverlap",
    "Protocol",
    "Provider",
    "RTarget",
    "Reconcile",
    "Region",
    "RelativeDest",
    "RenderTemplates",
    "Replace",
    "Reschedule",
    "ReschedulePolicy",
    "ReservedPorts",
    "Resources",
    "RestartPolicy",
    "RightDelim",
    "RunOnFirstRender",
    "Scaling",
    "ScalingPolicies",
    "Schedule",
    "SecretID",
    "Secrets",
    "SecretsMB",
    "Services",
    "ShutdownDelay",
    "Sidecar",
    "Signal",
    "SizeMB",
    "Source",
    "SourcePath",
    "Spec",
    "SpecType",
    "Specs",
    "Splay",
    "Spreads",
    "Stable",
    "Stagger",
    "Status",
    "StatusDescription",
    "Sticky",
    "Stop",
    "StopAfterClientDisconnect",
    "StopOnClientAfter",
    "Submission",
    "SubmitTime",
    "SuccessBeforePassing",
    "TLSServerName",
    "TLSSkipVerify",
    "TaggedAddresses",
    "TaggedTime",
    "Tags",
    "Target",
    "Task",
    "TaskGroups",
    "TaskName",
    "Tasks",
    "Templates",
    "Text",
    "TimeZone",
    "Timeout",
    "To",
    "Type",
    "UI",
    "Uid",
    "UnhealthyAllocationIDs",
    "Unlimited",
    "Update",
    "User",
    "Value",
    "VariableFlags",
    "Variables",
    "Vault",
    "VaultGrace",
    "VaultNamespace",
    "VaultToken",
    "Version",
    "VersionTag",
    "VolumeMounts",
    "Volumes",
    "Wait",
    "Warning",
    "Weights",
];

/// Below these keys stand the user's own names: neither renamed nor stripped.
const OPAQUE: &[&str] = &[
    "Meta",
    "Env",
    "Config",
    "Header",
    "CanaryMeta",
    "TaggedAddresses",
    "VariableFlags",
    "GetterOptions",
    "GetterHeaders",
    "Policy",
];

/// Gives keys their one spelling and drops those that are `null`.
fn canonicalize(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(canonicalize),
        Value::Object(members) => {
            for (key, mut member) in std::mem::take(members) {
                if member.is_null() {
                    continue;
                }
                let name =
                    KEYS.iter().find(|known| known.eq_ignore_ascii_case(&key)).copied().unwrap_or(&key);
                if !OPAQUE.contains(&name) {
                    canonicalize(&mut member);
                }
                members.insert(name.to_owned(), member);
            }
        }
        _ => {}
    }
}

/// Looks for the value that does not decode: the one without which the error goes away.
///
/// Each try decodes the whole value: large ones are left without a path and tries are counted, so that a hostile
/// body costs little.
fn locate<T: DeserializeOwned>(root: &mut Value) -> String {
    const MOST_VALUES: usize = 20_000;
    let mut tries_left = 512;
    let mut path: Vec<Step> = Vec::new();
    if size(root) > MOST_VALUES {
        return String::new();
    }
    'deeper: loop {
        let steps: Vec<Step> = match at(root, &path) {
            Some(Value::Object(members)) => members.keys().cloned().map(Step::Key).collect(),
            Some(Value::Array(items)) => (0..items.len()).map(Step::Item).collect(),
            _ => break,
        };
        for step in steps {
            if tries_left == 0 {
                break 'deeper;
            }
            tries_left -= 1;
            let Some(parent) = at(root, &path) else { break 'deeper };
            let Some(culprit) = take(parent, &step) else { continue };
            let decodes = T::deserialize(&*root).is_ok();
            if let Some(parent) = at(root, &path) {
                put(parent, &step, culprit);
            }
            if decodes {
                path.push(step);
                continue 'deeper;
            }
        }
        break;
    }
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text = key,
            Step::Key(key) => text = format!("{text}.{key}"),
            Step::Item(item) => text = format!("{text}[{item}]"),
        }
    }
    text
}

fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(members) => members.values().map(size).sum(),
        _ => 0,
    }
}

#[derive(Debug, Clone)]
enum Step {
    Key(String),
    Item(usize),
}

fn at<'a>(root: &'a mut Value, path: &[Step]) -> Option<&'a mut Value> {
    path.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Item(item) => value.get_mut(item),
    })
}

fn take(parent: &mut Value, step: &Step) -> Option<Value> {
    match (parent, step) {
        (Value::Object(members), Step::Key(key)) => members.remove(key),
        (Value::Array(items), Step::Item(item)) => (*item < items.len()).then(|| items.remove(*item)),
        _ => None,
    }
}

fn put(parent: &mut Value, step: &Step, value: Value) {
    match (parent, step) {
        (Value::Object(members), Step::Key(key)) => {
            members.insert(key.clone(), value);
        }
        (Value::Array(items), Step::Item(item)) => items.insert(*item, value),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Job;

    #[test]
    fn keys_match_in_any_case_and_null_is_absent() {
        let job: Job =
            decode(br#"{"id":"web","TASKGROUPS":[{"name":"a","count":null,"Tasks":null}],"priority":7}"#)
                .unwrap();
        assert_eq!((job.id.as_str(), job.priority), ("web", Some(7)));
        assert_eq!(job.task_groups[0].name, "a");
        assert_eq!(job.task_groups[0].count, None);
    }

    #[test]
    fn every_key_that_comes_in_is_known() {
        fn check<T: serde::Serialize + Default>() {
            let Ok(Value::Object(members)) = serde_json::to_value(T::default()) else {
                panic!("not an object")
            };
            for key in members.keys() {
                assert!(KEYS.contains(&key.as_str()), "{key} of {}", std::any::type_name::<T>());
            }
        }
        use crate::{job, request};
        check::<job::Job>();
        check::<job::TaskGroup>();
        check::<job::Task>();
        check::<job::Resources>();
        check::<job::Service>();
        check::<job::ServiceWeights>();
        check::<job::ServiceCheck>();
        check::<job::CheckRestart>();
        check::<job::UpdateStrategy>();
        check::<job::RestartPolicy>();
        check::<job::ReschedulePolicy>();
        check::<job::MigrateStrategy>();
        check::<job::DisconnectStrategy>();
        check::<job::Template>();
        check::<job::ChangeScript>();
        check::<job::WaitConfig>();
        check::<job::TaskArtifact>();
        check::<job::EphemeralDisk>();
        check::<job::LogConfig>();
        check::<job::Constraint>();
        check::<request::JobRegisterRequest>();
        check::<request::JobEvaluateRequest>();
        check::<request::EvalOptions>();
        check::<request::JobsParseRequest>();
        check::<request::JobValidateRequest>();
        check::<request::JobPlanRequest>();
        check::<request::JobRevertRequest>();
        check::<crate::DeploymentPauseRequest>();
        check::<crate::DeploymentPromoteRequest>();
        check::<crate::DeploymentHealthRequest>();
        check::<request::JobStabilityRequest>();
        check::<crate::SearchRequest>();
        check::<crate::FuzzySearchRequest>();
        check::<crate::ScalingPolicy>();
        check::<crate::JobScaleRequest>();
        check::<crate::JobSubmission>();
        check::<crate::JobTagRequest>();
        check::<crate::JobStatusesRequest>();
    }

    #[test]
    fn names_of_the_user_are_left_alone() {
        let job: Job = decode(
            br#"{"ID":"web","Meta":{"id":"1","name":"x"},"taskgroups":[{"tasks":[{"CONFIG":{"image":"a","args":[null],"name":"n"}}]}]}"#,
        )
        .unwrap();
        assert_eq!(job.meta.keys().collect::<Vec<_>>(), ["id", "name"]);
        let config = &job.task_groups[0].tasks[0].config;
        assert_eq!(config["args"], serde_json::json!([null]));
        assert!(config.contains_key("name"));
    }

    #[test]
    fn says_where_a_value_is_of_the_wrong_kind() {
        let error = decode::<Job>(br#"{"TaskGroups":[{"Tasks":[{"Resources":{"cpu":"5"}}]}]}"#).unwrap_err();
        assert!(
            error.to_string().starts_with("TaskGroups[0].Tasks[0].Resources.CPU: invalid type"),
            "{error}"
        );
        let error = decode::<Job>(b"{").unwrap_err();
        assert!(error.to_string().contains("line 1"), "{error}");
    }
}
