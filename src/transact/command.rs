//! Commands: a function that says what it takes, carried out by name, one a transaction.
//!
//! ```text
//!   [:db/command :bank/transfer {:from "a" :to "b" :amount 12.50M}]
//!   :db.command/args    what it takes: {:from :string, :to :string, :amount {:type :bigdec :min 0.01M}}
//!   :db/fn              what it does; its inputs ?from, ?to, ?amount are the arguments of these names
//!   :db.command/ensure  code that must hold of the state after, with the same inputs
//! ```
//!
//! A script is handed the arguments as one object, and what it exports as `ensure` must hold of the state after, too.
//!
//! All that is wrong with the arguments is told at once. The transaction says which command it carried out
//! (`:db.tx/command`); what that command was then is what the database as of the transaction before says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use annals_query::edn::{Edn, Form, FormKind, Span, read_one};
use annals_storage::anomaly::Category;
use annals_storage::datom::{EntityId, Keyword, Tag, Value};

use super::expand::{Expander, invalid};
use super::problem::Problems;
use super::{DraftFact, Ent, Val, value};
use crate::code::{self, Context, Stored};
use crate::error::{Error, Result, brief};
use crate::schema::bootstrap as at;

/// A command that a transaction carries out.
#[derive(Clone, Debug)]
pub(super) struct Command {
    name: Keyword,
    args: BTreeMap<Edn, Edn>,
    /// What must hold after it.
    promises: Vec<Arc<Stored>>,
    span: Option<Span>,
}

/// What a command takes.
#[derive(Clone, Debug)]
pub(crate) struct Args(Vec<Arg>);

/// One argument.
#[derive(Clone, Debug)]
struct Arg {
    name: Keyword,
    /// None: anything.
    tag: Option<Tag>,
    many: bool,
    optional: bool,
    default: Option<Edn>,
    min: Option<Edn>,
    max: Option<Edn>,
    allowed: Option<BTreeSet<Edn>>,
}

impl Expander<'_> {
    /// Unfolds a command.
    pub(super) fn command(&mut self, form: &Form, name: &Form, args: &Form) -> Result<()> {
        let Some(Edn::Keyword(name)) = name.as_atom() else {
            return Err(invalid(name, format!("{} names no command", brief(&name.to_edn()))));
        };
        if !self.draft.commands.is_empty() {
            return Err(invalid(form, "a transaction carries out one command".to_owned())
                .with_hint("let one command do both, or send two transactions"));
        }
        let FormKind::Map(_) = &args.kind else {
            return Err(invalid(args, format!("the arguments of {name} are no map")));
        };
        let e = self.before().schema.entid(name);
        let stored = |a| -> Result<Option<String>> {
            match e.map(|e| self.before().value(e, a)).transpose()?.flatten() {
                Some((Value::String(text), _)) => Ok(Some(text.to_string())),
                _ => Ok(None),
            }
        };
        let takes = stored(at::COMMAND_ARGS)?;
        let given = args.to_edn();
        let bound = match takes {
            Some(text) => Args::read(&text)?.bind(name, given).map_err(|error| error.at(args.span))?,
            None => match given {
                Edn::Map(given) => given,
                _ => BTreeMap::new(),
            },
        };
        let db = self.db.clone();
        let context = Context::before(&db, self.instant, self.allowance);
        let made =
            code::command(&context, name, &bound).map_err(|error| error.without_span().at(form.span))?;
        let Some(made) = made else {
            return Err(Error::new(
                Category::NotFound,
                "db.error/unknown-command",
                format!("there is no command {name}"),
            )
            .with_hint("a command is an entity with that ident and a :db/fn, or a function of the program")
            .at(form.span));
        };
        if let Some(e) = e {
            let v = Val::Is(Value::Ref(e));
            let tx = Ent::Known(EntityId::of_t(db.next_t()));
            self.draft.facts.push(DraftFact { added: true, e: tx, a: at::TX_COMMAND, v, span: None });
        }
        let promises = code::promises(&db, name)?;
        self.draft.commands.push(Command { name: name.clone(), args: bound, promises, span: form.span });
        self.unfold(form, name, made, Vec::new())
    }
}

/// Whether what the commands promise holds of the state after.
pub(super) fn check(after: &Context<'_>, commands: &[Command]) -> Result<()> {
    let mut problems = Problems::default();
    for (command, promise) in
        commands.iter().flat_map(|command| command.promises.iter().map(move |promise| (command, promise)))
    {
        let verdict = promise
            .post_condition(after, &command.name, &command.args)
            .map_err(|error| error.without_span().at(command.span))?;
        if verdict != Edn::Bool(true) {
            let message = format!(
                "after {} its {} does not hold: it says {verdict}",
                command.name,
                promise.condition()
            );
            problems.push(
                Error::new(Category::Conflict, "db.error/post-condition-failed", message)
                    .with_hint("nothing was stored; give other arguments, or see whether the command does what it promises")
                    .with_data("db.error/command", command.name.clone())
                    .with_data("db.error/args", Edn::Map(command.args.clone()))
                    .at(command.span),
            );
        }
    }
    problems.settle()
}

fn unreadable(why: String) -> Error {
    Error::incorrect("db.error/invalid-command-args", why).with_hint(
        "as in {:from :uuid, :amount {:type :bigdec :min 0.01M}}; other keys are :optional, :default, :max, :many, :in and :doc",
    )
}

impl Args {
    /// Reads what a command takes.
    pub(crate) fn read(text: &str) -> Result<Args> {
        let form = read_one(text).map_err(|error| unreadable(error.message))?;
        let FormKind::Map(pairs) = &form.kind else {
            return Err(unreadable(format!("{} is no map of arguments", brief(&form.to_edn()))));
        };
        pairs
            .iter()
            .map(|(name, says)| Arg::read(&name.to_edn(), says.to_edn()))
            .collect::<Result<_>>()
            .map(Args)
    }

    /// What was given, each of its type; all that is wrong with it as one error.
    fn bind(&self, command: &Keyword, given: Edn) -> Result<BTreeMap<Edn, Edn>> {
        let Edn::Map(mut given) = given else { return Ok(BTreeMap::new()) };
        let (mut bound, mut wrong) = (BTreeMap::new(), Vec::new());
        for arg in &self.0 {
            let key = Edn::Keyword(arg.name.clone());
            let found = given.remove(&key).filter(|v| *v != Edn::Nil).or_else(|| arg.default.clone());
            match found {
                None if arg.optional => {}
                None => wrong.push(problem(&arg.name, "missing", format!("{} is missing", arg.name))),
                Some(v) => match arg.take(v) {
                    Ok(v) => drop(bound.insert(key, v)),
                    Err((code, message)) => wrong.push(problem(&arg.name, code, message)),
                },
            }
        }
        for (key, _) in given {
            let name = Keyword::new(key.to_string().trim_start_matches(':'));
            wrong.push(problem(&name, "unknown", format!("{key} is no argument of {command}")));
        }
        if wrong.is_empty() {
            return Ok(bound);
        }
        let told: Vec<String> = wrong.iter().filter_map(message_of).collect();
        Err(Error::incorrect("db.error/invalid-arguments", format!("{command}: {}", told.join("; ")))
            .with_hint("see what the command takes under its :db.command/args")
            .with_data("db.error/command", command.clone())
            .with_data("db.error/problems", wrong))
    }
}

fn problem(name: &Keyword, code: &str, message: String) -> Edn {
    Edn::Map(
        [
            (Edn::keyword("path"), Edn::Vector(vec![Edn::Keyword(name.clone())])),
            (Edn::keyword("code"), Edn::keyword(code)),
            (Edn::keyword("message"), Edn::string(message)),
        ]
        .into(),
    )
}

fn message_of(problem: &Edn) -> Option<String> {
    match problem {
        Edn::Map(parts) => match parts.get(&Edn::keyword("message")) {
            Some(Edn::String(message)) => Some(message.to_string()),
            _ => None,
        },
        _ => None,
    }
}

impl Arg {
    fn read(name: &Edn, says: Edn) -> Result<Arg> {
        let Edn::Keyword(name) = name else {
            return Err(unreadable(format!("{name} is no name of an argument; take a keyword")));
        };
        let mut says = match says {
            Edn::Map(says) => says,
            tag @ Edn::Keyword(_) => BTreeMap::from([(Edn::keyword("type"), tag)]),
            other => return Err(unreadable(format!("{name} cannot be {other}"))),
        };
        let mut take = |key: &str| says.remove(&Edn::keyword(key));
        let flag = |v: Option<Edn>| match v {
            None | Some(Edn::Bool(false)) => Ok(false),
            Some(Edn::Bool(true)) => Ok(true),
            Some(other) => Err(unreadable(format!("{other} is neither true nor false"))),
        };
        let tag = match take("type") {
            None => None,
            Some(Edn::Keyword(kind)) if kind.as_str() == "any" => None,
            Some(kind) => Some(tag_named(&kind).ok_or_else(|| unreadable(format!("{kind} is no type")))?),
        };
        let allowed = match take("in") {
            None => None,
            Some(Edn::Set(values)) => Some(values),
            Some(Edn::Vector(values) | Edn::List(values)) => Some(values.into_iter().collect()),
            Some(other) => return Err(unreadable(format!("{other} is no set of values"))),
        };
        let (many, optional) = (flag(take("many"))?, flag(take("optional"))?);
        let (default, min, max) = (take("default"), take("min"), take("max"));
        take("doc");
        if let Some((key, _)) = says.first_key_value() {
            return Err(unreadable(format!("{key} says nothing about an argument")));
        }
        Ok(Arg { name: name.clone(), tag, many, optional, default, min, max, allowed })
    }

    /// The value, of its type and within its bounds; or what is wrong with it.
    fn take(&self, given: Edn) -> std::result::Result<Edn, (&'static str, String)> {
        if !self.many {
            return self.one(given);
        }
        match given {
            Edn::Vector(values) | Edn::List(values) => values
                .into_iter()
                .map(|v| self.one(v))
                .collect::<std::result::Result<_, _>>()
                .map(Edn::Vector),
            Edn::Set(values) => values
                .into_iter()
                .map(|v| self.one(v))
                .collect::<std::result::Result<_, _>>()
                .map(Edn::Vector),
            other => {
                Err(("type", format!("{} takes several values, and {} is one", self.name, brief(&other))))
            }
        }
    }

    fn one(&self, given: Edn) -> std::result::Result<Edn, (&'static str, String)> {
        let v = match self.tag {
            Some(tag) => typed(tag, given).map_err(|given| {
                let message = format!("{} takes a {}, and {} is none", self.name, tag.name(), brief(&given));
                ("type", message)
            })?,
            None => given,
        };
        if let Some(allowed) = &self.allowed
            && !allowed.contains(&v)
        {
            let all: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            return Err((
                "in",
                format!("{} is one of {}, and {} is not", self.name, all.join(" "), brief(&v)),
            ));
        }
        let compared = |bound: &Edn| annals_query::functions::compare(&v, bound);
        if let Some(min) = &self.min
            && compared(min).is_none_or(std::cmp::Ordering::is_lt)
        {
            return Err(("min", format!("{} is at least {min}, and {} is less", self.name, brief(&v))));
        }
        if let Some(max) = &self.max
            && compared(max).is_none_or(std::cmp::Ordering::is_gt)
        {
            return Err(("max", format!("{} is at most {max}, and {} is more", self.name, brief(&v))));
        }
        Ok(v)
    }
}

/// The type that `:uuid` or `:db.type/uuid` stands for.
fn tag_named(kind: &Edn) -> Option<Tag> {
    let Edn::Keyword(name) = kind else { return None };
    let name = name.as_str().strip_prefix("db.type/").unwrap_or(name.as_str());
    Tag::ALL.into_iter().find(|tag| tag.name() == name)
}

/// A value of a type: as it is, or as plain JSON writes it (text, numbers without a fraction).
fn typed(tag: Tag, given: Edn) -> std::result::Result<Edn, Edn> {
    let read = |text: String| read_one(&text).ok().map(|form| form.to_edn());
    let meant = match (tag, &given) {
        // Whatever names an entity.
        (Tag::Ref, Edn::Int(_) | Edn::Keyword(_) | Edn::String(_) | Edn::Vector(_)) => return Ok(given),
        (Tag::Tuple, Edn::Vector(_)) => return Ok(given),
        (Tag::Uuid, Edn::String(text)) => read(format!("#uuid {}", Edn::string(&**text))),
        (Tag::Instant, Edn::String(text)) => read(format!("#inst {}", Edn::string(&**text))),
        (Tag::BigDec, Edn::String(text)) => {
            read(format!("{text}M")).filter(|edn| matches!(edn, Edn::BigDec(_)))
        }
        (Tag::BigDec, Edn::Int(n)) => read(format!("{n}M")),
        (Tag::BigDec, Edn::Double(x)) => {
            read(format!("{}M", x.0)).filter(|edn| matches!(edn, Edn::BigDec(_)))
        }
        (Tag::Double | Tag::Float, Edn::Int(n)) => Some(Edn::double(*n as f64)),
        (Tag::Long, Edn::String(text)) => text.parse().ok().map(Edn::Int),
        (Tag::Keyword, Edn::String(text)) => {
            read(text.to_string()).filter(|edn| matches!(edn, Edn::Keyword(_)))
        }
        _ => None,
    };
    let v = meant.unwrap_or_else(|| given.clone());
    value::scalar(tag, &v).map(Edn::from).map_err(|_| given)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(takes: &str, given: &str) -> Result<String> {
        let given = read_one(given).unwrap().to_edn();
        Args::read(takes)?.bind(&Keyword::new("my/command"), given).map(|bound| Edn::Map(bound).to_string())
    }

    #[test]
    fn arguments_get_their_types() {
        let takes = "{:id :uuid :at :db.type/instant :amount {:type :bigdec :min 0.01M :max 100M :doc \"how much\"}
                      :tags {:type :keyword :many true :optional true :in #{:a :b}} :n {:type :long :default 7} :x :any}";
        let plain = "{:id \"018f3c3e-0000-7000-8000-000000000000\" :at \"2024-05-01\" :amount \"12.50\"
                      :tags [\":a\" :b] :x [1 {:y 2}]}";
        let bound = bind(takes, plain).unwrap();
        assert_eq!(
            bound,
            "{:amount 12.50M, :at #inst \"2024-05-01T00:00:00.000-00:00\", :id #uuid \"018f3c3e-0000-7000-8000-000000000000\", \
             :n 7, :tags [:a :b], :x [1 {:y 2}]}"
        );
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let takes = "{:id :uuid :amount {:type :bigdec :min 0.01M} :kind {:type :keyword :in [:a]} :n :long}";
        let error = bind(takes, "{:id \"x\" :amount 0 :kind :b :more 1}").unwrap_err();
        assert_eq!(error.keyword(), "db.error/invalid-arguments");
        let problems = error.data()[&Edn::keyword("db.error/problems")].as_seq().unwrap().to_vec();
        let codes: Vec<String> = problems
            .iter()
            .map(|problem| match problem {
                Edn::Map(parts) => parts[&Edn::keyword("code")].to_string(),
                other => panic!("{other}"),
            })
            .collect();
        assert_eq!(codes, [":type", ":min", ":in", ":missing", ":unknown"]);
    }

    #[test]
    fn what_a_command_takes_must_be_readable() {
        for text in [
            "7",
            "{:x",
            "{\"x\" :uuid}",
            "{:x :frob}",
            "{:x {:type :uuid :frob 1}}",
            "{:x {:many 7}}",
            "{:x {:in 7}}",
            "{:x 7}",
        ] {
            assert_eq!(Args::read(text).unwrap_err().keyword(), "db.error/invalid-command-args", "{text}");
        }
    }
}
