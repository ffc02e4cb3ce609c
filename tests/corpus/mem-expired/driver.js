'use strict';
// Leaks JavaScript heap: a memoized result is not used after 20 s, yet deleted only if its key is asked for once more,
// which keys of sessions are not. Leaky mem 3.0.1, fixed 4.0.0: there it grows for the first 20 s only.
// Source: sindresorhus/memoize#14, mended by #19. Right kind: js-heap.

const { pace, random, variant } = require('../harness');
const mem = require(`mem-${variant}`);

const permissions = mem(
  (session) => ({ session, roles: new Array(12).fill('reader'), grants: Array.from({ length: 60 }, (_, n) => n * 7) }),
  { maxAge: 20 * 1000 },
);
let sessions = 0;

pace(500, () => {
  if (random(4) > 0) sessions++;
  return permissions(`session-${sessions - random(Math.min(50, sessions + 1))}`);
});
pace(100, () => permissions(`session-${sessions++}`));
