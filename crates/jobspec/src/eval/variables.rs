//! `variable` blocks: what is declared, what is given, what comes of both.

use std::collections::BTreeMap;

use super::{Evaluated, Evaluator, Fault, Inputs, Language, Val, inputs::Sheet, types::Type};
use crate::{
    codes,
    diagnostic::{Diagnostic, Finding},
    functions::Means,
    suggest::nearest,
    syntax::{Attribute, Block, Body, Expr, Name, Span, parse_value, shorten},
};

/// What came of a job file.
pub(crate) struct Outcome {
    pub(crate) body: Body,
    pub(crate) findings: Vec<Finding>,
    /// What is wrong with values from outside.
    pub(crate) elsewhere: Vec<Diagnostic>,
    /// Blocks are missing in `body`.
    pub(crate) incomplete: bool,
}

/// A variable as the file declares it.
struct Declared<'b> {
    name: &'b Name,
    kind: Type,
    default: Option<Val>,
    validations: Vec<&'b Block<Expr>>,
    /// What is wrong with it was reported.
    is_broken: bool,
}

/// A value from outside, and which sheet it stands on.
struct Given {
    sheet: usize,
    value: GivenValue,
}

enum GivenValue {
    /// The text of the sheet.
    Text,
    Written(Attribute<Expr>),
}

/// Works out a job file: its variables, its local values, then all else.
pub(crate) fn job_file(body: Body<Expr>, inputs: &Inputs<'_>) -> Outcome {
    let means = Means { disk: inputs.disk, seed: inputs.seed, drawn: 0 };
    let mut evaluator = Evaluator::new(Language::Job, means);
    let is_ours =
        |block: &Block<Expr>| matches!(block.kind.text.as_str(), "variable" | "variables" | "locals");
    let (ours, blocks): (Vec<_>, Vec<_>) = body.blocks.into_iter().partition(is_ours);
    let ours: Vec<&Block<Expr>> = ours.iter().collect();
    let elsewhere = evaluator.read_variables(&ours, inputs);
    evaluator.read_locals(&ours);
    let body = evaluator.body(&Body { attributes: body.attributes, blocks });
    Outcome { body, findings: evaluator.findings, elsewhere, incomplete: evaluator.incomplete }
}

impl Evaluator<'_> {
    fn wrong(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.findings.push(Finding::new(codes::VARIABLE, span, message, help));
    }

    /// Declares, assigns and checks all variables; returns what is wrong with values from outside.
    fn read_variables(&mut self, blocks: &[&Block<Expr>], inputs: &Inputs<'_>) -> Vec<Diagnostic> {
        // Defaults and values use no names.
        self.language = Language::Values;
        let declared = self.declarations(blocks);
        let names: Vec<String> =
            inputs.environment.iter().map(|(name, _)| format!("NOMAD_VAR_{name}")).collect();
        let flags: Vec<String> = inputs.assignments.iter().map(|(name, _)| format!("-var {name}")).collect();
        let mut sheets = Vec::new();
        let mut given: BTreeMap<String, Given> = BTreeMap::new();
        for ((name, value), shown) in inputs.environment.iter().zip(&names) {
            if declared.contains_key(name.as_str()) {
                given.insert(name.clone(), Given { sheet: sheets.len(), value: GivenValue::Text });
                sheets.push(Sheet::new(shown, value));
            }
        }
        for file in &inputs.files {
            let mut sheet = Sheet::new(&file.name, &file.text);
            for attribute in sheet.read() {
                let name = attribute.name.text.clone();
                if declared.contains_key(name.as_str()) {
                    given.insert(name, Given { sheet: sheets.len(), value: GivenValue::Written(attribute) });
                } else if inputs.strict {
                    undeclared(&mut sheet, &declared, &name, attribute.name.span);
                }
            }
            sheets.push(sheet);
        }
        for ((name, value), shown) in inputs.assignments.iter().zip(&flags) {
            let mut sheet = Sheet::new(shown, value);
            if declared.contains_key(name.as_str()) {
                given.insert(name.clone(), Given { sheet: sheets.len(), value: GivenValue::Text });
            } else if inputs.strict {
                undeclared(&mut sheet, &declared, name, Span::default());
            }
            sheets.push(sheet);
        }
        for (name, variable) in &declared {
            let value = self.assigned(variable, given.get(*name), &mut sheets);
            self.variables.insert((*name).to_owned(), value);
        }
        self.language = Language::Job;
        for variable in declared.values() {
            self.validate(variable);
        }
        sheets.into_iter().flat_map(Sheet::diagnostics).collect()
    }

    fn declarations<'b>(&mut self, blocks: &[&'b Block<Expr>]) -> BTreeMap<&'b str, Declared<'b>> {
        let mut found: BTreeMap<&str, Declared<'_>> = BTreeMap::new();
        let mut declare = |this: &mut Self, variable: Declared<'b>| {
            let name = variable.name;
            if found.insert(&name.text, variable).is_some() {
                this.findings.push(Finding::new(
                    codes::REPEATED,
                    name.span,
                    format!("the variable `{}` is declared twice", name.text),
                    "remove one of the two",
                ));
            }
        };
        for block in blocks.iter().filter(|block| block.kind.text == "variable") {
            let [name] = block.labels.as_slice() else {
                let help = "write `variable \"name\" { .. }`";
                self.findings.push(Finding::new(
                    codes::LABEL,
                    block.kind.span,
                    "`variable` needs one name",
                    help,
                ));
                continue;
            };
            let variable = self.declaration(name, &block.body);
            declare(self, variable);
        }
        for attribute in self.named_values(blocks, "variables") {
            let default = self.default(&attribute.value);
            declare(
                self,
                Declared {
                    name: &attribute.name,
                    kind: default.as_ref().map_or(Type::Any, Type::of_default),
                    is_broken: default.is_none(),
                    default,
                    validations: Vec::new(),
                },
            );
        }
        found
    }

    fn declaration<'b>(&mut self, name: &'b Name, body: &'b Body<Expr>) -> Declared<'b> {
        let mut kind = None;
        let mut default = None;
        let mut is_broken = false;
        let mut default_span = name.span;
        for Attribute { name: argument, value } in &body.attributes {
            match argument.text.as_str() {
                "type" => match Type::read(value) {
                    Ok(read) => kind = Some(read),
                    Err(finding) => {
                        is_broken = true;
                        self.findings.push(*finding);
                    }
                },
                "default" => {
                    default = self.default(value);
                    default_span = value.span;
                    is_broken |= default.is_none();
                }
                // Said for readers.
                "description" => {}
                other => {
                    let message = format!("unknown argument `{other}` in `variable`");
                    let known = "known here: type, default, description, and the block validation";
                    self.findings.push(Finding::new(codes::UNKNOWN_NAME, argument.span, message, known));
                }
            }
        }
        let (validations, others): (Vec<_>, Vec<_>) =
            body.blocks.iter().partition(|block| block.kind.text == "validation");
        for block in others {
            let message = format!("unknown block `{}` in `variable`", block.kind.text);
            let help = "known here: validation; a map is written with `=` before its brace";
            self.findings.push(Finding::new(codes::UNKNOWN_NAME, block.kind.span, message, help));
        }
        if let (Some(kind), Some(value)) = (&kind, &default) {
            match kind.convert(value) {
                Ok(converted) => default = Some(converted),
                Err(reason) => {
                    is_broken = true;
                    let message = format!("the default of `{}` does not fit its type: {reason}", name.text);
                    self.wrong(default_span, message, "correct the default or the type");
                }
            }
        }
        let kind = kind.unwrap_or_else(|| default.as_ref().map_or(Type::Any, Type::of_default));
        Declared { name, kind, default, validations, is_broken }
    }

    fn default(&mut self, expr: &Expr) -> Option<Val> {
        match self.eval(expr) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.report(fault);
                None
            }
        }
    }

    /// The value that counts; `None` if something is wrong, which is then reported.
    fn assigned(
        &mut self,
        variable: &Declared<'_>,
        given: Option<&Given>,
        sheets: &mut [Sheet<'_>],
    ) -> Option<Val> {
        let name = &variable.name.text;
        if variable.is_broken {
            return None;
        }
        let Some(given) = given else {
            // What is wrong with the values from outside may be why there is none.
            if variable.default.is_none() && sheets.iter().all(|sheet| sheet.findings.is_empty()) {
                let message = format!("the variable `{name}` has no value");
                let help = format!(
                    "give it a `default`, run with `-var {name}=..`, or set NOMAD_VAR_{name} in the environment"
                );
                self.wrong(variable.name.span, message, help);
            }
            return variable.default.clone();
        };
        let sheet = &mut sheets[given.sheet];
        let (value, span) = match &given.value {
            GivenValue::Text if variable.kind.is_literal() => (Ok(Val::text(sheet.text)), Span::default()),
            GivenValue::Text => match parse_value(sheet.text) {
                Ok(expr) => (self.eval(&expr), expr.span),
                Err(findings) => {
                    sheet.findings.extend(findings);
                    return None;
                }
            },
            GivenValue::Written(attribute) => (self.eval(&attribute.value), attribute.value.span),
        };
        match value.map(|value| variable.kind.convert(&value)) {
            Ok(Ok(value)) if value.weight() <= super::MAX_WEIGHT => Some(value),
            Ok(Ok(_)) => {
                let message = format!("the value of the variable `{name}` is too large");
                sheet.report(span, message, "at most 2 MiB are read");
                None
            }
            Ok(Err(reason)) => {
                let message = format!("the variable `{name}`: {reason}");
                sheet.report(span, message, "the job file says which type it has");
                None
            }
            Err(Fault::Known) => None,
            Err(Fault::Wrong(finding) | Fault::Limit(finding)) => {
                sheet.findings.push(*finding);
                None
            }
        }
    }

    fn validate(&mut self, variable: &Declared<'_>) {
        if self.variables.get(&variable.name.text).is_none_or(Option::is_none) {
            return;
        }
        for block in &variable.validations {
            let find = |name: &str| block.body.attributes.iter().find(|one| one.name.text == name);
            let names = block.body.attributes.iter().map(|attribute| &attribute.name);
            let mut names = names.chain(block.body.blocks.iter().map(|inner| &inner.kind));
            if let Some(other) =
                names.find(|name| !matches!(name.text.as_str(), "condition" | "error_message"))
            {
                let message = format!("unknown name `{}` in `validation`", other.text);
                let help = "known here: condition, error_message";
                self.findings.push(Finding::new(codes::UNKNOWN_NAME, other.span, message, help));
                continue;
            }
            let (Some(condition), Some(message)) = (find("condition"), find("error_message")) else {
                let help = "write `validation { condition = .. error_message = \"..\" }`";
                self.wrong(block.kind.span, "`validation` needs `condition` and `error_message`", help);
                continue;
            };
            if let Err(fault) = self.check(variable, &condition.value, &message.value) {
                self.report(fault);
            }
        }
    }

    fn check(&mut self, variable: &Declared<'_>, condition: &Expr, message: &Expr) -> Evaluated<()> {
        if self.truth(condition, "the condition")? {
            return Ok(());
        }
        let said = self.eval(message)?;
        let said = said.to_text().unwrap_or_default();
        let name = &variable.name.text;
        let value = self.variables.get(name).cloned().flatten().unwrap_or(Val::Null);
        let message = format!("the variable `{name}` is {}: {}", value.describe(), shorten(&said));
        self.wrong(condition.span, message, format!("give `{name}` a value that fits this condition"));
        Ok(())
    }
}

fn undeclared(sheet: &mut Sheet<'_>, declared: &BTreeMap<&str, Declared<'_>>, name: &str, span: Span) {
    let names: Vec<&str> = declared.keys().copied().collect();
    let help = match nearest(name, &names) {
        Some(near) => {
            format!("did you mean `{near}`? `-hcl2-strict=false` ignores values without a variable")
        }
        None => format!(
            "declare it with `variable \"{name}\" {{ }}`, or ignore such values with `-hcl2-strict=false`"
        ),
    };
    sheet.report(span, format!("the job file declares no variable `{name}`"), help);
}
