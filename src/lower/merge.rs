//! A merge: the right side becomes a table, a stage of its own, which the batches of the left look up on their way; see
//! [`gate`](super::gate) for a right side that does not fit into memory.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::codes::merge_by_codes;
use super::end::Reduce;
use super::{Stages, Stream};
use crate::error::Result;
use crate::expr::{BoundExpr, col};
use crate::ops::{BuildOp, LargeMerge, MergedColumn, ProbeOp};
use crate::plan::{LogicalPlan, Matching, Origin};

pub(super) fn stream(
    stages: &mut Stages,
    [left, right]: &[Arc<LogicalPlan>; 2],
    matching: &Matching,
    columns: &[Origin],
    schema: &SchemaRef,
    ordered: bool,
) -> Result<Stream> {
    // Of right rows that are equally near one is picked by its place.
    let ordered = ordered || matching.near.is_some();
    let bind = |name: &str, schema: &SchemaRef| -> Result<BoundExpr> { col(name).bind(schema) };
    let by_codes = merge_by_codes(left, matching, columns, schema)?;
    let mut right = stages.stream_for(right, ordered)?;
    if let Some(by_codes) = &by_codes {
        let encode = by_codes.encode(&right.schema)?;
        right = right.map(encode, "texts to codes");
    }
    let of_right = right.schema.clone();
    let keys = matching.keys.iter().map(|(_, key)| bind(key, &of_right)).collect::<Result<_>>()?;
    let order = matching.near.as_ref().map(|(_, near, _)| bind(near, &of_right)).transpose()?;
    let build = BuildOp::new(of_right.clone(), keys, matching.nulls_equal, order);
    let build = Arc::new(build);
    stages.end(right, Arc::new(Reduce(build.clone())), of_right.clone(), format!("index for {matching}"));
    let table = stages.stages.len() - 1;

    let left = stages.stream_for(by_codes.as_ref().map_or(&**left, |by_codes| &by_codes.left), ordered)?;
    let of_left = left.schema.clone();
    let columns = columns.iter().map(|column| {
        Ok(match column {
            Origin::Left(name) => MergedColumn::Left(of_left.index_of(name)?),
            Origin::Right(name) => MergedColumn::Right(of_right.index_of(name)?),
            Origin::Key(name) => MergedColumn::Key(of_left.index_of(name)?, of_right.index_of(name)?),
        })
    });
    let columns = columns.collect::<Result<_>>()?;
    let keys = matching.keys.iter().map(|(key, _)| bind(key, &of_left)).collect::<Result<_>>()?;
    let near = match &matching.near {
        Some((near, _, how)) => Some((bind(near, &of_left)?, *how)),
        None => None,
    };
    let probe = ProbeOp::new(schema.clone(), columns, matching.kind, keys, near);
    let large = LargeMerge::new(&build, &probe, &of_left, ordered);
    Ok(left.probe(probe, large, table, &format!("{matching} with stage {table}")))
}
