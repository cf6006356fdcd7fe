/** What counts as a play: every row of the rules, in milliseconds. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { GOES_ON_MS, Ledger, union } from "../../../serving/static/js/ledger.js";

const RULES = { min_track_ms: 30_000, listen_share: 0.5, listen_cap_ms: 240_000 };
const SONG = { track_id: "t1", entry_id: "e1", duration_ms: 180_000, origin: "smart", rank: 2 };
const NOON = 1_700_000_000_000;

function ledger({ rules = RULES, song = SONG } = {}) {
  let n = 0;
  const made = new Ledger(rules, () => `id${++n}`);
  made.start(song, NOON);
  return made;
}

/** Seconds that were heard, and the place and length of the song. */
const heard = (ranges, position = ranges.at(-1)?.[1] ?? 0, duration = 180) => ({
  ranges,
  position,
  duration,
});
const told = (events) => events.map((e) => [e.action, e.cause].filter(Boolean).join(":"));

test("overlaps count once, gaps of a few samples are none", () => {
  assert.deepEqual(
    union([
      [5, 9],
      [0, 3],
      [2, 4],
      [4.01, 4.5],
      [7, 7],
    ]),
    [
      [0, 4.5],
      [5, 9],
    ],
  );
});

test("a listen, once, at half of the song", () => {
  const l = ledger();
  assert.deepEqual(told(l.progress(heard([[0, 89.9]]))), []);
  assert.deepEqual(told(l.progress(heard([[0, 90]]))), ["listen"]);
  assert.deepEqual(told(l.progress(heard([[0, 120]]))), []);
});

test("a long song is listened to after four minutes", () => {
  const l = ledger({ song: { ...SONG, duration_ms: 3_600_000 } });
  assert.deepEqual(told(l.progress(heard([[0, 239]], 239, 3600))), []);
  assert.deepEqual(told(l.progress(heard([[0, 240]], 240, 3600))), ["listen"]);
});

test("the event has what is known, and nothing that is not", () => {
  const [event] = ledger().progress(heard([[0, 90.4]]));
  assert.deepEqual(event, {
    event_id: "id2",
    play_id: "id1",
    track_id: "t1",
    timestamp: NOON,
    action: "listen",
    duration: 90,
    total_duration: 180,
    listened_ms: 90_400,
    position_ms: 90_400,
    origin: "smart",
    rank: 2,
  });
});

test("complete comes with the end, behind the listen and of the same play", () => {
  const l = ledger();
  const events = l.ended(heard([[0, 180]]));
  assert.deepEqual(told(events), ["listen", "complete:ended"]);
  assert.equal(new Set(events.map((e) => e.play_id)).size, 1);
  assert.deepEqual(l.ended(heard([[0, 180]])), []);
});

test("an end with less than nine tenths heard completes nothing", () => {
  assert.deepEqual(
    told(
      ledger().ended(
        heard([
          [0, 100],
          [140, 180],
        ]),
      ),
    ),
    ["listen"],
  );
});

test("dragging to the end is a scrub, not a play", () => {
  const l = ledger();
  assert.deepEqual(
    told(
      l.ended(
        heard([
          [0, 5],
          [171, 180],
        ]),
      ),
    ),
    ["skip:scrub"],
  );
  assert.deepEqual(l.leave("next", heard([[0, 5]])), []);
});

test("leaving before half is a skip with its cause, once", () => {
  const l = ledger();
  const [skip] = l.leave("ban", heard([[0, 12.3]]));
  assert.deepEqual([skip.action, skip.cause, skip.listened_ms], ["skip", "ban", 12_300]);
  assert.deepEqual(l.leave("next", heard([[0, 12.3]])), []);
});

test("leaving between half and end says nothing more than the listen", () => {
  const l = ledger();
  assert.deepEqual(told(l.progress(heard([[0, 100]]))), ["listen"]);
  assert.deepEqual(l.leave("next", heard([[0, 110]])), []);
});

test("a listen that fell due between two looks is told when leaving", () => {
  assert.deepEqual(told(ledger().leave("next", heard([[0, 95]]))), ["listen"]);
});

test("rewinding hears nothing twice", () => {
  assert.deepEqual(ledger().progress(heard([[0, 60]], 10)), []);
  const l = ledger();
  l.progress(heard([[0, 60]]));
  l.carry();
  assert.deepEqual(l.progress(heard([[0, 60]])), []);
  assert.equal(l.listened(), 60_000);
});

test("a source that is loaded anew goes on with what was heard", () => {
  const l = ledger();
  l.progress(heard([[0, 60]]));
  l.carry();
  assert.deepEqual(told(l.progress(heard([[60, 90]]))), ["listen"]);
});

test("short songs give complete or skip, and no listen", () => {
  const song = { ...SONG, duration_ms: 30_000 };
  assert.deepEqual(told(ledger({ song }).ended(heard([[0, 30]], 30, 30))), ["complete:ended"]);
  assert.deepEqual(told(ledger({ song }).leave("next", heard([[0, 3]], 3, 30))), ["skip:next"]);
  assert.deepEqual(ledger({ song }).leave("next", heard([[0, 20]], 20, 30)), []);
});

test("with no least length, a clip of two seconds is a song", () => {
  const l = ledger({ rules: { ...RULES, min_track_ms: 0 } });
  assert.deepEqual(told(l.progress(heard([[0, 1]], 1, 2))), ["listen"]);
});

test("the catalogue's length stands in until the audio says its own", () => {
  assert.deepEqual(told(ledger().progress(heard([[0, 90]], 90, NaN))), ["listen"]);
  const unknown = ledger({ song: { ...SONG, duration_ms: null } });
  assert.deepEqual(unknown.progress(heard([[0, 90]], 90, 0)), []);
});

test("a song of no known length is never invented one", () => {
  const l = ledger({ song: { ...SONG, duration_ms: null } });
  assert.ok(!("total_duration" in l.leave("next", heard([[0, 9]], 9, NaN))[0]));
});

test("the same entry playing on is the same play; another one is not", () => {
  const l = ledger();
  l.start(SONG, NOON + 5000);
  assert.equal(l.play.began, NOON);
  l.start({ ...SONG, entry_id: "e2" }, NOON + 9000);
  assert.deepEqual([l.play.play_id, l.listened()], ["id2", 0]);
});

test("back to the beginning: the same play until it has told something", () => {
  const l = ledger();
  l.progress(heard([[0, 40]]));
  assert.equal(l.restart(), false);
  l.progress(heard([[0, 90]]));
  assert.equal(l.restart(), true);
  l.start(SONG, NOON + 100_000);
  assert.deepEqual(told(l.ended(heard([[0, 180]]))), ["listen", "complete:ended"]);
});

test("repeat: each round is a play of its own", () => {
  const l = ledger();
  const first = l.ended(heard([[0, 180]]));
  l.abandon();
  l.start(SONG, NOON + 180_000);
  const second = l.ended(heard([[0, 180]]));
  assert.notEqual(first[1].play_id, second[1].play_id);
});

test("an error ends a play without a word", () => {
  const l = ledger();
  l.progress(heard([[0, 10]]));
  l.abandon();
  assert.deepEqual(l.leave("next", heard([[0, 10]])), []);
});

test("nothing is told of a song that never began", () => {
  const l = new Ledger(RULES, () => "id");
  assert.deepEqual(l.leave("next", heard([])), []);
});

test("a reload within half an hour goes on; the listen is not told twice", () => {
  const before = ledger();
  before.progress(heard([[0, 100]]));
  const saved = JSON.parse(JSON.stringify(before.save(NOON + 100_000)));
  const after = new Ledger(RULES, () => "new");
  assert.equal(after.restore(saved, NOON + 100_000 + GOES_ON_MS - 1), true);
  after.start(SONG, NOON + 200_000);
  assert.deepEqual(told(after.ended(heard([[100, 180]]))), ["complete:ended"]);
  assert.equal(after.play.play_id, "id1");
});

test("half an hour later it is another play", () => {
  const saved = ledger().save(NOON);
  const after = new Ledger(RULES, () => "new");
  assert.equal(after.restore(saved, NOON + GOES_ON_MS), false);
  after.start(SONG, NOON + GOES_ON_MS);
  assert.equal(after.play.play_id, "new");
});

test("a clock that was set back restores nothing", () => {
  assert.equal(new Ledger(RULES, () => "x").restore(ledger().save(NOON), NOON - 1), false);
  assert.equal(new Ledger(RULES, () => "x").restore(null, NOON), false);
});
