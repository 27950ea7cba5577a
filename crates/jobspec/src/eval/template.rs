//! Text with values in it.

use super::{Evaluated, Evaluator, Growing, Mentions, Val, within, wrong};
use crate::syntax::{Expr, Part, Span};

impl Evaluator<'_> {
    /// What consists of one value only is that value, not text.
    pub(super) fn template(&mut self, parts: &[Part], span: Span) -> Evaluated<Val> {
        if let [Part::Value { expr, raw }] = parts {
            if self.stays(expr) {
                return self.keep(Val::text(raw), span);
            }
            return self.eval(expr);
        }
        let mut text = Growing::default();
        self.parts(parts, &mut text)?;
        self.keep(Val::text(text.finish()), span)
    }

    /// Whether it is left to the run time.
    fn stays(&self, expr: &Expr) -> bool {
        let mentions = Mentions::of(expr, self.bound());
        mentions.runtime && !mentions.ours
    }

    fn parts(&mut self, parts: &[Part], out: &mut Growing) -> Evaluated<()> {
        for part in parts {
            match part {
                Part::Literal(text) => {
                    let bound = self.limits.work(text.len()).and_then(|()| out.push(text));
                    within(Span::default(), bound)?;
                }
                Part::Value { expr, raw } if self.stays(expr) => within(expr.span, out.push(raw))?,
                Part::Value { expr, .. } => {
                    let value = self.eval(expr)?;
                    let Some(text) = value.to_text() else {
                        let help = match value {
                            Val::Null => "",
                            _ => "write `join(\",\", list)` or `jsonencode(value)`",
                        };
                        let message = format!("{} cannot be put into a text", value.describe());
                        return wrong(expr.span, message, help);
                    };
                    within(expr.span, self.limits.work(text.len()).and_then(|()| out.push(&text)))?;
                }
                Part::If { condition, yes, no } => {
                    let chosen = if self.truth(condition, "the condition")? { yes } else { no };
                    self.parts(chosen, out)?;
                }
                Part::For { key, value, source, body } => {
                    for entry in self.entries(source)? {
                        self.bind((key, value), entry, |eval| eval.parts(body, out))?;
                    }
                }
            }
        }
        Ok(())
    }
}
