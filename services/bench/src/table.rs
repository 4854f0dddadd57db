//! The table: each row's figure, its limit's, their ratio, the goal and whether it is met.

use std::fmt;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::figure::{Unit, median};
use crate::rounds::Pairs;

/// What a row should come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    /// At most so many times the limit.
    AtMost(f64),
    /// At least so many times the limit.
    AtLeast(f64),
    /// The figure itself at most so much, in its unit.
    Within(f64),
    /// Nobody said.
    None,
}

/// One measured line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// What was measured.
    pub(crate) what: String,
    pub(crate) unit: Unit,
    pub(crate) pairs: Pairs,
    /// What the limit is.
    pub(crate) against: String,
    pub(crate) goal: Goal,
    /// What else is worth knowing: sizes, shares.
    pub(crate) note: String,
}

impl Line {
    fn is_met(&self) -> Option<bool> {
        let ratio = self.pairs.ratio();
        match self.goal {
            Goal::AtMost(most) => Some(ratio <= most),
            Goal::AtLeast(least) => Some(ratio >= least),
            Goal::Within(most) => Some(median(&self.pairs.ours) <= most),
            Goal::None => None,
        }
    }

    fn verdict(&self) -> &'static str {
        match self.is_met() {
            Some(true) => "met",
            Some(false) => "missed",
            None => "–",
        }
    }

    fn goal_in_words(&self) -> String {
        match self.goal {
            Goal::AtMost(most) => format!("≤ {most}×"),
            Goal::AtLeast(least) => format!("≥ {least}×"),
            Goal::Within(most) => format!("≤ {}", self.unit.show(most)),
            Goal::None => "–".to_owned(),
        }
    }

    /// The cells behind the row's name.
    fn cells(&self) -> [String; 7] {
        [
            self.what.clone(),
            self.unit.show(median(&self.pairs.ours)),
            format!("{} {}", self.against, self.unit.show(median(&self.pairs.limit))),
            format!("{:.2}×", self.pairs.ratio()),
            self.goal_in_words(),
            self.verdict().to_owned(),
            self.note.clone(),
        ]
    }

    /// In one line, for whoever watches.
    pub(crate) fn in_words(&self) -> String {
        let [what, ours, limit, ratio, goal, verdict, note] = self.cells();
        format!("{what}: {ours} ({limit}): {ratio}, goal {goal}: {verdict}. {note}")
    }

    fn json(&self, row: &str) -> Value {
        json!({
            "row": row,
            "what": self.what,
            "unit": self.unit.name(),
            "klatch": median(&self.pairs.ours),
            "limit": median(&self.pairs.limit),
            "against": self.against,
            "ratio": self.pairs.ratio(),
            "goal": self.goal_in_words(),
            "met": self.is_met(),
            "note": self.note,
            "rounds": { "klatch": self.pairs.ours, "limit": self.pairs.limit },
        })
    }
}

const HEAD: [&str; 8] = ["row", "what", "Klatch", "limit", "ratio", "goal", "", "note"];
/// Columns that are read downwards as numbers.
const RIGHT: [usize; 2] = [2, 4];

/// What was measured.
#[derive(Debug, Clone)]
pub struct Table {
    head: String,
    lines: Vec<(&'static str, Line)>,
}

impl Table {
    pub(crate) fn new(quick: bool) -> Table {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let build =
            if cfg!(debug_assertions) { "a debug build, whose figures mean nothing" } else { "a release build" };
        let size = if quick { "; --quick, whose figures mean nothing" } else { "" };
        let head = format!(
            "klatch {} ({build}{size}) on {cores} cores, Linux {}. Load generator and servers share them.",
            env!("CARGO_PKG_VERSION"),
            kernel.trim()
        );
        Table { head, lines: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: &'static str, line: Line) {
        self.lines.push((row, line));
    }

    /// For a page.
    pub fn markdown(&self) -> String {
        let mut text = format!("{}\n\n| {} |\n|", self.head, HEAD.join(" | "));
        for column in 0..HEAD.len() {
            text.push_str(if RIGHT.contains(&column) { "---:|" } else { "---|" });
        }
        text.push('\n');
        for (row, line) in &self.lines {
            let _ = writeln!(text, "| `{row}` | {} |", line.cells().join(" | "));
        }
        text
    }

    /// For a program.
    pub fn json(&self) -> String {
        let lines: Vec<Value> = self.lines.iter().map(|(row, line)| line.json(row)).collect();
        format!("{:#}\n", json!({ "about": self.head, "rows": lines }))
    }
}

/// For a terminal: columns, the notes on lines of their own.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = HEAD.len() - 1;
        let mut rows = vec![HEAD.map(str::to_owned)];
        rows.extend(self.lines.iter().map(|(row, line)| {
            let [what, ours, limit, ratio, goal, verdict, note] = line.cells();
            [(*row).to_owned(), what, ours, limit, ratio, goal, verdict, note]
        }));
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        writeln!(f, "{}\n", self.head)?;
        for (number, row) in rows.iter().enumerate() {
            let mut line = String::new();
            for (column, width) in widths.iter().enumerate() {
                let cell = &row[column];
                let _ = match RIGHT.contains(&column) {
                    true => write!(line, "{cell:>width$}  "),
                    false => write!(line, "{cell:<width$}  "),
                };
            }
            writeln!(f, "{}", line.trim_end())?;
            if number > 0 && !row[columns].is_empty() {
                writeln!(f, "{:indent$}  {}", "", row[columns], indent = widths[0])?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(goal: Goal) -> Line {
        Line {
            what: "stored send to delivery, p50".to_owned(),
            unit: Unit::Seconds,
            pairs: Pairs { ours: vec![0.000_2, 0.000_3, 0.000_4], limit: vec![0.000_1; 3] },
            against: "guarded publish".to_owned(),
            goal,
            note: "100 of them".to_owned(),
        }
    }

    #[test]
    fn a_goal_is_met_or_missed_by_the_median() {
        for (goal, met) in [
            (Goal::AtMost(3.0), Some(true)),
            (Goal::AtMost(2.0), Some(false)),
            (Goal::AtLeast(3.5), Some(false)),
            (Goal::Within(0.000_3), Some(true)),
            (Goal::Within(0.000_1), Some(false)),
            (Goal::None, None),
        ] {
            assert_eq!(line(goal).is_met(), met, "{goal:?}");
        }
    }

    #[test]
    fn the_table_says_the_same_in_all_its_forms() {
        let mut table = Table::new(true);
        table.push("latency", line(Goal::AtMost(2.0)));
        let markdown = table.markdown();
        let row = "| `latency` | stored send to delivery, p50 | 300 µs | guarded publish 100 µs | 3.00× | ≤ 2× | missed | 100 of them |";
        assert!(markdown.contains(row), "{markdown}");
        let json: Value = serde_json::from_str(&table.json()).expect("JSON");
        assert_eq!((json["rows"][0]["row"].as_str(), json["rows"][0]["met"].as_bool()), (Some("latency"), Some(false)));
        let text = table.to_string();
        assert!(text.contains("missed") && text.contains("100 of them"), "{text}");
    }
}
