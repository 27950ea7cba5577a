//! Bodies: every expression becomes a value, every `dynamic` block the blocks that it stands for.

use std::{collections::BTreeMap, rc::Rc};

use super::{Evaluated, Evaluator, Language, Val, within, wrong};
use crate::syntax::{Attribute, Block, Body, Expr, Name, Node, Value};

/// What a block costs at least, in bytes.
const BLOCK: usize = 128;

/// What a `dynamic` block says.
struct Dynamic<'b> {
    kind: Name,
    for_each: &'b Expr,
    iterator: String,
    labels: Option<&'b Expr>,
    content: &'b Body<Expr>,
}

impl Evaluator<'_> {
    pub(super) fn body(&mut self, body: &Body<Expr>) -> Body {
        let mut made = Body::default();
        for attribute in &body.attributes {
            let value = self.resolve(&attribute.value);
            made.attributes.push(Attribute { name: attribute.name.clone(), value });
        }
        for block in &body.blocks {
            if self.gives_up() {
                self.incomplete = true;
                break;
            }
            let outcome = if block.kind.text == "dynamic" && self.language == Language::Job {
                self.dynamic(block, &mut made.blocks)
            } else {
                self.block(block.kind.clone(), block.labels.clone(), &block.body, &mut made.blocks)
            };
            if let Err(fault) = outcome {
                self.incomplete = true;
                self.report(fault);
            }
        }
        made
    }

    fn block(
        &mut self,
        kind: Name,
        labels: Vec<Name>,
        body: &Body<Expr>,
        blocks: &mut Vec<Block<Value>>,
    ) -> Evaluated<()> {
        within(kind.span, self.limits.make(BLOCK + BLOCK * body.attributes.len().min(1024)))?;
        let body = self.body(body);
        blocks.push(Block { kind, labels, body });
        Ok(())
    }

    fn dynamic(&mut self, block: &Block<Expr>, blocks: &mut Vec<Block<Value>>) -> Evaluated<()> {
        let dynamic = read(block)?;
        for (key, value) in self.entries(dynamic.for_each)? {
            if self.gives_up() {
                self.incomplete = true;
                break;
            }
            let item = [(Rc::from("key"), key), (Rc::from("value"), value)];
            let item = Val::object(BTreeMap::from(item));
            self.bind((&None, &dynamic.iterator), (Val::Null, item), |eval| {
                let labels = eval.labels(dynamic.labels)?;
                eval.block(dynamic.kind.clone(), labels, dynamic.content, blocks)
            })?;
        }
        Ok(())
    }

    fn labels(&mut self, labels: Option<&Expr>) -> Evaluated<Vec<Name>> {
        let Some(expr) = labels else { return Ok(Vec::new()) };
        let value = self.operand(expr)?;
        let Val::List(list) = &value else {
            let message = format!("`labels` must be a list, found {}", value.describe());
            return wrong(expr.span, message, "write `labels = [..]`");
        };
        let mut names = Vec::new();
        for item in &list.items {
            let Some(text) = item.to_text() else {
                return wrong(expr.span, format!("a label must be text, found {}", item.describe()), "");
            };
            names.push(Name { text: text.to_string(), span: expr.span });
        }
        Ok(names)
    }
}

const HELP: &str = "write `dynamic \"kind\" { for_each = .. labels = [..] content { .. } }`; `labels` and `iterator` may be left out";

fn read(block: &Block<Expr>) -> Evaluated<Dynamic<'_>> {
    let [kind] = block.labels.as_slice() else {
        return wrong(
            block.kind.span,
            "`dynamic` needs one name: the kind of the blocks that it makes",
            HELP,
        );
    };
    let find = |name: &str| block.body.attributes.iter().find(|attribute| attribute.name.text == name);
    let known = ["for_each", "iterator", "labels"];
    if let Some(other) = block.body.attributes.iter().find(|one| !known.contains(&one.name.text.as_str())) {
        return wrong(other.name.span, format!("unknown argument `{}` in `dynamic`", other.name.text), HELP);
    }
    let Some(for_each) = find("for_each") else {
        return wrong(block.kind.span, "`dynamic` needs `for_each`: what to make blocks for", HELP);
    };
    let iterator = match find("iterator") {
        None => kind.text.clone(),
        Some(attribute) => match &attribute.value.node {
            Node::Name(name) | Node::Text(name) => name.clone(),
            _ => return wrong(attribute.value.span, "`iterator` must be a name", "write `iterator = it`"),
        },
    };
    let content = match block.body.blocks.as_slice() {
        [content] if content.kind.text == "content" && content.labels.is_empty() => &content.body,
        blocks => {
            let span = blocks.iter().find(|inner| inner.kind.text != "content").map(|inner| inner.kind.span);
            return wrong(
                span.unwrap_or(block.kind.span),
                "`dynamic` has one `content` block and no others",
                HELP,
            );
        }
    };
    let labels = find("labels").map(|attribute| &attribute.value);
    // What is made stands where `dynamic` stands.
    let kind = Name { text: kind.text.clone(), span: block.kind.span };
    Ok(Dynamic { kind, for_each: &for_each.value, iterator, labels, content })
}
