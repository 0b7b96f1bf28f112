//! Rejected rows in the order of their places: in pieces of bytes, which stay in memory while there is room, and go to disk else.

use crate::error::{Error, Result};
use crate::mem::{Block, Reservation};

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Reject {
    /// Where in the file the fault is.
    pub byte: u64,
    pub column: Option<String>,
    pub reason: String,
    pub raw: String,
}

/// The rejected rows of a partition.
pub(crate) struct RejectedRows {
    /// The rows that came last, one behind the other.
    last: Vec<u8>,
    pieces: Vec<Piece>,
    count: u64,
    /// So many of them are kept, the others counted.
    most: u64,
    memory: Reservation,
}

enum Piece {
    Held(Vec<u8>),
    Spilled(Block),
}

/// How large a piece becomes.
const PIECE: usize = 128 << 10;

impl RejectedRows {
    /// No rows yet, of which no more than `most` will be kept.
    pub(crate) fn new(most: u64, memory: Reservation) -> RejectedRows {
        RejectedRows { last: Vec::new(), pieces: Vec::new(), count: 0, most, memory }
    }

    /// How many rows there were.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The bytes held that are not booked yet.
    pub(crate) fn unbooked(&self) -> usize {
        self.last.capacity()
    }

    pub(crate) fn push(&mut self, row: &Reject) -> Result<()> {
        self.count += 1;
        if self.count > self.most {
            return Ok(());
        }
        self.last.extend_from_slice(&row.byte.to_le_bytes());
        for text in [row.column.as_deref(), Some(&row.reason), Some(&row.raw)] {
            let length = text.map_or(u32::MAX, |text| text.len() as u32);
            self.last.extend_from_slice(&length.to_le_bytes());
            self.last.extend_from_slice(text.unwrap_or_default().as_bytes());
        }
        if self.last.len() >= PIECE { self.seal() } else { Ok(()) }
    }

    /// Puts what came last in its place.
    ///
    /// # Errors
    /// A disk that is full, where there is no room in memory.
    pub(crate) fn seal(&mut self) -> Result<()> {
        let mut piece = std::mem::take(&mut self.last);
        if piece.is_empty() {
            return Ok(());
        }
        piece.shrink_to_fit();
        let held = self.memory.bytes() + piece.capacity();
        self.pieces.push(match self.memory.try_resize_within_half(held) {
            true => Piece::Held(piece),
            false => Piece::Spilled(self.memory.spill().write(&piece)?),
        });
        Ok(())
    }

    /// Hands over the rows that are kept, in order, until `take` says that it has enough.
    pub(crate) fn for_each(&self, mut take: impl FnMut(Reject) -> Result<bool>) -> Result<()> {
        let mut loaded = Vec::new();
        for piece in &self.pieces {
            let mut bytes: &[u8] = match piece {
                Piece::Held(bytes) => bytes,
                Piece::Spilled(block) => {
                    block.read(&mut loaded)?;
                    &loaded
                }
            };
            while !bytes.is_empty() {
                if !take(decoded(&mut bytes).ok_or_else(|| Error::internal("a rejected row got lost"))?)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// The row that these bytes begin with, which are left without it.
fn decoded(bytes: &mut &[u8]) -> Option<Reject> {
    let byte = u64::from_le_bytes(*bytes.split_off(..8)?.first_chunk()?);
    let mut text = || {
        let length = u32::from_le_bytes(*bytes.split_off(..4)?.first_chunk()?);
        let length = if length == u32::MAX { return Some(None) } else { length as usize };
        Some(Some(String::from_utf8(bytes.split_off(..length)?.to_vec()).ok()?))
    };
    Some(Reject { byte, column: text()?, reason: text()??, raw: text()?? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::Budget;

    #[test]
    fn rows_come_back_as_they_were_from_memory_and_disk() {
        for limit in [0, 1 << 20, 1 << 30] {
            let budget = Budget::of(limit);
            let mut rejected = RejectedRows::new(7000, budget.reserve("rejected rows"));
            let row = |i: u64| Reject {
                byte: i * 10,
                column: i.is_multiple_of(3).then(|| format!("c{i}")),
                reason: "is none".to_owned(),
                raw: "é,\n".repeat((i % 90) as usize),
            };
            (0..8000).for_each(|i| rejected.push(&row(i)).unwrap());
            rejected.seal().unwrap();
            assert_eq!(rejected.count(), 8000);
            assert_eq!(budget.spill().written() > 0, limit < 1 << 30);
            assert!(budget.used() <= limit / 2);
            let mut back = vec![];
            rejected
                .for_each(|row| {
                    back.push(row);
                    Ok(true)
                })
                .unwrap();
            assert!(back == (0..7000).map(row).collect::<Vec<_>>());
            let mut few = 0;
            rejected
                .for_each(|_| {
                    few += 1;
                    Ok(few < 5)
                })
                .unwrap();
            assert_eq!(few, 5);
        }
    }
}
