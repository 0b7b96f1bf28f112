//! Which right rows found a match.

/// A bit for each right row; none at all when nothing matched, or nobody asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Matched {
    words: Vec<u64>,
}

impl Matched {
    /// Makes room for this many rows.
    pub(super) fn cover(&mut self, rows: usize) {
        let words = rows.div_ceil(64).max(self.words.len());
        self.words.resize(words, 0);
    }

    /// A row within what is covered.
    pub(super) fn set(&mut self, row: u32) {
        self.words[row as usize / 64] |= 1 << (row % 64);
    }

    pub(super) fn contains(&self, row: u32) -> bool {
        self.words.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Adds the rows of another.
    pub(crate) fn union(&mut self, other: &Matched) {
        self.cover(other.words.len() * 64);
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    /// The bytes allocated.
    pub(crate) fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }
}
