//! The right rows of every key: what the group of a key leads to.

use crate::error::Result;
use crate::ops::groups::MISSING;

/// The right rows of every group, in their order.
pub(super) enum Index {
    /// The number of each key is its row's: all keys differ.
    Same,
    /// The one row of the group; [`MISSING`] where it has none that can match.
    One(Vec<u32>),
    /// Any number of rows.
    Many(Runs),
    /// Any number of rows, in the order of a value, which stands beside them.
    Ordered(Runs, Vec<i64>),
}

/// Rows, group after group.
pub(super) struct Runs {
    /// Where each group begins, and the end.
    starts: Vec<u32>,
    rows: Vec<u32>,
}

impl Runs {
    /// The rows of a group, in their order; none for [`MISSING`].
    pub(super) fn rows(&self, group: u32) -> &[u32] {
        &self.rows[self.range(group)]
    }

    /// The places of a group's rows.
    pub(super) fn range(&self, group: u32) -> std::ops::Range<usize> {
        match self.starts.get(group as usize..) {
            Some([start, end, ..]) => *start as usize..*end as usize,
            _ => 0..0,
        }
    }

    /// The row at a place.
    pub(super) fn row(&self, at: usize) -> u32 {
        self.rows[at]
    }
}

impl Index {
    /// The index of rows with these groups ([`MISSING`] for a row that nothing can match), of which there are so many. `order` gives
    /// the values that rows of a group are to be ordered by. Asks `book` for its bytes.
    pub(super) fn new(
        groups_of_rows: &[u32],
        groups: usize,
        order: Option<&[i64]>,
        book: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Index> {
        book((groups + 1 + groups_of_rows.len()) * size_of::<u32>())?;
        let mut starts = vec![0u32; groups + 1];
        let members =
            || groups_of_rows.iter().zip(0..groups_of_rows.len() as u32).filter(|(group, _)| **group != MISSING);
        members().for_each(|(group, _)| starts[*group as usize] += 1);
        if order.is_none() && starts.iter().all(|count| *count <= 1) {
            // Groups are numbered as they are first seen, so that as many groups as rows are the rows themselves.
            if groups == groups_of_rows.len() && starts[..groups].iter().all(|count| *count == 1) {
                return Ok(Index::Same);
            }
            let mut one = vec![MISSING; groups];
            members().for_each(|(group, row)| one[*group as usize] = row);
            return Ok(Index::One(one));
        }
        // Ends, which become starts as the runs are filled from behind.
        let mut end = 0;
        for count in &mut starts {
            end += *count;
            *count = end;
        }
        let mut rows = vec![0u32; end as usize];
        for (group, row) in members().rev() {
            let start = &mut starts[*group as usize];
            *start -= 1;
            rows[*start as usize] = row;
        }
        let Some(order) = order else {
            return Ok(Index::Many(Runs { starts, rows }));
        };
        for group in starts.windows(2) {
            rows[group[0] as usize..group[1] as usize].sort_by_key(|row| order[*row as usize]);
        }
        book(rows.len() * size_of::<i64>())?;
        let values = rows.iter().map(|row| order[*row as usize]).collect();
        Ok(Index::Ordered(Runs { starts, rows }, values))
    }

    /// The index of keys that were grouped in parts: for each part the group of every row, and that row; rows are in their order.
    pub(super) fn of_parts(parts: &[(Vec<u32>, Vec<u32>)], groups: &[usize]) -> Index {
        let all: usize = groups.iter().sum();
        let (mut starts, mut all_rows) = (Vec::with_capacity(all + 1), vec![]);
        starts.push(0);
        for ((of_rows, rows), groups) in parts.iter().zip(groups) {
            let first = all_rows.len() as u32;
            let mut ends = vec![0u32; *groups];
            of_rows.iter().for_each(|group| ends[*group as usize] += 1);
            let mut end = first;
            for count in &mut ends {
                (*count, end) = (end, end + *count);
            }
            all_rows.resize(end as usize, 0);
            for (group, row) in of_rows.iter().zip(rows) {
                let at = &mut ends[*group as usize];
                all_rows[*at as usize] = *row;
                *at += 1;
            }
            starts.extend(ends);
        }
        Index::Many(Runs { starts, rows: all_rows })
    }

    /// The bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        let runs = |runs: &Runs| (runs.starts.capacity() + runs.rows.capacity()) * size_of::<u32>();
        match self {
            Index::Same => 0,
            Index::One(rows) => rows.capacity() * size_of::<u32>(),
            Index::Many(many) => runs(many),
            Index::Ordered(many, values) => runs(many) + values.capacity() * size_of::<i64>(),
        }
    }
}
