//! Services and their checks.

use std::time::Duration;

use super::{Reader, or_default};
use crate::job::{CheckRestart, Service, ServiceCheck};

impl Reader {
    /// `holder` is the task that the service stands in, none for the group's services. Names stay empty where they
    /// are: their defaults are `jobspec`'s.
    pub(super) fn service(&mut self, service: Service, holder: Option<&str>) -> model::Service {
        self.inside(format!("service {:?}", service.name), |reader| reader.service_inside(service, holder))
    }

    fn service_inside(&mut self, service: Service, holder: Option<&str>) -> model::Service {
        self.only("AddressMode", &service.address_mode, &["auto", "host"]);
        self.only("Address", &service.address, &[]);
        self.never("EnableTagOverride", service.enable_tag_override);
        self.absent("Connect", &service.connect);
        self.absent("TaggedAddresses", &service.tagged_addresses);
        self.only("Namespace", &service.namespace, &["default"]);
        self.only("OnUpdate", &service.on_update, &["require_healthy"]);
        self.only("Provider", &service.provider, &["consul", "nomad"]);
        self.only("Cluster", &service.cluster, &["default"]);
        self.absent("Identity", &service.identity);
        self.only("Kind", &service.kind, &[]);
        if let Some(weights) = &service.weights {
            self.never("Weights", !matches!((weights.passing, weights.warning), (0 | 1, 0 | 1)));
        }
        if let Some(holder) = holder {
            self.only("TaskName", &service.task_name, &[holder]);
        }
        let task = if holder.is_some() { String::new() } else { service.task_name };
        let runs_in = holder.map_or_else(|| task.clone(), str::to_owned);
        let checks = service
            .checks
            .into_iter()
            .map(|check| self.check(check, &runs_in, service.check_restart.as_ref()))
            .collect();
        model::Service {
            name: service.name,
            tags: service.tags,
            meta: service.meta,
            canary_tags: service.canary_tags,
            canary_meta: service.canary_meta,
            port_label: service.port_label,
            checks,
            provider: match service.provider.as_str() {
                "nomad" => model::Provider::Nomad,
                _ => model::Provider::Consul,
            },
            task,
        }
    }

    fn check(&mut self, check: ServiceCheck, task: &str, restart: Option<&CheckRestart>) -> model::Check {
        self.inside(format!("check {:?}", check.name), |reader| reader.check_inside(check, task, restart))
    }

    fn check_inside(
        &mut self,
        check: ServiceCheck,
        task: &str,
        restart: Option<&CheckRestart>,
    ) -> model::Check {
        let kind = match check.kind.as_str() {
            "tcp" => model::CheckKind::Tcp,
            "http" => model::CheckKind::Http,
            "script" => model::CheckKind::Script,
            other => {
                self.problem(format_args!(
                    "Type {other:?} is not supported; use \"tcp\", \"http\" or \"script\""
                ));
                model::CheckKind::Tcp
            }
        };
        self.only("Protocol", &check.protocol, &["http"]);
        self.never("Expose", check.expose);
        self.only("AddressMode", &check.address_mode, &["auto", "host"]);
        self.only("Notes", &check.notes, &[]);
        self.only("TLSServerName", &check.tls_server_name, &[]);
        self.never("TLSSkipVerify", check.tls_skip_verify);
        self.only("GRPCService", &check.grpc_service, &[]);
        self.never("GRPCUseTLS", check.grpc_use_tls);
        self.only("TaskName", &check.task_name, &[task]);
        self.never("FailuresBeforeWarning", check.failures_before_warning != 0);
        self.only("OnUpdate", &check.on_update, &["require_healthy"]);
        let restart = check.check_restart.as_ref().or(restart);
        model::Check {
            name: check.name,
            kind,
            interval: self.duration("Interval", check.interval),
            timeout: self.duration("Timeout", check.timeout),
            port_label: check.port_label,
            path: check.path,
            method: or_default(check.method, String::from("GET")),
            headers: check.header,
            body: check.body,
            command: check.command,
            args: check.args,
            initial_status: check.initial_status,
            success_before_passing: self.number("SuccessBeforePassing", check.success_before_passing),
            failures_before_critical: self.number("FailuresBeforeCritical", check.failures_before_critical),
            restart: restart.map(|restart| model::CheckRestart {
                limit: self.number("CheckRestart.Limit", restart.limit),
                grace: self.duration_or("CheckRestart.Grace", restart.grace, Duration::from_secs(1)),
                ignore_warnings: restart.ignore_warnings,
            }),
        }
    }
}
