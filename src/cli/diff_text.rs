//! Differences of jobs as `plan` and `job history -p` print them: marks, padding, braces.
//!
//! Among siblings all names begin in one column: behind the longest mark that one of them has. Values stand in one
//! column behind the longest name.

use api::{DiffType, FieldDiff, JobDiff, ObjectDiff, TaskDiff, TaskGroupDiff};

/// Writes differences.
#[derive(Debug, Clone, Copy)]
pub(super) struct Painter {
    pub(super) color: bool,
    /// Shows also what is in jobs, groups and tasks that come or go as a whole.
    pub(super) verbose: bool,
}

/// `+ `, `- `, `+/- ` or nothing.
fn mark(kind: DiffType) -> &'static str {
    match kind {
        DiffType::None => "",
        DiffType::Added => "+ ",
        DiffType::Deleted => "- ",
        DiffType::Edited => "+/- ",
    }
}

fn blanks(count: usize) -> String {
    " ".repeat(count)
}

/// What siblings are aligned by.
#[derive(Debug, Clone, Copy)]
struct Columns {
    mark: usize,
    name: usize,
}

impl Columns {
    fn of(fields: &[FieldDiff], objects: &[ObjectDiff], others: impl Iterator<Item = DiffType>) -> Self {
        let kinds = fields.iter().map(|field| field.kind).chain(objects.iter().map(|object| object.kind));
        let marks = kinds.chain(others).map(|kind| mark(kind).len());
        let names = fields.iter().map(|field| field.name.chars().count());
        Self { mark: marks.max().unwrap_or(0), name: names.max().unwrap_or(0) }
    }

    /// What is missing behind the mark.
    fn gap(self, kind: DiffType) -> usize {
        self.mark.saturating_sub(mark(kind).len())
    }
}

impl Painter {
    /// Without a newline at its end.
    pub(super) fn job(self, job: &JobDiff) -> String {
        let kinds = job.task_groups.iter().map(|group| group.kind);
        let columns = Columns::of(&job.fields, &job.objects, kinds);
        let mut lines =
            vec![format!("{}{}", self.mark(job.kind), self.bold(&format!("Job: {}", quoted(&job.id))))];
        if job.kind == DiffType::Edited || self.verbose {
            self.parts(&job.fields, &job.objects, 0, columns, &mut lines);
        }
        for (at, group) in job.task_groups.iter().enumerate() {
            if at > 0 {
                lines.push(String::new());
            }
            self.group(group, columns.gap(group.kind), &mut lines);
        }
        lines.join("\n")
    }

    fn group(self, group: &TaskGroupDiff, gap: usize, lines: &mut Vec<String>) {
        let columns = Columns::of(&group.fields, &group.objects, group.tasks.iter().map(|task| task.kind));
        let title = self.bold(&format!("Task Group: {}", quoted(&group.name)));
        let mut line = format!("{}{}{title}", self.mark(group.kind), blanks(gap));
        if !group.updates.is_empty() {
            let counted =
                group.updates.iter().map(|(kind, count)| self.words(kind, &format!("{count} {kind}")));
            line += &format!(" ({})", counted.collect::<Vec<_>>().join(", "));
        }
        lines.push(line);
        let start = gap + 2;
        if group.kind == DiffType::Edited || self.verbose {
            self.parts(&group.fields, &group.objects, start, columns, lines);
        }
        for task in &group.tasks {
            self.task(task, start, columns.gap(task.kind), lines);
        }
    }

    fn task(self, task: &TaskDiff, start: usize, gap: usize, lines: &mut Vec<String>) {
        let title = self.bold(&format!("Task: {}", quoted(&task.name)));
        let head = format!("{}{}{}{title}", blanks(start), self.mark(task.kind), blanks(gap));
        lines.push(head + &self.annotations(&task.annotations));
        let is_whole = matches!(task.kind, DiffType::Added | DiffType::Deleted);
        if task.kind == DiffType::Edited || (is_whole && self.verbose) {
            let columns = Columns::of(&task.fields, &task.objects, std::iter::empty());
            self.parts(&task.fields, &task.objects, start + 2, columns, lines);
        }
    }

    fn parts(
        self,
        fields: &[FieldDiff],
        objects: &[ObjectDiff],
        start: usize,
        columns: Columns,
        lines: &mut Vec<String>,
    ) {
        for field in fields {
            let value = match field.kind {
                DiffType::Deleted => quoted(&field.old),
                DiffType::Edited => format!("{} => {}", quoted(&field.old), quoted(&field.new)),
                DiffType::None | DiffType::Added => quoted(&field.new),
            };
            let pad = blanks(columns.name.saturating_sub(field.name.chars().count()));
            let mark =
                format!("{}{}{}", blanks(start), self.mark(field.kind), blanks(columns.gap(field.kind)));
            lines.push(format!("{mark}{}: {pad}{value}{}", field.name, self.annotations(&field.annotations)));
        }
        for object in objects {
            let gap = columns.gap(object.kind);
            let inner = Columns::of(&object.fields, &object.objects, std::iter::empty());
            lines.push(format!(
                "{}{}{}{} {{",
                blanks(start),
                self.mark(object.kind),
                blanks(gap),
                object.name
            ));
            self.parts(&object.fields, &object.objects, start + gap + 2, inner, lines);
            lines.push(format!("{}}}", blanks(start + gap + mark(object.kind).len())));
        }
    }

    fn annotations(self, words: &[String]) -> String {
        if words.is_empty() {
            return String::new();
        }
        let painted: Vec<String> = words.iter().map(|word| self.words(word, word)).collect();
        format!(" ({})", painted.join(", "))
    }

    fn mark(self, kind: DiffType) -> String {
        match kind {
            DiffType::None => String::new(),
            DiffType::Added => self.paint("32", mark(kind)),
            DiffType::Deleted => self.paint("31", mark(kind)),
            DiffType::Edited => self.paint("33", mark(kind)),
        }
    }

    /// Counts and annotations have the colour of what they do.
    fn words(self, kind: &str, text: &str) -> String {
        match kind.trim_start_matches("forces ") {
            "create" => self.paint("32", text),
            "destroy" => self.paint("31", text),
            "in-place update" | "canary" => self.paint("36", text),
            "create/destroy update" | "migrate" => self.paint("33", text),
            _ => text.to_owned(),
        }
    }

    fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Text in quotation marks as Go writes it: scripts compare lines.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            '\0'..' ' | '\u{7f}' => quoted.push_str(&format!("\\x{:02x}", u32::from(letter))),
            '\u{80}'..='\u{a0}' => quoted.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
