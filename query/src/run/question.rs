//! A pattern with the bytes of its value held by itself, so that the pool may grow while it is asked.

use annals_storage::datom::{AttrId, EntityId, Pattern, T, Tag, ValueBound, ValueRef};

/// A value that owns its code.
#[derive(Clone, Debug)]
struct Owned {
    tag: Tag,
    word: i64,
    code: Vec<u8>,
}

impl Owned {
    fn new(v: ValueRef<'_>) -> Owned {
        match v {
            ValueRef::Fixed(tag, word) => Owned { tag, word, code: Vec::new() },
            ValueRef::Variable(tag, code) => Owned { tag, word: 0, code: code.to_vec() },
        }
    }

    fn set(&mut self, v: ValueRef<'_>) {
        self.tag = v.tag();
        self.code.clear();
        match v {
            ValueRef::Fixed(_, word) => self.word = word,
            ValueRef::Variable(_, code) => self.code.extend_from_slice(code),
        }
    }

    fn get(&self) -> ValueRef<'_> {
        if self.tag.is_fixed() {
            ValueRef::Fixed(self.tag, self.word)
        } else {
            ValueRef::Variable(self.tag, &self.code)
        }
    }
}

type End = Option<(Owned, bool)>;

#[derive(Clone, Debug)]
enum Bound {
    Any,
    Is(Owned),
    Range(Tag, End, End),
}

/// A pattern that can be changed from key to key without allocating.
#[derive(Clone, Debug)]
pub struct Question {
    /// The entity.
    pub e: Option<EntityId>,
    /// The attribute.
    pub a: Option<AttrId>,
    /// The transaction's number.
    pub t: Option<T>,
    /// Assertion or retraction.
    pub added: Option<bool>,
    v: Bound,
}

impl Question {
    /// The same question as a pattern.
    pub fn new(pattern: &Pattern<'_>) -> Question {
        let end = |end: Option<(ValueRef<'_>, bool)>| end.map(|(v, included)| (Owned::new(v), included));
        let v = match pattern.v {
            ValueBound::Any => Bound::Any,
            ValueBound::Is(v) => Bound::Is(Owned::new(v)),
            ValueBound::Range(tag, low, high) => Bound::Range(tag, end(low), end(high)),
        };
        Question { e: pattern.e, a: pattern.a, t: pattern.t, added: pattern.added, v }
    }

    /// Asks for exactly this value.
    pub fn set_value(&mut self, v: ValueRef<'_>) {
        match &mut self.v {
            Bound::Is(owned) => owned.set(v),
            other => *other = Bound::Is(Owned::new(v)),
        }
    }

    /// Asks for any value.
    pub fn forget_value(&mut self) {
        self.v = Bound::Any;
    }

    /// The pattern to scan.
    pub fn pattern(&self) -> Pattern<'_> {
        fn end(end: &End) -> Option<(ValueRef<'_>, bool)> {
            end.as_ref().map(|(owned, included)| (owned.get(), *included))
        }
        let v = match &self.v {
            Bound::Any => ValueBound::Any,
            Bound::Is(owned) => ValueBound::Is(owned.get()),
            Bound::Range(tag, low, high) => ValueBound::Range(*tag, end(low), end(high)),
        };
        Pattern { e: self.e, a: self.a, v, t: self.t, added: self.added }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_the_pattern_it_was_made_of_until_it_is_changed() {
        let code = *b"text";
        let v = ValueRef::Variable(Tag::String, &code);
        let pattern = Pattern { v: ValueBound::Range(Tag::String, Some((v, true)), None), ..Pattern::ALL };
        let mut question = Question::new(&pattern);
        assert_eq!(question.pattern(), pattern);
        question.set_value(ValueRef::Fixed(Tag::Long, 7));
        question.set_value(v);
        assert_eq!(question.pattern().v, ValueBound::Is(v));
        question.forget_value();
        assert_eq!(question.pattern().v, ValueBound::Any);
    }
}
