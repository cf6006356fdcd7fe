/** Nothing is lost, nothing is stuck, and nothing is sent in another one's name. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { retryAfter } from "../../../serving/static/js/api.js";
import { BATCH, MOST_AGE_MS, MOST_ITEMS, Outbox } from "../../../serving/static/js/outbox.js";

let kept, sent, now, lost, answer;

/** A store in memory, with keys as IndexedDB gives them. */
function memory() {
  let key = 0;
  return {
    add: async (item) => {
      kept.push({ ...item, key: ++key });
      return key;
    },
    all: async () => [...kept],
    remove: async (keys) => {
      kept = kept.filter((item) => !keys.includes(item.key));
    },
  };
}

const accepted = (events) => ({
  results: events.map(({ event_id }) => ({ event_id, status: "accepted" })),
});
const failing =
  (status, retryMs = 0) =>
  async () => {
    throw Object.assign(new Error(), { status, retryMs });
  };
const box = (user = "u1", items = memory()) =>
  new Outbox(
    user,
    async (events) => {
      sent.push(events);
      return answer(events);
    },
    {
      items,
      now: () => now,
      random: () => 0,
      lost: (count) => (lost += count),
      lock: (job) => job(),
    },
  );
const event = (n) => ({ event_id: `e${n}`, action: "listen" });
const events = (count) => Array.from({ length: count }, (_, n) => event(n));

beforeEach(() => {
  kept = [];
  sent = [];
  lost = 0;
  now = 1_700_000_000_000;
  answer = accepted;
});

test("kept before it is sent, gone when the server has it", async () => {
  const outbox = box();
  await outbox.add([event(1)]);
  assert.equal(kept.length, 1);
  await outbox.flush();
  assert.deepEqual(sent, [[{ ...event(1), sent_at: now }]]);
  assert.deepEqual([kept.length, outbox.unsent.size], [0, 0]);
});

test("the oldest first, fifty at a time", async () => {
  const outbox = box();
  await outbox.add(events(120));
  await outbox.flush();
  assert.deepEqual(
    sent.map((batch) => batch.length),
    [BATCH, BATCH, 20],
  );
  assert.deepEqual(
    sent.flat().map((e) => e.event_id),
    events(120).map((e) => e.event_id),
  );
});

for (const status of [0, 401, 403, 408, 425, 429, 500, 503]) {
  test(`${status} keeps everything and waits`, async () => {
    const outbox = box();
    await outbox.add(events(2));
    answer = failing(status);
    await outbox.flush();
    await outbox.flush();
    assert.deepEqual([kept.length, sent.length, lost], [2, 1, 0]);
    now = outbox.notBefore;
    answer = accepted;
    await outbox.flush();
    assert.equal(kept.length, 0);
  });
}

test("waits longer each time, at most five minutes, and what the server asks for", async () => {
  const outbox = box();
  await outbox.add([event(1)]);
  answer = failing(503);
  const waits = [];
  for (let n = 0; n < 12; n += 1) {
    await outbox.flush();
    waits.push(outbox.notBefore - now);
    now = outbox.notBefore;
  }
  assert.deepEqual(waits.slice(0, 3), [1000, 2000, 4000]);
  assert.equal(waits.at(-1), 150_000);
  answer = failing(429, 400_000);
  await outbox.flush();
  assert.equal(outbox.notBefore - now, 400_000);
});

test("one that spoils the batch is dropped and counted, the others arrive", async () => {
  const outbox = box();
  await outbox.add(events(4));
  answer = (batch) => (batch.some((e) => e.event_id === "e2") ? failing(400)() : accepted(batch));
  await outbox.flush();
  assert.deepEqual([kept.length, lost], [0, 1]);
  const arrived = sent
    .filter((b) => b.length === 1 && b[0].event_id !== "e2")
    .map((b) => b[0].event_id);
  assert.deepEqual(arrived, ["e0", "e1", "e3"]);
});

test("rejected is counted, duplicate is success", async () => {
  const outbox = box();
  await outbox.add(events(3));
  const states = ["accepted", "rejected", "duplicate"];
  answer = (batch) => ({
    results: batch.map((e, n) => ({ event_id: e.event_id, status: states[n] })),
  });
  await outbox.flush();
  assert.deepEqual([kept.length, lost], [0, 1]);
});

test("what is too old or too much is dropped and counted", async () => {
  const outbox = box();
  await outbox.add([event("old")]);
  now += MOST_AGE_MS + 1;
  await outbox.add(events(MOST_ITEMS + 2));
  await outbox.flush();
  assert.equal(lost, 3);
  assert.equal(sent.flat().length, MOST_ITEMS);
  assert.equal(sent.flat()[0].event_id, "e2");
});

test("another listener's plays wait for that listener", async () => {
  const items = memory();
  await box("u1", items).add([event(1)]);
  await box("u2", items).flush();
  assert.deepEqual([sent.length, kept.length], [0, 1]);
  await box("u1", items).flush();
  assert.equal(kept.length, 0);
});

test("one request at a time", async () => {
  const outbox = box();
  await outbox.add([event(1)]);
  await Promise.all([outbox.flush(), outbox.flush()]);
  assert.equal(sent.length, 1);
});

test("a page that goes hands over what it has, and keeps it until it arrived", async () => {
  const outbox = box();
  await outbox.add(events(2));
  outbox.part();
  await Promise.resolve();
  assert.deepEqual([sent[0].length, kept.length], [2, 2]);
});

test("Retry-After in seconds, as a date, and as nonsense", () => {
  assert.equal(retryAfter("7", now), 7000);
  assert.equal(retryAfter(new Date(now + 60_000).toUTCString(), now), 60_000);
  for (const none of [null, "", "soon", "-5"]) assert.equal(retryAfter(none, now), 0);
  assert.equal(retryAfter("999999", now), 600_000);
});
