//! Rich dependencies: `(a if b else c)` and the like, see rpm-dependency-generators(7) and the RPM documentation on boolean dependencies.
use osbuild_wasm_solver_sys::{Id, Operator, Pool};

/// How deep dependencies may be nested.
const DEEPEST: u32 = 64;

/// The id of a rich dependency, which begins with a parenthesis; none when it is not well-formed.
pub(crate) fn parse(pool: &mut Pool, text: &str) -> Option<Id> {
    let mut parser = Parser {
        pool,
        rest: text,
        depth: 0,
    };
    let id = parser.group()?;
    parser.rest.trim().is_empty().then_some(id)
}

/// A plain dependency: a name, or a name compared with a version.
pub(crate) fn plain(pool: &mut Pool, text: &str) -> Option<Id> {
    let mut parser = Parser {
        pool,
        rest: text,
        depth: 0,
    };
    let id = parser.plain()?;
    parser.rest.trim().is_empty().then_some(id)
}

struct Parser<'a, 'b> {
    pool: &'a mut Pool,
    rest: &'b str,
    depth: u32,
}

impl<'b> Parser<'_, 'b> {
    /// A dependency in parentheses.
    fn group(&mut self) -> Option<Id> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        self.rest = self.rest.strip_prefix('(')?;
        let id = self.chain(None)?;
        self.skip_space();
        self.rest = self.rest.strip_prefix(')')?;
        self.depth -= 1;
        Some(id)
    }

    /// Operands and operators up to the closing parenthesis; a chain has one operator, which is that of what stands before it.
    fn chain(&mut self, within: Option<Operator>) -> Option<Id> {
        self.skip_space();
        let first = match self.rest.starts_with('(') {
            true => self.group()?,
            false => self.plain()?,
        };
        self.skip_space();
        if self.rest.starts_with(')') {
            return Some(first);
        }
        let operator = operator(self.word())?;
        let fits = match (within, operator) {
            (None, Operator::Else) => false,
            (None, _) | (Some(Operator::If | Operator::Unless), Operator::Else) => true,
            (Some(Operator::And | Operator::Or | Operator::With), same) => Some(same) == within,
            _ => false,
        };
        if !fits {
            return None;
        }
        let rest = self.chain(Some(operator))?;
        Some(self.pool.relation(first, operator, rest))
    }

    fn plain(&mut self) -> Option<Id> {
        self.skip_space();
        let name = self.name();
        if name.is_empty() {
            return None;
        }
        let name = self.pool.intern(name);
        self.skip_space();
        let end = self
            .rest
            .find(|c| !"<=>!".contains(c))
            .unwrap_or(self.rest.len());
        let (comparison, rest) = self.rest.split_at(end);
        let operator = match comparison {
            "" => return Some(name),
            ">" => Operator::Greater,
            "=" | "==" => Operator::Equal,
            ">=" | "=>" => Operator::GreaterOrEqual,
            "<" => Operator::Less,
            "<=" | "=<" => Operator::LessOrEqual,
            "<>" | "!=" => Operator::NotEqual,
            _ => return None,
        };
        self.rest = rest;
        self.skip_space();
        let version = self.name();
        if version.is_empty() {
            return None;
        }
        let version = self.pool.intern(version);
        Some(self.pool.relation(name, operator, version))
    }

    /// Up to a space, a comparison or a parenthesis that was not opened in it: names have parentheses too.
    fn name(&mut self) -> &'b str {
        let mut open = 0u32;
        let end = self.rest.find(|c: char| match c {
            '(' => {
                open += 1;
                false
            }
            ')' if open == 0 => true,
            ')' => {
                open -= 1;
                false
            }
            c => c.is_ascii_whitespace() || c == ',' || open == 0 && "<=>!".contains(c),
        });
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        name
    }

    fn word(&mut self) -> &'b str {
        let end = self.rest.find(|c: char| !c.is_ascii_alphabetic());
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

fn operator(word: &str) -> Option<Operator> {
    Some(match word {
        "and" => Operator::And,
        "or" => Operator::Or,
        "with" => Operator::With,
        "without" => Operator::Without,
        "if" => Operator::If,
        "unless" => Operator::Unless,
        "else" => Operator::Else,
        _ => return None,
    })
}
