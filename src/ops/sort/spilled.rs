//! Sorted runs of packed rows on disk, in blocks whose first rows are known.

use std::ops::Range;
use std::sync::Arc;

use super::cut::Position;
use super::keys::SortKeys;
use super::layout::Layout;
use super::packed::Packed;
use crate::error::Result;
use crate::mem::{Block, Spill};

/// Rows in order, all laid out alike.
pub(super) struct SpilledRun {
    layout: Arc<Layout>,
    blocks: Vec<SpilledBlock>,
    rows: usize,
}

struct SpilledBlock {
    /// The keys of its first row, and the place of that in the run.
    first: Vec<Option<i64>>,
    start: usize,
    block: Block,
}

/// Takes rows in order.
pub(super) struct RunWriter {
    run: Option<SpilledRun>,
    /// The last rows, which are no block yet.
    rest: Option<Packed>,
    block_bytes: usize,
}

/// About the bytes of a block. Ranges begin and end within blocks, which are then read for both.
pub(super) fn block_bytes(limit: usize) -> usize {
    (limit / 1024).clamp(1 << 12, 1 << 15)
}

impl RunWriter {
    pub(super) fn new(limit: usize) -> RunWriter {
        RunWriter { run: None, rest: None, block_bytes: block_bytes(limit) }
    }

    /// Adds rows that are in order and come behind all before, and are laid out as those.
    pub(super) fn push(&mut self, rows: Packed, keys: &SortKeys, spill: &Spill) -> Result<()> {
        let rows = match self.rest.take() {
            Some(mut rest) => {
                rest.extend(&rows)?;
                rest
            }
            None => rows,
        };
        let step = (self.block_bytes / size_of::<u64>() / rows.layout().width()).max(1);
        let whole = rows.num_rows() / step * step;
        self.write(&rows, 0..whole, step, keys, spill)?;
        self.rest = Some(rows.cut(whole..rows.num_rows()));
        Ok(())
    }

    fn write(&mut self, rows: &Packed, range: Range<usize>, step: usize, keys: &SortKeys, spill: &Spill) -> Result<()> {
        let run = self.run.get_or_insert_with(|| SpilledRun { layout: rows.layout().clone(), blocks: vec![], rows: 0 });
        for start in range.clone().step_by(step) {
            let end = range.end.min(start + step);
            let block = spill.write(rows.as_bytes(start..end))?;
            run.blocks.push(SpilledBlock { first: keys.of_packed(rows, start), start: run.rows, block });
            run.rows += end - start;
        }
        Ok(())
    }

    /// None without rows.
    pub(super) fn finish(mut self, keys: &SortKeys, spill: &Spill) -> Result<Option<SpilledRun>> {
        if let Some(rest) = self.rest.take_if(|rest| rest.num_rows() > 0) {
            self.write(&rest, 0..rest.num_rows(), usize::MAX, keys, spill)?;
        }
        Ok(self.run)
    }
}

impl SpilledRun {
    pub(super) fn num_rows(&self) -> usize {
        self.rows
    }

    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Where a block begins; `number` is the run's.
    pub(super) fn position(&self, block: usize, number: usize) -> Position {
        let SpilledBlock { first, start, .. } = &self.blocks[block];
        Position(first.clone(), number, *start)
    }

    /// The blocks with the rows of a range; in the first and the last there are others, too.
    pub(super) fn blocks_of(
        &self,
        keys: &SortKeys,
        number: usize,
        from: Option<&Position>,
        to: Option<&Position>,
    ) -> Range<usize> {
        let comes_before = |bound: &Position, block: &SpilledBlock| {
            bound.is_behind(keys.compare(&block.first, &bound.0), number, block.start)
        };
        let before = |bound: &Position| self.blocks.partition_point(|block| comes_before(bound, block));
        from.map_or(0, |from| before(from).saturating_sub(1))..to.map_or(self.blocks.len(), before)
    }

    /// The rows of some blocks.
    pub(super) fn rows_of(&self, blocks: Range<usize>) -> Range<usize> {
        let start = |block: usize| self.blocks.get(block).map_or(self.rows, |block| block.start);
        start(blocks.start)..start(blocks.end)
    }

    /// What the rows of some blocks take in memory.
    pub(super) fn bytes_of(&self, blocks: Range<usize>) -> usize {
        self.rows_of(blocks).len() * self.layout.width() * size_of::<u64>()
    }

    /// Reads some blocks.
    pub(super) fn read(&self, blocks: Range<usize>) -> Result<Packed> {
        let rows = self.rows_of(blocks.clone()).len();
        let mut words = Vec::with_capacity(rows * self.layout.width());
        let mut bytes = vec![];
        for block in &self.blocks[blocks] {
            block.block.read(&mut bytes)?;
            words.extend(bytes.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word)));
        }
        Ok(Packed::of_words(self.layout.clone(), words, rows))
    }
}
