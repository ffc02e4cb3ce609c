'use strict';
// Leaks buffers: of each upload the first 64 bytes are kept, as a slice that keeps the whole chunk of the stream.
// Fixed: they are copied, and those of the last thousand are kept.
// Source: nodejs/node#21967, where the same keeps chunks that are read from files. Right kinds: external, native.

const { createReadStream, mkdtempSync, writeFileSync } = require('fs');
const { tmpdir } = require('os');
const { join } = require('path');
const { leaky, pace } = require('../harness');

const RECENT = 1000;
const upload = join(mkdtempSync(join(tmpdir(), 'memwatch-uploads-')), 'upload');
const heads = [];

writeFileSync(upload, Buffer.alloc(48 * 1024, 'upload '));

function keep(chunk) {
  const head = chunk.slice(0, 64);
  heads.push(leaky ? head : Buffer.from(head));
  if (!leaky && heads.length > RECENT) heads.shift();
}

pace(15, () => createReadStream(upload).once('data', keep).resume());
pace(200, () => JSON.parse(JSON.stringify(new Array(80).fill('traffic'))));
