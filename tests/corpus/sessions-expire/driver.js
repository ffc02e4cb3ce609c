'use strict';
// Healthy: sessions expire after 40 s, so that their number grows until then and no longer.

const { pace } = require('../harness');

const LIFE_MS = 40 * 1000;
const sessions = new Set();

pace(300, () => {
  const session = { user: { name: 'someone' }, history: new Array(60).fill(Date.now()) };
  sessions.add(session);
  setTimeout(() => sessions.delete(session), LIFE_MS);
});
pace(100, () => JSON.parse(JSON.stringify(new Array(200).fill('traffic'))));
