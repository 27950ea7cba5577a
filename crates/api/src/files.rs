//! Files that a task finds when it starts.

use crate::{
    job_to_model::Reader,
    wire::{Map, nanos, nil, wire},
};

wire! {
    pub struct Template {
        pub source_path: String,
        pub dest_path: String,
        pub embedded_tmpl: String,
        /// `noop`, `restart`, `signal` or `script`. Default: `restart`.
        pub change_mode: String,
        pub change_signal: String,
        pub change_script: Option<ChangeScript>,
        pub once: bool,
        /// Nanoseconds. Default: 5 s.
        pub splay: Option<i64>,
        /// Octal. Default: `0644`.
        pub perms: String,
        /// -1 and null: unchanged.
        pub uid: Option<i64>,
        pub gid: Option<i64>,
        pub left_delim: String,
        pub right_delim: String,
        pub envvars: bool,
        /// Without meaning; input only.
        pub vault_grace: i64,
        pub wait: Option<WaitConfig>,
        pub err_missing_key: bool,
    }

    pub struct ChangeScript {
        pub command: String,
        #[serde(with = "nil")]
        pub args: Vec<String>,
        /// Nanoseconds. Default: 5 s.
        pub timeout: Option<i64>,
        pub fail_on_error: bool,
        pub run_on_first_render: bool,
    }

    /// Durations in nanoseconds.
    pub struct WaitConfig {
        pub min: Option<i64>,
        pub max: Option<i64>,
    }

    pub struct TaskArtifact {
        pub getter_source: String,
        #[serde(with = "nil")]
        pub getter_options: Map<String>,
        #[serde(with = "nil")]
        pub getter_headers: Map<String>,
        /// `any`, `file` or `dir`. Default: `any`.
        pub getter_mode: String,
        pub getter_insecure: bool,
        pub relative_dest: String,
        pub chown: bool,
    }
}

impl From<&model::Template> for Template {
    fn from(template: &model::Template) -> Self {
        let id = |id: Option<u32>| Some(id.map_or(-1, i64::from));
        Self {
            source_path: template.source.clone(),
            dest_path: template.destination.clone(),
            embedded_tmpl: template.data.clone(),
            change_mode: template.change.as_str().to_owned(),
            change_signal: template.signal.clone(),
            change_script: template.script.as_ref().map(|script| ChangeScript {
                command: script.command.clone(),
                args: script.args.clone(),
                timeout: Some(nanos(script.timeout)),
                fail_on_error: script.fail_on_error,
                run_on_first_render: script.run_on_first_render,
            }),
            once: template.once,
            splay: Some(nanos(template.splay)),
            perms: template.perms.clone(),
            uid: id(template.uid),
            gid: id(template.gid),
            left_delim: template.left.clone(),
            right_delim: template.right.clone(),
            envvars: template.env,
            vault_grace: 0,
            wait: template
                .wait
                .map(|wait| WaitConfig { min: Some(nanos(wait.min)), max: Some(nanos(wait.max)) }),
            err_missing_key: template.missing_key_is_error,
        }
    }
}

impl From<&model::Artifact> for TaskArtifact {
    fn from(artifact: &model::Artifact) -> Self {
        Self {
            getter_source: artifact.source.clone(),
            getter_options: artifact.options.clone(),
            getter_headers: artifact.headers.clone(),
            getter_mode: artifact.mode.as_str().to_owned(),
            getter_insecure: artifact.insecure,
            relative_dest: artifact.destination.clone(),
            chown: artifact.chown,
        }
    }
}

impl Reader {
    pub(crate) fn template(&mut self, template: Template) -> model::Template {
        let place = format!("template {:?}", template.dest_path);
        self.inside(place, |reader| reader.template_inside(template))
    }

    fn template_inside(&mut self, template: Template) -> model::Template {
        let defaults = model::Template::default();
        let change = match template.change_mode.as_str() {
            "" => model::ChangeMode::Restart,
            word => model::ChangeMode::parse(word).unwrap_or_else(|| {
                self.problem(format_args!(
                    "ChangeMode {word:?} is not supported; use \"noop\", \"restart\", \"signal\" or \"script\""
                ));
                model::ChangeMode::Restart
            }),
        };
        let or = |text: String, default: String| if text.is_empty() { default } else { text };
        let id = |id: Option<i64>| id.filter(|id| *id != -1);
        let (uid, gid) = (id(template.uid), id(template.gid));
        model::Template {
            change,
            signal: template.change_signal,
            script: template.change_script.map(|script| self.change_script(script)),
            splay: self.duration_or("Splay", template.splay, defaults.splay),
            perms: or(template.perms, defaults.perms),
            uid: uid.map(|uid| self.number("Uid", uid)),
            gid: gid.map(|gid| self.number("Gid", gid)),
            left: or(template.left_delim, defaults.left),
            right: or(template.right_delim, defaults.right),
            wait: template.wait.map(|wait| {
                let usual = model::Wait::default();
                model::Wait {
                    min: self.duration_or("Wait.Min", wait.min, usual.min),
                    max: self.duration_or("Wait.Max", wait.max, usual.max),
                }
            }),
            source: template.source_path,
            data: template.embedded_tmpl,
            destination: template.dest_path,
            once: template.once,
            env: template.envvars,
            missing_key_is_error: template.err_missing_key,
        }
    }

    fn change_script(&mut self, script: ChangeScript) -> model::ChangeScript {
        let usual = model::ChangeScript::default().timeout;
        model::ChangeScript {
            timeout: self.duration_or("ChangeScript.Timeout", script.timeout, usual),
            command: script.command,
            args: script.args,
            fail_on_error: script.fail_on_error,
            run_on_first_render: script.run_on_first_render,
        }
    }

    pub(crate) fn artifact(&mut self, artifact: TaskArtifact) -> model::Artifact {
        let mode = match artifact.getter_mode.as_str() {
            "" => model::ArtifactMode::Any,
            word => model::ArtifactMode::parse(word).unwrap_or_else(|| {
                self.problem(format_args!(
                    "Artifact {:?}: GetterMode {word:?} is not supported; use \"any\", \"file\" or \"dir\"",
                    artifact.getter_source
                ));
                model::ArtifactMode::Any
            }),
        };
        model::Artifact {
            source: artifact.getter_source,
            destination: artifact.relative_dest,
            mode,
            options: artifact.getter_options,
            headers: artifact.getter_headers,
            insecure: artifact.getter_insecure,
            chown: artifact.chown,
        }
    }
}
