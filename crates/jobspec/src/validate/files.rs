//! Templates and artifacts of a task.

use std::collections::BTreeSet;

use model::{
    Artifact, ChangeMode, Task, Template, fetch,
    files::{TEMPLATE_FUNCTIONS, absent_template_function, path_in_alloc},
};

use super::{Checker, SIGNALS};
use crate::codes;

/// More files than that are a mistake of whoever generates them.
const MAX_FILES: usize = 200;

impl Checker {
    pub(super) fn files(&mut self, task: &Task) {
        for (kind, count) in [("template", task.templates.len()), ("artifact", task.artifacts.len())] {
            if count > MAX_FILES {
                let message = format!("the task has {count} `{kind}` blocks; at most {MAX_FILES} are read");
                self.report(codes::LIMIT, "", message, "put several files into one archive");
            }
        }
        for (index, artifact) in task.artifacts.iter().enumerate() {
            self.enter("artifact", index, "");
            self.artifact(task, artifact);
            self.leave();
        }
        let mut destinations = BTreeSet::new();
        for (index, template) in task.templates.iter().enumerate() {
            self.enter("template", index, "");
            self.template(task, template);
            if !template.destination.is_empty() && !destinations.insert(template.destination.as_str()) {
                let message = format!("two templates have the destination \"{}\"", template.destination);
                self.report(codes::DUPLICATE, "destination", message, "give each file a name of its own");
            }
            self.leave();
        }
    }

    fn artifact(&mut self, task: &Task, artifact: &Artifact) {
        if artifact.source.is_empty() {
            let help = "write `source = \"http://host/file.tar.gz\"`";
            self.report(codes::MISSING, "source", "the artifact has no `source`", help);
            return;
        }
        // What stands for something is looked at on the node; the rest of the address is the same there.
        let source = without_references(&artifact.source);
        let options = artifact.options.iter().filter(|(_, value)| !value.contains("${"));
        let options = options.map(|(key, value)| (key.clone(), value.clone())).collect();
        if !artifact.source.starts_with("${")
            && let Err(message) = fetch::parse(&source, &options)
        {
            self.report(codes::ARTIFACT, "source", message, "");
        }
        self.stays_inside(task, "destination", &artifact.destination);
        if artifact.chown && task.user.is_empty() {
            let message = "`chown` gives the files to the user of the task, which has none";
            self.report(codes::MISSING, "chown", message, "write `user = \"name\"` into the task");
        }
    }

    fn template(&mut self, task: &Task, template: &Template) {
        match (template.source.is_empty(), template.data.is_empty()) {
            (true, true) => {
                let message = "the template has neither `source` nor `data`";
                let help = "write the text into `data`, or name a file in the task's directory with `source`";
                self.report(codes::MISSING, "", message, help);
            }
            (false, false) => {
                let message = "the template has both `source` and `data`";
                self.report(codes::REPEATED, "source", message, "leave one of them out");
            }
            _ => {}
        }
        if template.source.contains("://") {
            let message = format!("`source` of a template is a file, found \"{}\"", template.source);
            self.report(codes::NAME, "source", message, "fetch it with `artifact`, and name the file here");
        } else {
            self.stays_inside(task, "source", &template.source);
        }
        if template.destination.is_empty() {
            let help = "write `destination = \"local/app.conf\"`";
            self.report(codes::MISSING, "destination", "the template has no `destination`", help);
        }
        self.stays_inside(task, "destination", &template.destination);
        if template.mode().is_none() {
            let message = format!("`perms` must be an octal number, found \"{}\"", template.perms);
            self.report(codes::OUT_OF_RANGE, "perms", message, "write `perms = \"0644\"`");
        }
        self.change(template);
        if let Some(wait) = template.wait.filter(|wait| wait.min > wait.max) {
            self.enter("wait", 0, "");
            let span = model::time::format_duration;
            let message = format!("`min` ({}) is longer than `max` ({})", span(wait.min), span(wait.max));
            self.report(codes::OUT_OF_RANGE, "min", message, "raise `max`, or lower `min`");
            self.leave();
        }
        if !template.data.is_empty() {
            self.template_text(template);
        }
    }

    fn change(&mut self, template: &Template) {
        match template.change {
            ChangeMode::Signal if template.env => {
                let message = "`change_mode = \"signal\"` does not go with `env = true`";
                let help = "write `change_mode = \"restart\"`: a task that runs keeps its environment";
                self.report(codes::NOT_FOR_TYPE, "change_mode", message, help);
            }
            ChangeMode::Signal if !SIGNALS.contains(&template.signal.as_str()) => {
                let message = format!("unknown signal \"{}\"", template.signal);
                self.report(codes::CHOICE, "change_signal", message, "write it as \"SIGHUP\"");
            }
            ChangeMode::Script => {
                let command = template.script.as_ref().map(|script| script.command.as_str());
                if command.is_none_or(str::is_empty) {
                    let message = "`change_mode = \"script\"` needs a `change_script` with a `command`";
                    let help = "write `change_script { command = \"/bin/reload\" }`";
                    self.report(codes::MISSING, "change_mode", message, help);
                }
            }
            _ => {}
        }
    }

    /// Files of a task stay in the directory of its allocation. What `${..}` stands for is looked at on the node.
    fn stays_inside(&mut self, task: &Task, field: &str, path: &str) {
        if !path.is_empty() && path_in_alloc(&task.name, path).is_none() {
            let message = format!("`{field}` leads out of the allocation's directory: \"{path}\"");
            let help =
                "write a path in the task's directory, such as \"local/app.conf\" or \"secrets/file.env\"";
            self.report(codes::NAME, field, message, help);
        }
    }

    fn template_text(&mut self, template: &Template) {
        let delimiters =
            gotemplate::Delimiters { left: template.left.clone(), right: template.right.clone() };
        let known = |name: &str| {
            if TEMPLATE_FUNCTIONS.contains(&name) || gotemplate::helpers::knows(name) {
                return Ok(());
            }
            Err(match absent_template_function(name) {
                Some(reason) => format!("function \"{name}\" is not supported: {reason}"),
                None => format!("function \"{name}\" not defined"),
            })
        };
        if let Err(error) = gotemplate::Template::parse(&template.data, &delimiters, &known) {
            let help = match error.message.starts_with("function") {
                true => "functions of templates are listed in docs/job-files.md",
                false => "",
            };
            self.report(codes::TEMPLATE, "data", format!("in the template, {error}"), help);
        }
    }
}

/// With an `x` in the place of each `${..}`.
fn without_references(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        out.push_str(&rest[..start]);
        out.push('x');
        rest = rest[start..].find('}').map_or("", |end| &rest[start + end + 1..]);
    }
    out.push_str(rest);
    out
}
