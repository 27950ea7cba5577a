//! A broken rule of a job, and the thing of the job that breaks it.

/// A rule that a job breaks. Found without a file: jobs also come over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `T0401` and the like; [`crate::explain`] has a page for each.
    pub code: &'static str,
    /// `group "cache" > task "redis"`; empty for the job itself.
    pub path: String,
    pub message: String,
    /// What to do about it; may be empty.
    pub help: String,
    pub(crate) place: Place,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// The way from the job to one of its parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Place {
    steps: Vec<Step>,
    field: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    kind: &'static str,
    index: usize,
    name: String,
}

impl Place {
    pub(crate) fn enter(&mut self, kind: &'static str, index: usize, name: &str) {
        self.steps.push(Step { kind, index, name: name.to_string() });
    }

    pub(crate) fn leave(&mut self) {
        self.steps.pop();
    }

    /// The argument of that name at this place.
    #[must_use]
    pub(crate) fn field(&self, field: &str) -> Self {
        Self { steps: self.steps.clone(), field: field.to_string() }
    }

    /// Unique in a job: `/group0/task1/driver`.
    pub(crate) fn key(&self) -> String {
        let mut key = String::new();
        for step in &self.steps {
            key.push_str(&format!("/{}{}", step.kind, step.index));
        }
        if !self.field.is_empty() {
            key.push_str(&format!("/{}", self.field));
        }
        key
    }

    /// `group "cache" > task "redis"`
    pub(crate) fn path(&self) -> String {
        let steps = self.steps.iter().filter(|step| step.kind != "job").map(Step::title);
        steps.collect::<Vec<_>>().join(" > ")
    }

    /// `group "cache", task "redis"`
    pub(crate) fn context(&self) -> String {
        let named = self.steps.iter().filter(|step| matches!(step.kind, "group" | "task" | "service"));
        named.filter(|step| !step.name.is_empty()).map(Step::title).collect::<Vec<_>>().join(", ")
    }
}

impl Step {
    fn title(&self) -> String {
        if self.name.is_empty() { self.kind.to_string() } else { format!("{} \"{}\"", self.kind, self.name) }
    }
}
