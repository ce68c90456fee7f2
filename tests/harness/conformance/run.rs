//! One case, through one way.

use std::collections::BTreeMap;

use annals::Edn;

use super::case::{Case, case_tag, text_of};
use super::compare::{range, same};
use super::kinds::is_kind;
use super::{Done, Given, Moment, Refused, View, Way};

/// The steps a case can be refused in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Read,
    Transact,
    Query,
    Pull,
}

/// Runs a case in a fresh database; says what went wrong.
pub fn run(case: &Case, way: &mut dyn Way) -> Result<(), String> {
    let mut run = Run { case, way, done: Vec::new() };
    if let Some(text) = case.get("edn-text") {
        let read = run.way.read(&text_of(text));
        return run.judge(Step::Read, read);
    }
    if let Some(refusal) = run.transact_all()? {
        run.judge_refusal(Step::Transact, &refusal)?;
    } else if run.error_at() == Some(Step::Transact) && case.keyword("expect-error") != Some("any-or-value") {
        return Err("the last transaction was accepted".into());
    }
    run.ask()
}

struct Run<'a> {
    case: &'a Case,
    way: &'a mut dyn Way,
    done: Vec<Done>,
}

impl Run<'_> {
    fn error_at(&self) -> Option<Step> {
        self.case.keyword("error-at").map(|step| match step {
            "read" => Step::Read,
            "transact" => Step::Transact,
            "query" => Step::Query,
            "pull" => Step::Pull,
            other => panic!("{}: no step is called {other}", self.case.name),
        })
    }

    /// All transactions of the case; the refusal of the last one, if that is where it may be refused.
    fn transact_all(&mut self) -> Result<Option<Refused>, String> {
        for schema in &self.case.schemas {
            self.way.transact(&schema.to_string()).map_err(|e| format!("the schema was refused: {e:?}"))?;
        }
        let mut texts = Vec::new();
        for tx in &self.case.txs {
            texts.push(Ok(tx));
        }
        texts.extend(self.case.get("tx-text").map(|text| Err(text_of(text))));
        let last = texts.len();
        for (number, tx) in texts.into_iter().enumerate() {
            let text = match tx {
                Ok(edn) => self.resolve(edn)?.to_string(),
                Err(text) => text,
            };
            match self.way.transact(&text) {
                Ok(done) => self.done.push(done),
                Err(e) if number + 1 == last && self.error_at() == Some(Step::Transact) => {
                    return Ok(Some(e));
                }
                Err(e) => return Err(format!("transaction {number} was refused: {e:?}")),
            }
        }
        Ok(None)
    }

    fn ask(&mut self) -> Result<(), String> {
        let case = self.case;
        let view = self.view(&case.map)?;
        if let Some(pull) = case.get("pull") {
            let [pattern, entity] = pull.as_seq().expect("[pattern entity]") else {
                return Err("a pull is [pattern entity]".into());
            };
            let entity = self.resolve(entity)?.to_string();
            let answer = self.way.pull(&pattern.to_string(), &entity, &view);
            return self.judge(Step::Pull, answer);
        }
        let query = match (case.get("query"), case.get("query-text")) {
            (Some(query), _) => query.to_string(),
            (_, Some(text)) => text_of(text),
            (None, None) if self.error_at() == Some(Step::Transact) => return Ok(()),
            (None, None) => return Err("the case asks nothing".into()),
        };
        let args = match case.get("args") {
            Some(args) => args.as_seq().expect("args are a vector").to_vec(),
            None => Vec::new(),
        };
        let args = args.iter().map(|arg| self.given(arg)).collect::<Result<Vec<_>, _>>()?;
        let data =
            case.get("query").cloned().or_else(|| Some(annals_query::edn::read_one(&query).ok()?.to_edn()));
        let view = (!case.is("no-db") && takes_db(data.as_ref())).then_some(view);
        let answer = self.way.query(&query, view.as_ref(), &args);
        self.judge(Step::Query, answer)
    }

    fn given(&mut self, arg: &Edn) -> Result<Given, String> {
        match case_tag(arg) {
            Some(("db", Edn::Map(map))) => Ok(Given::Db(self.view(map)?)),
            _ => Ok(Given::Value(self.resolve(arg)?)),
        }
    }

    fn view(&self, map: &BTreeMap<Edn, Edn>) -> Result<View, String> {
        let moment = |key: &str| match map.get(&Edn::keyword(key)) {
            None | Some(Edn::Nil) => Ok(None),
            Some(Edn::Int(n)) => {
                let done = usize::try_from(*n).ok().and_then(|n| self.done.get(n));
                done.map(|done| Some(Moment::T(done.t))).ok_or(format!("there is no transaction {n}"))
            }
            Some(Edn::Inst(micros)) => Ok(Some(Moment::Instant(*micros))),
            Some(other) => Err(format!("{key} cannot be {other}")),
        };
        let history = matches!(map.get(&Edn::keyword("history")), Some(Edn::Bool(true)));
        Ok(View { as_of: moment("as-of")?, since: moment("since")?, history })
    }

    /// The value with every tag of the case replaced by what it stands for.
    fn resolve(&mut self, edn: &Edn) -> Result<Edn, String> {
        if let Some((tag, value)) = case_tag(edn) {
            return self.resolve_tag(tag, value);
        }
        Ok(match edn {
            Edn::List(edns) => Edn::List(self.resolve_all(edns)?),
            Edn::Vector(edns) => Edn::Vector(self.resolve_all(edns)?),
            Edn::Set(edns) => {
                let edns: Vec<Edn> = edns.iter().cloned().collect();
                let resolved = self.resolve_all(&edns)?;
                // What cannot be compared yet (an expected `#case/one-of`) may repeat once resolved.
                if edns.iter().any(|edn| case_tag(edn).is_some()) && resolved.len() != edns.len() {
                    return Err("elements of a set became equal".into());
                }
                Edn::Set(resolved.into_iter().collect())
            }
            Edn::Map(map) => {
                let mut resolved = BTreeMap::new();
                for (key, value) in map {
                    resolved.insert(self.resolve(key)?, self.resolve(value)?);
                }
                Edn::Map(resolved)
            }
            other => other.clone(),
        })
    }

    fn resolve_all(&mut self, edns: &[Edn]) -> Result<Vec<Edn>, String> {
        edns.iter().map(|edn| self.resolve(edn)).collect()
    }

    fn resolve_tag(&mut self, tag: &str, value: &Edn) -> Result<Edn, String> {
        let done = |n: &Edn| match n {
            Edn::Int(n) => {
                usize::try_from(*n).ok().and_then(|n| self.done.get(n)).ok_or(format!("no transaction {n}"))
            }
            other => Err(format!("{other} is no transaction number")),
        };
        match (tag, value.as_seq()) {
            ("tx", _) => Ok(Edn::Int(done(value)?.tx as i64)),
            ("tempid", Some([n, Edn::String(tempid)])) => {
                let id = done(n)?.tempids.get(&**tempid).ok_or(format!("no tempid {tempid}"))?;
                Ok(Edn::Int(*id as i64))
            }
            ("eid", Some([attribute, wanted])) => {
                let query = format!("[:find ?e . :in $ ?v :where [?e {attribute} ?v]]");
                let id = self.way.query(&query, Some(&View::default()), &[Given::Value(wanted.clone())]);
                id.map_err(|e| format!("{e:?}"))
            }
            ("range", _) => Ok(Edn::Vector(range(value))),
            ("nest" | "repeat" | "cat", _) => Ok(Edn::string(text_of(&Edn::Tagged(
                format!("case/{tag}").as_str().into(),
                Box::new(value.clone()),
            )))),
            // Left for the comparison, with what stands inside resolved.
            ("one-of" | "bag" | "count" | "any", _) => {
                let inner = self.resolve(value)?;
                Ok(Edn::Tagged(format!("case/{tag}").as_str().into(), Box::new(inner)))
            }
            _ => Err(format!("#case/{tag} is not understood here")),
        }
    }

    fn judge(&mut self, step: Step, answer: Result<Edn, Refused>) -> Result<(), String> {
        let case = self.case;
        let refusal_due = self.error_at() == Some(step) && case.get("expect-error").is_some();
        match answer {
            Err(refusal) if refusal_due => self.judge_refusal(step, &refusal),
            Err(refusal) => Err(format!("refused: {refusal:?}")),
            Ok(_) if refusal_due && case.keyword("expect-error") == Some("any-or-value") => Ok(()),
            Ok(actual) => {
                let key = if refusal_due { "or-value" } else { "expect" };
                let Some(expected) = case.get(key).cloned() else {
                    return Err(format!("a refusal was expected, the answer was {actual}"));
                };
                let expected = self.resolve(&expected)?;
                if same(&expected, &actual) {
                    Ok(())
                } else {
                    Err(format!("expected {expected}\n       actual   {actual}"))
                }
            }
        }
    }

    fn judge_refusal(&self, step: Step, refusal: &Refused) -> Result<(), String> {
        let kind = self.case.keyword("expect-error").unwrap_or("no error at all");
        if kind == "any-or-value" || is_kind(kind, &refusal.keyword) {
            return Ok(());
        }
        Err(format!("{step:?} was to be refused as {kind}, not as {} ({})", refusal.keyword, refusal.message))
    }
}

/// The default database is the first input when the query has no `:in`, or its `:in` begins with a source.
fn takes_db(query: Option<&Edn>) -> bool {
    let inputs: Option<Vec<Edn>> = match query {
        Some(Edn::Map(map)) => map.get(&Edn::keyword("in")).and_then(Edn::as_seq).map(<[Edn]>::to_vec),
        Some(Edn::Vector(edns) | Edn::List(edns)) => {
            edns.iter().position(|edn| *edn == Edn::keyword("in")).map(|at| {
                edns[at + 1..].iter().take_while(|edn| !matches!(edn, Edn::Keyword(_))).cloned().collect()
            })
        }
        _ => None,
    };
    inputs.is_none_or(
        |inputs| matches!(inputs.first(), Some(Edn::Symbol(name)) if name.as_str().starts_with('$')),
    )
}
