//! Version requirements as job files write them: `>= 1.0, < 2`, `~> 1.2`.

use std::cmp::Ordering;

use semver::Prerelease;

/// How strictly versions are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    /// Any number of segments; a pre-release only meets requirements that name a pre-release of the same version.
    Loose,
    /// Semantic Versioning 2.0: three segments, and pre-releases are ordered like any other version.
    Semver,
}

#[derive(Debug)]
struct Version {
    segments: Vec<u64>,
    pre: Prerelease,
}

impl Version {
    fn parse(flavour: Flavour, text: &str) -> Option<Self> {
        let text = text.trim();
        let text = if flavour == Flavour::Loose { text.strip_prefix('v').unwrap_or(text) } else { text };
        let text = text.split_once('+').map_or(text, |(version, _)| version);
        let (numbers, pre) = text.split_once('-').unwrap_or((text, ""));
        let segments = numbers.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>()?;
        if flavour == Flavour::Semver && segments.len() != 3 {
            return None;
        }
        Some(Self { segments, pre: Prerelease::new(pre).ok()? })
    }

    fn segment(&self, at: usize) -> u64 {
        self.segments.get(at).copied().unwrap_or(0)
    }

    fn cmp_segments(&self, other: &Self, upto: usize) -> Ordering {
        (0..upto)
            .map(|at| self.segment(at).cmp(&other.segment(at)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let all = self.segments.len().max(other.segments.len());
        self.cmp_segments(other, all).then_with(|| self.pre.cmp(&other.pre))
    }
}

/// Whether the version meets every requirement of the list. Text that is no version, or no requirement, is not met.
pub(super) fn meets(flavour: Flavour, version: &str, requirements: &str) -> bool {
    let Some(version) = Version::parse(flavour, version) else { return false };
    requirements
        .split(',')
        .all(|requirement| meets_one(flavour, &version, requirement.trim()).unwrap_or(false))
}

fn meets_one(flavour: Flavour, version: &Version, requirement: &str) -> Option<bool> {
    let at = requirement.find(|c: char| !"=!<>~".contains(c))?;
    let (operator, wanted) = requirement.split_at(at);
    let wanted = Version::parse(flavour, wanted)?;
    let order = version.cmp(&wanted);
    let all = version.segments.len().max(wanted.segments.len());
    let comparable = flavour == Flavour::Semver
        || match (version.pre.is_empty(), wanted.pre.is_empty()) {
            (true, _) => true,
            (false, true) => false,
            (false, false) => version.cmp_segments(&wanted, all).is_eq(),
        };
    Some(match operator {
        "" | "=" => order.is_eq(),
        "!=" => order.is_ne(),
        ">" => comparable && order.is_gt(),
        ">=" => comparable && order.is_ge(),
        "<" => comparable && order.is_lt(),
        "<=" => comparable && order.is_le(),
        // All segments but the last one named are fixed.
        "~>" => {
            let fixed = wanted.segments.len().saturating_sub(1);
            comparable && order.is_ge() && version.cmp_segments(&wanted, fixed).is_eq()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements() {
        let check = |version, list, expected| {
            assert_eq!(meets(Flavour::Loose, version, list), expected, "{version} {list}")
        };
        check("1.2.3", ">= 1.0, < 2", true);
        check("2.0", ">= 1.0, < 2", false);
        check("1.2", "1.2.0", true);
        check("v1.2", "= 1.2", true);
        check("1.2", "!= 1.2", false);
        check("1.9", "~> 1.2", true);
        check("2.0", "~> 1.2", false);
        check("1.2.9", "~> 1.2.3", true);
        check("1.3.0", "~> 1.2.3", false);
        check("1.3.0-beta1", ">= 1.2", false);
        check("1.3.0-beta2", ">= 1.3.0-beta1", true);
        check("20.10.7+dfsg", "> 19", true);
        check("abc", ">= 1", false);
        check("1.0", "about 1", false);
        check("1.0", "", false);
    }

    #[test]
    fn semver_orders_prereleases() {
        let check = |version, list, expected| {
            assert_eq!(meets(Flavour::Semver, version, list), expected, "{version} {list}")
        };
        check("1.3.0-beta1", ">= 1.2.0", true);
        check("1.3.0-beta1", ">= 1.3.0", false);
        check("1.3", ">= 1.2.0", false);
        check("v1.3.0", ">= 1.2.0", false);
    }
}
