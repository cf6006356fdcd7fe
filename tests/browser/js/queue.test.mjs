/** Two lists that never mix, and entries that are known by their own ids. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Queue } from "../../../serving/static/js/queue.js";

let queue;
const entry = (track_id) => queue.entry({ track_id, title: track_id, artist: "a" });
const ids = (list) => list.map((e) => e.track_id).join("");
const play = (track_id) => queue.pick(entry(track_id));

beforeEach(() => {
  let n = 0;
  queue = new Queue(() => `e${++n}`);
});

test("mine go before smart ones, whenever they were added", () => {
  play("x");
  queue.fill([entry("s"), entry("t")]);
  queue.add(entry("m"));
  queue.add(entry("n"));
  const order = [];
  while (queue.next()) order.push(queue.current.track_id);
  assert.deepEqual(order, ["m", "n", "s", "t"]);
});

test("the end changes nothing", () => {
  play("x");
  assert.equal(queue.next(), null);
  assert.equal(queue.current.track_id, "x");
  assert.equal(queue.history.length, 0);
});

test("another context drops the smart list, never mine", () => {
  play("x");
  queue.add(entry("m"));
  queue.fill([entry("s")]);
  play("y");
  assert.deepEqual([ids(queue.mine), ids(queue.smart)], ["m", ""]);
});

test("previous goes back, and what was left comes next again", () => {
  play("x");
  queue.fill([entry("s"), entry("t")]);
  queue.next();
  assert.equal(queue.previous().track_id, "x");
  assert.equal(ids(queue.smart), "st");
  assert.equal(queue.previous(), null);
});

test("a song twice in line is two entries", () => {
  play("x");
  const first = queue.add(entry("m"));
  const second = queue.add(entry("m"));
  queue.remove(first.entry_id);
  assert.deepEqual(
    queue.mine.map((e) => e.entry_id),
    [second.entry_id],
  );
});

test("moves stay within their list", () => {
  play("x");
  const [a, , c] = ["a", "b", "c"].map((id) => queue.add(entry(id)));
  assert.equal(queue.move(c.entry_id, -1), true);
  assert.equal(ids(queue.mine), "acb");
  assert.equal(queue.move(a.entry_id, -1), false);
  assert.equal(queue.move(a.entry_id, 99), true);
  assert.equal(ids(queue.mine), "cba");
  assert.equal(queue.move("nobody", 1), false);
});

test("what is pinned is mine and outlives the context", () => {
  play("x");
  queue.fill([entry("s"), entry("t")]);
  queue.pin(queue.smart[1].entry_id);
  play("y");
  assert.deepEqual([ids(queue.mine), queue.mine[0].list], ["t", "mine"]);
  assert.equal(queue.pin(queue.mine[0].entry_id), false);
});

test("jumping takes the one and leaves the others in line", () => {
  play("x");
  queue.fill([entry("s"), entry("t"), entry("u")]);
  assert.equal(queue.jump(queue.smart[1].entry_id).track_id, "t");
  assert.equal(ids(queue.smart), "su");
  assert.equal(queue.jump("nobody"), null);
  assert.equal(queue.current.track_id, "t");
});

test("filling skips what is in line or playing, and can replace", () => {
  play("x");
  queue.add(entry("m"));
  queue.fill([entry("x"), entry("m"), entry("s"), entry("s")]);
  assert.equal(ids(queue.smart), "s");
  queue.fill([entry("t")], true);
  assert.equal(ids(queue.smart), "t");
});

test("drop takes from the smart list only", () => {
  play("x");
  queue.add(entry("m"));
  queue.fill([entry("s")]);
  queue.drop(() => true);
  assert.deepEqual([ids(queue.mine), ids(queue.smart)], ["m", ""]);
});

test("recent has each song once, the newest last, 200 at most", () => {
  for (const id of ["a", "b", "a", "c"]) play(id);
  assert.deepEqual(queue.recent(), ["b", "a"]);
  for (let n = 0; n < 300; n += 1) play(`t${n}`);
  assert.equal(queue.recent().length, 200);
  assert.equal(queue.recent().at(-1), "t298");
});

test("queued has 100 at most, mine first", () => {
  for (let n = 0; n < 120; n += 1) queue.add(entry(`m${n}`));
  assert.equal(queue.queued().length, 100);
  assert.equal(queue.queued()[0], "m0");
});

test("what is saved comes back", () => {
  play("w");
  play("x");
  queue.add(entry("m"));
  queue.fill([entry("s")]);
  const saved = JSON.parse(JSON.stringify(queue));
  const other = new Queue(() => "e");
  assert.equal(other.restore(saved), true);
  assert.deepEqual(JSON.parse(JSON.stringify(other)), saved);
});

for (const [what, saved] of Object.entries({
  nothing: undefined,
  null: null,
  text: "x",
  "another version": { version: 2, mine: [], smart: [], history: [] },
  "a list that is none": { version: 1, mine: {}, smart: [], history: [] },
  "an entry that is none": { version: 1, mine: [{ track_id: 1 }], smart: [], history: [] },
  "a current that is none": { version: 1, current: 5, mine: [], smart: [], history: [] },
})) {
  test(`${what} is discarded`, () => {
    play("x");
    assert.equal(queue.restore(saved), false);
    assert.equal(queue.current.track_id, "x");
  });
}
