/** The page's own database: one store, `events`, in IndexedDB. */

const NAME = "nocturne";

/** @type {Promise<IDBDatabase> | undefined} */
let opened;

/** @param {IDBTransactionMode} mode @returns {Promise<IDBObjectStore>} */
export async function store(mode) {
  opened ??= open();
  return (await opened).transaction("events", mode).objectStore("events");
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
export function waitFor(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @returns {Promise<void>} for whoever erases everything */
export async function clear() {
  await waitFor((await store("readwrite")).clear());
}

/** @returns {Promise<IDBDatabase>} */
function open() {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore("events", { keyPath: "key", autoIncrement: true });
  };
  return waitFor(request);
}
