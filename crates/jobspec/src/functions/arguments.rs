//! Arguments of functions: reading them, refusing them.

use std::{collections::BTreeMap, rc::Rc};

use crate::eval::{Disk, Exceeded, Limits, Val};

/// What functions need besides their arguments.
#[derive(Clone, Copy, Default)]
pub(crate) struct Means<'m> {
    pub(crate) disk: Option<&'m dyn Disk>,
    pub(crate) seed: Option<[u8; 32]>,
    /// Random values that were made of the seed.
    pub(crate) drawn: u64,
}

/// A call that is being worked out.
pub(crate) struct Call<'c, 'm> {
    pub(super) args: &'c [Val],
    pub(super) limits: &'c mut Limits,
    pub(super) means: &'c mut Means<'m>,
}

/// Why a function gives no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// From 0; `None`: the call as a whole.
    pub(crate) argument: Option<usize>,
    pub(crate) message: String,
    pub(crate) help: String,
    /// Too much was asked for.
    pub(crate) is_limit: bool,
}

impl Refusal {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { argument: None, message: message.into(), help: String::new(), is_limit: false }
    }

    pub(super) fn of(argument: usize, message: impl Into<String>) -> Self {
        Self { argument: Some(argument), ..Self::new(message) }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

impl From<Exceeded> for Refusal {
    fn from(exceeded: Exceeded) -> Self {
        Self { is_limit: true, ..Self::new(exceeded.message) }
    }
}

pub(super) type Answer = Result<Val, Refusal>;

impl Call<'_, '_> {
    fn misfit(&self, at: usize, wanted: &str) -> Refusal {
        let found = self.args.get(at).map_or_else(|| String::from("nothing"), Val::describe);
        Refusal::of(at, format!("argument {} must be {wanted}, found {found}", at + 1))
    }

    pub(super) fn text(&self, at: usize) -> Result<Rc<str>, Refusal> {
        self.args.get(at).and_then(Val::to_text).ok_or_else(|| self.misfit(at, "text"))
    }

    pub(super) fn number(&self, at: usize) -> Result<f64, Refusal> {
        self.args.get(at).and_then(Val::to_number).ok_or_else(|| self.misfit(at, "a number"))
    }

    pub(super) fn int(&self, at: usize) -> Result<i64, Refusal> {
        self.args.get(at).and_then(Val::to_int).ok_or_else(|| self.misfit(at, "a whole number"))
    }

    pub(super) fn list(&self, at: usize) -> Result<&[Val], Refusal> {
        match self.args.get(at) {
            Some(Val::List(list)) => Ok(&list.items),
            _ => Err(self.misfit(at, "a list")),
        }
    }

    pub(super) fn map(&self, at: usize) -> Result<&BTreeMap<Rc<str>, Val>, Refusal> {
        match self.args.get(at) {
            Some(Val::Object(object)) => Ok(&object.items),
            _ => Err(self.misfit(at, "a map")),
        }
    }

    /// Texts of a list.
    pub(super) fn texts(&self, at: usize) -> Result<Vec<Rc<str>>, Refusal> {
        let text = |item: &Val| {
            let message =
                || format!("argument {} must be a list of texts, found {} in it", at + 1, item.describe());
            item.to_text().ok_or_else(|| Refusal::of(at, message()))
        };
        self.list(at)?.iter().map(text).collect()
    }
}
