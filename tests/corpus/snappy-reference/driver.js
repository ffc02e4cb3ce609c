'use strict';
// Leaks buffers: a reference to each input is never released. Leaky snappy 7.2.0, fixed 7.2.2.
// Source: Brooooooklyn/snappy#99. Right kinds: external, handles; native, where the buffers are seen as what they are
// made of.

const { randomBytes } = require('crypto');
const { pace, variant } = require('../harness');
const { compressSync, uncompressSync } = require(`snappy-${variant}`);

const page = randomBytes(6000);

pace(120, () => {
  const compressed = compressSync(Buffer.from(page));
  uncompressSync(compressed, { asBuffer: true });
});
