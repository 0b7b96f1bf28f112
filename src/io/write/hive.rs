//! Names of folders that hold the rows of one value: `t=2018/k=10121`, as Hive has them.

use arrow::array::Array;
use arrow::datatypes::Schema;

use super::csv::Column;
use crate::error::Result;

/// The folder of a missing value.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The folder for a row of these columns.
pub(crate) fn folder(
    schema: &Schema,
    columns: &[usize],
    arrays: &[impl AsRef<dyn Array>],
    row: usize,
) -> Result<String> {
    let mut folder = String::new();
    for (&column, array) in columns.iter().zip(arrays) {
        if !folder.is_empty() {
            folder.push('/');
        }
        push_encoded(&mut folder, schema.field(column).name());
        folder.push('=');
        let array = array.as_ref();
        if array.is_null(row) {
            folder.push_str(NULL);
            continue;
        }
        let mut text = Vec::new();
        Column::of(array)?.push_plain(row, &mut text);
        match String::from_utf8_lossy(&text) {
            // A text that happens to be the name for none.
            text if text == NULL => folder.push_str(&NULL.replacen('_', "%5F", 1)),
            text => push_encoded(&mut folder, &text),
        }
    }
    Ok(folder)
}

/// Text with `%` and two digits for each byte that means something in paths, to shells or to Hive.
fn push_encoded(to: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\0'..='\x1f'
            | '\x7f'
            | '"'
            | '#'
            | '%'
            | '\''
            | '*'
            | '/'
            | ':'
            | '='
            | '?'
            | '\\'
            | '{'
            | '}'
            | '['
            | ']'
            | '^'
            | '<'
            | '>'
            | '|' => to.push_str(&format!("%{:02X}", c as u32)),
            _ => to.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Date32Array, Float64Array, StringViewArray, TimestampMicrosecondArray};
    use arrow::datatypes::{DataType, Field};

    use super::*;

    #[test]
    fn values_make_folders() {
        let arrays: [ArrayRef; 4] = [
            Arc::new(StringViewArray::from(vec![Some("a/b"), Some(""), None, Some(NULL), Some("Côte d'Ivoire")])),
            Arc::new(Float64Array::from(vec![Some(0.5), Some(f64::NAN), None, Some(-0.0), Some(1e300)])),
            Arc::new(Date32Array::from(vec![Some(0), None, Some(1), Some(2), Some(3)])),
            Arc::new(TimestampMicrosecondArray::from(vec![Some(0), None, Some(1), Some(2), Some(3)])),
        ];
        let schema = Schema::new(["s", "f=", "d", "at"].map(|name| Field::new(name, DataType::Null, true)).to_vec());
        let folder = |columns: &[usize], row| {
            let arrays: Vec<_> = columns.iter().map(|&c| arrays[c].clone()).collect();
            folder(&schema, columns, &arrays, row).unwrap()
        };
        assert_eq!(folder(&[0, 1], 0), "s=a%2Fb/f%3D=0.5");
        assert_eq!(folder(&[0, 1], 1), "s=/f%3D=NaN");
        assert_eq!(folder(&[0, 1], 2), format!("s={NULL}/f%3D={NULL}"));
        assert_eq!(folder(&[0, 1], 3), "s=%5F_HIVE_DEFAULT_PARTITION__/f%3D=-0.0");
        assert_eq!(folder(&[0], 4), "s=Côte d%27Ivoire");
        assert_eq!(folder(&[2, 3], 0), "d=1970-01-01/at=1970-01-01T00%3A00%3A00");
    }
}
