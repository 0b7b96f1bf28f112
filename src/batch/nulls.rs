//! Nulls of columns, by the rows that are null.

use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};

/// Of as many rows, with nulls at these; none when that is nowhere.
pub(crate) fn nulls_at(rows: &[u32], len: usize) -> Option<NullBuffer> {
    (!rows.is_empty()).then(|| {
        let mut valid = vec![u64::MAX; len.div_ceil(64)];
        rows.iter().for_each(|row| valid[*row as usize / 64] &= !(1 << (row % 64)));
        NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(valid), 0, len))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_these_rows_and_no_others() {
        let rows = [0, 63, 64, 129];
        let expected = NullBuffer::from((0..130).map(|row| !rows.contains(&row)).collect::<Vec<bool>>());
        assert_eq!(nulls_at(&rows, 130), Some(expected));
        assert_eq!(nulls_at(&[], 130), None);
    }
}
