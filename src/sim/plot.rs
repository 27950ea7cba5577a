//! The picture of growth: an SVG with a panel for each figure, written by hand because it is only lines and words.

use std::fmt::Write as _;

use super::report::{Figures, Sample, grouped};

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 260.0;
const MARGIN: f64 = 56.0;
/// Points of a line, at most.
const POINTS: usize = 300;
/// Less than one part in so many of all allocations is few.
const FEW: u64 = 50;

/// One line of a panel.
struct Panel {
    title: &'static str,
    across: &'static str,
    points: Vec<(f64, f64)>,
}

/// Draws all runs: within the last one over its allocations, and over the number of nodes where there were several.
pub(super) fn svg(runs: &[(Figures, Vec<Sample>)]) -> String {
    let mut panels = Vec::new();
    if let Some((_, samples)) = runs.last() {
        let samples = worth_drawing(samples);
        let over = |value: fn(&Sample) -> f64| {
            samples.iter().map(|sample| (sample.running as f64, value(sample))).collect()
        };
        let panel = |title, points| Panel { title, across: "running allocations", points };
        panels.push(panel("seconds until they ran", over(|sample| sample.seconds)));
        panels.push(panel(
            "server: CPU, us per allocation",
            over(|s| s.cpu.as_secs_f64() * 1e6 / s.running as f64),
        ));
        panels.push(panel("server: memory, MB", over(|s| s.rss_bytes as f64 / 1e6)));
        panels.push(panel("log: bytes per allocation", over(|s| s.log_bytes as f64 / s.running as f64)));
    }
    if runs.len() > 1 {
        let over =
            |value: fn(&Figures) -> f64| runs.iter().map(|(f, _)| (f.nodes as f64, value(f))).collect();
        let panel = |title, points| Panel { title, across: "nodes", points };
        panels.push(panel("placements per second", over(|figures| figures.placements_per_s)));
        panels.push(panel("server: CPU, us per placement", over(|figures| figures.cpu_us_per_placement)));
    }
    let rows = panels.len().div_ceil(2).max(1);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        2.0 * WIDTH,
        rows as f64 * HEIGHT
    );
    for (at, panel) in panels.iter().enumerate() {
        draw(&mut text, panel, (at % 2) as f64 * WIDTH, (at / 2) as f64 * HEIGHT);
    }
    text.push_str("</svg>\n");
    text
}

/// A few hundred samples; what is divided by few allocations is left out, it would dwarf the rest.
fn worth_drawing(samples: &[Sample]) -> Vec<Sample> {
    let last = samples.last().map_or(0, |sample| sample.running);
    let enough = |sample: &&Sample| sample.running > 0 && sample.running * FEW >= last;
    let every = samples.len().div_ceil(POINTS).max(1);
    let skipped = (samples.len().max(1) - 1) % every;
    samples.iter().skip(skipped).step_by(every).filter(enough).copied().collect()
}

fn draw(text: &mut String, panel: &Panel, left: f64, top: f64) {
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let right = most(&mut panel.points.iter().map(|point| point.0));
    let high = most(&mut panel.points.iter().map(|point| point.1));
    let (wide, tall) = (WIDTH - 1.5 * MARGIN, HEIGHT - 1.6 * MARGIN);
    let (x0, y0) = (left + MARGIN, top + HEIGHT - MARGIN * 0.8);
    let _ = writeln!(
        text,
        "<path d=\"M{x0:.1} {:.1}V{y0:.1}H{:.1}\" fill=\"none\" stroke=\"black\"/>",
        y0 - tall,
        x0 + wide
    );
    let mut word = |x: f64, y: f64, anchor: &str, word: &str| {
        let _ = writeln!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{word}</text>");
    };
    word(left + WIDTH / 2.0, top + 20.0, "middle", panel.title);
    word(x0 + wide, y0 + 30.0, "end", panel.across);
    word(x0 + wide, y0 + 15.0, "end", &grouped(right));
    word(x0, y0 + 15.0, "middle", "0");
    word(x0 - 5.0, y0 - tall + 4.0, "end", &short(high));
    let points: Vec<String> = panel
        .points
        .iter()
        .map(|(x, y)| format!("{:.1},{:.1}", x0 + x / right * wide, y0 - y / high * tall))
        .collect();
    let points = points.join(" ");
    let _ =
        writeln!(text, "<polyline points=\"{points}\" fill=\"none\" stroke=\"#1560bd\" stroke-width=\"2\"/>");
}

fn short(number: f64) -> String {
    if number < 10.0 { format!("{number:.2}") } else { grouped(number) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_panel_for_each_figure_and_a_line_in_each() {
        let sample =
            |running| Sample { seconds: 1.0, running, cpu: Duration::from_secs(1), ..Sample::default() };
        let run = |nodes| (Figures { nodes, ..Figures::default() }, vec![sample(0), sample(10), sample(20)]);
        let one = svg(&[run(10)]);
        assert_eq!(one.matches("<polyline").count(), 4);
        assert_eq!(svg(&[run(10), run(100)]).matches("<polyline").count(), 6);
        assert!(one.starts_with("<svg") && one.ends_with("</svg>\n") && !one.contains("NaN"), "{one}");
        assert!(!svg(&[]).contains("<polyline"));
    }

    #[test]
    fn long_runs_are_thinned_and_keep_their_end() {
        let samples: Vec<Sample> = (0..3001).map(|running| Sample { running, ..Sample::default() }).collect();
        let drawn = worth_drawing(&samples);
        assert!(drawn.len() <= POINTS && drawn.len() > POINTS / 2, "{}", drawn.len());
        assert_eq!(
            (drawn[0].running >= 3000 / FEW, drawn.last().map(|last| last.running)),
            (true, Some(3000))
        );
    }
}
