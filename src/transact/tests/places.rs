//! Partitions: where new entities lie.

use annals_storage::datom::{EntityId, Partition};

use super::{Harbour, check_refused};

const PARTITIONS: &str =
    "[{:db/id \"p\" :db/ident :part/boats} [:db/add :db.part/db :db.install/partition \"p\"]
                           {:db/id \"q\" :db/ident :part/crew :db.install/_partition :db.part/db}
                           {:db/id \"a\" :boat/name \"Argo\" :port/code \"ARG\"}]";

fn partition(harbour: &Harbour, name: &str) -> EntityId {
    EntityId(u64::from(harbour.names[name].partition().0))
}

#[test]
fn new_entities_lie_where_they_are_told_to() {
    let mut harbour = Harbour::new(PARTITIONS);
    let (boats, crew) = (harbour.names["p"], harbour.names["q"]);
    assert_eq!(boats.partition(), Partition::DB);
    harbour.ok(
        "[{:db/id \"x\" :boat/name \"X\"} {:db/id \"y\" :boat/name \"Y\"} {:db/id \"z\" :boat/name \"Z\"} {:db/id \"w\" :boat/name \"W\"}
          {:db/force-partition {\"x\" :part/boats \"w\" :part/crew}} [:db/match-partition {\"y\" \"x\" \"z\" \"y\"}]]",
    );
    for name in ["x", "y", "z"] {
        assert_eq!(partition(&harbour, name), boats, "{name}");
    }
    assert_eq!(partition(&harbour, "w"), crew);
    assert_ne!(harbour.names["x"], harbour.names["y"]);
    // Beside an entity that is there; what is there stays.
    harbour.ok("[{:db/id \"v\" :boat/name \"V\"} {:db/match-partition {\"v\" $x}}]");
    assert_eq!(partition(&harbour, "v"), boats);
    let report =
        harbour.ok("[{:db/id \"old\" :port/code \"ARG\"} {:db/force-partition {\"old\" :part/boats}}]");
    assert_eq!(report.tempids["old"], harbour.names["a"]);
    assert_eq!(harbour.names["a"].partition(), Partition::USER);
    // Ids of a partition can be used like any.
    harbour.ok("[[:db/add $x :boat/fuel 3]]");
    harbour.refused("[[:db/add 1130297953353727 :boat/fuel 3]]", "invalid-entity-id");
}

#[test]
fn partitions_that_are_none() {
    check_refused(
        PARTITIONS,
        &[
            ("[{:db/id \"x\" :boat/name \"X\"} {:db/force-partition {\"x\" :part/none}}]", "not-an-entity"),
            ("[{:db/id \"x\" :boat/name \"X\"} {:db/force-partition {\"x\" :boat/name}}]", "not-a-partition"),
            (
                "[{:db/id \"x\" :boat/name \"X\"} {:db/force-partition {\"x\" :db.part/db}}]",
                "not-a-partition",
            ),
            ("[{:db/id \"x\" :boat/name \"X\"} {:db/force-partition {$a :part/boats}}]", "invalid-tx-data"),
            ("[{:db/force-partition [\"x\" :part/boats]}]", "invalid-tx-data"),
            (
                "[{:db/id \"x\" :boat/name \"X\"} {:db/id \"y\" :boat/name \"Y\"} {:db/match-partition {\"x\" \"y\" \"y\" \"x\"}}]",
                "cycle-in-affinity",
            ),
            ("[[:db/add :db.part/db :db.install/partition $a]]", "not-a-partition"),
        ],
    );
}
