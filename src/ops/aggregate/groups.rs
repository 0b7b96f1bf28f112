//! From the key columns of batches to dense group ids.

use arrow::array::{Array, ArrayRef};

use super::int_groups::IntGroups;
use super::packed_groups::PackedGroups;
use super::row_groups::RowGroups;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::Type;
use crate::ops::key::{KeyColumn, Rows, as_ints, decode, encode, from_ints};

/// The groups seen so far, numbered from 0 in the order in which they were first seen.
pub(super) struct Groups {
    kinds: Vec<Type>,
    by: By,
    scratch: Vec<i64>,
    rows: Rows,
}

/// The narrowest form that holds the keys; `Packed` turns into `Rows` when a value does not fit.
enum By {
    /// No keys: one group, also of no rows.
    Nothing,
    Int(IntGroups),
    Packed(PackedGroups),
    Rows(RowGroups),
}

impl Groups {
    pub(super) fn new(kinds: Vec<Type>) -> Groups {
        let by = match kinds.as_slice() {
            [] => By::Nothing,
            [Type::Text] => By::Rows(RowGroups::new()),
            [_] => By::Int(IntGroups::default()),
            kinds => PackedGroups::new(kinds).map_or_else(|| By::Rows(RowGroups::new()), By::Packed),
        };
        Groups { kinds, by, scratch: vec![], rows: Rows::default() }
    }

    /// The number of groups.
    pub(super) fn len(&self) -> usize {
        match &self.by {
            By::Nothing => 1,
            By::Int(groups) => groups.len(),
            By::Packed(groups) => groups.len(),
            By::Rows(groups) => groups.len(),
        }
    }

    /// Writes the group id of each of the rows; nulls are a key of their own.
    pub(super) fn assign(&mut self, columns: &[ArrayRef], rows: usize, ids: &mut Vec<u32>) -> Result<()> {
        self.check_room(rows)?;
        // Every path below writes all of the ids.
        ids.resize(rows, 0);
        if let By::Packed(groups) = &mut self.by {
            if groups.assign(columns, ids)? {
                return Ok(());
            }
            self.unpack()?;
        }
        match &mut self.by {
            By::Nothing | By::Packed(_) => ids.fill(0),
            By::Int(groups) => groups.assign(as_ints(&columns[0], &mut self.scratch)?, columns[0].nulls(), ids),
            By::Rows(groups) => {
                self.rows.clear();
                encode(columns, &layout(&self.kinds), &mut self.rows)?;
                groups.assign(&self.rows, ids);
            }
        }
        Ok(())
    }

    /// Takes in the groups of a later state: gives the id here of every id there.
    pub(super) fn absorb(&mut self, mut later: Groups) -> Result<Vec<u32>> {
        self.check_room(later.len())?;
        match (&self.by, &later.by) {
            (By::Packed(_), By::Rows(_)) => self.unpack()?,
            (By::Rows(_), By::Packed(_)) => later.unpack()?,
            _ => {}
        }
        Ok(match (&mut self.by, &later.by) {
            (By::Nothing, By::Nothing) => vec![0],
            (By::Int(a), By::Int(b)) => (0..b.len() as u32).map(|id| a.find_or_insert(b.key(id))).collect(),
            (By::Packed(a), By::Packed(b)) => a.absorb(b),
            (By::Rows(a), By::Rows(b)) => a.absorb(b),
            _ => return Err(Error::internal("states of different keys are merged")),
        })
    }

    /// All ids in the order of their keys, nulls last.
    pub(super) fn sorted(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = (0..self.len() as u32).collect();
        match &self.by {
            By::Nothing => {}
            By::Int(groups) => ids.sort_unstable_by_key(|id| {
                let key = groups.key(*id);
                (key.is_none(), key)
            }),
            By::Packed(groups) => ids.sort_unstable_by_key(|id| groups.key(*id)),
            By::Rows(groups) => ids.sort_unstable_by_key(|id| groups.row(*id)),
        }
        ids
    }

    /// The key columns of these groups.
    pub(super) fn columns(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        match &self.by {
            By::Nothing => Ok(vec![]),
            By::Int(groups) => Ok(vec![from_ints(self.kinds[0], ids.iter().map(|id| groups.key(*id)))?]),
            By::Packed(groups) => {
                let column = |(i, kind): (usize, &Type)| from_ints(*kind, ids.iter().map(|id| groups.value(*id, i)));
                self.kinds.iter().enumerate().map(column).collect()
            }
            By::Rows(groups) => decode(ids.iter().map(|id| groups.row(*id)), &self.kinds),
        }
    }

    /// The bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        let groups = match &self.by {
            By::Nothing => 0,
            By::Int(groups) => groups.bytes(),
            By::Packed(groups) => groups.bytes(),
            By::Rows(groups) => groups.bytes(),
        };
        groups + self.scratch.capacity() * size_of::<i64>() + self.rows.bytes()
    }

    /// The most that will be allocated while these rows come in, should all of them be new groups.
    pub(super) fn bytes_with(&self, columns: &[ArrayRef], rows: usize) -> usize {
        let groups = match &self.by {
            By::Nothing => 0,
            By::Int(groups) => groups.bytes_with(rows),
            By::Packed(groups) => groups.bytes_with(rows),
            By::Rows(groups) => {
                let bytes =
                    columns.iter().map(|c| c.get_buffer_memory_size()).sum::<usize>() + 4 * rows * columns.len();
                groups.bytes_with(rows, bytes)
            }
        };
        groups + self.scratch.capacity() * size_of::<i64>() + self.rows.bytes()
    }

    /// From packed keys to rows, under the same ids.
    fn unpack(&mut self) -> Result<()> {
        if let By::Packed(packed) = &self.by {
            let ids: Vec<u32> = (0..packed.len() as u32).collect();
            let columns = self.columns(&ids)?;
            let mut groups = RowGroups::new();
            self.rows.clear();
            encode(&columns, &layout(&self.kinds), &mut self.rows)?;
            groups.assign(&self.rows, &mut vec![0; ids.len()]);
            self.by = By::Rows(groups);
        }
        Ok(())
    }

    /// Ids are 32 bits.
    fn check_room(&self, more: usize) -> Result<()> {
        if self.len() + more < u32::MAX as usize {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Memory, "more than 4 billion groups").help("group by fewer keys, or filter first"))
    }
}

fn layout(kinds: &[Type]) -> Vec<KeyColumn> {
    kinds.iter().map(|kind| KeyColumn::ascending(*kind)).collect()
}
