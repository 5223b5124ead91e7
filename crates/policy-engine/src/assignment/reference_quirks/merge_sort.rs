//! A merge sort that accepts any comparison (scheduler-spec/03 appendix A.3). The standard
//! library's sort may panic if a comparison is not a total order, and some comparisons of nodes and
//! instances are not; which order they result in is part of the scheduler's behaviour.

use std::cmp::Ordering;

/// Sorts stably: the first half gets `len / 2` elements, ties go to the first half.
pub(in crate::assignment) fn merge_sort<T: Copy>(
    list: &mut Vec<T>,
    compare: &mut impl FnMut(T, T) -> Ordering,
) {
    if list.len() < 2 {
        return;
    }
    let mut right = list.split_off(list.len() / 2);
    merge_sort(list, compare);
    merge_sort(&mut right, compare);
    let left = std::mem::take(list);
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        if compare(left[i], right[j]) == Ordering::Greater {
            list.push(right[j]);
            j += 1;
        } else {
            list.push(left[i]);
            i += 1;
        }
    }
    list.extend_from_slice(&left[i..]);
    list.extend_from_slice(&right[j..]);
}

#[cfg(test)]
mod tests {
    use super::merge_sort;

    #[test]
    fn it_sorts_stably() {
        let mut list = vec![(2, 'a'), (1, 'b'), (2, 'c'), (1, 'd'), (0, 'e')];
        merge_sort(&mut list, &mut |a, b| a.0.cmp(&b.0));
        assert_eq!(list, [(0, 'e'), (1, 'b'), (1, 'd'), (2, 'a'), (2, 'c')]);
    }
}
