//! From the key columns of batches to dense group ids.

mod int_groups;
mod layout;
mod packed_groups;
mod parted;
mod row_groups;
mod table;
mod text_cache;
mod text_groups;
mod word_groups;

use arrow::array::{Array, ArrayRef, AsArray};

use self::int_groups::IntGroups;
pub(super) use self::int_groups::Spares;
use self::layout::Layout;
use self::packed_groups::{PackedGroups, Packing};
pub(super) use self::parted::{KeyPart, KeyWords, PartedKeys};
pub(super) use self::row_groups::RowGroups;
use self::text_cache::TextCache;
use self::text_groups::TextGroups;
use self::word_groups::WordGroups;
use crate::batch::words_of;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::Type;
use crate::mem::Reservation;
use crate::ops::key::{KeyColumn, Rows, as_ints, decode, encode, from_ints};

/// Asks for bytes beside those that `bytes_with` told of; a refusal is an error.
pub(super) type Book<'a> = &'a mut dyn FnMut(usize) -> Result<()>;

/// The groups seen so far, numbered from 0 in the order in which they were first seen.
pub(super) struct Groups {
    kinds: Vec<Type>,
    by: By,
    scratch: Vec<i64>,
    rows: Rows,
    texts: TextCache,
}

/// What [`Groups::find`] gives for keys that are no group.
pub(super) const MISSING: u32 = u32::MAX;

/// Room that [`Groups::find`] works in, kept from batch to batch.
#[derive(Default)]
pub(super) struct FindScratch {
    ints: Vec<i64>,
    packed64: Vec<u64>,
    packed128: Vec<u128>,
    rows: Rows,
}

/// How keys are packed into words of 64 bits.
#[derive(Clone)]
pub(super) struct Form(Packed);

#[derive(Clone)]
enum Packed {
    One(Packing<u64>),
    Two(Packing<u128>),
    Words(Layout),
}

/// The narrowest form that holds the keys: packed keys turn into a wider form when a value does not fit.
enum By {
    /// No keys: one group, also of no rows.
    Nothing,
    Int(IntGroups),
    Packed64(PackedGroups<u64>),
    Packed128(PackedGroups<u128>),
    Text(TextGroups),
    Words(WordGroups),
    Rows(RowGroups),
}

impl Form {
    /// How many words the keys of a row take.
    pub(super) fn width(&self) -> usize {
        match &self.0 {
            Packed::One(_) => Packing::<u64>::WIDTH,
            Packed::Two(_) => Packing::<u128>::WIDTH,
            Packed::Words(layout) => layout.width(),
        }
    }

    /// The keys of rows as a column of packed words, without looking them up; `None` when a value does not fit.
    pub(super) fn pack(&self, columns: &[ArrayRef], rows: usize) -> Result<Option<ArrayRef>> {
        let mut scratch = vec![];
        match &self.0 {
            Packed::One(packing) => packing.packed(columns, rows, &mut scratch),
            Packed::Two(packing) => packing.packed(columns, rows, &mut scratch),
            Packed::Words(layout) => layout.pack(columns, rows, &mut scratch),
        }
    }

    /// The form for keys that do not fit this one, where there is one.
    pub(super) fn wider(&self, kinds: &[Type]) -> Option<Form> {
        let Packed::Words(layout) = &self.0 else { return None };
        let wide = Layout::wide(kinds);
        (*layout != wide).then_some(Form(Packed::Words(wide)))
    }

    fn unpack(&self, words: &[u64], kinds: &[Type]) -> Result<Vec<ArrayRef>> {
        match &self.0 {
            Packed::One(packing) => packing.unpack(words, kinds),
            Packed::Two(packing) => packing.unpack(words, kinds),
            Packed::Words(layout) => layout.unpack(words),
        }
    }
}

impl By {
    fn new(kinds: &[Type]) -> By {
        match kinds {
            [] => By::Nothing,
            [Type::Text] => By::Text(TextGroups::new()),
            [_] => By::Int(IntGroups::default()),
            kinds => PackedGroups::new(kinds).map_or_else(|| By::wider(kinds), By::Packed64),
        }
    }

    /// What follows 64 bits.
    fn wider(kinds: &[Type]) -> By {
        let words = || By::Words(WordGroups::new(Layout::narrow(kinds)));
        PackedGroups::new(kinds).map_or_else(words, By::Packed128)
    }

    /// That packs keys in this form.
    fn of_form(form: &Form, kinds: &[Type]) -> By {
        match &form.0 {
            Packed::Words(layout) if kinds.len() > 1 => By::Words(WordGroups::new(layout.clone())),
            Packed::Two(_) => By::wider(kinds),
            _ => By::new(kinds),
        }
    }

    /// States merge in the wider of their forms.
    fn rank(&self) -> u8 {
        match self {
            By::Nothing | By::Int(_) | By::Packed64(_) => 0,
            By::Packed128(_) => 1,
            By::Text(_) | By::Words(_) => 2,
            By::Rows(_) => 3,
        }
    }
}

impl Groups {
    pub(super) fn new(kinds: Vec<Type>) -> Groups {
        let by = By::new(&kinds);
        Groups { kinds, by, scratch: vec![], rows: Rows::default(), texts: TextCache::default() }
    }

    /// The same, with indexes that others let go of.
    pub(super) fn with_spares(kinds: Vec<Type>, spares: &Spares) -> Groups {
        let mut groups = Groups::new(kinds);
        if let By::Int(groups) = &mut groups.by {
            *groups = IntGroups::with_spares(spares);
        }
        groups
    }

    /// Of keys that are packed in this form, as long as their values fit.
    pub(super) fn of_form(kinds: Vec<Type>, form: &Form) -> Groups {
        Groups { by: By::of_form(form, &kinds), ..Groups::new(kinds) }
    }

    /// The number of groups.
    pub(super) fn len(&self) -> usize {
        match &self.by {
            By::Nothing => 1,
            By::Int(groups) => groups.len(),
            By::Packed64(groups) => groups.len(),
            By::Packed128(groups) => groups.len(),
            By::Text(groups) => groups.len(),
            By::Words(groups) => groups.len(),
            By::Rows(groups) => groups.len(),
        }
    }

    /// Writes the group id of each of the rows; nulls are a key of their own.
    pub(super) fn assign(&mut self, columns: &[ArrayRef], rows: usize, ids: &mut Vec<u32>, book: Book) -> Result<()> {
        self.check_room(rows)?;
        // Every path below writes all of the ids.
        ids.resize(rows, 0);
        if let By::Words(groups) = &self.by
            && groups.len() == 0
            && *groups.layout() == Layout::narrow(&self.kinds)
            && let Some(layout) = Layout::fitting(&self.kinds, columns)?
            && *groups.layout() != layout
        {
            let groups = WordGroups::new(layout);
            book(groups.bytes_with(rows))?;
            self.by = By::Words(groups);
        }
        while !self.try_assign(columns, ids, book)? {
            let wider = self.wider(columns)?;
            self.widen(wider, rows, book)?;
        }
        Ok(())
    }

    /// Makes room for this many groups in all, where keys are packed: to grow is to move all.
    pub(super) fn make_room(&mut self, groups: usize) {
        match &mut self.by {
            By::Packed64(by) => by.make_room(groups),
            By::Packed128(by) => by.make_room(groups),
            By::Text(by) => by.make_room(groups),
            By::Words(by) => by.make_room(groups),
            By::Nothing | By::Int(_) | By::Rows(_) => {}
        }
    }

    /// How they are packed, as all values so far fit; none where they are not.
    pub(super) fn form(&self) -> Option<Form> {
        Some(Form(match &self.by {
            By::Packed64(groups) => Packed::One(groups.packing().clone()),
            By::Packed128(groups) => Packed::Two(groups.packing().clone()),
            By::Text(_) => Packed::Words(Layout::wide(&self.kinds)),
            By::Words(groups) => Packed::Words(groups.layout().clone()),
            By::Nothing | By::Int(_) | By::Rows(_) => return None,
        }))
    }

    /// Writes the group id of each of the rows whose keys were [packed](Form::pack).
    pub(super) fn assign_packed(
        &mut self,
        packed: &ArrayRef,
        form: &Form,
        ids: &mut Vec<u32>,
        book: Book,
    ) -> Result<()> {
        let rows = packed.len();
        self.check_room(rows)?;
        let words = words_of(packed);
        ids.resize(rows, 0);
        match (&mut self.by, &form.0) {
            (By::Packed64(groups), Packed::One(_)) => groups.assign_packed(&words, ids),
            (By::Packed128(groups), Packed::Two(_)) => groups.assign_packed(&words, ids),
            (By::Text(groups), Packed::Words(_)) => groups.assign_packed(&words, ids),
            (By::Words(groups), Packed::Words(layout)) if groups.layout() == layout => groups.assign_rows(&words, ids),
            (By::Words(groups), Packed::Words(layout)) if groups.layout().union(layout) == *layout => {
                // The rows that come in are of that form already.
                let wider = WordGroups::new(layout.clone());
                book(wider.bytes_with(rows))?;
                self.widen(By::Words(wider), 0, book)?;
                self.assign_packed(packed, form, ids, book)?;
            }
            // It was widened by a key that doesn't fit.
            _ => self.assign(&form.unpack(&words, &self.kinds)?, rows, ids, book)?,
        }
        Ok(())
    }

    /// False, and nothing is changed, when a value does not fit.
    fn try_assign(&mut self, columns: &[ArrayRef], ids: &mut [u32], book: Book) -> Result<bool> {
        match &mut self.by {
            By::Nothing => ids.fill(0),
            By::Int(groups) => {
                groups.assign(as_ints(&columns[0], &mut self.scratch)?, columns[0].nulls(), ids, book)?;
            }
            By::Packed64(groups) => return groups.assign(columns, ids),
            By::Packed128(groups) => return groups.assign(columns, ids),
            By::Text(groups) => return groups.assign(&columns[0], ids),
            By::Words(groups) => return groups.assign(columns, ids),
            By::Rows(groups) if self.kinds == [Type::Text] => {
                self.texts.assign(groups, columns[0].as_string_view(), ids);
            }
            By::Rows(groups) => {
                self.rows.clear();
                encode(columns, &layout(&self.kinds), &mut self.rows)?;
                groups.assign(&self.rows, ids);
            }
        }
        Ok(true)
    }

    /// Writes the group id of each of the rows, [`MISSING`] where there is none. Changes nothing, so that many may look at once.
    pub(super) fn find(
        &self,
        columns: &[ArrayRef],
        rows: usize,
        ids: &mut Vec<u32>,
        scratch: &mut FindScratch,
    ) -> Result<()> {
        // Every path below writes all of the ids.
        ids.resize(rows, 0);
        match &self.by {
            By::Nothing => ids.fill(0),
            By::Int(groups) => groups.find(as_ints(&columns[0], &mut scratch.ints)?, columns[0].nulls(), ids),
            By::Packed64(groups) => groups.find(columns, ids, &mut scratch.ints, &mut scratch.packed64)?,
            By::Packed128(groups) => groups.find(columns, ids, &mut scratch.ints, &mut scratch.packed128)?,
            By::Text(groups) => groups.find(&columns[0], ids, &mut scratch.packed128)?,
            By::Words(groups) => groups.find(columns, ids, &mut scratch.ints, &mut scratch.packed64)?,
            By::Rows(groups) => {
                scratch.rows.clear();
                encode(columns, &layout(&self.kinds), &mut scratch.rows)?;
                groups.find(&scratch.rows, ids);
            }
        }
        Ok(())
    }

    /// Takes in the groups of a later state, which stay: gives the id here of every id there.
    pub(super) fn absorb(&mut self, later: &mut Groups, book: Book) -> Result<Vec<u32>> {
        self.check_room(later.len())?;
        while self.by.rank() < later.by.rank() {
            let wider = self.next_form();
            self.widen(wider, later.len(), book)?;
        }
        while later.by.rank() < self.by.rank() {
            let wider = later.next_form();
            later.widen(wider, 0, book)?;
        }
        if let (By::Words(a), By::Words(b)) = (&self.by, &later.by)
            && a.layout() != b.layout()
        {
            let (layout, more) = (a.layout().union(b.layout()), later.len());
            let (of_self, of_later) = (*a.layout() == layout, *b.layout() == layout);
            if !of_self {
                self.widen(By::Words(WordGroups::new(layout.clone())), more, book)?;
            }
            if !of_later {
                later.widen(By::Words(WordGroups::new(layout)), 0, book)?;
            }
        }
        Ok(match (&mut self.by, &later.by) {
            (By::Nothing, By::Nothing) => vec![0],
            (By::Int(a), By::Int(b)) => a.absorb(b, book)?,
            (By::Packed64(a), By::Packed64(b)) => a.absorb(b),
            (By::Packed128(a), By::Packed128(b)) => a.absorb(b),
            (By::Text(a), By::Text(b)) => a.absorb(b),
            (By::Words(a), By::Words(b)) => a.absorb(b),
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
            By::Packed64(groups) => ids.sort_unstable_by_key(|id| groups.key(*id)),
            By::Packed128(groups) => ids.sort_unstable_by_key(|id| groups.key(*id)),
            By::Text(groups) => ids.sort_unstable_by_key(|id| groups.key(*id)),
            By::Words(groups) => ids.sort_unstable_by(|a, b| groups.row(*a).cmp(groups.row(*b))),
            By::Rows(groups) => ids.sort_unstable_by_key(|id| groups.row(*id)),
        }
        ids
    }

    /// The key columns of these groups.
    pub(super) fn columns(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        match &self.by {
            By::Nothing => Ok(vec![]),
            By::Int(groups) => Ok(vec![from_ints(self.kinds[0], ids.iter().map(|id| groups.key(*id)))?]),
            By::Packed64(groups) => self.fixed_columns(|column| groups.values(ids, column)),
            By::Packed128(groups) => self.fixed_columns(|column| groups.values(ids, column)),
            By::Text(groups) => groups.columns(ids),
            By::Words(groups) => groups.columns(ids),
            By::Rows(groups) => decode(ids.iter().map(|id| groups.row(*id)), &self.kinds),
        }
    }

    /// The bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        let groups = match &self.by {
            By::Nothing => 0,
            By::Int(groups) => groups.bytes(),
            By::Packed64(groups) => groups.bytes(),
            By::Packed128(groups) => groups.bytes(),
            By::Text(groups) => groups.bytes(),
            By::Words(groups) => groups.bytes(),
            By::Rows(groups) => groups.bytes(),
        };
        groups + self.scratch.capacity() * size_of::<i64>() + self.rows.bytes() + self.texts.bytes()
    }

    /// The most that will be allocated while this many rows come in, should all of them be new groups; `key_bytes` is the length
    /// of their keys. (A change of form, and the growth of a direct index, ask when they come.)
    pub(super) fn bytes_with(&self, rows: usize, key_bytes: usize) -> usize {
        let groups = match &self.by {
            By::Nothing => 0,
            By::Int(groups) => groups.bytes_with(rows),
            By::Packed64(groups) => groups.bytes_with(rows),
            By::Packed128(groups) => groups.bytes_with(rows),
            By::Text(groups) => groups.bytes_with(rows),
            By::Words(groups) => groups.bytes_with(rows),
            By::Rows(groups) => groups.bytes_with(rows, key_bytes),
        };
        let texts = match (&self.by, self.kinds.as_slice()) {
            (By::Rows(_), [Type::Text]) => self.texts.bytes_with(rows),
            _ => 0,
        };
        groups + self.scratch.capacity() * size_of::<i64>() + self.rows.bytes() + texts
    }

    /// The length of all keys as rows of bytes.
    pub(super) fn key_bytes(&self) -> usize {
        match &self.by {
            By::Rows(groups) => groups.key_bytes(),
            _ => row_bytes(&self.kinds) * self.len(),
        }
    }

    fn fixed_columns<I: Iterator<Item = Option<i64>>>(&self, values: impl Fn(usize) -> I) -> Result<Vec<ArrayRef>> {
        self.kinds.iter().enumerate().map(|(column, kind)| from_ints(*kind, values(column))).collect()
    }

    /// Lets go of what only `assign` and `find` need.
    pub(super) fn seal(&mut self) {
        self.drop_scratch();
        if let By::Int(groups) = &mut self.by {
            groups.drop_index();
        }
    }

    /// The same, but others may take what has room in this memory.
    pub(super) fn seal_and_spare(&mut self, memory: Reservation) {
        if let By::Int(groups) = &mut self.by {
            groups.spare_index(memory);
        }
        self.seal();
    }

    /// Lets go of what only `assign` needs.
    pub(super) fn drop_scratch(&mut self) {
        self.scratch = vec![];
        self.rows = Rows::default();
        self.texts = TextCache::default();
        match &mut self.by {
            By::Packed64(groups) => groups.drop_scratch(),
            By::Packed128(groups) => groups.drop_scratch(),
            By::Text(groups) => groups.drop_scratch(),
            By::Words(groups) => groups.drop_scratch(),
            By::Nothing | By::Int(_) | By::Rows(_) => {}
        }
    }

    /// The form that follows.
    fn next_form(&self) -> By {
        match self.by {
            By::Packed64(_) => PackedGroups::new(&self.kinds).map_or_else(|| self.wide_words(), By::Packed128),
            By::Packed128(_) => self.wide_words(),
            _ => By::Rows(RowGroups::new()),
        }
    }

    fn wide_words(&self) -> By {
        By::Words(WordGroups::new(Layout::wide(&self.kinds)))
    }

    /// The form that follows for keys that do not fit.
    fn wider(&self, columns: &[ArrayRef]) -> Result<By> {
        if let By::Words(groups) = &self.by
            && let Some(fitting) = Layout::fitting(&self.kinds, columns)?
        {
            return Ok(By::Words(WordGroups::new(groups.layout().union(&fitting))));
        }
        Ok(self.next_form())
    }

    /// From packed keys to a wider form, under the same ids, before this many more keys come in.
    fn widen(&mut self, wider: By, more: usize, book: Book) -> Result<()> {
        // Each value with its marker: once in the columns, once as a row that is encoded, and then in the wider form.
        let keys = self.len() + more;
        let key_bytes = row_bytes(&self.kinds) * keys;
        let form = match &wider {
            By::Packed128(groups) => groups.bytes_with(keys),
            By::Words(groups) => groups.bytes_with(keys),
            By::Rows(groups) => groups.bytes_with(keys, key_bytes),
            _ => 0,
        };
        book(form + 2 * key_bytes + keys * (size_of::<u32>() + size_of::<usize>()))?;
        let mut ids: Vec<u32> = (0..self.len() as u32).collect();
        let columns = self.columns(&ids)?;
        self.by = wider;
        // Keys all differ, so that they get their places in the list as ids.
        if !self.try_assign(&columns, &mut ids, book)? {
            return Err(Error::internal("keys that don't fit a wider form"));
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

/// The bytes of a row of keys that fit a narrower form, at most: each has a marker, and text is ended by two and may be all zeros.
pub(super) fn row_bytes(kinds: &[Type]) -> usize {
    kinds.iter().map(|kind| if *kind == Type::Text { 1 + 2 * 12 + 2 } else { 9 }).sum()
}

fn layout(kinds: &[Type]) -> Vec<KeyColumn> {
    kinds.iter().map(|kind| KeyColumn::ascending(*kind)).collect()
}
