//! Files of a task: templates and artifacts.

use model::{Artifact, ArtifactMode, ChangeMode, ChangeScript, Template, Wait};

use super::{
    Decoder,
    fields::{Fields, Section},
};

pub(super) fn templates(fields: &mut Fields<'_>, d: &mut Decoder) -> Vec<Template> {
    let mut templates = Vec::new();
    for section in fields.blocks(d, "template") {
        d.enter("template", templates.len(), "", section.span);
        templates.push(template(&section, d));
        d.leave();
    }
    templates
}

fn template(section: &Section<'_>, d: &mut Decoder) -> Template {
    let mut fields = Fields::new(&section.body, "template");
    let defaults = Template::default();
    fields.require(d, "destination", section.span, "write `destination = \"local/app.conf\"`");
    let modes = ChangeMode::ALL.map(|mode| (mode.as_str(), mode));
    let mut template = Template {
        source: fields.text(d, "source").unwrap_or_default(),
        data: fields.text(d, "data").unwrap_or_default(),
        destination: fields.text(d, "destination").unwrap_or_default(),
        change: fields.choice(d, "change_mode", &modes).unwrap_or(defaults.change),
        signal: fields.text(d, "change_signal").unwrap_or_default(),
        once: fields.bool(d, "once").unwrap_or(false),
        splay: fields.duration(d, "splay").unwrap_or(defaults.splay),
        perms: fields.text(d, "perms").filter(|perms| !perms.is_empty()).unwrap_or(defaults.perms),
        uid: id(&mut fields, d, "uid"),
        gid: id(&mut fields, d, "gid"),
        left: fields.text(d, "left_delimiter").filter(|text| !text.is_empty()).unwrap_or(defaults.left),
        right: fields.text(d, "right_delimiter").filter(|text| !text.is_empty()).unwrap_or(defaults.right),
        env: fields.bool(d, "env").unwrap_or(false),
        missing_key_is_error: fields.bool(d, "error_on_missing_key").unwrap_or(false),
        script: None,
        wait: None,
    };
    if let Some(section) = fields.block(d, "change_script") {
        d.enter("change_script", 0, "", section.span);
        template.script = Some(change_script(&section, d));
        d.leave();
    }
    if let Some(section) = fields.block(d, "wait") {
        d.enter("wait", 0, "", section.span);
        let mut fields = Fields::new(&section.body, "wait");
        let usual = Wait::default();
        let min = fields.duration(d, "min");
        let max = fields.duration(d, "max");
        let min = min.unwrap_or(usual.min);
        template.wait = Some(Wait { min, max: max.unwrap_or(usual.max.max(min)) });
        fields.finish(d);
        d.leave();
    }
    if fields.raw("vault_grace").is_some() {
        fields.duration(d, "vault_grace");
        let warning = String::from("`vault_grace` is ignored: it has had no effect since 2018");
        d.warnings.push((warning, fields.span("vault_grace")));
    }
    fields.finish(d);
    template
}

/// -1: unchanged.
fn id(fields: &mut Fields<'_>, d: &mut Decoder, name: &'static str) -> Option<u32> {
    fields.number(d, name, -1, u32::MAX).and_then(|id| u32::try_from(id).ok())
}

fn change_script(section: &Section<'_>, d: &mut Decoder) -> ChangeScript {
    let mut fields = Fields::new(&section.body, "change_script");
    fields.require(d, "command", section.span, "write `command = \"/bin/reload\"`");
    let script = ChangeScript {
        command: fields.text(d, "command").unwrap_or_default(),
        args: fields.texts(d, "args").unwrap_or_default(),
        timeout: fields.duration(d, "timeout").unwrap_or(ChangeScript::default().timeout),
        fail_on_error: fields.bool(d, "fail_on_error").unwrap_or(false),
        run_on_first_render: fields.bool(d, "run_on_first_render").unwrap_or(false),
    };
    fields.finish(d);
    script
}

pub(super) fn artifacts(fields: &mut Fields<'_>, d: &mut Decoder) -> Vec<Artifact> {
    let mut artifacts = Vec::new();
    for section in fields.blocks(d, "artifact") {
        d.enter("artifact", artifacts.len(), "", section.span);
        artifacts.push(artifact(&section, d));
        d.leave();
    }
    artifacts
}

fn artifact(section: &Section<'_>, d: &mut Decoder) -> Artifact {
    let mut fields = Fields::new(&section.body, "artifact");
    fields.require(d, "source", section.span, "write `source = \"http://host/file.tar.gz\"`");
    let modes = ArtifactMode::ALL.map(|mode| (mode.as_str(), mode));
    let artifact = Artifact {
        source: fields.text(d, "source").unwrap_or_default(),
        destination: fields.text(d, "destination").unwrap_or_default(),
        mode: fields.choice(d, "mode", &modes).unwrap_or_default(),
        options: fields.map(d, "options"),
        headers: fields.map(d, "headers"),
        insecure: fields.bool(d, "insecure").unwrap_or(false),
        chown: fields.bool(d, "chown").unwrap_or(false),
    };
    fields.finish(d);
    artifact
}
