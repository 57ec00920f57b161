//! What members of structs are: seen by the writer as a [`View`], filled by the parser with [`Token`]s.

use std::fmt;
use std::hash::{Hash, Hasher};

/// A member as it is to be written.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum View<'a> {
    /// Nothing: left out of objects, `null` in lists.
    Absent,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Signed(i64),
    /// An integer that is never negative.
    Unsigned(u64),
    /// A number; what isn't finite is written as `null`.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// So many elements.
    List(usize),
    /// Members of these names in JSON.
    Object(&'static [&'static str]),
}

/// What the parser found for a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Token<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without fraction and exponent, as written.
    Int(&'a str),
    /// Another number, as written.
    Float(&'a str),
    /// A string begins: what there was is replaced.
    TextStart,
    /// More of the string.
    Text(&'a str),
    /// A list begins: what there was is replaced.
    List,
    /// The list has one more element, of which tokens follow.
    Element,
    /// An object begins.
    Object,
}

/// Why a member doesn't take a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemberProblem {
    /// It is of another type.
    Type,
    /// The number is larger or smaller than it can hold.
    Range,
}

/// A type that members can have.
pub trait Member {
    /// Its value.
    fn view(&self) -> View<'_>;

    /// Of an object the nth member, of a list the nth element.
    fn child(&self, _n: usize) -> Option<&dyn Member> {
        None
    }

    /// Of an object the nth member, of a list the nth element, to be filled.
    fn child_mut(&mut self, _n: usize) -> Option<&mut dyn Member> {
        None
    }

    /// Takes what was found for it.
    ///
    /// # Errors
    /// That can't be its value: the document is refused.
    fn take(&mut self, token: Token<'_>) -> Result<(), MemberProblem>;
}

/// The nth of them; for the macros.
pub fn nth<const N: usize>(all: [&dyn Member; N], n: usize) -> Option<&dyn Member> {
    all.get(n).copied()
}

/// The nth of them; for the macros.
pub fn nth_mut<const N: usize>(all: [&mut dyn Member; N], n: usize) -> Option<&mut dyn Member> {
    all.into_iter().nth(n)
}

macro_rules! integers {
    ($variant:ident: $($type:ty),*) => {
        $(impl Member for $type {
            fn view(&self) -> View<'_> {
                View::$variant((*self).into())
            }

            fn take(&mut self, token: Token<'_>) -> Result<(), MemberProblem> {
                *self = match token {
                    Token::Int(digits) => digits.parse().map_err(|_| MemberProblem::Range)?,
                    Token::Null => 0,
                    _ => return Err(MemberProblem::Type),
                };
                Ok(())
            }
        })*
    };
}

integers!(Signed: i8, i16, i32, i64);
integers!(Unsigned: u8, u16, u32, u64);

impl Member for f64 {
    fn view(&self) -> View<'_> {
        View::Float(*self)
    }

    fn take(&mut self, token: Token<'_>) -> Result<(), MemberProblem> {
        *self = match token {
            Token::Int(number) | Token::Float(number) => number.parse().map_err(|_| MemberProblem::Range)?,
            Token::Null => 0.0,
            _ => return Err(MemberProblem::Type),
        };
        if self.is_finite() { Ok(()) } else { Err(MemberProblem::Range) }
    }
}

impl Member for bool {
    fn view(&self) -> View<'_> {
        View::Bool(*self)
    }

    fn take(&mut self, token: Token<'_>) -> Result<(), MemberProblem> {
        *self = match token {
            Token::Bool(value) => value,
            Token::Null => false,
            _ => return Err(MemberProblem::Type),
        };
        Ok(())
    }
}

impl Member for String {
    fn view(&self) -> View<'_> {
        View::Text(self)
    }

    fn take(&mut self, token: Token<'_>) -> Result<(), MemberProblem> {
        match token {
            Token::TextStart | Token::Null => self.clear(),
            Token::Text(part) => self.push_str(part),
            _ => return Err(MemberProblem::Type),
        }
        Ok(())
    }
}

/// Text in place, at most `N` - 1 bytes, as a `char[N]` in C (`LSMT_STRING_CHAR_ARRAY`). Longer text is cut, at a
/// whole character. Equal are those with the same text, cut or not.
#[derive(Clone, Copy)]
pub struct CharArray<const N: usize> {
    bytes: [u8; N],
    len: usize,
    /// Something was cut: nothing more is added.
    cut: bool,
}

impl<const N: usize> CharArray<N> {
    /// The text, cut if it is too long.
    pub fn new(text: &str) -> Self {
        let mut new = Self::default();
        new.push_str(text);
        new
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.bytes.get(..self.len).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default()
    }

    /// Whether some text was too long.
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    fn push_str(&mut self, text: &str) {
        let room = if self.cut { 0 } else { N.saturating_sub(1 + self.len) };
        let mut len = text.len().min(room);
        while !text.is_char_boundary(len) {
            len -= 1;
        }
        self.cut |= len < text.len();
        if let Some((place, part)) = self.bytes.get_mut(self.len..self.len + len).zip(text.as_bytes().get(..len)) {
            place.copy_from_slice(part);
            self.len += len;
        }
    }
}

impl<const N: usize> Default for CharArray<N> {
    fn default() -> Self {
        Self { bytes: [0; N], len: 0, cut: false }
    }
}

impl<const N: usize> PartialEq for CharArray<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl<const N: usize> Eq for CharArray<N> {}

impl<const N: usize> Hash for CharArray<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl<const N: usize> fmt::Debug for CharArray<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl<const N: usize> Member for CharArray<N> {
    fn view(&self) -> View<'_> {
        View::Text(self.as_str())
    }

    fn take(&mut self, token: Token<'_>) -> Result<(), MemberProblem> {
        match token {
            Token::TextStart | Token::Null => *self = Self::default(),
            Token::Text(part) => self.push_str(part),
            _ => return Err(MemberProblem::Type),
        }
        Ok(())
    }
}

impl<T: Member + Default> Member for Vec<T> {
    fn view(&self) -> View<'_> {
        View::List(self.len())
    }

    fn child(&self, n: usize) -> Option<&dyn Member> {
        self.get(n).map(|child| child as _)
    }

    fn child_mut(&mut self, n: usize) -> Option<&mut dyn Member> {
        self.get_mut(n).map(|child| child as _)
    }

    fn take(&mut self, token: Token<'_>) -> Result<(), MemberProblem> {
        match token {
            Token::List | Token::Null => self.clear(),
            Token::Element => self.push(T::default()),
            _ => return Err(MemberProblem::Type),
        }
        Ok(())
    }
}

impl<T: Member + Default> Member for Option<T> {
    fn view(&self) -> View<'_> {
        self.as_ref().map_or(View::Absent, Member::view)
    }

    fn child(&self, n: usize) -> Option<&dyn Member> {
        self.as_ref()?.child(n)
    }

    fn child_mut(&mut self, n: usize) -> Option<&mut dyn Member> {
        self.as_mut()?.child_mut(n)
    }

    fn take(&mut self, token: Token<'_>) -> Result<(), MemberProblem> {
        if token == Token::Null {
            *self = None;
            return Ok(());
        }
        self.get_or_insert_default().take(token)
    }
}

impl<T: Member> Member for Box<T> {
    fn view(&self) -> View<'_> {
        (**self).view()
    }

    fn child(&self, n: usize) -> Option<&dyn Member> {
        (**self).child(n)
    }

    fn child_mut(&mut self, n: usize) -> Option<&mut dyn Member> {
        (**self).child_mut(n)
    }

    fn take(&mut self, token: Token<'_>) -> Result<(), MemberProblem> {
        (**self).take(token)
    }
}
