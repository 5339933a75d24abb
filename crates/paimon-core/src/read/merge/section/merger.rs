//! The merge of the runs' current blocks, window by window.

use std::cmp::Ordering;
use std::sync::Arc;

use super::block::Block;
use super::outcome::{FileOutcome, SectionOutcome};
use super::rules::{MergeRules, Resolution};
use super::run_state::RunState;
use crate::error::{Error, Result};
use crate::mergetree::{KeyBlock, MergeKey, find_collisions, mark_superseded};
use crate::selection::FileSelection;

pub(super) struct Merger<'a> {
    pub(super) rules: &'a MergeRules,
    pub(super) ordered: bool,
    pub(super) runs: Vec<RunState>,
    pub(super) outcome: SectionOutcome,
}

impl Merger<'_> {
    pub(super) async fn run(&mut self) -> Result<()> {
        loop {
            let mut active = Vec::with_capacity(self.runs.len());
            for (r, run) in self.runs.iter_mut().enumerate() {
                if run.fill(self.rules).await? {
                    active.push(r);
                }
            }
            if active.is_empty() {
                return Ok(());
            }
            self.window(&active)?;
        }
    }

    /// Takes the next window: everything up to the smallest last key of the current blocks.
    fn window(&mut self, active: &[usize]) -> Result<()> {
        let blocks: Vec<&Block> = active
            .iter()
            .filter_map(|r| self.runs[*r].current.as_ref())
            .collect();
        let offsets: Vec<usize> = active.iter().map(|r| self.runs[*r].offset).collect();
        let (ends, verdict) = match blocks.first().map(|b| &b.keys) {
            Some(KeyBlock::U64(_)) => {
                let keys: Vec<&[u64]> = blocks.iter().map(|b| b.keys_u64()).collect();
                self.judge(active, &offsets, &keys)
            }
            Some(KeyBlock::U128(_)) => {
                let keys: Vec<&[u128]> = blocks.iter().map(|b| b.keys_u128()).collect();
                self.judge(active, &offsets, &keys)
            }
            _ => {
                let bytes: Vec<Vec<&[u8]>> = blocks.iter().map(|b| b.keys_bytes()).collect();
                let keys: Vec<&[&[u8]]> = bytes.iter().map(Vec::as_slice).collect();
                self.judge(active, &offsets, &keys)
            }
        };
        self.record(active, &ends, verdict);
        Ok(())
    }

    fn judge<K: MergeKey>(
        &self,
        active: &[usize],
        offsets: &[usize],
        keys: &[&[K]],
    ) -> (Vec<usize>, Verdict) {
        let rest: Vec<&[K]> = keys.iter().zip(offsets).map(|(k, o)| &k[*o..]).collect();
        let bound = rest.iter().filter_map(|k| k.last()).min();
        let slices: Vec<&[K]> = match bound {
            Some(bound) => rest
                .iter()
                .map(|k| {
                    let whole = k.last().is_some_and(|last| last <= bound);
                    let end = if whole {
                        k.len()
                    } else {
                        k.partition_point(|x| x <= bound)
                    };
                    &k[..end]
                })
                .collect(),
            None => rest,
        };
        let ends = slices
            .iter()
            .zip(offsets)
            .map(|(s, o)| o + s.len())
            .collect();
        let mut dead: Vec<Vec<u8>> = slices.iter().map(|s| vec![0; s.len()]).collect();
        let mut sizes = Vec::new();
        let mut members = Vec::new();
        if slices.len() < 2 {
            return (
                ends,
                Verdict {
                    dead,
                    sizes,
                    members,
                },
            );
        }
        if self.rules.resolution == Resolution::Latest && !self.ordered {
            let mut views: Vec<&mut [u8]> = dead.iter_mut().map(Vec::as_mut_slice).collect();
            mark_superseded(&slices, &mut views);
            return (
                ends,
                Verdict {
                    dead,
                    sizes,
                    members,
                },
            );
        }
        let found = find_collisions(&slices);
        let fold = self.rules.resolution == Resolution::Fold;
        if fold && !self.rules.lookup && !self.ordered {
            sizes = found.offsets.windows(2).map(|w| w[1] - w[0]).collect();
            members = found.members;
            return (
                ends,
                Verdict {
                    dead,
                    sizes,
                    members,
                },
            );
        }
        let mut scratch = Vec::new();
        for g in 0..found.groups() {
            scratch.clear();
            scratch.extend_from_slice(found.group(g));
            self.resolve(active, offsets, &mut scratch, &mut dead);
            if fold {
                sizes.push(u32::try_from(scratch.len()).unwrap_or(u32::MAX));
                members.extend_from_slice(&scratch);
            }
        }
        (
            ends,
            Verdict {
                dead,
                sizes,
                members,
            },
        )
    }

    /// Orders the members of a group, applies the lookup rule and marks those that do not survive.
    fn resolve(
        &self,
        active: &[usize],
        offsets: &[usize],
        members: &mut Vec<(u32, u32)>,
        dead: &mut [Vec<u8>],
    ) {
        if self.rules.lookup {
            let level = |m: &(u32, u32)| self.runs[active[m.0 as usize]].level;
            let newest = members.iter().map(level).filter(|l| *l > 0).min();
            members.retain(|m| {
                let kept = level(m) == 0 || Some(level(m)) == newest;
                if !kept {
                    dead[m.0 as usize][m.1 as usize] = 1;
                }
                kept
            });
        }
        if self.ordered {
            members.sort_by(|a, b| self.compare(active, offsets, a, b));
        }
        let winner = match self.rules.resolution {
            Resolution::Fold => return,
            Resolution::Latest => members.last().copied(),
            Resolution::First => members.first().copied(),
        };
        for member in members.iter() {
            if Some(*member) != winner {
                dead[member.0 as usize][member.1 as usize] = 1;
            }
        }
    }

    fn compare(
        &self,
        active: &[usize],
        offsets: &[usize],
        a: &(u32, u32),
        b: &(u32, u32),
    ) -> Ordering {
        let order = |m: &(u32, u32)| {
            let run = &self.runs[active[m.0 as usize]];
            let rows = run.current.as_ref()?.order.as_ref()?;
            Some(rows.row(offsets[m.0 as usize] + m.1 as usize))
        };
        match (order(a), order(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => Ordering::Equal,
        }
    }

    fn record(&mut self, active: &[usize], ends: &[usize], verdict: Verdict) {
        for ((r, end), dead) in active.iter().zip(ends).zip(&verdict.dead) {
            let run = &mut self.runs[*r];
            let start = run.offset;
            run.offset = *end;
            if let Some(block) = &mut run.current {
                block.dead[start..*end].copy_from_slice(dead);
            }
        }
        self.outcome.group_sizes.extend_from_slice(&verdict.sizes);
        for (slot, index) in &verdict.members {
            let r = active[*slot as usize];
            self.outcome
                .group_runs
                .push(u16::try_from(r).unwrap_or(u16::MAX));
            let run = &mut self.runs[r];
            let start = run.offset - verdict.dead[*slot as usize].len();
            if let Some(block) = &mut run.current {
                if block.fold.is_empty() {
                    block.fold = vec![0; block.keys.len()];
                }
                block.fold[start + *index as usize] = 1;
            }
        }
    }

    pub(super) fn finish(mut self) -> Result<SectionOutcome> {
        if self.runs.len() > usize::from(u16::MAX) {
            return Err(Error::new(
                crate::ErrorKind::ResourceExhausted,
                format!(
                    "a section has {} sorted runs, at most 65535 are merged",
                    self.runs.len()
                ),
            ));
        }
        let fold = self.rules.resolution == Resolution::Fold;
        for run in &mut self.runs {
            run.close(self.rules);
            let files = run.files.iter_mut().map(|bits| FileOutcome {
                keep: Arc::new(FileSelection::new(bits.keep.finish())),
                fold: fold.then(|| Arc::new(FileSelection::new(bits.fold.finish()))),
            });
            self.outcome.files.push(files.collect());
        }
        Ok(self.outcome)
    }
}

/// What a window decided, per active run.
struct Verdict {
    dead: Vec<Vec<u8>>,
    /// Sizes of the groups to fold.
    sizes: Vec<u32>,
    /// Their members: (active run, index in the window).
    members: Vec<(u32, u32)>,
}
