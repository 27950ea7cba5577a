//! Jobs that launch others: `periodic`, `parameterized`.

use model::{Parameterized, PayloadRule, Periodic};

use super::{
    Decoder,
    fields::{Fields, Section},
};

pub(super) fn periodic(section: &Section<'_>, d: &mut Decoder) -> Periodic {
    let mut fields = Fields::new(&section.body, "periodic");
    let mut periodic = Periodic::default();
    if let Some(enabled) = fields.bool(d, "enabled") {
        periodic.enabled = enabled;
    }
    periodic.prohibit_overlap = fields.bool(d, "prohibit_overlap").unwrap_or(false);
    if let Some(zone) = fields.text(d, "time_zone") {
        periodic.time_zone = zone;
    }
    // The old name, and what `crons` is for one expression.
    if let Some(spec) = fields.text(d, "cron") {
        periodic.specs.push(spec);
        let warning = String::from("`cron` is the old form of `crons = [\"..\"]`; it works as before");
        d.warnings.push((warning, fields.span("cron")));
    }
    periodic.specs.extend(fields.texts(d, "crons").unwrap_or_default());
    fields.finish(d);
    periodic
}

pub(super) fn parameterized(section: &Section<'_>, d: &mut Decoder) -> Parameterized {
    let mut fields = Fields::new(&section.body, "parameterized");
    let rules = PayloadRule::ALL.map(|rule| (rule.as_str(), rule));
    let parameterized = Parameterized {
        payload: fields.choice(d, "payload", &rules).unwrap_or_default(),
        meta_required: fields.texts(d, "meta_required").unwrap_or_default(),
        meta_optional: fields.texts(d, "meta_optional").unwrap_or_default(),
    };
    fields.finish(d);
    parameterized
}
