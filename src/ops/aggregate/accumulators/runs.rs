//! Values in runs: those of some millions of rows, brought together by group, in as few bytes as hold them.

use std::ops::Range;

use super::vec_bytes_to;
use crate::batch::{Narrow, Places};
use crate::expr::Type;
use crate::ops::key::{float_to_int, int_to_float};

/// Values of groups that came in one after another, in the order of the rows.
#[derive(Default)]
pub(super) struct Log {
    groups: Vec<u32>,
    values: Vec<i64>,
}

/// Values by group: each group has one slice.
pub(super) struct Run {
    /// The group of every slice.
    groups: Vec<u32>,
    /// Where every slice ends.
    ends: Vec<u32>,
    values: Codes,
}

/// Where the slices of every group are, over many runs.
pub(super) struct Index {
    /// Where the places of every group end.
    ends: Vec<usize>,
    /// Run and slice.
    places: Vec<(u32, u32)>,
}

/// Values in few bytes.
struct Codes {
    /// Floats that are decimals are the integers without the point.
    decimals: Option<Places>,
    narrow: Narrow,
}

impl Log {
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    pub(super) fn push(&mut self, group: u32, value: i64) {
        self.groups.push(group);
        self.values.push(value);
    }

    pub(super) fn extend(&mut self, groups: &[u32], values: &[i64]) {
        self.groups.extend_from_slice(groups);
        self.values.extend_from_slice(values);
    }

    /// The groups of these values, and the values.
    pub(super) fn rows(&self, range: Range<usize>) -> (Vec<u32>, Vec<i64>) {
        (self.groups[range.clone()].to_vec(), self.values[range].to_vec())
    }

    pub(super) fn bytes_with(&self, more: usize) -> usize {
        vec_bytes_to(&self.groups, self.len() + more) + vec_bytes_to(&self.values, self.len() + more)
    }

    /// Empties the log into a run, of distinct values if asked. Groups are below `groups`; the values are of this type.
    pub(super) fn take_run(&mut self, groups: usize, distinct: bool, kind: Type) -> Run {
        // Where the values of every group begin, and, once they are there, end.
        let mut places = vec![0u32; groups];
        self.groups.iter().for_each(|group| places[*group as usize] += 1);
        let mut start = 0;
        for place in &mut places {
            (*place, start) = (start, start + *place);
        }
        let mut values = vec![0; self.len()];
        for (group, value) in self.groups.iter().zip(&self.values) {
            let place = &mut places[*group as usize];
            values[*place as usize] = *value;
            *place += 1;
        }
        self.groups.clear();
        self.values.clear();
        let mut builder = RunBuilder::default();
        let mut start = 0;
        for (group, end) in places.into_iter().enumerate() {
            let slice = &mut values[start..end as usize];
            start = end as usize;
            if distinct {
                slice.sort_unstable();
                builder.push_distinct(group as u32, slice);
            } else if !slice.is_empty() {
                builder.end_slice(group as u32, start);
            }
        }
        if distinct {
            drop(values);
        } else {
            builder.values = values;
        }
        builder.build(kind)
    }
}

/// A run that is made slice by slice.
#[derive(Default)]
pub(super) struct RunBuilder {
    groups: Vec<u32>,
    ends: Vec<u32>,
    values: Vec<i64>,
}

impl RunBuilder {
    /// Appends each value once of a slice that is sorted.
    pub(super) fn push_distinct(&mut self, group: u32, sorted: &[i64]) {
        let Some(first) = sorted.first() else { return };
        self.values.push(*first);
        self.values.extend(sorted.windows(2).filter(|pair| pair[0] != pair[1]).map(|pair| pair[1]));
        self.end_slice(group, self.values.len());
    }

    fn end_slice(&mut self, group: u32, end: usize) {
        self.groups.push(group);
        self.ends.push(end as u32);
    }

    pub(super) fn build(mut self, kind: Type) -> Run {
        self.groups.shrink_to_fit();
        self.ends.shrink_to_fit();
        Run { groups: self.groups, ends: self.ends, values: Codes::new(self.values, kind) }
    }
}

impl Run {
    pub(super) fn len(&self) -> usize {
        self.ends.last().map_or(0, |end| *end as usize)
    }

    /// The groups of these values, and the values.
    pub(super) fn rows(&self, range: Range<usize>) -> (Vec<u32>, Vec<i64>) {
        let (mut groups, mut values) = (Vec::with_capacity(range.len()), Vec::with_capacity(range.len()));
        let first = self.ends.partition_point(|end| *end as usize <= range.start);
        for (group, end) in self.groups[first..].iter().zip(&self.ends[first..]) {
            groups.resize(range.end.min(*end as usize) - range.start, *group);
            if *end as usize >= range.end {
                break;
            }
        }
        self.values.append(range, &mut values);
        (groups, values)
    }

    /// Gives every group another number.
    pub(super) fn map_groups(&mut self, ids: &[u32]) {
        self.groups.iter_mut().for_each(|group| *group = ids[*group as usize]);
    }

    /// Puts other integers in the place of all.
    pub(super) fn map_values(&mut self, value: impl Fn(i64) -> i64) {
        let mut values = Vec::with_capacity(self.len());
        self.values.append(0..self.len(), &mut values);
        values.iter_mut().for_each(|v| *v = value(*v));
        self.values = Codes::new(values, Type::Int64);
    }

    /// The bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        (self.groups.capacity() + self.ends.capacity()) * 4 + self.values.bytes()
    }
}

impl Index {
    pub(super) fn new(runs: &[Run], groups: usize) -> Index {
        let mut ends = vec![0; groups];
        for group in runs.iter().flat_map(|run| &run.groups) {
            ends[*group as usize] += 1;
        }
        let mut start = 0;
        for end in &mut ends {
            (*end, start) = (start, start + *end);
        }
        let mut places = vec![(0, 0); start];
        for (run, groups) in runs.iter().enumerate().map(|(i, run)| (i, &run.groups)) {
            for (slice, group) in groups.iter().enumerate() {
                let end = &mut ends[*group as usize];
                places[*end] = (run as u32, slice as u32);
                *end += 1;
            }
        }
        Index { ends, places }
    }

    /// Writes all values of a group to `values`.
    pub(super) fn gather(&self, runs: &[Run], group: u32, values: &mut Vec<i64>) {
        values.clear();
        let group = group as usize;
        let start = if group == 0 { 0 } else { self.ends[group - 1] };
        for (run, slice) in &self.places[start..self.ends[group]] {
            let (run, slice) = (&runs[*run as usize], *slice as usize);
            let start = if slice == 0 { 0 } else { run.ends[slice - 1] as usize };
            run.values.append(start..run.ends[slice] as usize, values);
        }
    }

    /// How many values the largest group has.
    pub(super) fn largest(runs: &[Run], groups: usize) -> usize {
        let mut lens = vec![0; groups];
        for run in runs {
            let mut start = 0;
            for (group, end) in run.groups.iter().zip(&run.ends) {
                lens[*group as usize] += (end - start) as usize;
                start = *end;
            }
        }
        lens.into_iter().max().unwrap_or(0)
    }

    /// What an index takes.
    pub(super) fn bytes_for(runs: &[Run], groups: usize) -> usize {
        (groups + runs.iter().map(|run| run.groups.len()).sum::<usize>()) * 8
    }
}

impl Codes {
    fn new(mut values: Vec<i64>, kind: Type) -> Codes {
        let mut decimals = None;
        if kind == Type::Float64 {
            let floats: Vec<f64> = values.iter().map(|value| int_to_float(*value)).collect();
            let mut integers = Vec::new();
            decimals = Places::of(&floats, &mut integers);
            if decimals.is_some() {
                values = integers;
            }
        }
        Codes { decimals, narrow: Narrow::new(&values) }
    }

    fn append(&self, range: Range<usize>, out: &mut Vec<i64>) {
        let start = out.len();
        self.narrow.append(range, out);
        if let Some(places) = self.decimals {
            out[start..].iter_mut().for_each(|value| *value = float_to_int(places.float(*value)));
        }
    }

    fn bytes(&self) -> usize {
        self.narrow.bytes()
    }
}
