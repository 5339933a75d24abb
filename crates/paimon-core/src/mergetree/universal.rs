//! Which sorted runs of a bucket to compact, and to which level. Pure.
//!
//! Runs come newest first, so a pick is a number of runs from the front: what is merged is always contiguous in age.
//! Source: `UniversalCompaction`, `EarlyFullCompaction`, `ForceUpLevel0Compaction`, `OffPeakHours`, `CompactStrategy`.

/// What picking looks at of a sorted run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunSize {
    /// LSM level.
    pub level: i32,
    /// Size of all its files.
    pub bytes: u64,
}

/// A pick: the first `runs` sorted runs become one of `output_level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactUnit {
    /// Number of runs, from the newest.
    pub runs: usize,
    /// Level of the result, never 0.
    pub output_level: i32,
}

/// When a pick is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct PickTime {
    /// Milliseconds since everything was last merged into the deepest level; `None` when that never happened.
    pub since_full_ms: Option<u64>,
    /// Hour of the day, 0 to 23.
    pub hour: u32,
}

/// Rules that ask for a full compaction before any other rule is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct EarlyFullCompaction {
    /// `compaction.optimization-interval`, milliseconds
    pub interval_ms: Option<u64>,
    /// `compaction.total-size-threshold`, bytes
    pub total_size: Option<u64>,
    /// `compaction.incremental-size-threshold`, bytes
    pub incremental_size: Option<u64>,
}

/// Hours in which the size ratio is larger. Start and end may wrap around midnight.
#[derive(Debug, Clone, Copy)]
pub struct OffPeak {
    /// `compaction.offpeak.start.hour`
    pub start: u32,
    /// `compaction.offpeak.end.hour`, not included
    pub end: u32,
    /// `compaction.offpeak-ratio`, percent
    pub ratio: u64,
}

/// The universal strategy.
#[derive(Debug, Clone)]
pub struct UniversalCompaction {
    /// `compaction.max-size-amplification-percent`
    pub max_size_amplification: u64,
    /// `compaction.size-ratio`, percent
    pub size_ratio: u64,
    /// `num-sorted-run.compaction-trigger`
    pub trigger: usize,
    /// Early full compactions.
    pub early_full: EarlyFullCompaction,
    /// Off-peak hours.
    pub off_peak: Option<OffPeak>,
}

impl EarlyFullCompaction {
    fn asks(&self, max_level: i32, runs: &[RunSize], time: &PickTime) -> bool {
        if runs.len() < 2 {
            return false;
        }
        let due = |interval| time.since_full_ms.is_none_or(|since| since > interval);
        let total: u64 = runs.iter().map(|r| r.bytes).sum();
        let fresh = runs.iter().filter(|r| r.level != max_level);
        let fresh: u64 = fresh.map(|r| r.bytes).sum();
        self.interval_ms.is_some_and(due)
            || self.total_size.is_some_and(|limit| total < limit)
            || self.incremental_size.is_some_and(|limit| fresh > limit)
    }
}

impl OffPeak {
    fn ratio_at(&self, hour: u32) -> u64 {
        let inside = if self.start <= self.end {
            self.start <= hour && hour < self.end
        } else {
            hour < self.end || self.start <= hour
        };
        if inside { self.ratio } else { 0 }
    }
}

impl UniversalCompaction {
    /// The pick among the runs of a tree whose deepest level is `max_level`; `None` when nothing needs compaction.
    pub fn pick(&self, max_level: i32, runs: &[RunSize], time: &PickTime) -> Option<CompactUnit> {
        let everything = CompactUnit {
            runs: runs.len(),
            output_level: max_level,
        };
        if self.early_full.asks(max_level, runs, time) {
            return Some(everything);
        }
        if runs.len() < self.trigger.max(1) {
            return None;
        }
        if self.amplified(runs) {
            return Some(everything);
        }
        self.by_ratio(max_level, runs, 1, time).or_else(|| {
            let surplus = runs.len().checked_sub(self.trigger).filter(|n| *n > 0)?;
            self.by_ratio(max_level, runs, surplus + 1, time)
        })
    }

    /// Picks at least all level-0 runs; `None` when there are none.
    pub fn pick_level0(
        &self,
        max_level: i32,
        runs: &[RunSize],
        time: &PickTime,
    ) -> Option<CompactUnit> {
        let count = runs.iter().take_while(|r| r.level == 0).count();
        let count = self.extended(runs, (count > 0).then_some(count)?, time);
        Some(unit(max_level, runs, count))
    }

    /// Whether the newer runs are too large beside the oldest one.
    fn amplified(&self, runs: &[RunSize]) -> bool {
        let Some((oldest, newer)) = runs.split_last() else {
            return false;
        };
        let newer: u128 = newer.iter().map(|r| u128::from(r.bytes)).sum();
        newer * 100 > u128::from(self.max_size_amplification) * u128::from(oldest.bytes)
    }

    fn by_ratio(
        &self,
        max_level: i32,
        runs: &[RunSize],
        first: usize,
        time: &PickTime,
    ) -> Option<CompactUnit> {
        let count = self.extended(runs, first, time);
        (count > 1).then(|| unit(max_level, runs, count))
    }

    /// Adds runs to the first `count` as long as the next one is not larger than all before it. Once there is
    /// something to merge, runs of levels 0 and 1 go along whatever their size.
    fn extended(&self, runs: &[RunSize], mut count: usize, time: &PickTime) -> usize {
        let off_peak = self.off_peak.map_or(0, |o| o.ratio_at(time.hour));
        let percent = u128::from(self.size_ratio) + u128::from(off_peak) + 100;
        let mut size: u128 = runs.iter().take(count).map(|r| u128::from(r.bytes)).sum();
        for next in runs.iter().skip(count) {
            let larger = size * percent < u128::from(next.bytes) * 100;
            if larger && (count < 2 || next.level > 1) {
                break;
            }
            size += u128::from(next.bytes);
            count += 1;
        }
        count
    }
}

/// The pick of the first `count` runs: into the deepest level when that is all, else right above the next run.
fn unit(max_level: i32, runs: &[RunSize], mut count: usize) -> CompactUnit {
    let mut output_level = runs.get(count).map_or(max_level, |r| (r.level - 1).max(0));
    while output_level == 0 {
        // nothing is merged into level 0: take runs in until one of a level is there
        match runs.get(count) {
            Some(next) => output_level = next.level,
            None => output_level = max_level,
        }
        count = runs.len().min(count + 1);
    }
    if count == runs.len() {
        output_level = max_level;
    }
    CompactUnit {
        runs: count,
        output_level,
    }
}

/// Universal compaction that leaves nothing in level 0.
#[derive(Debug, Clone)]
pub struct ForceUpLevel0Compaction {
    /// What is tried first.
    pub universal: UniversalCompaction,
    /// Level 0 is forced up once in so many picks (`lookup-compact.max-interval`); `None`: always.
    pub interval: Option<u32>,
}

impl ForceUpLevel0Compaction {
    /// The pick; `idle` counts the picks in a row that found nothing and is kept by the caller.
    pub fn pick(
        &self,
        max_level: i32,
        runs: &[RunSize],
        time: &PickTime,
        idle: &mut u32,
    ) -> Option<CompactUnit> {
        if let Some(unit) = self.universal.pick(max_level, runs, time) {
            return Some(unit);
        }
        if let Some(interval) = self.interval {
            *idle += 1;
            if *idle < interval {
                return None;
            }
            *idle = 0;
        }
        self.universal.pick_level0(max_level, runs, time)
    }
}

/// Everything into the deepest level; `None` without runs, or when all lies there already.
pub fn pick_full(max_level: i32, runs: &[RunSize]) -> Option<CompactUnit> {
    match runs {
        [] => None,
        [only] if only.level == max_level => None,
        _ => Some(CompactUnit {
            runs: runs.len(),
            output_level: max_level,
        }),
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    const MAX: i32 = 5;

    fn runs(sizes: &[(i32, u64)]) -> Vec<RunSize> {
        let run = |(level, bytes): &(i32, u64)| RunSize {
            level: *level,
            bytes: *bytes,
        };
        sizes.iter().map(run).collect()
    }

    fn strategy(amplification: u64, ratio: u64, trigger: usize) -> UniversalCompaction {
        UniversalCompaction {
            max_size_amplification: amplification,
            size_ratio: ratio,
            trigger,
            early_full: EarlyFullCompaction::default(),
            off_peak: None,
        }
    }

    fn pick(strategy: &UniversalCompaction, sizes: &[(i32, u64)]) -> Option<(usize, i32)> {
        let unit = strategy.pick(MAX, &runs(sizes), &PickTime::default());
        unit.map(|u| (u.runs, u.output_level))
    }

    #[test]
    fn fewer_runs_than_the_trigger_stay() {
        let s = strategy(200, 1, 5);
        assert_eq!(pick(&s, &[]), None);
        assert_eq!(pick(&s, &[(0, 1), (0, 1), (0, 1), (0, 1)]), None);
    }

    #[test]
    fn too_much_beside_the_oldest_run_is_merged_with_it() {
        let s = strategy(25, 0, 3);
        assert_eq!(pick(&s, &[(0, 10), (0, 15), (3, 99)]), Some((3, MAX)));
        // exactly the limit is not too much, and the sizes grow too fast for the ratio
        assert_eq!(pick(&s, &[(0, 10), (0, 15), (3, 100)]), None);
        // a lone run has nothing beside it
        assert_eq!(pick(&s, &[(0, 10)]), None);
    }

    #[test]
    fn runs_of_similar_size_are_merged_right_above_the_next() {
        let s = strategy(1000, 1, 3);
        let sizes = [(0, 1), (0, 1), (0, 2), (3, 100), (4, 1000)];
        assert_eq!(pick(&s, &sizes), Some((3, 2)));
        // one percent more than the sum is still taken in
        assert_eq!(pick(&s, &[(0, 100), (2, 101), (5, 1000)]), Some((2, 4)));
        assert_eq!(pick(&s, &[(0, 100), (2, 102), (5, 1000)]), None);
    }

    #[test]
    fn nothing_is_merged_into_level_0() {
        let s = strategy(10_000, 1, 2);
        // the next run is of level 1: it is taken in
        assert_eq!(pick(&s, &[(0, 1), (0, 1), (1, 50), (2, 400)]), Some((3, 1)));
        // right below a run of level 2 lies level 1
        assert_eq!(pick(&s, &[(0, 1), (0, 1), (2, 50)]), Some((2, 1)));
        // all runs taken: the deepest level
        assert_eq!(pick(&s, &[(0, 1), (0, 1), (1, 50)]), Some((3, MAX)));
    }

    #[test]
    fn too_many_runs_are_merged_whatever_their_sizes() {
        let s = strategy(100_000, 1, 3);
        let sizes = [(0, 1), (2, 4), (3, 16), (4, 64), (5, 256)];
        assert_eq!(pick(&s, &sizes), Some((3, 3)));
    }

    #[test]
    fn early_rules_ask_for_everything() {
        let mut s = strategy(200, 1, 5);
        s.early_full.total_size = Some(100);
        assert_eq!(pick(&s, &[(0, 10), (5, 80)]), Some((2, MAX)));
        assert_eq!(pick(&s, &[(0, 20), (5, 80)]), None);
        assert_eq!(pick(&s, &[(0, 10)]), None);
        s.early_full = EarlyFullCompaction {
            incremental_size: Some(30),
            ..EarlyFullCompaction::default()
        };
        assert_eq!(pick(&s, &[(0, 31), (5, 800)]), Some((2, MAX)));
        assert_eq!(pick(&s, &[(0, 30), (5, 800)]), None);
        s.early_full = EarlyFullCompaction {
            interval_ms: Some(1000),
            ..EarlyFullCompaction::default()
        };
        let two = runs(&[(0, 1), (5, 800)]);
        for (since, picks) in [(None, true), (Some(1000), false), (Some(1001), true)] {
            let time = PickTime {
                since_full_ms: since,
                hour: 0,
            };
            assert_eq!(s.pick(MAX, &two, &time).is_some(), picks, "{since:?}");
        }
    }

    #[test]
    fn the_ratio_is_larger_off_peak() {
        let mut s = strategy(10_000, 1, 3);
        s.off_peak = Some(OffPeak {
            start: 22,
            end: 6,
            ratio: 100,
        });
        let sizes = runs(&[(0, 100), (2, 200), (5, 10_000)]);
        for (hour, picks) in [(12, false), (22, true), (0, true), (5, true), (6, false)] {
            let time = PickTime {
                since_full_ms: None,
                hour,
            };
            assert_eq!(s.pick(MAX, &sizes, &time).is_some(), picks, "hour {hour}");
        }
    }

    #[test]
    fn level_0_is_forced_up_when_nothing_else_is_due() {
        let force = |interval| ForceUpLevel0Compaction {
            universal: strategy(200, 1, 5),
            interval,
        };
        let sizes = runs(&[(0, 1), (0, 1), (4, 100)]);
        let (time, mut idle) = (PickTime::default(), 0);
        let always = force(None).pick(MAX, &sizes, &time, &mut idle);
        assert_eq!(always.map(|u| (u.runs, u.output_level)), Some((2, 3)));
        let third = force(Some(3));
        let picks: Vec<bool> = (0..6)
            .map(|_| third.pick(MAX, &sizes, &time, &mut idle).is_some())
            .collect();
        assert_eq!(picks, [false, false, true, false, false, true]);
        let deep = runs(&[(4, 100)]);
        assert_eq!(force(None).pick(MAX, &deep, &time, &mut idle), None);
    }

    #[test]
    fn full_picks_take_everything_that_is_not_merged_yet() {
        assert_eq!(pick_full(MAX, &[]), None);
        assert_eq!(pick_full(MAX, &runs(&[(MAX, 1)])), None);
        for sizes in [vec![(0, 1)], vec![(3, 1)], vec![(0, 1), (MAX, 1)]] {
            let unit = pick_full(MAX, &runs(&sizes));
            let expected = CompactUnit {
                runs: sizes.len(),
                output_level: MAX,
            };
            assert_eq!(unit, Some(expected));
        }
    }

    /// What must hold for any pick: the result is above all runs that stay and not below one that is merged.
    fn check(unit: CompactUnit, sizes: &[RunSize], context: &str) {
        let (merged, rest) = sizes.split_at(unit.runs);
        assert!(!merged.is_empty(), "{context}");
        assert!(
            unit.output_level > 0 && unit.output_level <= MAX,
            "{context}"
        );
        assert!(
            merged.iter().all(|r| r.level <= unit.output_level),
            "{context}"
        );
        assert!(
            rest.iter().all(|r| r.level > unit.output_level),
            "{context}"
        );
        assert!(!rest.is_empty() || unit.output_level == MAX, "{context}");
    }

    #[test]
    fn picks_are_contiguous_and_keep_the_order_of_ages() {
        for seed in 0..2000 {
            let mut rng = StdRng::seed_from_u64(seed);
            let level0 = rng.random_range(0..8);
            let mut sizes: Vec<RunSize> = Vec::new();
            let size = |rng: &mut StdRng| 4u64.pow(rng.random_range(0..8));
            for _ in 0..level0 {
                let bytes = size(&mut rng);
                sizes.push(RunSize { level: 0, bytes });
            }
            for level in 1..=MAX {
                if rng.random_bool(0.5) {
                    let bytes = size(&mut rng);
                    sizes.push(RunSize { level, bytes });
                }
            }
            let s = strategy(
                rng.random_range(10..400),
                rng.random_range(0..50),
                rng.random_range(1..7),
            );
            let context = format!("seed {seed}: {s:?} {sizes:?}");
            let time = PickTime::default();
            let found = s.pick(MAX, &sizes, &time);
            let forced = s.pick_level0(MAX, &sizes, &time);
            for unit in [found, forced].into_iter().flatten() {
                check(unit, &sizes, &context);
            }
            assert_eq!(forced.is_some(), level0 > 0, "{context}");
            // more runs than the trigger never stay
            if sizes.len() > s.trigger {
                assert!(found.is_some(), "{context}");
            }
        }
    }
}
