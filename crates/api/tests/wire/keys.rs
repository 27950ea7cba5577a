//! Every object has every key that existing clients look for.

use serde::Serialize;
use serde_json::Value;

fn keys(object: &impl Serialize) -> Vec<String> {
    match serde_json::to_value(object).unwrap() {
        Value::Object(members) => members.keys().cloned().collect(),
        other => panic!("not an object: {other}"),
    }
}

/// `expected`: names with blanks between them. All must be there; others must not.
#[track_caller]
fn check(object: impl Serialize, expected: &str) {
    let mut expected: Vec<&str> = expected.split_whitespace().collect();
    expected.sort_unstable();
    let mut found = keys(&object);
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn jobs() {
    check(
        api::Job::default(),
        "ID Name Namespace Region Type Priority AllAtOnce Datacenters NodePool Constraints Affinities Spreads \
         TaskGroups Update Multiregion Periodic ParameterizedJob Dispatched DispatchIdempotencyToken Payload Meta \
         ConsulNamespace VaultNamespace NomadTokenID ParentID Stop Status StatusDescription Stable Version \
         SubmitTime CreateIndex ModifyIndex JobModifyIndex UI VersionTag",
    );
    check(
        api::TaskGroup::default(),
        "Name Count Update Migrate Constraints Scaling RestartPolicy Disconnect Tasks EphemeralDisk Meta \
         ReschedulePolicy Affinities Spreads Networks Consul Services Volumes ShutdownDelay MaxRunDuration \
         StopAfterClientDisconnect MaxClientDisconnect PreventRescheduleOnLost",
    );
    check(
        api::Task::default(),
        "Name Driver User Config Env Services Vault Secrets Consul Templates Constraints Affinities Resources \
         RestartPolicy DispatchPayload Lifecycle Meta KillTimeout LogConfig Artifacts Leader ShutdownDelay \
         VolumeMounts ScalingPolicies KillSignal Kind CSIPluginConfig Identity Identities Actions Schedule",
    );
    check(
        api::Resources::default(),
        "CPU Cores MemoryMB MemoryMaxMB DiskMB IOPS Networks Devices NUMA SecretsMB",
    );
    check(
        api::Service::default(),
        "Name TaskName PortLabel AddressMode Address EnableTagOverride Tags CanaryTags Checks Connect \
         Meta CanaryMeta TaggedAddresses Namespace OnUpdate Provider Cluster Identity Kind Weights",
    );
    check(
        api::ServiceCheck::default(),
        "Name Type Command Args Path Protocol PortLabel Expose AddressMode Interval Timeout InitialStatus Notes \
         TLSServerName TLSSkipVerify Method Header CheckRestart GRPCService GRPCUseTLS TaskName \
         SuccessBeforePassing FailuresBeforeCritical FailuresBeforeWarning Body OnUpdate",
    );
    check(
        api::UpdateStrategy::default(),
        "Stagger MaxParallel HealthCheck MinHealthyTime HealthyDeadline ProgressDeadline AutoRevert AutoPromote \
         Canary",
    );
    check(api::RestartPolicy::default(), "Attempts Interval Delay Mode RenderTemplates");
    check(api::ReschedulePolicy::default(), "Attempts Interval Delay DelayFunction MaxDelay Unlimited");
    check(api::DisconnectStrategy::default(), "LostAfter StopOnClientAfter Replace Reconcile");
    check(api::MigrateStrategy::default(), "MaxParallel HealthCheck MinHealthyTime HealthyDeadline");
    check(
        api::job::Template::default(),
        "SourcePath DestPath EmbeddedTmpl ChangeMode ChangeSignal ChangeScript Once Splay Perms Uid Gid LeftDelim \
         RightDelim Envvars VaultGrace Wait ErrMissingKey",
    );
    check(api::job::ChangeScript::default(), "Command Args Timeout FailOnError RunOnFirstRender");
    check(api::job::WaitConfig::default(), "Min Max");
    check(
        api::job::TaskArtifact::default(),
        "GetterSource GetterOptions GetterHeaders GetterMode GetterInsecure RelativeDest Chown",
    );
    check(api::EphemeralDisk::default(), "Sticky SizeMB Migrate");
    check(api::LogConfig::default(), "MaxFiles MaxFileSizeMB Disabled");
    check(api::Constraint::default(), "LTarget RTarget Operand");
    check(api::Affinity::default(), "LTarget RTarget Operand Weight");
    check(api::Spread::default(), "Attribute Weight SpreadTarget");
    check(api::SpreadTarget::default(), "Value Percent");
    check(api::NetworkResource::default(), "");
    check(api::Port::default(), "");
    check(
        api::Port { label: "a".into(), value: 1, to: 2, host_network: "h".into(), ignore_collision: true },
        "Label Value To HostNetwork IgnoreCollision",
    );
    let full = api::NetworkResource {
        mode: "host".into(),
        device: "eth0".into(),
        cidr: "10.0.0.0/8".into(),
        ip: "10.0.0.1".into(),
        hostname: "h".into(),
        mbits: 1,
        dns: Some(Value::Bool(true)),
        reserved_ports: vec![api::Port::default()],
        dynamic_ports: vec![api::Port::default()],
        cni: Some(Value::Bool(true)),
    };
    check(full, "Mode Device CIDR IP Hostname MBits DNS ReservedPorts DynamicPorts CNI");
}

#[test]
fn lists_of_jobs() {
    check(
        api::JobListStub::default(),
        "ID ParentID Name Datacenters NodePool Multiregion Type Priority Periodic ParameterizedJob Stop Status \
         StatusDescription JobSummary CreateIndex ModifyIndex JobModifyIndex SubmitTime",
    );
    check(api::JobSummary::default(), "JobID Namespace Summary Children CreateIndex ModifyIndex");
    check(api::TaskGroupSummary::default(), "Queued Complete Failed Running Starting Lost Unknown");
    check(
        api::JobRegisterResponse::default(),
        "EvalID EvalCreateIndex JobModifyIndex Warnings Index LastContact KnownLeader NextToken",
    );
    check(
        api::JobDeregisterResponse::default(),
        "EvalID EvalCreateIndex JobModifyIndex VolumeEvalID VolumeEvalIndex Index LastContact KnownLeader NextToken",
    );
}

#[test]
fn allocations() {
    check(
        api::AllocListStub::default(),
        "ID EvalID Name Namespace NodeID NodeName JobID JobType JobVersion TaskGroup DesiredStatus \
         DesiredDescription ClientStatus ClientDescription DesiredTransition TaskStates DeploymentStatus \
         FollowupEvalID NextAllocation RescheduleTracker PreemptedAllocations PreemptedByAllocation CreateIndex \
         ModifyIndex CreateTime ModifyTime",
    );
    check(
        api::JobPlanResponse::default().annotations.unwrap_or_default(),
        "DesiredTGUpdates PreemptedAllocs",
    );
    let rich = api::Allocation {
        preempted_allocations: vec!["a".into()],
        preempted_by_allocation: "b".into(),
        ..api::Allocation::default()
    };
    check(rich, "ID DesiredTransition PreemptedAllocations PreemptedByAllocation");
    check(api::TaskState::default(), "State Failed Restarts LastRestart StartedAt FinishedAt Events Paused");
    check(
        api::TaskEvent::default(),
        "Type Time Message DisplayMessage Details FailsTask RestartReason SetupError DriverError ExitCode Signal \
         KillTimeout KillError KillReason StartDelay DownloadError ValidationError DiskLimit FailedSibling VaultError \
         TaskSignalReason TaskSignal DriverMessage GenericSource",
    );
    check(
        api::AllocMetric::default(),
        "NodesEvaluated NodesFiltered NodesInPool NodePool NodesAvailable ClassFiltered ConstraintFiltered \
         NodesExhausted ClassExhausted DimensionExhausted QuotaExhausted ResourcesExhausted Scores ScoreMetaData \
         AllocationTime CoalescedFailures",
    );
    check(api::alloc::AllocatedResources::default(), "Tasks TaskLifecycles Shared");
    check(api::alloc::AllocatedTaskResources::default(), "Cpu Memory Networks Devices");
    check(api::alloc::AllocatedCpu::default(), "CpuShares ReservedCores");
    check(api::alloc::AllocatedDevice::default(), "Vendor Type Name DeviceIDs");
    check(api::job::RequestedDevice::default(), "Name Count Constraints Affinities");
    check(api::alloc::AllocatedSharedResources::default(), "Networks DiskMB Ports");
    check(api::AllocDeploymentStatus::default(), "Healthy Timestamp Canary ModifyIndex");
    // Keys of a full allocation come and go with their values: these are the ones that carry an odd name.
    let full = api::Allocation {
        id: "1".into(),
        eval_id: "2".into(),
        node_id: "3".into(),
        job_id: "4".into(),
        deployment_id: "5".into(),
        followup_eval_id: "6".into(),
        ..Default::default()
    };
    check(full, "ID EvalID NodeID JobID DeploymentID FollowupEvalID DesiredTransition");
}

#[test]
fn nodes_evaluations_deployments() {
    check(
        api::Node::default(),
        "ID SecretID Datacenter Name HTTPAddr TLSEnabled Attributes NodeResources ReservedResources Links Meta \
         NodeClass NodePool ComputedClass Drain DrainStrategy SchedulingEligibility Status StatusDescription \
         StatusUpdatedAt Events Drivers CSIControllerPlugins CSINodePlugins HostVolumes HostNetworks \
         GCVolumesOnNodeGC LastDrain NodeMaxAllocs CgroupParent IdentitySigningKeyID LastMissedHeartbeatIndex \
         LastAllocUpdateIndex CreateIndex ModifyIndex",
    );
    check(
        api::NodeListStub::default(),
        "Address ID Datacenter Name NodePool NodeClass Version Drain SchedulingEligibility Status \
         StatusDescription Drivers HostVolumes LastDrain CreateIndex ModifyIndex",
    );
    check(
        api::node::NodeResources::default(),
        "Cpu Memory Disk Devices NodeNetworks Networks MinDynamicPort MaxDynamicPort",
    );
    check(api::node::NodeCpu::default(), "CpuShares TotalCpuCores ReservableCpuCores");
    check(api::node::NodeReservedCpu::default(), "CpuShares ReservedCpuCores");
    check(api::node::NodeDeviceResource::default(), "Vendor Type Name Instances Attributes");
    check(api::node::NodeDevice::default(), "ID Healthy HealthDescription Locality");
    check(api::DriverInfo::default(), "Attributes Detected Healthy HealthDescription UpdateTime");
    check(api::NodeEvent::default(), "Message Subsystem Details Timestamp CreateIndex");
    check(
        api::Deployment::default(),
        "ID Namespace JobID JobVersion JobModifyIndex JobSpecModifyIndex JobCreateIndex IsMultiregion TaskGroups \
         Status StatusDescription EvalPriority CreateIndex ModifyIndex CreateTime ModifyTime",
    );
    check(
        api::DeploymentState::default(),
        "AutoRevert AutoPromote ProgressDeadline RequireProgressBy Promoted PlacedCanaries DesiredCanaries \
         DesiredTotal PlacedAllocs HealthyAllocs UnhealthyAllocs",
    );
    check(api::Evaluation::default(), "ID");
    let eval = api::Evaluation {
        kind: "service".into(),
        triggered_by: "job-register".into(),
        failed_tg_allocs: [("a".to_owned(), api::AllocMetric::default())].into(),
        queued_allocations: [("a".to_owned(), 1)].into(),
        ..Default::default()
    };
    check(eval, "ID Type TriggeredBy FailedTGAllocs QueuedAllocations");
}

#[test]
fn stats_and_agent() {
    check(api::AllocResourceUsage::default(), "ResourceUsage Tasks Timestamp");
    check(
        api::MemoryStats::default(),
        "RSS Cache Swap MappedFile Usage MaxUsage KernelUsage KernelMaxUsage Measured",
    );
    check(
        api::CpuStats::default(),
        "SystemMode UserMode TotalTicks Percent ThrottledPeriods ThrottledTime Measured",
    );
    check(
        api::HostStats::default(),
        "Memory CPU DiskStats AllocDirStats DeviceStats Uptime Timestamp CPUTicksConsumed",
    );
    check(
        api::Member::default(),
        "Name Addr Port Status ProtocolMin ProtocolMax ProtocolCur DelegateMin DelegateMax DelegateCur Tags",
    );
    check(api::AgentMembers::default(), "ServerName ServerRegion ServerDC Members");
    check(api::AgentSelf::default(), "config member stats");
}

#[test]
fn consul_objects() {
    check(
        api::consul::CatalogService::default(),
        "ID Node Address Datacenter TaggedAddresses NodeMeta ServiceKind ServiceID ServiceName ServiceTags \
         ServiceAddress ServiceWeights ServiceMeta ServicePort ServiceSocketPath ServiceEnableTagOverride \
         ServiceProxy ServiceConnect CreateIndex ModifyIndex",
    );
    check(
        api::consul::Node::default(),
        "ID Node Address Datacenter TaggedAddresses Meta CreateIndex ModifyIndex",
    );
    check(
        api::consul::NodeService::default(),
        "ID Service Tags Address Meta Port Weights EnableTagOverride Proxy Connect PeerName CreateIndex ModifyIndex",
    );
    check(
        api::consul::HealthCheck::default(),
        "Node CheckID Name Status Notes Output ServiceID ServiceName ServiceTags Type Interval Timeout ExposedPort \
         Definition CreateIndex ModifyIndex",
    );
    check(api::consul::ServiceEntry::default(), "Node Service Checks");
    assert_eq!(
        serde_json::to_string(&api::consul::ServiceConnect::default()).unwrap(),
        "{}",
        "an object, not null"
    );
}

#[test]
fn nothing_is_null_or_zero_as_clients_expect() {
    let job = serde_json::to_value(api::Job::default()).unwrap();
    assert_eq!(job["Constraints"], Value::Null);
    assert_eq!(job["Meta"], Value::Null);
    assert_eq!(job["Update"]["MaxParallel"], 0);
    assert_eq!(job["Update"]["Canary"], 0);
    let state = serde_json::to_value(api::TaskState::default()).unwrap();
    assert_eq!(state["StartedAt"], Value::Null);
    assert_eq!(state["Events"], Value::Null);
}
