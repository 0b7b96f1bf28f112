//! Ranks: rows are sorted by the value, equal ones are counted, and rows are sorted back into their order.

use super::{Stages, Stream};
use crate::error::Result;
use crate::expr::{BoundSortKey, Expr, col, row_number};
use crate::ops::{ProjectOp, SortOp};

/// The number of a row: no column of a file is called so.
const NUMBER: &str = "\0number";

/// Appends these columns, some of which are ranks.
pub(super) fn stream(stages: &mut Stages, stream: Stream, columns: &[Expr], text: &str) -> Result<Stream> {
    let mut names: Vec<String> = stream.schema.fields().iter().map(|field| field.name().clone()).collect();
    names.extend(columns.iter().map(Expr::name));
    // All that need no sorting go over the rows while these stand in their order.
    let (ranks, mut others): (Vec<Expr>, Vec<Expr>) =
        columns.iter().cloned().partition(|column| column.as_rank().is_some());
    others.push(row_number().alias(NUMBER));
    let mut stream = stages.append(stream, &others, "number the rows".to_owned())?;
    for rank in ranks {
        if let Some((value, descending)) = rank.as_rank() {
            stream = sorted(stages, stream, value, descending)?;
        }
        stream = stages.append(stream, &[rank], text.to_owned())?;
    }
    let stream = sorted(stages, stream, &col(NUMBER), false)?;
    let wanted = names.iter().map(|name| col(name).bind(&stream.schema)).collect::<Result<Vec<_>>>()?;
    let schema = stream
        .schema
        .project(&names.iter().map(|name| stream.schema.index_of(name)).collect::<Result<Vec<_>, _>>()?)?;
    Ok(stream.map(ProjectOp::new(schema.into(), wanted), "the columns in their order"))
}

/// Rows by a value, those of equal values in their order.
fn sorted(stages: &mut Stages, stream: Stream, by: &Expr, descending: bool) -> Result<Stream> {
    let key = |by: &Expr, descending| -> Result<BoundSortKey> {
        Ok(BoundSortKey { expr: by.bind(&stream.schema)?, descending, nulls_first: false })
    };
    let keys = vec![key(by, descending)?, key(&col(NUMBER), false)?];
    let sort = SortOp::new(stream.schema.clone(), keys, None);
    Ok(stages.reduce(stream, sort, format!("sort by {by}")))
}
