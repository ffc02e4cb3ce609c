'use strict';
// Healthy: every 10 s many passwords are checked at once, on all threads of the pool, and packed answers are sent.

const { randomBytes, scrypt } = require('crypto');
const { gzip } = require('zlib');
const { pace } = require('../harness');

const salt = randomBytes(16);
const answer = Buffer.alloc(64 * 1024, 'answer');

function burst() {
  for (let n = 0; n < 12; n++) scrypt(`password ${n}`, salt, 64, { N: 4096 }, () => {});
  for (let n = 0; n < 60; n++) gzip(answer, () => {});
}

pace(1 / 10, burst);
pace(200, () => JSON.parse(JSON.stringify(new Array(100).fill('traffic'))));
