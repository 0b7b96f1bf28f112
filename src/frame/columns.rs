//! Columns added, replaced, dropped and renamed: projections that name what stays.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Frame;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{Expr, col};
use crate::plan::{LogicalPlan, list};

impl Frame {
    /// All columns, and one more, computed from them; a column of the same name is replaced where it stands. A text names a column:
    /// a constant is [`lit`](crate::lit)`(3)`.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let priced = df.with_column("price", col("v") / col("q"));
    /// let names: Vec<String> = priced.schema()?.fields().iter().map(|f| f.name().clone()).collect();
    /// assert_eq!(names, ["t", "i", "j", "k", "v", "q", "price"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_column(&self, name: impl Into<String>, expr: impl Into<Expr>) -> Frame {
        let (name, expr) = (name.into(), expr.into());
        let step = format!("with_column({name:?}, {expr})");
        self.step(step, |input| with(input, vec![expr.unaliased().alias(name)]))
    }

    /// All columns, and more: each of these takes the place of a column of its name, or comes behind. All are computed from the
    /// columns before, none from another of them. Two of one name are an [`ErrorKind::Column`] error.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv");
    /// let more = df.with_columns([(col("v") * 1000).alias("v"), col("k").floor_div(10_000).alias("chapter")]);
    /// assert_eq!(more.schema()?.fields().len(), 7);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_columns<E: Into<Expr>>(&self, exprs: impl IntoIterator<Item = E>) -> Frame {
        let exprs: Vec<Expr> = exprs.into_iter().map(Into::into).collect();
        let step = format!("with_columns({})", list(exprs.iter().map(Expr::to_string)));
        self.step(step, |input| with(input, exprs))
    }

    /// All columns but these. One that does not exist is an [`ErrorKind::Column`] error that tells the nearest; to drop all of them
    /// is an [`ErrorKind::Config`] error.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv").drop(["i", "j"]);
    /// assert_eq!(df.schema()?.fields().len(), 4);
    /// # Ok(())
    /// # }
    /// ```
    pub fn drop<N: Into<String>>(&self, names: impl IntoIterator<Item = N>) -> Frame {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let step = format!("drop({})", names.join(", "));
        self.step(step, |input| {
            let gone: HashSet<&str> = names.iter().map(String::as_str).collect();
            names.iter().try_for_each(|name| exists(&input, name))?;
            let kept: Vec<Expr> = column_names(&input).filter(|n| !gone.contains(n)).map(col).collect();
            if kept.is_empty() {
                return Err(Error::new(ErrorKind::Config, "no column is left").help("keep one column at least"));
            }
            LogicalPlan::project(input, kept)
        })
    }

    /// All columns in their places, some under new names: pairs of the old and the new one. All are renamed at once, so
    /// that two may swap their names. An old name that does not exist, or is renamed twice, and a new one that is taken
    /// are [`ErrorKind::Column`] errors.
    ///
    /// ```
    /// # fn main() -> partita::Result<()> {
    /// use partita::prelude::*;
    /// let df = read_csv("testdata/baci/BACI_HS12_Y2018.csv").rename([("v", "value"), ("q", "quantity")]);
    /// assert_eq!(df.schema()?.field(4).name(), "value");
    /// # Ok(())
    /// # }
    /// ```
    pub fn rename<O: Into<String>, N: Into<String>>(&self, names: impl IntoIterator<Item = (O, N)>) -> Frame {
        let names: Vec<(String, String)> = names.into_iter().map(|(old, new)| (old.into(), new.into())).collect();
        let step = format!("rename({})", list(names.iter().map(|(old, new)| format!("{old} to {new}"))));
        self.step(step, |input| {
            let mut new_names: HashMap<&str, &str> = HashMap::new();
            for (old, new) in &names {
                exists(&input, old)?;
                if new_names.insert(old, new).is_some() {
                    return Err(Error::new(ErrorKind::Column, format!("column '{old}' is renamed twice"))
                        .help("give it one new name"));
                }
            }
            let columns = column_names(&input).map(|name| match new_names.get(name) {
                Some(new) => col(name).alias(*new),
                None => col(name),
            });
            LogicalPlan::project(input.clone(), columns.collect())
        })
    }
}

fn column_names(plan: &LogicalPlan) -> impl Iterator<Item = &str> {
    plan.schema().fields().iter().map(|field| field.name().as_str())
}

fn exists(plan: &LogicalPlan, name: &str) -> Result<()> {
    match column_names(plan).any(|n| n == name) {
        true => Ok(()),
        false => Err(Error::unknown_column(name, column_names(plan))),
    }
}

/// The columns of the input with these in their places or behind.
fn with(input: Arc<LogicalPlan>, exprs: Vec<Expr>) -> Result<LogicalPlan> {
    let mut columns: Vec<Expr> = column_names(&input).map(col).collect();
    let mut given = HashSet::new();
    for expr in exprs {
        let name = expr.name();
        if !given.insert(name.clone()) {
            return Err(Error::new(ErrorKind::Column, format!("two of the new columns are named '{name}'"))
                .help(format!("name one of them otherwise with .alias(\"{name}_2\")")));
        }
        match column_names(&input).position(|n| n == name) {
            Some(at) => columns[at] = expr,
            None => columns.push(expr),
        }
    }
    LogicalPlan::project(input, columns)
}
