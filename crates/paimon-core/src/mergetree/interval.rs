//! Sections of files with overlapping key ranges.
//!
//! Source: `IntervalPartition`.

use std::cmp::Ordering;

/// Something with a key range.
pub trait KeyInterval {
    /// Order of this item's smallest key against another's smallest key.
    fn compare_min(&self, other: &Self) -> Ordering;
    /// Order of this item's smallest key against another's largest key.
    fn compare_min_to_max(&self, other: &Self) -> Ordering;
    /// Order of this item's largest key against another's largest key.
    fn compare_max(&self, other: &Self) -> Ordering;
}

/// Groups items into sections: items of different sections have disjoint key ranges. Sections ascend by key; items
/// within one ascend by smallest, then largest key.
pub fn sections<T: KeyInterval>(mut items: Vec<T>) -> Vec<Vec<T>> {
    items.sort_by(|a, b| a.compare_min(b).then_with(|| a.compare_max(b)));
    let mut result: Vec<Vec<T>> = Vec::new();
    // index within the last section of the item with the largest key
    let mut widest = 0;
    for item in items {
        let opens = match result.last() {
            None => true,
            Some(section) => item.compare_min_to_max(&section[widest]) == Ordering::Greater,
        };
        if opens {
            result.push(vec![item]);
            widest = 0;
            continue;
        }
        if let Some(section) = result.last_mut() {
            if item.compare_max(&section[widest]) == Ordering::Greater {
                widest = section.len();
            }
            section.push(item);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Range(i32, i32);

    impl KeyInterval for Range {
        fn compare_min(&self, other: &Self) -> Ordering {
            self.0.cmp(&other.0)
        }
        fn compare_min_to_max(&self, other: &Self) -> Ordering {
            self.0.cmp(&other.1)
        }
        fn compare_max(&self, other: &Self) -> Ordering {
            self.1.cmp(&other.1)
        }
    }

    #[test]
    fn touching_ranges_share_a_section() {
        let found = sections(vec![
            Range(6, 7),
            Range(1, 5),
            Range(2, 3),
            Range(5, 5),
            Range(9, 9),
        ]);
        assert_eq!(
            found,
            [
                vec![Range(1, 5), Range(2, 3), Range(5, 5)],
                vec![Range(6, 7)],
                vec![Range(9, 9)]
            ]
        );
    }
}
