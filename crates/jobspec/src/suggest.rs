//! "Did you mean ..?"

/// The known word that was probably meant; `None` when all are too far from it.
pub fn nearest<'w>(word: &str, known: &[&'w str]) -> Option<&'w str> {
    if word.len() > 64 {
        return None;
    }
    let reach = (word.chars().count() / 3).clamp(1, 3);
    let scored = known.iter().map(|other| (distance(&word.to_lowercase(), other), *other));
    scored.filter(|(distance, _)| *distance <= reach).min().map(|(_, other)| other)
}

/// Letters to insert, remove, replace or swap to make `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}
