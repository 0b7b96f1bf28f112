//! Texts as their places in a dictionary, for a merge that finds texts of a persisted frame by their codes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::BatchOp;
use super::groups::{FindScratch, Groups, MISSING};
use crate::error::Result;
use crate::expr::Type;

/// Replaces columns of text by the places of their texts in dictionaries. Rows with a text that is not there go: nothing finds them.
pub(crate) struct EncodeOp {
    schema: SchemaRef,
    /// Columns by their places, and the texts of each: as they are numbered.
    columns: Vec<(usize, Groups)>,
}

impl EncodeOp {
    /// Dictionaries are of texts that all differ, none of them null.
    pub(crate) fn new(input: &SchemaRef, dictionaries: Vec<(usize, ArrayRef)>) -> Result<EncodeOp> {
        let is_encoded = |place: usize| dictionaries.iter().any(|(column, _)| *column == place);
        let fields = input.fields().iter().enumerate().map(|(place, field)| match is_encoded(place) {
            true => Arc::new(Field::new(field.name(), DataType::Int64, true)),
            false => field.clone(),
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let numbered = |(column, dictionary): (usize, ArrayRef)| {
            let mut texts = Groups::new(vec![Type::Text]);
            let rows = dictionary.len();
            // Groups are numbered as they come.
            texts.assign(&[dictionary], rows, &mut Vec::new(), &mut |_| Ok(()))?;
            texts.drop_scratch();
            Ok((column, texts))
        };
        Ok(EncodeOp { schema, columns: dictionaries.into_iter().map(numbered).collect::<Result<_>>()? })
    }
}

impl BatchOp for EncodeOp {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let mut columns = batch.columns().to_vec();
        let (mut places, mut scratch) = (Vec::new(), FindScratch::default());
        let mut lacking = vec![false; batch.num_rows()];
        for (column, texts) in &self.columns {
            let column = &mut columns[*column];
            texts.find(std::slice::from_ref(column), batch.num_rows(), &mut places, &mut scratch)?;
            for (row, (lacking, place)) in lacking.iter_mut().zip(&places).enumerate() {
                *lacking |= *place == MISSING && column.is_valid(row);
            }
            let codes = places.iter().map(|place| i64::from(*place)).collect::<Vec<i64>>();
            *column = Arc::new(Int64Array::new(codes.into(), column.nulls().cloned()));
        }
        let encoded = RecordBatch::try_new(self.schema.clone(), columns)?;
        if lacking.contains(&true) {
            let found = BooleanBuffer::collect_bool(lacking.len(), |row| !lacking[row]);
            return Ok(filter_record_batch(&encoded, &BooleanArray::new(found, None))?);
        }
        Ok(encoded)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, StringViewArray};
    use arrow::datatypes::Int64Type;

    use super::*;

    #[test]
    fn each_text_becomes_its_place() {
        let dictionary: Vec<String> = (0..1000).map(|n| format!("{:1$}", n * 37 % 1000, n % 20)).collect();
        let schema = Arc::new(Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            Field::new("s", DataType::Utf8View, true),
        ]));
        let array: ArrayRef = Arc::new(StringViewArray::from_iter_values(&dictionary));
        let op = EncodeOp::new(&schema, vec![(1, array)]).unwrap();
        assert_eq!(op.schema().field(1).data_type(), &DataType::Int64);

        let texts = (0..5000).map(|n| match n % 5 {
            0 => None,
            1 => Some(format!("none such {n}")),
            _ => Some(dictionary[n * n % 1000].clone()),
        });
        let texts: StringViewArray = texts.collect();
        let numbers = Arc::new(Int64Array::from_iter_values(0..5000));
        let batch = RecordBatch::try_new(schema, vec![numbers.clone(), Arc::new(texts.clone())]).unwrap();
        let encoded = op.apply(batch).unwrap();
        let place = |text: &str| dictionary.iter().position(|other| other == text).map(|place| place as i64);
        let want = (0..).zip(&texts).filter_map(|(row, text)| match text {
            None => Some((row, None)),
            Some(text) => Some((row, Some(place(text)?))),
        });
        let (rows, codes): (Vec<i64>, Vec<Option<i64>>) = want.unzip();
        assert_eq!(rows.len(), 4000);
        assert_eq!(encoded.column(0).as_primitive::<Int64Type>(), &Int64Array::from(rows));
        assert_eq!(encoded.column(1).as_primitive::<Int64Type>(), &Int64Array::from(codes));
    }
}
