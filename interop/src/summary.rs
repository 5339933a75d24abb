//! One line per case, and the counts.

use std::collections::BTreeMap;

use crate::case::Outcome;

/// Outcomes so far.
pub struct Summary {
    release: String,
    ok: usize,
    failed: usize,
    refused: usize,
    differing: usize,
    skipped: usize,
    refusals: BTreeMap<String, usize>,
    differences: BTreeMap<String, usize>,
    reasons: BTreeMap<String, usize>,
}

impl Summary {
    /// Nothing yet.
    pub fn new(release: &str) -> Self {
        Self {
            release: release.to_string(),
            ok: 0,
            failed: 0,
            refused: 0,
            differing: 0,
            skipped: 0,
            refusals: BTreeMap::new(),
            differences: BTreeMap::new(),
            reasons: BTreeMap::new(),
        }
    }

    /// Counts and prints a case.
    pub fn add(&mut self, name: &str, outcome: Outcome) {
        match outcome {
            Outcome::Ok => {
                self.ok += 1;
                println!("ok      {name}");
            }
            Outcome::Refused(whys) => {
                self.refused += 1;
                println!("refused {name}: {}", whys.join("; "));
                for why in whys {
                    *self.refusals.entry(why).or_default() += 1;
                }
            }
            Outcome::Differs(whys) => {
                self.differing += 1;
                println!("differs {name}");
                for why in whys {
                    *self.differences.entry(why).or_default() += 1;
                }
            }
            Outcome::Skipped(why) => {
                self.skipped += 1;
                println!("skipped {name}: {why}");
                *self.reasons.entry(why).or_default() += 1;
            }
            Outcome::Failed(why) => {
                self.failed += 1;
                println!("FAIL    {name}: {why}");
            }
        }
    }

    /// Whether nothing was played.
    pub fn is_empty(&self) -> bool {
        self.ok + self.failed + self.refused + self.differing + self.skipped == 0
    }

    /// Whether a case failed.
    pub fn failed(&self) -> bool {
        self.failed > 0
    }

    /// Prints the counts with the reasons.
    pub fn print(&self) {
        let release = &self.release;
        println!(
            "\nJava Paimon {release}: {} ok, {} failed",
            self.ok, self.failed
        );
        let lists = [
            (
                self.refused,
                "refused by this engine (Java stood in, the rest agreed)",
                &self.refusals,
            ),
            (
                self.differing,
                "agree but for a known difference",
                &self.differences,
            ),
            (
                self.skipped,
                "skipped: Java allows no such table",
                &self.reasons,
            ),
        ];
        for (count, what, reasons) in lists {
            println!("{count} {what}");
            for (why, cases) in reasons {
                println!("  {cases:4} {why}");
            }
        }
    }
}
