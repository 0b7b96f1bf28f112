//! The field index: where every field of a block of records ends.
//!
//! Blocks of 64 bytes become bit masks of delimiters, line ends and quotes. In a block without quotes every
//! delimiter and line end separates fields; in a block with quotes a running xor of the quote mask says which bytes
//! are quoted, as long as every quote opens a field, closes one, or is doubled. A block where that does not hold
//! (`5" pipe`) is walked by the scalar automaton, which defines what is right; both carry the automaton's [`State`]
//! from block to block, so that either can take the next.
//!
//! What dominates: on BACI (six unquoted fields, 32 bytes a row) two thirds of the time is writing out positions;
//! AVX-512 packs them sixteen at a time (`vpcompressb`), AVX2 and the portable twin take them bit by bit.
//! The masks by themselves run at the speed of the cache. Source of the mask technique: Langdale and Lemire,
//! "Parsing gigabytes of JSON per second", VLDB Journal 2019.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::options::Dialect;

/// The state of the automaton between two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Before the first byte of a field: here alone does a quote open a quoted field.
    FieldStart,
    /// Inside a field that has no (more) quoting: quotes are bytes like any other.
    Unquoted,
    /// Inside quotes: delimiters and line ends are bytes like any other.
    Quoted,
    /// After a quote inside quotes: another one makes a literal quote, anything else leaves the quoted part.
    QuoteSeen,
}

/// What a byte did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Inside,
    EndsField,
    EndsRecord,
}

impl State {
    /// The automaton: one byte.
    #[inline(always)]
    pub(crate) fn step(self, byte: u8, dialect: Dialect) -> (State, Step) {
        match self {
            State::Quoted if dialect.is_quote(byte) => (State::QuoteSeen, Step::Inside),
            State::Quoted => (State::Quoted, Step::Inside),
            _ if byte == dialect.delimiter => (State::FieldStart, Step::EndsField),
            _ if byte == b'\n' => (State::FieldStart, Step::EndsRecord),
            State::FieldStart | State::QuoteSeen if dialect.is_quote(byte) => (State::Quoted, Step::Inside),
            _ => (State::Unquoted, Step::Inside),
        }
    }
}

/// The masks of one block of 64 bytes; bit 0 is the first byte.
#[derive(Debug, Clone, Copy)]
struct Masks {
    delimiter: u64,
    newline: u64,
    quote: u64,
}

/// How a block of 64 bytes becomes masks, and masks positions. One for each kind of machine.
trait Kernel: Copy {
    /// The masks of a block. Without quoting, `quote` is zero.
    #[inline(always)]
    fn masks(self, block: &[u8; 64], dialect: Dialect) -> Masks {
        Masks {
            delimiter: self.equal(block, dialect.delimiter),
            newline: self.equal(block, b'\n'),
            quote: match dialect.quote {
                Some(quote) => self.equal(block, quote),
                None => 0,
            },
        }
    }
    /// The mask of one byte.
    fn equal(self, block: &[u8; 64], byte: u8) -> u64;
    /// Appends `base` plus the place of each set bit.
    fn append(self, mask: u64, base: u32, out: &mut Vec<u32>);
}

/// The separators of a block of records, and where its rows begin. Its buffers are reused from block to block.
#[derive(Debug, Default)]
pub(crate) struct FieldIndex {
    /// The offset of every delimiter and line end outside quotes; `width` a row once [`FieldIndex::shape`] has passed.
    pub separators: Vec<u32>,
    /// The offset of the first byte of every row.
    pub row_starts: Vec<u32>,
    /// Line ends among the separators.
    newlines: usize,
    /// Whether any quote was seen.
    pub has_quotes: bool,
    /// The automaton's state after the last byte.
    pub end_state: Option<State>,
}

/// A row that has not as many fields as the header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ragged {
    pub row_start: u32,
    pub fields: usize,
}

impl FieldIndex {
    /// Indexes `data`, which begins in `state`. At most 4 GiB.
    pub(crate) fn index(&mut self, data: &[u8], state: State, dialect: Dialect) {
        self.separators.clear();
        self.newlines = 0;
        self.has_quotes = false;
        let end = match kernel() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `kernel` saw that this processor has the features that the function is compiled for.
            Choice::Avx512 => unsafe { x86::index_avx512(self, data, state, dialect) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Choice::Avx2 => unsafe { x86::index_avx2(self, data, state, dialect) },
            Choice::Portable => index_blocks(portable::Portable, self, data, state, dialect),
        };
        self.end_state = Some(end);
    }

    /// The line end (as its place among the separators) that is the first one at or after `from`. A line end in
    /// quotes is no separator, so this ends a record.
    pub(crate) fn line_end_from(&self, data: &[u8], from: usize) -> Option<usize> {
        let near = self.separators.partition_point(|&s| (s as usize) < from);
        (near..self.separators.len()).find(|&i| ends_line(data, self.separators[i]))
    }

    /// The last line end, as its place among the separators.
    pub(crate) fn last_line_end(&self, data: &[u8]) -> Option<usize> {
        self.separators.iter().rposition(|&s| ends_line(data, s))
    }

    /// Keeps the separators up to this line end. Returns the offset behind it, where the next record begins.
    pub(crate) fn truncate_after(&mut self, data: &[u8], line_end: usize) -> usize {
        let dropped = self.separators[line_end + 1..].iter().filter(|&&s| ends_line(data, s)).count();
        self.newlines -= dropped;
        self.separators.truncate(line_end + 1);
        (self.separators[line_end] as usize + 1).min(data.len())
    }

    /// Ends the last record of a file that lacks its final line end, as if one stood at `end`.
    pub(crate) fn close(&mut self, end: usize) {
        self.separators.push(end as u32);
        self.newlines += 1;
    }

    /// Makes rows of `width` fields from the separators; blank lines are no rows. Returns the number of rows. After an
    /// error the rows before the ragged one are there.
    pub(crate) fn shape(&mut self, data: &[u8], width: usize) -> Result<usize, Ragged> {
        self.row_starts.clear();
        if self.separators.len() == self.newlines * width {
            let (mut whole, mut start) = (true, 0);
            self.row_starts.reserve(self.newlines);
            for row in self.separators.chunks_exact(width) {
                let end = row[width - 1];
                // With one field a row, a blank line looks like a row.
                whole &= ends_line(data, end) & (width > 1 || !is_blank(data, start, end));
                self.row_starts.push(start);
                start = end + 1;
            }
            if whole {
                return Ok(self.newlines);
            }
        }
        self.shape_slowly(data, width)
    }

    /// As `shape`, record by record: drops blank lines, finds the ragged row.
    fn shape_slowly(&mut self, data: &[u8], width: usize) -> Result<usize, Ragged> {
        let mut kept = Vec::with_capacity(self.separators.len());
        let mut row_starts = Vec::new();
        let mut ragged = None;
        self.for_each_record(data, |row_start, separators| {
            if ragged.is_some() {
                return;
            }
            if separators.len() == width {
                row_starts.push(row_start);
                kept.extend_from_slice(separators);
            } else {
                ragged = Some(Ragged { row_start, fields: separators.len() });
            }
        });
        self.separators = kept;
        self.row_starts = row_starts;
        ragged.map_or(Ok(self.row_starts.len()), Err)
    }

    /// Every record that is no blank line, whatever its number of fields: where it begins, and its separators.
    pub(crate) fn for_each_record(&self, data: &[u8], mut f: impl FnMut(u32, &[u32])) {
        let (mut start, mut first) = (0, 0);
        for (i, &end) in self.separators.iter().enumerate() {
            if ends_line(data, end) {
                if !is_blank(data, start, end) {
                    f(start, &self.separators[first..=i]);
                }
                (start, first) = (end + 1, i + 1);
            }
        }
    }
}

/// Where the quote was opened that is still open at the end of these records, if one is.
pub(crate) fn open_quote(data: &[u8], dialect: Dialect) -> Option<usize> {
    let (mut state, mut opening) = (State::FieldStart, 0);
    for (i, &byte) in data.iter().enumerate() {
        let (next, step) = state.step(byte, dialect);
        if step == Step::Inside && state == State::FieldStart && next == State::Quoted {
            opening = i;
        }
        state = next;
    }
    (state == State::Quoted).then_some(opening)
}

/// Whether a separator ends a record; the virtual one behind the last byte of a file does.
fn ends_line(data: &[u8], separator: u32) -> bool {
    data.get(separator as usize).is_none_or(|&b| b == b'\n')
}

fn is_blank(data: &[u8], start: u32, end: u32) -> bool {
    start == end || (start + 1 == end && data[start as usize] == b'\r')
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

/// The best kernel for this processor. (Detection is cached by the standard library.)
fn kernel() -> Choice {
    #[cfg(target_arch = "x86_64")]
    {
        if x86::has_avx512() {
            return Choice::Avx512;
        }
        if x86::has_avx2() {
            return Choice::Avx2;
        }
    }
    Choice::Portable
}

/// The loop over blocks, inlined into one function for each kernel.
#[inline(always)]
fn index_blocks<K: Kernel>(kernel: K, out: &mut FieldIndex, data: &[u8], mut state: State, dialect: Dialect) -> State {
    let blocks = data.chunks_exact(64);
    let tail = blocks.remainder();
    let mut base = 0u32;
    for block in blocks {
        // proven: chunks_exact gives 64 bytes.
        let block: &[u8; 64] = block.try_into().unwrap_or(&[0; 64]);
        let next = data.get(base as usize + 64).copied();
        state = index_block(kernel, out, block, u64::MAX, next, base, state, dialect);
        base += 64;
    }
    if !tail.is_empty() {
        let mut block = [0; 64];
        block[..tail.len()].copy_from_slice(tail);
        let valid = u64::MAX >> (64 - tail.len());
        state = index_block(kernel, out, &block, valid, None, base, state, dialect);
    }
    state
}

/// One block: `valid` marks its bytes of data, `next` is the byte behind it where known.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // Inlined into the one loop above: a struct would only hide what it needs.
fn index_block<K: Kernel>(
    kernel: K,
    out: &mut FieldIndex,
    block: &[u8; 64],
    valid: u64,
    next: Option<u8>,
    base: u32,
    state: State,
    dialect: Dialect,
) -> State {
    let masks = kernel.masks(block, dialect);
    let quote = masks.quote & valid;
    let all = (masks.delimiter | masks.newline) & valid;
    let last = valid ^ (valid >> 1);
    if quote == 0 {
        if state == State::Quoted {
            return state;
        }
        kernel.append(all, base, &mut out.separators);
        out.newlines += (masks.newline & valid).count_ones() as usize;
        return if all & last != 0 { State::FieldStart } else { State::Unquoted };
    }
    out.has_quotes = true;
    // Bit i of `inside`: byte i is quoted; an opening quote is, a closing one is not.
    let inside = prefix_xor(quote) ^ if state == State::Quoted { u64::MAX } else { 0 };
    let (opening, closing) = (quote & inside, quote & !inside);
    let separators = all & !inside;
    let may_open = ((separators | closing) << 1) | u64::from(matches!(state, State::FieldStart | State::QuoteSeen));
    let carriage = kernel.equal(block, b'\r') & valid;
    let ends = |byte: u8| byte == dialect.delimiter || byte == b'\n' || byte == b'\r' || dialect.is_quote(byte);
    let may_close = ((all | quote | carriage) >> 1) | if next.is_none_or(ends) { last } else { 0 };
    if opening & !may_open != 0 || closing & !may_close != 0 {
        return index_scalar(out, &block[..valid.count_ones() as usize], base, state, dialect);
    }
    kernel.append(separators, base, &mut out.separators);
    out.newlines += (separators & masks.newline).count_ones() as usize;
    if inside & last != 0 {
        State::Quoted
    } else if closing & last != 0 {
        State::QuoteSeen
    } else if separators & last != 0 {
        State::FieldStart
    } else {
        State::Unquoted
    }
}

/// The automaton over a run of bytes: what the masks must agree with.
fn index_scalar(out: &mut FieldIndex, bytes: &[u8], base: u32, mut state: State, dialect: Dialect) -> State {
    for (i, &byte) in bytes.iter().enumerate() {
        let (next, step) = state.step(byte, dialect);
        state = next;
        if step != Step::Inside {
            out.separators.push(base + i as u32);
            out.newlines += usize::from(step == Step::EndsRecord);
        }
    }
    state
}

/// Bit i is the parity of bits 0 to i.
#[inline(always)]
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scalar(data: &[u8], state: State, dialect: Dialect) -> Indexed {
        let mut out = FieldIndex::default();
        let end = index_scalar(&mut out, data, 0, state, dialect);
        (out.separators, out.newlines, end)
    }

    /// The separators, how many of them are line ends, and the state at the end.
    type Indexed = (Vec<u32>, usize, State);

    /// Every kernel of this machine.
    fn all(data: &[u8], state: State, dialect: Dialect) -> Vec<(&'static str, Indexed)> {
        let mut results = Vec::new();
        let mut out = FieldIndex::default();
        let end = index_blocks(portable::Portable, &mut out, data, state, dialect);
        results.push(("portable", (out.separators.clone(), out.newlines, end)));
        #[cfg(target_arch = "x86_64")]
        {
            if x86::has_avx2() {
                let mut out = FieldIndex::default();
                // SAFETY: the features were just seen.
                let end = unsafe { x86::index_avx2(&mut out, data, state, dialect) };
                results.push(("avx2", (out.separators, out.newlines, end)));
            }
            if x86::has_avx512() {
                let mut out = FieldIndex::default();
                // SAFETY: the features were just seen.
                let end = unsafe { x86::index_avx512(&mut out, data, state, dialect) };
                results.push(("avx512", (out.separators, out.newlines, end)));
            }
        }
        results
    }

    fn check(data: &[u8], state: State, dialect: Dialect) {
        let expected = scalar(data, state, dialect);
        for (name, got) in all(data, state, dialect) {
            assert_eq!(got, expected, "{name} from {state:?} on {:?}", String::from_utf8_lossy(data));
        }
    }

    const STATES: [State; 4] = [State::FieldStart, State::Unquoted, State::Quoted, State::QuoteSeen];

    #[test]
    fn kernels_agree_with_the_automaton_wherever_a_block_ends() {
        let text = b"a,\"b\"\"c\",5\" pipe,\"x\ny\"\r\n\"\",,\"q\" z\"\n\"a\"\r\"b,c\"\n\"open";
        for shift in 0..70 {
            let mut data = vec![b'p'; shift];
            data.extend_from_slice(text);
            for cut in 0..=data.len() {
                for state in STATES {
                    check(&data[..cut], state, Dialect::default());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn kernels_agree_with_the_automaton(
            data in prop::collection::vec(prop::sample::select(&b"ab,,\n\"\"\r;"[..]), 0..300),
            state in prop::sample::select(&STATES[..]),
            quoting in any::<bool>(),
            semicolon in any::<bool>(),
        ) {
            let dialect = Dialect {
                delimiter: if semicolon { b';' } else { b',' },
                quote: quoting.then_some(b'"'),
            };
            check(&data, state, dialect);
        }
    }

    #[test]
    fn rows_take_shape() {
        let data = b"1,2\n\n3,4\r\n5,6";
        let mut index = FieldIndex::default();
        index.index(data, State::FieldStart, Dialect::default());
        index.close(data.len());
        assert_eq!(index.shape(data, 2), Ok(3));
        assert_eq!(index.row_starts, [0, 5, 10]);
        assert_eq!(index.separators, [1, 3, 6, 9, 11, 13]);
        index.index(b"1,2\n3\n4,5,6\n", State::FieldStart, Dialect::default());
        // As many separators as a whole table would have, in the wrong places.
        assert_eq!(index.shape(b"1,2\n3\n4,5,6\n", 2), Err(Ragged { row_start: 4, fields: 1 }));
        assert_eq!(index.row_starts, [0]);
        index.index(b"1\n\n2\n\r\n", State::FieldStart, Dialect::default());
        assert_eq!(index.shape(b"1\n\n2\n\r\n", 1), Ok(2));
    }

    #[test]
    fn a_cut_keeps_whole_records() {
        let data = b"1,2\n\"3\n\",4\n5,6\n7";
        for (from, next) in [(0, 4), (3, 4), (4, 11), (10, 11), (11, 15), (14, 15)] {
            let mut index = FieldIndex::default();
            index.index(data, State::FieldStart, Dialect::default());
            assert_eq!(index.last_line_end(data), Some(5));
            let line_end = index.line_end_from(data, from).unwrap();
            assert_eq!(index.truncate_after(data, line_end), next, "{from}");
            let rows = index.shape(&data[..next], 2).unwrap();
            assert_eq!(rows, [4, 11, 15].iter().position(|&n| n == next).unwrap() + 1);
        }
        let mut index = FieldIndex::default();
        index.index(data, State::FieldStart, Dialect::default());
        assert_eq!(index.line_end_from(data, 15), None);
    }
}
