//! The text of a query and its tokens: what errors point into.

use sqlparser::ast::{Expr as Ast, Spanned};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::dialect::PartitaDialect;
use crate::error::{Error, ErrorKind, Result};

/// What an error about a clause or a statement says is possible.
pub(super) const QUERIES: &str = "a query is SELECT … FROM 'path or glob', \
    then any of JOIN, WHERE, GROUP BY, HAVING, UNION, ORDER BY, LIMIT and OFFSET";

/// The characters of a long line that an error shows to the left and right of the place.
const MARGIN: usize = 50;

/// The most tokens (words, literals, signs) of a query. It bounds the depth of the syntax tree, which is walked and
/// dropped by recursion.
const MAX_TOKENS: usize = 10_000;

/// A query's text, cut into tokens.
pub(super) struct Source<'a> {
    text: &'a str,
    /// Without white space and comments.
    tokens: Vec<TokenWithSpan>,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Result<Source<'a>> {
        let mut source = Source { text, tokens: Vec::new() };
        source.tokens = Tokenizer::new(&PartitaDialect, text).tokenize_with_location().map_err(|error| {
            let is_open = error.message.starts_with("Unterminated");
            let error = source.error(error.location, sentence(&error.message));
            if is_open { error.help("a quote is missing, here or before") } else { error }
        })?;
        source.tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
        if let Some(token) = source.tokens.get(MAX_TOKENS) {
            let message = format!("the query is longer than {MAX_TOKENS} words and signs");
            return Err(source.error(token.span.start, message));
        }
        Ok(source)
    }

    pub(super) fn tokens(&self) -> &[TokenWithSpan] {
        &self.tokens
    }

    /// An error of the query at this place.
    pub(super) fn error(&self, place: Location, message: impl Into<String>) -> Error {
        self.blame(Error::new(ErrorKind::Sql, message), place)
    }

    /// Points an error at a place of the query.
    pub(super) fn blame(&self, error: Error, place: Location) -> Error {
        error.in_step(self.excerpt(place))
    }

    /// An error that names what is not supported.
    pub(super) fn unsupported(&self, place: Location, what: &str) -> Error {
        self.error(place, format!("{what} is not supported yet")).help(QUERIES)
    }

    /// Refuses a clause that is there, at its keyword.
    pub(super) fn refuse(&self, is_there: bool, keyword: Keyword, what: &str) -> Result<()> {
        if is_there { Err(self.unsupported(self.keyword(keyword), what)) } else { Ok(()) }
    }

    /// Where a token stands, by its number; where there is none, where the query begins.
    pub(super) fn place_of(&self, token: usize) -> Location {
        self.tokens.get(token).map_or(Location::new(1, 1), |token| token.span.start)
    }

    /// Where an expression begins; where that is not recorded, where the query begins.
    pub(super) fn start(&self, ast: &Ast) -> Location {
        self.place(first_operand(ast))
    }

    /// Where a small part of the syntax tree begins; where that is not recorded, where the query begins.
    pub(super) fn place(&self, node: &impl Spanned) -> Location {
        let start = node.span().start;
        if start.line > 0 { start } else { Location::new(1, 1) }
    }

    /// Where this keyword first stands in the query; where it doesn't, where the query begins.
    pub(super) fn keyword(&self, keyword: Keyword) -> Location {
        let is_keyword = |token: &&TokenWithSpan| matches!(&token.token, Token::Word(word) if word.keyword == keyword);
        self.tokens.iter().find(is_keyword).map_or(Location::new(1, 1), |token| token.span.start)
    }

    /// Where the token after this keyword stands.
    pub(super) fn after(&self, keyword: Keyword) -> Location {
        let place = self.keyword(keyword);
        let next = self.tokens.iter().find(|token| token.span.start > place);
        next.map_or_else(|| self.end(), |token| token.span.start)
    }

    /// Just after the last character.
    pub(super) fn end(&self) -> Location {
        match self.tokens.last() {
            Some(token) => token.span.end,
            None => Location::new(1, 1),
        }
    }

    /// The line of the place and a caret under it.
    fn excerpt(&self, place: Location) -> String {
        let column = place.column.saturating_sub(1) as usize;
        let line = self.text.split('\n').nth(place.line.saturating_sub(1) as usize).unwrap_or_default();
        // Tabs and other control characters would move what stands above the caret.
        let line: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let start = column.saturating_sub(MARGIN);
        let end = line.len().min(column + MARGIN);
        let mut shown = String::new();
        let mut caret = column - start;
        if start > 0 {
            shown.push('…');
            caret += 1;
        }
        shown.extend(line.get(start..end).unwrap_or_default());
        if end < line.len() {
            shown.push('…');
        }
        let shown = shown.trim_end();
        format!("line {}, column {} of the query:\n    {shown}\n    {:caret$}^", place.line, place.column, "")
    }
}

/// The pieces between semicolons that hold more than white space and comments.
pub(super) fn statements(text: &str) -> Vec<&str> {
    let Ok(tokens) = Tokenizer::new(&PartitaDialect, text).tokenize_with_location() else { return vec![text] };
    let starts: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let offset = |place: Location| {
        let start = starts.get(place.line.saturating_sub(1) as usize).copied().unwrap_or(text.len());
        let line = &text[start..];
        let column = place.column.saturating_sub(1) as usize;
        start + line.char_indices().nth(column).map_or(line.len(), |(at, _)| at)
    };
    let (mut pieces, mut start, mut holds) = (vec![], 0, false);
    for token in &tokens {
        match token.token {
            Token::SemiColon => {
                let end = offset(token.span.start);
                pieces.extend(holds.then(|| text[start..end].trim()));
                (start, holds) = (end + 1, false);
            }
            Token::Whitespace(_) | Token::EOF => {}
            _ => holds = true,
        }
    }
    pieces.extend(holds.then(|| text[start..].trim()));
    pieces
}

/// The operand at the left end. The parser's own `span` asks every operand, by recursion, which a long chain of operators
/// would take too deep.
fn first_operand(mut ast: &Ast) -> &Ast {
    loop {
        ast = match ast {
            Ast::BinaryOp { left: first, .. }
            | Ast::Nested(first)
            | Ast::UnaryOp { expr: first, .. }
            | Ast::IsNull(first)
            | Ast::IsNotNull(first)
            | Ast::IsUnknown(first)
            | Ast::IsNotUnknown(first)
            | Ast::IsTrue(first)
            | Ast::IsNotTrue(first)
            | Ast::IsFalse(first)
            | Ast::IsNotFalse(first)
            | Ast::Between { expr: first, .. }
            | Ast::InList { expr: first, .. }
            | Ast::Like { expr: first, .. }
            | Ast::ILike { expr: first, .. }
            | Ast::IsDistinctFrom(first, _)
            | Ast::IsNotDistinctFrom(first, _)
            | Ast::InSubquery { expr: first, .. }
            | Ast::Cast { expr: first, .. } => first,
            _ => return ast,
        }
    }
}

/// The parser's message in our manner.
pub(super) fn sentence(message: &str) -> String {
    let message = message.replace("found: EOF", "found the end of the query").replace("xpected: ", "xpected ");
    let message = message.replace("found: ", "found ");
    let mut chars = message.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => "the query does not parse".to_owned(),
    }
}
