//! The SELECT list: expressions, aliases, stars and what those leave out.

use sqlparser::ast::{
    ExcludeSelectItem, Expr as Ast, Ident, SelectItem, SelectItemQualifiedWildcardKind, WildcardAdditionalOptions,
};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Location;

use super::names::{Column, find, names, parts};
use super::source::Source;
use crate::error::Result;

/// An entry of the SELECT list.
pub(super) enum Item<'a> {
    /// The columns that a star stands for, less those that it excludes, and its place.
    Star(Vec<Column>, Location),
    /// An expression and its alias.
    Expr(&'a Ast, Option<&'a Ident>),
}

/// The alias of an entry, and what it stands for.
pub(super) fn aliased<'a>(item: &Item<'a>) -> Option<(&'a Ident, &'a Ast)> {
    match item {
        Item::Expr(ast, Some(alias)) => Some((*alias, *ast)),
        _ => None,
    }
}

/// An entry, its star spelled out.
pub(super) fn item<'a>(source: &Source, item: &'a SelectItem, columns: &[Column]) -> Result<Item<'a>> {
    match item {
        SelectItem::UnnamedExpr(expr) => Ok(Item::Expr(expr, None)),
        SelectItem::ExprWithAlias { expr, alias } => Ok(Item::Expr(expr, Some(alias))),
        SelectItem::ExprWithAliases { expr, aliases: _ } => {
            Err(source.unsupported(source.start(expr), "more than one alias"))
        }
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
            let place = source.place(name);
            let Some([table]) = parts(name).as_deref().map(<[&Ident; 1]>::try_from).and_then(Result::ok) else {
                return Err(source.unsupported(place, "more than one name before a star"));
            };
            let of_table = |column: &&Column| column.table.as_deref().is_some_and(|own| names(table, own));
            let own: Vec<Column> = columns.iter().filter(of_table).cloned().collect();
            if own.is_empty() {
                return Err(source.error(place, format!("there is no table named '{}' here", table.value)));
            }
            star(source, options, own, place)
        }
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => {
            Err(source.unsupported(source.start(expr), "a star behind an expression"))
        }
        SelectItem::Wildcard(options) => {
            let shown = columns.iter().filter(|column| column.shown).cloned().collect();
            star(source, options, shown, options.wildcard_token.0.span.start)
        }
    }
}

fn star<'a>(
    source: &Source,
    options: &WildcardAdditionalOptions,
    mut columns: Vec<Column>,
    place: Location,
) -> Result<Item<'a>> {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    source.refuse(opt_ilike.is_some(), Keyword::ILIKE, "* ILIKE")?;
    source.refuse(opt_except.is_some(), Keyword::EXCEPT, "* EXCEPT (write EXCLUDE)")?;
    source.refuse(opt_replace.is_some(), Keyword::REPLACE, "* REPLACE")?;
    source.refuse(opt_rename.is_some(), Keyword::RENAME, "* RENAME")?;
    source.refuse(opt_alias.is_some(), Keyword::AS, "an alias of *")?;
    if let Some(exclude) = opt_exclude {
        let excluded = match exclude {
            ExcludeSelectItem::Single(name) => std::slice::from_ref(name),
            ExcludeSelectItem::Multiple(names) => names,
        };
        for name in excluded {
            let (table, ident) = match parts(name).as_deref() {
                Some([name]) => (None, *name),
                Some([table, name]) => (Some(*table), *name),
                _ => return Err(source.unsupported(source.place(name), "this name")),
            };
            let Some(inner) = find(source, &columns, table, ident)?.map(|column| column.inner.clone()) else {
                let known = columns.iter().map(|column| column.name.as_str());
                let error = crate::error::Error::unknown_column(&ident.value, known);
                return Err(source.blame(error, ident.span.start));
            };
            columns.retain(|column| column.inner != inner);
        }
    }
    Ok(Item::Star(columns, place))
}
