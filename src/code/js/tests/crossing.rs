//! Values that cross over, both ways, and results that are none.

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_no_data_is_refused_by_name() {
    for (body, told) in [
        ("return () => 1", "not a function"),
        ("return [() => 1]", "a function is no operation"),
        ("return [['db/add', 1, 'a/b', () => 1]]", "a function is no value"),
        ("return [['db/add', 1, 'a/b', undefined]]", "undefined is no value"),
        ("return [['db/add', 1, 'a/b', Symbol.iterator]]", "a symbol is no value"),
        ("return [['db/add 1 2', 1, 'a/b', 1]]", "is no name"),
        ("return [['db/add', 1, 'a/b] [:db/add', 1]]", "is no name"),
        ("return [{'a b': 1}]", "is no name"),
        ("const a = []; a[0] = a; return a", "in a circle"),
        ("const a = {}; a.a = a; return [a]", "in a circle"),
        ("return [{'a/b': new (class A {})}]", "an object of a class"),
        ("return [/a/]", "an object of a class"),
        ("return 1", "gives an array"),
        ("return [1]", "1 is no operation"),
        ("return [[]]", "an empty array"),
        ("return [new Map([[NaN, 1]])]", "NaN is no key"),
        ("return [['db/add', 1, 'a/b', '\\ud800']]", ""),
        ("return new Array(20)", "undefined is no operation"),
        ("throw 5", "it threw 5"),
        ("throw undefined", "it threw undefined"),
        ("throw Symbol.iterator", "it threw a symbol"),
        ("throw new TypeError('no')", "TypeError: no, at line 2"),
        ("\n\n  null.x", ", at line 4"),
        ("undeclared = 1", "ReferenceError: "),
        ("return import('os')", "gives an array"),
    ] {
        let refused = data(body).expect_err(body);
        let of = (refused.keyword(), refused.category());
        assert_eq!(of, ("db.error/function-failed", Category::Incorrect), "{body}: {refused:?}");
        assert!(refused.message().contains(told), "{body}: {refused:?}");
    }
    let refused =
        data("const a = []; for (let i = 0; i < 1e7; i++) a.push(['db/add', 'x', 'a/b', i]); return a");
    assert_eq!(refused.unwrap_err().keyword(), "db.error/function-limit");
}

#[test]
fn transaction_data_reads_like_it_is_meant() {
    for (body, wanted) in [
        ("return [['db/add', 'new', 'boat/fuel', 5]]", "[[:db/add \"new\" :boat/fuel 5]]"),
        (
            "return [[':db/add', ':boat/argo', ':boat/name', ':not a name']]",
            "[[:db/add :boat/argo :boat/name \":not a name\"]]",
        ),
        (
            "return [['db/add', ['boat/name', 'Argo'], 'boat/tags', kw('tag/new')]]",
            "[[:db/add [:boat/name \"Argo\"] :boat/tags :tag/new]]",
        ),
        ("return [['db/cas', 17, 'boat/fuel', null, 5]]", "[[:db/cas 17 :boat/fuel nil 5]]"),
        (
            "return [['db/retractEntity', ['boat/name', 'Argo']]]",
            "[[:db/retractEntity [:boat/name \"Argo\"]]]",
        ),
        (
            "return [['my/deposit', 'acc-1', 5], [sym('my/inc'), 'acc-1']]",
            "[[:my/deposit \"acc-1\" 5] [my/inc \"acc-1\"]]",
        ),
        (
            "return [{'db/id': ctx.tx, 'boat/name': 'Ada', ':boat/fuel': 5}]",
            "[{:boat/fuel 5, :boat/name \"Ada\", :db/id \"datomic.tx\"}]",
        ),
        (
            "return [{'db/id': ['boat/name', 'Argo'], 'boat/tags': new Set([kw('a')])}]",
            "[{:boat/tags #{:a}, :db/id [:boat/name \"Argo\"]}]",
        ),
        // Whole numbers are doubles where the attribute is of doubles.
        (
            "return [['db/add', 'x', 'boat/weight', 3], {'boat/weight': 4}, ['db/add', 'x', 'boat/fuel', 3]]",
            "[[:db/add \"x\" :boat/weight 3.0] {:boat/weight 4.0} [:db/add \"x\" :boat/fuel 3]]",
        ),
        (
            "return [['db/add', 'x', 'boat/fuel', long('9007199254740993')]]",
            "[[:db/add \"x\" :boat/fuel 9007199254740993]]",
        ),
        (
            "const a = db.entity(['boat/name', 'Argo']); return [['db/add', a.id, 'boat/price', a['boat/price'].sub('0.25').mul(2)]]",
            "24.50M]]",
        ),
        ("return null", "[]"),
        ("", "[]"),
        ("return edn('[[:db/add \"x\" :boat/fuel 1]]')", "[[:db/add \"x\" :boat/fuel 1]]"),
    ] {
        let made = data(body).unwrap_or_else(|error| panic!("{body}: {error:?}"));
        assert!(made.ends_with(wanted), "{body}: {made}");
    }
}

/// Values that come back as they went: no floats, which text has not, and no whole doubles, which are longs.
fn values() -> impl Strategy<Value = Edn> {
    let name = || "[a-z][a-z0-9]{0,4}(/[a-z*!-][a-z0-9+*!-]{0,4})?".prop_map(|name: String| name);
    let atom = prop_oneof![
        Just(Edn::Nil),
        any::<bool>().prop_map(Edn::from),
        any::<i64>().prop_map(Edn::Int),
        (-9_007_199_254_740_993_i64..=9_007_199_254_740_993).prop_map(Edn::Int),
        any::<f64>().prop_filter("not whole", |x| x.fract() != 0.0 || !x.is_finite()).prop_map(Edn::double),
        "-?[1-9][0-9]{0,30}N".prop_map(|text| read(&text)),
        "-?(0|[1-9][0-9]{0,19})\\.[0-9]{1,20}M".prop_map(|text| read(&text)),
        any::<i32>().prop_map(|micros| Edn::Inst(i64::from(micros) * 1_000_003)),
        any::<u128>().prop_map(|bits| Edn::Uuid(uuid::Uuid::from_u128(bits))),
        any::<char>().prop_map(Edn::Char),
        name().prop_map(|name| Edn::keyword(&name)),
        name()
            .prop_filter("a name", |name| !["nil", "true", "false"].contains(&name.as_str()))
            .prop_map(|name| Edn::symbol(&name)),
        any::<String>().prop_map(Edn::string),
        ".*".prop_map(Edn::string),
        any::<Vec<u8>>().prop_map(|bytes| Edn::Bytes(bytes.into())),
    ];
    atom.prop_recursive(4, 40, 6, move |part| {
        let key = prop_oneof![
            name().prop_map(|name| Edn::keyword(&name)),
            Just(Edn::keyword("__proto__")),
            Just(Edn::keyword("constructor")),
        ];
        prop_oneof![
            prop::collection::vec(part.clone(), 0..6).prop_map(Edn::Vector),
            prop::collection::vec(part.clone(), 0..4).prop_map(Edn::List),
            prop::collection::btree_set(part.clone(), 0..6).prop_map(Edn::Set),
            prop::collection::btree_map(key, part.clone(), 0..6).prop_map(Edn::Map),
            prop::collection::btree_map(any::<String>().prop_map(Edn::string), part, 0..4).prop_map(Edn::Map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_goes_in_comes_out(value in values()) {
        thread_local! {
            static IDENTITY: (Script, Db) = (Script::new("export const transaction = (db, x) => x").unwrap(), db());
        }
        let back = IDENTITY.with(|(script, db)| run(script, db, std::slice::from_ref(&value), Shape::Plain));
        prop_assert_eq!(back.unwrap().data, value);
    }
}

#[test]
fn the_numbers_of_the_language_are_one_type() {
    for (given, back) in [
        ("1.0", "1"),
        ("-0.0", "-0.0"),
        ("1e300", "1e300"),
        ("9007199254740992.0", "9007199254740992.0"),
        ("##NaN", "##NaN"),
        ("##-Inf", "##-Inf"),
    ] {
        assert_eq!(plain("return x", read(given)).unwrap(), read(back), "{given}");
    }
    assert_eq!(plain("return double(x)", 5.into()).unwrap(), Edn::double(5.0));
}
