//! Numbers several at a time: the words that end at eight fields, or four, are put together, and parsed as one.
//!
//! What they do is [`int::parse_digits`](super::int::parse_digits) and [`float::parse_digits`](super::float::parse_digits),
//! which tests hold them to; a field that they decline goes there. AVX-512 takes eight fields (`avx512`), AVX2 four (`avx2`).
//!
//! Numbers that are padded, as in some releases of BACI, are declined at first, and then taken from where their spaces end: those
//! that are not padded should not pay for that. (One by one, a padded file took three times as long as a plain one.) Empty fields are
//! missing values (read one by one, where each twentieth is empty, they took 2 % of a whole query).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(test)]
mod tests;

use super::{Column, NullBits, Rows};
use crate::io::csv::dialect::Simd;

/// Decodes these rows into as many values, but for those whose places it adds to `left`; values of empty fields are zero, and null.
/// False where the processor can't, or may not.
pub(super) type Wide<T> = fn(
    simd: Simd,
    column: Column<'_>,
    rows: Rows<'_>,
    values: &mut [T],
    nulls: &mut NullBits,
    left: &mut Vec<u32>,
) -> bool;

/// Takes integers of up to eight digits, and a minus with up to seven; of a padded one, up to sixteen spaces before it.
pub(super) fn ints(
    simd: Simd,
    column: Column<'_>,
    rows: Rows<'_>,
    values: &mut [i64],
    nulls: &mut NullBits,
    left: &mut Vec<u32>,
) -> bool {
    let (Some(kernel), Some(fields)) = (kernel(simd), Fields::of(column, rows, values.len())) else { return false };
    match kernel {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `kernel` saw that the features are there; there are as many fields as values.
        Kernel::Avx512 => unsafe { avx512::ints(fields, values, &mut Others { nulls, left }) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Kernel::Avx2 => unsafe { avx2::ints(fields, values, &mut Others { nulls, left }) },
    }
    true
}

/// Takes floats of up to eight digits before the point and seven behind it; a minus counts as a digit. Padding as of [`ints`].
pub(super) fn floats(
    simd: Simd,
    column: Column<'_>,
    rows: Rows<'_>,
    values: &mut [f64],
    nulls: &mut NullBits,
    left: &mut Vec<u32>,
) -> bool {
    let (Some(kernel), Some(fields)) = (kernel(simd), Fields::of(column, rows, values.len())) else { return false };
    match kernel {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Kernel::Avx512 => unsafe { avx512::floats(fields, values, &mut Others { nulls, left }) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Kernel::Avx2 => unsafe { avx2::floats(fields, values, &mut Others { nulls, left }) },
    }
    true
}

enum Kernel {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

/// The best one for this processor, no better than allowed.
#[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
fn kernel(allowed: Simd) -> Option<Kernel> {
    #[cfg(target_arch = "x86_64")]
    {
        if allowed == Simd::Best && avx512::is_supported() {
            return Some(Kernel::Avx512);
        }
        if matches!(allowed, Simd::Best | Simd::Avx2) && std::arch::is_x86_feature_detected!("avx2") {
            return Some(Kernel::Avx2);
        }
    }
    None
}

/// The fields of a column, each of whose places is within its list. (Where in the data they lie is not known.)
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
#[derive(Clone, Copy)]
struct Fields<'a> {
    column: Column<'a>,
    rows: Rows<'a>,
}

impl<'a> Fields<'a> {
    /// None where something does not fit together.
    fn of(column: Column<'a>, rows: Rows<'a>, values: usize) -> Option<Fields<'a>> {
        let records = column.records;
        let most = match rows {
            Rows::All(rows) => rows,
            Rows::These(rows) => rows.iter().max().map_or(0, |row| *row as usize + 1),
        };
        let within = rows.len() == values
            && records.starts.is_empty()
            && column.column < records.width
            && most.checked_mul(records.width).is_some_and(|fields| fields <= records.separators.len())
            && most <= records.row_starts.len();
        within.then_some(Fields { column, rows })
    }

    /// Whether a space stands before the field at this place.
    #[cfg(target_arch = "x86_64")]
    fn is_padded(self, at: usize) -> bool {
        let (records, column, row) = (self.column.records, self.column.column, self.rows.row(at));
        let start = match column {
            0 => records.row_starts[row] as usize,
            _ => records.separators[row * records.width + column - 1] as usize + 1,
        };
        self.column.data.get(start + super::PADDING) == Some(&b' ')
    }
}

/// What became of a few fields, a bit for each.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Default)]
struct Seen {
    /// Those that are numbers.
    taken: u8,
    /// Those that are empty.
    missing: u8,
}

#[cfg(target_arch = "x86_64")]
impl Seen {
    /// How many come before the first that is neither.
    fn known(self) -> usize {
        (self.taken | self.missing).trailing_ones() as usize
    }
}

/// Where the fields go that are no numbers.
#[cfg(target_arch = "x86_64")]
struct Others<'a> {
    nulls: &'a mut NullBits,
    left: &'a mut Vec<u32>,
}

#[cfg(target_arch = "x86_64")]
impl Others<'_> {
    /// Takes note of them among `N` fields, four or eight, from this place on, of so many.
    fn note<const N: u32>(&mut self, at: usize, seen: Seen, fields: usize) {
        if seen.missing != 0 {
            self.nulls.set_eight(at / 8, seen.missing << (at % 8), fields);
        }
        let known = seen.taken | seen.missing;
        self.left.extend((0..N).filter(|lane| known >> lane & 1 == 0).map(|lane| at as u32 + lane));
    }
}
