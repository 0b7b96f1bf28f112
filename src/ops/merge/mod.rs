//! The kernels of a merge: a table of the right side, and the lookup of left rows in it.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::Flow;
use crate::error::{Error, Result};
use crate::mem::Part;

pub(crate) struct JoinTable {}
impl Part for JoinTable {
    fn bytes(&self) -> usize {
        0
    }
}
pub(crate) struct ProbeOp {
    schema: SchemaRef,
}
impl ProbeOp {
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }
    pub(crate) fn tracks(&self) -> bool {
        false
    }
    pub(crate) fn probe(
        &self,
        _table: &JoinTable,
        _matched: &mut Matched,
        _batch: &RecordBatch,
        _next: &mut dyn FnMut(RecordBatch) -> Result<Flow>,
    ) -> Result<Flow> {
        Err(Error::internal("not built"))
    }
    pub(crate) fn unmatched(
        &self,
        _table: &JoinTable,
        _matched: &Matched,
        _next: &mut dyn FnMut(RecordBatch) -> Result<Flow>,
    ) -> Result<Flow> {
        Err(Error::internal("not built"))
    }
}
#[derive(Clone, Default)]
pub(crate) struct Matched {}
impl Matched {
    pub(crate) fn union(&mut self, _other: &Matched) {}
    pub(crate) fn bytes(&self) -> usize {
        0
    }
}
