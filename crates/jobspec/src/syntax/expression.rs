//! Expressions: what stands behind `=` and is not a plain value, and what stands inside `${ }`.

use hcl::{
    Expression,
    eval::{Context, Evaluate},
};

use super::tree::Kind;

/// More operators and brackets than that are not evaluated: the evaluator recurses.
const MAX_OPERATORS: usize = 32;

/// What an expression refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// `var.name`, `local.name`
    Variable(String),
    /// `name(..)`
    Function(String),
    /// `[for ..]`, `{for ..}`
    Loop,
    /// Something that is known at run time only: `attr.kernel.name`, `NOMAD_PORT_http`.
    Runtime(String),
    /// Literals and operators only.
    Nothing,
}

/// Looks for the first thing that this release cannot evaluate; run-time values are reported only without those.
pub(crate) fn references(text: &str) -> Reference {
    let mut runtime = Reference::Nothing;
    let letters: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < letters.len() {
        let letter = letters[at];
        if letter == '"' {
            at += 1;
            while at < letters.len() && letters[at] != '"' {
                at += if letters[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if letter.is_alphabetic() || letter == '_' {
            let start = at;
            while at < letters.len() && (letters[at].is_alphanumeric() || matches!(letters[at], '_' | '-')) {
                at += 1;
            }
            let word: String = letters[start..at].iter().collect();
            if start > 0 && letters[start - 1] == '.' {
                continue;
            }
            let next = letters[at..].iter().copied().find(|letter| !letter.is_whitespace());
            match (word.as_str(), next) {
                ("true" | "false" | "null", _) => {}
                ("for", Some(next)) if next.is_alphabetic() || next == '_' => return Reference::Loop,
                (_, Some('(')) => return Reference::Function(word),
                ("var" | "local", Some('.' | '[')) => {
                    let rest = letters[at..].iter().take_while(|letter| {
                        letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | '[' | ']')
                    });
                    return Reference::Variable(format!("{word}{}", rest.collect::<String>()));
                }
                _ => {
                    if runtime == Reference::Nothing {
                        let rest = letters[at..]
                            .iter()
                            .take_while(|letter| !letter.is_whitespace() && **letter != '}');
                        runtime = Reference::Runtime(format!("{word}{}", rest.collect::<String>()));
                    }
                }
            }
        } else {
            at += 1;
        }
    }
    runtime
}

/// The value of an expression of literals and operators.
pub(crate) fn evaluate(text: &str) -> Result<Kind, String> {
    let operators = text.chars().filter(|letter| "+-*/%<>=!&|?:([{".contains(*letter)).count();
    if operators > MAX_OPERATORS {
        return Err(format!("the expression has more than {MAX_OPERATORS} operators and brackets"));
    }
    let expression: Expression =
        text.trim().parse().map_err(|_| format!("`{}` is not an expression", text.trim()))?;
    let value =
        expression.evaluate(&Context::new()).map_err(|_| format!("`{}` cannot be evaluated", text.trim()))?;
    match value {
        hcl::Value::Null => Ok(Kind::Null),
        hcl::Value::Bool(value) => Ok(Kind::Bool(value)),
        hcl::Value::Number(number) => number
            .as_i64()
            .map(Kind::Int)
            .or_else(|| number.as_f64().map(whole_or_float))
            .ok_or_else(|| String::from("the number is too large")),
        hcl::Value::String(text) => Ok(Kind::Text(text)),
        hcl::Value::Array(_) | hcl::Value::Object(_) => {
            Err(String::from("the expression does not give a single value"))
        }
    }
}

/// `500.0` counts as 500.
pub(crate) fn whole_or_float(value: f64) -> Kind {
    if value.fract() == 0.0 && value.abs() < 9.0e15 { Kind::Int(value as i64) } else { Kind::Float(value) }
}
