/** What the system shows of the player: lock screen, media keys, headphones. */

import { coverUrl } from "./api.js";

const SIZES = /** @type {const} */ ([512, 256, 96]);

/** @param {import("./session.js").Session} session */
export function mediaSession(session) {
  const media = navigator.mediaSession;
  if (!media) return;
  const { engine } = session;
  // There, seeking hides next and previous.
  const apple = /iP(hone|ad|od)/.test(navigator.userAgent);
  /** @param {MediaSessionAction} action @param {MediaSessionActionHandler} act */
  const on = (action, act) => {
    try {
      media.setActionHandler(action, act);
    } catch {
      // This browser does not know the action.
    }
  };
  on("play", () => session.wanted || session.toggle());
  on("pause", () => session.wanted && session.toggle());
  on("stop", () => engine.pause());
  on("previoustrack", () => session.previous());
  on("nexttrack", () => session.next());
  on("seekto", ({ seekTime }) => seekTime != null && engine.seek(seekTime));
  if (!apple) {
    on("seekbackward", ({ seekOffset }) => engine.seek(engine.position - (seekOffset ?? 10)));
    on("seekforward", ({ seekOffset }) => engine.seek(engine.position + (seekOffset ?? 10)));
  }
  session.addEventListener("song", () => {
    const song = session.queue.current;
    const artwork = SIZES.map((size) => ({
      src: song ? coverUrl(song.track_id, size) : "",
      sizes: `${size}x${size}`,
    }));
    media.metadata = song && new MediaMetadata({ title: song.title, artist: song.artist, artwork });
  });
  session.addEventListener("state", () => {
    media.playbackState = session.wanted ? "playing" : session.queue.current ? "paused" : "none";
  });
  session.addEventListener("time", () => {
    const { duration, position } = engine;
    // It throws for anything that is not a place in a song.
    if (!(duration > 0 && duration < Infinity)) return;
    media.setPositionState({ duration, position: Math.min(Math.max(position, 0), duration) });
  });
}
