//! The part of `OData`'s `$filter` that directory lists are asked with.

use serde_json::{Map, Value};

use super::reply::Reply;

/// A parsed filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    Compare { property: String, op: Compare, value: Value },
    In { property: String, values: Vec<Value> },
    Not(Box<Filter>),
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    NotEqual,
    StartsWith,
    EndsWith,
}

impl Filter {
    pub(super) fn parse(text: &str) -> Result<Self, Reply> {
        let refusal = || Reply::bad_request(format!("Invalid filter clause: '{text}'."));
        let mut parser = Parser { tokens: tokens(text).ok_or_else(refusal)?, at: 0 };
        let filter = parser.or().ok_or_else(refusal)?;
        if parser.at == parser.tokens.len() { Ok(filter) } else { Err(refusal()) }
    }

    /// Whether it needs the advanced query index (`ConsistencyLevel: eventual` and `$count=true`).
    pub(super) fn advanced(&self) -> bool {
        match self {
            Filter::Compare { op, .. } => matches!(op, Compare::NotEqual | Compare::EndsWith),
            Filter::In { .. } => false,
            Filter::Not(_) => true,
            Filter::And(left, right) | Filter::Or(left, right) => {
                left.advanced() || right.advanced()
            }
        }
    }

    /// Whether a list of more than 15 values is asked for.
    pub(super) fn too_many_values(&self) -> bool {
        match self {
            Filter::Compare { .. } => false,
            Filter::In { values, .. } => values.len() > 15,
            Filter::Not(inner) => inner.too_many_values(),
            Filter::And(left, right) | Filter::Or(left, right) => {
                left.too_many_values() || right.too_many_values()
            }
        }
    }

    /// The values of `property` if the filter is nothing but `property eq …` joined with `or`.
    pub(super) fn only(&self, property: &str) -> Option<Vec<String>> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match self {
            Filter::Compare { property: name, op: Compare::Equal, value } if name == property => {
                Some(vec![text(value)?])
            }
            Filter::In { property: name, values } if name == property => {
                values.iter().map(text).collect()
            }
            Filter::Or(left, right) => {
                let mut all = left.only(property)?;
                all.extend(right.only(property)?);
                Some(all)
            }
            Filter::Compare { .. } | Filter::In { .. } | Filter::Not(_) | Filter::And(..) => None,
        }
    }

    /// Text compares without case, as the directory does.
    pub(super) fn matches(&self, properties: &Map<String, Value>) -> bool {
        let fields = |name: &str| match properties.get(name) {
            None => vec![Value::Null],
            Some(Value::Array(values)) => values.clone(),
            Some(value) => vec![value.clone()],
        };
        match self {
            Filter::Compare { property, op, value } => {
                let any = |test: fn(&str, &str) -> bool| {
                    fields(property).iter().any(|field| both(field, value, test))
                };
                match op {
                    Compare::Equal => fields(property).iter().any(|field| same(field, value)),
                    Compare::NotEqual => !fields(property).iter().any(|field| same(field, value)),
                    Compare::StartsWith => any(|field, start| field.starts_with(start)),
                    Compare::EndsWith => any(|field, end| field.ends_with(end)),
                }
            }
            Filter::In { property, values } => {
                fields(property).iter().any(|field| values.iter().any(|value| same(field, value)))
            }
            Filter::Not(inner) => !inner.matches(properties),
            Filter::And(left, right) => left.matches(properties) && right.matches(properties),
            Filter::Or(left, right) => left.matches(properties) || right.matches(properties),
        }
    }
}

fn same(field: &Value, value: &Value) -> bool {
    field == value || both(field, value, |field, value| field == value)
}

fn both(field: &Value, value: &Value, test: fn(&str, &str) -> bool) -> bool {
    match (field.as_str(), value.as_str()) {
        (Some(field), Some(value)) => test(&field.to_lowercase(), &value.to_lowercase()),
        _ => false,
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
    Comma,
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ',' => (Token::Comma, 1),
            '\'' => quoted(rest)?,
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "(),'".contains(c));
                let word = &rest[..end.unwrap_or(rest.len())];
                (Token::Word(word.to_owned()), word.len())
            }
        };
        found.push(token);
        rest = rest[length..].trim_start();
    }
    Some(found)
}

/// A quoted text, in which a doubled quote is one, and its length in the source.
fn quoted(source: &str) -> Option<(Token, usize)> {
    let mut text = String::new();
    let mut chars = source.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != '\'' {
            text.push(c);
        } else if chars.next_if(|(_, next)| *next == '\'').is_some() {
            text.push('\'');
        } else {
            return Some((Token::Text(text), at + 1));
        }
    }
    None
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let there = self.tokens.get(self.at) == Some(wanted);
        self.at += usize::from(there);
        there
    }

    fn word(&mut self, wanted: &str) -> bool {
        self.take(&Token::Word(wanted.to_owned()))
    }

    fn or(&mut self) -> Option<Filter> {
        let mut left = self.and()?;
        while self.word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.and()?));
        }
        Some(left)
    }

    fn and(&mut self) -> Option<Filter> {
        let mut left = self.one()?;
        while self.word("and") {
            left = Filter::And(Box::new(left), Box::new(self.one()?));
        }
        Some(left)
    }

    fn one(&mut self) -> Option<Filter> {
        if self.word("not") {
            return Some(Filter::Not(Box::new(self.one()?)));
        }
        if self.take(&Token::Open) {
            let inner = self.or()?;
            return self.take(&Token::Close).then_some(inner);
        }
        let Token::Word(name) = self.next()? else { return None };
        match name.to_lowercase().as_str() {
            "startswith" => self.call(Compare::StartsWith),
            "endswith" => self.call(Compare::EndsWith),
            _ => self.comparison(name),
        }
    }

    fn call(&mut self, op: Compare) -> Option<Filter> {
        let opened = self.take(&Token::Open);
        let Token::Word(property) = self.next()? else { return None };
        let separated = self.take(&Token::Comma);
        let value = self.value()?;
        let closed = self.take(&Token::Close);
        (opened && separated && closed).then_some(Filter::Compare { property, op, value })
    }

    fn comparison(&mut self, property: String) -> Option<Filter> {
        let Token::Word(op) = self.next()? else { return None };
        match op.as_str() {
            "eq" => Some(Filter::Compare { property, op: Compare::Equal, value: self.value()? }),
            "ne" => Some(Filter::Compare { property, op: Compare::NotEqual, value: self.value()? }),
            "in" => {
                let mut values = Vec::new();
                let mut more = self.take(&Token::Open);
                while more {
                    values.push(self.value()?);
                    more = self.take(&Token::Comma);
                }
                self.take(&Token::Close).then_some(Filter::In { property, values })
            }
            _ => None,
        }
    }

    fn value(&mut self) -> Option<Value> {
        match self.next()? {
            Token::Text(text) => Some(Value::String(text)),
            Token::Word(word) => match word.as_str() {
                "true" => Some(Value::Bool(true)),
                "false" => Some(Value::Bool(false)),
                "null" => Some(Value::Null),
                other => Some(Value::String(other.to_owned())),
            },
            Token::Open | Token::Close | Token::Comma => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]

    use serde_json::json;

    use super::*;

    fn matches(filter: &str) -> bool {
        let person = json!({ "displayName": "Siobhán O'Brien", "accountEnabled": true,
            "proxyAddresses": ["SMTP:siobhan@contoso.example"], "department": null });
        let filter = Filter::parse(filter).unwrap_or_else(|_| unreachable!("{filter}"));
        filter.matches(person.as_object().unwrap())
    }

    #[test]
    fn filters_read_as_odata_does() {
        for (filter, expected) in [
            ("displayName eq 'siobhán o''brien'", true),
            ("displayName eq 'siobhán'", false),
            ("startswith(displayName,'Siob')", true),
            ("endsWith(displayName, 'Brien')", true),
            ("accountEnabled eq true", true),
            ("accountEnabled ne true", false),
            ("department eq null", true),
            ("not (displayName eq 'x') and accountEnabled eq true", true),
            ("displayName in ('a', 'Siobhán O''Brien')", true),
            ("displayName eq 'a' or displayName eq 'b'", false),
            ("proxyAddresses eq 'smtp:siobhan@contoso.example'", true),
        ] {
            assert_eq!(matches(filter), expected, "{filter}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for filter in ["", "displayName", "displayName eq", "displayName eq 'x", "(id eq 'x'"] {
            assert!(Filter::parse(filter).is_err(), "{filter}");
        }
    }

    #[test]
    fn ids_are_found_in_a_chain_of_or() {
        let filter = Filter::parse("id eq 'a' or id eq 'b'").unwrap_or_else(|_| unreachable!());
        assert_eq!(filter.only("id"), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(filter.only("mail"), None);
    }
}
