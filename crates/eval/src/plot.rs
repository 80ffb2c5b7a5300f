//! Plots as SVG, which read well on light and on dark pages.

use std::fmt::Write;

use super::Report;
use super::calibration::Bin;

const STYLE: &str = "\
  text { font: 12px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; font-size: 14px; } .note { fill: #57606a; }
  .end { text-anchor: end; } .middle { text-anchor: middle; }
  .grid { stroke: #d8dee4; } .zero { stroke: #57606a; } .ideal { stroke: #57606a; stroke-dasharray: 4 4; }
  .bar { fill: #0969da; } .other { fill: #8c959f; } .share { fill: #d8dee4; }
  .line { stroke: #0969da; stroke-width: 2; fill: none; } .before { stroke: #8c959f; stroke-width: 2; fill: none; } .dot { fill: #0969da; } .mark { stroke: #bc4c00; stroke-width: 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .note { fill: #9198a1; } .grid { stroke: #3d444d; } .zero, .ideal { stroke: #9198a1; }
    .bar, .dot { fill: #58a6ff; } .other { fill: #656c76; } .share { fill: #3d444d; } .line { stroke: #58a6ff; } .mark { stroke: #f0883e; }
  }
";
const LEFT: f64 = 190.0;
const WIDTH: f64 = 380.0;
const TOP: f64 = 60.0;
const ROW: f64 = 24.0;

/// What stands in a row.
enum Mark {
    /// A bar from 0 to a positive value, and whether it is the scorer's.
    Bar(f64, bool),
    /// The scorer's bar and a mark beside which it is read.
    Beside(f64, f64),
    /// A dot with an interval around it.
    Interval([f64; 3]),
}

impl Report {
    /// Plots by file name: each method's mean, the scorer's leads with their intervals, how often
    /// it chooses as well as the oracle, and calibration.
    pub fn plots(&self) -> [(&'static str, String); 4] {
        [
            ("means.svg", self.means_plot()),
            ("leads.svg", self.leads_plot()),
            ("oracle.svg", self.oracle_plot()),
            ("calibration.svg", self.calibration_plot()),
        ]
    }

    fn means_plot(&self) -> String {
        let row = |method: &String| {
            let mark = Mark::Bar(100.0 * self.means[method], method == "scorer");
            (method.clone(), mark)
        };
        let rows: Vec<_> = self.methods.iter().map(row).collect();
        rows_of(&format!("Mean {} by choice, in percent", self.measure), &self.subtitle(), &rows)
    }

    fn leads_plot(&self) -> String {
        let row = |lead: &super::Difference| {
            let values = [lead.low, lead.difference, lead.high].map(|value| 100.0 * value);
            (lead.method.clone(), Mark::Interval(values))
        };
        let leads = self.differences.iter().filter(|lead| lead.method != "oracle");
        let rows: Vec<_> = leads.map(row).collect();
        let title = format!("The scorer's lead in {}, percentage points", self.measure);
        rows_of(&title, "with 95% intervals by a paired bootstrap", &rows)
    }

    fn oracle_plot(&self) -> String {
        let row = |name: &str, of: &super::Agreement| {
            (name.to_owned(), Mark::Beside(100.0 * of.scorer, 100.0 * of.random))
        };
        let mut rows = vec![row("mean", &self.oracle)];
        rows.extend(self.datasets.iter().map(|dataset| row(&dataset.name, &dataset.oracle)));
        let title = "Choices as good as the oracle's, percent of questions";
        rows_of(title, "the mark is a random choice", &rows)
    }

    fn calibration_plot(&self) -> String {
        let most = self.calibration.iter().map(|bin| bin.candidates).max().unwrap_or(0).max(1);
        let note = format!(
            "mean distance {:.3}; grey: how many candidates, {most} at the most",
            self.calibration_error
        );
        let axes = ["mean score of the bin".into(), format!("mean {}", self.measure)];
        calibration("Calibration", &note, axes, &self.calibration, None)
    }

    fn subtitle(&self) -> String {
        format!("{}, {} questions of {} datasets", self.model, self.questions, self.datasets.len())
    }
}

/// Mean scores of `bins` against what they are worth, before which stands how it was `before`.
pub(super) fn calibration(
    title: &str,
    note: &str,
    [across, up]: [String; 2],
    bins: &[Bin],
    before: Option<&[Bin]>,
) -> String {
    let side = WIDTH;
    let at = |score: f64, value: f64| {
        (LEFT + score.clamp(-0.05, 1.05) * side, TOP + (1.0 - value) * side)
    };
    let mut body = String::new();
    let most = bins.iter().map(|bin| bin.candidates).max().unwrap_or(0).max(1);
    for bin in bins {
        let height = 0.25 * side * bin.candidates as f64 / most as f64;
        let (x, y) = at(bin.from, 0.0);
        let (top, width) = (y - height, side / 10.0 - 2.0);
        rect(&mut body, "share", [x + 1.0, top, width, height]);
    }
    for tick in 0..=5 {
        let value = f64::from(tick) / 5.0;
        let ((x0, y0), (x1, y1)) = (at(0.0, value), at(1.0, value));
        line(&mut body, "grid", [x0, y0, x1, y1]);
        text(&mut body, "end", LEFT - 8.0, y0 + 4.0, &format!("{value:.1}"));
        text(&mut body, "middle", at(value, 0.0).0, TOP + side + 18.0, &format!("{value:.1}"));
    }
    let ((x0, y0), (x1, y1)) = (at(0.0, 0.0), at(1.0, 1.0));
    line(&mut body, "ideal", [x0, y0, x1, y1]);
    for (class, bins) in before.map(|bins| ("before", bins)).into_iter().chain([("line", bins)]) {
        let filled = bins.iter().filter_map(|bin| Some((bin.mean_score?, bin.mean_value?)));
        let points: Vec<(f64, f64)> = filled.map(|(score, value)| at(score, value)).collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(body, r#"<polyline class="{class}" points="{}"/>"#, path.join(" "));
        if class == "line" {
            points.iter().for_each(|(x, y)| dot(&mut body, *x, *y));
        }
    }
    text(&mut body, "middle", LEFT + side / 2.0, TOP + side + 38.0, &across);
    text(&mut body, "end", LEFT - 40.0, TOP + side / 2.0, &up);
    page(title, note, TOP + side + 50.0, &body)
}

/// A plot with a row for each name.
fn rows_of(title: &str, note: &str, rows: &[(String, Mark)]) -> String {
    let values = rows.iter().flat_map(|(_, mark)| match mark {
        Mark::Bar(value, _) => vec![*value],
        Mark::Beside(value, beside) => vec![*value, *beside],
        Mark::Interval(values) => values.to_vec(),
    });
    let (low, high) =
        values.fold((0.0, 0.0), |(low, high): (f64, f64), v| (low.min(v), high.max(v)));
    let step = step((high - low).max(1e-9));
    let (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
    let high = if high > low { high } else { low + step };
    let x = |value: f64| LEFT + (value - low) / (high - low) * WIDTH;
    let bottom = TOP + rows.len() as f64 * ROW;

    let mut body = String::new();
    for tick in 0..=((high - low) / step).round() as i32 {
        let value = low + f64::from(tick) * step;
        let class = if value.abs() < step / 2.0 { "zero" } else { "grid" };
        line(&mut body, class, [x(value), TOP, x(value), bottom]);
        let decimals = if step < 1.0 { 1 } else { 0 };
        // Adding 0 turns a negative zero into zero.
        let label = format!("{:.decimals$}", value + 0.0);
        text(&mut body, "middle", x(value), bottom + 18.0, &label);
    }
    for (place, (name, mark)) in rows.iter().enumerate() {
        let middle = TOP + (place as f64 + 0.5) * ROW;
        text(&mut body, "end", LEFT - 10.0, middle + 4.0, &shortened(name));
        let bar = |value: f64| [x(0.0), middle - 7.0, x(value) - x(0.0), 14.0];
        let said = match mark {
            Mark::Bar(value, ours) => {
                rect(&mut body, if *ours { "bar" } else { "other" }, bar(*value));
                format!("{value:.1}")
            }
            Mark::Beside(value, beside) => {
                rect(&mut body, "bar", bar(*value));
                line(&mut body, "mark", [x(*beside), middle - 9.0, x(*beside), middle + 9.0]);
                format!("{value:.1}")
            }
            Mark::Interval([from, value, to]) => {
                line(&mut body, "line", [x(*from), middle, x(*to), middle]);
                dot(&mut body, x(*value), middle);
                format!("{value:+.1}")
            }
        };
        text(&mut body, "", LEFT + WIDTH + 12.0, middle + 4.0, &said);
    }
    page(title, note, bottom + 30.0, &body)
}

/// A round distance between ticks, for about five of them.
fn step(range: f64) -> f64 {
    let rough = range / 5.0;
    let unit = 10f64.powf(rough.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0].into_iter().find(|times| times * unit >= rough);
    times.unwrap_or(10.0) * unit
}

/// A name that fits beside the plot.
fn shortened(name: &str) -> String {
    const MOST: usize = 28;
    if name.chars().count() <= MOST {
        return name.into();
    }
    name.chars().take(MOST - 1).chain(['…']).collect()
}

fn page(title: &str, note: &str, height: f64, body: &str) -> String {
    let width = LEFT + WIDTH + 70.0;
    let mut head = String::new();
    text(&mut head, "title", 12.0, 24.0, title);
    text(&mut head, "note", 12.0, 42.0, note);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n{head}{body}</svg>\n",
        escaped(title)
    )
}

fn line(out: &mut String, class: &str, [x0, y0, x1, y1]: [f64; 4]) {
    let _ = writeln!(out, r#"<path class="{class}" d="M{x0:.1} {y0:.1}L{x1:.1} {y1:.1}"/>"#);
}

fn rect(out: &mut String, class: &str, [x, y, width, height]: [f64; 4]) {
    let _ = writeln!(
        out,
        r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"/>"#
    );
}

fn dot(out: &mut String, x: f64, y: f64) {
    let _ = writeln!(out, r#"<circle class="dot" cx="{x:.1}" cy="{y:.1}" r="4"/>"#);
}

fn text(out: &mut String, class: &str, x: f64, y: f64, text: &str) {
    let text = escaped(text);
    let _ = writeln!(out, r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{text}</text>"#);
}

/// The text as XML has it. Control characters, which XML has not, become spaces.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_about_five() {
        for (range, expected) in [(100.0, 20.0), (7.0, 2.0), (0.9, 0.2), (34.0, 10.0)] {
            assert!((step(range) - expected).abs() < 1e-9, "{range}: {}", step(range));
        }
    }

    #[test]
    fn names_are_escaped_and_cut() {
        let rows = [
            ("<a & b>\u{1}".to_owned(), Mark::Bar(5.0, true)),
            ("x".repeat(99), Mark::Bar(0.0, false)),
        ];
        let svg = rows_of("t", "n", &rows);
        assert!(svg.contains("&lt;a &amp; b&gt; <"), "{svg}");
        assert!(svg.contains(&format!("{}…<", "x".repeat(27))), "{svg}");
    }

    #[test]
    fn nothing_but_zeros_can_be_drawn() {
        let svg = rows_of("t", "n", &[("a".into(), Mark::Interval([0.0; 3]))]);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
