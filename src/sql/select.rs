//! SELECT: its clauses in the order in which SQL carries them out.

use sqlparser::ast::{BinaryOperator, Distinct, Expr as Ast, GroupByExpr, Select, SelectFlavor};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Location;

use super::aggregates::{Key, named};
use super::clauses::{Limit, Order, order_options, position};
use super::correlated;
use super::from::from;
use super::list::{Item, aliased, item};
use super::names::{Env, Relation, find, names};
use super::query::sort_key;
use super::source::Source;
use super::translate::{Context, Scope, join};
use super::walk::{common_parts, has_aggregate, has_window, operands};
use crate::error::Result;
use crate::expr::{Expr, Literal, Node, SortKey, col, is_same};
use crate::frame::{Frame, Keep};

/// A column of the result.
struct Output {
    name: String,
    expr: Expr,
    place: Location,
}

/// Whether a step is right; one that is wrong is blamed on its place in the text.
pub(super) fn check(source: &Source, place: Location, step: &Frame) -> Result<()> {
    step.schema().map(drop).map_err(|error| source.blame(error, place))
}

/// The rows of a SELECT, sorted and cut.
pub(super) fn select<'a>(env: &'a Env<'a>, select: &'a Select, order: &Order<'a>, limit: Limit) -> Result<Relation> {
    let source = env.source;
    let Select {
        select_token: _,
        optimizer_hints: _,
        distinct,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection,
        exclude,
        into,
        from: tables,
        lateral_views,
        prewhere,
        selection,
        connect_by,
        group_by,
        cluster_by,
        distribute_by,
        sort_by,
        having,
        named_window,
        qualify,
        window_before_qualify: _,
        value_table_mode,
        flavor,
    } = select;
    source.refuse(select_modifiers.is_some(), Keyword::SELECT, "a modifier of SELECT")?;
    source.refuse(top.is_some(), Keyword::TOP, "TOP (write LIMIT)")?;
    source.refuse(exclude.is_some(), Keyword::EXCLUDE, "EXCLUDE behind the SELECT list (write * EXCLUDE)")?;
    source.refuse(into.is_some(), Keyword::INTO, "INTO")?;
    source.refuse(!lateral_views.is_empty(), Keyword::LATERAL, "LATERAL VIEW")?;
    source.refuse(prewhere.is_some(), Keyword::PREWHERE, "PREWHERE")?;
    source.refuse(!connect_by.is_empty(), Keyword::CONNECT, "CONNECT BY")?;
    source.refuse(!cluster_by.is_empty(), Keyword::CLUSTER, "CLUSTER BY")?;
    source.refuse(!distribute_by.is_empty(), Keyword::DISTRIBUTE, "DISTRIBUTE BY")?;
    source.refuse(!sort_by.is_empty(), Keyword::SORT, "SORT BY (write ORDER BY)")?;
    source.refuse(value_table_mode.is_some(), Keyword::AS, "SELECT AS")?;
    let mut wheres = selection.as_ref().map_or(vec![], |ast| operands(ast, &BinaryOperator::And));
    // By these too tables may be joined.
    let common: Vec<&Ast> = wheres.iter().flat_map(|part| common_parts(part)).collect();
    wheres.extend(common);
    let Relation { mut frame, columns } = from(env, tables, &mut wheres)?;
    let star_first = matches!(flavor, SelectFlavor::FromFirstNoSelect);
    let items = match star_first {
        // `FROM 'path'` alone.
        true => vec![Item::Star(columns.clone(), source.keyword(Keyword::FROM))],
        false => projection.iter().map(|entry| item(source, entry, &columns)).collect::<Result<_>>()?,
    };
    let mut scope = Scope::new(env, columns);
    scope.named_windows = named_window;
    scope.aliases = items.iter().filter_map(aliased).collect();
    let tied = correlated::take(env, select, &scope.columns, &mut wheres);
    let mut planner = Planner { source, items, scope };
    // Subqueries are looked up for the rows alone that pass the other conditions.
    let (plain, others) = correlated::plain_first(wheres);
    for parts in [plain, others].iter().filter(|parts| !parts.is_empty()) {
        frame = planner.filter(frame, parts, Context::rows("WHERE"))?;
    }
    let clauses = Clauses {
        distinct: distinct.as_ref(),
        group_by,
        having: having.as_ref(),
        qualify: qualify.as_ref(),
        order,
        limit,
        tied,
    };
    planner.plan(frame, &clauses)
}

/// What follows WHERE.
struct Clauses<'a, 'o> {
    distinct: Option<&'a Distinct>,
    group_by: &'a GroupByExpr,
    having: Option<&'a Ast>,
    qualify: Option<&'a Ast>,
    order: &'o Order<'a>,
    limit: Limit,
    /// Conditions of a subquery's WHERE that tie it to the query around it.
    tied: Vec<&'a Ast>,
}

struct Planner<'a> {
    source: &'a Source<'a>,
    items: Vec<Item<'a>>,
    scope: Scope<'a>,
}

impl<'a> Planner<'a> {
    /// All that follows WHERE. Sorting comes before the SELECT list, so that it sees all columns.
    fn plan(&mut self, mut frame: Frame, clauses: &Clauses<'a, '_>) -> Result<Relation> {
        let Clauses { distinct, group_by, having, qualify, order, limit, ref tied } = *clauses;
        let keys = self.keys(group_by)?;
        let order_has_aggregate = match order {
            Order::Keys(keys) => keys.iter().any(|key| has_aggregate(&key.expr)),
            Order::All { .. } => false,
        };
        let grouped = !keys.is_empty()
            || having.is_some()
            || order_has_aggregate
            || qualify.is_some_and(has_aggregate)
            || self.items.iter().any(|item| matches!(item, Item::Expr(ast, _) if has_aggregate(ast)));
        for ast in keys {
            let key = self.key(&mut frame, ast)?;
            if !self.scope.keys.iter().any(|known| is_same(&known.expr, &key.expr)) {
                self.scope.keys.push(key);
            }
        }
        let (mut tie, given) = match tied.is_empty() {
            true => (None, vec![]),
            false => {
                let is_plain = self.scope.keys.is_empty()
                    && having.is_none()
                    && qualify.is_none()
                    && limit.limit.is_none()
                    && limit.offset == 0;
                if !is_plain || matches!(distinct, Some(Distinct::On(_))) {
                    let what = "GROUP BY, HAVING, LIMIT and the like in a subquery that is tied to the query around it";
                    return Err(self.source.unsupported(self.source.start(tied[0]), what));
                }
                let (tie, given) = correlated::untie(&mut self.scope, tied, grouped)?;
                (Some(tie), given)
            }
        };
        let mut outputs = self.outputs(grouped)?;
        if let Some(tie) = &tie {
            outputs.extend(given.into_iter().map(|(name, expr)| Output { name, expr, place: tie.place }));
        }
        let in_having = Context::groups("HAVING", true).with_aliases();
        if let Some(condition) = having {
            // Once for the aggregates in it, which are computed before the groups can be filtered.
            let _ = self.scope.expr(condition, in_having)?;
            self.scope.attached[1].clear();
        }
        let in_qualify = Context::groups("QUALIFY", grouped).with_aliases().with_windows();
        let qualify = match qualify {
            Some(ast) => Some((self.scope.expr(ast, in_qualify)?, self.source.start(ast))),
            None => None,
        };
        let on = match distinct {
            Some(Distinct::On(list)) => list
                .iter()
                .map(|ast| self.scope.expr(ast, Context::groups("DISTINCT ON", grouped).with_aliases()))
                .collect::<Result<_>>()?,
            _ => vec![],
        };
        let order = self.orders(order, &outputs, grouped)?;
        frame = self.scope.with_attached(frame, false)?;
        if let Some(tie) = tie.as_mut().filter(|_| grouped) {
            tie.of_nothing = Some(self.scope.over_nothing(&frame, &outputs[0].expr)?);
        }
        if grouped {
            frame = self.scope.grouped(&frame)?;
        }
        if let Some(condition) = having {
            let attached = std::mem::take(&mut self.scope.attached[1]);
            frame = self.filter(frame, &operands(condition, &BinaryOperator::And), in_having)?;
            self.scope.attached[1] = attached;
        }
        frame = self.scope.with_attached(frame, true)?;
        frame = self.scope.with_windows(frame)?;
        if let Some((condition, place)) = qualify {
            frame = frame.filter(condition);
            check(self.source, place, &frame)?;
        }
        for output in &outputs {
            check(self.source, output.place, &frame.select([output.expr.clone()]))?;
        }
        for (key, place) in &order {
            check(self.source, *place, &frame.sort([key.clone()]))?;
        }
        if tie.is_some() && !self.scope.windows.is_empty() {
            let what = "a window in a subquery that is tied to the query around it";
            return Err(self.source.unsupported(outputs[0].place, what));
        }
        *self.scope.env.tie.borrow_mut() = tie;
        let whole = matches!(distinct, Some(Distinct::Distinct));
        if whole {
            return self.distinct(frame, &outputs, order, limit);
        }
        if !order.is_empty() {
            frame = frame.sort(order.into_iter().map(|(key, _)| key));
        }
        if !on.is_empty() {
            let names: Vec<String> = on.iter().map(|_| self.scope.env.hidden("distinct")).collect();
            frame = frame.with_columns(on.into_iter().zip(&names).map(|(expr, name)| expr.alias(name.as_str())));
            frame = frame.drop_duplicates(names, Keep::First);
        }
        let frame = projected(sliced(frame, limit), &outputs)?;
        self.relation(frame, &outputs)
    }

    fn relation(&self, frame: Frame, outputs: &[Output]) -> Result<Relation> {
        let mut rows = Relation::new(frame, None)?;
        for (column, output) in rows.columns.iter_mut().zip(outputs) {
            column.untyped = matches!(output.expr.node(), Node::Literal(Literal::Null));
        }
        Ok(rows)
    }

    /// The rows of SELECT DISTINCT, in order of columns that come out.
    fn distinct(
        &self,
        frame: Frame,
        outputs: &[Output],
        order: Vec<(SortKey, Location)>,
        limit: Limit,
    ) -> Result<Relation> {
        let mut keys = vec![];
        for (key, place) in order {
            let Some(output) = outputs.iter().find(|output| is_same(&output.expr, &key.expr)) else {
                let error = self.source.error(place, "SELECT DISTINCT is sorted by what it does not select");
                return Err(error.help("add the expression to the SELECT list"));
            };
            keys.push(SortKey { expr: col(&output.name), ..key });
        }
        let mut frame = projected(frame, outputs)?.distinct();
        if !keys.is_empty() {
            frame = frame.sort(keys);
        }
        self.relation(sliced(frame, limit), outputs)
    }

    /// Keeps the rows where all conditions hold; each is checked, to blame the one that is wrong.
    fn filter(&mut self, mut frame: Frame, parts: &[&'a Ast], context: Context) -> Result<Frame> {
        let mut conditions = vec![];
        for part in parts {
            let expr = self.scope.expr(part, context)?;
            frame = self.scope.with_attached(frame, context.grouped)?;
            check(self.source, self.source.start(part), &frame.filter(expr.clone()))?;
            conditions.push(expr);
        }
        Ok(frame.filter(join(&conditions, Expr::and)))
    }

    /// What GROUP BY lists; of ALL, the entries of the SELECT list without aggregates.
    fn keys(&self, group_by: &'a GroupByExpr) -> Result<Vec<&'a Ast>> {
        let (keys, modifiers) = match group_by {
            GroupByExpr::All(modifiers) => {
                let key = |item: &Item<'a>| match item {
                    Item::Expr(ast, _) if has_aggregate(ast) || has_window(ast) => None,
                    Item::Expr(ast, _) => Some(Ok(*ast)),
                    Item::Star(_, place) => Some(Err(*place)),
                };
                let keys = self.items.iter().filter_map(key).collect::<Result<Vec<_>, Location>>();
                let keys = keys.map_err(|place| self.source.unsupported(place, "GROUP BY ALL with a star"))?;
                (keys, modifiers)
            }
            GroupByExpr::Expressions(keys, modifiers) => (keys.iter().collect(), modifiers),
        };
        self.source.refuse(!modifiers.is_empty(), Keyword::WITH, "WITH after GROUP BY")?;
        Ok(keys)
    }

    /// An entry of GROUP BY: a position, a column, an alias or an expression.
    fn key(&mut self, frame: &mut Frame, ast: &'a Ast) -> Result<Key> {
        let place = self.source.start(ast);
        let items = &self.items;
        let ast = match position(self.source, ast, "GROUP BY", items.len())? {
            None => ast,
            // A star moves the positions behind it: refused rather than guessed.
            Some(index) => match items[index] {
                Item::Expr(ast, _) if !items[..index].iter().any(|item| matches!(item, Item::Star(..))) => ast,
                _ => {
                    let error = self.source.error(place, "GROUP BY can't count positions past a star");
                    return Err(error.help("name the column"));
                }
            },
        };
        let expr = self.scope.expr(ast, Context::rows("GROUP BY").with_aliases())?;
        *frame = self.scope.with_attached(frame.clone(), false)?;
        check(self.source, place, &frame.select([expr.clone()]))?;
        let is_column = matches!(expr.node(), Node::Column(_));
        let name = self.scope.free_name(if is_column { expr.name() } else { self.scope.title(ast) });
        Ok(Key { expr, name })
    }

    /// The SELECT list, its stars spelled out.
    fn outputs(&mut self, grouped: bool) -> Result<Vec<Output>> {
        let context = Context::groups("SELECT", grouped).with_windows();
        let mut outputs: Vec<Output> = Vec::new();
        for at in 0..self.items.len() {
            match &self.items[at] {
                Item::Star(columns, place) => {
                    let place = *place;
                    for column in columns.clone() {
                        let expr = self.scope.column(&column, place, context)?;
                        // Two tables may each have a column of that name.
                        let (mut name, mut n) = (column.name.clone(), 0);
                        while outputs.iter().any(|output| output.name == name) {
                            n += 1;
                            name = format!("{}_{n}", column.name);
                        }
                        outputs.push(Output { name, expr, place });
                    }
                }
                &Item::Expr(ast, alias) => {
                    let place = self.source.start(ast);
                    let expr = self.scope.expr(ast, context)?;
                    let found = match ast {
                        Ast::Identifier(ident) => find(self.source, &self.scope.columns, None, ident)?,
                        Ast::CompoundIdentifier(parts) => match parts.as_slice() {
                            [table, name] => find(self.source, &self.scope.columns, Some(table), name)?,
                            _ => None,
                        },
                        _ => None,
                    };
                    let name = match (alias, found) {
                        (Some(alias), _) => alias.value.clone(),
                        // The column's own name, however its capitals were written.
                        (None, Some(column)) => column.name.clone(),
                        (None, None) => ast.to_string(),
                    };
                    if outputs.iter().any(|old| old.name == name) {
                        let message = format!("two columns of the result are named '{name}'");
                        let error = self.source.error(place, message);
                        return Err(error.help("give one of them another name with AS"));
                    }
                    outputs.push(Output { name, expr, place });
                }
            }
        }
        Ok(outputs)
    }

    /// The keys of ORDER BY: positions, names of the result, or expressions over columns and aliases.
    fn orders(&mut self, order: &Order<'a>, outputs: &[Output], grouped: bool) -> Result<Vec<(SortKey, Location)>> {
        let keys = match order {
            Order::All { descending, nulls_first } => {
                let key = |output: &Output| (sort_key(output.expr.clone(), *descending, *nulls_first), output.place);
                return Ok(outputs.iter().map(key).collect());
            }
            Order::Keys(keys) => keys,
        };
        let mut sort_keys = vec![];
        for key in keys {
            let (ast, descending, nulls_first) = order_options(self.source, key)?;
            let place = self.source.start(ast);
            let output = match ast {
                Ast::Identifier(ident) => outputs
                    .iter()
                    .find(|output| output.name == ident.value)
                    .or_else(|| outputs.iter().find(|output| names(ident, &output.name))),
                _ => None,
            };
            let expr = match (output, position(self.source, ast, "ORDER BY", outputs.len())?) {
                (Some(output), _) => output.expr.clone(),
                (None, Some(index)) => outputs[index].expr.clone(),
                (None, None) => {
                    let context = Context::groups("ORDER BY", grouped).with_aliases().with_windows();
                    self.scope.expr(ast, context)?
                }
            };
            sort_keys.push((sort_key(expr, descending, nulls_first), place));
        }
        Ok(sort_keys)
    }
}

fn sliced(frame: Frame, limit: Limit) -> Frame {
    match limit {
        Limit { limit: None, offset: 0 } => frame,
        Limit { limit, offset } => frame.slice(offset, limit),
    }
}

/// The columns of the result alone.
fn projected(frame: Frame, outputs: &[Output]) -> Result<Frame> {
    let schema = frame.schema()?;
    let columns = schema.fields().iter().map(|field| (field.name(), col(field.name())));
    let is_output =
        |((name, column), output): ((&String, Expr), &Output)| *name == output.name && is_same(&column, &output.expr);
    if outputs.len() == columns.len() && columns.zip(outputs).all(is_output) {
        return Ok(frame);
    }
    Ok(frame.select(outputs.iter().map(|output| named(output.expr.clone(), &output.name)).collect::<Vec<_>>()))
}
