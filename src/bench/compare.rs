//! What moved between two reports, beyond what repeated measurements differ by.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::kernels::timer;
use super::report::{FORMAT, Report};
use super::{Options, tokens};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::Gpu;

/// Less than this is no change, however well the samples agree.
const LEAST_CHANGE: f64 = 0.03;

/// An earlier report, from its JSON.
#[derive(Debug, Clone)]
pub struct Baseline {
    file: String,
    report: Value,
    series: Vec<Series>,
}

/// One thing that both reports measure.
#[derive(Debug, Clone)]
struct Series {
    name: String,
    /// Seconds, or billions a second.
    samples: Vec<f64>,
    more_is_better: bool,
}

/// What moved between two reports.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The file of the earlier report.
    pub baseline: String,
    /// The driver then, where it was another.
    pub other_driver: Option<String>,
    /// Everything that both measured.
    pub changes: Vec<Change>,
    /// What only one of them measured.
    pub unmatched: Vec<String>,
}

/// How one measurement changed.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// What was measured: a peak, a workload, or one of its kernels.
    pub name: String,
    /// The earlier median: seconds, or billions a second of a peak.
    pub before: f64,
    /// The median now.
    pub now: f64,
    /// How much more that is: 0.1 for a tenth more.
    pub change: f64,
    /// What a change must exceed to count: twice the distances between the quartiles of both
    /// runs' samples together, as a share of the earlier median, and at least 0.03.
    pub noise: f64,
    /// Whether it did.
    pub moved: bool,
    /// Whether the change is for the better.
    pub better: bool,
}

impl Baseline {
    /// Reads what `cappy bench --json` printed or the bench page gave; `file` is its name in
    /// messages.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] naming the file and the field at fault.
    pub fn parse(file: &str, json: &str) -> Result<Baseline> {
        let report: Value = serde_json::from_str(json)
            .map_err(|source| fault(file, &format!("is no JSON: {source}")))?;
        let series = series(file, &report)?;
        for path in ["/shape", "/dtype", "/adapter/name", "/adapter/backend", "/kernel_timer"] {
            if !report.pointer(path).is_some_and(Value::is_string) {
                return Err(wrong(file, path, "a text"));
            }
        }
        Ok(Baseline { file: file.to_owned(), report, series })
    }

    /// Opens the adapter that `options` would measure, and makes sure that the two can be
    /// compared, before minutes are spent.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] naming the field that differs, or what [`Gpu::open`] says.
    pub async fn expect(&self, options: &Options<'_>) -> Result<()> {
        let gpu = Gpu::open(options.dtype).await?;
        let adapter = gpu.adapter();
        let now = [
            ("/shape", plain(&options.shape)),
            ("/adapter/name", Value::from(adapter.name.as_str())),
            ("/adapter/backend", Value::from(adapter.backend.as_str())),
            ("/dtype", plain(&gpu.dtype())),
            ("/tokens", Value::from(tokens(&gpu, options))),
            ("/kernel_timer", plain(&timer(&gpu))),
        ];
        for (path, now) in now {
            let before = self.report.pointer(path).unwrap_or(&Value::Null);
            if *before != now {
                let what = format!("field {} is {before}, and this run's is {now}", dotted(path));
                return Err(fault(&self.file, &what));
            }
        }
        Ok(())
    }

    /// What moved since then.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] where a measurement of this run came out as no number.
    pub fn compare(&self, report: &Report) -> Result<Comparison> {
        let now = serde_json::to_value(report)
            .map_err(|source| fault("this run", &source.to_string()))?;
        let driver = |report: &Value| report.pointer("/adapter/driver").cloned();
        let (then, same) = (driver(&self.report), driver(&self.report) == driver(&now));
        let mut comparison = changes(&self.series, &series("this run", &now)?);
        comparison.baseline.clone_from(&self.file);
        comparison.other_driver =
            then.filter(|_| !same).map(|driver| driver.as_str().unwrap_or_default().to_owned());
        Ok(comparison)
    }
}

/// Every series of a report.
fn series(file: &str, report: &Value) -> Result<Vec<Series>> {
    match report.get("cappy_bench").and_then(Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => {}
        Some(format) => {
            let what = format!("field cappy_bench is {format}; this version reads {FORMAT}");
            return Err(fault(file, &what));
        }
        None => {
            let what = "is no report of cappy bench: field cappy_bench is missing";
            return Err(fault(file, what));
        }
    }
    let mut all = Vec::new();
    let mut add = |name: String, path: &str, more_is_better| -> Result<()> {
        let samples = samples(file, report, path)?;
        all.push(Series { name, samples, more_is_better });
        Ok(())
    };
    for (name, field) in
        [("peak", "multiply_add"), ("f16 peak", "multiply_add_stored"), ("bandwidth", "copy")]
    {
        add(name.into(), &format!("/peaks/{field}/samples"), true)?;
    }
    let workloads = list(file, report, "/workloads")?;
    for at in 0..workloads.len() {
        let path = format!("/workloads/{at}");
        let workload = text(file, report, &format!("{path}/name"))?;
        add(workload.to_owned(), &format!("{path}/samples"), false)?;
        for at in 0..list(file, report, &format!("{path}/kernels"))?.len() {
            let path = format!("{path}/kernels/{at}");
            let label = text(file, report, &format!("{path}/label"))?;
            add(format!("{workload}: {label}"), &format!("{path}/samples"), false)?;
        }
    }
    if report.get("scaling").is_some_and(|scaling| !scaling.is_null()) {
        for (at, set) in list(file, report, "/scaling/sets")?.iter().enumerate() {
            let path = format!("/scaling/sets/{at}");
            let Some(candidates) = set.get("candidates").and_then(Value::as_u64) else {
                return Err(wrong(file, &format!("{path}/candidates"), "a whole number"));
            };
            let mixed = set.get("mixed").and_then(Value::as_bool) == Some(true);
            let name = format!("{candidates} {}", if mixed { "mixed" } else { "equal" });
            add(name, &format!("{path}/samples"), false)?;
        }
    }
    Ok(all)
}

fn list<'a>(file: &str, report: &'a Value, path: &str) -> Result<&'a Vec<Value>> {
    report.pointer(path).and_then(Value::as_array).ok_or_else(|| wrong(file, path, "a list"))
}

fn text<'a>(file: &str, report: &'a Value, path: &str) -> Result<&'a str> {
    report.pointer(path).and_then(Value::as_str).ok_or_else(|| wrong(file, path, "a text"))
}

fn samples(file: &str, report: &Value, path: &str) -> Result<Vec<f64>> {
    let numbers: Option<Vec<f64>> =
        list(file, report, path)?.iter().map(|n| n.as_f64().filter(|n| *n >= 0.0)).collect();
    numbers
        .filter(|numbers| !numbers.is_empty())
        .ok_or_else(|| wrong(file, path, "a list of positive numbers"))
}

fn wrong(file: &str, path: &str, wanted: &str) -> Error {
    fault(file, &format!("field {} is not {wanted}", dotted(path)))
}

fn dotted(path: &str) -> String {
    path.trim_start_matches('/').replace('/', ".")
}

fn plain(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn fault(file: &str, what: &str) -> Error {
    Error::new(ErrorKind::Input, file, what)
}

fn changes(before: &[Series], now: &[Series]) -> Comparison {
    let (mut changes, mut unmatched) = (Vec::new(), Vec::new());
    for now in now {
        match before.iter().find(|before| before.name == now.name) {
            Some(before) => changes.push(change(before, now)),
            None => unmatched.push(format!("{} (not in the baseline)", now.name)),
        }
    }
    let gone = before.iter().filter(|before| now.iter().all(|now| now.name != before.name));
    unmatched.extend(gone.map(|before| format!("{} (not in this run)", before.name)));
    Comparison { baseline: String::new(), other_driver: None, changes, unmatched }
}

fn change(before: &Series, now: &Series) -> Change {
    let (then, this) = (quantile(&before.samples, 0.5), quantile(&now.samples, 0.5));
    let spread =
        |series: &Series| quantile(&series.samples, 0.75) - quantile(&series.samples, 0.25);
    let change = this / then - 1.0;
    let noise = (2.0 * (spread(before) + spread(now)) / then).max(LEAST_CHANGE);
    Change {
        name: now.name.clone(),
        before: then,
        now: this,
        change,
        noise,
        moved: change.abs() > noise,
        better: (change > 0.0) == now.more_is_better,
    }
}

/// Between neighbours in order where `share` of the samples is not a whole one.
fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

impl Comparison {
    /// The comparison as people read it, in a hundred columns.
    pub fn table(&self) -> String {
        let mut text = format!("\nagainst {}\n", self.baseline);
        // Writing to a String cannot fail.
        if let Some(driver) = &self.other_driver {
            let _ = writeln!(text, "whose driver was {driver}");
        }
        let _ = writeln!(
            text,
            "{:<30}{:>13}{:>13}{:>10}{:>10}  beyond it",
            "", "before", "now", "change", "noise"
        );
        for change in &self.changes {
            let rate = change.name.ends_with("peak") || change.name == "bandwidth";
            let (factor, unit) = if rate { (1.0, "G/s") } else { (1e3, "ms ") };
            let _ = writeln!(
                text,
                "{:<28}{:>11.3} {unit}{:>9.3} {unit}{:>+9.1}%{:>9.1}%  {}",
                change.name,
                change.before * factor,
                change.now * factor,
                change.change * 100.0,
                change.noise * 100.0,
                match (change.moved, change.better) {
                    (false, _) => "",
                    (true, true) => "faster",
                    (true, false) => "SLOWER",
                },
            );
        }
        for name in &self.unmatched {
            let _ = writeln!(text, "{name}");
        }
        let moved = self.changes.iter().filter(|change| change.moved).count();
        let _ = writeln!(text, "{moved} of {} moved beyond noise", self.changes.len());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report of one kernel, as far as a comparison looks at it.
    const REPORT: &str = r#"{
        "cappy_bench": 1, "shape": "mini", "dtype": "f16", "tokens": 256,
        "adapter": { "name": "a", "backend": "vulkan", "driver": "d 1" },
        "kernel_timer": "timestamps", "scaling": null,
        "peaks": {
            "multiply_add": { "samples": [90.0, 100.0, 101.0] },
            "multiply_add_stored": { "samples": [50, 50, 50] },
            "copy": { "samples": [8, 9, 8] }
        },
        "workloads": [{
            "name": "batch", "samples": [1.0, 1.1, 1.05],
            "kernels": [{ "label": "qkv", "samples": [0.5, 0.5, 0.5] }]
        }]
    }"#;

    fn against(replaced: &str, by: &str) -> Vec<Change> {
        let later = REPORT.replace(replaced, by);
        assert_ne!(later, REPORT);
        let series = |json| Baseline::parse("old.json", json).unwrap().series;
        changes(&series(REPORT), &series(&later)).changes
    }

    fn moved(changes: &[Change]) -> Vec<(&str, bool)> {
        let moved = changes.iter().filter(|change| change.moved);
        moved.map(|change| (change.name.as_str(), change.better)).collect()
    }

    #[test]
    fn only_what_exceeds_the_noise_of_both_has_moved() {
        // The quartiles of 1, 1.05 and 1.1 are 0.05 apart: two runs like it may differ by a fifth.
        let within = against("[1.0, 1.1, 1.05]", "[1.15, 1.25, 1.2]");
        assert_eq!(moved(&within), []);
        let slower = against("[1.0, 1.1, 1.05]", "[1.3, 1.4, 1.35]");
        assert_eq!(moved(&slower), [("batch", false)]);
        let faster = against("[1.0, 1.1, 1.05]", "[0.7, 0.8, 0.75]");
        assert_eq!(moved(&faster), [("batch", true)]);
        // Samples that agree to the last bit still leave 3%.
        assert_eq!(moved(&against("[0.5, 0.5, 0.5]", "[0.51, 0.51, 0.51]")), []);
        let kernel = against("[0.5, 0.5, 0.5]", "[0.52, 0.52, 0.52]");
        assert_eq!(moved(&kernel), [("batch: qkv", false)]);
        assert_eq!(moved(&against("[50, 50, 50]", "[60, 60, 60]")), [("f16 peak", true)]);
    }

    #[test]
    fn kernels_of_one_run_alone_are_named() {
        let series = |json: &str| Baseline::parse("old.json", json).unwrap().series;
        let both = changes(&series(REPORT), &series(&REPORT.replace("qkv", "ffn up")));
        let expected = ["batch: ffn up (not in the baseline)", "batch: qkv (not in this run)"];
        assert_eq!(both.unmatched, expected);
        assert!(both.table().contains("0 of 4 moved beyond noise"), "{}", both.table());
    }

    #[test]
    fn what_is_no_report_is_refused_by_file_and_field() {
        for (replaced, by, what) in [
            ("{", "", "is no JSON"),
            ("cappy_bench", "other", "field cappy_bench is missing"),
            ("\"cappy_bench\": 1", "\"cappy_bench\": 2", "cappy_bench is 2; this version reads 1"),
            ("[50, 50, 50]", "[]", "field peaks.multiply_add_stored.samples is not a list of"),
            ("[50, 50, 50]", "[50, null]", "field peaks.multiply_add_stored.samples is not"),
            ("[0.5, 0.5, 0.5]", "[-1]", "field workloads.0.kernels.0.samples is not a list of"),
            ("\"workloads\"", "\"w\"", "field workloads is not a list"),
            ("\"label\": \"qkv\",", "", "field workloads.0.kernels.0.label is not a text"),
            ("\"shape\": \"mini\",", "", "field shape is not a text"),
            ("\"backend\": \"vulkan\",", "", "field adapter.backend is not a text"),
        ] {
            let error = Baseline::parse("old.json", &REPORT.replacen(replaced, by, 1)).unwrap_err();
            assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Input, "old.json"));
            assert!(error.what().contains(what), "{error}");
        }
    }

    #[test]
    fn what_is_not_alike_is_not_compared() {
        let expect = |dtype, shape| {
            let options = Options {
                shape,
                dtype,
                weights: crate::checkpoint::WeightFormat::F16,
                tokens: None,
                scaling: false,
                lengths: false,
                software: false,
                kernel: None,
            };
            let baseline = Baseline::parse("old.json", REPORT).unwrap();
            pollster::block_on(baseline.expect(&options)).unwrap_err().to_string()
        };
        use super::super::{Dtype, Shape};
        assert_eq!(
            expect(Dtype::F16, Shape::Base),
            "old.json: field shape is \"mini\", and this run's is \"base\""
        );
        let adapter = expect(Dtype::F16, Shape::Mini);
        assert!(adapter.contains("field adapter.name is \"a\", and this run's is"), "{adapter}");
    }
}
