//! Files of a task.

use model::{Artifact, ChangeMode, ChangeScript, Template};

use super::{
    Writer,
    text::{map, quoted, span, texts},
};

pub(super) fn template(template: &Template) -> Writer {
    let usual = Template::default();
    let mut out = Writer::new("template");
    out.text("source", &template.source);
    out.text("data", &template.data);
    out.set("destination", quoted(&template.destination));
    out.set_if(template.change != usual.change, "change_mode", template.change.as_str());
    let has_signal = template.change == ChangeMode::Signal || !template.signal.is_empty();
    out.set_if(has_signal, "change_signal", quoted(&template.signal));
    out.set_if(template.once, "once", true);
    out.set_if(template.splay != usual.splay, "splay", span(template.splay));
    out.set_if(template.perms != usual.perms, "perms", quoted(&template.perms));
    if let Some(uid) = template.uid {
        out.set("uid", uid);
    }
    if let Some(gid) = template.gid {
        out.set("gid", gid);
    }
    out.set_if(template.left != usual.left, "left_delimiter", quoted(&template.left));
    out.set_if(template.right != usual.right, "right_delimiter", quoted(&template.right));
    out.set_if(template.env, "env", true);
    out.set_if(template.missing_key_is_error, "error_on_missing_key", true);
    if let Some(script) = &template.script {
        let mut block = Writer::new("change_script");
        block.set("command", quoted(&script.command));
        block.set_if(!script.args.is_empty(), "args", texts(&script.args));
        block.set_if(script.timeout != ChangeScript::default().timeout, "timeout", span(script.timeout));
        block.set_if(script.fail_on_error, "fail_on_error", true);
        block.set_if(script.run_on_first_render, "run_on_first_render", true);
        out.block(block);
    }
    if let Some(wait) = template.wait {
        let mut block = Writer::new("wait");
        block.set("min", span(wait.min));
        block.set("max", span(wait.max));
        out.block(block);
    }
    out
}

pub(super) fn artifact(artifact: &Artifact) -> Writer {
    let mut out = Writer::new("artifact");
    out.set("source", quoted(&artifact.source));
    out.text("destination", &artifact.destination);
    out.set_if(artifact.mode != Default::default(), "mode", artifact.mode.as_str());
    out.set_if(!artifact.options.is_empty(), "options", map(&artifact.options));
    out.set_if(!artifact.headers.is_empty(), "headers", map(&artifact.headers));
    out.set_if(artifact.insecure, "insecure", true);
    out.set_if(artifact.chown, "chown", true);
    out
}
