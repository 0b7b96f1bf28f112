//! Common subexpressions: parts that occur more than once, in one expression or in several, are computed once a batch.
//!
//! Equal parts get one number, from the leaves up: a part is its operator and the numbers of its operands. What is used in more than
//! one place becomes a [`Bound::Shared`] with a slot of its own. Columns and constants cost nothing and are not shared.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};

use super::bind::{Bound, BoundExpr, Way};
use super::build::{BinaryOp, UnaryOp};
use super::eval::Rows;
use super::types::Type;
use crate::error::Result;

/// Expressions that are computed together: what they share is computed once.
#[derive(Debug, Clone)]
pub(crate) struct BoundSet {
    exprs: Vec<BoundExpr>,
    slots: usize,
}

impl BoundSet {
    pub(crate) fn new(mut exprs: Vec<BoundExpr>) -> BoundSet {
        let mut roots: Vec<Bound> =
            exprs.iter_mut().map(|e| std::mem::replace(e.root_mut(), Bound::Column(0))).collect();
        let slots = share(&mut roots);
        exprs.iter_mut().zip(roots).for_each(|(expr, root)| *expr.root_mut() = root);
        BoundSet { exprs, slots }
    }

    /// The values of every expression, as [`BoundExpr::eval`] has them.
    ///
    /// # Errors
    /// As [`BoundExpr::eval`].
    pub(crate) fn eval(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let rows = Rows::new(batch, self.slots);
        self.exprs.iter().map(|expr| expr.eval_on(&rows)).collect()
    }
}

/// Shares what occurs more than once in these expressions, and tells how many slots that takes.
pub(super) fn share(roots: &mut [Bound]) -> usize {
    let mut parts = Parts::default();
    for root in roots.iter_mut() {
        root.unshare();
        let id = parts.number(root);
        parts.uses[id] += 1;
    }
    if parts.uses.iter().zip(&parts.is_leaf).all(|(&uses, &is_leaf)| uses < 2 || is_leaf) {
        return 0;
    }
    let mut shared = HashMap::new();
    for root in roots {
        parts.rewrite(root, &mut shared);
    }
    shared.len()
}

/// What a part is, apart from its operands.
#[derive(PartialEq, Eq, Hash)]
enum Op {
    Column(usize),
    /// With its type: text distinguishes what `==` of floats does not.
    Constant(String),
    Cast(Type),
    Unary(UnaryOp),
    Binary(BinaryOp),
    Always(bool),
    Call(&'static str),
    Choice(Way),
}

#[derive(Default)]
struct Parts {
    numbers: HashMap<(Op, Vec<usize>), usize>,
    /// By number: in how many places it is used, equal parts counted once with all that is in them.
    uses: Vec<usize>,
    is_leaf: Vec<bool>,
}

impl Parts {
    fn number(&mut self, part: &Bound) -> usize {
        let operands: Vec<usize> = part.children().map(|child| self.number(child)).collect();
        let key = (part.op(), operands);
        if let Some(&known) = self.numbers.get(&key) {
            return known;
        }
        for &operand in &key.1 {
            self.uses[operand] += 1;
        }
        let number = self.uses.len();
        self.uses.push(0);
        self.is_leaf.push(matches!(part, Bound::Column(_) | Bound::Constant { .. }));
        self.numbers.insert(key, number);
        number
    }

    /// Puts shared parts in the place of those used more than once.
    fn rewrite(&mut self, part: &mut Bound, shared: &mut HashMap<usize, Bound>) -> usize {
        let operands: Vec<usize> = part.children_mut().map(|child| self.rewrite(child, shared)).collect();
        // A shared operand stands for what it was: the numbers of operands say it.
        let number = self.numbers.get(&(part.op(), operands)).copied().unwrap_or(0);
        if self.uses[number] > 1 && !self.is_leaf[number] {
            let slot = shared.len();
            let whole = std::mem::replace(part, Bound::Column(0));
            let first = shared.entry(number).or_insert_with(|| Bound::Shared { slot, inner: Arc::new(whole) });
            *part = first.clone();
        }
        number
    }
}

impl Bound {
    fn op(&self) -> Op {
        match self {
            Bound::Column(index) => Op::Column(*index),
            Bound::Constant { literal, array } => Op::Constant(format!("{} {literal:?}", array.data_type())),
            Bound::Cast(_, to) => Op::Cast(*to),
            Bound::Unary(op, _) => Op::Unary(*op),
            Bound::Binary(op, ..) => Op::Binary(*op),
            Bound::Always(truth, _) => Op::Always(*truth),
            Bound::Call { function, .. } => Op::Call(function.name),
            Bound::Choice(choice) => Op::Choice(choice.way),
            Bound::Shared { inner, .. } => inner.op(),
        }
    }

    /// The operands, and the parameters of a function.
    pub(super) fn children(&self) -> impl Iterator<Item = &Bound> {
        let (pair, list, parameters): ([Option<&Bound>; 2], &[Bound], &[Bound]) = match self {
            Bound::Column(_) | Bound::Constant { .. } => ([None, None], &[], &[]),
            Bound::Cast(inner, _) | Bound::Unary(_, inner) | Bound::Always(_, inner) => ([Some(inner), None], &[], &[]),
            Bound::Binary(_, l, r) => ([Some(l), Some(r)], &[], &[]),
            Bound::Call { args, parameters, .. } => ([None, None], args, parameters),
            Bound::Choice(choice) => ([None, None], &choice.parts, &[]),
            Bound::Shared { inner, .. } => ([Some(inner), None], &[], &[]),
        };
        pair.into_iter().flatten().chain(list).chain(parameters)
    }

    fn children_mut(&mut self) -> impl Iterator<Item = &mut Bound> {
        let (pair, list, parameters): ([Option<&mut Bound>; 2], &mut [Bound], &mut [Bound]) = match self {
            Bound::Column(_) | Bound::Constant { .. } | Bound::Shared { .. } => ([None, None], &mut [], &mut []),
            Bound::Cast(inner, _) | Bound::Unary(_, inner) | Bound::Always(_, inner) => {
                ([Some(inner), None], &mut [], &mut [])
            }
            Bound::Binary(_, l, r) => ([Some(l), Some(r)], &mut [], &mut []),
            Bound::Call { args, parameters, .. } => ([None, None], args, parameters),
            Bound::Choice(choice) => ([None, None], &mut choice.parts, &mut []),
        };
        pair.into_iter().flatten().chain(list).chain(parameters)
    }

    /// Takes shared parts for what they are, each in its place.
    fn unshare(&mut self) {
        if let Bound::Shared { inner, .. } = self {
            *self = Bound::clone(inner);
        }
        self.children_mut().for_each(Bound::unshare);
    }
}
