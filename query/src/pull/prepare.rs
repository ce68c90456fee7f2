//! A pattern with its names looked up, once for all entities.
//!
//! Nested patterns become one list; a spec points into it. Entry 0 is the pattern of components: everything.

use std::rc::Rc;
use std::sync::LazyLock;

use annals_storage::datom::{AttrId, Tag};

use crate::ast::{PullLimit, PullPattern, PullSpec, PullSub};
use crate::edn::Edn;
use crate::error::{Error, Result};
use crate::functions::Functions;
use crate::functions::own::OverValues;
use crate::source::{Attribute, Source};

use super::LIMIT_DEFAULT;

/// A pattern and all nested in it; the outermost is the last.
pub(super) struct Prepared<'s> {
    patterns: Vec<Pattern<'s>>,
}

/// Where a pattern stands in [`Prepared`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PatternId(usize);

/// One level of a pattern.
pub(super) struct Pattern<'s> {
    /// `*` stands in it.
    pub(super) wildcard: bool,
    /// The key of the entity's id, if that is asked for.
    pub(super) id_key: Option<Edn>,
    pub(super) specs: Vec<Spec<'s>>,
    /// The levels each of its recursions may go down.
    pub(super) levels: Rc<[u64]>,
    /// What it gives of an entity is the same whatever led there: nothing in it looks at the path.
    pub(super) is_shared: bool,
}

/// What is asked of one attribute.
pub(super) struct Spec<'s> {
    /// None: nobody defined it, so nobody has it.
    pub(super) attribute: Option<&'s Attribute>,
    pub(super) reverse: bool,
    pub(super) key: Edn,
    pub(super) limit: usize,
    pub(super) default: Option<Edn>,
    pub(super) xform: Option<OverValues>,
    pub(super) sub: Sub,
}

/// What is pulled of the entities an attribute leads to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sub {
    /// Components whole, others by id.
    Default,
    /// This pattern.
    Pattern(PatternId),
    /// The pattern around, as many levels down; none: no end.
    Again(Option<u64>),
}

impl<'s> Prepared<'s> {
    /// The pattern of components.
    pub(super) const COMPONENT: PatternId = PatternId(0);

    pub(super) fn outermost(&self) -> PatternId {
        PatternId(self.patterns.len() - 1)
    }

    pub(super) fn get(&self, id: PatternId) -> &Pattern<'s> {
        &self.patterns[id.0]
    }
}

impl<'s> Pattern<'s> {
    fn new(source: &dyn Source, wildcard: bool, id_key: Option<Edn>, specs: Vec<Spec<'s>>) -> Pattern<'s> {
        let levels =
            |spec: &Spec<'_>| if let Sub::Again(Some(levels)) = spec.sub { levels } else { u64::MAX };
        let levels = specs.iter().map(levels).collect();
        let is_shared = !wildcard || !source.has_components();
        Pattern { wildcard, id_key, specs, levels, is_shared }
    }

    /// The attributes asked for by name.
    pub(super) fn named(&self) -> Vec<AttrId> {
        let forward = self.specs.iter().filter(|spec| !spec.reverse);
        forward.filter_map(|spec| spec.attribute).map(|attribute| attribute.id).collect()
    }
}

impl Spec<'_> {
    /// True if what it gives depends on the path: it recurses, or pulls components whole.
    fn looks_at_path(&self, prepared: &Prepared<'_>) -> bool {
        match self.sub {
            Sub::Again(_) => true,
            Sub::Pattern(id) => !prepared.get(id).is_shared,
            Sub::Default => !self.reverse && self.attribute.is_some_and(|attribute| attribute.component),
        }
    }
}

/// The key of an entity's id; all maps have the same one.
pub(super) fn id_key() -> Edn {
    static KEY: LazyLock<Edn> = LazyLock::new(|| Edn::keyword("db/id"));
    KEY.clone()
}

pub(super) fn prepare<'s>(
    source: &'s dyn Source,
    functions: &Functions,
    pattern: &PullPattern,
) -> Result<Prepared<'s>> {
    let component = Pattern::new(source, true, Some(id_key()), Vec::new());
    let mut prepared = Prepared { patterns: vec![component] };
    add(source, functions, pattern, &mut prepared)?;
    Ok(prepared)
}

fn add<'s>(
    source: &'s dyn Source,
    functions: &Functions,
    pattern: &PullPattern,
    prepared: &mut Prepared<'s>,
) -> Result<PatternId> {
    let mut id_key = pattern.wildcard.then(id_key);
    let mut specs = Vec::with_capacity(pattern.specs.len());
    for spec in &pattern.specs {
        if spec.attr.as_str() == "db/id" && !spec.reverse {
            id_key = Some(spec.key.clone());
        } else {
            specs.push(prepare_spec(source, functions, spec, prepared).map_err(|error| error.at(spec.span))?);
        }
    }
    let mut pattern = Pattern::new(source, pattern.wildcard, id_key, specs);
    pattern.is_shared &= !pattern.specs.iter().any(|spec| spec.looks_at_path(prepared));
    prepared.patterns.push(pattern);
    Ok(prepared.outermost())
}

fn prepare_spec<'s>(
    source: &'s dyn Source,
    functions: &Functions,
    spec: &PullSpec,
    prepared: &mut Prepared<'s>,
) -> Result<Spec<'s>> {
    let attribute = source.attribute_named(&spec.attr);
    let leads_on = spec.reverse || !matches!(spec.sub, PullSub::Default);
    if let Some(attribute) = attribute.filter(|own| leads_on && own.value_type != Tag::Ref) {
        let message = format!(
            "{} has values of type {}, so it leads to no entity",
            attribute.ident,
            attribute.value_type.name()
        );
        return Err(Error::incorrect("db.error/invalid-pull", message));
    }
    let xform = spec.xform.as_ref().map(|name| functions.over_one_value(name));
    Ok(Spec {
        attribute,
        reverse: spec.reverse,
        key: spec.key.clone(),
        limit: match spec.limit {
            PullLimit::Default => LIMIT_DEFAULT,
            PullLimit::All => usize::MAX,
            PullLimit::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
        },
        default: spec.default.clone(),
        xform: xform.transpose()?,
        sub: match &spec.sub {
            PullSub::Default => Sub::Default,
            PullSub::Pattern(pattern) => Sub::Pattern(add(source, functions, pattern, prepared)?),
            PullSub::Levels(levels) => Sub::Again(Some(*levels)),
            PullSub::Unbounded => Sub::Again(None),
        },
    })
}
