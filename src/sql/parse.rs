//! SQL text to a [`Query`]: the clauses that we carry out. All others are refused here, at their place.
//!
//! The parser's structs are taken apart field by field and never with `..`: a clause that a later version of the
//! parser knows breaks the build, and so can't be dropped in silence.

use sqlparser::ast::{
    self, Expr, GroupByExpr, Ident, LimitClause, Offset, OrderBy, OrderByExpr, OrderByKind, OrderByOptions,
    OrderBySort, Select, SelectFlavor, SelectItem, SetExpr, Statement, TableFactor, TableWithJoins, Value,
    WildcardAdditionalOptions,
};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::dialect::PartitaDialect;
use super::source::{QUERIES, Source, sentence};
use crate::error::{Error, ErrorKind, Result};

/// How deep a query may nest. Each level takes some stack of the thread that asks.
pub(super) const MAX_DEPTH: usize = 50;

/// A query of the kind that we carry out.
pub(super) struct Query {
    /// What FROM names: a path or glob, and its place.
    pub(super) from: (String, Location),
    /// The SELECT list.
    pub(super) items: Vec<Item>,
    /// WHERE.
    pub(super) filter: Option<Expr>,
    /// GROUP BY.
    pub(super) group_by: Vec<Expr>,
    /// HAVING.
    pub(super) having: Option<Expr>,
    /// ORDER BY.
    pub(super) order_by: Vec<Order>,
    /// LIMIT.
    pub(super) limit: Option<usize>,
    /// OFFSET, 0 when there is none.
    pub(super) offset: usize,
}

/// An entry of the SELECT list.
pub(super) enum Item {
    /// `*`, and its place.
    Star(Location),
    /// An expression and its alias.
    Expr(Box<Expr>, Option<Ident>),
}

/// A key of ORDER BY.
pub(super) struct Order {
    pub(super) expr: Expr,
    pub(super) descending: bool,
    pub(super) nulls_first: bool,
}

/// Parses a query.
///
/// # Errors
/// [`ErrorKind::Sql`] at the place of what does not parse or is not supported.
pub(super) fn parse(source: &Source) -> Result<Query> {
    let mut parser = Parser::new(&PartitaDialect)
        .with_recursion_limit(MAX_DEPTH)
        .with_tokens_with_locations(small_function_names(source.tokens()));
    let mut statements = match parser.parse_statements() {
        Ok(statements) => statements.into_iter(),
        Err(error) => return Err(syntax_error(source, error)),
    };
    let refuse = Refuse { source };
    match (statements.next(), statements.next()) {
        (Some(Statement::Query(query)), None) => refuse.query(*query),
        (Some(_), None) => Err(refuse.at_start("a statement other than SELECT")),
        (None, _) => Err(Error::new(ErrorKind::Sql, "the query is empty").help(QUERIES)),
        (_, Some(_)) => {
            let semicolon = source.tokens().iter().position(|token| token.token == Token::SemiColon);
            let second = semicolon.and_then(|i| source.tokens().get(i + 1));
            let place = second.map_or(Location::new(1, 1), |token| token.span.start);
            Err(source.error(place, "there is more than one statement").help("run them one at a time"))
        }
    }
}

/// Writes the names of functions small, so that a column without an alias is `avg(q)` however AVG was written.
fn small_function_names(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut tokens = tokens.to_vec();
    for i in 1..tokens.len() {
        if tokens[i].token == Token::LParen
            && let Token::Word(word) = &mut tokens[i - 1].token
            && word.quote_style.is_none()
        {
            word.value = word.value.to_lowercase();
        }
    }
    tokens
}

/// The parser's error in our form. It tells the place only within its text: `…, found: FROM at Line: 1, Column: 8`.
fn syntax_error(source: &Source, error: ParserError) -> Error {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        ParserError::RecursionLimitExceeded => {
            let place = deepest(source.tokens());
            return source
                .error(place, "the query nests too deeply")
                .help("write it with fewer parentheses within parentheses");
        }
    };
    let (message, place) = match text.rsplit_once(" at Line: ") {
        Some((message, place)) => (message, read_place(place)),
        None => (text.as_str(), None),
    };
    source.error(place.unwrap_or(source.end()), sentence(message))
}

fn read_place(text: &str) -> Option<Location> {
    let (line, column) = text.split_once(", Column: ")?;
    Some(Location::new(line.parse().ok()?, column.trim().parse().ok()?))
}

/// Where most parentheses are open.
fn deepest(tokens: &[TokenWithSpan]) -> Location {
    let (mut depth, mut most, mut place) = (0, 0, Location::new(1, 1));
    for token in tokens {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        if depth > most {
            (most, place) = (depth, token.span.start);
        }
    }
    place
}

/// Takes the parser's tree apart, and refuses what we do not carry out.
struct Refuse<'a> {
    source: &'a Source<'a>,
}

impl Refuse<'_> {
    fn at_start(&self, what: &str) -> Error {
        self.source.unsupported(Location::new(1, 1), what)
    }

    /// Refuses a clause that is there, at its keyword.
    fn refuse(&self, is_there: bool, keyword: Keyword, what: &str) -> Result<()> {
        if is_there { Err(self.source.unsupported(self.source.keyword(keyword), what)) } else { Ok(()) }
    }

    fn query(&self, query: ast::Query) -> Result<Query> {
        let ast::Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        self.refuse(with.is_some(), Keyword::WITH, "WITH")?;
        self.refuse(fetch.is_some(), Keyword::FETCH, "FETCH (write LIMIT)")?;
        self.refuse(!locks.is_empty() || for_clause.is_some(), Keyword::FOR, "FOR")?;
        self.refuse(settings.is_some(), Keyword::SETTINGS, "SETTINGS")?;
        self.refuse(format_clause.is_some(), Keyword::FORMAT, "FORMAT")?;
        if !pipe_operators.is_empty() {
            return Err(self.at_start("a pipe operator"));
        }
        let mut query = match *body {
            SetExpr::Select(select) => self.select(*select)?,
            SetExpr::SetOperation { left: _, op, set_quantifier: _, right: _ } => {
                let keyword = match op {
                    ast::SetOperator::Union => Keyword::UNION,
                    ast::SetOperator::Except => Keyword::EXCEPT,
                    ast::SetOperator::Intersect => Keyword::INTERSECT,
                    ast::SetOperator::Minus => Keyword::MINUS,
                };
                return Err(self.source.unsupported(self.source.keyword(keyword), &op.to_string()));
            }
            SetExpr::Query(_) => return Err(self.at_start("a query in parentheses")),
            SetExpr::Values(_) => return Err(self.at_start("VALUES")),
            SetExpr::Table(_) => return Err(self.at_start("TABLE")),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                return Err(self.at_start("a statement other than SELECT"));
            }
        };
        if let Some(order_by) = order_by {
            query.order_by = self.order_by(order_by)?;
        }
        if let Some(clause) = limit_clause {
            (query.limit, query.offset) = self.limit(clause)?;
        }
        Ok(query)
    }

    fn select(&self, select: Select) -> Result<Query> {
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
            from,
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
        // `SELECT ALL` is what SELECT alone says.
        let distinct = distinct.is_some_and(|distinct| !matches!(distinct, ast::Distinct::All));
        self.refuse(distinct, Keyword::DISTINCT, "DISTINCT")?;
        self.refuse(select_modifiers.is_some(), Keyword::SELECT, "a modifier of SELECT")?;
        self.refuse(top.is_some(), Keyword::TOP, "TOP (write LIMIT)")?;
        self.refuse(exclude.is_some(), Keyword::EXCLUDE, "EXCLUDE")?;
        self.refuse(into.is_some(), Keyword::INTO, "INTO")?;
        self.refuse(!lateral_views.is_empty(), Keyword::LATERAL, "LATERAL VIEW")?;
        self.refuse(prewhere.is_some(), Keyword::PREWHERE, "PREWHERE")?;
        self.refuse(!connect_by.is_empty(), Keyword::CONNECT, "CONNECT BY")?;
        self.refuse(!cluster_by.is_empty(), Keyword::CLUSTER, "CLUSTER BY")?;
        self.refuse(!distribute_by.is_empty(), Keyword::DISTRIBUTE, "DISTRIBUTE BY")?;
        self.refuse(!sort_by.is_empty(), Keyword::SORT, "SORT BY (write ORDER BY)")?;
        self.refuse(!named_window.is_empty(), Keyword::WINDOW, "WINDOW")?;
        self.refuse(qualify.is_some(), Keyword::QUALIFY, "QUALIFY")?;
        self.refuse(value_table_mode.is_some(), Keyword::AS, "SELECT AS")?;
        let from = self.from(from)?;
        let items = match flavor {
            // `FROM 'path'` alone.
            SelectFlavor::FromFirstNoSelect => vec![Item::Star(self.source.keyword(Keyword::FROM))],
            SelectFlavor::Standard | SelectFlavor::FromFirst => {
                projection.into_iter().map(|item| self.item(item)).collect::<Result<_>>()?
            }
        };
        Ok(Query {
            from,
            items,
            filter: selection,
            group_by: self.group_by(group_by)?,
            having,
            order_by: Vec::new(),
            limit: None,
            offset: 0,
        })
    }

    fn item(&self, item: SelectItem) -> Result<Item> {
        match item {
            SelectItem::UnnamedExpr(expr) => Ok(Item::Expr(Box::new(expr), None)),
            SelectItem::ExprWithAlias { expr, alias } => Ok(Item::Expr(Box::new(expr), Some(alias))),
            SelectItem::ExprWithAliases { expr, aliases: _ } => {
                Err(self.source.unsupported(self.source.start(&expr), "more than one alias"))
            }
            SelectItem::QualifiedWildcard(_, _) => {
                Err(self.source.unsupported(self.source.place(&item), "a star with a name before it (write *)"))
            }
            SelectItem::Wildcard(options) => {
                let WildcardAdditionalOptions {
                    wildcard_token,
                    opt_ilike,
                    opt_exclude,
                    opt_except,
                    opt_replace,
                    opt_rename,
                    opt_alias,
                } = options;
                self.refuse(opt_ilike.is_some(), Keyword::ILIKE, "* ILIKE")?;
                self.refuse(opt_exclude.is_some(), Keyword::EXCLUDE, "* EXCLUDE")?;
                self.refuse(opt_except.is_some(), Keyword::EXCEPT, "* EXCEPT")?;
                self.refuse(opt_replace.is_some(), Keyword::REPLACE, "* REPLACE")?;
                self.refuse(opt_rename.is_some(), Keyword::RENAME, "* RENAME")?;
                self.refuse(opt_alias.is_some(), Keyword::AS, "an alias of *")?;
                Ok(Item::Star(wildcard_token.0.span.start))
            }
        }
    }

    fn from(&self, from: Vec<TableWithJoins>) -> Result<(String, Location)> {
        let quoted = "write the path or glob of the files in quotes: FROM 'data/*.csv'";
        // The parser does not record where a quoted name stands.
        let place = self.source.after(Keyword::FROM);
        let mut tables = from.into_iter();
        let Some(TableWithJoins { relation, joins }) = tables.next() else {
            return Err(self.source.error(self.source.end(), "the query has no FROM").help(quoted));
        };
        if tables.next().is_some() {
            let comma = self.source.sign(&Token::Comma, self.source.keyword(Keyword::FROM));
            return Err(self.source.unsupported(comma, "more than one table"));
        }
        self.refuse(!joins.is_empty(), Keyword::JOIN, "JOIN")?;
        let TableFactor::Table {
            name,
            alias,
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } = relation
        else {
            let what = match relation {
                TableFactor::Derived { .. } => "a subquery",
                TableFactor::NestedJoin { .. } => "JOIN",
                _ => "this kind of table",
            };
            return Err(self.source.unsupported(place, &format!("{what} in FROM")));
        };
        if args.is_some() {
            return Err(self.source.unsupported(place, "a function in FROM").help(quoted));
        }
        if let Some(alias) = alias {
            return Err(self.source.unsupported(alias.name.span.start, "an alias of the table"));
        }
        self.refuse(sample.is_some(), Keyword::TABLESAMPLE, "TABLESAMPLE")?;
        if !with_hints.is_empty()
            || version.is_some()
            || with_ordinality
            || !partitions.is_empty()
            || json_path.is_some()
            || !index_hints.is_empty()
        {
            return Err(self.source.unsupported(place, "what follows the table's name"));
        }
        match name.0.as_slice() {
            [ast::ObjectNamePart::Identifier(path)] if path.quote_style.is_some() => Ok((path.value.clone(), place)),
            _ => Err(self.source.error(place, format!("there is no table named {name}")).help(quoted)),
        }
    }

    fn group_by(&self, group_by: GroupByExpr) -> Result<Vec<Expr>> {
        let (exprs, modifiers) = match group_by {
            GroupByExpr::All(_) => return self.refuse(true, Keyword::ALL, "GROUP BY ALL").map(|()| Vec::new()),
            GroupByExpr::Expressions(exprs, modifiers) => (exprs, modifiers),
        };
        self.refuse(!modifiers.is_empty(), Keyword::WITH, "WITH after GROUP BY")?;
        Ok(exprs)
    }

    fn order_by(&self, order_by: OrderBy) -> Result<Vec<Order>> {
        let OrderBy { kind, interpolate } = order_by;
        self.refuse(interpolate.is_some(), Keyword::INTERPOLATE, "INTERPOLATE")?;
        let keys = match kind {
            OrderByKind::All(_) => return self.refuse(true, Keyword::ALL, "ORDER BY ALL").map(|()| Vec::new()),
            OrderByKind::Expressions(keys) => keys,
        };
        let read = |key: OrderByExpr| {
            let OrderByExpr { expr, options: OrderByOptions { sort, nulls_first }, with_fill } = key;
            self.refuse(with_fill.is_some(), Keyword::FILL, "WITH FILL")?;
            let descending = match sort {
                None | Some(OrderBySort::Asc) => false,
                Some(OrderBySort::Desc) => true,
                Some(OrderBySort::Using(_)) => {
                    return Err(self.source.unsupported(self.source.keyword(Keyword::USING), "ORDER BY … USING"));
                }
            };
            Ok(Order { expr, descending, nulls_first: nulls_first.unwrap_or(false) })
        };
        keys.into_iter().map(read).collect()
    }

    fn limit(&self, clause: LimitClause) -> Result<(Option<usize>, usize)> {
        let (limit, offset) = match clause {
            LimitClause::LimitOffset { limit, offset, limit_by } => {
                self.refuse(!limit_by.is_empty(), Keyword::LIMIT, "LIMIT … BY")?;
                (limit, offset.map(|Offset { value, rows: _ }| value))
            }
            LimitClause::OffsetCommaLimit { offset, limit } => (Some(limit), Some(offset)),
        };
        let limit = limit.map(|limit| self.row_count(&limit, Keyword::LIMIT)).transpose()?;
        let offset = offset.map_or(Ok(0), |offset| self.row_count(&offset, Keyword::OFFSET))?;
        Ok((limit, offset))
    }

    fn row_count(&self, expr: &Expr, keyword: Keyword) -> Result<usize> {
        if let Expr::Value(value) = expr
            && let Value::Number(digits, _) = &value.value
            && let Ok(rows) = digits.parse()
        {
            return Ok(rows);
        }
        Err(self
            .source
            .error(self.source.after(keyword), format!("{keyword:?} takes a whole number of rows, such as 10")))
    }
}
