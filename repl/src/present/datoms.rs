//! Datoms and transactions as rows, with names instead of numbers where there are names.

use std::collections::HashMap;

use annals::{AttrId, Datom, Db, Edn, EntityId, Tx, Value};

use super::Sheet;

/// Names of attributes and of entities that values refer to, each looked up once.
pub struct Namer<'d> {
    db: &'d Db,
    attributes: HashMap<AttrId, Edn>,
    references: HashMap<EntityId, Edn>,
}

impl<'d> Namer<'d> {
    /// Names as this database has them.
    pub fn new(db: &'d Db) -> Namer<'d> {
        Namer { db, attributes: HashMap::new(), references: HashMap::new() }
    }

    /// An attribute's ident.
    pub fn attribute(&mut self, a: AttrId) -> Edn {
        let named = || named(self.db, a.entity());
        self.attributes.entry(a).or_insert_with(named).clone()
    }

    /// A value; a reference to something with an ident is that ident.
    pub fn value(&mut self, v: &Value) -> Edn {
        match v {
            Value::Ref(e) => self.references.entry(*e).or_insert_with(|| named(self.db, *e)).clone(),
            other => Edn::from(other.clone()),
        }
    }
}

fn named(db: &Db, e: EntityId) -> Edn {
    db.ident(e).map_or_else(|| Edn::from(e), Edn::Keyword)
}

/// Datoms as rows of entity, attribute, value, t and whether they were added.
pub fn sheet<'d>(db: &Db, datoms: impl IntoIterator<Item = &'d Datom>) -> Sheet {
    let mut namer = Namer::new(db);
    let row = |datom: &Datom| {
        let t = datom.tx.t().map_or(Edn::Nil, |t| Edn::Int(t as i64));
        vec![Edn::from(datom.e), namer.attribute(datom.a), namer.value(&datom.v), t, Edn::Bool(datom.added)]
    };
    Sheet::of_maps(&["e", "a", "v", "t", "added"], datoms.into_iter().map(row).collect())
}

/// What changed, as rows of `+` or `-`, entity, attribute and value.
pub fn changes<'d>(db: &Db, datoms: impl IntoIterator<Item = &'d Datom>) -> Sheet {
    let mut namer = Namer::new(db);
    let row = |datom: &Datom| {
        let sign = Edn::symbol(if datom.added { "+" } else { "-" });
        vec![sign, Edn::from(datom.e), namer.attribute(datom.a), namer.value(&datom.v)]
    };
    Sheet::of_maps(&["op", "e", "a", "v"], datoms.into_iter().map(row).collect())
}

/// Transactions as rows of t, instant and how much they added and retracted.
pub fn transactions(txs: &[Tx]) -> Sheet {
    let row = |tx: &Tx| {
        let added = tx.datoms.iter().filter(|datom| datom.added).count();
        let retracted = tx.datoms.len() - added;
        vec![Edn::Int(tx.t as i64), Edn::Inst(tx.instant), Edn::Int(added as i64), Edn::Int(retracted as i64)]
    };
    Sheet::of_maps(&["t", "instant", "added", "retracted"], txs.iter().map(row).collect())
}

/// What differs between the two ends of these datoms (in the order they were written): a fact that came and went
/// again does not.
pub fn net(datoms: Vec<Datom>) -> Vec<Datom> {
    let mut firsts: HashMap<(EntityId, AttrId, Value), bool> = HashMap::new();
    let mut lasts: HashMap<(EntityId, AttrId, Value), Datom> = HashMap::new();
    for datom in datoms {
        let fact = (datom.e, datom.a, datom.v.clone());
        firsts.entry(fact.clone()).or_insert(datom.added);
        lasts.insert(fact, datom);
    }
    let differs = |(fact, last): (_, Datom)| (firsts[&fact] == last.added).then_some(last);
    let mut net: Vec<Datom> = lasts.into_iter().filter_map(differs).collect();
    net.sort_by(|x, y| (x.e, x.a, x.added, &x.v).cmp(&(y.e, y.a, y.added, &y.v)));
    net
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datom(v: i64, t: u64, added: bool) -> Datom {
        Datom { e: EntityId(7), a: AttrId(1), v: Value::Long(v), tx: EntityId::of_t(t), added }
    }

    #[test]
    fn the_net_of_a_detour_is_nothing() {
        assert_eq!(net(vec![datom(1, 1, true), datom(1, 2, false)]), []);
        assert_eq!(net(vec![datom(1, 1, false), datom(1, 2, true)]), []);
    }

    #[test]
    fn the_net_of_a_replacement_is_both_sides_old_first() {
        let changed = vec![datom(1, 1, false), datom(2, 1, true), datom(2, 2, false), datom(3, 2, true)];
        assert_eq!(net(changed), [datom(1, 1, false), datom(3, 2, true)]);
    }

    #[test]
    fn transactions_count_both_ways() {
        let tx = Tx {
            t: 5,
            tx: EntityId::of_t(5),
            instant: 0,
            datoms: vec![datom(1, 5, true), datom(2, 5, false)],
        };
        let rows = transactions(&[tx]).rows;
        assert_eq!(rows, [vec![Edn::Int(5), Edn::Inst(0), Edn::Int(1), Edn::Int(1)]]);
    }
}
