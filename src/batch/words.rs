//! Rows of words of 64 bits as one column, so that a row comes from memory, and goes there, as one.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, FixedSizeBinaryArray};
use arrow::buffer::{Buffer, ScalarBuffer};
use arrow::datatypes::DataType;

use crate::error::Result;

const BYTES: usize = size_of::<u64>();

/// The type of a column of rows of so many words.
pub(crate) fn words_type(width: usize) -> DataType {
    DataType::FixedSizeBinary((width * BYTES) as i32)
}

/// How many words a row of such a column has.
pub(crate) fn words_width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::FixedSizeBinary(bytes) => {
            Some(*bytes as usize / BYTES).filter(|width| width * BYTES == *bytes as usize)
        }
        _ => None,
    }
}

/// The words of rows, one row after the other, as a column.
pub(crate) fn words_column(words: Vec<u64>, width: usize) -> Result<ArrayRef> {
    Ok(Arc::new(FixedSizeBinaryArray::try_new((width * BYTES) as i32, Buffer::from_vec(words), None)?))
}

/// The words of such a column, one row after the other.
pub(crate) fn words_of(column: &ArrayRef) -> ScalarBuffer<u64> {
    let bytes = column.as_fixed_size_binary().values().clone();
    match bytes.len() / BYTES {
        // Nothing may lie anywhere.
        0 => ScalarBuffer::default(),
        words => ScalarBuffer::new(bytes, 0, words),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, UInt32Array};
    use arrow::compute::take;

    use super::*;

    #[test]
    fn words_come_back_from_a_slice() {
        let column = words_column((0..12).collect(), 3).unwrap();
        assert_eq!((column.len(), words_width(column.data_type())), (4, Some(3)));
        assert_eq!(column.data_type(), &words_type(3));
        assert_eq!(&words_of(&column)[..], (0..12).collect::<Vec<_>>());
        assert_eq!(&words_of(&column.slice(1, 2))[..], [3, 4, 5, 6, 7, 8]);
        let taken = |rows: &[u32]| take(&words_column(vec![5, 6], 1).unwrap(), &UInt32Array::from(rows.to_vec()), None);
        assert_eq!(words_of(&taken(&[1, 0]).unwrap())[..], [6, 5]);
        assert!(words_of(&taken(&[]).unwrap()).is_empty());
        assert_eq!(words_width(&DataType::FixedSizeBinary(12)), None);
    }
}
