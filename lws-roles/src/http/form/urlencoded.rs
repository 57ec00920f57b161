//! `application/x-www-form-urlencoded`, piece by piece (WHATWG URL 5.1).
//!
//! ```text
//!   Name --'='--> Value --'&'--> Name      Name --'&'--> Name (a name without a value)
//! ```
//!
//! `+` is a space, `%XX` a byte; a `%` without two digits stands for itself. Used by `Spa`.

use super::{Fields, SpaError};

/// Longer names are no known ones.
const NAME_MAX: usize = 255;

#[derive(Default)]
pub(super) struct Urlencoded {
    state: State,
    escape: Escape,
    name: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Name,
    LongName,
    /// Of a field that is kept.
    Value,
    /// Of any other.
    Skip,
}

/// Within `%XX`, which may be cut.
#[derive(Clone, Copy, Default)]
enum Escape {
    #[default]
    None,
    Percent,
    Digit(u8),
}

impl Urlencoded {
    pub(super) fn process(&mut self, mut data: &[u8], fields: &mut Fields) -> Result<(), SpaError> {
        while let Some((&byte, rest)) = data.split_first() {
            if self.escaped(byte, fields)? {
                data = rest;
                continue;
            }
            match byte {
                b'&' => self.field_ended(fields)?,
                b'=' if matches!(self.state, State::Name | State::LongName) => self.name_ended(fields)?,
                b'+' => self.put(b" ", fields)?,
                b'%' => self.escape = Escape::Percent,
                _ => {
                    let plain = data.iter().position(|b| matches!(b, b'&' | b'=' | b'+' | b'%'));
                    // an '=' within a value is the value's
                    let (plain, rest) = data.split_at(plain.unwrap_or(data.len()).max(1));
                    self.put(plain, fields)?;
                    data = rest;
                    continue;
                }
            }
            data = rest;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, fields: &mut Fields) -> Result<(), SpaError> {
        self.field_ended(fields)
    }

    /// Whether `byte` was part of an escape.
    fn escaped(&mut self, byte: u8, fields: &mut Fields) -> Result<bool, SpaError> {
        match (std::mem::take(&mut self.escape), hex(byte)) {
            (Escape::None, _) => Ok(false),
            (Escape::Percent, Some(_)) => {
                self.escape = Escape::Digit(byte);
                Ok(true)
            }
            (Escape::Percent, None) => self.put(b"%", fields).map(|()| false),
            (Escape::Digit(first), second) => match (hex(first), second) {
                (Some(high), Some(low)) => self.put(&[high << 4 | low], fields).map(|()| true),
                _ => self.put(&[b'%', first], fields).map(|()| false),
            },
        }
    }

    fn put(&mut self, data: &[u8], fields: &mut Fields) -> Result<(), SpaError> {
        match self.state {
            State::Name if self.name.len() + data.len() > NAME_MAX => self.state = State::LongName,
            State::Name => self.name.extend_from_slice(data),
            State::Value => fields.values.push(data)?,
            State::LongName | State::Skip => {}
        }
        Ok(())
    }

    fn name_ended(&mut self, fields: &mut Fields) -> Result<(), SpaError> {
        let field = match self.state {
            State::Name => fields.named(&self.name),
            _ => None,
        };
        self.name.clear();
        self.state = match field {
            Some(field) => {
                fields.values.begin(field)?;
                State::Value
            }
            None => State::Skip,
        };
        Ok(())
    }

    fn field_ended(&mut self, fields: &mut Fields) -> Result<(), SpaError> {
        match std::mem::take(&mut self.escape) {
            Escape::None => {}
            Escape::Percent => self.put(b"%", fields)?,
            Escape::Digit(first) => self.put(&[b'%', first], fields)?,
        }
        if matches!(self.state, State::Name | State::LongName) {
            self.name_ended(fields)?;
        }
        self.state = State::Name;
        Ok(())
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::super::{DEFAULT_MAX_STORAGE, Values};
    use super::*;

    #[test]
    fn a_long_name_is_no_known_one_and_costs_nothing() {
        let mut fields = Fields { names: ["text1".into()].into(), values: Values::new(DEFAULT_MAX_STORAGE) };
        let mut parser = Urlencoded::default();
        let body = [&[b'n'; 100_000], &b"=v&text1=here"[..]].concat();
        body.chunks(7).for_each(|piece| parser.process(piece, &mut fields).unwrap());
        parser.finish(&mut fields).unwrap();
        assert!(parser.name.capacity() <= 2 * NAME_MAX, "{}", parser.name.capacity());
        assert_eq!(fields.values.of(0).collect::<Vec<_>>(), [b"here"]);
    }
}
