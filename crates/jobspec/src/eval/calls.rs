//! Calls of functions.

use super::{Evaluated, Evaluator, Fault, Language, Val, types::Type, within, wrong};
use crate::{
    codes,
    diagnostic::Finding,
    functions::{self, Refusal},
    syntax::{Expr, Name, Span},
};

impl Evaluator<'_> {
    pub(super) fn call(&mut self, name: &Name, args: &[Expr], expand: bool, span: Span) -> Evaluated<Val> {
        if self.language == Language::Settings {
            return wrong(
                name.span,
                format!("there are no functions in this file, found `{}(..)`", name.text),
                "write the resulting value here",
            );
        }
        match name.text.as_str() {
            "try" => return self.first_that_works(args, span),
            "can" => return self.works(args, span),
            "convert" => return self.convert(args, span),
            _ => {}
        }
        let function = match functions::find(&name.text) {
            Ok(function) => function,
            Err(help) => return wrong(name.span, format!("there is no function `{}`", name.text), help),
        };
        let mut values = args.iter().map(|arg| self.operand(arg)).collect::<Evaluated<Vec<_>>>()?;
        if expand {
            match values.pop() {
                Some(Val::List(list)) => values.extend(list.items.iter().cloned()),
                other => {
                    let found =
                        other.map_or_else(String::new, |value| format!(", found {}", value.describe()));
                    let last = args.last().map_or(span, |arg| arg.span);
                    return wrong(last, format!("`...` stands behind a list{found}"), "");
                }
            }
        }
        let work = values.iter().map(Val::weight).fold(64, usize::saturating_add);
        within(span, self.limits.work(work))?;
        let result = function.run(&values, &mut self.limits, &mut self.means);
        result
            .map_err(|refusal| refused(refusal, &name.text, args, span))
            .and_then(|value| self.keep(value, span))
    }

    /// `try(a, b)`
    fn first_that_works(&mut self, args: &[Expr], span: Span) -> Evaluated<Val> {
        let mut last = None;
        for arg in args {
            match self.operand(arg) {
                Ok(value) => return Ok(value),
                Err(Fault::Wrong(finding)) => last = Some(finding),
                Err(other) => return Err(other),
            }
        }
        match last {
            Some(mut finding) => {
                finding.message = format!("no argument of `try` has a value; the last: {}", finding.message);
                Err(Fault::Wrong(finding))
            }
            None => wrong(span, "`try` needs an argument", ""),
        }
    }

    /// `can(a)`
    fn works(&mut self, args: &[Expr], span: Span) -> Evaluated<Val> {
        let [arg] = args else { return wrong(span, "`can` takes one argument", "") };
        match self.operand(arg) {
            Ok(_) => Ok(Val::Bool(true)),
            Err(Fault::Wrong(_)) => Ok(Val::Bool(false)),
            Err(other) => Err(other),
        }
    }

    /// `convert(value, type)`
    fn convert(&mut self, args: &[Expr], span: Span) -> Evaluated<Val> {
        let [value, wanted] = args else {
            return wrong(span, "`convert` takes a value and a type", "write `convert(value, list(string))`");
        };
        let wanted = Type::read(wanted).map_err(Fault::Wrong)?;
        let found = self.operand(value)?;
        within(span, self.limits.work(found.weight()))?;
        match wanted.convert(&found) {
            Ok(converted) => self.keep(converted, span),
            Err(reason) => wrong(value.span, reason, ""),
        }
    }
}

fn refused(refusal: Refusal, name: &str, args: &[Expr], span: Span) -> Fault {
    let place = refusal.argument.and_then(|at| args.get(at)).map_or(span, |arg| arg.span);
    let message = format!("`{name}`: {}", refusal.message);
    if refusal.is_limit {
        return Fault::Limit(Box::new(Finding::new(codes::LIMIT, place, message, refusal.help)));
    }
    Fault::Wrong(Box::new(Finding::new(codes::EXPRESSION, place, message, refusal.help)))
}
