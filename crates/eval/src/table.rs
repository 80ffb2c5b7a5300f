//! What came out, for people.

use std::fmt::Write;

use super::Report;

/// Cells of the names of methods and datasets; longer ones move the rest of their line.
const NAME: usize = 24;

impl Report {
    /// The report as lines of text. Values are in percent.
    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Report { measure, model, questions, pairs, datasets, .. } = self;
        writeln!(
            out,
            "{measure} in percent, of {model}: {}, {}, {}",
            count(*questions, "question"),
            count(datasets.len(), "dataset"),
            count(*pairs, "different pair"),
        )?;
        if self.unlabelled > 0 {
            writeln!(
                out,
                "{} without a right answer left out",
                count(self.unlabelled, "question")
            )?;
        }
        if self.truncated > 0 {
            let pairs = count(self.truncated, "pair");
            writeln!(out, "{pairs} longer than the model reads, and cut")?;
        }
        self.write_methods(out)?;
        self.write_datasets(out)?;
        self.write_oracle(out)?;
        self.write_calibration(out)
    }

    fn write_methods(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\n{:<NAME$}   mean   scorer's lead, 95% interval", "choice")?;
        for method in &self.methods {
            write!(out, "{:<NAME$} {:>6.2}", one_line(method), 100.0 * self.means[method])?;
            match self.differences.iter().find(|difference| difference.method == *method) {
                None => writeln!(out)?,
                Some(lead) => writeln!(
                    out,
                    "   {:>+6.2}  {:>+6.2} to {:>+6.2}",
                    100.0 * lead.difference,
                    100.0 * lead.low,
                    100.0 * lead.high
                )?,
            }
        }
        Ok(())
    }

    fn write_datasets(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\n{:<NAME$} questions  scorer  oracle  best baseline", "dataset")?;
        for dataset in &self.datasets {
            let baselines = dataset.values.iter().filter(|(method, _)| self.is_baseline(method));
            let best = baselines.max_by(|a, b| a.1.total_cmp(b.1));
            let percent = |method: &str| 100.0 * dataset.values.get(method).unwrap_or(&0.0);
            writeln!(
                out,
                "{:<NAME$} {:>9}  {:>6.2}  {:>6.2}  {}",
                one_line(&dataset.name),
                dataset.questions,
                percent("scorer"),
                percent("oracle"),
                best.map_or(String::new(), |(name, value)| format!(
                    "{:>6.2} {}",
                    100.0 * value,
                    one_line(name)
                ))
            )?;
        }
        Ok(())
    }

    fn write_oracle(&self, out: &mut String) -> std::fmt::Result {
        let of = &self.oracle;
        let random = |share: f64| format!("at random {:.1}%", 100.0 * share);
        writeln!(
            out,
            "\nas good as the oracle: {:.1}% ({})",
            100.0 * of.scorer,
            random(of.random)
        )?;
        if let (Some(scorer), Some(chance)) = (of.scorer_contested, of.random_contested) {
            writeln!(
                out,
                "where candidates differ: {:.1}% ({}), {}",
                100.0 * scorer,
                random(chance),
                count(of.contested, "question")
            )?;
        }
        Ok(())
    }

    fn write_calibration(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "\ncalibration, mean distance {:.3}\n{:>11} candidates  mean score  mean {}",
            self.calibration_error, "score", self.measure
        )?;
        let last = self.calibration.len() - 1;
        for (place, bin) in self.calibration.iter().enumerate() {
            let name = match place {
                0 => format!("below {:.1}", bin.to),
                place if place == last => format!("from {:.1}", bin.from),
                _ => format!("{:.1} to {:.1}", bin.from, bin.to),
            };
            let cell = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.3}"));
            writeln!(
                out,
                "{name:>11} {:>10}  {:>10}  {:>width$}",
                bin.candidates,
                cell(bin.mean_score),
                cell(bin.mean_value),
                width = self.measure.len() + 5
            )?;
        }
        Ok(())
    }

    /// Whether it can be chosen by without the scorer and without knowing the answer.
    pub(super) fn is_baseline(&self, method: &str) -> bool {
        method != "scorer" && method != "oracle"
    }
}

/// A name from a file, which may have a line end in it.
fn one_line(name: &str) -> String {
    name.replace(char::is_control, "\u{fffd}")
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
