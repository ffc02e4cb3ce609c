'use strict';
// Leaks native memory: `getMany` never frees its copies of the values; the JavaScript heap stays as it is. Leaky
// leveldown 6.1.0, fixed 6.1.1.
// Source: Level/leveldown#804, Level/rocksdb#192. Right kind: native.

const { mkdtempSync } = require('fs');
const { tmpdir } = require('os');
const { join } = require('path');
const { paceAsync, variant } = require('../harness');
const leveldown = require(`leveldown-${variant}`);

const db = leveldown(mkdtempSync(join(tmpdir(), 'memwatch-leveldown-')));
const keys = Array.from({ length: 50 }, (_, n) => `key ${n}`);
const puts = keys.map((key, n) => ({ type: 'put', key, value: Buffer.alloc(200, n) }));

const read = () => new Promise((done) => db.getMany(keys, done));

db.open((error) => {
  if (error) throw error;
  db.batch(puts, () => paceAsync(600, 8, read));
});
