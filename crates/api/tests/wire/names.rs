//! Every twin against the table of names: the keys, what they hold, and which of them are left out when empty.

use std::collections::BTreeSet;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::table::{Objects, Type, When, sample, table, wrong};

/// Compares twins with the table.
struct Twins {
    objects: Objects,
    seen: BTreeSet<String>,
    problems: Vec<String>,
}

impl Twins {
    fn check<T: Serialize + DeserializeOwned + Default>(&mut self, name: &str) {
        self.seen.insert(name.to_owned());
        let Some(keys) = self.objects.get(name) else {
            self.problems.push(format!("{name} is not in the table"));
            return;
        };
        let full = sample(&self.objects, &Type::Object(name.to_owned()), &[]);
        // The table says of its own samples that they are right.
        wrong(&self.objects, &Type::Object(name.to_owned()), &full, name, &mut self.problems);
        match serde_json::from_value::<T>(full.clone()) {
            Err(error) => self.problems.push(format!("{name}: does not read {full}: {error}")),
            Ok(twin) => differences(name, &full, &serde_json::to_value(twin).unwrap(), &mut self.problems),
        }
        let Ok(Value::Object(empty)) = serde_json::to_value(T::default()) else {
            self.problems.push(format!("{name} is not an object"));
            return;
        };
        for (key, (_, when)) in keys {
            // The id of a thing is never empty, so nobody leaves it out.
            if (*when == When::Always) != empty.contains_key(key) {
                let verb = if empty.contains_key(key) { "is there" } else { "is missing" };
                self.problems.push(format!("{name}.{key} {verb} in an empty one"));
            }
        }
        for key in empty.keys().filter(|key| !keys.contains_key(*key)) {
            self.problems.push(format!("{name}.{key} is not in the table"));
        }
    }

    #[track_caller]
    fn finish(self) {
        assert!(self.problems.is_empty(), "{}\n", self.problems.join("\n"));
    }
}

fn differences(place: &str, wanted: &Value, found: &Value, all: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            for (key, value) in wanted {
                match found.get(key) {
                    Some(other) => differences(&format!("{place}.{key}"), value, other, all),
                    None => all.push(format!("{place}.{key} is not known")),
                }
            }
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            for (number, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                differences(&format!("{place}[{number}]"), wanted, found, all);
            }
        }
        _ if wanted == found => {}
        _ => all.push(format!("{place}: {wanted} comes back as {found}")),
    }
}

fn twins() -> Twins {
    Twins { objects: table(), seen: BTreeSet::new(), problems: Vec::new() }
}

macro_rules! check_all {
    ($twins:ident: $($name:literal $kind:ty,)*) => { $($twins.check::<$kind>($name);)* };
}

#[test]
fn every_twin_has_the_keys_of_the_table() {
    use api::{
        agent, alloc, deployment, eval, job, launch, location, metric, node, operator, request, scale, stats,
    };
    let mut twins = twins();
    check_all! { twins:
        "Job" job::Job, "JobUIConfig" job::JobUIConfig,
        "JobUILink" job::JobUILink, "JobVersionTag" job::JobVersionTag, "TaskGroup" job::TaskGroup, "Task" job::Task,
        "Template" api::files::Template, "ChangeScript" api::files::ChangeScript,
        "WaitConfig" api::files::WaitConfig, "TaskArtifact" api::files::TaskArtifact, "Action" job::Action,
        "JobAction" job::JobAction, "CheckResult" api::checks::CheckResult,
        "Resources" job::Resources, "RequestedDevice" job::RequestedDevice, "NetworkResource" job::NetworkResource,
        "Port" job::Port, "Service" job::Service, "ServiceWeights" job::ServiceWeights,
        "ServiceCheck" job::ServiceCheck, "CheckRestart" job::CheckRestart, "UpdateStrategy" job::UpdateStrategy,
        "RestartPolicy" job::RestartPolicy, "ReschedulePolicy" job::ReschedulePolicy,
        "MigrateStrategy" job::MigrateStrategy, "DisconnectStrategy" job::DisconnectStrategy,
        "EphemeralDisk" job::EphemeralDisk, "LogConfig" job::LogConfig, "Constraint" location::Constraint,
        "Affinity" location::Affinity, "Spread" location::Spread, "SpreadTarget" location::SpreadTarget,
        "DispatchPayloadConfig" launch::DispatchPayloadConfig, "TaskLifecycle" launch::TaskLifecycle,
        "PeriodicConfig" launch::PeriodicConfig, "ParameterizedJobConfig" launch::ParameterizedJobConfig,
        "ScalingPolicy" scale::ScalingPolicy, "ScalingPolicyListStub" scale::ScalingPolicyListStub,
        "JobListStub" job::JobListStub, "JobSummary" job::JobSummary, "JobChildren" job::JobChildren,
        "TaskGroupSummary" job::TaskGroupSummary, "JobScaleStatus" scale::JobScaleStatus,
        "TaskGroupScaleStatus" scale::TaskGroupScaleStatus, "ScalingEvent" scale::ScalingEvent,
        "JobStatusesJob" api::JobStatusesJob, "JobStatusesAlloc" api::JobStatusesAlloc,
        "JobStatusesHealth" api::JobStatusesHealth, "JobStatusesDeployment" api::JobStatusesDeployment,
        "JobSubmission" api::JobSubmission,
        "JobDiff" api::JobDiff, "TaskGroupDiff" api::TaskGroupDiff, "TaskDiff" api::TaskDiff,
        "ObjectDiff" api::ObjectDiff, "FieldDiff" api::FieldDiff,
        "JobRegisterResponse" request::JobRegisterResponse, "JobDeregisterResponse" request::JobDeregisterResponse,
        "JobValidateResponse" request::JobValidateResponse, "JobVersionsResponse" request::JobVersionsResponse,
        "JobPlanResponse" request::JobPlanResponse, "PlanAnnotations" request::PlanAnnotations,
        "DesiredUpdates" request::DesiredUpdates, "JobDispatchResponse" launch::JobDispatchResponse,
        "PeriodicForceResponse" launch::PeriodicForceResponse,
        "JobStabilityResponse" request::JobStabilityResponse, "JobTagResponse" api::JobTagResponse,
        "Allocation" alloc::Allocation, "AllocState" alloc::AllocState,
        "AllocNetworkStatus" alloc::AllocNetworkStatus, "AllocListStub" alloc::AllocListStub,
        "DesiredTransition" alloc::DesiredTransition, "AllocDeploymentStatus" alloc::AllocDeploymentStatus,
        "RescheduleTracker" alloc::RescheduleTracker, "RescheduleEvent" alloc::RescheduleEvent,
        "AllocatedResources" alloc::AllocatedResources, "AllocatedTaskResources" alloc::AllocatedTaskResources,
        "AllocatedCpu" alloc::AllocatedCpu, "AllocatedMemory" alloc::AllocatedMemory,
        "AllocatedDevice" alloc::AllocatedDevice, "AllocatedSharedResources" alloc::AllocatedSharedResources,
        "PortMapping" alloc::PortMapping, "TaskState" api::TaskState, "TaskEvent" api::TaskEvent,
        "AllocMetric" metric::AllocMetric, "NodeScoreMeta" metric::NodeScoreMeta,
        "AllocStopResponse" api::AllocStopResponse, "AllocFileInfo" api::AllocFileInfo,
        "Evaluation" eval::Evaluation, "EvaluationStub" eval::EvaluationStub,
        "Deployment" deployment::Deployment, "DeploymentState" deployment::DeploymentState,
        "DeploymentUpdateResponse" deployment::DeploymentUpdateResponse,
        "Node" node::Node, "NodeListStub" node::NodeListStub, "NodeResources" node::NodeResources,
        "NodeProcessors" node::NodeProcessors, "NodeTopology" node::NodeTopology,
        "NodeNetworkResource" node::NodeNetworkResource, "NodeNetworkAddress" node::NodeNetworkAddress,
        "NodeCpu" node::NodeCpu, "NodeMemory" node::NodeMemory, "NodeDisk" node::NodeDisk,
        "NodeDeviceResource" node::NodeDeviceResource, "NodeDevice" node::NodeDevice,
        "NodeDeviceLocality" node::NodeDeviceLocality, "DeviceAttribute" node::DeviceAttribute,
        "NodeReservedResources" node::NodeReservedResources, "NodeReservedCpu" node::NodeReservedCpu,
        "NodeReservedNetworks" node::NodeReservedNetworks, "NodeEvent" node::NodeEvent,
        "DriverInfo" node::DriverInfo, "DrainStrategy" node::DrainStrategy, "DrainMetadata" node::DrainMetadata,
        "NodeModifyResponse" node::NodeModifyResponse, "NodeUpdateResponse" node::NodeUpdateResponse,
        "NodeServerInfo" node::NodeServerInfo,
        "AllocResourceUsage" stats::AllocResourceUsage, "TaskResourceUsage" stats::TaskResourceUsage,
        "ResourceUsage" stats::ResourceUsage, "MemoryStats" stats::MemoryStats, "CpuStats" stats::CpuStats,
        "HostStats" stats::HostStats, "HostMemoryStats" stats::HostMemoryStats, "HostCpuStats" stats::HostCpuStats,
        "HostDiskStats" stats::HostDiskStats,
        "Member" agent::Member, "AgentMembers" agent::AgentMembers, "AgentSelf" agent::AgentSelf,
        "SearchResponse" agent::SearchResponse, "FuzzySearchResponse" agent::FuzzySearchResponse,
        "FuzzyMatch" agent::FuzzyMatch, "ServiceList" api::ServiceList, "ServiceStub" api::ServiceStub,
        "ServiceRegistration" api::ServiceRegistration, "Namespace" api::Namespace, "NodePool" api::NodePool,
        "RaftConfiguration" operator::RaftConfiguration, "RaftServer" operator::RaftServer,
        "LeadershipTransfer" operator::LeadershipTransfer, "RaftPeer" operator::RaftPeer,
        "AutopilotConfiguration" operator::AutopilotConfiguration, "AutopilotHealth" operator::AutopilotHealth,
        "ServerHealth" operator::ServerHealth,
        "SchedulerConfigurationResponse" operator::SchedulerConfigurationResponse,
        "SchedulerConfiguration" operator::SchedulerConfiguration, "PreemptionConfig" operator::PreemptionConfig,
        "SchedulerConfigurationUpdate" operator::SchedulerConfigurationUpdate,
    }
    let listed: BTreeSet<String> = twins.objects.keys().cloned().collect();
    let left: Vec<_> = listed.difference(&twins.seen).map(|name| format!("{name} has no twin")).collect();
    twins.problems.extend(left);
    twins.finish();
}
