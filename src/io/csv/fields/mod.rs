//! The field index: where every field of a block of records ends.
//!
//! Blocks of 64 bytes become bit masks of delimiters, line ends and quotes. In a block without quotes every
//! delimiter and line end separates fields; in a block with quotes a running xor of the quote mask says which bytes
//! are quoted, as long as every quote opens a field, closes one, or is doubled. A block where that does not hold
//! (`5" pipe`) is walked by the scalar automaton, which defines what is right; both carry the automaton's [`State`]
//! from block to block, so that either can take the next.
//!
//! What dominates: on BACI (six unquoted fields, 32 bytes a row) two thirds of the time is writing out positions;
//! AVX-512 packs them sixteen at a time (`vpcompressb`), AVX2 looks up those of eight bytes of text, the portable twin takes
//! them bit by bit. (With AVX2 bit by bit cost twice as much.)
//! The masks by themselves run at the speed of the cache. Source of the mask technique: Langdale and Lemire,
//! "Parsing gigabytes of JSON per second", VLDB Journal 2019.

mod automaton;
mod general;
mod lenient;
mod portable;
mod shape;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::dialect::{Dialect, Plain, Simd};

pub(crate) use automaton::{State, Step, open_quote, record_at};
pub(crate) use shape::Misshapen;

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
    fn masks(self, block: &[u8; 64], dialect: Plain) -> Masks {
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

/// The fields of a block of records, and where its rows begin. Its buffers are reused from block to block.
///
/// There are two forms. In the compact one, of plain dialects, a field begins one byte behind the separator before it. In
/// the explicit one each field has a beginning of its own in `starts`: dialects that are not plain, and blocks with rows
/// that had to be filled, cut or left out.
#[derive(Debug, Default)]
pub(crate) struct FieldIndex {
    /// Where every field ends, at a delimiter or line end outside quotes; `width` a row once [`FieldIndex::shape`] has passed.
    pub separators: Vec<u32>,
    /// Where every field begins; empty in the compact form.
    pub starts: Vec<u32>,
    /// The offset of the first byte of every row.
    pub row_starts: Vec<u32>,
    /// The records and what else takes lines, in the explicit form.
    lines: Vec<Line>,
    explicit: bool,
    /// Line ends among the separators, in the compact form.
    newlines: usize,
    /// Whether any quote or escape was seen.
    pub has_quotes: bool,
    /// The automaton's state after the last byte.
    pub end_state: Option<State>,
}

/// A record, a blank line or a comment, in the explicit form.
#[derive(Debug, Clone, Copy)]
struct Line {
    start: u32,
    /// How many fields there are up to its end.
    fields: u32,
    /// Where the next one begins.
    next: u32,
}

/// A record, whatever its number of fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub start: u32,
    /// Where the next one begins.
    pub next: u32,
    /// Where its fields begin; empty in the compact form.
    starts: &'a [u32],
    ends: &'a [u32],
    data: &'a [u8],
}

impl<'a> Record<'a> {
    /// How many fields it has.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Where its fields lie, as they stand, without line end.
    pub(crate) fn fields(self) -> impl Iterator<Item = (usize, usize)> + 'a {
        let mut from = self.start as usize;
        let last = self.ends.len().wrapping_sub(1);
        self.ends.iter().enumerate().map(move |(i, &end)| {
            let end = end as usize;
            if let Some(&start) = self.starts.get(i) {
                return (start as usize, end);
            }
            let start = std::mem::replace(&mut from, end + 1);
            let carriage = i == last && end > start && self.data[end - 1] == b'\r';
            (start, end - usize::from(carriage))
        })
    }
}

impl FieldIndex {
    /// Indexes `data`, which begins in `state`. At most 4 GiB. `last`: the file ends here, so that the last record needs no
    /// line end.
    pub(crate) fn index(&mut self, data: &[u8], state: State, dialect: &Dialect, last: bool) {
        self.separators.clear();
        self.starts.clear();
        self.lines.clear();
        self.newlines = 0;
        self.has_quotes = false;
        let plain = dialect.plain_over(data);
        self.explicit = plain.is_none();
        let end = match plain {
            None => general::index(self, data, state, dialect, last),
            Some(plain) => {
                let end = self.index_plain(data, state, plain, kernel(dialect.simd));
                if last && end != State::Quoted && data.last().is_some_and(|&b| b != b'\n') {
                    self.separators.push(data.len() as u32);
                    self.newlines += 1;
                }
                end
            }
        };
        self.end_state = Some(end);
    }

    fn index_plain(&mut self, data: &[u8], state: State, dialect: Plain, kernel: Choice) -> State {
        match kernel {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `kernel` saw that this processor has the features that the function is compiled for.
            Choice::Avx512 => unsafe { x86::index_avx512(self, data, state, dialect) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Choice::Avx2 => unsafe { x86::index_avx2(self, data, state, dialect) },
            Choice::Portable => index_blocks(portable::Portable, self, data, state, dialect),
        }
    }

    /// The first record behind which the next one begins at `next` or later, as a place for [`FieldIndex::truncate_after`].
    /// A line end in quotes ends no record.
    pub(crate) fn record_before(&self, data: &[u8], next: usize) -> Option<usize> {
        if self.explicit {
            let place = self.lines.partition_point(|line| (line.next as usize) < next);
            return (place < self.lines.len()).then_some(place);
        }
        let near = self.separators.partition_point(|&s| (s as usize) + 1 < next);
        (near..self.separators.len()).find(|&i| ends_line(data, self.separators[i]))
    }

    /// The last record that is whole, as a place for [`FieldIndex::truncate_after`].
    pub(crate) fn last_record(&self, data: &[u8]) -> Option<usize> {
        match self.explicit {
            true => self.lines.len().checked_sub(1),
            false => self.separators.iter().rposition(|&s| ends_line(data, s)),
        }
    }

    /// Keeps what there is up to this place. Returns where the next record begins.
    pub(crate) fn truncate_after(&mut self, data: &[u8], place: usize) -> usize {
        if self.explicit {
            self.lines.truncate(place + 1);
            let Line { fields, next, .. } = self.lines[place];
            self.separators.truncate(fields as usize);
            self.starts.truncate(fields as usize);
            return next as usize;
        }
        let dropped = self.separators[place + 1..].iter().filter(|&&s| ends_line(data, s)).count();
        self.newlines -= dropped;
        self.separators.truncate(place + 1);
        (self.separators[place] as usize + 1).min(data.len())
    }

    /// Drops all that is known of a block.
    pub(crate) fn clear(&mut self) {
        self.separators.clear();
        self.starts.clear();
        self.lines.clear();
        self.row_starts.clear();
        self.newlines = 0;
    }

    /// Every record, whatever its number of fields; blank lines too, of one empty field.
    pub(crate) fn for_each_record<'a>(&'a self, data: &'a [u8], mut f: impl FnMut(Record<'a>)) {
        if self.explicit {
            let mut first = 0;
            for line in &self.lines {
                let fields = line.fields as usize;
                // Comments have none.
                if fields > first {
                    let (starts, ends) = (&self.starts[first..fields], &self.separators[first..fields]);
                    f(Record { start: line.start, next: line.next, starts, ends, data });
                }
                first = fields;
            }
            return;
        }
        let (mut start, mut first) = (0, 0);
        for (i, &end) in self.separators.iter().enumerate() {
            if ends_line(data, end) {
                let next = (end + 1).min(data.len() as u32);
                f(Record { start, next, starts: &[], ends: &self.separators[first..=i], data });
                (start, first) = (end + 1, i + 1);
            }
        }
    }
}

/// Whether a separator ends a record; the virtual one behind the last byte of a file does.
fn ends_line(data: &[u8], separator: u32) -> bool {
    data.get(separator as usize).is_none_or(|&b| b == b'\n')
}

impl Record<'_> {
    /// Whether it is a line of nothing.
    pub(crate) fn is_blank(&self) -> bool {
        self.ends.len() == 1 && self.fields().all(|(start, end)| start == end)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

/// The best kernel for this processor, no better than allowed. (Detection is cached by the standard library.)
fn kernel(allowed: Simd) -> Choice {
    #[cfg(target_arch = "x86_64")]
    {
        if allowed == Simd::Best && x86::has_avx512() {
            return Choice::Avx512;
        }
        if matches!(allowed, Simd::Best | Simd::Avx2) && x86::has_avx2() {
            return Choice::Avx2;
        }
    }
    Choice::Portable
}

/// The loop over blocks, inlined into one function for each kernel.
#[inline(always)]
fn index_blocks<K: Kernel>(kernel: K, out: &mut FieldIndex, data: &[u8], mut state: State, dialect: Plain) -> State {
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
    dialect: Plain,
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
fn index_scalar(out: &mut FieldIndex, bytes: &[u8], base: u32, mut state: State, dialect: Plain) -> State {
    for i in 0..bytes.len() {
        let (next, step, _) = state.step(bytes, i, dialect);
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
    use proptest::prelude::*;

    use super::*;
    use crate::io::csv::dialect::{LineEnd, Mark, Ragged};

    fn scalar(data: &[u8], state: State, dialect: Plain) -> Indexed {
        let mut out = FieldIndex::default();
        let end = index_scalar(&mut out, data, 0, state, dialect);
        (out.separators, out.newlines, end)
    }

    /// The separators, how many of them are line ends, and the state at the end.
    type Indexed = (Vec<u32>, usize, State);

    /// Every kernel of this machine.
    fn all(data: &[u8], state: State, dialect: Plain) -> Vec<(&'static str, Indexed)> {
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

    fn check(data: &[u8], state: State, dialect: Plain) {
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
                    check(&data[..cut], state, COMMAS);
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
            let dialect = Plain {
                delimiter: if semicolon { b';' } else { b',' },
                quote: quoting.then_some(b'"'),
            };
            check(&data, state, dialect);
        }

        /// The explicit form says the same as the compact one, of whole files and of pieces.
        #[test]
        fn the_general_index_agrees_with_the_plain_one(
            data in prop::collection::vec(prop::sample::select(&b"ab,,\n\"\"\r;"[..]), 0..200),
            last in any::<bool>(),
        ) {
            let dialect = Dialect::default();
            let (mut compact, mut explicit) = (FieldIndex::default(), FieldIndex::default());
            compact.index(&data, State::FieldStart, &dialect, last);
            explicit.explicit = true;
            explicit.end_state = Some(general::index(&mut explicit, &data, State::FieldStart, &dialect, last));
            prop_assert!(!compact.explicit);
            prop_assert_eq!(records(&compact, &data), records(&explicit, &data));
            for next in 0..=data.len() {
                let cut = |index: &FieldIndex| {
                    let mut cut = FieldIndex { separators: index.separators.clone(), starts: index.starts.clone(), lines: index.lines.clone(), explicit: index.explicit, ..FieldIndex::default() };
                    cut.newlines = index.newlines;
                    index.record_before(&data, next).map(|place| cut.truncate_after(&data, place))
                };
                prop_assert_eq!(cut(&compact), cut(&explicit));
            }
            prop_assert_eq!(compact.shape(&data, 2, &dialect), explicit.shape(&data, 2, &dialect));
            prop_assert_eq!(&compact.row_starts, &explicit.row_starts);
        }
    }

    const COMMAS: Plain = Plain { delimiter: b',', quote: Some(b'"') };

    type Fields = Vec<(usize, usize)>;

    fn records(index: &FieldIndex, data: &[u8]) -> Vec<(u32, u32, Fields)> {
        let mut all = Vec::new();
        index.for_each_record(data, |r| all.push((r.start, r.next, r.fields().collect())));
        all
    }

    /// The fields of each record, in a dialect.
    fn split(data: &[u8], dialect: &Dialect) -> Vec<Vec<String>> {
        let mut index = FieldIndex::default();
        index.index(data, State::FieldStart, dialect, true);
        let mut all = Vec::new();
        index.for_each_record(data, |r| {
            all.push(r.fields().map(|(a, b)| String::from_utf8_lossy(&data[a..b]).into_owned()).collect());
        });
        all
    }

    #[test]
    fn every_dialect_has_its_fields() {
        let default = Dialect::default();
        let mark = |text| Mark::new(text).unwrap();
        for (dialect, text, expected) in [
            (
                Dialect { delimiter: mark("||"), ..default },
                "a||b|c\n\"x||y\"||z",
                vec![vec!["a", "b|c"], vec!["\"x||y\"", "z"]],
            ),
            (Dialect { delimiter: mark("§"), ..default }, "a§b\r\nc§", vec![vec!["a", "b"], vec!["c", ""]]),
            (
                Dialect { escape: Some(b'\\'), ..default },
                "a\\,b,\"c\\\",d\"\ne\\\nf,g",
                vec![vec!["a\\,b", "\"c\\\",d\""], vec!["e\\\nf", "g"]],
            ),
            (Dialect { comment: Some(mark("#")), ..default }, "#x,\"\na,#b\n#\n", vec![vec!["a", "#b"]]),
            (Dialect { line_end: LineEnd::Cr, ..default }, "a,b\rc,\nd\r", vec![vec!["a", "b"], vec!["c", "\nd"]]),
            (
                Dialect { line_end: LineEnd::CrLf, ..default },
                "a,b\nc\r\nd,e\r",
                vec![vec!["a", "b\nc"], vec!["d", "e\r"]],
            ),
            (
                Dialect { line_end: LineEnd::Any, ..default },
                "a\rb\r\nc\nd",
                vec![vec!["a"], vec!["b"], vec!["c"], vec!["d"]],
            ),
            (Dialect { trim: true, ..default }, "a, \"b,c\" ,d\n", vec![vec!["a", " \"b,c\" ", "d"]]),
            (
                Dialect { lenient: true, ..default },
                "x,\"5 in,\"a b\"\n\"\"q\" z, y\",\"5\" \"\"w\"\",1\n",
                vec![vec!["x", "\"5 in", "\"a b\""], vec!["\"\"q\" z, y\"", "\"5\" \"\"w\"\"", "1"]],
            ),
            (Dialect { quote: None, ..default }, "\"a,b\"\n", vec![vec!["\"a", "b\""]]),
        ] {
            assert_eq!(split(text.as_bytes(), &dialect), expected, "{dialect:?}");
        }
    }

    fn indexed(data: &[u8], last: bool) -> FieldIndex {
        let mut index = FieldIndex::default();
        index.index(data, State::FieldStart, &Dialect::default(), last);
        index
    }

    #[test]
    fn rows_take_shape() {
        let dialect = &Dialect::default();
        let data = b"1,2\n\n3,4\r\n5,6";
        let mut index = indexed(data, true);
        assert_eq!(index.shape(data, 2, dialect), []);
        assert_eq!(index.row_starts, [0, 5, 10]);
        assert_eq!(index.separators, [1, 3, 6, 8, 11, 13]);
        // As many separators as a whole table would have, in the wrong places.
        let data = b"1,2\n3\n4,5,6\n";
        let misshapen = indexed(data, false).shape(data, 2, dialect);
        let expected = [(4, 6, 1, 5, 1), (6, 12, 3, 10, 1)];
        let expected = expected.map(|(start, next, fields, at, rows)| Misshapen { start, next, fields, at, rows });
        assert_eq!(misshapen, expected);
        let data = b"1\n\n2\n\r\n";
        let mut index = indexed(data, false);
        assert_eq!(index.shape(data, 1, dialect), []);
        assert_eq!(index.row_starts.len(), 2);
    }

    #[test]
    fn ragged_rows_are_filled_and_cut() {
        let data = b"1,2\n3\n\n4,5,6\n";
        let shaped = |ragged, keep_blank| {
            let mut index = indexed(data, false);
            let left = index.shape(data, 2, &Dialect { ragged, keep_blank, ..Dialect::default() });
            let field = |i: usize| {
                String::from_utf8_lossy(&data[index.starts[i] as usize..index.separators[i] as usize]).into_owned()
            };
            let rows: Vec<[String; 2]> =
                (0..index.row_starts.len()).map(|row| [field(2 * row), field(2 * row + 1)]).collect();
            (rows, left.len())
        };
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        assert_eq!(shaped(Ragged::Error, false), (vec![row("1", "2")], 2));
        assert_eq!(shaped(Ragged::Fill, false), (vec![row("1", "2"), row("3", "")], 1));
        assert_eq!(shaped(Ragged::Truncate, true), (vec![row("1", "2"), row("3", ""), row("", ""), row("4", "5")], 0));
    }

    #[test]
    fn a_cut_keeps_whole_records() {
        let data = b"1,2\n\"3\n\",4\n5,6\n7";
        for (wanted, next) in [(1, 4), (4, 4), (5, 11), (11, 11), (12, 15), (15, 15)] {
            let mut index = indexed(data, false);
            assert_eq!(index.last_record(data), Some(5));
            let place = index.record_before(data, wanted).unwrap();
            assert_eq!(index.truncate_after(data, place), next, "{wanted}");
            assert_eq!(index.shape(&data[..next], 2, &Dialect::default()), []);
            assert_eq!(index.row_starts.len(), [4, 11, 15].iter().position(|&n| n == next).unwrap() + 1);
        }
        assert_eq!(indexed(data, false).record_before(data, 16), None);
    }
}
