//! Where partitions begin: cuts at any byte, moved to the next record.
//!
//! A cut may fall inside a quoted field, and only the bytes from the start of the file on can tell. A partition
//! therefore *assumes*: it looks at what follows under both hypotheses, begins under the likelier one, and says where
//! it began. The partition before it says where it ended, which is right if it began right itself; the first one does.
//! Where the two differ, the partition runs again from its predecessor's end. So the answer never rests on the
//! assumption, only the time does. (The idea: Ge et al., "Speculative distributed CSV data parsing", SIGMOD 2019.)

use std::io;
use std::ops::Range;

use super::dialect::Dialect;
use super::fields::{FieldIndex, State, Step};
use crate::config::PartitionSize;
use crate::io::read_at::Input;

/// So many partitions of a file are enough for any machine; smaller ones would cost more than what they hold.
const MOST: u64 = 10_000;

/// Cuts `range`, which so many bytes are to be read behind, into parts of about such a size; one part at least, [`MOST`] at most.
pub(crate) fn cuts(range: Range<u64>, behind: u64, size: PartitionSize) -> Vec<Range<u64>> {
    let least = (range.end - range.start).div_ceil(MOST).max(1);
    let mut parts = Vec::new();
    let mut start = range.start;
    loop {
        let left = range.end - start;
        // Those of one size are all alike.
        let count = left.div_ceil(size.of_next(left.saturating_add(behind)).max(least)).max(1);
        let end = start + left.div_ceil(count);
        parts.push(start..end);
        if end == range.end {
            return parts;
        }
        start = end;
    }
}

/// How many bytes are looked at to tell the hypotheses apart.
const WINDOW: usize = 64 << 10;
/// … at least, where partitions are small.
const SMALL_WINDOW: usize = 4 << 10;

/// The longest thing that the automaton looks at in one piece: an escape and a delimiter.
const LOOK_AHEAD: usize = 16;

/// Where the first record of a partition begins that is cut at `range`, as far as its own bytes tell;
/// `None` when no record seems to begin within it. `range` does not begin at the file's first record, `end` is where its last one ends.
pub(crate) fn assume_start(
    input: &Input,
    range: Range<u64>,
    end: u64,
    width: usize,
    dialect: &Dialect,
) -> io::Result<Option<u64>> {
    // The byte before the cut may be the line end that the first record follows, and the one before that tells
    // whether a quote there opens a field.
    let from = range.start.saturating_sub(2);
    let lead = (range.start - from) as usize;
    let size = (range.end - range.start).clamp(SMALL_WINDOW as u64, WINDOW as u64) as usize;
    let mut window = read(input, from, (size + lead) as u64, end)?;
    let mut state = likelier_state(&window, lead, width, dialect);
    // From here on, on the one hypothesis, as far as the partition reaches.
    let mut at = range.start - 1;
    let mut bytes = window.split_off(lead.min(window.len()).saturating_sub(1));
    loop {
        let is_last = at + bytes.len() as u64 >= end;
        // What is looked at in one piece must be there.
        let reach = if is_last { bytes.len() } else { bytes.len().saturating_sub(LOOK_AHEAD) };
        let mut i = 0;
        while i < reach {
            let (next, step, len) = state.step(&bytes, i, dialect);
            state = next;
            i += len;
            let start = at + i as u64;
            if step == Step::EndsRecord && start >= range.start {
                return Ok((start < range.end).then_some(start));
            }
        }
        at += i as u64;
        if is_last || at >= range.end {
            return Ok(None);
        }
        bytes = read(input, at, (WINDOW + LOOK_AHEAD) as u64, end)?;
        if bytes.len() <= LOOK_AHEAD && at + (bytes.len() as u64) < end {
            // The file became shorter: the reader tells.
            return Ok(None);
        }
    }
}

fn read(input: &Input, at: u64, size: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size.min(end.saturating_sub(at)) as usize];
    let read = input.read_at(&mut bytes, at)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// The state before the byte at `lead - 1` of a window.
fn likelier_state(window: &[u8], lead: usize, width: usize, dialect: &Dialect) -> State {
    let outside = match window.first() {
        Some(&b) if lead == 2 && (dialect.delimiter.as_bytes().ends_with(&[b]) || dialect.ends_line(b)) => {
            State::FieldStart
        }
        _ => State::Unquoted,
    };
    let Some(body) = window.get(lead.saturating_sub(1)..) else { return outside };
    if only_reading(body, outside, width, dialect) == Some(Reading::Quoted) { State::Quoted } else { outside }
}

/// Which of the two hypotheses a window supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The window begins outside quotes.
    Plain,
    /// The window begins inside a quoted field.
    Quoted,
}

/// The one hypothesis under which all records of `window`, behind its first line end, have `width` fields;
/// `None` when both do or neither does.
pub(crate) fn only_reading(window: &[u8], outside: State, width: usize, dialect: &Dialect) -> Option<Reading> {
    let plain = all_records_fit(window, outside, width, dialect);
    let quoted =
        dialect.quote.is_some_and(|q| window.contains(&q)) && all_records_fit(window, State::Quoted, width, dialect);
    match (plain, quoted) {
        (true, false) => Some(Reading::Plain),
        (false, true) => Some(Reading::Quoted),
        _ => None,
    }
}

fn all_records_fit(window: &[u8], state: State, width: usize, dialect: &Dialect) -> bool {
    let mut index = FieldIndex::default();
    index.index(window, state, dialect, false);
    let mut records = 0;
    let mut fit = true;
    index.for_each_record(window, |record| {
        if records > 0 && record.is_blank() {
            return;
        }
        records += 1;
        // The first is the rest of a record.
        fit &= records == 1 || record.len() == width;
    });
    fit && records >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_contiguous_and_about_equal() {
        let of = |bytes| PartitionSize { bytes, threads: None };
        assert_eq!(cuts(0..1 << 40, 0, of(1)).len() as u64, MOST);
        for (range, size) in [(0..0, 10), (3..4, 10), (5..105, 10), (5..106, 10), (0..u64::MAX, 1 << 60)] {
            let parts = cuts(range.clone(), 0, of(size));
            assert_eq!((parts[0].start, parts[parts.len() - 1].end), (range.start, range.end));
            assert!(parts.windows(2).all(|w| w[0].end == w[1].start));
            let sizes = || parts.iter().map(|p| p.end - p.start);
            assert!(sizes().all(|bytes| bytes <= size));
            assert!(sizes().max() <= sizes().min().map(|least| least + 1), "{parts:?}");
        }
    }

    #[test]
    fn parts_are_smaller_where_little_is_left() {
        let size = PartitionSize { bytes: 100 << 20, threads: Some(2) };
        let sizes = |bytes: u64, behind: u64| -> Vec<u64> {
            cuts(0..bytes << 20, behind << 20, size).iter().map(|part| (part.end - part.start) >> 20).collect()
        };
        assert_eq!(sizes(250, 1000), [83; 3]);
        assert_eq!(sizes(400, 0), [100, 75, 56, 42, 31, 23, 17, 13, 13, 13, 13]);
        // Enough for two threads.
        assert_eq!(sizes(90, 0).len(), 6);
        assert_eq!(sizes(14, 0).len(), 1);
    }

    /// The records' starts, by the automaton from the beginning.
    fn starts(data: &[u8]) -> Vec<u64> {
        let mut state = State::FieldStart;
        let mut starts = vec![0];
        let mut at = 0;
        while at < data.len() {
            let (next, step, len) = state.step(data, at, &Dialect::default());
            (state, at) = (next, at + len);
            if step == Step::EndsRecord {
                starts.push(at as u64);
            }
        }
        starts
    }

    fn assumed(data: &[u8], cut: u64, end: u64, width: usize) -> Option<u64> {
        let input = Input::Memory(data.to_vec().into());
        assume_start(&input, cut..end, data.len() as u64, width, &Dialect::default()).unwrap()
    }

    #[test]
    fn plain_files_are_assumed_right_at_every_cut() {
        let data = b"1,2\n33,44\r\n\n5,6\n7,8";
        for cut in 1..data.len() as u64 {
            let right = starts(data).into_iter().find(|&s| s >= cut && s < data.len() as u64);
            assert_eq!(assumed(data, cut, data.len() as u64, 2), right, "{cut}");
        }
    }

    #[test]
    fn quoted_line_breaks_are_seen_through_where_the_fields_tell() {
        let data = b"a,\"x\ny,z\nw\",b\nc,\"d\n\",e\nf,g,h\n".repeat(3);
        let mut right = 0;
        for cut in 1..data.len() as u64 {
            let expected = starts(&data).into_iter().find(|&s| s >= cut && s < data.len() as u64);
            right += usize::from(assumed(&data, cut, data.len() as u64, 3) == expected);
        }
        // Not all: at the last records nothing follows that would tell. Those run again.
        assert!(right * 10 > data.len() * 8, "{right} of {}", data.len());
    }

    #[test]
    fn a_record_longer_than_the_partition_is_none() {
        let data = [b"a,".as_slice(), &[b'x'; 200_000], b"\nb,c\n"].concat();
        assert_eq!(assumed(&data, 10, 150_000, 2), None);
        assert_eq!(assumed(&data, 10, 200_003, 2), None);
        assert_eq!(assumed(&data, 10, 200_004, 2), Some(200_003));
    }
}
