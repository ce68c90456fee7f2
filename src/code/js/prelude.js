// The world of a script, made once for each realm: what is taken away, what is guarded, what is added, then all of it
// frozen. Invariants: nothing that a script can reach can change, so no call sees another; whatever takes long in one
// step of the engine is charged for; what goes out is printed as EDN text, and only here. It does not know databases.
(function (host) {
  "use strict";

  const { apply, ownKeys, getPrototypeOf, getOwnPropertyDescriptor, defineProperty } = Reflect;
  const { freeze, create, keys } = Object;
  const { isArray } = Array;
  const { isSafeInteger, isInteger, isFinite, isNaN } = Number;
  const { floor, log2 } = Math;
  const { stringify } = JSON;
  const { join } = Array.prototype;
  const { startsWith, substring } = globalThis.String.prototype;
  const Regex = globalThis.RegExp.prototype;
  const { test } = Regex;
  const { forEach: eachEntry, get: lookUp, set: put } = globalThis.Map.prototype;
  const { forEach: eachMember, has: hasMember, add: addMember } = globalThis.Set.prototype;
  const mapSize = getOwnPropertyDescriptor(globalThis.Map.prototype, "size").get;
  const setSize = getOwnPropertyDescriptor(globalThis.Set.prototype, "size").get;
  const { Map, Set, Error, TypeError, RangeError, InternalError, String, Symbol } = globalThis;
  const { charge, begin, input, ask, literal, exact } = host;

  // ---- What is taken away: chance, code from text, promises, and integers of any size, whose operators nothing stops.

  const stackOf = getOwnPropertyDescriptor(Error.prototype, "stack").get;
  const away = ["eval", "Function", "BigInt", "RegExp", "Promise", "queueMicrotask", "DisposableStack", "AsyncDisposableStack"];
  for (const name of away) delete globalThis[name];
  delete Math.random;
  delete Regex.constructor;
  delete Regex.compile;
  for (const name of ["prepareStackTrace", "captureStackTrace"]) delete Error[name];
  defineProperty(Error, "stackTraceLimit", { value: 10, writable: false });
  const kinds = [function () {}, function* () {}, async function () {}, async function* () {}];
  for (const kind of kinds) delete getPrototypeOf(kind).constructor;

  // ---- What is guarded: the engine looks at its limits between steps, and one call of these is one step.

  const CHEAP = 64;
  const size = (x) => (typeof x === "string" || isArray(x) ? x.length : 0);
  const linear = (self, args) => {
    let all = size(self);
    for (let i = 0; i < args.length; i++) all += size(args[i]);
    return all;
  };
  const search = (self, args) => {
    const found = typeof self === "string" && typeof args[0] === "string" ? self.length * args[0].length : 0;
    return linear(self, args) + floor(found / 16);
  };
  const sorting = (self, args) => {
    const all = size(self);
    let text = 0;
    if (args[0] === undefined) for (let i = 0; i < all; i++) text += size(self[i]);
    return floor((all + text / 16) * log2(all + 2));
  };
  const guard = (owner, key, price) => {
    const described = getOwnPropertyDescriptor(owner, key);
    const native = described?.value;
    if (typeof native !== "function") return;
    const guarded = {
      [key](...args) {
        const before = price(this, args);
        if (before > CHEAP) charge(before);
        const result = apply(native, this, args);
        const after = size(result);
        if (after > CHEAP) charge(after);
        return result;
      },
    }[key];
    defineProperty(owner, key, { ...described, value: guarded });
  };
  const given = (_, args) => linear("", args);
  const free = () => 0;
  const prices = {
    __proto__: null,
    indexOf: search, lastIndexOf: search, includes: search, split: search, replace: search, replaceAll: search,
    sort: sorting, toSorted: sorting, startsWith: given, endsWith: given,
    slice: free, substring: free, substr: free,
  };
  const UNGUARDED = new Set([
    "push", "pop", "at", "isArray", "of", "length", "charAt", "charCodeAt", "codePointAt", "fromCharCode", "fromCodePoint",
    "valueOf", "constructor",
  ]);
  for (const owner of [Array.prototype, String.prototype, Regex, Array, String, JSON]) {
    for (const key of ownKeys(owner)) if (!UNGUARDED.has(key)) guard(owner, key, prices[key] ?? linear);
  }
  const whole = [
    "assign", "keys", "values", "entries", "fromEntries", "getOwnPropertyNames", "getOwnPropertySymbols",
    "getOwnPropertyDescriptors", "defineProperties", "freeze", "seal", "isFrozen", "isSealed",
  ];
  const properties = (_, args) => {
    let all = 0;
    for (let i = 0; i < args.length; i++) {
      const x = args[i];
      if (typeof x === "object" && x !== null) all += isArray(x) ? x.length : ownKeys(x).length;
    }
    return all;
  };
  for (const key of whole) guard(Object, key, properties);
  guard(Reflect, "ownKeys", properties);
  const through = [
    "forEach", "keys", "values", "entries", "clear", "union", "intersection", "difference", "symmetricDifference",
    "isSubsetOf", "isSupersetOf", "isDisjointFrom", Symbol.iterator,
  ];
  for (const [owner, count] of [[Map.prototype, mapSize], [Set.prototype, setSize]]) {
    const members = (self) => {
      try {
        return apply(count, self, []);
      } catch {
        return 0;
      }
    };
    for (const key of through) guard(owner, key, members);
  }

  // ---- What is added: values that the language has no type for. One value is one object in a call, so that === works.

  let known;
  class Value {
    #kind;
    #edn;
    #text;
    constructor(kind, edn, text) {
      this.#kind = kind;
      this.#edn = edn;
      this.#text = text;
      freeze(this);
    }
    static is(x) {
      return typeof x === "object" && x !== null && #kind in x;
    }
    static edn(x) {
      return x.#edn;
    }
    static kind(x) {
      return x.#kind;
    }
    get kind() {
      return this.#kind;
    }
    toString() {
      return this.#text;
    }
    toJSON() {
      return this.#text;
    }
    [Symbol.toPrimitive](hint) {
      if (hint === "string") return this.#text;
      if (this.#kind === "double") return +this.#text;
      throw new TypeError(`${this.#text} is no number of the language: use its methods (.add, .sub, .mul, .lt, .eq) or String(x)`);
    }
    eq(other) {
      return this === other || compare(this, other) === 0;
    }
    cmp(other) {
      return compare(this, other);
    }
    lt(other) {
      return compare(this, other) < 0;
    }
    le(other) {
      return compare(this, other) <= 0;
    }
    gt(other) {
      return compare(this, other) > 0;
    }
    ge(other) {
      return compare(this, other) >= 0;
    }
    add(other) {
      return exact("add", this.#edn, operand(this, other), make);
    }
    sub(other) {
      return exact("sub", this.#edn, operand(this, other), make);
    }
    mul(other) {
      return exact("mul", this.#edn, operand(this, other), make);
    }
    get millis() {
      return exact("millis", this.#edn, "0", make);
    }
  }
  delete Value.prototype.constructor;

  const make = (kind, edn, text) => {
    if (kind === "map") return new Map(edn);
    if (kind === "set") return new Set(edn);
    let value = apply(lookUp, known, [edn]);
    if (value === undefined) {
      value = new Value(kind, edn, text);
      apply(put, known, [edn, value]);
    }
    return value;
  };
  const operand = (value, other) => {
    if (Value.is(other)) return Value.edn(other);
    if (typeof other === "number" && isSafeInteger(other)) return String(other);
    if (typeof other === "string") return Value.edn(literal(Value.kind(value), other, make));
    throw new TypeError(`${Value.kind(value)} ${value} does not go with ${describe(other)}`);
  };
  const compare = (value, other) => exact("cmp", Value.edn(value), operand(value, other), make);

  const made = (kind) => (text) => literal(kind, String(text), make);
  const added = {
    kw: made("keyword"), sym: made("symbol"), uuid: made("uuid"), instant: made("instant"), decimal: made("decimal"),
    bigint: made("bigint"), long: made("long"), double: made("double"), edn: made("edn"),
  };
  for (const name of ownKeys(added)) defineProperty(globalThis, name, { value: added[name], configurable: true });

  // ---- What goes out, as EDN text.

  const DEEPEST = 64;
  const NAME = /^:?[A-Za-z0-9.*+!\-_?$%&=<>#'|\/\u0080-\ud7ff\ue000-\uffff]+$/;
  const shorten = (text) => (text.length > 60 ? apply(substring, text, [0, 60]) + "…" : text);
  const describe = (x) => {
    if (typeof x === "string") return stringify(shorten(x));
    if (Value.is(x)) return shorten(`${x}`);
    if (typeof x === "function") return "a function";
    if (typeof x === "symbol" || typeof x === "bigint") return `a ${typeof x}`;
    if (typeof x === "object" && x !== null) return isArray(x) ? "an array" : "an object";
    return String(x);
  };
  class Garbage {
    #why;
    constructor(why) {
      this.#why = why;
    }
    static why(x) {
      return typeof x === "object" && x !== null && #why in x ? x.#why : undefined;
    }
  }
  class Rejection {
    #told;
    constructor(told) {
      this.#told = told;
    }
    static told(x) {
      return typeof x === "object" && x !== null && #told in x ? x.#told : undefined;
    }
  }
  delete Garbage.prototype.constructor;
  delete Rejection.prototype.constructor;
  const refuse = (why) => {
    throw new Garbage(why);
  };
  let names;
  const name = (x) => {
    if (typeof x !== "string") return printed(x, DEEPEST);
    const before = apply(lookUp, names, [x]);
    if (before !== undefined) return before;
    if (x.length > 1024 || !apply(test, NAME, [x])) refuse(describe(x) + " is no name");
    const text = apply(startsWith, x, [":"]) ? x : ":" + x;
    apply(put, names, [x, text]);
    return text;
  };
  const numeral = (x) => {
    if (isSafeInteger(x) && !(x === 0 && 1 / x < 0)) return String(x);
    if (isNaN(x)) return "##NaN";
    if (!isFinite(x)) return x > 0 ? "##Inf" : "##-Inf";
    return isInteger(x) && x < 1e21 && x > -1e21 ? (x === 0 ? "-0" : String(x)) + ".0" : String(x);
  };
  const all = (xs, depth, each) => {
    const parts = [];
    for (let i = 0; i < xs.length; i++) parts[i] = each(xs[i], depth, i);
    return apply(join, parts, [" "]);
  };
  // What an entity is named by: text is a tempid, but with a colon in front an ident; an array is a lookup ref.
  const entity = (x, depth) => {
    if (typeof x === "string") return apply(startsWith, x, [":"]) ? name(x) : printed(x, depth);
    if (isArray(x) && x.length === 2) return "[" + name(x[0]) + " " + printed(x[1], depth - 1) + "]";
    return printed(x, depth);
  };
  const object = (x, depth, ofKey) => {
    const proto = getPrototypeOf(x);
    if (proto !== null && proto !== Object.prototype) refuse("an object of a class is no data: plain objects, arrays, Map and Set are");
    const own = keys(x);
    charge(own.length);
    const parts = [];
    for (let i = 0; i < own.length; i++) parts[i] = name(own[i]) + " " + ofKey(own[i], x[own[i]], depth);
    return "{" + apply(join, parts, [" "]) + "}";
  };
  const plainKey = (_, x, depth) => printed(x, depth);
  const printed = (x, depth) => {
    if (x === null) return "nil";
    switch (typeof x) {
      case "string":
        charge(x.length);
        return stringify(x);
      case "number":
        return numeral(x);
      case "boolean":
        return String(x);
      case "object":
        break;
      case "undefined":
        return refuse("undefined is no value; nil is null");
      default:
        return refuse(describe(x) + " is no value");
    }
    if (Value.is(x)) return Value.edn(x);
    if (depth <= 0) refuse(`nested deeper than ${DEEPEST} levels, or in a circle`);
    if (isArray(x)) return "[" + all(x, depth - 1, printed) + "]";
    const parts = [];
    let n = 0;
    if (x instanceof Map) {
      apply(eachEntry, x, [(v, k) => { parts[n++] = key(k, depth - 1) + " " + printed(v, depth - 1); }]);
      return "{" + apply(join, parts, [" "]) + "}";
    }
    if (x instanceof Set) {
      apply(eachMember, x, [(v) => { parts[n++] = printed(v, depth - 1); }]);
      return "#{" + apply(join, parts, [" "]) + "}";
    }
    return object(x, depth - 1, plainKey);
  };
  const key = (x, depth) => (typeof x === "number" && isNaN(x) ? refuse("NaN is no key") : printed(x, depth));

  // ---- Transaction data: where a name stands, text is a name.

  const ENTITY_FIRST = new Set();
  for (const op of ["add", "retract", "cas", "retractEntity"]) {
    for (const prefix of ["db/", ":db/", "db.fn/", ":db.fn/"]) ENTITY_FIRST.add(prefix + op);
  }
  const namesEntity = (op) => apply(hasMember, ENTITY_FIRST, [op]);
  const ofEntity = (own, x, depth) => (own === "db/id" || own === ":db/id" ? entity(x, depth) : printed(x, depth));
  const operation = (x, depth) => {
    if (Value.is(x)) return Value.edn(x);
    if (typeof x !== "object" || x === null) refuse(describe(x) + " is no operation");
    if (x instanceof Map) return printed(x, depth);
    if (!isArray(x)) return object(x, depth, ofEntity);
    if (x.length === 0) refuse("an empty array is no operation");
    const facts = typeof x[0] === "string" && namesEntity(x[0]);
    const part = (x, depth, i) => {
      if (i === 0) return name(x);
      if (facts && i === 1) return entity(x, depth);
      return facts && i === 2 ? name(x) : printed(x, depth);
    };
    return "[" + all(x, depth, part) + "]";
  };
  const transaction = (x) => {
    if (x === null || x === undefined) return "[]";
    if (Value.is(x)) return Value.edn(x);
    if (!isArray(x)) refuse(`a function gives an array of operations, not ${describe(x)}`);
    return "[" + all(x, DEEPEST, operation) + "]";
  };

  // ---- What a function is called with.

  const reader = freeze({
    q: (text, ...inputs) => ask("q", "[" + printed(text, 1) + " " + all(inputs, DEEPEST, printed) + "]", make),
    pull: (pattern, e) => ask("pull", "[" + printed(pattern, 1) + " " + entity(e, DEEPEST) + "]", make),
    entity: (e) => ask("entity", "[" + entity(e, DEEPEST) + "]", make),
    values: (e, attribute) => ask("values", "[" + entity(e, DEEPEST) + " " + name(attribute) + "]", make),
  });
  const reject = (code, message, data) => {
    const told = typeof message === "string" ? message : null;
    const facts = told === null ? message : data;
    throw new Rejection("[" + name(code) + " " + printed(told, 1) + " " + (facts === undefined ? "{}" : printed(facts, DEEPEST)) + "]");
  };
  const context = () => freeze({ now: ask("now", "[]", make), t: ask("t", "[]", make), tx: "datomic.tx", uuid: () => ask("uuid", "[]", make), reject });

  const own = (x, field) => {
    const text = getOwnPropertyDescriptor(x, field)?.value;
    return typeof text === "string" ? text : "";
  };
  const failure = (e) => {
    const told = Rejection.told(e);
    if (told !== undefined) return "r" + told;
    const why = Garbage.why(e);
    if (why !== undefined) return "g" + why;
    // Where there is no memory for an error, the engine throws this.
    if (e === null) return "m";
    if (!(typeof e === "object" && e !== null && e instanceof Error)) return "f" + stringify(["it threw " + describe(e), ""]);
    const message = own(e, "message");
    if (e instanceof InternalError && message === "out of memory") return "m";
    if (message === "Maximum call stack size exceeded") return "s";
    const name = typeof e.name === "string" ? shorten(e.name) + ": " : "";
    const stack = String(apply(stackOf, e, []));
    return "f" + stringify([name + apply(substring, message, [0, 1000]), apply(substring, stack, [0, 4000])]);
  };

  let factory;
  const world = {
    install(given) {
      factory = given;
    },
    // Runs until the engine looks at its limits: calls that begin here count the same steps.
    align() {
      for (;;);
    },
    enter(wanted, shape) {
      begin();
      known = new Map();
      names = new Map();
      try {
        const exported = factory()[wanted];
        if (typeof exported !== "function") return "n";
        const args = input(make);
        args[args.length] = context();
        const given = exported(reader, ...args);
        return "v" + (shape === "transaction" ? transaction(given) : printed(given ?? null, DEEPEST));
      } catch (e) {
        return failure(e);
      } finally {
        known = undefined;
        names = undefined;
      }
    },
  };

  // ---- All of it frozen: whatever can be reached from the globals and from what literals make.

  const hidden = [
    ...kinds, [][Symbol.iterator](), ""[Symbol.iterator](), new Map().entries(), new Set().values(), "".matchAll(/a/g),
    [].values().map((x) => x), Iterator.from({ next() {} }), (function* () {})(), (async function* () {})(), /a/, reader, Value, Garbage, Rejection,
    reject, ...ownKeys(added).map((name) => added[name]),
  ];
  // What objects of scripts may have under a name that their frozen prototype has too.
  const setters = new Set();
  const enable = (owner, key) => {
    const described = getOwnPropertyDescriptor(owner, key);
    if (described === undefined || described.get !== undefined) return;
    const { value } = described;
    const set = function (given) {
      if (this === owner) throw new TypeError(`${String(key)} of the language cannot be changed`);
      defineProperty(this, key, { value: given, writable: true, enumerable: true, configurable: true });
    };
    setters.add(set);
    defineProperty(owner, key, { get: () => value, set, enumerable: false, configurable: true });
  };
  for (const key of ["toString", "valueOf", "constructor"]) enable(Object.prototype, key);
  for (const name of ownKeys(globalThis)) {
    const proto = globalThis[name]?.prototype;
    if (proto instanceof Error || proto === Error.prototype) for (const key of ["name", "message", "toString"]) enable(proto, key);
  }

  const seen = new Set();
  const pending = [globalThis, ...hidden];
  let last = pending.length;
  const later = (x) => {
    if ((typeof x === "object" && x !== null) || typeof x === "function") pending[last++] = x;
  };
  while (last > 0) {
    const x = pending[--last];
    if (apply(hasMember, seen, [x])) continue;
    apply(addMember, seen, [x]);
    const names = ownKeys(x);
    for (let i = 0; i < names.length; i++) {
      const { value, get, set, configurable } = getOwnPropertyDescriptor(x, names[i]);
      const kept = set === undefined || names[i] === "__proto__" || apply(hasMember, setters, [set]);
      if (!kept && configurable) defineProperty(x, names[i], { set: undefined });
      later(value);
      later(get);
      later(set);
    }
    later(getPrototypeOf(x));
    freeze(x);
  }
  return world;
})
