//! Fills in what a job leaves out, so that everybody behind reads one form.

use model::{Artifact, ArtifactMode, ChangeMode, CheckKind, Job, JobType, MigratePolicy, Service, Template};

use crate::drivers;

/// Fills names and settings that are empty with their defaults, and brings driver settings into their one form.
///
/// For jobs that come over HTTP; [`crate::parse`] calls it as well. Values for which zero means something (`count`,
/// `kill_timeout`, an absent `update` or `reschedule`) are left alone: only the reader of the text knows whether they
/// were left out. Doing it twice changes nothing.
pub fn canonicalize(job: &mut Job) {
    let fill = |text: &mut String, default: &str| {
        if text.is_empty() {
            *text = default.to_string();
        }
    };
    fill(&mut job.region, "global");
    fill(&mut job.namespace, "default");
    fill(&mut job.name, &job.id);
    if job.priority == 0 {
        job.priority = 50;
    }
    if job.datacenters.is_empty() {
        job.datacenters = vec![String::from("*")];
    }
    for group in &mut job.groups {
        if job.kind == JobType::Service && group.migrate.is_none() {
            group.migrate = Some(MigratePolicy::default());
        }
        let base = format!("{}-{}", job.name, group.name);
        for service in &mut group.services {
            canonicalize_service(service, &base);
        }
        for task in &mut group.tasks {
            let base = format!("{base}-{}", task.name);
            for service in &mut task.services {
                canonicalize_service(service, &base);
            }
            task.kill_signal = task.kill_signal.to_uppercase();
            for template in &mut task.templates {
                template.signal = template.signal.to_uppercase();
                if template.change == ChangeMode::Signal {
                    fill(&mut template.signal, Template::SIGNAL);
                }
            }
            for artifact in &mut task.artifacts {
                if artifact.destination.is_empty() {
                    artifact.destination = default_destination(artifact);
                }
            }
            drivers::normalize(&task.driver, &mut task.config);
        }
    }
}

/// A file keeps its name, everything else goes into `local/`.
fn default_destination(artifact: &Artifact) -> String {
    if artifact.mode != ArtifactMode::File {
        return String::from("local/");
    }
    let path = artifact.source.split(['?', '#']).next().unwrap_or_default();
    format!("local/{}", path.trim_end_matches('/').rsplit('/').next().unwrap_or_default())
}

fn canonicalize_service(service: &mut Service, default_name: &str) {
    if service.name.is_empty() {
        service.name = default_name.to_string();
    }
    let many = service.checks.len() > 1;
    for (number, check) in service.checks.iter_mut().enumerate() {
        if check.name.is_empty() {
            check.name = format!("service: \"{}\" check", service.name);
            // Names of checks are unique in their service.
            if many && number > 0 {
                check.name = format!("{} {}", check.name, number + 1);
            }
        }
        if check.method.is_empty() {
            check.method = String::from("GET");
        }
        if check.initial_status.is_empty() {
            check.initial_status = String::from("critical");
        }
        let relative = check.kind == CheckKind::Http && !check.path.is_empty() && !check.path.contains("://");
        if relative && !check.path.starts_with('/') {
            check.path.insert(0, '/');
        }
    }
}
