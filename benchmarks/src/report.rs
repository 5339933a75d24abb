//! Medians, ratios and the page they go to.

use std::fmt::Write as _;

use crate::workload::{Metric, Workload};

/// An engine of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// This engine.
    Ours,
    /// The crates.io Paimon crates.
    Peer,
    /// Plain DataFusion over the same files, without merge.
    Bound,
}

/// One run of one workload.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// The statement the metric asks for; for `Metric::Process` the whole process.
    pub time_ms: f64,
    /// CPU time of the process.
    pub cpu_ms: f64,
    /// Peak resident memory of the process.
    pub peak_rss_kb: u64,
    /// Rows of the result.
    pub rows: usize,
    /// Text of the result when it is small.
    pub result: String,
}

/// Runs of one engine, or why there are none.
pub type Samples = Result<Vec<Sample>, String>;

/// A workload and what every engine needed.
pub struct Measured {
    /// The workload.
    pub workload: Workload,
    /// This engine.
    pub ours: Samples,
    /// The peer.
    pub peer: Samples,
    /// Plain DataFusion.
    pub bound: Samples,
}

impl Measured {
    /// Engines whose result differs from this engine's, where they must agree.
    pub fn disagreements(&self) -> Vec<&'static str> {
        let first = |s: &Samples| {
            s.as_ref()
                .ok()
                .and_then(|s| s.first())
                .map(|s| (s.rows, s.result.clone()))
        };
        let Some(ours) = first(&self.ours).filter(|_| self.workload.checked) else {
            return Vec::new();
        };
        let mut names = Vec::new();
        if first(&self.peer).is_some_and(|peer| !same_result(&peer, &ours)) {
            names.push("peer");
        }
        let exact = self.workload.bound_is_exact;
        if exact && first(&self.bound).is_some_and(|bound| !same_result(&bound, &ours)) {
            names.push("bound");
        }
        names
    }
}

/// Same rows and same values; headings and widths may differ.
fn same_result(a: &(usize, String), b: &(usize, String)) -> bool {
    a.0 == b.0 && values(&a.1) == values(&b.1)
}

fn values(text: &str) -> Vec<Vec<&str>> {
    let rows = text.lines().filter(|line| line.starts_with('|')).skip(1);
    rows.map(|line| line.split('|').map(str::trim).collect())
        .collect()
}

/// The middle of `values`, or the mean of the two middle ones.
pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    sorted
        .get(middle.checked_sub(1)?)
        .map(|lower| (lower + upper) / 2.0)
}

/// Medians of one engine.
#[derive(Clone, Copy)]
struct Medians {
    time_ms: f64,
    cpu_ms: f64,
    peak_mb: f64,
}

fn medians(samples: &Samples) -> Option<Medians> {
    let samples = samples.as_ref().ok()?;
    let peak_kb = |s: &Sample| f64::from(u32::try_from(s.peak_rss_kb).unwrap_or(u32::MAX));
    Some(Medians {
        time_ms: median(samples.iter().map(|s| s.time_ms))?,
        cpu_ms: median(samples.iter().map(|s| s.cpu_ms))?,
        peak_mb: median(samples.iter().map(peak_kb))? / 1024.0,
    })
}

/// The page: how it was made, the table of ratios, the table of figures, what failed.
pub fn markdown(measured: &[Measured], command: &str, setting: &str) -> String {
    let mut page = String::new();
    let _ = writeln!(page, "# Benchmarks\n\n{INTRODUCTION}\n");
    let _ = writeln!(page, "Made by `{command}`; {setting}.\n\n## Ratios\n");
    page.push_str(RATIO_HEAD);
    for m in measured {
        page.push_str(&ratio_row(m));
    }
    let _ = writeln!(
        page,
        "\n## Figures\n\nMedians: milliseconds of the statement / CPU milliseconds of the process / peak memory in MB.\n"
    );
    page.push_str("| workload | this engine | peer | plain DataFusion |\n|---|---|---|---|\n");
    for m in measured {
        let _ = writeln!(
            page,
            "| `{}` {} | {} | {} | {} |",
            m.workload.name,
            m.workload.title,
            figures(&m.ours),
            figures(&m.peer),
            figures(&m.bound)
        );
    }
    page.push_str(&remarks(measured));
    page.push_str(&statements(measured));
    page
}

const INTRODUCTION: &str = "Whole processes, run in turn (this engine, peer, plain DataFusion, again this engine ..), medians. The peer is the \
crates `paimon` and `paimon-datafusion` 0.4.0 from crates.io. Plain DataFusion reads all Parquet files of the table \
without merging or deleting anything: the bound that decoding sets. Times are those of the statement in a session that \
is set up, unless the row says *whole process*; CPU and memory are those of the process. Figures of other machines \
differ; ratios should hold roughly.";

const RATIO_HEAD: &str = "| workload | peer ÷ ours, time | peer ÷ ours, CPU | peer ÷ ours, memory | ours ÷ plain DataFusion, time |\n\
|---|---|---|---|---|\n";

fn ratio_row(m: &Measured) -> String {
    let (ours, peer, bound) = (medians(&m.ours), medians(&m.peer), medians(&m.bound));
    let ratio = |a: Option<Medians>, b: Option<Medians>, of: fn(Medians) -> f64| match (
        a.map(of),
        b.map(of),
    ) {
        (Some(a), Some(b)) if b > 0.0 => format!("{:.2}", a / b),
        _ => "–".to_string(),
    };
    format!(
        "| {} | {} | {} | {} | {} |\n",
        m.workload.title,
        ratio(peer, ours, |m| m.time_ms),
        ratio(peer, ours, |m| m.cpu_ms),
        ratio(peer, ours, |m| m.peak_mb),
        ratio(ours, bound, |m| m.time_ms),
    )
}

fn figures(samples: &Samples) -> String {
    match (samples, medians(samples)) {
        (_, Some(m)) => format!("{:.1} / {:.0} / {:.0}", m.time_ms, m.cpu_ms, m.peak_mb),
        (Err(reason), _) if reason.is_empty() => "–".to_string(),
        _ => "failed".to_string(),
    }
}

fn remarks(measured: &[Measured]) -> String {
    let mut lines = Vec::new();
    for m in measured {
        for engine in m.disagreements() {
            lines.push(format!(
                "- `{}`: the result of {engine} differs from this engine's.",
                m.workload.name
            ));
        }
        for (engine, samples) in [
            ("this engine", &m.ours),
            ("peer", &m.peer),
            ("plain DataFusion", &m.bound),
        ] {
            if let Err(reason) = samples
                && !reason.is_empty()
            {
                lines.push(format!("- `{}`, {engine}: {reason}", m.workload.name));
            }
        }
    }
    if lines.is_empty() {
        String::new()
    } else {
        format!("\n## Remarks\n\n{}\n", lines.join("\n"))
    }
}

fn statements(measured: &[Measured]) -> String {
    let mut text = "\n## Statements\n\n".to_string();
    for m in measured {
        let metric = match m.workload.metric {
            Metric::Query => "",
            Metric::SecondQuery => " (second run in a session)",
            Metric::Process => " (whole process)",
        };
        let _ = writeln!(
            text,
            "- `{}`{metric}: `{}`",
            m.workload.name, m.workload.sql
        );
    }
    text
}

/// The page with the second-level section `title` replaced by `text`, or with `text` at its end.
pub fn replace_section(page: &str, title: &str, text: &str) -> String {
    let head = format!("\n## {title}\n");
    let Some(start) = page.find(&head) else {
        return format!("{}\n\n{}\n", page.trim_end(), text.trim_end());
    };
    let rest = page.get(start + head.len()..).unwrap_or_default();
    let after = rest.find("\n## ").and_then(|end| rest.get(end..));
    let before = page.get(..start).unwrap_or_default();
    format!(
        "{}\n\n{}\n{}",
        before.trim_end(),
        text.trim_end(),
        after.unwrap_or_default()
    )
}

/// The section `title` of a page, with its heading.
pub fn section<'a>(page: &'a str, title: &str) -> Option<&'a str> {
    let start = page.find(&format!("\n## {title}\n"))? + 1;
    let rest = page.get(start..)?;
    let end = rest
        .get(1..)?
        .find("\n## ")
        .map_or(rest.len(), |end| end + 1);
    rest.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_or_added() {
        let page = "# A\n\n## Writes\n\nold\n\n## Next\n\nmore\n";
        let new = replace_section(page, "Writes", "## Writes\n\nnew\n");
        assert_eq!(new, "# A\n\n## Writes\n\nnew\n\n## Next\n\nmore\n");
        assert_eq!(section(&new, "Writes"), Some("## Writes\n\nnew\n"));
        assert_eq!(section(&new, "Next"), Some("## Next\n\nmore\n"));
        assert_eq!(replace_section("# A\n", "B", "## B\n"), "# A\n\n## B\n");
        assert_eq!(section("# A\n", "B"), None);
    }

    #[test]
    fn median_of_even_and_odd_counts() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }

    #[test]
    fn results_agree_apart_from_headings_and_widths() {
        let a = "+---+\n| x |\n+---+\n| 1 |\n+---+".to_string();
        let b = "+------+\n| long |\n+------+\n| 1    |\n+------+".to_string();
        let c = "+---+\n| x |\n+---+\n| 2 |\n+---+".to_string();
        assert!(same_result(&(1, a.clone()), &(1, b)));
        assert!(!same_result(&(1, a), &(1, c)));
    }
}
