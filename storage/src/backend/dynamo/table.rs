//! One table: made if it is absent, and its items got, put, deleted and listed, many in one request where that can be.
//!
//! What a request of many leaves undone is asked for again, with patience. An item is put before nobody but who names it:
//! parts first.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value, json};

use super::api::{Api, Refusal};
use super::items::{self, Held, PART};
use crate::backend::remote::{Patience, Setback};
use crate::backend::{DatabaseId, Failure, Filled, SegmentId, Sequence};
use crate::error::Error;

/// The version of the items.
const LAYOUT: u64 = 1;
/// How many items a request writes, and how many it reads.
const WRITTEN: usize = 25;
const READ: usize = 100;
/// How many bytes a request writes, nearly: 16 MB may be sent, and values grow by a third on their way.
const SENT: usize = 8 << 20;
/// How many requests of one call are under way.
const AT_ONCE: usize = 8;
/// How long a table may take to be made.
const MADE: Duration = Duration::from_secs(120);
/// What a database has.
const KINDS: [&str; 5] = ["log", "roots", "segment", "hint", "part"];

/// A table.
pub(super) struct Table {
    pub(super) api: Api,
    pub(super) name: String,
    pub(super) patience: Patience,
}

/// Where an item is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) partition: String,
    pub(super) sort: String,
}

impl Key {
    fn new(partition: impl Into<String>, sort: impl Into<String>) -> Key {
        Key { partition: partition.into(), sort: sort.into() }
    }

    pub(super) fn slot(sequence: Sequence, number: u64) -> Key {
        let partition = match sequence {
            Sequence::Catalog => "catalog".to_owned(),
            Sequence::Log(database) => format!("{database}/log"),
            Sequence::Root(database) => format!("{database}/roots"),
        };
        Key::new(partition, format!("{number:020}"))
    }

    pub(super) fn segment(id: SegmentId) -> Key {
        let SegmentId { database, epoch, job, ordinal } = id;
        Key::new(format!("{database}/segment"), format!("{epoch:020}-{job:020}-{ordinal:020}"))
    }

    pub(super) fn hint(database: DatabaseId, name: &str) -> Key {
        // A key is never empty.
        Key::new(format!("{database}/hint"), format!("={name}"))
    }

    pub(super) fn probe(name: &str) -> Key {
        Key::new("probe", name)
    }

    /// A part of what belongs to this item's database.
    fn part(&self, write: &str, number: usize) -> Key {
        let database = self.partition.split('/').next().unwrap_or_default();
        Key::new(format!("{database}/part"), format!("{write}-{number:06}"))
    }

    fn parts(&self, write: &str, count: usize) -> Vec<Key> {
        (0..count).map(|number| self.part(write, number)).collect()
    }

    fn json(&self) -> Value {
        json!({"p": {"S": self.partition}, "k": {"S": self.sort}})
    }

    fn of(item: &Value) -> Option<Key> {
        Some(Key::new(items::text(item, "p")?, items::text(item, "k")?))
    }

    /// The item of this key with these attributes.
    pub(super) fn item(&self, attributes: Value) -> Value {
        let mut item = self.json();
        if let (Value::Object(item), Value::Object(attributes)) = (&mut item, attributes) {
            item.extend(attributes);
        }
        item
    }
}

impl Table {
    /// Finds the table and its layout, or makes them. Several openers may do so at once.
    pub(super) async fn prepare(&self, create: bool) -> Result<(), Failure> {
        let nothing =
            || Error::NoStorage { path: self.api.shown.clone(), why: "there is no such table".to_owned() };
        if !self.is_ready(create).await? {
            if !create {
                return Err(nothing().into());
            }
            Patience::new(MADE).wait(|| self.make()).await?;
        }
        let (key, own) = (Key::new("annals", "layout"), json!({"n": {"N": LAYOUT.to_string()}}));
        let mut there = self.item(&key).await?;
        if there.is_none() {
            if !create {
                return Err(nothing().into());
            }
            // Who was first is read.
            self.put_new(&key.item(own), &key).await?;
            there = self.item(&key).await?;
        }
        let found = there.and_then(|item| items::number(&item, "n")).unwrap_or(0);
        if found != LAYOUT {
            let (place, found) = (self.api.shown.clone(), u32::try_from(found).unwrap_or(u32::MAX));
            return Err(
                Error::UnknownVersion { place, what: "layout", found, known: LAYOUT.to_string() }.into()
            );
        }
        Ok(())
    }

    /// True if the table can be used; false if it has to be made, or is being made.
    async fn is_ready(&self, create: bool) -> Result<bool, Failure> {
        let attempt = || async {
            match self.api.call("DescribeTable", &json!({"TableName": self.name})).await {
                Ok(told) if told["Table"]["TableStatus"] == "ACTIVE" => Ok(true),
                Ok(_) if create => Ok(false),
                Ok(_) => Err(self.api.setback(Refusal::InUse)),
                Err(Refusal::NoTable(_)) => Ok(false),
                Err(refusal) => Err(self.api.setback(refusal)),
            }
        };
        self.patience.wait(attempt).await
    }

    /// Makes the table, if nobody does; ends when it can be used.
    async fn make(&self) -> Result<(), Setback> {
        match self.api.call("DescribeTable", &json!({"TableName": self.name})).await {
            Ok(told) if told["Table"]["TableStatus"] == "ACTIVE" => Ok(()),
            Err(Refusal::NoTable(_)) => match self.api.call("CreateTable", &self.definition()).await {
                Ok(_) | Err(Refusal::InUse) => Err(self.api.setback(Refusal::InUse)),
                Err(refusal) => Err(self.api.setback(refusal)),
            },
            Ok(_) => Err(self.api.setback(Refusal::InUse)),
            Err(refusal) => Err(self.api.setback(refusal)),
        }
    }

    fn definition(&self) -> Value {
        json!({
            "TableName": self.name,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "k", "KeyType": "RANGE"}],
            "AttributeDefinitions": [
                {"AttributeName": "p", "AttributeType": "S"},
                {"AttributeName": "k", "AttributeType": "S"}
            ],
        })
    }

    /// Calls an operation until it is answered.
    pub(super) async fn call(&self, operation: &str, body: &Value) -> Result<Value, Failure> {
        let attempt =
            || async { self.api.call(operation, body).await.map_err(|refusal| self.api.setback(refusal)) };
        self.patience.wait(attempt).await
    }

    async fn item(&self, key: &Key) -> Result<Option<Value>, Failure> {
        self.patience.wait(|| self.item_once(key)).await
    }

    async fn item_once(&self, key: &Key) -> Result<Option<Value>, Setback> {
        let get = json!({"TableName": self.name, "Key": key.json(), "ConsistentRead": true});
        let told = self.api.call("GetItem", &get).await;
        Ok(told.map_err(|refusal| self.api.setback(refusal))?.get_mut("Item").map(Value::take))
    }

    /// Puts an item that is absent; gives the one that is there instead, if there is one: that is believed after it was
    /// read.
    async fn put_new(&self, item: &Value, key: &Key) -> Result<Option<Value>, Failure> {
        let put =
            json!({"TableName": self.name, "Item": item, "ConditionExpression": "attribute_not_exists(p)"});
        let attempt = || async {
            let why = match self.api.call("PutItem", &put).await {
                Ok(_) => return Ok(None),
                Err(Refusal::IsThere) => {
                    format!("{}: an item is said to be there, and is not", self.api.shown)
                }
                Err(refusal) => match self.api.setback(refusal) {
                    Setback::Doubtful(why) => why,
                    known => return Err(known),
                },
            };
            self.item_once(key).await?.map(Some).ok_or(Setback::Doubtful(why))
        };
        self.patience.wait(attempt).await
    }

    /// Puts a value that is absent; `write` is a number nobody else has. None if it was there and is gone.
    pub(super) async fn create(
        &self,
        key: &Key,
        write: u128,
        bytes: &[u8],
    ) -> Result<Option<Filled>, Failure> {
        let (write, is_parted) = (format!("{write:032x}"), bytes.len() > PART);
        let attributes = if is_parted {
            self.put(parts_of(key, &write, bytes)).await?;
            items::parted(&write, bytes.len())
        } else {
            items::whole(bytes)
        };
        let Some(there) = self.put_new(&key.item(attributes), key).await? else {
            return Ok(Some(Filled::Done));
        };
        if is_parted && items::text(&there, "write") != Some(&write) {
            // Nobody names them. Should they stay, they are in the way of nobody.
            let _ = self.delete(key.parts(&write, bytes.len().div_ceil(PART))).await;
        }
        Ok(self.value(key, Some(there)).await?.map(Filled::Taken))
    }

    /// A value, if it is there.
    pub(super) async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Failure> {
        let item = self.item(key).await?;
        self.value(key, item).await
    }

    /// What an item holds, parts and all; none if it is absent or gone.
    pub(super) async fn value(&self, key: &Key, item: Option<Value>) -> Result<Option<Vec<u8>>, Failure> {
        let Some(item) = item else { return Ok(None) };
        let strange =
            |what: &str| Error::corrupt(format!("{} {} {}", self.api.shown, key.partition, key.sort), what);
        match items::held(&item).ok_or_else(|| strange("its attributes are none of ours"))? {
            Held::Whole(bytes) => Ok(Some(bytes)),
            Held::Gone => Ok(None),
            Held::Parts(write, count, length) => {
                let mut bytes = Vec::new();
                for part in self.items(&key.parts(&write, count)).await? {
                    match part.as_ref().and_then(items::held) {
                        Some(Held::Whole(part)) => bytes.extend(part),
                        // What names them may have been deleted meanwhile.
                        _ => return Err(strange("a part of it is missing").into()),
                    }
                }
                if bytes.len() != length {
                    return Err(strange(&format!("{} bytes are there of {length}", bytes.len())).into());
                }
                Ok(Some(bytes))
            }
        }
    }

    pub(super) async fn get_all(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let mut values = Vec::with_capacity(keys.len());
        for (key, item) in keys.iter().zip(self.items(keys).await?) {
            values.push(self.value(key, item).await?);
        }
        Ok(values)
    }

    /// Items by key, each if it is there.
    async fn items(&self, keys: &[Key]) -> Result<Vec<Option<Value>>, Failure> {
        if let [one] = keys {
            return Ok(vec![self.item(one).await?]);
        }
        let requests = keys.chunks(READ).map(|some| self.items_of(some)).collect::<Vec<_>>();
        let chunks: Vec<_> = stream::iter(requests).buffered(AT_ONCE).try_collect().await?;
        Ok(chunks.into_iter().flatten().collect())
    }

    async fn items_of(&self, keys: &[Key]) -> Result<Vec<Option<Value>>, Failure> {
        let mut wanted: Vec<&Key> = keys.iter().collect();
        // A request names no key twice.
        wanted.sort_unstable_by_key(|key| (&key.partition, &key.sort));
        wanted.dedup();
        let wanted: Vec<Value> = wanted.into_iter().map(Key::json).collect();
        let mut left = json!({&self.name: {"Keys": wanted, "ConsistentRead": true}});
        let mut found = std::collections::HashMap::new();
        while left.as_object().is_some_and(|left| !left.is_empty()) {
            let mut told = self.ask_for(left).await?;
            let items = told["Responses"][&self.name].as_array_mut().map(std::mem::take).unwrap_or_default();
            found.extend(items.into_iter().filter_map(|item| Some((Key::of(&item)?, item))));
            left = told["UnprocessedKeys"].take();
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    /// One request for many items; that nothing at all comes is waited out.
    async fn ask_for(&self, left: Value) -> Result<Value, Failure> {
        let attempt = || async {
            let asked = self.api.call("BatchGetItem", &json!({"RequestItems": left})).await;
            let told = asked.map_err(|refusal| self.api.setback(refusal))?;
            let came = told["Responses"][&self.name].as_array().is_some_and(|items| !items.is_empty());
            let is_left = told["UnprocessedKeys"].as_object().is_some_and(|left| !left.is_empty());
            if is_left && !came {
                return Err(Setback::Declined(format!("{}: too much is asked of it", self.api.shown)));
            }
            Ok(told)
        };
        self.patience.wait(attempt).await
    }

    /// Puts values, whatever is there; parts before what names them.
    pub(super) async fn put_all(&self, values: Vec<(Key, Vec<u8>)>, write: u128) -> Result<(), Failure> {
        let (mut parts, mut items) = (Vec::new(), Vec::new());
        for (number, (key, bytes)) in values.into_iter().enumerate() {
            if bytes.len() > PART {
                let write = format!("{write:032x}-{number}");
                parts.extend(parts_of(&key, &write, &bytes));
                items.push((0, key.item(items::parted(&write, bytes.len()))));
            } else {
                items.push((bytes.len(), key.item(items::whole(&bytes))));
            }
        }
        self.put(parts).await?;
        self.put(items).await
    }

    /// Puts items, each with about how many bytes it has.
    pub(super) async fn put(&self, items: Vec<(usize, Value)>) -> Result<(), Failure> {
        self.write(
            items.into_iter().map(|(size, item)| (size, json!({"PutRequest": {"Item": item}}))).collect(),
        )
        .await
    }

    /// Deletes items, if they are there.
    pub(super) async fn delete(&self, keys: Vec<Key>) -> Result<(), Failure> {
        let request = |key: &Key| (0, json!({"DeleteRequest": {"Key": key.json()}}));
        self.write(keys.iter().map(request).collect()).await
    }

    /// Deletes items, and then their parts.
    pub(super) async fn delete_with_parts(&self, keys: Vec<Key>) -> Result<(), Failure> {
        let parts = self.parts_named_by(&keys).await?;
        self.delete(keys).await?;
        self.delete(parts).await
    }

    /// Marks slots as deleted, and deletes their parts.
    pub(super) async fn mark_gone(&self, keys: Vec<Key>) -> Result<(), Failure> {
        let parts = self.parts_named_by(&keys).await?;
        self.put(keys.iter().map(|key| (0, key.item(items::gone()))).collect()).await?;
        self.delete(parts).await
    }

    async fn parts_named_by(&self, keys: &[Key]) -> Result<Vec<Key>, Failure> {
        let items = self.items(keys).await?;
        let parts = keys.iter().zip(items).filter_map(|(key, item)| match items::held(&item?)? {
            Held::Parts(write, count, _) => Some(key.parts(&write, count)),
            _ => None,
        });
        Ok(parts.flatten().collect())
    }

    async fn write(&self, requests: Vec<(usize, Value)>) -> Result<(), Failure> {
        let (mut batches, mut size) = (Vec::<Vec<Value>>::new(), 0);
        for (bytes, request) in requests {
            match batches.last_mut().filter(|batch| batch.len() < WRITTEN && size + bytes <= SENT) {
                Some(batch) => batch.push(request),
                None => {
                    size = 0;
                    batches.push(vec![request]);
                }
            }
            size += bytes;
        }
        let writes = batches.into_iter().map(|batch| self.write_batch(batch)).collect::<Vec<_>>();
        stream::iter(writes).buffer_unordered(AT_ONCE).try_for_each(async |()| Ok(())).await
    }

    async fn write_batch(&self, batch: Vec<Value>) -> Result<(), Failure> {
        let left = std::sync::Mutex::new(json!({&self.name: batch}));
        let lock = || left.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let attempt = || async {
            let body = json!({"RequestItems": lock().clone()});
            let asked = self.api.call("BatchWriteItem", &body).await;
            let mut told = asked.map_err(|refusal| self.api.setback(refusal))?;
            let undone = told["UnprocessedItems"].take();
            if undone.as_object().is_none_or(Map::is_empty) {
                return Ok(());
            }
            *lock() = undone;
            Err(Setback::Declined(format!("{}: too much is asked of it", self.api.shown)))
        };
        self.patience.wait(attempt).await
    }

    /// The items of a partition in order, as a query with these further fields says, to its end or until it has so many.
    pub(super) async fn query(
        &self,
        partition: &str,
        after: Option<(&str, &str)>,
        fields: Value,
        limit: usize,
    ) -> Result<Vec<Value>, Failure> {
        let mut query = json!({
            "TableName": self.name, "ConsistentRead": true, "KeyConditionExpression": "p = :p",
            "ExpressionAttributeValues": {":p": {"S": partition}},
        });
        if let Some((than, sort)) = after {
            query["KeyConditionExpression"] = json!(format!("p = :p AND k {than} :k"));
            query["ExpressionAttributeValues"][":k"] = json!({"S": sort});
        }
        let Value::Object(fields) = fields else { unreachable!("fields are a map") };
        for (name, value) in fields {
            query[name] = value;
        }
        self.pages("Query", query, limit).await
    }

    async fn pages(&self, operation: &str, mut body: Value, limit: usize) -> Result<Vec<Value>, Failure> {
        let mut found = Vec::new();
        while found.len() < limit {
            if limit < usize::MAX {
                body["Limit"] = json!((limit - found.len()).min(1_000_000));
            }
            let mut told = self.call(operation, &body).await?;
            found.extend(told["Items"].as_array_mut().map(std::mem::take).unwrap_or_default());
            let last = told["LastEvaluatedKey"].take();
            if last.is_null() {
                break;
            }
            body["ExclusiveStartKey"] = last;
        }
        Ok(found)
    }

    pub(super) async fn list_segments(
        &self,
        database: DatabaseId,
        after: Option<SegmentId>,
        limit: usize,
    ) -> Result<Vec<SegmentId>, Failure> {
        let after = after.map(|id| Key::segment(id).sort);
        let after = after.as_deref().map(|sort| (">", sort));
        let partition = format!("{database}/segment");
        let items = self.query(&partition, after, json!({"ProjectionExpression": "k"}), limit).await?;
        Ok(items.iter().filter_map(|item| SegmentId::named(database, items::text(item, "k")?)).collect())
    }

    /// Reads every item's length: as dear as reading every item.
    pub(super) async fn stored_bytes(&self) -> Result<u64, Failure> {
        let scan =
            json!({"TableName": self.name, "ProjectionExpression": "n, parts", "ConsistentRead": true});
        let items = self.pages("Scan", scan, usize::MAX).await?;
        // The bytes of what is in parts are counted there.
        let sizes = items.iter().filter(|item| item.get("parts").is_none());
        Ok(sizes.filter_map(|item| items::number(item, "n")).sum())
    }

    pub(super) async fn delete_database(&self, database: DatabaseId) -> Result<(), Failure> {
        for kind in KINDS {
            let partition = format!("{database}/{kind}");
            let items =
                self.query(&partition, None, json!({"ProjectionExpression": "p, k"}), usize::MAX).await?;
            self.delete(items.iter().filter_map(Key::of).collect()).await?;
        }
        Ok(())
    }
}

/// The parts of a value, with their sizes.
fn parts_of(key: &Key, write: &str, bytes: &[u8]) -> Vec<(usize, Value)> {
    let part =
        |(number, part): (usize, &[u8])| (part.len(), key.part(write, number).item(items::whole(part)));
    bytes.chunks(PART).enumerate().map(part).collect()
}
